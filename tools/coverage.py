#!/usr/bin/env python3
"""coverage.py BUILD [--uncovered N]

Lines of src and include that the tests of BUILD ran (preset coverage: --coverage, gcov), by folder;
tests, benchmarks and generated sources are left out. --uncovered lists the N files with the most
lines that no test ran, and those lines.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TESTS = re.compile(r"(_test|_bench)\.cpp$|/test_|_test_support\.|/testing/|/temporary_folder\.h$")


def is_counted(path):
    return path.startswith(("src/", "include/")) and not TESTS.search(path)


def lines_of(data):
    """[(file, line, times)] that gcov finds in one object's counts."""
    command = ["gcov", "--json-format", "--stdout", data]
    text = subprocess.run(command, capture_output=True, text=True, cwd=os.path.dirname(data), check=True).stdout
    found = []
    for document in text.splitlines():
        described = json.loads(document)
        for file in described["files"]:
            path = os.path.realpath(os.path.join(described["current_working_directory"], file["file"]))
            path = os.path.relpath(path, ROOT)
            if is_counted(path):
                found += [(path, line["line_number"], line["count"]) for line in file["lines"]]
    return found


def folder_of(path):
    parts = path.split("/")
    return parts[2] if path.startswith("include/") else parts[1]


def runs_of(text):
    """"3-5, 9" of [3, 4, 5, 9]."""
    runs = []
    for number in text:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--uncovered", type=int, default=0)
    arguments = parser.parse_args()
    data = []
    for folder, _, names in os.walk(os.path.abspath(arguments.build)):
        data += [os.path.join(folder, name) for name in names if name.endswith(".gcda")]
    if not data:
        sys.exit(f"{arguments.build} holds no counts: is it built with --coverage, and have its tests run?")
    counts = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for found in pool.map(lines_of, data):
            for path, line, times in found:
                counts[path, line] += times  # headers are part of many objects
    by_folder = collections.defaultdict(lambda: [0, 0])
    missed = collections.defaultdict(list)
    for (path, line), times in sorted(counts.items()):
        of_folder = by_folder[folder_of(path)]
        of_folder[0] += 1
        of_folder[1] += times > 0
        if times == 0:
            missed[path].append(line)
    print("| folder | lines | run | share |\n| --- | --- | --- | --- |")
    rows = sorted(by_folder.items())
    rows.append(("all", [sum(row[1][part] for row in rows) for part in (0, 1)]))
    rows.append(("all but cli", [sum(row[1][part] for row in rows[:-1] if row[0] != "cli") for part in (0, 1)]))
    for folder, (lines, ran) in rows:
        print(f"| {folder} | {lines:,} | {ran:,} | {100 * ran / max(1, lines):.1f} % |")
    worst = sorted(missed.items(), key=lambda item: -len(item[1]))[:arguments.uncovered]
    for path, lines in worst:
        print(f"{path}: {len(lines)} lines: {runs_of(lines)}")


if __name__ == "__main__":
    main()
