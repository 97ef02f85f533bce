#!/usr/bin/env python3
"""Runs the tests with a library that counts (make MODE=coverage), and prints which of its lines and branches they reach.

coverage.py [--no-run] [--test-case PATTERN] BUILD    (make coverage)

Only the library counts; the tests and the rill command are the objects of `make test`, linked with it. Where these hold an
inline function of their own, compiled into a caller, its calls are not seen: the figures are lower bounds. Every process
writes its own profile, the tests' children too. From what llvm-cov exports for all programs together:

- A line counts once, however many instantiations of a template it has, and is reached if one of them is.
- A branch is one outcome, true or false, of a condition in the source; exceptions are none. Instantiations are merged by
  place: what float reaches and what double reaches adds up. What a macro expands to counts at the macro's use, so that
  each RILL_CHECK has an outcome of its own in which it fails. Conditions that the compiler knows are left out.
- A template that nothing instantiates is not seen.

What was not reached is written to BUILD/missing.txt. The status is 1 where a total is below its bound.
"""

import argparse
import collections
import json
import os
import shutil
import subprocess
import sys

ROOMS = ("core", "nn", "optim")
# Tests of programs that were linked with the library of `make test`, or of none of its code.
ELSEWHERE = "*/install_*,*example*,*/dead_neurons_test*,*/bench_test*"
LEAST = {"lines": 98.0, "branches": 90.0}


def tool(name):
    """llvm-cov and llvm-profdata of the compiler's own version."""
    compiler = os.environ.get("CXX", "clang++").split()[0]
    asked = subprocess.run([compiler, f"-print-prog-name={name}"], capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def run_tests(build, pattern):
    profiles = os.path.abspath(f"{build}/profiles")
    shutil.rmtree(profiles, ignore_errors=True)
    os.makedirs(profiles)
    # %m is the program's signature; processes that end at the same time lock one of the four files.
    # Counters are not atomic: on one thread, where a test does not say otherwise, none is lost.
    environment = dict(os.environ, LLVM_PROFILE_FILE=f"{profiles}/%4m.profraw", RILL_BUILD_DIR=build)
    environment.setdefault("RILL_NUM_THREADS", "1")
    command = [f"{build}/tests/rill_tests", f"--source-file-exclude={ELSEWHERE}"] + ([f"--test-case={pattern}"] if pattern else [])
    status = subprocess.run(command, env=environment).returncode
    raw = [f"{profiles}/{name}" for name in sorted(os.listdir(profiles))]
    subprocess.run([tool("llvm-profdata"), "merge", "-sparse", *raw, "-o", f"{build}/coverage.profdata"], check=True)
    return status


def export(build):
    command = [tool("llvm-cov"), "export", f"-instr-profile={build}/coverage.profdata", f"{build}/tests/rill_tests", "-object",
               f"{build}/bin/rill"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)["data"][0]


class Names:
    """The path below the project's folder of a file of the library, whatever include path led to it; else None."""

    def __init__(self):
        self.root = os.path.realpath(".") + os.sep
        self.known = {}

    def __call__(self, path):
        if path not in self.known:
            real = os.path.realpath(path)
            name = real[len(self.root):] if real.startswith(self.root) else None
            self.known[path] = name if name and name.split(os.sep)[0] in ROOMS else None
        return self.known[path]


def lines_of(segments):
    """{line: count} from a file's segments [line, column, count, has_count, is_entry, is_gap], as llvm-cov counts."""
    by_line = collections.defaultdict(list)
    for segment in segments:
        by_line[segment[0]].append(segment)
    counts, wrapped = {}, None
    if not segments:
        return counts
    for line in range(segments[0][0], segments[-1][0] + 1):
        here = by_line.get(line, [])
        entries = [s for s in here if s[3] and s[4] and not s[5]]
        skipped = bool(here) and not here[0][3] and here[0][4]
        if not skipped and ((wrapped and wrapped[3]) or entries):
            count = wrapped[2] if wrapped and wrapped[3] else 0
            counts[line] = max([count] + [s[2] for s in entries])
        if here:
            wrapped = here[-1]
    return counts


def collect_lines(data, name_of):
    lines = collections.defaultdict(dict)
    for file in data["files"]:
        name = name_of(file["filename"])
        if not name:
            continue
        for line, count in lines_of(file["segments"]).items():
            lines[name][line] = max(count, lines[name].get(line, 0))
    return lines


class Branch:
    def __init__(self):
        self.true = self.false = 0
        self.entered = False  # a region around it ran, so that it would have counted


def innermost(regions, line, column):
    best = None
    for r in regions:
        if (r[0], r[1]) <= (line, column) < (r[2], r[3]) and (best is None or (r[0], r[1]) >= (best[0], best[1])):
            best = r
    return best


def collect_branches(data, name_of):
    """{(file, line, column, place in the macro or None): Branch}"""
    branches = collections.defaultdict(Branch)
    for function in data["functions"]:
        found = function.get("branches")
        if not found:
            continue
        files = function["filenames"]
        expansions = {r[6]: r for r in function["regions"] if r[7] == 1}
        code = collections.defaultdict(list)
        for r in function["regions"]:
            if r[7] == 0:
                code[r[5]].append(r)
        for line, column, end_line, end_column, true, false, file, _, _ in found:
            at, macro, around = (file, line, column), None, innermost(code[file], line, column)
            while at[0] in expansions:
                up = expansions[at[0]]
                macro = macro or (files[file], line, column, end_column)
                around = around or up
                at = (up[5], up[0], up[1])
            name = name_of(files[at[0]])
            if not name:
                continue
            branch = branches[name, at[1], at[2], macro]
            branch.true += max(0, true) if true < 2**63 else 0
            branch.false += max(0, false) if false < 2**63 else 0
            branch.entered |= bool(around and around[4] > 0)
    return branches


def text_of(cache, name, line):
    if name not in cache:
        with open(name, encoding="utf-8") as file:
            cache[name] = file.read().splitlines()
    return cache[name][line - 1] if line <= len(cache[name]) else ""


def folded(branch, key, cache):
    if branch.true or branch.false:
        return False
    macro = key[3]
    text = text_of(cache, macro[0], macro[1])[macro[2] - 1:] if macro else text_of(cache, key[0], key[1])[key[2] - 1:]
    return branch.entered or text.startswith(("false)", "true)"))


class Share:
    def __init__(self):
        self.all = self.missed = 0

    def add(self, all_, missed):
        self.all += all_
        self.missed += missed

    def percent(self):
        return 100.0 * (self.all - self.missed) / self.all if self.all else 100.0


def print_table(tables):
    folders = sorted(set(tables["lines"]) | set(tables["branches"]), key=lambda f: (f == "total", f))
    print(f"{'folder':<16}{'lines':>8}{'missed':>8}{'reached':>10}{'branches':>10}{'missed':>8}{'reached':>10}")
    for folder in folders:
        lines, branches = tables["lines"][folder], tables["branches"][folder]
        print(f"{folder:<16}{lines.all:>8}{lines.missed:>8}{lines.percent():>9.2f}%"
              f"{branches.all:>10}{branches.missed:>8}{branches.percent():>9.2f}%")


def report(build):
    data = export(build)
    name_of, cache = Names(), {}
    lines, branches = collect_lines(data, name_of), collect_branches(data, name_of)
    tables = {kind: collections.defaultdict(Share) for kind in LEAST}
    missing = []

    def count(kind, name, all_, missed):
        for folder in (os.path.dirname(name), name.split("/")[0] + "/*", "total"):
            tables[kind][folder].add(all_, missed)

    for name, counts in lines.items():
        missed = [line for line, hits in counts.items() if hits == 0]
        count("lines", name, len(counts), len(missed))
        missing += [(name, line, "never reached") for line in missed]
    for key, branch in branches.items():
        name, line = key[0], key[1]
        if folded(branch, key, cache):
            continue
        never = [word for word, hits in (("true", branch.true), ("false", branch.false)) if hits == 0]
        count("branches", name, 2, len(never))
        if key[3] and never == ["true"]:
            never = ["fails"] if "RILL_CHECK" in text_of(cache, name, line) else never
        if lines[name].get(line, 1) > 0:
            missing += [(name, line, f"column {key[2]} never {word}") for word in never]
    with open(f"{build}/missing.txt", "w", encoding="utf-8") as out:
        for name, line, why in sorted(missing):
            out.write(f"{name}:{line}: {why}: {text_of(cache, name, line).strip()}\n")
    print_table(tables)
    print(f"what was not reached: {build}/missing.txt")
    return [f"{kind}: {tables[kind]['total'].percent():.2f} %, expected {least} % or more"
            for kind, least in LEAST.items() if tables[kind]["total"].percent() < least]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", help="the build folder, such as build/coverage")
    parser.add_argument("--no-run", action="store_true", help="report on the profiles that are there")
    parser.add_argument("--test-case", help="run only the test cases that match")
    wish = parser.parse_args()
    status = 0 if wish.no_run else run_tests(wish.build, wish.test_case)
    below = report(wish.build)
    for line in below:
        print(f"coverage: {line}", file=sys.stderr)
    if status:
        # Some compare with what another compiler's build gives; make test is where all have to pass.
        print("coverage: some tests fail with this build")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
