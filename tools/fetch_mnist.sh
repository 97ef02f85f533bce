#!/bin/sh
# fetch_mnist.sh [--quiet] DIR: puts the four MNIST files into DIR, by download, if they are not there.
#
# Each file is checked by the SHA-256 of what is inside the .gz; one that differs is thrown away and the next mirror
# asked. DIR gets all missing files or none. Without a network, or a tool, one line on stderr says why and the status is
# still 0: the training program then draws digits of its own.
#
# Environment: MNIST_MIRRORS, a list of base URLs to ask instead of the public ones (file:// too).
set -eu

mirrors=${MNIST_MIRRORS:-https://storage.googleapis.com/cvdf-datasets/mnist/ https://ossci-datasets.s3.amazonaws.com/mnist/}
sums='train-images-idx3-ubyte ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db
train-labels-idx1-ubyte 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5
t10k-images-idx3-ubyte 0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7
t10k-labels-idx1-ubyte ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2'
names=$(printf '%s\n' "$sums" | cut -d ' ' -f 1)

usage() {
  echo 'usage: fetch_mnist.sh [--quiet] DIR'
  echo 'Downloads the four MNIST files into DIR, unless they are there. MNIST_MIRRORS: base URLs to ask.'
}

quiet=no
dir=
for arg in "$@"; do
  case $arg in
    --help | -h) usage; exit 0 ;;
    --quiet) quiet=yes ;;
    -*) usage >&2; exit 2 ;;
    *) if [ -n "$dir" ]; then usage >&2; exit 2; fi; dir=$arg ;;
  esac
done
if [ -z "$dir" ]; then usage >&2; exit 2; fi

say() { if [ "$quiet" = no ]; then printf 'fetch_mnist: %s\n' "$*"; fi; }
give_up() {
  printf 'fetch_mnist: no MNIST in %s: %s\n' "$dir" "$*" >&2
  exit 0
}
have() { command -v "$1" >/dev/null 2>&1; }

missing=
for name in $names; do
  if [ ! -f "$dir/$name" ] && [ ! -f "$dir/$name.gz" ]; then missing="$missing $name"; fi
done
if [ -z "$missing" ]; then exit 0; fi

# Asks setup.sh for tools that are not there; it may not be able to bring them.
if ! have curl || ! have gzip; then "$(dirname "$0")/setup.sh" fetch || true; fi
have curl || give_up 'curl is not installed'
have gzip || give_up 'gzip is not installed'
if have sha256sum; then
  sum() { sha256sum; }
elif have shasum; then
  sum() { shasum -a 256; }
elif have openssl; then
  sum() { openssl dgst -sha256 -r; }
else
  give_up 'no tool for SHA-256 (sha256sum, shasum or openssl)'
fi

# Everything goes through a folder inside DIR, so that the last step is a rename; folders made here leave again if it
# comes to nothing.
stage=
cleanup() {
  if [ -n "$stage" ]; then rm -rf "$stage"; fi
  if [ -n "$made" ]; then
    rmdir "$dir" 2>/dev/null || return 0
    rmdir "$(dirname "$dir")" 2>/dev/null || return 0
  fi
}
made=
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ ! -d "$dir" ]; then
  mkdir -p "$dir" 2>/dev/null || give_up 'the folder cannot be made'
  made=yes
fi
stage=$(mktemp -d "$dir/.fetch.XXXXXX" 2>/dev/null) || give_up 'the folder cannot be written to'

# fetch URL NAME: status 0 with a verified $stage/NAME.gz, else $reason
fetch() {
  part=$stage/$2.part
  if ! error=$(curl -fsSL --retry 2 --connect-timeout 5 --max-time 120 -o "$part" "$1" 2>&1); then
    reason=$(printf '%s\n' "$error" | sed -n '$s/^curl: *//p')
    reason="$1: ${reason:-download failed}"
    rm -f "$part"
    return 1
  fi
  wanted=$(printf '%s\n' "$sums" | sed -n "s/^$2 //p")
  # A damaged .gz gives the sum of what could be read of it: another one.
  found=$(gzip -dc "$part" 2>/dev/null | sum | cut -c 1-64)
  if [ "$found" != "$wanted" ]; then
    reason="$1: wrong checksum"
    say "$reason"
    rm -f "$part"
    return 1
  fi
  mv "$part" "$stage/$2.gz"
}

reason=
for mirror in $mirrors; do
  rest=
  for name in $missing; do
    # The first failure ends the turn of this mirror.
    if [ -n "$rest" ] || ! { say "${mirror%/}/$name.gz"; fetch "${mirror%/}/$name.gz" "$name"; }; then
      rest="$rest $name"
    fi
  done
  missing=$rest
  if [ -z "$missing" ]; then break; fi
done
if [ -n "$missing" ]; then give_up "$reason"; fi

mv "$stage"/*.gz "$dir/"
made=
