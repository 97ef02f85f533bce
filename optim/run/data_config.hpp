// What a run is trained on, as configs hold it: {"format": "csv", "path": "iris.csv", "target": "species"}. Paths are seen from
// the working folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <rill/optim/run/checks.hpp>

namespace rill::optim {
namespace config {

/// Random changes of training images: nn::data::Shift and nn::data::Distort. What comes in from outside is background.
struct AugmentConfig {
  std::int64_t shift = 0;
  double rotation = 0, scale = 0, shear = 0, translate = 0, alpha = 0, sigma = 4;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("shift", self.shift, "whole pixels, along both axes", between(0, 1000));
    archive.optional("rotation", self.rotation, "degrees", between(0, 180));
    archive.optional("scale", self.scale, "share by which width and height change", between(0, 0.999));
    archive.optional("shear", self.shear, "x moves by shear times y", at_least(0));
    archive.optional("translate", self.translate, "pixels, along both axes", at_least(0));
    archive.optional("alpha", self.alpha, "strength of the elastic distortion", at_least(0));
    archive.optional("sigma", self.sigma, "its smoothness, in pixels", between(0.1, 100));
  }
};

// How a pixel becomes a number.
struct PixelConfig {
  double scale = 1.0 / 255, mean = 0, std = 1;
  std::optional<AugmentConfig> augment = {};
  template <class Self, class Archive>
  static void pixel_fields(Self& self, Archive& archive) {
    archive.optional("scale", self.scale, "(pixel * scale - mean) / std", above(0));
    archive.optional("mean", self.mean, "(pixel * scale - mean) / std", nn::config::finite());
    archive.optional("std", self.std, "(pixel * scale - mean) / std", above(0));
    archive.optional("augment", self.augment, "random changes of the training images");
  }
};

struct IdxConfig : PixelConfig {
  static constexpr std::string_view type_name = "idx";
  std::string path = "";
  std::int64_t limit = 0;
  double validation = 0;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("path", self.path, "folder of MNIST's four files; empty for RILL_DATA, or data/mnist");
    pixel_fields(self, archive);
    archive.optional("limit", self.limit, "the first training samples alone; 0 for all", counts());
    archive.optional("validation", self.validation,
                     "share of the training samples that are kept for it; 0: the test files serve",
                     between(0, 0.999));
  }
};

struct DrawnDigitsConfig : PixelConfig {
  static constexpr std::string_view type_name = "drawn_digits";
  std::int64_t train = 6000, test = 1000;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("train", self.train, "digits to train on", between(1, 1e7));
    archive.optional("test", self.test, "digits for validation", between(1, 1e7));
    pixel_fields(self, archive);
  }
};

/// A column's number, negative ones from the end, or its name.
using ColumnConfig = std::variant<std::int64_t, std::string>;

struct CsvConfig {
  static constexpr std::string_view type_name = "csv";
  std::string path = {};
  std::optional<bool> header = {};
  std::optional<ColumnConfig> target = {};
  std::vector<ColumnConfig> features = {}, one_hot = {};
  std::vector<std::string> classes = {};
  bool regression = false, standardize_target = false;
  std::string delimiter = ",";
  double validation = 0.2;
  bool stratified = false, standardize = true;
  std::string missing = "refuse";
  bool missing_indicator = false;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.required("path", self.path, "the file");
    archive.optional("header", self.header,
                     "whether the first row names the columns; if not given, it shows");
    archive.optional("target", self.target, "column to predict; the last one if not given");
    archive.optional("features", self.features,
                     "columns to predict from, or values of them as \"city=Ulm\"; none for all others");
    archive.optional("one_hot", self.one_hot,
                     "those features of which each value becomes a feature of its own, 1 where it stands; "
                     "for columns of text");
    archive.optional("classes", self.classes,
                     "names in the order of their labels; none for those in the file");
    archive.optional("regression", self.regression, "the target is a number, not a class");
    archive.optional(
        "standardize_target", self.standardize_target,
        "the loss is that of targets with mean 0 and deviation 1, as measured on the training rows; a fresh "
        "model gets a rescaling as its last layer, and answers in the target's unit");
    archive.optional("delimiter", self.delimiter, "between two cells", one_of({",", ";", "\t", "|", " "}));
    archive.optional("validation", self.validation, "share of the rows that are kept for it; 0 for none",
                     between(0, 0.999));
    archive.optional("stratified", self.stratified, "the same share of every class");
    archive.optional(
        "missing", self.missing,
        "what becomes of cells that are missing, but for the target's: refused, or filled with their "
        "column's mean or median, as measured on the training rows; one-hot they are a value of their own",
        one_of({"refuse", "mean", "median"}));
    archive.optional(
        "missing_indicator", self.missing_indicator,
        "a feature \"age=\" behind that of each column of numbers with such cells, 1 where one is missing");
    archive.optional("standardize", self.standardize,
                     "every column of numbers to mean 0 and deviation 1, as measured on the training rows");
  }
};

struct NpyConfig {
  static constexpr std::string_view type_name = "npy";
  std::string x = {}, y = {};
  bool regression = false;
  double validation = 0.2;
  bool stratified = false, standardize = false;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.required("x", self.x, "file with the samples, [n, …]");
    archive.required("y", self.y, "file with their targets");
    archive.optional("regression", self.regression, "targets are numbers, not classes");
    archive.optional("validation", self.validation, "share of the samples that are kept for it; 0 for none",
                     between(0, 0.999));
    archive.optional("stratified", self.stratified, "the same share of every class");
    archive.optional("standardize", self.standardize,
                     "every element to mean 0 and deviation 1, as measured on the training samples");
  }
};

}  // namespace config

struct DataConfig {
  static constexpr std::string_view noun = "data";
  static constexpr std::string_view tag = "format";
  static constexpr bool by_name = true;
  std::variant<config::IdxConfig, config::CsvConfig, config::NpyConfig, config::DrawnDigitsConfig> value;
};

}  // namespace rill::optim
