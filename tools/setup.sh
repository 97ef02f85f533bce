#!/bin/sh
# setup.sh [base|onnx|torch|lint|tidy|tsan|fuzz|coverage|valgrind|bench|plot|fetch|package]: makes sure that what rill's build needs is on this machine.
# setup.sh archer: prints where LLVM's libarcher.so is.
#
# Looks by using things, not by asking a package manager: headers and libraries through the compiler, tools by name.
# What is missing is installed with apt-get if we are root or DEPS=install says so (then through sudo); otherwise the
# packages and the command to run are printed, and the status is 1. It never asks. Packages of the groups `fetch` and
# `package` are wished for, not needed: their absence is a warning. With ONNX=auto those of `onnx`, with TORCH=auto those
# of `torch`, are taken if they are there, and nothing is said.
#
# Environment: CXX, BUILD, DEPS=install|check|none, ONNX=1|auto, TORCH=1|auto, CLANG_FORMAT. When all is there, nothing is printed, and a stamp in
# $BUILD, made for this compiler, answers the next call. The stamps of `base`, `onnx` and `torch` are
# setup.mk, setup-onnx.mk and setup-torch.mk, which the Makefile includes.
set -eu

group=${1:-base}
CXX=${CXX:-g++}
BUILD=${BUILD:-build}
DEPS=${DEPS:-}
ONNX=${ONNX:-1}
TORCH=${TORCH:-1}
CLANG_FORMAT=${CLANG_FORMAT:-clang-format}

cd "$(dirname "$0")/.."
script=tools/setup.sh

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
  say "$@"
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
need() { case " $missing " in *" $1 "*) ;; *) missing="${missing:+$missing }$1" ;; esac }

# ---- probes: each adds to $missing ----------------------------------------------------------------------------------

# compiles and links the program on stdin; the arguments follow it, as libraries must
links() { $CXX -std=c++20 -x c++ - -o "$scratch/probe" "$@" >/dev/null 2>&1; }

is_clang() { echo __clang__ | $CXX -x c++ -E -P - 2>/dev/null | grep -q '^1'; }

compiler_package() { case $CXX in *clang*) echo clang ;; *) echo g++ ;; esac }

too_old() {
  say "$CXX is too old (${version:-unknown version}), rill needs GCC >= 12 or Clang >= 14"
  for other in g++ g++-15 g++-14 g++-13 g++-12 clang++ clang++-20 clang++-19 clang++-18 clang++-17 clang++-16 \
               clang++-15 clang++-14; do
    if have "$other" && new_enough "$other"; then die "this one would do: make CXX=$other"; fi
  done
  die "install a newer one, for example the package g++-12 or clang-14, and name it: make CXX=g++-12"
}

new_enough() {
  printf '#if defined(__clang__) ? __clang_major__ < 14 : __GNUC__ < 12\n#error\n#endif\n' |
    $1 -std=c++20 -x c++ -fsyntax-only - >/dev/null 2>&1
}

# sets blas_cppflags and blas_libs: the first place where cblas.h and the library go together
find_blas() {
  for place in plain pkg-config /usr/include/openblas /usr/local/opt/openblas /opt/homebrew/opt/openblas; do
    blas_cppflags='' blas_libs=-lopenblas
    case $place in
      plain) ;;
      pkg-config)
        if ! have pkg-config || ! pkg-config --exists openblas; then continue; fi
        blas_cppflags=$(pkg-config --cflags openblas | sed 's/-I *\([^ ]*\)/-isystem \1/g')
        blas_libs=$(pkg-config --libs openblas)
        ;;
      /usr/include/*) blas_cppflags="-isystem $place" ;;
      *) blas_cppflags="-isystem $place/include" blas_libs="-L$place/lib -lopenblas" ;;
    esac
    # shellcheck disable=SC2086 # both are lists of flags
    if printf '#include <cblas.h>\nint main() { return openblas_get_num_threads() + (int)cblas_sdot(0, 0, 1, 0, 1); }\n' |
      links $blas_cppflags $blas_libs; then
      return 0
    fi
  done
  return 1
}

probe_base() {
  base='libopenblas-dev doctest-dev nlohmann-json3-dev libfmt-dev libcli11-dev zlib1g-dev'
  if ! have "${CXX%% *}"; then
    say "no C++ compiler: $CXX is not there (rill needs GCC >= 12 or Clang >= 14)"
    # Without it nothing can be looked for; apt-get skips what is installed.
    need "$(compiler_package)"
    if [ "$(compiler_package)" = clang ]; then need libomp-dev; fi
    for package in $base; do need "$package"; done
    return
  fi
  new_enough "$CXX" || too_old

  if ! printf '#include <vector>\nint main() { return (int)std::vector<int>(1)[0]; }\n' | links; then need g++; fi

  # One run of the preprocessor for all headers; what it prints is missing.
  for package in $($CXX -std=c++20 -x c++ -E -P - 2>/dev/null <<'EOF' | tr -d '"'
#if !__has_include(<doctest/doctest.h>)
"doctest-dev"
#endif
#if !__has_include(<nlohmann/json.hpp>)
"nlohmann-json3-dev"
#endif
#if !__has_include(<CLI/CLI.hpp>)
"libcli11-dev"
#endif
EOF
  ); do need "$package"; done

  find_blas || need libopenblas-dev
  if ! printf '#include <zlib.h>\nint main() { return zlibVersion() == nullptr; }\n' | links -lz; then need zlib1g-dev; fi
  if ! printf '#include <fmt/core.h>\nint main() { fmt::print("{}", 1); }\n' | links -lfmt; then need libfmt-dev; fi
  if ! printf '#include <omp.h>\nint main() { return omp_get_max_threads() < 1; }\n' | links -fopenmp; then
    if is_clang; then need libomp-dev; else need g++; fi
  fi
}

# sets onnx_cppflags and onnx_libs
probe_onnx() {
  onnx_cppflags='-DONNX_ML=1 -DONNX_NAMESPACE=onnx' onnx_libs='-lonnx_proto -lprotobuf'
  # shellcheck disable=SC2086 # both are lists of flags
  if printf '#include <onnx/onnx_pb.h>\nint main() { return (int)onnx::ModelProto().ByteSizeLong(); }\n' |
    links $onnx_cppflags $onnx_libs -pthread; then
    return
  fi
  onnx_cppflags='' onnx_libs=''
  need libonnx-dev
  need libprotobuf-dev
}

# sets torch_cppflags and torch_libs; without compiling libtorch's headers, which takes half a minute
probe_torch() {
  torch_cppflags='-isystem /usr/include/torch/csrc/api/include' torch_libs='-ltorch -ltorch_cpu -lc10'
  # shellcheck disable=SC2086 # both are lists of flags
  if printf '#if !__has_include(<torch/torch.h>)\n#error\n#endif\nint main() {}\n' |
    links $torch_cppflags -Wl,--no-as-needed $torch_libs; then
    return
  fi
  torch_cppflags='' torch_libs=''
  need libtorch-dev
}

probe_lint() { have "${CLANG_FORMAT%% *}" || need clang-format; }

probe_tidy() {
  if ! have clang-tidy; then
    need clang-tidy
  elif ! printf '#include <omp.h>\n' >"$scratch/probe.cpp" ||
    ! clang-tidy --checks=-*,bugprone-* "$scratch/probe.cpp" -- -fopenmp >/dev/null 2>&1; then
    need libomp-dev
  fi
}

probe_valgrind() { have valgrind || need valgrind; }

probe_sanitizing() { # the flag that it links with, a program
  if ! have "${CXX%% *}"; then
    need clang
    need libomp-dev
    need libclang-rt-dev
    return
  fi
  if ! printf '#include <omp.h>\nint main() { return omp_get_max_threads() < 1; }\n' | links -fopenmp; then
    need libomp-dev
  fi
  if ! printf '%s\n' "$2" | links "$1"; then need libclang-rt-dev; fi
}

probe_tsan() {
  probe_sanitizing -fsanitize=thread 'int main() {}'
  if have "${CXX%% *}"; then archer >/dev/null || need libomp-dev; fi
}

probe_fuzz() {
  probe_sanitizing -fsanitize=fuzzer,address,undefined \
    'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }'
}

probe_coverage() {
  probe_sanitizing -fprofile-instr-generate 'int main() {}'
  if ! have llvm-cov || ! have llvm-profdata; then need llvm; fi
  have python3 || need python3
}

probe_bench() {
  if ! printf '#include <benchmark/benchmark.h>\nint main(int n, char** v) { benchmark::Initialize(&n, v); }\n' |
    links -lbenchmark -pthread; then
    need libbenchmark-dev
  fi
}

probe_plot() { have gnuplot || need gnuplot-nox; }

probe_package() {
  probe_plot
  have cmake || need cmake
  have pkg-config || need pkg-config
  if ! printf '#include <valijson/validator.hpp>\nint main() {}\n' | links; then need libvalijson-dev; fi
}

probe_fetch() {
  have curl || need curl
  have gzip || need gzip
  have sha256sum || have shasum || have openssl || need coreutils
  for file in "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem \
              /etc/ssl/ca-bundle.pem; do
    if [ -s "$file" ]; then return; fi
  done
  need ca-certificates
}

archer() {
  lib=$($CXX -print-file-name=libarcher.so 2>/dev/null) || lib=
  omp=$($CXX -print-file-name=libomp.so 2>/dev/null) || omp=
  resources=$($CXX -print-resource-dir 2>/dev/null) || resources=
  binary=$(readlink -f "$(command -v "${CXX%% *}")" 2>/dev/null) || binary=
  for file in "$lib" "$resources/../../libarcher.so" "${binary%/*}/../lib/libarcher.so" \
              "$(dirname "$(readlink -f "$omp" 2>/dev/null || echo .)")/libarcher.so" "$resources/../../../lib64/libarcher.so"; do
    case $file in /*) ;; *) continue ;; esac
    if [ -f "$file" ]; then
      readlink -f "$file"
      return 0
    fi
  done
  return 1
}

# ---- packages -------------------------------------------------------------------------------------------------------

# The same packages in other systems' words: Debian, Fedora, Arch, Alpine.
names='
g++                gcc-c++                gcc            g++
clang              clang                  clang          clang
clang-format       clang-tools-extra      clang          clang-extra-tools
clang-tidy         clang-tools-extra      clang          clang-extra-tools
libomp-dev         libomp-devel           openmp         openmp-dev
libclang-rt-dev    compiler-rt            compiler-rt    compiler-rt
llvm               llvm                   llvm           llvm
libopenblas-dev    openblas-devel         openblas       openblas-dev
doctest-dev        doctest-devel          doctest        doctest-dev
nlohmann-json3-dev json-devel             nlohmann-json  nlohmann-json
libfmt-dev         fmt-devel              fmt            fmt-dev
libcli11-dev       cli11-devel            cli11          cli11-dev
zlib1g-dev         zlib-devel             zlib           zlib-dev
libonnx-dev        onnx-devel             onnx           onnx-dev
libprotobuf-dev    protobuf-devel         protobuf       protobuf-dev
libbenchmark-dev   google-benchmark-devel benchmark      benchmark-dev
gnuplot-nox        gnuplot-minimal        gnuplot        gnuplot
pkg-config         pkgconf                pkgconf        pkgconf
libvalijson-dev    valijson-devel         valijson       valijson
'

translate() { # column, packages
  column=$1
  shift
  for package in "$@"; do
    echo "$names" | awk -v p="$package" -v c="$column" '$1 == p { print $c; found = 1 } END { if (!found) print p }'
  done | sort -u | tr '\n' ' ' | sed 's/ $//'
}

as_root() { if [ "$(id -u)" != 0 ]; then echo "sudo ${1:-}"; fi }

lists_know() {
  for package in "$@"; do apt-cache show "$package" >/dev/null 2>&1 || return 1; done
}

# the command that a person would type
advice() {
  if have apt-get; then
    update=
    lists_know "$@" || update="$(as_root)apt-get update && "
    say "to install: $update$(as_root)apt-get install -y --no-install-recommends $*"
    if [ "$DEPS" != install ]; then say "or let make do it: make DEPS=install"; fi
  elif have dnf; then
    say "to install: $(as_root)dnf install -y $(translate 2 "$@")"
  elif have pacman; then
    say "to install: $(as_root)pacman -S --needed --noconfirm $(translate 3 "$@")"
  elif have apk; then
    say "to install: $(as_root)apk add $(translate 4 "$@")"
  else
    say "no apt-get here: install them (Debian's names) with this system's package manager, then call make again"
  fi
}

run() {
  printf '+ %s\n' "$*" >&2
  "$@" </dev/null >&2
}

# shellcheck disable=SC2046 # as_root is no word or two
apt_install() {
  updated=no
  if ! lists_know "$@"; then
    run $(as_root -n) apt-get update || return 1
    updated=yes
  fi
  for attempt in 1 2; do
    if run $(as_root -n) env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; then
      return 0
    fi
    # Old lists name files that the mirrors no longer have.
    if [ "$updated" = yes ] || [ "$attempt" = 2 ]; then return 1; fi
    run $(as_root -n) apt-get update || return 1
    updated=yes
  done
}

may_install() {
  have apt-get || return 1
  case $DEPS in
    install) ;;
    none | check) return 1 ;;
    *) [ "$(id -u)" = 0 ] ;;
  esac
}

# ---- main -----------------------------------------------------------------------------------------------------------

case $group in
  base | onnx | torch | bench | lint | tidy | tsan | fuzz | coverage | valgrind | plot | fetch | package) ;;
  archer)
    archer || die "libarcher.so: not found beside $CXX; the package libomp-dev brings it"
    exit 0
    ;;
  *)
    printf 'setup: %s: unknown group, expected base, onnx, torch, lint, tidy, tsan, fuzz, coverage, valgrind, bench, plot, fetch or package\n' "$group" >&2
    exit 2
    ;;
esac
case $DEPS in
  '' | install | check | none) ;;
  *) die "DEPS=$DEPS: unknown, expected install, check or none" ;;
esac
case $group:$ONNX in
  onnx:1 | onnx:auto) ;;
  onnx:*) die "ONNX=$ONNX: unknown, expected 0, 1 or auto" ;;
esac
case $group:$TORCH in
  torch:1 | torch:auto) ;;
  torch:*) die "TORCH=$TORCH: unknown, expected 0, 1 or auto" ;;
esac
optional=no
case $group:$ONNX:$TORCH in onnx:auto:* | torch:*:auto) optional=yes ;; esac

version=$($CXX --version 2>/dev/null | head -n 1) || version=
case $group in base) stamp=$BUILD/setup.mk ;; onnx | torch) stamp=$BUILD/setup-$group.mk ;; *) stamp=$BUILD/setup-$group ;; esac
key="# $script $group: $CXX, $version, $(cksum <"$script")"
if [ -f "$stamp" ] && IFS= read -r first <"$stamp" && [ "$first" = "$key" ]; then exit 0; fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

missing=
"probe_$group"

# Without a stamp's key, so that the next call looks again. An unchanged file keeps its time: make starts anew otherwise.
stamp_missing() { # what is said of it in the stamp
  mkdir -p "$BUILD"
  if ! [ -f "$stamp" ] || [ "$(cat "$stamp")" != "$1" ]; then printf '%s' "$1" >"$stamp"; fi
}

if [ "$optional" = yes ] && [ -n "$missing" ]; then
  stamp_missing ''
  exit 0
fi

if [ -n "$missing" ] && may_install; then
  wanted=$missing
  # shellcheck disable=SC2086 # a list of packages
  if apt_install $wanted; then
    missing=
    hash -r
    version=$($CXX --version 2>/dev/null | head -n 1) || version=
    key="# $script $group: $CXX, $version, $(cksum <"$script")"
    "probe_$group"
  else
    say "apt-get failed"
  fi
fi

if [ -n "$missing" ]; then
  case $group in
    fetch) use='for downloads' ;;
    package) use='for tests, some of which are skipped without them' ;;
    *) use= ;;
  esac
  if [ -n "$use" ]; then
    say "warning: missing, and useful $use: $missing"
    stamp_missing "# missing: $missing"
    exit 0
  fi
  say "missing packages: $missing"
  # shellcheck disable=SC2086
  advice $missing
  exit 1
fi

mkdir -p "$BUILD"
{
  printf '%s\n' "$key"
  if [ "$group" = base ]; then
    printf 'COMPILER := %s\n' "$(if is_clang; then echo clang; else echo gcc; fi)"
    printf 'COMPILER_VERSION := %s\n' "$(printf '%s' "$version" | tr -cd 'A-Za-z0-9 .()+~_-')"
    printf 'BLAS_CPPFLAGS := %s\n' "$blas_cppflags"
    printf 'BLAS_LIBS := %s\n' "$blas_libs"
  elif [ "$group" = onnx ]; then
    printf 'ONNX_CPPFLAGS := %s\n' "$onnx_cppflags"
    printf 'ONNX_LIBS := %s\n' "$onnx_libs"
  elif [ "$group" = torch ]; then
    printf 'TORCH_CPPFLAGS := %s\n' "$torch_cppflags"
    printf 'TORCH_LIBS := %s\n' "$torch_libs"
  fi
} >"$stamp.$$"
mv "$stamp.$$" "$stamp"
