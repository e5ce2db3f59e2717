#!/usr/bin/env python3
"""mutate.py BUILD [--folders fault,campaign,store] [--count 300] [--seed 1] [--list FILE]

Mutation tests: how many small faults of the source do the unit tests notice? Turns one operator or
constant of a folder's .cpp files (chosen at random by the seed, alike over lines), builds that
folder's test program in BUILD and runs it; the mutant is caught where a test fails, hangs or
crashes, stillborn where it does not compile. The source is put back after each mutant, also on
Ctrl-C. Prints the survivors with file, line and change, then the counts; --list names known
survivors (lines "file:line: before -> after") with reasons behind '#', which are counted apart.
"""
import argparse
import os
import random
import re
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
    return lines, found


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
        return {line.split("#")[0].strip() for line in file if line.strip()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--folders", default="fault,campaign,store")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list")
    arguments = parser.parse_args()
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    os.chdir(root)
    if "TMPDIR" not in os.environ and os.path.isdir("/dev/shm"):
        os.environ["TMPDIR"] = "/dev/shm"  # tests of files wait for no disk
    folders = arguments.folders.split(",")
    candidates = []
    for folder in folders:
        target = f"flatenn_{folder}_test"
        if run(["cmake", "--build", arguments.build, "--target", target], 7200) != 0:
            sys.exit(f"{target} does not build as it is")
        program = subprocess.run(["find", arguments.build, "-name", target, "-type", "f"], capture_output=True,
                                 text=True, check=True).stdout.split()[0]
        start = time.monotonic()
        if run([program, "--gtest_brief=1"], 1800) != 0:
            sys.exit(f"{target} fails as it is")
        limit = 60 + 5 * (time.monotonic() - start)  # longer is a hang
        for name in sorted(os.listdir(f"src/{folder}")):
            if not name.endswith(".cpp") or re.search(r"_(test|bench)\.cpp$|^test_", name):
                continue
            path = f"src/{folder}/{name}"
            candidates += [(path, target, program, limit, place) for place in places(path)[1]]
    random.Random(arguments.seed).shuffle(candidates)
    known = known_survivors(arguments.list)
    caught = stillborn = reasoned = 0
    survivors = []
    for path, target, program, limit, (number, start, end, replacement) in candidates:
        if caught + len(survivors) + reasoned >= arguments.count:
            break
        with open(path, encoding="utf-8") as file:
            original = file.read()
        lines = original.split("\n")
        before = lines[number]
        lines[number] = before[:start] + replacement + before[end:]
        label = f"{path}:{number + 1}: {before.strip()} -> {lines[number].strip()}"
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write("\n".join(lines))
            if run(["cmake", "--build", arguments.build, "--target", target], 1800) != 0:
                stillborn += 1
                continue
            if run([program, "--gtest_fail_fast", "--gtest_brief=1"], limit) != 0:
                caught += 1
            elif label in known:
                reasoned += 1
            else:
                survivors.append(label)
                print("survived:", label, flush=True)
        finally:
            with open(path, "w", encoding="utf-8") as file:
                file.write(original)
        if (caught + len(survivors) + reasoned) % 10 == 0:
            print(f"so far: {caught} caught, {len(survivors)} survived", flush=True)
    tried = caught + len(survivors) + reasoned
    print(f"{caught} of {tried} mutants caught ({100 * caught / max(1, tried):.1f} %), {len(survivors)} survived, "
          f"{reasoned} survivors with a reason, {stillborn} did not compile")
    return 0 if caught >= 0.9 * tried else 1


if __name__ == "__main__":
    sys.exit(main())
