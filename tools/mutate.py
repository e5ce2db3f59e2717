#!/usr/bin/env python3
"""mutate.py [--build FOLDER] [--folders fault,campaign,store] [--count 300] [--seed 1] [--known FILE]

Mutation tests: how many small faults of the source do the unit tests notice? Turns one operator or
constant of a folder's .cpp files (chosen at random by the seed, alike over lines), builds that
folder's test program and runs it, the quick tests first; what it does not notice, the quick tests of
the other folders try. Tests of more than 3 s take no part. A mutant is caught where a test fails, hangs
or crashes, stillborn where it does not compile, and the same program where the compiler makes the same
object of it: neither of these is counted.

All this is done in a copy of the checkout, FOLDER/source, whose build, FOLDER/build, is without
LibTorch and compiles each file alone: a mutant costs one short compilation. The checkout is only read.
Prints the survivors with file, line and change, then the counts. --known names survivors that make no
difference (lines "file: before -> after", with reasons behind '  # '), which are counted apart.
"""
import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

# Pattern, and what stands in its place. Templates' angle brackets have no blanks around them.
MUTATIONS = [(r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" == ", " != "),
             (r" != ", " == "), (r" && ", " || "), (r" \|\| ", " && "), (r" \+ ", " - "), (r" - ", " + "),
             (r" \* ", " + "), (r" / ", " * "), (r" % ", " / "), (r"\+\+", "--"), (r" \+= ", " -= "),
             (r"\btrue\b", "false"), (r"\bfalse\b", "true"), (r" << ", " >> "), (r" >> ", " << "),
             (r" \^ ", " | "), (r" & ", " | "), (r" \| ", " & "), (r"\b0\b", "1"), (r"\b1\b", "2"), (r"\b2\b", "3"),
             (r"return (?!false|true)([a-z_]+);", r"return {};")]
OPTIONS = ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O1", "-DFLATENN_UNITY=OFF", "-DFLATENN_WITH_TORCH=OFF",
           "-DFLATENN_BUILD_BENCHMARKS=OFF"]
QUICK, LONGEST = 0.5, 3.0  # seconds of a test
BATCH = 40  # mutants of one order of files
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def places(path):
    """(line, start, end, replacement) of every mutation that a file allows."""
    found = []
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    for number, line in enumerate(lines):
        code = line.split("//")[0]
        if re.match(r"\s*(#|static_assert|using |namespace|template|FLATENN_ASSERT|\* )", code) or not code.strip():
            continue
        strings = [match.span() for match in re.finditer(r'"(\\.|[^"\\])*"', code)]
        for pattern, replacement in MUTATIONS:
            for match in re.finditer(pattern, code):
                if any(start <= match.start() < end for start, end in strings):
                    continue  # text, not code
                found.append((number, match.start(), match.end(), match.expand(replacement)))
    return found


def run(command, seconds):
    """Exit code; -1 where it takes longer."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return -1


def known_survivors(path):
    if path is None:
        return set()
    with open(path, encoding="utf-8") as file:
        return {line.split("  # ")[0].strip() for line in file if line.strip() and not line.startswith("#")}


def content(path):
    with open(path, "rb") as file:
        return file.read()


class Copy:
    """A copy of the checkout and its build."""

    def __init__(self, folder):
        self.source, self.build = os.path.join(folder, "source"), os.path.join(folder, "build")
        names = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                               capture_output=True, text=True, check=True).stdout
        for name in filter(None, names.split("\0")):
            self.bring(name)
        modules = os.path.join(self.source, "tools/node/node_modules")
        if not os.path.lexists(modules):
            os.symlink(os.path.join(ROOT, "tools/node/node_modules"), modules)
        linker = ["-DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=mold"] if shutil.which("mold") else []
        if run(["cmake", "-S", self.source, "-B", self.build, "-G", "Ninja", *OPTIONS, *linker], 600) != 0:
            sys.exit(f"{self.build} cannot be configured")

    def bring(self, name):
        """Files that are the same keep their time: what was built from them stays."""
        there, here = os.path.join(ROOT, name), os.path.join(self.source, name)
        if not os.path.isfile(there) or (os.path.exists(here) and content(there) == content(here)):
            return
        os.makedirs(os.path.dirname(here), exist_ok=True)
        shutil.copyfile(there, here)

    def make(self, folder, seconds):
        return run(["cmake", "--build", self.build, "--target", f"flatenn_{folder}_test"], seconds) == 0

    def program(self, folder):
        return os.path.join(self.build, "src", folder, f"flatenn_{folder}_test")

    def object_of(self, path):
        return content(os.path.join(self.build, "CMakeFiles/flatenn_core.dir", path + ".o"))


class Tests:
    """A folder's test program: as it is, it passes; its tests by how long they take then."""

    def __init__(self, program):
        self.program = program
        durations = program + ".json"
        if run([program, f"--gtest_output=json:{durations}"], 1800) != 0:
            sys.exit(f"{program} fails as it is")
        times = [(f"{suite['name']}.{test['name']}", float(test["time"].rstrip("s")))
                 for suite in json.loads(content(durations))["testsuites"] for test in suite["testsuite"]]
        self.others = ":".join(name for name, seconds in times if seconds > QUICK)
        self.slow = ":".join(name for name, seconds in times if QUICK < seconds <= LONGEST)
        # Longer is a hang.
        self.quick_limit = 30 + 5 * sum(seconds for _, seconds in times if seconds <= QUICK)
        self.slow_limit = 60 + 5 * sum(seconds for _, seconds in times if QUICK < seconds <= LONGEST)

    def pass_quick(self):
        return self.run("-" + self.others if self.others else "*", self.quick_limit)

    def pass_slow(self):
        return not self.slow or self.run(self.slow, self.slow_limit)

    def run(self, tests, seconds):
        return run([self.program, "--gtest_fail_fast", "--gtest_brief=1", f"--gtest_filter={tests}"], seconds) == 0


class Trials:
    def __init__(self, copy, folders, known):
        self.copy, self.known = copy, known
        self.tests, self.good_objects = {}, {}
        self.caught = self.reasoned = self.stillborn = self.same = 0
        self.survivors = []
        for folder in folders:
            if not copy.make(folder, 7200):
                sys.exit(f"the tests of {folder} do not build as they are")
            self.tests[folder] = Tests(copy.program(folder))

    def candidates(self):
        found = []
        for folder in self.tests:
            for name in sorted(os.listdir(os.path.join(self.copy.source, "src", folder))):
                if name.endswith(".cpp") and not re.search(r"_(test|bench)\.cpp$|^test_", name):
                    path = f"src/{folder}/{name}"
                    found += [(path, place) for place in places(os.path.join(self.copy.source, path))]
        return found

    def tried(self):
        return self.caught + self.reasoned + len(self.survivors)

    def noticed(self, own):
        """By the tests of its own folder, then those of others."""
        if not self.tests[own].pass_quick() or not self.tests[own].pass_slow():
            return True
        return any(not self.copy.make(folder, 1800) or not self.tests[folder].pass_quick()
                   for folder in self.tests if folder != own)

    def try_one(self, path, place):
        number, start, end, replacement = place
        file, own = os.path.join(self.copy.source, path), path.split("/")[1]
        original = content(file)
        lines = original.decode().split("\n")
        before = lines[number]
        lines[number] = before[:start] + replacement + before[end:]
        change = f"{before.strip()} -> {lines[number].strip()}"
        if path not in self.good_objects:
            self.good_objects[path] = self.copy.object_of(path)
        try:
            with open(file, "w", encoding="utf-8") as out:
                out.write("\n".join(lines))
            if not self.copy.make(own, 1800):
                self.stillborn += 1
            elif self.copy.object_of(path) == self.good_objects[path]:
                self.same += 1
            elif self.noticed(own):
                self.caught += 1
            elif f"{path}: {change}" in self.known:
                self.reasoned += 1
            else:
                self.survivors.append(change)
                print(f"survived: {path}:{number + 1}: {change}", flush=True)
        finally:
            with open(file, "wb") as out:
                out.write(original)

    def summary(self):
        tried = self.tried()
        return (f"{self.caught} of {tried} mutants caught ({100 * self.caught / max(1, tried):.1f} %), "
                f"{len(self.survivors)} survived, {self.reasoned} survived with a reason; not counted: "
                f"{self.stillborn} did not compile, {self.same} the same program")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build/mutants"))
    parser.add_argument("--folders", default="fault,campaign,store")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--known")
    arguments = parser.parse_args()
    folder = os.path.abspath(arguments.build)
    if "TMPDIR" not in os.environ and os.path.isdir("/dev/shm"):
        os.environ["TMPDIR"] = "/dev/shm"  # tests of files wait for no disk
    os.environ["CCACHE_BASEDIR"] = os.path.join(folder, "source")
    trials = Trials(Copy(folder), arguments.folders.split(","), known_survivors(arguments.known))
    candidates = trials.candidates()
    random.Random(arguments.seed).shuffle(candidates)
    while candidates and trials.tried() < arguments.count:
        few = min(BATCH, arguments.count - trials.tried())
        # File by file: what was put back is compiled once for all of a file's mutants.
        for path, place in sorted(candidates[:few]):
            trials.try_one(path, place)
            print(trials.summary(), file=sys.stderr, flush=True)
        candidates = candidates[few:]
    print(trials.summary())
    return 0 if trials.caught >= 0.9 * (trials.tried() - trials.reasoned) else 1


if __name__ == "__main__":
    sys.exit(main())
