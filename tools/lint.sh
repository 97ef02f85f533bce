#!/usr/bin/env bash
# lint.sh: layout, include directions, header layers and file sizes of rill's own sources.
# lint.sh --fix: lays the sources out with clang-format, and nothing else.
#
# Prints one line an offence, `file:line: why`, and exits 1 if there is one. Long files are only warned about. The rules
# are the tables below. CLANG_FORMAT names another clang-format than the one on the path (14 is the reference).
set -euo pipefail
cd "$(dirname "$0")/.."

# Which rooms a room may include, itself apart. What stands in the root is the umbrella, rill.hpp.
rooms='
core:
nn:       core
optim:    core nn
root:     core nn optim
examples: core nn optim root
tools:    core nn optim root
tests:    core nn optim root examples tools
'

# Third-party headers (a prefix of the name) and the prefixes of the files that may see them.
owners='
doctest/    tests/
nlohmann/   core/io/safetensors nn/config nn/keras optim/checkpoint optim/run optim/report tools/rill tests/
valijson/   tests/
zlib.h      core/io/ tests/
onnx/       nn/onnx/ tests/onnx_
google/     nn/onnx/ tests/onnx_
cblas.h     core/blas tools/bench/ tests/
omp.h       core/parallel core/blas tools/bench/ tests/
fmt/        nn/ optim/ examples/ tools/ tests/
CLI/        examples/ tools/ tests/
benchmark/  tools/bench/
'
# Prefixes of the files that may hold `#pragma omp`.
omp_pragmas='core/parallel core/blas tools/bench/ tests/'

# The layers of core's headers, lowest first: prefixes of the name below core/, the longest fits. A header includes
# headers of lower layers, and of its own prefix (ops/relu.hpp may include ops/elementwise.hpp).
layers='
error version text
dtype shape
random sample sum lanewise
memory isa
parallel
kernels/
blas broadcast observe
tensor
axis bits create outer_product
graph
elementwise walk gradcheck
ops/
op_list io/
'

# The list that names every op, and headers in core/ops that are no op.
op_list=core/op_list.hpp
op_helpers='ops/groups.hpp ops/norm.hpp ops/pairs.hpp ops/row_exp.hpp'

max_lines=400

# ---------------------------------------------------------------------------------------------------------------------

sources() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard -- '*.hpp' '*.cpp'
  else
    find . \( -name build -o -name '.*' ! -name . \) -prune -o \( -name '*.hpp' -o -name '*.cpp' \) -print | sed 's|^\./||'
  fi | sort -u | while IFS= read -r file; do
    # the index still names files that were deleted
    if [[ -f $file ]]; then printf '%s\n' "$file"; fi
  done
}

mapfile -t files < <(sources)
if [[ ${#files[@]} -eq 0 ]]; then exit 0; fi

clang_format=${CLANG_FORMAT:-clang-format}
jobs=$(nproc 2>/dev/null || echo 2)
if [[ ${1:-} == --fix ]]; then
  printf '%s\0' "${files[@]}" | xargs -0 -n 8 -P "$jobs" "$clang_format" -i --style=file
  exit 0
elif [[ $# -gt 0 ]]; then
  echo 'usage: lint.sh [--fix]' >&2
  exit 2
fi

status=0

# clang-format gives three lines an offence, on stderr; the first holds file:line:column.
layout=$(printf '%s\0' "${files[@]}" |
  xargs -0 -n 8 -P "$jobs" "$clang_format" --dry-run -Werror --style=file --ferror-limit=1 2>&1 || true)
if [[ -n $layout ]]; then
  status=1
  printf '%s\n' "$layout" | awk '
    match($0, /:[0-9]+:[0-9]+: error: code should be clang-formatted/) {
      split(substr($0, RSTART + 1), at, ":")
      print substr($0, 1, RSTART - 1) ":" at[1] ": layout differs from .clang-format; make format mends it"
      known = 1
      next
    }
    !/^[ \t]*\^/ && /(error|Error|not found|No such)/ { print "clang-format: " $0 }'
fi

printf '%s\n' "${files[@]}" | awk \
  -v rooms="$rooms" -v owners="$owners" -v layers="$layers" -v omp_pragmas="$omp_pragmas" \
  -v op_list="$op_list" -v op_helpers="$op_helpers" -v max_lines="$max_lines" '
  function starts(text, prefix) { return substr(text, 1, length(prefix)) == prefix }

  function starts_with_one_of(text, prefixes, n, i, list) {
    n = split(prefixes, list, " ")
    for (i = 1; i <= n; i++) if (starts(text, list[i])) return 1
    return 0
  }

  function offence(why) { print file ":" line ": " why; bad = 1 }

  function room_of(path) { return path ~ /\// ? substr(path, 1, index(path, "/") - 1) : "root" }

  # the longest prefix in the layers that fits core/NAME, or ""
  function layer_prefix(path, name, p, best) {
    name = substr(path, 6)
    best = ""
    for (p in rank) if (starts(name, p) && length(p) > length(best)) best = p
    return best
  }

  function check_rill(path, from, to, mine, theirs) {
    from = room_of(file)
    to = room_of(path)
    if (!(from in may)) return
    if (from != to && !(to in may)) {
      offence("<rill/" path ">: " to " is no room of the library")
    } else if (from != to && !index(" " may[from] " ", " " to " ")) {
      if (to == "root") offence("the library does not include its own umbrella <rill/" path ">")
      else offence(from " must not include <rill/" path ">" (may[from] == "" ? "" : "; it may include " may[from]))
    } else if (from == "core" && to == "core" && file ~ /\.hpp$/) {
      mine = layer_prefix(file)
      theirs = layer_prefix(path)
      if (mine != "" && theirs != "" && mine != theirs && rank[theirs] >= rank[mine])
        offence("<rill/" path "> is not in a lower layer than core/" mine)
    }
  }

  function check_foreign(name, o) {
    for (o in owner)
      if (starts(name, o) && !starts_with_one_of(file, owner[o]))
        offence("<" name "> belongs to " owner[o])
  }

  function check_file(text, rest, name) {
    line = 0
    while ((getline text < file) > 0) {
      line++
      if (text !~ /^[ \t]*#|_Pragma/) continue
      if (text ~ /^[ \t]*#[ \t]*include[ \t]*</) {
        rest = text
        sub(/^[^<]*</, "", rest)
        name = substr(rest, 1, index(rest, ">") - 1)
        if (starts(name, "rill/")) check_rill(substr(name, 6))
        else check_foreign(name)
      } else if (text ~ /^[ \t]*#[ \t]*include[ \t]*"/) {
        if (!starts(file, "tests/") && !starts(file, "examples/"))
          offence("rill includes its headers as <rill/...>; only tests and examples have helpers in quotes")
      } else if (text ~ /#[ \t]*pragma[ \t]+omp|_Pragma[ \t]*\([ \t]*"omp/) {
        if (!starts_with_one_of(file, omp_pragmas)) offence("OpenMP pragmas belong to " omp_pragmas)
      }
    }
    close(file)
    if (line > max_lines && file ~ /^(core|nn|optim|tools|examples)\//)
      print "warning: " file ": " line " lines, more than " max_lines > "/dev/stderr"
    line = 1
    if (file ~ /^core\/.*\.hpp$/ && layer_prefix(file) == "")
      offence("core/" substr(file, 6) " is in no layer; add it to the list in tools/lint.sh")
  }

  function check_op_list(text, named, n, i, name) {
    while ((getline text < op_list) > 0) named = named text "\n"
    close(op_list)
    file = op_list
    line = 1
    for (i = 1; i <= ops; i++) {
      name = substr(op[i], 6)
      if (!index(named, "/" name) && !index(" " op_helpers " ", " " name " "))
        offence(op[i] " is not named in the op list")
    }
  }

  BEGIN {
    n = split(rooms, lines, "\n")
    for (i = 1; i <= n; i++) if (split(lines[i], part, ":") > 1) {
      gsub(/ +/, " ", part[2]); sub(/^ /, "", part[2])
      may[part[1]] = part[2]
    }
    n = split(owners, lines, "\n")
    for (i = 1; i <= n; i++) if (split(lines[i], part, " ") > 1) {
      owner[part[1]] = substr(lines[i], length(part[1]) + 1)
      sub(/^ +/, "", owner[part[1]])
    }
    n = split(layers, lines, "\n")
    for (i = 1; i <= n; i++) {
      m = split(lines[i], part, " ")
      for (j = 1; j <= m; j++) rank[part[j]] = i
    }
  }

  {
    file = $0
    if (room_of(file) in may) check_file()
    if (file ~ /^core\/ops\/.*\.hpp$/) op[++ops] = file
    if (file == op_list) has_op_list = 1
  }

  END {
    if (has_op_list) check_op_list()
    exit bad
  }' || status=1

exit "$status"
