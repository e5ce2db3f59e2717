#!/usr/bin/env python3
"""What the program prints on terminals of any width, on none, and into a pipe that closes.

    terminal_test.py FLATENN MODEL.onnx

Run by ctest. Images are noise (tests/browser/make_study.py).
"""

import fcntl
import os
import pathlib
import pty
import re
import sqlite3
import struct
import subprocess
import sys
import tempfile
import termios

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "browser"))
from make_study import own_noise  # noqa: E402

ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def on_terminal(columns, command, **environment):
    """What a terminal of that width is sent: lines as they stood, escapes taken out unless kept."""
    pid, master = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.environ.update({"TERM": "xterm", **environment})
        os.execv(command[0], [str(word) for word in command])
    said = b""
    try:
        while piece := os.read(master, 65536):
            said += piece
    except OSError:  # the other end is closed
        pass
    os.waitpid(pid, 0)
    return said.decode()


def lines_of(said):
    return [ESCAPES.sub("", line) for line in re.split(r"[\r\n]+", said)]


class Place:
    def __init__(self, flatenn, model, folder):
        self.flatenn, self.model, self.folder = flatenn, model, folder
        self.data = own_noise(flatenn, model, folder / "noise", 40)
        self.campaign = [flatenn, "campaign", "--model", model, "--data", self.data, "--rates",
                         "0.001,0.01", "--threads", "1", "--trials"]
        self.run(*self.campaign, "60", "--db", self.db("a"))

    def db(self, name):
        return self.folder / f"{name}.db"

    def run(self, *command, **options):
        return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              check=False, **options)


def test_tables_are_no_wider_than_the_terminal(place):
    for columns in (20, 40, 80, 100):
        lines = lines_of(on_terminal(columns, [place.flatenn, "results", place.db("a")]))
        begin = next(i for i, line in enumerate(lines) if line.startswith("model"))
        for line in lines[begin:begin + 3]:
            assert len(line) <= columns, (columns, line)
        assert any("mean %" in line for line in lines), lines


def test_progress_keeps_percentage_and_time_left(place):
    for columns in (20, 40, 100):
        # Long enough for some redraws on any machine.
        said = on_terminal(columns, [*place.campaign, "1000000", "--time-limit", "2",
                                     "--db", place.db(f"wide{columns}")])
        bars = [line for line in lines_of(said) if re.search(r"\d+%", line) and "left" in line]
        assert bars, (columns, said[-500:])
        assert all(len(line) < columns + 1 for line in bars), (columns, bars)
        assert all(re.search(r"\d+%", line) for line in bars), bars
        if columns >= 100:
            assert any("n = " in line for line in bars), bars


def test_without_a_terminal_progress_is_plain_lines(place):
    # What ends within ten seconds says nothing.
    done = place.run(*place.campaign, "10000000", "--db", place.db("plain"), "--time-limit", "13")
    assert done.returncode == 0 and "n = " in done.stderr, done.stderr
    assert "\x1b" not in done.stderr + done.stdout and "\r" not in done.stderr, done.stderr


def test_a_closed_pipe_ends_the_program_quietly(place):
    for command in (["results", place.db("a")], ["--help"], ["doctor"]):
        words = " ".join(f"'{word}'" for word in [place.flatenn, *command])
        done = place.run("bash", "-c", f"{words} | head -n 0; echo ${{PIPESTATUS[0]}}")
        assert done.stdout.strip() in ("0", "141") and done.stderr == "", done


def test_a_full_disk_is_named(place):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([place.flatenn, "results", place.db("a")], stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("error: standard output"), done
    assert done.stderr.count("\n") == 1, done


def test_colour_is_for_terminals_that_want_it(place):
    wrong = [place.flatenn, "inspect", "/no/such/file"]
    assert "\x1b[" in on_terminal(80, wrong)
    assert "\x1b[" not in on_terminal(80, wrong, NO_COLOR="1")
    assert "\x1b[" not in on_terminal(80, wrong, TERM="dumb")
    assert "\x1b[" not in place.run(*wrong).stderr


def test_reading_leaves_nothing_beside_the_file(place):
    for command in (["results"], ["report", "-o", place.folder / "a.html"], ["plot", "--list"]):
        assert place.run(place.flatenn, command[0], place.db("a"), *command[1:]).returncode == 0
        assert not list(place.folder.glob("a.db-*")), command


def test_pages_say_what_is_missing(place):
    done = place.run(*place.campaign, "60", "--db", place.db("none"), "--time-limit", "0.000001")
    assert "No trial is finished yet." in done.stdout, done
    page = place.folder / "none.html"
    assert place.run(place.flatenn, "report", place.db("none"), "-o", page).returncode == 0
    assert "No trial is finished yet." in page.read_text(encoding="utf-8")


def test_a_newer_file_is_refused_by_every_reader(place):
    newer = place.db("newer")
    newer.write_bytes(place.db("a").read_bytes())
    file = sqlite3.connect(newer)
    version = file.execute("PRAGMA user_version").fetchone()[0]
    file.execute(f"PRAGMA user_version = {version + 1}")
    file.commit()
    file.close()
    for command in (["results"], ["report", "-o", "n.html"], ["compare", place.db("a")], ["watch"],
                    ["plot", "--out", "n.pdf"]):
        done = place.run(place.flatenn, command[0], newer, *command[1:], cwd=place.folder, timeout=60)
        assert done.returncode == 1 and "use a newer flatenn" in done.stderr, done
        assert done.stderr.count("\n") == 1, done


def test_a_folder_that_is_a_file_is_named(place):
    file = place.folder / "file"
    file.write_text("")
    for command in (["report", "--svg", file], ["report", "--csv", file / "x"],
                    ["report", "-o", file / "x.html"], ["report", "--tensorboard", file],
                    ["plot", "--out", file / "x.pdf"], ["watch", "--html", file / "x.html"]):
        done = place.run(place.flatenn, command[0], place.db("a"), *command[1:], timeout=60)
        assert done.returncode == 1 and done.stderr.startswith(f"error: {file}"), done
        assert done.stderr.count("\n") == 1, done


def test_one_map_a_cell_has_no_interval_anywhere(place):
    place.run(*place.campaign, "1", "--db", place.db("one"))
    for command in (["results"], ["results", "--format", "latex"], ["results", "--format", "markdown"],
                    ["compare", place.db("a")], ["watch", "--once"]):
        done = place.run(place.flatenn, command[0], *command[1:], place.db("one"))
        assert done.returncode == 0 and done.stdout, done
        assert not re.search(r"\b(inf|nan)\b", done.stdout, re.IGNORECASE), done


def test_a_lone_share_says_what_it_is(place):
    assert place.run(*place.campaign, "9", "--share", "2/3", "--db", place.db("share")).returncode == 0
    page = place.folder / "share.html"
    said = [place.run(place.flatenn, "results", place.db("share")).stdout,
            place.run(place.flatenn, "watch", "--once", place.db("share")).stdout]
    assert place.run(place.flatenn, "report", place.db("share"), "-o", page).returncode == 0
    for text in (*said, page.read_text(encoding="utf-8")):
        assert "This is share 2 of 3 alone; flatenn merge" in text, text[:2000]
    assert "100%" in said[1], said[1]
    assert re.findall(r"bit_flip +0\.0\d+ +(\d+) ", said[0]) == ["3", "3"], said


def test_watch_ends_with_a_share_that_has_a_half_width(place):
    share = place.db("half")
    assert place.run(*place.campaign, "60", "--half-width", "0.001", "--share", "1/2", "--until", "8",
                     "--db", share).returncode == 0
    assert place.run(place.flatenn, "watch", share).returncode == 0
    assert re.search(r" share$", place.run(place.flatenn, "results", share).stdout, re.MULTILINE)


def test_a_stratified_share_tells_its_cells_or_why_not(place):
    for of, told in (("2", True), ("20", False)):
        share = place.db("strata-" + of)
        rare = ["1e-6,1e-4" if word == "0.001,0.01" else word for word in place.campaign]
        done = place.run(*rare, "60", "--estimator", "stratified", "--share", "1/" + of, "--db", share)
        assert done.returncode == 0, done
        text = place.run(place.flatenn, "results", share).stdout
        page = place.folder / "strata.html"
        assert place.run(place.flatenn, "report", share, "-o", page).returncode == 0
        html = page.read_text(encoding="utf-8")
        assert "Strata of rare faults" in html
        why = "an estimate needs two trials of each class"
        assert (why in text) != told and (why in html) != told, text


def test_compare_ends_with_three_where_accuracy_was_lost(place):
    # The images are noise of one label: a network that is broken enough always says that.
    broken = place.folder / "broken.onnx"
    place.run(place.flatenn, "faults", "apply", place.model, "--rate", "0.3", "--seed", "1", "--out", broken)
    campaign = [broken if word == place.model else word for word in place.campaign]
    place.run(*campaign, "60", "--db", place.db("constant"))
    place.db("same").write_bytes(place.db("a").read_bytes())
    for before, code in (("same", 0), ("constant", 3)):
        for extra in ([], ["--json"]):
            done = place.run(place.flatenn, "compare", place.db(before), place.db("a"), *extra)
            assert done.returncode == code, done
    assert place.run(place.flatenn, "compare", place.db("constant"), place.db("a"), "--tolerate",
                     "100").returncode == 0


def test_compare_says_where_other_bits_were_faulty(place):
    place.run(*place.campaign, "3", "--bits", "0", "--db", place.db("bit0"))
    done = place.run(place.flatenn, "compare", place.db("a"), place.db("bit0"))
    assert "caution, other faults" in done.stdout and "bit 0" in done.stdout, done
    done = place.run(place.flatenn, "compare", place.db("a"), place.db("a"))
    assert "caution" not in done.stdout and "faulty: all weights" in done.stdout, done


def commands_of(flatenn, words=()):
    """All commands, as words after the program's name, and what --help says of each."""
    text = subprocess.run([flatenn, *words, "--help"], capture_output=True, text=True, check=True).stdout
    yield words, text
    listed = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.MULTILINE)
    for name in re.findall(r"^  ([a-z]+) ", listed[1] if listed else "", re.MULTILINE):
        yield from commands_of(flatenn, (*words, name))


def test_help_of_every_command_has_examples_and_groups(place):
    seen = 0
    for words, text in commands_of(place.flatenn):
        if not words:
            assert "Exit codes: " in text, text
            continue
        seen += 1
        examples = re.findall(r"^  (?:source <\()?(flatenn " + " ".join(words) + r"\b.*)$", text, re.MULTILINE)
        assert examples, f"flatenn {' '.join(words)} has no example"
        for option in re.findall(r" (--[a-z-]+)", " ".join(examples)):
            whole = place.run(place.flatenn, words[0], "--help").stdout + text
            if len(words) == 1 and f"{option}" not in whole:  # an example may call a command below
                below = examples[0].split()[2]
                whole += place.run(place.flatenn, words[0], below, "--help").stdout
            assert re.search(re.escape(option) + r"\b", whole), (words, option)
        options = re.findall(r"^  (?:-\w,)?--", text, re.MULTILINE)
        groups = re.findall(r"^(?!Positionals|Subcommands|Examples)[A-Z][A-Za-z ]+:$", text, re.MULTILINE)
        assert len(options) <= 8 or len(groups) >= 2, (words, groups)
        assert not re.search(r"in \[\d+ - \d{7,}\]|\d->", text.split("Examples:")[0]), text
    assert seen >= 25, seen


def test_help_fits_the_terminal(place):
    for words in ([], ["campaign"], ["eval"], ["faults", "draw"], ["import"]):
        for columns in (20, 40, 80, 100):
            for line in lines_of(on_terminal(columns, [place.flatenn, *words, "--help"])):
                whole = re.match(r"  flatenn |\s*\S+$", line)  # to be copied; one long word
                assert len(line) <= columns or whole, (columns, line)


def test_every_table_fits_the_terminal(place):
    tables = (["inspect", place.model], ["cost", place.model, "--data", place.data, "--hardware", "dense"],
              ["status", place.db("a")], ["compare", place.db("a"), place.db("a")], ["doctor"], ["data", "list"],
              ["plot", "--list", place.db("a")], ["eval", place.model, "--data", place.data],
              ["sensitivity", place.model, "--data", place.data, "--trials", "2", "--no-estimates"])
    for command in tables:
        for columns in (20, 40, 80, 100):
            for line in lines_of(on_terminal(columns, [place.flatenn, "-q", *command])):
                one_word = re.match(r"\s*(content )?\S+$", line)
                assert len(line) <= columns or one_word, (command, columns, line)


def test_sentences_break_between_words(place):
    for columns in (30, 60, 100):
        lines = lines_of(on_terminal(columns, [place.flatenn, "results", place.db("a")]))
        answer = next(i for i, line in enumerate(lines) if " keeps " in line)
        assert all(len(line) <= columns for line in lines[answer:]), (columns, lines)
        whole = place.run(place.flatenn, "results", place.db("a")).stdout.splitlines()[-1]
        assert " ".join(" ".join(lines[answer:]).split()) == whole, lines


def test_names_cannot_steer_the_terminal(place):
    name = "\x1b[31mred\u202e\nplan <b>|*"
    assert place.run(*place.campaign, "2", "--db", place.db("odd"), "--name", name).returncode == 0
    place.db("odd2").write_bytes(place.db("odd").read_bytes())
    for command in (["results"], ["watch", "--once"], ["compare", place.db("odd2")], ["status"]):
        for said in (on_terminal(80, [place.flatenn, command[0], *command[1:], place.db("odd")]),
                     place.run(place.flatenn, command[0], *command[1:], place.db("odd")).stdout):
            assert "\x1b[31m" not in said and "\u202e" not in said, (command, said)
    page = place.folder / "odd.html"
    assert place.run(place.flatenn, "report", place.db("odd"), "-o", page).returncode == 0
    assert "<b>|*" not in page.read_text(encoding="utf-8").split("<script")[0]
    markdown = place.run(place.flatenn, "results", "--format", "markdown", place.db("odd")).stdout
    assert "\\<b\\>\\|\\*" in markdown, markdown


def test_progress_ends_before_what_is_told(place):
    for command in (["eval", place.model, "--data", place.data], ["cost", place.model, "--data", place.data, "--hardware", "dense"],
                    ["sensitivity", place.model, "--data", place.data, "--no-estimates", "--trials", "2"]):
        said = on_terminal(120, [place.flatenn, *command])
        for line in said.replace("\r\n", "\n").split("\n"):
            last = ESCAPES.sub("", line.rsplit("\r", 1)[-1])
            bar = re.match(r"(.*\[[#.]+\] \d+% \S+/\S+)(.*)$", last)
            assert not bar or re.match(r"( \w+)*(, [\d.k]+/s)?(, [\d:]+ left)?(  .*)?$", bar[2]), (command, line)
        assert not re.search(r"\]\s+\d+%[^\n]*\n?$", ESCAPES.sub("", said)), (command, "a bar after the results", said[-300:])


def test_a_picture_of_nothing_says_what_is_missing(place):
    assert place.run(*place.campaign, "60", "--db", place.db("empty"), "--time-limit", "0.000001").returncode == 0
    done = place.run(place.flatenn, "plot", place.db("empty"), "--out", place.folder / "e.pdf")
    assert done.returncode == 1 and "finished trial" in done.stderr, done
    table = place.run(place.flatenn, "results", place.db("empty"), "--format", "latex").stdout
    assert "no trial is finished yet" in table and "& -- " in table, table


def test_compare_of_files_with_nothing_in_common_fails(place):
    assert place.run(*["0.02" if word == "0.001,0.01" else word for word in place.campaign], "3",
                     "--db", place.db("other")).returncode == 0
    for extra in ([], ["--json"]):
        done = place.run(place.flatenn, "compare", place.db("a"), place.db("other"), *extra)
        assert done.returncode == 1 and "in common" in done.stderr, done


def test_merge_says_how_shares_that_ended_go_on(place):
    wide = [*place.campaign, "2000", "--half-width", "0.012"]
    parts = [place.db(f"share{k}") for k in (1, 2, 3, 4)]

    def run_shares(*more):
        for k, part in enumerate(parts, 1):
            assert place.run(*wide, "--db", part, "--share", f"{k}/4", *more).returncode == 0

    run_shares()
    further = 0  # rounds in which shares that had ended were sent on
    for _ in range(8):
        done = place.run(place.flatenn, "merge", *parts, "-o", place.db("joined"))
        if done.returncode == 0:
            break
        until = re.search(r"--until (\d+)", done.stdout)
        assert done.returncode == 3 and until, done
        run_shares("--until", until[1])
        further += 1
    assert done.returncode == 0, done
    assert further, "no share had to go on: the campaign asks for too little"
    assert place.run(*wide, "--db", place.db("alone")).returncode == 0
    tables = [place.run(place.flatenn, "results", place.db(name), "--csv").stdout for name in ("joined", "alone")]
    assert tables[0] == tables[1], tables


def main(flatenn, model):
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        flatenn, model = (str(pathlib.Path(path).resolve()) for path in (flatenn, model))
        place = Place(flatenn, model, pathlib.Path(folder))
        for name, test in sorted(globals().items()):
            if not name.startswith("test_"):
                continue
            try:
                test(place)
                print("ok  ", name)
            except (AssertionError, StopIteration) as error:
                failed += 1
                print("FAIL", name, repr(error)[:1500])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
