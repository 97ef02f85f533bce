#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <rill/core/io/csv.hpp>
#include <rill/optim/callbacks.hpp>

namespace rill::optim::callbacks {
namespace {

// A NaN has no sign to tell of.
std::string number(double value) { return std::isnan(value) ? "nan" : fmt::format("{}", value); }

}  // namespace

CSVLogger::CSVLogger(std::string file, char separator, bool append)
    : path_(std::move(file)), separator_(separator), append_(append) {
  RILL_CHECK(!path_.empty(), "CSVLogger: the file has no name, expected one");
  io::CsvReader::from_text("", "CSVLogger", separator);  // knows which separators will do
}

// The columns of a file that rows are added to.
void CSVLogger::read_columns() {
  io::CsvReader reader(path_, separator_);
  if (!reader.next()) return;
  for (std::size_t i = 0; i < reader.size(); ++i) columns_.emplace_back(reader[i]);
  RILL_CHECK(columns_[0] == "epoch", path_, ": the first column is ", io::quote_csv_field(columns_[0]),
             ", expected \"epoch\" to append to");
  std::ifstream file(path_, std::ios::binary);
  file.seekg(-1, std::ios::end);
  if (file.get() != '\n') pending_ = "\n";
}

void CSVLogger::on_train_begin(Run& run) {
  file_ = io::AppendFile();
  if (run.resumed) return go_on();
  columns_.clear();
  pending_.clear();
  bytes_ = 0;
  if (append_ && std::filesystem::exists(path_)) {
    read_columns();
    bytes_ = static_cast<std::int64_t>(std::filesystem::file_size(path_));
  }
  file_ = io::AppendFile(path_);
  if (!append_) file_.cut(0);
}

// Rows that came after the checkpoint will come again.
void CSVLogger::go_on() {
  file_ = io::AppendFile(path_);
  file_.cut(static_cast<std::uint64_t>(bytes_));
}

// A checkpoint that outlives a power failure must find the rows that it counts.
StateDict CSVLogger::state_dict() const {
  if (file_.is_open()) file_.sync();
  return {.numbers = {{"bytes", static_cast<double>(bytes_)}},
          .texts = {{"columns", header()}, {"pending", pending_}}};
}

void CSVLogger::load_state_dict(const Run&, const StateDict& state) {
  const std::int64_t bytes = state.count("bytes", "CSVLogger");
  const std::string& columns = state.text("columns", "CSVLogger");
  std::string pending = state.text("pending", "CSVLogger");
  if (bytes > 0) {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path_, error);
    RILL_CHECK(!error && size >= static_cast<std::uintmax_t>(bytes), path_, ": ",
               error ? error.message() : std::to_string(size) + " bytes",
               ", expected the file that the checkpoint goes with, of ", bytes, " bytes or more");
    std::ifstream file(path_, std::ios::binary);
    std::string begin(columns.size(), '\0');
    file.read(begin.data(), static_cast<std::streamsize>(begin.size()));
    RILL_CHECK(append_ || begin == columns, path_, ": the first line is not ", columns,
               ", expected the file that the checkpoint goes with");
  }
  std::vector<std::string> names;
  io::CsvReader reader = io::CsvReader::from_text(columns, "CSVLogger", separator_);
  if (!columns.empty() && reader.next()) {
    for (std::size_t i = 0; i < reader.size(); ++i) names.emplace_back(reader[i]);
  }
  columns_ = std::move(names);
  pending_ = std::move(pending);
  bytes_ = bytes;
}

// The first line, without its end; empty before the first row.
std::string CSVLogger::header() const {
  std::string line;
  for (const std::string& name : columns_)
    line += (line.empty() ? "" : std::string(1, separator_)) + io::csv_field(name, separator_);
  return line;
}

void CSVLogger::on_epoch_end(Run& run) {
  if (columns_.empty()) {
    columns_.emplace_back("epoch");
    for (const auto& [name, value] : run.logs) columns_.push_back(name);
    pending_ += header() + '\n';
  }
  for (const auto& [name, value] : run.logs) {
    RILL_CHECK(std::ranges::find(columns_, name) != columns_.end(), path_, ": there is no column \"", name,
               "\", expected one for each number in the logs; write to another file");
  }
  std::string text = pending_ + std::to_string(run.epoch);
  for (std::size_t i = 1; i < columns_.size(); ++i) {
    text += separator_;
    if (run.logs.contains(columns_[i])) text += number(run.logs.at(columns_[i]));
  }
  text += '\n';
  file_.append(text);
  pending_.clear();
  bytes_ += static_cast<std::int64_t>(text.size());
}

void CSVLogger::on_train_end(Run&) { file_.close(); }

}  // namespace rill::optim::callbacks
