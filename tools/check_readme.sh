#!/usr/bin/env bash
# check_readme.sh: does what README.md tells a newcomer to do with the quickstart, and fails where that fails.
#
# The C++ block becomes quickstart.cpp, and every ```sh block is run as printed, from the repository's root. Installed
# is below a temporary HOME; what is written to the root is removed again.
set -euo pipefail
cd "$(dirname "$0")/.."

written=(quickstart.cpp quickstart first.json first_model.json runs/first)
for file in "${written[@]}"; do
  if [[ -e $file ]]; then
    echo "check_readme: $file is in the way, expected no such file in the repository's root" >&2
    exit 1
  fi
done
HOME=$(mktemp -d)
export HOME
trap 'rm -rf "$HOME" "${written[@]}"' EXIT

# The lines of the blocks that are marked with language $1.
blocks() { awk -v fence='```'"$1" '$0 == "```" { inside = 0 } inside { print } $0 == fence { inside = 1 }' README.md; }

blocks cpp > quickstart.cpp
blocks sh > "$HOME/commands"
sed 's/^/README: /' "$HOME/commands"
bash -e "$HOME/commands"
