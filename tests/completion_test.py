#!/usr/bin/env python3
"""What completion offers in the shells themselves: completion_test.py FLATENN. Run by ctest; a shell
that is missing is left out, exit code 77 where all are.
"""

import os
import pathlib
import pty
import select
import shutil
import subprocess
import sys
import tempfile
import time

# A line before the cursor; words that must be offered; words that must not be.
CASES = [
    ("flatenn camp", ["campaign"], ["results", "--help"]),
    ("flatenn re", ["report", "results"], ["campaign"]),
    ("flatenn results --for", ["--format"], ["--figure"]),
    ("flatenn -q results --for", ["--format"], ["--figure"]),
    ("flatenn faults d", ["draw"], ["data", "doctor"]),
    ("flatenn campaign --he", ["--help"], ["--data"]),
    ("flatenn report mine", ["mine.db"], ["data"]),
    ("flatenn plot mine.db --col", ["--columns"], ["--count"]),
]


def bash(script, folder, line):
    words = line.split(" ")
    said = subprocess.run(
        ["bash", "-c", 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _flatenn; '
         'printf "%s\\n" "${COMPREPLY[@]}"', "_", script, *words],
        capture_output=True, text=True, cwd=folder, check=True)
    assert said.stderr == "", said.stderr
    return said.stdout.split()


def fish(script, folder, line):
    said = subprocess.run(["fish", "--no-config", "-c", 'source $argv[1]; complete -C $argv[2]', script, line],
                          capture_output=True, text=True, cwd=folder, check=True)
    assert said.stderr == "", said.stderr
    return [row.split("\t")[0] for row in said.stdout.splitlines()]


def read_until(master, end):
    said, last = "", time.monotonic() + 60
    while end not in said:
        assert time.monotonic() < last, said
        if select.select([master], [], [], 0.1)[0]:
            said += os.read(master, 65536).decode()
    return said


def zsh(script, folder, line):
    """zsh completes on a terminal alone: what its completion would add is written down instead."""
    setup = folder / "setup.zsh"
    listing = folder / "offered"
    setup.write_text(f"""autoload -Uz compinit; compinit -u -d {folder}/dump
source {script}
compadd() {{
  local -a real
  builtin compadd -O real "$@"
  print -rl -- $real >> {listing}
  builtin compadd "$@"
}} 2>> {listing}
zle -C offer complete-word offer_all
offer_all() {{ _main_complete; compstate[insert]=; compstate[list]=; print END >> {listing} }}
bindkey '^T' offer
PS1='READY> '
""")
    listing.write_text("")
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ["TERM"] = "dumb"
        os.execvp("zsh", ["zsh", "-f", "-i"])
    os.write(master, f"source {setup}; echo sour''ced\n".encode())
    read_until(master, "sourced")
    os.write(master, line.encode() + b"\x14")
    last = time.monotonic() + 60
    while not listing.read_text().endswith("END\n"):
        assert time.monotonic() < last, (line, listing.read_text())
        if select.select([master], [], [], 0.05)[0]:
            os.read(master, 65536)
    os.write(master, b"\x15exit\n")
    os.close(master)
    os.waitpid(pid, 0)
    return sorted(set(listing.read_text().split()) - {"END"})


def main(flatenn):
    flatenn = str(pathlib.Path(flatenn).resolve())
    tried, failed = 0, 0
    for shell, offered_by in (("bash", bash), ("zsh", zsh), ("fish", fish)):
        if shutil.which(shell) is None:
            print(f"left out: {shell} is not here")
            continue
        tried += 1
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "mine.db").touch()
            script = folder / "script"
            script.write_bytes(subprocess.run([flatenn, "completion", shell], capture_output=True,
                                              check=True).stdout)
            for line, expected, others in CASES:
                offered = offered_by(script, folder, line)
                good = all(word in offered for word in expected) and not set(others) & set(offered)
                good = good and all(offered.count(word) == 1 for word in expected)
                failed += not good
                if not good:
                    print(f"{shell}: '{line}' offers {offered}, expected {expected} and none of {others}")
    if tried == 0:
        return 77
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
