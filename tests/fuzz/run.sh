#!/usr/bin/env bash
# run.sh BUILD RUNS [TARGET]...: runs the fuzz targets, all of them by default, one after the other, RUNS inputs each.
#
# Inputs that reach new code are kept in BUILD/corpus/<target> and are where the next call starts, beside those of
# tests/fuzz/corpus. The first finding ends it with libFuzzer's status; the input lies in BUILD/findings then.
# Not entropic: that choice of inputs took half of the time.
# FUZZ_FLAGS: further flags of libFuzzer, such as -max_total_time=60.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$1 runs=$2
shift 2
if [[ $# -eq 0 ]]; then
  mapfile -t targets < <(sed -n 's/.*{"\([a-z_]*\)", fuzz_.*/\1/p' tests/fuzz/targets.hpp)
  set -- "${targets[@]}"
fi

# Targets write small files.
if [[ -d /dev/shm && -w /dev/shm ]]; then export TMPDIR=/dev/shm; fi
# Two frames of where memory came from: a finding's input, given to the program alone, shows all of them.
export ASAN_OPTIONS=detect_leaks=1:halt_on_error=1:quarantine_size_mb=16:allocator_may_return_null=0:malloc_context_size=2
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

mkdir -p "$build/findings"
for target in "$@"; do
  mkdir -p "$build/corpus/$target"
  # What these do takes longer for more bytes, and shows nothing more: a few arguments, a few records.
  case $target in
    command_line) longest=300 ;;
    csv) longest=500 ;;
    *) longest=2000 ;;
  esac
  dictionary=()
  if [[ -f tests/fuzz/$target.dict ]]; then dictionary=("-dict=tests/fuzz/$target.dict"); fi
  printf '== fuzz %s, %s runs, %s\n' "$target" "$runs" "$(date -u +%FT%TZ)"
  # shellcheck disable=SC2086 # flags of the user's
  RILL_FUZZ_TARGET=$target "$build/bin/rill_fuzz" -runs="$runs" -max_len="$longest" -timeout=1 -rss_limit_mb=512 \
    -malloc_limit_mb=64 -use_value_profile=0 -reload=0 -entropic=0 -verbosity=1 -print_final_stats=1 "${dictionary[@]}" \
    -artifact_prefix="$build/findings/$target-" ${FUZZ_FLAGS:-} "$build/corpus/$target" "tests/fuzz/corpus/$target" \
    2>&1 | grep --line-buffered -Ev '^#[0-9]+[[:space:]]+(NEW|REDUCE|RELOAD)|NEW_FUNC|NEW_PC'
done
