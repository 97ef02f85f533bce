// What kind of file stands at a path, told by its content.
#pragma once

#include <string>

namespace rill::command {

enum class FileKind { safetensors, npy, gzip, idx, json, other };

/// Looks at the first bytes. Throws Error if the file is missing, a directory, or unreadable. An empty file is `other`.
FileKind kind_of(const std::string& path);

/// The delimiter of a CSV file: a comma, but where the first row has none and a semicolon, a tab or a | parts it, that one. A pipe
/// cannot be looked into: a comma.
char csv_delimiter(const std::string& path);

/// Whether a JSON document is a config, right or wrong, and not a TensorFlow.js model with its weights.
bool reads_as_config(const std::string& path);
/// Whether a JSON document is a run and not a model: it has "model", "data" or "training".
bool reads_as_run(const std::string& path);

}  // namespace rill::command
