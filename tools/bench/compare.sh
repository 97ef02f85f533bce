#!/bin/sh
# compare.sh check|run BASE ROUNDS [ARGS...]: `make bench-compare`, which first lets it check its arguments.
#
# Checks BASE out into $BUILD/compare, builds its benchmark there, runs it and this tree's in turn, ROUNDS times each,
# and prints which lines of the table changed. ARGS go to both benchmarks. The working tree may have changes: they are
# what is measured.
set -eu

action=$1 base=$2 rounds=$3
shift 3
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}

die() {
  printf 'bench-compare: %s\n' "$*" >&2
  exit 2
}
has_option() { "$1" --help | grep -q -e "$2"; }

[ -n "$base" ] || die 'BASE is empty, expected a revision; make bench-compare BASE=HEAD~1'
case $rounds in '' | *[!0-9]* | 0) die "ROUNDS is \"$rounds\", expected a whole number above 0" ;; esac
command -v git >/dev/null 2>&1 || die 'git is not there, expected it to check out BASE'
git rev-parse --is-inside-work-tree >/dev/null 2>&1 || die 'this folder is no git repository, expected one that has BASE'
commit=$(git rev-parse --verify --quiet "$base^{commit}") || die "BASE is \"$base\", expected a revision of this repository"
git cat-file -e "$commit:tools/bench/main.cpp" 2>/dev/null ||
  die "BASE is \"$base\", which has no tools/bench, expected a revision with the step benchmark"
if [ "$action" = check ]; then exit 0; fi

tree=$BUILD/compare/$(printf '%.12s' "$commit")
out=$BUILD/compare/rounds
new=$BUILD/bin/rill_bench old=$tree/build/bin/rill_bench
if ! [ -e "$tree/.git" ]; then
  git worktree prune
  mkdir -p "$BUILD/compare"
  git worktree add --quiet --detach "$tree" "$commit" || die "cannot check out \"$base\" into $tree"
fi
(
  unset BUILD RILL_BUILD_DIR MAKELEVEL RILL_SUBMAKE
  ${MAKE:-make} --no-print-directory -C "$tree" ${NATIVE:+NATIVE=$NATIVE} BUILD=build build/bin/rill_bench
) || die "cannot build the benchmark of \"$base\" in $tree"

case " $* " in
  *' --rows'*) ;;
  *) # those that both have
    if has_option "$old" --list; then names=$("$old" --list); else names='A, B, C, D, E, F, G'; fi
    set -- --rows "$(printf '%s' "$names" | tr -d ' ')" "$@"
    ;;
esac
case " $* " in *' --threads'*) ;; *) set -- --threads 1 "$@" ;; esac
case " $* " in *' --data'*) ;; *) set -- --data dense "$@" ;; esac
case " $* " in *' --seconds'*) ;; *) set -- --seconds 1 "$@" ;; esac

rm -rf "$out"
mkdir -p "$out"
run_one() { # old|new, program, round
  name=$1 program=$2 round=$3
  shift 3
  if has_option "$program" --no-libtorch; then set -- --no-libtorch "$@"; fi
  RILL_BUILD_DIR=$out "$program" "$@" >"$out/log" || {
    cat "$out/log" >&2
    die "the $name benchmark failed"
  }
  mv "$out/bench.json" "$out/$name-$round.json"
}
round=1
while [ "$round" -le "$rounds" ]; do
  printf 'round %s of %s\n' "$round" "$rounds"
  if [ $((round % 2)) = 1 ]; then
    run_one old "$old" "$round" "$@"
    run_one new "$new" "$round" "$@"
  else
    run_one new "$new" "$round" "$@"
    run_one old "$old" "$round" "$@"
  fi
  round=$((round + 1))
done
printf 'this tree against %s (%s)\n' "$base" "$(git log -1 --format='%h %s' "$commit")"
"$new" --compare "$out"
