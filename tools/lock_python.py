"""Writes a lock file of Python packages, each with the sum of its file, from pip's report:

    pip install --dry-run --ignore-installed --report report.json -r python/tests/requirements.in
    python3 tools/lock_python.py report.json > python/tests/requirements.txt

One sum a package: that of the file which this Python on this machine takes. Those of other Pythons are added by
giving all reports: running it there, or here with --python-version 3.13 --only-binary=:all: --target NOWHERE.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    packages: dict[tuple[str, str], set[str]] = {}
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as report:
            for item in json.load(report)["install"]:
                key = (item["metadata"]["name"].lower().replace("_", "-"), item["metadata"]["version"])
                sums = packages.setdefault(key, set())
                sums.add(item["download_info"]["archive_info"]["hashes"]["sha256"])
    for (name, version), sums in sorted(packages.items()):
        lines = [f"{name}=={version}", *(f"--hash=sha256:{value}" for value in sorted(sums))]
        print(" \\\n    ".join(lines))


if __name__ == "__main__":
    main()
