#!/usr/bin/env python3
"""Runs the commands of the documentation, page by page, in empty folders.

    docs_commands.py FLATENN MODEL PAGE... [--check PAGE...]

A line that begins with spaces and "$ " is run by bash, a flatenn command only where the program has it
(training needs LibTorch); it must end with exit code 0. In the folder lie m.onnx, a.onnx, b.onnx and
runs/sgd/model.onnx, copies of MODEL. Every other line of code that begins with "flatenn" is checked
against --help: its options must exist. Pages after --check, whose
commands take minutes or hours, are checked so alone. Without the data set MNIST in $FLATENN_DATA nothing is run (exit code
77 after the check).
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

INDENTED = re.compile(r"^ {4,}(?:(\$ )(.*)|(?=flatenn )(.*))$", re.MULTILINE)


def help_of(flatenn, words):
    done = subprocess.run([flatenn, *words, "--help"], capture_output=True, text=True)
    known = done.returncode == 0 and " ".join(["Usage: flatenn", *words]) in done.stdout
    return done.stdout if known else None


def command_of(line):
    words = []
    for word in line.split()[1:]:
        if word.startswith("-") or not re.fullmatch(r"[a-z]+", word):
            break
        words.append(word)
    return words


def unknown_options(flatenn, line, helps):
    """Options of one command line that its help does not know; None where the command is missing."""
    words = command_of(line)
    for length in (2, 1):
        key = tuple(words[:length])
        if len(key) < length:
            continue
        if key not in helps:
            helps[key] = help_of(flatenn, key)
        if helps[key] is not None:
            break
    else:
        return None
    text = (helps[key] or "") + (helps.get(key[:1]) or help_of(flatenn, key[:1]) or "")
    line = re.sub(r"(?<!\S)#.*", "", line)
    options = re.findall(r"(?<!\S)(--?[A-Za-z][a-z-]*)", line.split("|")[0])
    return [o for o in options if not re.search(re.escape(o) + r"(?![\w-])", text)]


def check_page(flatenn, page, text, helps):
    errors = []
    for match in INDENTED.finditer(text):
        line = match[2] or match[3]
        wrong = line.startswith("flatenn ") and unknown_options(flatenn, line, helps)
        if wrong:
            errors.append(f"{page}: {line}: unknown {', '.join(wrong)}")
    return errors


def run_page(flatenn, model, data, page, text, helps):
    errors = []
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "runs/sgd").mkdir(parents=True)
        for name in ("m.onnx", "a.onnx", "b.onnx", "runs/sgd/model.onnx"):
            shutil.copy(model, root / name)
        environment = dict(os.environ, FLATENN_DATA=data, HOME=folder,
                           PATH=f"{flatenn.parent}:{os.environ['PATH']}")
        for match in INDENTED.finditer(text):
            if not match[1]:
                continue
            if match[2].startswith("flatenn ") and unknown_options(flatenn, match[2], helps) is None:
                continue
            done = subprocess.run(["bash", "-c", match[2]], cwd=root, env=environment,
                                  capture_output=True, text=True, timeout=600)
            if done.returncode != 0:
                errors.append(f"{page}: {match[2]}: exit code {done.returncode}: {done.stderr[-300:]}")
    return errors


def main(arguments):
    flatenn, model = (pathlib.Path(argument).resolve() for argument in arguments[:2])
    data = pathlib.Path(os.environ.get("FLATENN_DATA") or "~/.cache/flatenn/data").expanduser()
    helps, errors = {}, []
    can_run = (data / "mnist").is_dir()
    to_check = arguments.index("--check") if "--check" in arguments else len(arguments)
    for number, argument in enumerate(arguments):
        page = pathlib.Path(argument)
        if number < 2 or number == to_check:
            continue
        text = page.read_text(encoding="utf-8")
        errors += check_page(flatenn, page, text, helps)
        if can_run and number < to_check:
            errors += run_page(flatenn, model, str(data), page, text, helps)
    print("\n".join(errors) if errors else "all commands are as the program knows them")
    if not errors and not can_run:
        print(f"skipped: MNIST is not in {data}, nothing was run")
        return 77
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
