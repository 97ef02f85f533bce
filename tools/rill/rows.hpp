// Samples to predict from, a batch at a time: rows of a CSV file, or samples of an IDX or npy file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <rill/nn/model.hpp>

namespace rill::command {

class Rows {
 public:
  virtual ~Rows() = default;
  /// The next batch, f32 [n, features] with n of 1 to `most`, or an undefined tensor at the end. Throws Error, naming the
  /// place, for what is no number.
  virtual Tensor next(std::int64_t most) = 0;
  /// Whether the file names its columns.
  virtual bool has_header() const { return false; }

  /// The names of the columns to keep, and for each row of the last batch their cells: fields of a CSV file, each with a comma behind.
  const std::string& kept_names() const { return kept_names_; }
  const std::vector<std::string>& kept() const { return kept_; }

 protected:
  std::string kept_names_{};
  std::vector<std::string> kept_{};
};

/// The rows of a file for a model. `format` is "auto", "csv", "idx" or "npy"; "-" reads CSV, or that format, from standard input.
/// Its delimiter is found as io::CsvReader does; all its numbers are finite, as those of arrays have to be, but that in a
/// table cells may be missing for a model that fills them (NaN here). A first row with a non-number, or with the names of
/// the model's features where these are numbers, is a header.
/// A CSV file with a header gives the model's feature columns, wherever they stand, and a note tells which others are left
/// out; without names in the model all columns. Throws Error for files, for columns that are missing, and for samples
/// of another size than the model's. `keep` names columns to keep, or numbers them from 0; UsageError for files that have none.
std::unique_ptr<Rows> open_rows(const std::string& path, const std::string& format, const nn::Model& model,
                                const std::vector<std::string>& keep = {});

}  // namespace rill::command
