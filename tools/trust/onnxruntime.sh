#!/bin/sh
# onnxruntime.sh TESTS FOLDER: lets the test program TESTS write networks as ONNX files and compares what onnxruntime
# makes of them with rill's own outputs. onnxruntime-node is installed into FOLDER by npm, once; 290 MB.
set -eu

tests=$(realpath "$1")
folder=$2
here=$(dirname "$(realpath "$0")")
version=1.30.0

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  printf 'onnxruntime: node or npm is missing, expected both; install Node.js\n' >&2
  exit 1
fi

mkdir -p "$folder"
cd "$folder"
if ! [ -f "node_modules/onnxruntime-node/package.json" ]; then
  echo '{ "private": true }' >package.json
  ONNXRUNTIME_NODE_INSTALL_CUDA=skip npm install --no-audit --no-fund "onnxruntime-node@$version"
fi

networks=$(mktemp -d)
trap 'rm -rf "$networks"' EXIT
RILL_ONNX_FOLDER=$networks "$tests" --no-skip -tc='onnx: writes networks and what*' >"$networks/log" || {
  cat "$networks/log"
  exit 1
}
node "$here/onnxruntime.mjs" "$networks"
