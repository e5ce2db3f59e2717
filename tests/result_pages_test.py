#!/usr/bin/env python3
"""Pages of results answer first: result_pages_test.py PAGE... Run by ctest.

A page opens with "**In short.**" and shows a figure or table in its first section; no paragraph or item
is longer than five lines of 160 characters; how it was run stands last (tables that
tools/why_page.py writes come after all prose).
"""

import pathlib
import re
import sys

MARKER = re.compile(r"<!--[=?].*?-->", re.DOTALL)
LONGEST = 5 * 160


def errors_of(text):
    prose = MARKER.sub("", text).split("<!-- tables")[0]
    prose = re.sub(r"^(#.*)$", r"\1\n", prose, flags=re.MULTILINE)
    blocks = [block.strip("\n") for block in re.split(r"\n\s*\n|\n(?=- |#|\||!)", prose) if block.strip()]
    if len(blocks) < 2 or not blocks[0].startswith("# ") or not blocks[1].startswith("**In short.**"):
        yield "does not open with **In short.**"
    headings = [i for i, block in enumerate(blocks) if block.startswith("#")]
    first = blocks[:headings[2]] if len(headings) > 2 else blocks
    if not any(block.startswith(("![", "|")) for block in first):
        yield "shows no figure or table in its first section"
    if not re.match(r"#+ (Settings|What was run)", blocks[headings[-1]]):
        yield "does not end with Settings or What was run"
    for block in blocks:
        if not block.startswith(("|", "#", "!", "    ")) and len(block) > LONGEST:
            yield f"{len(block)} characters in one paragraph: {block[:60]!r}"


def test_itself():
    good = "# T\n\n**In short.** Yes.\n\n![a](b)\n\n## Why\nSo.\n\n## Settings\nOne.\n"
    assert list(errors_of(good)) == []
    for bad in (good.replace("**In short.** ", ""), good.replace("![a](b)\n\n## Why", "## Why\n\n## How"),
                good.replace("## Settings", "## More"), good.replace("So.", "So. " * 201)):
        assert len(list(errors_of(bad))) == 1, bad


def main(pages):
    test_itself()
    found = [f"{page}: {error}" for page in pages for error in errors_of(pathlib.Path(page).read_text(encoding="utf-8"))]
    print("\n".join(found))
    return 1 if found or not pages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
