// What the tests of the `rill` command share: running it, and small models and tables to run it on.
#pragma once

#include <doctest/doctest.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <rill/rill.hpp>

#include "subprocess.hpp"
#include "temp_dir.hpp"

namespace rill::test {

// The tests run in the repository's root; programs stand in the build folder that the Makefile names.
inline std::string rill_program() {
  const char* build = std::getenv("RILL_BUILD_DIR");
  return std::filesystem::absolute(std::string(build ? build : "build") + "/bin/rill");
}

inline Outcome rill(std::vector<std::string> arguments, const Environment& changes = {}) {
  return run_program(rill_program(), std::move(arguments), changes);
}

// A shell line in which rill is the command.
inline Outcome rill_sh(const std::string& line) {
  return run_program("/bin/sh", {"-c", "rill() { '" + rill_program() + "' \"$@\"; }; " + line});
}

inline nlohmann::json rill_json(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  const Outcome run = rill(std::move(arguments));
  REQUIRE_MESSAGE(run.status == 0, run.output);
  return nlohmann::json::parse(run.output);
}

// Four columns to three classes, with names for all, and preprocessing.
inline nn::Model flower_model() {
  Generator generator(5);
  nn::Model model(nn::Sequential{nn::Dense(4, 8, generator), nn::LeakyReLU(0.1), nn::Dense(8, 3, generator)},
                  {4});
  model.preprocessing.push_back(std::make_shared<nn::data::Standardize>(
      tensor({5.8, 3.0, 3.7, 1.2}, DType::f64), tensor({0.8, 0.4, 1.7, 0.7}, DType::f64)));
  model.classes = {"setosa", "versicolor", "virginica"};
  model.features = {"sepal length", "sepal width", "petal length", "petal width"};
  model.target = "species";
  return model;
}

inline constexpr const char* flower_table =
    "sepal length,sepal width,petal length,petal width,species\n"
    "5.1,3.5,1.4,0.2,setosa\n"
    "7.0,3.2,4.7,1.4,versicolor\n"
    "6.3,3.3,6.0,2.5,virginica\n"
    "4.9,3.0,1.4,0.2,setosa\n";

inline Tensor flower_rows() {
  return tensor({{5.1, 3.5, 1.4, 0.2}, {7.0, 3.2, 4.7, 1.4}, {6.3, 3.3, 6.0, 2.5}, {4.9, 3.0, 1.4, 0.2}});
}

inline std::string save(nn::Model model, const std::string& path) {
  nn::save_model(model, path);
  return path;
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

inline std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream in(line);
  for (std::string field; std::getline(in, field, ',');) fields.push_back(field);
  return fields;
}

// The numbers of a line of CSV, as a program reads them back.
template <class T>
std::vector<T> numbers_of(const std::string& line) {
  std::vector<T> numbers;
  for (const std::string& field : fields_of(line)) {
    T number{};
    const auto end = std::from_chars(field.data(), field.data() + field.size(), number);
    REQUIRE_MESSAGE(end.ptr == field.data() + field.size(), field);
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace rill::test
