# SPDX-License-Identifier: MIT
"""The soak over real clients: an engine in a C program (soak_reads), one behind a
mount, and seeders of four kinds that are stopped, killed, moved to other ports,
and joined by liars, by slow ones and by those who never answer.

One anchor seeder is always at its address, and no fault lasts longer than
LONGEST_FAULT; so every read has to end, with its bytes, in WAIT seconds.
"""

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import bencode
from harness import (Failure, Skip, built, end_children, isolate, isolated, libc, patience, run,
                     sanitized, spawn)
from mounting import Mount, need_fuse
from seeders import start_aria2c, start_libtorrent, start_transmission

MIB = 1024 * 1024
WAIT = 60
LONGEST_FAULT = 6
PATTERN = 11
REPORT_EVERY = 10
# What may be held beside the budget: libtorrent itself, and the buffers of each peer.
OVERHEAD, PER_PEER, PEERS = 24 * MIB, MIB // 2, 16


class Film:
    """A torrent whose bytes are a pattern, and a folder that has them."""

    def __init__(self, work, size, piece_length):
        self.folder = os.path.join(work, "data")
        self.path = os.path.join(work, "film.torrent")
        os.mkdir(self.folder)
        ended = run([built("vseed"), "--size", size, "--torrent", self.path, "--piece-length",
                     piece_length, "--seed", PATTERN, "--write", self.folder, "--make-only"],
                    timeout=300)
        if ended.returncode != 0:
            raise Failure(f"vseed: {ended.stderr!r}")
        with open(self.path, "rb") as file:
            self.metainfo = file.read()
        info = bencode.decode(self.metainfo)[0][b"info"]
        self.name = info[b"name"].decode()
        self.info_hash = hashlib.sha1(bencode.encode(info)).digest()
        self.n_pieces = len(info[b"pieces"]) // 20

    def save(self, path):
        shutil.copyfile(self.path, path)
        return path


class Readers:
    """A running soak_reads, and what it has counted."""

    def __init__(self, tally, name, arguments):
        self.tally, self.name = tally, name
        self.counts = (0, 0, 0.0)
        self.child = spawn([built("soak_reads"), "--pattern", PATTERN, "--wait",
                            int(WAIT * patience()), *arguments], stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.errors = []
        for work in (self._hear, self._hear_errors):
            threading.Thread(target=work, daemon=True).start()

    def _hear(self):
        for raw in self.child.stdout:
            line = raw.decode(errors="replace").rstrip()
            if line.startswith("COUNTS "):
                operations, n, _, longest = line.split()[1:]
                self.counts = (int(operations), int(n), float(longest))
            elif line.startswith("FAILURE "):
                self.tally.fail(f"{self.name}: {line[8:]}")

    def _hear_errors(self):
        for raw in self.child.stderr:
            self.errors.append(raw.decode(errors="replace"))

    def tell(self, line):
        try:
            self.child.stdin.write(line.encode() + b"\n")
            self.child.stdin.flush()
        except OSError:
            pass  # check() will tell that it is gone

    def check(self):
        """It must be running."""
        if self.child.poll() is None:
            return True
        self.tally.fail(f"{self.name} ended with {self.child.returncode}: "
                        + "".join(self.errors)[-4000:])
        return False

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.tally.keep(self.counts)

    def end(self):
        self.tell("end")
        try:
            status = self.child.wait(60 * patience())
        except subprocess.TimeoutExpired:
            self.tally.fail(f"{self.name} does not end")
            self.child.kill()
            return
        if status not in (0, 1):  # 1: its failures were told
            self.tally.fail(f"{self.name} ended with {status}: " + "".join(self.errors)[-4000:])


class Tally:
    def __init__(self, seed):
        self.seed = seed
        self.began = time.monotonic()
        self.lock = threading.Lock()
        self.operation = self.faults = self.failures = 0
        self.kept = (0, 0, 0.0)
        self.running = []

    def fail(self, text):
        with self.lock:
            self.failures += 1
            print(f"FAILURE seed {self.seed} fault {self.operation}: {text}", flush=True)

    def keep(self, counts):
        self.kept = tuple(f(pair) for f, pair in zip((sum, sum, max), zip(self.kept, counts)))

    def line(self, more=""):
        operations, n, longest = (f(column) for f, column in zip(
            (sum, sum, max), zip(self.kept, *(r.counts for r in self.running))))
        print(f"{time.monotonic() - self.began:5.0f} s: operations {operations}, faults "
              f"{self.faults}, bytes {n}, failures {self.failures} "
              f"(longest wait {longest:.1f} s{more})", flush=True)


class Place:
    """Where a seeder runs; it can be stopped, killed, and started again."""

    def __init__(self, swarm, start, host, moves, options=()):
        self.swarm, self.start_client, self.host, self.moves = swarm, start, host, moves
        self.more = {"options": options} if options else {}
        self.frozen = False
        self.start()

    def start(self, port=0):
        self.seeder = self.start_client(self.swarm.film, self.swarm.film.folder, self.swarm.work,
                                        host=self.host, port=port, **self.more)

    def freeze(self):
        self.seeder.freeze()
        self.frozen = True

    def thaw(self):
        if self.frozen and self.seeder.child.poll() is None:
            os.kill(self.seeder.child.pid, signal.SIGCONT)
        self.frozen = False

    def restart(self, elsewhere):
        self.thaw()
        self.seeder.child.kill()
        self.seeder.child.wait()
        self.start(0 if elsewhere and self.moves else self.seeder.port)
        self.swarm.library.tell(f"peer {self.seeder.peer}")


class Swarm:
    def __init__(self, work, chosen):
        self.work, self.chosen = work, chosen
        self.tally = Tally(chosen.seed)
        dice = random.Random(f"{chosen.seed}/film")
        self.film = Film(work, chosen.size * MIB + dice.randrange(MIB),
                         dice.choice([256 * 1024, MIB, 4 * MIB]))
        self.undo = []  # (when, what): ends of faults
        self.places = [
            Place(self, start_libtorrent, "127.0.0.2", False),  # the anchor
            Place(self, start_transmission, "127.0.0.3", True),
            Place(self, start_aria2c, "127.0.0.4", False),
            Place(self, start_libtorrent, "127.0.0.5", True, ("--rate", str(3 * MIB))),
        ]
        self.guests, self.n_guests = [], 0
        peers = [place.seeder.peer for place in self.places]
        lead = ["--torrent", self.film.path, "--ram", chosen.ram * MIB, "--threads", 6, "--seed",
                chosen.seed]
        for peer in peers:
            lead += ["--peer", peer]
        self.library = Readers(self.tally, "library", lead)
        self.tally.running.append(self.library)
        self.mount = self.through_mount = self.victim = None
        try:
            need_fuse()
        except Skip as reason:
            print(f"without a mount: {reason}")
            return
        self.mount = Mount(work, [self.film.path], "--ram", f"{chosen.ram}M", peers=peers)
        self.through_mount = self.reader_of_mount("mount", 4, 1)
        self.victim = self.reader_of_mount("victim", 2, 2)

    def reader_of_mount(self, name, threads, salt):
        reader = Readers(self.tally, name, ["--file", os.fsdecode(self.mount.path(self.film.name)),
                                            "--threads", threads, "--seed",
                                            self.chosen.seed + salt])
        self.tally.running.append(reader)
        return reader

    # ---- faults ----

    def later(self, seconds, what):
        self.undo.append((time.monotonic() + min(seconds, LONGEST_FAULT), what))

    def freeze_seeder(self, dice):
        place, seconds = dice.choice(self.places), dice.uniform(0.2, LONGEST_FAULT)
        place.freeze()
        self.later(seconds, place.thaw)

    def restart_seeder(self, dice):
        self.line_up()  # to see that it is ready
        dice.choice(self.places).restart(elsewhere=dice.random() < 0.6)

    def guest(self, dice):
        """A liar, one who never answers, or a slow one: on an address of its own."""
        options = dice.choice([("--corrupt", str(dice.randrange(self.film.n_pieces))),
                               ("--stall",), ("--rate", "30000")])
        self.line_up()
        self.n_guests += 1
        host = f"127.0.{1 + self.n_guests // 250}.{1 + self.n_guests % 250}"
        if len(self.guests) >= 4:
            self.guests.pop(0).stop()
        seeder = start_libtorrent(self.film, self.film.folder, self.work, host=host,
                                  options=options)
        self.guests.append(seeder)
        self.library.tell(f"peer {seeder.peer}")

    def stop_the_line(self, dice):
        seconds = dice.uniform(0.1, 3)
        if isolated() and shutil.which("ip"):
            run(["ip", "link", "set", "lo", "down"])
            self.later(seconds, self.line_up)

    def line_up(self):
        if isolated() and shutil.which("ip"):
            run(["ip", "link", "set", "lo", "up"])

    def freeze_us(self, dice):
        child = dice.choice([self.library.child, self.mount.child if self.mount else None])
        seconds = dice.uniform(0.2, LONGEST_FAULT)
        if child and child.poll() is None:
            child.send_signal(signal.SIGSTOP)
            self.later(seconds, lambda: child.send_signal(signal.SIGCONT))

    def kill_victim(self, _dice):
        if not self.victim or not self.victim.check():
            return
        self.victim.kill()
        self.tally.running.remove(self.victim)
        self.victim = self.reader_of_mount("victim", 2, 2 + self.tally.faults)

    def limit(self, dice):
        self.library.tell(f"limit {dice.choice([0, 0, 20_000_000, 5_000_000])}")

    def fault(self):
        self.tally.operation += 1
        dice = random.Random(f"{self.chosen.seed}/{self.tally.operation}")
        kinds = [self.freeze_seeder] * 4 + [self.restart_seeder] * 3 + [self.guest] * 2 \
            + [self.stop_the_line, self.freeze_us, self.kill_victim, self.limit]
        dice.choice(kinds)(dice)
        self.tally.faults += 1
        return dice.uniform(0.2, 2.5)

    def undo_due(self, everything=False):
        now = time.monotonic()
        due = [what for when, what in self.undo if everything or when <= now]
        self.undo = [(when, what) for when, what in self.undo if not everything and when > now]
        for what in due:
            what()

    # ---- looking ----

    def memory(self):
        """What the mount holds beside mapped files, and says when it is too much."""
        if not self.mount or self.mount.child.poll() is not None:
            return ""
        with open(f"/proc/{self.mount.child.pid}/status") as status:
            figures = dict(re.findall(r"(VmRSS|RssFile):\s+(\d+) kB", status.read()))
        held = (int(figures["VmRSS"]) - int(figures["RssFile"])) * 1024
        limit = self.chosen.ram * MIB + OVERHEAD + PER_PEER * PEERS
        if held > limit and not sanitized():
            self.tally.fail(f"the mount holds {held} bytes, more than {limit}")
        return f", the mount holds {held // MIB} MiB"

    def alive(self):
        readers = [r for r in (self.library, self.through_mount, self.victim) if r]
        if not all([r.check() for r in readers]):
            return False
        if self.mount and self.mount.child.poll() is not None:
            self.tally.fail("the mount ended: " + self.mount.said()[-4000:])
            return False
        return True

    def run(self):
        end = time.monotonic() + self.chosen.seconds
        next_fault = time.monotonic() + 1
        next_line = time.monotonic() + REPORT_EVERY
        while time.monotonic() < end and self.alive() and self.tally.failures < 20:
            time.sleep(0.05)
            self.undo_due()
            if time.monotonic() > next_fault:
                wait = self.fault()
                next_fault = time.monotonic() + wait
            if time.monotonic() > next_line:
                next_line += REPORT_EVERY
                self.tally.line(self.memory())
        self.undo_due(everything=True)

    def end(self):
        for reader in list(self.tally.running):
            reader.end()
        more = self.memory()
        if self.mount and self.mount.child.poll() is None:
            try:
                self.mount.end()
            except Failure as failure:
                self.tally.fail(f"the mount: {failure}")
        self.tally.line(more)


def soak(chosen):
    isolate()
    work = tempfile.mkdtemp(prefix="gos-soak.")
    print(f"seed {chosen.seed}", flush=True)
    try:
        swarm = Swarm(work, chosen)
        try:
            swarm.run()
        finally:
            swarm.end()
    finally:
        end_children()
        libc.umount2(os.fsencode(os.path.join(work, "mnt")), 2)
        shutil.rmtree(work, ignore_errors=True)
    return 1 if swarm.tally.failures else 0
