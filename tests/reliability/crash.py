#!/usr/bin/env python3
"""crash.py PROGRAM MODEL SHIM [--kills N] [--seed S] [--only NAME,...]

What flatenn loses when it, its disk or its machine fails: nothing that was finished. PROGRAM is
flatenn, MODEL an ONNX file for MNIST images, SHIM the library of failing_disk.c. Needs MNIST in the
data root. Works in a temporary folder (on a RAM disk where there is one, since power failures are
simulated and the real disk's waits only cost time). Prints one line a scenario, and ends with 1
where any of its rounds broke a promise:

  kill     kill -9 at a random moment of campaign, report, faults draw, faults apply, results --save-copy
  train    the same of a training: what resumes ends with the model of an undisturbed one (needs LibTorch)
  get      the same of data get, from a server here: a data set is whole or not there
  power    a write cut at a random byte, and writes that no fsync followed kept or lost by chance;
           trials that the campaign had reported are still there
  full     no space left from a random byte on
  term     SIGTERM at a random moment: gone within 10 s with 143, and the same command goes on
  signals  SIGINT and SIGTERM at a random moment of the first second of every command
  writers  two processes on one database, one of them killed
  folder   a folder that may not be written to, and one that vanishes
  volume   a volume of a few hundred kilobytes (a tmpfs, as root) that fills, and goes on when it has grown
  clock    a clock that jumps by days under a running campaign, and two writers whose clocks differ by
           days (needs libfaketime)

After each round every trial seen before is still there, no final name holds half a file, and the
campaign that is finished afterwards has the results of an undisturbed one.
"""
import argparse
import functools
import glob
import http.server
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

PLAN = ["--rates", "0.001,0.01", "--first-images", "200", "--seed", "3", "--data", "mnist", "--threads", "1"]
TRIALS = 60
ENDLESS = 100000


class Broken(Exception):
    """A promise that did not hold."""


def check(condition, *words):
    if not condition:
        raise Broken(" ".join(str(word) for word in words))


class Bench:
    """Commands of one program in one folder, and what an undisturbed run gives."""

    def __init__(self, arguments, folder):
        self.program = os.path.abspath(arguments.program)
        self.model = os.path.abspath(arguments.model)
        self.shim = os.path.abspath(arguments.shim)
        self.random = random.Random(arguments.seed)
        self.kills = arguments.kills
        self.folder = folder
        self.whole = os.path.join(folder, "whole.db")
        start = time.monotonic()
        self.must(self.campaign(self.whole))
        self.campaign_s = time.monotonic() - start
        self.outcome = self.results(self.whole)

    def path(self, name):
        return os.path.join(self.folder, name)

    def campaign(self, db, trials=TRIALS):
        return ["campaign", "--model", self.model, "--db", db, *PLAN, "--trials", str(trials)]

    def start(self, command, **environment):
        return subprocess.Popen([self.program, *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, env={**os.environ, **environment}, cwd=self.folder)

    def run(self, command, **environment):
        """Exit code and stderr; never more than two minutes."""
        process = self.start(command, **environment)
        try:
            words = process.communicate(timeout=120)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            raise Broken("did not end within 120 s:", *command)
        return process.returncode, words.decode(errors="replace")

    def run_reporting(self, command, **environment):
        """The same with the number of trials that the last event named."""
        process = subprocess.run([self.program, *command], stdin=subprocess.DEVNULL, capture_output=True,
                                 env={**os.environ, **environment}, cwd=self.folder, timeout=120, check=False)
        events = [json.loads(line) for line in process.stdout.splitlines() if line.endswith(b"}")]
        reported = max((event.get("done", 0) for event in events), default=0)
        return process.returncode, process.stderr.decode(errors="replace"), reported

    def must(self, command):
        code, words = self.run(command)
        check(code == 0, "exit", code, "of", *command, words[-300:])

    def results(self, db):
        """All that a result is made of, but not times and surplus trials."""
        text = subprocess.run([self.program, "results", db, "--json"], capture_output=True, check=False)
        check(text.returncode == 0, "results", db, text.stderr.decode(errors="replace"))
        plans = json.loads(text.stdout)
        for plan in plans:
            for key in ("created", "finished", "runs", "plan_file"):
                plan.pop(key, None)
            for cell in plan["cells"]:
                cell.pop("surplus", None)
        return plans

    def wait(self, most):
        time.sleep(self.random.uniform(0, most))


def remove(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    else:
        os.remove(path)


def last_words(process, seconds=60):
    """stderr of a process that was told to go; one that stays breaks a promise, and is ended."""
    try:
        return process.communicate(timeout=seconds)[1].decode(errors="replace")
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Broken(f"did not end within {seconds} s of the signal:", *process.args) from None


def trials(db):
    """Finished trials as rows; none where there is no database yet."""
    if not os.path.exists(db):
        return set()
    connection = sqlite3.connect(db, timeout=30)
    try:
        check(connection.execute("pragma integrity_check").fetchone()[0] == "ok", db, "is damaged")
        if not connection.execute("select 1 from sqlite_master where name = 'trials'").fetchone():
            return set()
        columns = [row[1] for row in connection.execute("pragma table_info(trials)")]
        wanted = [name for name in columns if name not in ("id", "run", "worker", "recorded")]
        return set(connection.execute(f"select {', '.join(wanted)} from trials"))
    finally:
        connection.close()


def no_loss(db, before):
    after = trials(db)
    lost = before - after
    check(not lost, len(lost), "finished trials are gone from", db)
    return after


def leftovers(bench, names):
    return [name for name in os.listdir(bench.folder) if any(name.startswith(start) for start in names)]


def finish(bench, db):
    bench.must(bench.campaign(db))
    check(bench.results(db) == bench.outcome, "results differ from an undisturbed run")
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(db + suffix):
            os.remove(db + suffix)


def kill_campaigns(bench, rounds):
    db = bench.path("killed.db")
    before, done = set(), 0
    while done < rounds:
        process = bench.start(bench.campaign(db))
        bench.wait(bench.campaign_s / 3)
        process.kill()
        process.communicate()
        if process.returncode == 0:  # it was faster: the next round begins anew
            finish(bench, db)
            before = set()
            continue
        done += 1
        before = no_loss(db, before)
    finish(bench, db)


def kill_writers_of_files(bench, rounds):
    """Commands whose result is one file: it is whole, or not there."""
    commands = {
        "report.html": ["report", bench.whole, "-o"],
        "map.json": ["faults", "draw", bench.model, "--rate", "0.2", "--seed", "1", "-o"],
        "faulty.onnx": ["faults", "apply", bench.model, "--rate", "0.01", "--seed", "1", "-o"],
        "copy.db": ["results", bench.whole, "--save-copy"],
    }
    whole, seconds = {}, {}
    for name, command in commands.items():
        path = bench.path("whole-" + name)
        start = time.monotonic()
        bench.must(command + [path])
        seconds[name] = time.monotonic() - start
        whole[name] = content(path)
    done = 0
    while done < rounds:
        for name, command in commands.items():
            path = bench.path(name)
            process = bench.start(command + [path])
            bench.wait(seconds[name])
            process.kill()
            process.communicate()
            done += process.returncode != 0
            if os.path.exists(path):
                check(content(path) == whole[name], name, "is half a file under its final name")
                os.remove(path)
            for rest in leftovers(bench, [name]):
                os.remove(bench.path(rest))


def content(path):
    """A file's bytes; of a database its rows, since pages may lie in another order."""
    if path.endswith(".db"):
        return trials(path)
    with open(path, "rb") as file:
        return file.read()


def kill(bench):
    half = (bench.kills + 1) // 2
    kill_campaigns(bench, half)
    kill_writers_of_files(bench, bench.kills - half)
    return bench.kills


TRAINING = """
name = "killed"
[data]
name = "mnist"
train_images = 4000
test_images = 500
[model]
architecture = "mlp"
hidden = [64]
[train]
epochs = 6
batch_size = 50
"""


def train(bench):
    """A killed training goes on from its checkpoint, and ends with the same bytes."""
    if not os.path.exists(os.path.join(os.path.dirname(bench.program), "flatenn-torch")):
        return 0
    config = bench.path("train.toml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(TRAINING)
    start = time.monotonic()
    bench.must(["train", config, "--out", bench.path("undisturbed")])
    seconds = time.monotonic() - start
    model = content(bench.path("undisturbed/model.onnx"))
    run = bench.path("killed")
    rounds = max(1, bench.kills // 4)
    done = 0
    while done < rounds:
        process = bench.start(["train", config, "--out", run, "--resume"])
        bench.wait(seconds)
        process.kill()
        process.communicate()
        done += process.returncode != 0
        if process.returncode == 0 or done % 4 == 0 or done == rounds:
            bench.must(["train", config, "--out", run, "--resume"])
            check(content(os.path.join(run, "model.onnx")) == model, "resumed to another model")
            shutil.rmtree(run)
    return rounds


def get(bench):
    """A killed download leaves no data set that is not whole; the next one succeeds."""
    official = os.path.join(os.environ.get("FLATENN_DATA", os.path.expanduser("~/.cache/flatenn/data")), "mnist")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Silent, directory=official))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    root = bench.path("got")
    command = ["data", "get", "mnist", "--data-root", root,
               "--from", f"http://127.0.0.1:{server.server_address[1]}"]
    start = time.monotonic()
    bench.must(command)
    seconds = time.monotonic() - start
    whole = {name: content(os.path.join(root, "mnist", name)) for name in os.listdir(os.path.join(root, "mnist"))}
    rounds = max(1, bench.kills // 8)
    for _ in range(rounds):
        shutil.rmtree(root)
        process = bench.start(command)
        bench.wait(seconds)
        process.kill()
        process.communicate()
        for name, data in whole.items():
            path = os.path.join(root, "mnist", name)
            check(not os.path.exists(path) or content(path) == data, name, "is half a file under its final name")
        bench.must(command)
        check({name for name in os.listdir(os.path.join(root, "mnist")) if ".tmp" not in name} == set(whole),
              "the next download left", *os.listdir(os.path.join(root, "mnist")))
    server.shutdown()
    return rounds


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except OSError:  # the other end was killed
            pass


def bytes_written(bench):
    """Of an undisturbed campaign, about."""
    return 2 * os.path.getsize(bench.whole)


def power(bench):
    """Trials that the campaign reported are on the disk, whatever of its other writes is lost."""
    db = bench.path("power.db")
    rounds = max(1, bench.kills // 4)
    before = set()
    for index in range(rounds):
        limit = bench.random.randrange(bytes_written(bench))
        code, words, reported = bench.run_reporting(bench.campaign(db) + ["--json"], LD_PRELOAD=bench.shim,
                                                    DISK_FAILS_AFTER=str(limit), DISK_SEED=str(index))
        check(code in (0, -signal.SIGKILL), "exit", code, words[-300:])
        before = no_loss(db, before)
        check(len(before) >= reported, len(before), "trials are left of", reported, "that were reported")
        if code == 0 or index % 4 == 3:
            finish(bench, db)
            before = set()
    bench.must(bench.campaign(db))
    finish(bench, db)
    return rounds


def names_full_disk(words):
    return "disk full" in words or "No space left" in words


def full(bench):
    rounds = max(1, bench.kills // 4)
    reference = {"report.html": ["report", bench.whole, "-o"],
                 "faulty.onnx": ["faults", "apply", bench.model, "--rate", "0.01", "-o"]}
    for index in range(rounds):
        db = bench.path("full.db")
        limit = bench.random.randrange(bytes_written(bench))
        code, words = bench.run(bench.campaign(db), LD_PRELOAD=bench.shim, DISK_FAILS_AFTER=str(limit),
                                DISK_FAILS_BY="full")
        check(code in (0, 1), "exit", code, words[-300:])
        check(code == 0 or names_full_disk(words), "a full disk is not named:", words[-300:])
        trials(db)
        finish(bench, db)
        for name, command in reference.items():
            path = bench.path(name)
            limit = bench.random.randrange(20000)
            code, words = bench.run(command + [path], LD_PRELOAD=bench.shim, DISK_FAILS_AFTER=str(limit),
                                    DISK_FAILS_BY="full")
            check(code in (0, 1), "exit", code, words[-300:])
            check(code == 0 or names_full_disk(words), "a full disk is not named:", words[-300:])
            check(code == 0 or not leftovers(bench, [name]), "half a file is left:", leftovers(bench, [name]))
            if os.path.exists(path):
                os.remove(path)
    return rounds


def term(bench):
    db = bench.path("term.db")
    before = set()
    rounds = max(1, bench.kills // 8)
    for index in range(rounds):
        process = bench.start(bench.campaign(db, trials=ENDLESS))
        bench.wait(2 * bench.campaign_s)
        number = signal.SIGTERM if index % 2 == 0 else signal.SIGINT
        start = time.monotonic()
        process.send_signal(number)
        words = last_words(process)
        check(time.monotonic() - start < 10, "took longer than 10 s to go")
        check(process.returncode == 128 + number, "exit", process.returncode, "on signal", number, words[-300:])
        check("kept" in words or "stored" in words, "does not say what is kept:", words[-300:])
        before = no_loss(db, before)
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(db + suffix):
            os.remove(db + suffix)
    return rounds


def signals(bench):
    """Any command, at any moment after its start: 130 or 143, a word on what is kept, nothing half."""
    out = ["signalled", "signalled.json", "signalled.onnx", "signalled.html"]
    commands = [
        bench.campaign(bench.path("signalled.db"), trials=ENDLESS),
        ["results", bench.whole],
        ["report", bench.whole, "-o", bench.path("signalled.html")],
        ["eval", bench.model, "--data", "mnist"],
        ["inspect", bench.model],
        ["faults", "draw", bench.model, "--rate", "0.3", "-o", bench.path("signalled.json")],
        ["faults", "apply", bench.model, "--rate", "0.3", "-o", bench.path("signalled.onnx")],
        ["cost", bench.model, "--data", "mnist", "--hardware", "dense"],
        ["data", "verify", "mnist"],
    ]
    if os.path.exists(os.path.join(os.path.dirname(bench.program), "flatenn-torch")):
        commands += [["sensitivity", bench.model, "--data", "mnist", "-o", bench.path("signalled")],
                     ["sharpness", bench.model, "--data", "mnist", "-o", bench.path("signalled")]]
    rounds = max(1, bench.kills // 16)
    for number in (signal.SIGINT, signal.SIGTERM):
        for command in commands * rounds:
            process = bench.start(command)
            bench.wait(1)
            process.send_signal(number)
            words = last_words(process)
            code = process.returncode
            # Before main() the system ends it: a shell then says 130 or 143 too.
            check(code in (0, 128 + number, -number), "exit", code, "of", *command[:2], words[-300:])
            check(code != 128 + number or "kept" in words or "half-written" in words or "stored" in words,
                  *command[:2], "does not say what is kept:", words[-300:])
            check(code == 0 or not leftovers(bench, [name + ".tmp" for name in out]), "half a file is left by",
                  *command[:2])
            for name in leftovers(bench, out):
                remove(bench.path(name))
    return 2 * rounds * len(commands)


def writers(bench):
    rounds = max(1, bench.kills // 16)
    for _ in range(rounds):
        db = bench.path("shared.db")
        pair = [bench.start(bench.campaign(db)) for _ in range(2)]
        bench.wait(bench.campaign_s)
        pair[0].kill()
        for process in pair:
            words = process.communicate()[1].decode(errors="replace")
        check(pair[1].returncode == 0, "exit", pair[1].returncode, words[-300:])
        check(bench.results(db) == bench.outcome, "results differ from an undisturbed run")
        finish(bench, db)
    return rounds


def folder(bench):
    """Root may write anywhere, so the read-only round is skipped for it."""
    locked = bench.path("locked")
    os.mkdir(locked)
    if os.geteuid() != 0:
        os.chmod(locked, 0o555)
        code, words = bench.run(bench.campaign(os.path.join(locked, "a.db")))
        check(code == 1 and "a.db" in words, "exit", code, words[-300:])
        os.chmod(locked, 0o755)
    process = bench.start(bench.campaign(os.path.join(locked, "b.db"), trials=ENDLESS))
    time.sleep(2 * bench.campaign_s)
    os.rename(locked, bench.path("moved"))
    words = last_words(process)
    check(process.returncode == 1, "exit", process.returncode, words[-300:])
    check("b.db" in words, "the vanished file is not named:", words[-300:])
    return 1


def volume(bench):
    """Without root none can be mounted: no rounds then."""
    place = bench.path("volume")
    os.mkdir(place)
    rounds = 0
    for _ in range(max(1, bench.kills // 16) if os.geteuid() == 0 else 0):
        size = bench.random.randrange(16, 400)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", place], check=False).returncode:
            break  # a container without the right to
        try:
            db = os.path.join(place, "a.db")
            code, words = bench.run(bench.campaign(db))
            check(code in (0, 1), "exit", code, words[-300:])
            check(code == 0 or names_full_disk(words), "a full volume is not named:", words[-300:])
            subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
            before = trials(db)
            bench.must(bench.campaign(db))
            no_loss(db, before)
            finish(bench, db)
        finally:
            subprocess.run(["umount", place], check=True)
        rounds += 1
    return rounds


FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")


def clock(bench):
    """The monotonic clock goes on as it does on a real machine. Without libfaketime no rounds."""
    rounds = max(1, bench.kills // 16) if FAKETIME else 0
    now = bench.path("now")
    fake = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"}
    for _ in range(rounds):
        with open(now, "w", encoding="utf-8") as file:
            file.write("+0")
        db = bench.path("clock.db")
        process = bench.start(bench.campaign(db), LD_PRELOAD=FAKETIME[0], FAKETIME_TIMESTAMP_FILE=now, **fake)
        for jump in ("+3d", "-5d", "+0"):
            bench.wait(bench.campaign_s)
            with open(now + ".new", "w", encoding="utf-8") as file:
                file.write(jump)
            os.replace(now + ".new", now)
        words = last_words(process)
        check(process.returncode == 0, "exit", process.returncode, words[-300:])
        check(bench.results(db) == bench.outcome, "results differ from an undisturbed run")
        finish(bench, db)
        pair = [bench.start(bench.campaign(db), LD_PRELOAD=FAKETIME[0], FAKETIME=offset, **fake)
                for offset in ("+2d", "-2d")]
        bench.wait(bench.campaign_s)
        pair[0].kill()
        words = [last_words(process) for process in pair]
        check(pair[1].returncode == 0, "exit", pair[1].returncode, words[1][-300:])
        check(bench.results(db) == bench.outcome, "results differ from an undisturbed run")
        finish(bench, db)
    return rounds


SCENARIOS = {scenario.__name__: scenario for scenario in (kill, train, get, power, full, term, signals, writers, folder, volume,
                                                clock)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("shim")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default=",".join(SCENARIOS))
    arguments = parser.parse_args()
    root = os.environ.get("FLATENN_DATA", os.path.expanduser("~/.cache/flatenn/data"))
    if not os.path.isdir(os.path.join(root, "mnist")):
        print("skipped: MNIST is not in", root)
        return 77
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    work = tempfile.mkdtemp(prefix="flatenn-crash-", dir=place)
    broken = 0
    try:
        bench = Bench(arguments, work)
        for name in arguments.only.split(","):
            start = time.monotonic()
            try:
                rounds = SCENARIOS[name](bench)
                print(f"{name:8} {rounds:4} rounds, nothing lost ({time.monotonic() - start:.0f} s)", flush=True)
            except (Broken, subprocess.TimeoutExpired) as error:
                broken += 1
                print(f"{name:8} BROKEN: {error}", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
