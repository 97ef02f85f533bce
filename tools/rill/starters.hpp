// The texts that `rill new` writes. @WORDS@ are filled in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rill::command {

/// What a starter for a CSV file is made for; the defaults are those of no file.
struct Table {
  std::string path = "data.csv", target = "\"species\"", features = "", one_hot = "";  // the columns as JSON
  std::int64_t inputs = 4, outputs = 3;
  char delimiter = ',';
  bool missing = false, missing_indicator = false;  // cells of features
};

inline constexpr std::string_view mnist_run = R"({@SCHEMA@
  "// ": "A run on MNIST. Check it with `rill check`, start it with `rill train`. Keys with // are comments.",
  "rill": 1,
  "seed": 42,
  "model": {
    "// ": "Every size but the input's is inferred. `rill summary` shows a model.",
    "rill": 1,
    "input_shape": [28, 28],
    "layers": [
      { "type": "flatten" },
      { "type": "dense", "units": 256, "init": "kaiming_normal" },
      { "// ": "lets a gradient pass where it is off, so that units do not die", "type": "leaky_relu", "negative_slope": 0.1 },
      { "type": "dense", "units": 128, "init": "kaiming_normal" },
      { "type": "leaky_relu", "negative_slope": 0.1 },
      { "type": "dense", "units": 10 }
    ]
  },
  "data": {
    "// ": "MNIST's four files, plain or .gz, in the folder of RILL_DATA or in data/mnist, where `make mnist` puts them.",
    "// path": "\"path\": \"folder\" names another folder",
    "format": "idx",
    "// scale": "pixels of 0 to 255 become 0 to 1",
    "scale": 0.00392156862745098
  },
  "loss": "cross_entropy",
  "optimizer": { "type": "adam", "lr": 0.001 },
  "training": { "epochs": 5, "batch_size": 128 },
  "// monitor": "counts dead neurons every so many steps; `rill doctor` tells about a saved model",
  "monitor": { "every": 100 }
}
)";

inline constexpr std::string_view digits_run = R"({@SCHEMA@
  "// ": "A run on drawn digits, which need no download. Keys with // are comments.",
  "rill": 1,
  "seed": 42,
  "model": {
    "rill": 1,
    "input_shape": [28, 28],
    "layers": [
      { "type": "flatten" },
      { "type": "dense", "units": 64 },
      { "type": "leaky_relu", "negative_slope": 0.1 },
      { "type": "dense", "units": 10 }
    ]
  },
  "data": { "format": "drawn_digits", "train": 6000, "test": 1000 },
  "loss": "cross_entropy",
  "optimizer": { "type": "adam", "lr": 0.002 },
  "training": { "epochs": 3, "batch_size": 64 },
  "monitor": { "every": 50 }
}
)";

inline constexpr std::string_view csv_run = R"({@SCHEMA@
  "// ": "A run on a table. Keys with // are comments.",
  "rill": 1,
  "seed": 42,
  "model": {
    "rill": 1,
    "// input_shape": "how many features the model reads",
    "input_shape": [@INPUTS@],
    "layers": [
      { "type": "dense", "units": 32, "activation": { "type": "leaky_relu", "negative_slope": 0.1 } },
      { "type": "dense", "units": 16, "activation": { "type": "leaky_relu", "negative_slope": 0.1 } },
      { "// units": "one for each class, or 1 for a number", "type": "dense", "units": @OUTPUTS@ }
    ]
  },
  "data": {
    "format": "csv",
    "path": @PATH@,@FORM@
    "// target": "the column to predict; \"features\": [\"a\", \"b\"] chooses the others",
    "target": @TARGET@,
    "regression": @REGRESSION@,@STANDARDIZE_TARGET@
    "// validation": "this share of the rows is kept to judge the model by",
    "validation": 0.2,
    "standardize": true
  },
  "loss": "@LOSS@",
  "optimizer": { "type": "adam", "lr": 0.01 },
  "training": {
    "epochs": 50,
    "batch_size": 32,
    "// early_stopping": "ends the run when this number has not become better for so many epochs",
    "early_stopping": { "monitor": "val_loss", "patience": 10 }
  }
}
)";

inline constexpr std::string_view model_alone = R"({@SCHEMA@
  "// ": "A model. A run names it: \"model\": \"model.json\". Keys with // are comments.",
  "rill": 1,
  "// input_shape": "of one sample; every other size is inferred",
  "input_shape": [28, 28],
  "layers": [
    { "type": "flatten" },
    { "type": "dense", "units": 128, "init": "kaiming_normal" },
    { "type": "leaky_relu", "negative_slope": 0.1 },
    { "type": "dropout", "p": 0.2 },
    { "type": "dense", "units": 10 }
  ]
}
)";

}  // namespace rill::command
