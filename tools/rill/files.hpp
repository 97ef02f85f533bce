// Files that the command is given: their kind, told by the content, what tables call their columns, and which one is written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rill/core/io/csv.hpp>

namespace rill::command {

enum class FileKind { safetensors, npy, gzip, idx, json, other };

/// Looks at the first bytes. Throws Error if the file is missing, a directory, or unreadable. An empty file is `other`, and so is a
/// pipe, which cannot be looked into.
FileKind kind_of(const std::string& path);

/// The number by which a column of a table without a header is called, "0", "1", ...; none for other names.
std::optional<std::int64_t> column_number(std::string_view name);
/// Whether all names can be the numbers of columns, of so many or one more: as names they tell nothing then.
bool are_column_numbers(const std::vector<std::string>& names);
/// Whether the record holds every one of the names.
bool holds_names(const io::CsvReader& record, const std::vector<std::string>& names);
/// Whether the record is "0,1,2", which other programs write above columns without names. Of fewer columns it may be a row.
bool counts_columns(const io::CsvReader& record);

/// Throws UsageError if the file at `output` is that at one of `inputs`, by whatever path: it would be lost. "-" as an input is
/// standard input; as an output it is never a file. `what` stands for the output in the message, "--output".
void refuse_overwriting(const std::string& what, const std::string& output,
                        const std::vector<std::string>& inputs);

/// Whether a JSON document is a config, right or wrong, and not a TensorFlow.js model with its weights.
bool reads_as_config(const std::string& path);
/// Whether a JSON document is a run and not a model: it has "model", "data" or "training".
bool reads_as_run(const std::string& path);

}  // namespace rill::command
