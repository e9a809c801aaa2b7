#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What reading through the mount costs, on loopback, with a libtorrent seeder.

    bench_mount.py [--size BYTES] [--pairs N] [--starts N] [whole] [start] [stuck]

whole  A torrent read from end to end with --ram 64M, against a plain libtorrent
       download from the same seeder (baseline.cpp); runs alternate, and the
       medians of the ratios are given. Rates are from the first byte to the
       last, CPU is user and system time of the whole process.
start  From the fork to the return of the first pread of one byte; opening is
       tried every millisecond. Median over --starts, .torrent and magnet.
stuck  Readers of a dead torrent beside a healthy one: how long a read of the
       healthy one takes, killing the 60, and ending the mount with 10 of them.

GOS_BUILD_DIR says where the programs are. One line a figure: name, value, unit.
"""

import argparse
import hashlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import Failure, built, check, end_children, equal, isolate, run
from mounting import QUIET, Mount, drop_pages, is_mounted, start_reader, wait_stuck
from scripted import ScriptedPeer
from seeders import seed
from torrentmaker import MIB, make_v1, pattern

RAM = 64 * MIB
CHUNK = MIB


def say(name, value, unit):
    print(f"{name} {value:.4g} {unit}", flush=True)


def status_of(pid):
    with open(f"/proc/{pid}/status") as status:
        words = [line.split() for line in status]
    return {line[0].rstrip(":"): int(line[1]) * 1024 for line in words if line[-1] == "kB"}


def cpu_of(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Film:
    """One film, its torrent, and a seeder that stays for all runs."""

    def __init__(self, work, size):
        self.work = work
        self.content = pattern(size)
        self.torrent = make_v1("film.mkv", self.content, MIB)
        self.source = self.torrent.save(os.path.join(work, "film.torrent"))
        self.seeder = seed(self.torrent, work)


# ---- whole ----

def read_through_the_mount(film):
    """Rate, CPU, memory of one whole read; the bytes are compared afterwards,
    from the page cache, so that comparing costs nothing while it counts."""
    mount = Mount(film.work, [film.source], "--ram", "64M", peers=[film.seeder.peer], verbose=False)
    path = mount.path("film.mkv")
    drop_pages(path)
    room = bytearray(CHUNK)
    with open(path, "rb", buffering=0) as file:
        file.readinto(memoryview(room)[:1])
        began = time.monotonic()
        while file.readinto(room):
            pass
        seconds = time.monotonic() - began
        cpu = cpu_of(mount.child.pid)
        status = status_of(mount.child.pid)
        file.seek(0)
        got = hashlib.file_digest(file, "sha256").hexdigest()
    equal(got, hashlib.sha256(film.content).hexdigest(), "SHA-256")
    mount.end()
    return {"rate": len(film.content) / 1e6 / seconds, "cpu": cpu,
            "memory": status["VmHWM"] - status["RssFile"]}


def plain_download(film, tmpfs):
    folder = tempfile.mkdtemp(prefix="gos-baseline.", dir=tmpfs)
    try:
        host, port = film.seeder.address
        ended = run([built("baseline"), film.source, folder, host, port], timeout=300)
        equal(ended.returncode, 0, f"baseline {ended.stderr}")
        figures = dict(line.split() for line in ended.stdout.decode().splitlines())
        return {"rate": float(figures["mb_per_s"]), "cpu": float(figures["cpu_s"])}
    finally:
        shutil.rmtree(folder)


def whole(film, options):
    gib = len(film.content) / (1 << 30)
    plain_download(film, options.tmpfs)  # warms the seeder
    rates, cpus, rows = [], [], []
    for _ in range(options.pairs):
        plain, ours = plain_download(film, options.tmpfs), read_through_the_mount(film)
        rates.append(ours["rate"] / plain["rate"])
        cpus.append(ours["cpu"] / plain["cpu"])
        rows.append((plain, ours))
    middle = statistics.median
    say("whole_baseline_rate", middle(p["rate"] for p, _ in rows), "MB/s")
    say("whole_mount_rate", middle(m["rate"] for _, m in rows), "MB/s")
    say("whole_baseline_cpu", middle(p["cpu"] for p, _ in rows) / gib, "s/GiB")
    say("whole_mount_cpu", middle(m["cpu"] for _, m in rows) / gib, "s/GiB")
    say("whole_rate_ratio", middle(rates), "")
    say("whole_cpu_ratio", middle(cpus), "")
    memory = max(m["memory"] for _, m in rows)
    say("whole_memory", memory / MIB, "MiB")
    say("whole_memory_allowed", (RAM + 24 * MIB + MIB // 2) / MIB, "MiB")


# ---- start ----

def time_to_first_byte(film, source):
    point = tempfile.mkdtemp(prefix="mnt.", dir=film.work)
    path = os.path.join(point, "film.mkv")
    argv = [built("gostream-mount"), *QUIET, "--listen", "127.0.0.1:0", "--peer",
            film.seeder.peer, source, point]
    began = time.monotonic()
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                fd = os.open(path, os.O_RDONLY)
                break
            except OSError:
                if child.poll() is not None or time.monotonic() - began > 30:
                    raise Failure("no file to open") from None
                time.sleep(0.001)
        opened = time.monotonic() - began
        first = os.pread(fd, 1, 0)
        seconds = time.monotonic() - began
        os.close(fd)
        equal(first, film.content[:1], "first byte")
    finally:
        child.terminate()
        child.wait()
    return opened, seconds


def start(film, options):
    for form, source in (("torrent", film.source), ("magnet", film.torrent.magnet())):
        time_to_first_byte(film, source)  # everything warm
        times = [time_to_first_byte(film, source) for _ in range(options.starts)]
        say(f"start_{form}_opened", 1000 * statistics.median(t[0] for t in times), "ms")
        say(f"start_{form}_first_byte", 1000 * statistics.median(t[1] for t in times), "ms")
        say(f"start_{form}_first_byte_worst", 1000 * max(t[1] for t in times), "ms")


# ---- stuck ----

def stuck(film, _):
    dead = make_v1("dead.mkv", pattern(64 * MIB, 7), MIB)
    silent = ScriptedPeer(dead, silent=True)
    sources = [dead.save(os.path.join(film.work, "dead.torrent")), film.source]
    mount = Mount(film.work, sources, peers=[silent.peer, film.seeder.peer], verbose=False)

    def stick(n):
        readers = [start_reader(mount.path("dead.mkv"), i * MIB) for i in range(n)]
        wait_stuck(readers, mount.path("dead.mkv"))
        return readers

    fd = os.open(mount.path("film.mkv"), os.O_RDONLY)
    os.pread(fd, 1, 0)
    readers = stick(60)
    began = time.monotonic()
    got = os.pread(fd, MIB, min(20 * MIB, len(film.content) // 2))
    say("stuck_healthy_read", 1000 * (time.monotonic() - began), "ms")
    check(len(got) == MIB, "healthy read")
    os.close(fd)

    began = time.monotonic()
    for child in readers:
        child.kill()
    for child in readers:
        child.wait()
    say("stuck_killing_60", 1000 * (time.monotonic() - began), "ms")

    stick(10)
    began = time.monotonic()
    mount.child.send_signal(signal.SIGTERM)
    equal(mount.wait(), 0, "exit status")
    say("stuck_ending_with_10", 1000 * (time.monotonic() - began), "ms")
    check(not is_mounted(mount.point), "still mounted")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1 << 30)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--tmpfs", default="/dev/shm")
    parser.add_argument("what", nargs="*", choices=["whole", "start", "stuck", []])
    options = parser.parse_args()
    isolate()
    work = tempfile.mkdtemp(prefix="gos-bench.", dir=options.tmpfs)
    try:
        film = Film(work, options.size)
        for name in options.what or ("whole", "start", "stuck"):
            {"whole": whole, "start": start, "stuck": stuck}[name](film, options)
    finally:
        end_children()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
