#!/usr/bin/env python3
"""Plants small faults in a copy of the library, and finds out which of them the tests notice.

mutate.py [--count N] [--seed S] [--only IDS] [--list] FOLDER    (make mutation)

The sample is drawn by a seed from all places that mutants.py finds in core, nn and optim. All of its mutants are compiled
into one library (FOLDER/tree), linked with the objects of `make test`, and an environment variable chooses one. Those that
do not compile are replaced by others. First a run without any mutant notes which test case reaches which of them, and how
long it takes; then each mutant is run on the cases that reach it, the shortest first, until one fails. A crash and a
hang are failures, too. A mutant that no case reaches has survived without being run.

FOLDER/results.jsonl holds what was found, and what is in it is not run again; --fresh forgets it. The status is 1 where
less than the bound was killed.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import mutants  # noqa: E402

ROOMS = ("core", "nn", "optim")
# Tests of programs that were linked with the library of `make test`, or of none of its code.
ELSEWHERE = "*/install_*,*example*,*/dead_neurons_test*,*/bench_test*"
LEAST = 85.0

HEADER = """#pragma once
#include <optional>
#include <string>
#include <type_traits>
extern "C" int rill_mutant_wanted;
extern "C" unsigned char rill_mutant_reached[];
[[gnu::always_inline]] inline bool rill_mutant(int id) {
  rill_mutant_reached[id] = 1;
  return id == rill_mutant_wanted;
}
// Another value of the same type; what has none does not compile, and is no mutant.
template <class T>
std::decay_t<T> rill_other(T&& value) {
  using V = std::decay_t<T>;
  if constexpr (std::is_same_v<V, bool>) return !value;
  else if constexpr (std::is_arithmetic_v<V>) return static_cast<V>(value + 1);
  else if constexpr (std::is_same_v<V, std::string>) return value + "?";
  else {
    static_assert(!std::is_pointer_v<V> && !std::is_enum_v<V>);
    return V{};
  }
}
"""

RUNTIME = """#include <cstdio>
#include <cstdlib>
#include <string>
#include <unistd.h>
extern "C" {
unsigned char rill_mutant_reached[RILL_MUTANTS] = {};
int rill_mutant_wanted = -1;
// A child of a test case tells its parent.
__attribute__((destructor)) void rill_mutant_tell() {
  const char* folder = std::getenv("RILL_MUTANT_CHILDREN");
  if (!folder) return;
  const std::string path = std::string(folder) + "/" + std::to_string(::getpid());
  std::FILE* out = std::fopen(path.c_str(), "w");
  if (!out) return;
  for (int i = 0; i < RILL_MUTANTS; ++i) {
    if (rill_mutant_reached[i]) std::fprintf(out, "%d\\n", i);
  }
  std::fclose(out);
}
}
// Before all that is made when the program starts.
struct FromEnvironment {
  FromEnvironment() {
    if (const char* text = std::getenv("RILL_MUTANT")) rill_mutant_wanted = std::atoi(text);
  }
};
__attribute__((init_priority(101))) FromEnvironment from_environment;
"""

LISTENER = """#include <doctest/doctest.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
extern "C" unsigned char rill_mutant_reached[];
namespace {
std::string out_path, children;
struct Reached final : doctest::IReporter {
  const char* name = "";
  explicit Reached(const doctest::ContextOptions&) {
    const char* path = std::getenv("RILL_MUTANT_CASES");
    if (!path) return;
    out_path = path;
    children = std::getenv("RILL_MUTANT_CHILDREN");
    ::unsetenv("RILL_MUTANT_CASES");
  }
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData& data) override {
    name = data.m_name;
    if (!out_path.empty()) std::memset(rill_mutant_reached, 0, RILL_MUTANTS);
  }
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& stats) override {
    if (out_path.empty()) return;
    for (const auto& entry : std::filesystem::directory_iterator(children)) {
      std::ifstream in(entry.path());
      for (int i; in >> i;) rill_mutant_reached[i] = 1;
      std::filesystem::remove(entry.path());
    }
    std::ofstream out(out_path, std::ios::app);
    out << name << '\\t' << stats.testCaseSuccess << '\\t' << stats.seconds << '\\t';
    for (int i = 0; i < RILL_MUTANTS; ++i) {
      if (rill_mutant_reached[i]) out << i << ' ';
    }
    out << '\\n';
  }
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};
}  // namespace
REGISTER_LISTENER("reached", 2, Reached);
"""


class Sample:
    """The mutants that are in: the first of the candidates that overlap with no other and were not rejected."""

    def __init__(self, files, seed, count, wanted):
        self.files, self.count, self.wanted = files, count, wanted
        self.pool = mutants.candidates({path: text for path, text in files.items() if wanted(path)}, seed)
        self.rejected = set()
        self.chosen = []

    def key(self, mutant):
        return (mutant.file, mutant.start, mutant.end, mutant.kind, mutant.what)

    def draw(self):
        """Those drawn before keep their numbers, so that few files change from one attempt to the next."""
        kept = {self.key(m): m.id for m in self.chosen}
        free = iter(sorted(set(range(2 * self.count)) - set(kept.values())))
        taken, self.chosen = {}, []
        for mutant in self.pool:
            if len(self.chosen) == self.count:
                break
            spans = taken.setdefault(mutant.file, [])
            if self.key(mutant) in self.rejected or any(mutant.start < end and start < mutant.end for start, end in spans):
                continue
            spans.append((mutant.start, mutant.end))
            mutant.id = kept[self.key(mutant)] if self.key(mutant) in kept else next(free)
            self.chosen.append(mutant)

    def reject(self, path, line):
        """True if a mutant stands in this line."""
        hit = False
        for mutant in list(self.chosen):
            text = self.files[mutant.file]
            first, last = text.count("\n", 0, mutant.start) + 1, text.count("\n", 0, mutant.end) + 1
            if mutant.file == path and first <= line <= last:
                self.rejected.add(self.key(mutant))
                self.chosen.remove(mutant)
                hit = True
        return hit


def write(path, text):
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def sources():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *ROOMS],
                            capture_output=True, text=True, check=True)
    return [path for path in listed.stdout.splitlines() if path.endswith((".cpp", ".hpp")) and os.path.isfile(path)]


def write_makefile(tree, paths, size, wanted):
    """The copy's own build: one file for each folder, that includes the others, linked with the objects of `make test`."""
    folders = sorted({os.path.dirname(path) for path in paths if path.endswith(".cpp") and wanted(path)})
    for folder in folders:
        inside = [path for path in paths if path.endswith(".cpp") and os.path.dirname(path) == folder]
        write(f"{tree}/{folder}.unity.cpp", "".join(f"#include <rill/{path}>\n" for path in inside))
    write(f"{tree}/mutants.hpp", HEADER)
    write(f"{tree}/runtime.cpp", RUNTIME.replace("RILL_MUTANTS", str(size)))
    write(f"{tree}/listener.cpp", LISTENER.replace("RILL_MUTANTS", str(size)))
    os.makedirs(f"{tree}/include", exist_ok=True)
    if not os.path.islink(f"{tree}/include/rill"):
        os.symlink("..", f"{tree}/include/rill")
    objects = " ".join(f"{tree}/{folder}.unity.o" for folder in folders) + f" {tree}/runtime.o"
    root = os.path.dirname(tree)
    # The copy's objects come first: of an inline function that the tests' objects hold, too, its mutants are taken.
    write(f"{tree}/Makefile", f"""COMPILE := {os.environ["RILL_COMPILE"]} -O1 -w -ferror-limit=0 -Werror=vla -Werror=return-stack-address
all: {root}/rill_tests {root}/bin/rill
library: {objects}
{tree}/%.unity.o: {tree}/%.unity.cpp {tree}/mutants.hpp
\t$(COMPILE) -DFMT_HEADER_ONLY -I {tree}/include -include {tree}/mutants.hpp -MMD -MP -c $< -o $@
{tree}/%.o: {tree}/%.cpp
\t$(COMPILE) -c $< -o $@
{root}/rill_tests: {objects} {tree}/listener.o {os.environ["RILL_TEST_OBJECTS"]}
\t{os.environ["RILL_LINK"]} $^ -o $@ {os.environ["RILL_TEST_LIBS"]}
{root}/bin/rill: {objects} {os.environ["RILL_COMMAND_OBJECTS"]}
\t@mkdir -p $(@D)
\t{os.environ["RILL_LINK"]} $^ -o $@ {os.environ["RILL_COMMAND_LIBS"]}
-include {" ".join(f"{tree}/{folder}.unity.d" for folder in folders)}
""")
    # Programs that hold no mutants, for the tests that run them.
    for name in ("examples", "share"):
        if not os.path.islink(f"{root}/{name}"):
            os.symlink(os.path.abspath(f"{os.environ['BUILD']}/{name}"), f"{root}/{name}")


def make(tree, goal, jobs):
    """Compiles what changed; the places of errors."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", "-rR", "-k", f"-j{jobs}", "-f", f"{tree}/Makefile", goal], env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    places, root = set(), os.path.realpath(tree)
    # A note names the mutant where a template's error stands elsewhere.
    for path, line in re.findall(r"^([^\s:]+):(\d+):\d+: (?:fatal error|error|note): ", done.stdout, re.M):
        places.add((os.path.relpath(os.path.realpath(path), root), int(line)))
    return done.returncode == 0, places, done.stdout


def plant(tree, sample):
    by_file = {}
    for mutant in sample.chosen:
        by_file.setdefault(mutant.file, []).append(mutant)
    for path, text in sample.files.items():
        write(f"{tree}/{path}", mutants.applied(text, by_file.get(path, [])))


def compile_all(tree, sample, jobs):
    write_makefile(tree, list(sample.files), 2 * sample.count, sample.wanted)
    for _ in range(12):
        sample.draw()
        plant(tree, sample)
        good, places, output = make(tree, "library", jobs)
        if good:
            break
        hits = sum([sample.reject(path, line) for path, line in sorted(places)])
        print(f"mutate: {hits} places do not compile, others are drawn", flush=True)
        if not hits:
            sys.exit(output[-6000:] + "\nmutate: the copy does not compile, and no mutant is in the way")
    else:
        sys.exit("mutate: too many attempts")
    good, _, output = make(tree, "all", jobs)
    if not good:
        sys.exit(output[-6000:])


# What a mutant may take of the machine; one test writes a file of 8 GiB, with holes.
LIMITS = ["prlimit", "--core=0", f"--fsize={9 << 30}", f"--as={8 << 30}"]


def run(root, arguments, environment, seconds):
    """(status, output); the status None for a hang."""
    child = subprocess.Popen([*LIMITS, f"{root}/rill_tests", f"-sfe={ELSEWHERE}", *arguments],
                             env=dict(os.environ, RILL_BUILD_DIR=root, **environment), start_new_session=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output, _ = child.communicate(timeout=seconds)
        status = child.returncode
    except subprocess.TimeoutExpired:
        output, status = b"", None
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    if status is None:
        output, _ = child.communicate()
    return status, output.decode("utf-8", "replace")


class Case:
    def __init__(self, name, good, seconds, reached):
        self.name, self.good, self.seconds, self.reached = name, good, seconds, reached
        self.alone = None  # does it pass on its own, without a mutant


def baseline(root):
    """Every test case: does it pass, how long does it take, which mutants does it reach."""
    children, path = os.path.abspath(f"{root}/children"), os.path.abspath(f"{root}/cases")
    shutil.rmtree(children, ignore_errors=True)
    os.makedirs(children)
    if os.path.exists(path):
        os.remove(path)
    run(root, [], {"RILL_MUTANT_CASES": path, "RILL_MUTANT_CHILDREN": children}, 3600)
    cases = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, good, seconds, reached = line.rstrip("\n").split("\t")
            cases[name] = Case(name, good == "1", float(seconds), {int(i) for i in reached.split()})
    return cases


def pattern(name):
    return re.sub(r"[,*\\\[\]]", "?", name)


def judge(root, mutant, cases):
    """(killer, or None for a survivor, or "" where nothing reaches it; number of cases tried)"""
    reaching = sorted((c for c in cases.values() if c.good and mutant.id in c.reached), key=lambda c: c.seconds)
    tried = 0
    while tried < len(reaching):
        batch, cost = [], 0.0
        while tried < len(reaching) and len(batch) < 60 and (not batch or cost + reaching[tried].seconds < 4.0):
            cost += reaching[tried].seconds
            batch.append(reaching[tried])
            tried += 1
        killer = killed_by(root, mutant, batch, 20 + 10 * cost)
        if killer:
            return killer, tried
    return (None if reaching else ""), tried


def killed_by(root, mutant, batch, seconds):
    while batch:
        wanted = ",".join(pattern(c.name) for c in batch)
        status, output = run(root, ["--abort-after=1", f"-tc={wanted}"], {"RILL_MUTANT": str(mutant.id)}, seconds)
        if status == 0:
            return None
        if status is None:
            return "(hang) " + (batch[0].name if len(batch) == 1 else f"one of {len(batch)} cases")
        named = re.findall(r"^TEST CASE: +(.*)$", output, re.M)
        found = next((c for c in batch if named and c.name.strip() == named[-1].strip()), None)
        if not found:
            return "(crash)" if status < 0 else f"(status {status})"
        if found.alone is None:
            found.alone = run(root, [f"-tc={pattern(found.name)}"], {}, seconds)[0] == 0
        if found.alone:
            return found.name
        found.good = False
        batch = [c for c in batch if c.good]
    return None


def describe(mutant):
    return f"{mutant.file}:{mutant.line}: {mutant.what}"


def result_key(mutant, text):
    return f"{mutant.file}|{mutant.kind}|{mutant.what}|{text[mutant.start:mutant.end]}|{mutant.rank:.9f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", help="where to build, such as build/mutation")
    parser.add_argument("--count", type=int, default=240, help="mutants to judge")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folders", help="draw only from these, such as core,core/io; the rest is the library of make test")
    parser.add_argument("--jobs", type=int, default=2, help="compilers, and then mutants, at once")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--again", action="store_true", help="judge the survivors of earlier runs again")
    parser.add_argument("--list", action="store_true", help="print the sample and stop")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop judging after so long")
    wish = parser.parse_args()

    root, tree = wish.folder, f"{wish.folder}/tree"
    files = {}
    for path in sources():
        with open(path, encoding="utf-8") as file:
            files[path] = file.read()
    folders = wish.folders.split(",") if wish.folders else []
    sample = Sample(files, wish.seed, wish.count,
                    lambda path: os.path.dirname(path) in folders if folders else not path.startswith("nn/onnx/"))
    if wish.list:
        sample.draw()
        print("\n".join(describe(m) for m in sample.chosen))
        return 0
    rejected_path = f"{root}/rejected.json"
    if os.path.exists(rejected_path):
        with open(rejected_path, encoding="utf-8") as file:
            known = set(json.load(file))
        sample.rejected = {sample.key(m) for m in sample.pool if result_key(m, files[m.file]) in known}
    compile_all(tree, sample, wish.jobs)
    write(rejected_path, json.dumps([result_key(m, files[m.file]) for m in sample.pool if sample.key(m) in sample.rejected]))

    results_path, results = f"{root}/results.jsonl", {}
    if os.path.exists(results_path) and not wish.fresh:
        with open(results_path, encoding="utf-8") as file:
            for line in file:
                entry = json.loads(line)
                results[entry["key"]] = entry
    print(f"mutate: {len(sample.chosen)} mutants compiled; the tests without any of them ...", flush=True)
    begun = time.time()
    cases = baseline(root)
    broken = sorted(c.name for c in cases.values() if not c.good)
    print(f"mutate: {len(cases)} test cases in {time.time() - begun:.0f} s, {len(broken)} of them fail here and count for nothing", flush=True)
    for name in broken:
        print(f"  {name}")

    begun = time.time()
    keys = {m.id: result_key(m, files[m.file]) for m in sample.chosen}
    waiting = [m for m in sorted(sample.chosen, key=lambda m: m.rank)
               if keys[m.id] not in results or (wish.again and not results[keys[m.id]]["killer"])]

    def judged(mutant):
        started = time.time()
        if started - begun > 60 * wish.minutes:
            return mutant, None, 0, 0.0
        return mutant, *judge(root, mutant, cases), time.time() - started

    with open(results_path, "w" if wish.fresh else "a", encoding="utf-8") as out, \
            concurrent.futures.ThreadPoolExecutor(wish.jobs) as pool:
        for mutant, killer, tried, seconds in pool.map(judged, waiting):
            if not seconds:
                continue
            entry = {"key": keys[mutant.id], "killer": killer, "tried": tried, "id": mutant.id, "what": describe(mutant)}
            results[entry["key"]] = entry
            out.write(json.dumps(entry) + "\n")
            out.flush()
            verdict = killer if killer else "SURVIVED" if killer is None else "SURVIVED, reached by no test case"
            print(f"{describe(mutant)}: {verdict} ({seconds:.1f} s)", flush=True)
    return summary(sample, files, results)


def summary(sample, files, results):
    judged = [m for m in sample.chosen if result_key(m, files[m.file]) in results]
    print(f"\n{'room':<8}{'mutants':>8}{'killed':>8}{'share':>9}")
    share = 0.0
    for room in ROOMS + ("total",):
        mine = [results[result_key(m, files[m.file])] for m in judged if room in ("total", m.file.split("/")[0])]
        killed = sum(bool(r["killer"]) for r in mine)
        share = 100.0 * killed / len(mine) if mine else 100.0
        print(f"{room:<8}{len(mine):>8}{killed:>8}{share:>8.1f}%")
    print("survivors:")
    for mutant in sorted(judged, key=lambda m: (m.file, m.line)):
        entry = results[result_key(mutant, files[mutant.file])]
        if not entry["killer"]:
            print(f"  {describe(mutant)}" + ("" if entry["killer"] is None else " (reached by no test case)"))
    if share < LEAST:
        print(f"mutate: {share:.1f} % killed, expected {LEAST} % or more", file=sys.stderr)
    return int(share < LEAST)


if __name__ == "__main__":
    sys.exit(main())
