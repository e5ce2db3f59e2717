"""Writes the table of README.md from manifest.json."""

import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
MARK = "<!-- table -->\n"


def main():
    entries = json.loads((ROOT / "manifest.json").read_text())
    rows = ["| name | tool | features | expected |", "| --- | --- | --- | --- |"]
    for e in entries:
        verdict = f"refuse: `{e['refuse_word']}`" if e["expect"] == "refuse" else "ok"
        if e.get("calibration"):
            verdict += ", with calibration"
        rows.append(f"| `{e['name']}` | {e['tool']} | {', '.join(e['features'])} | {verdict} |")
    readme = ROOT / "README.md"
    head = readme.read_text().split(MARK)[0]
    readme.write_text(head + MARK + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
