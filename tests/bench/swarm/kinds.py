# SPDX-License-Identifier: MIT
"""What is measured: each function starts a program once (or a few times) in a
swarm that runs, and returns figures by name. Times are in milliseconds, sizes in
bytes, rates in MB/s (10^6), unless a name says otherwise."""

import filecmp
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time

from harness import Failure, built, check, equal

import measure
import programs

MIB = 1 << 20
READ = 64 * 1024
GIB = 1 << 30


class Bounds:
    """How much is done: full, or a quick pass that shows that all of it works."""

    def __init__(self, quick):
        self.starts = 1 if quick else 4
        self.seeks = 6 if quick else 200
        self.slow_seeks = 3 if quick else 67  # three runs of these are more than 200
        self.jumps = 1 if quick else 4
        self.jump_bytes = 2 * MIB if quick else 16 * MIB
        self.ours_s = 10 if quick else 90  # no further seek begins after
        self.theirs_s = 2 if quick else 10
        self.silence_s = 2 if quick else 180
        self.long_s = 2 if quick else 300


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Busy:
    """The machine's processor time over a stretch, in cores."""

    def __init__(self):
        self.used, self.began = measure.machine_seconds(), time.monotonic()

    def cores(self):
        return (measure.machine_seconds() - self.used) / max(1e-6, time.monotonic() - self.began)


def _waste(program):
    """Percent of all that was received; and the peers of ours."""
    stats = program.stats()
    names = ("late", "redundant", "hedged", "late_bytes", "redundant_bytes", "hedged_bytes",
             "hash_ms", "peers")
    return {name: stats[name] for name in names if name in stats}


# ---- cold ----

def cold(kind, swarm, form, bounds, scratch):
    """From the fork to the first byte."""
    times = []
    for _ in range(1 if kind.slow else bounds.starts):
        program = kind(swarm, form, scratch)
        try:
            result = program.do("0:1")[0]
            times.append(1e3 * (result["began"] - program.began) + result["first_ms"])
        finally:
            program.stop()
    return {"n": len(times), "p50": statistics.median(times), "max": max(times)}


# ---- seeks ----

def _until(program, operations, limit_s):
    """The results of as many as begin in time, at least one."""
    results, end = [], time.monotonic() + limit_s
    for operation in operations:
        results += program.do(operation)
        if time.monotonic() > end:
            break
    return results


def _random_places(size, length, n, seed):
    source = random.Random(seed)
    return [f"{source.randrange(0, size - length) & ~4095}:{length}" for _ in range(n)]


def _whole_pieces(results, piece):
    """Bytes of the pieces that reads touch: less cannot be fetched for them."""
    return sum(((r["off"] + r["got"] - 1) // piece - r["off"] // piece + 1) * piece
               for r in results)


def seeks(kind, swarm, form, bounds, scratch, slow=True, jumps=None, repeat=0):
    """64 KiB at random places, then stretches of 16 MiB; the swarm is warm."""
    n = bounds.slow_seeks if slow else bounds.seeks
    limit = bounds.ours_s if kind.ours else bounds.theirs_s
    size = swarm.film.size
    program = kind(swarm, form, scratch)
    try:
        program.do(f"0:{READ}")
        sent, busy = swarm.uploaded(), Busy()
        reads = _until(program, _random_places(size, READ, n, 7 + repeat), limit)
        sent, cores = swarm.uploaded() - sent, busy.cores()
        figures = _waste(program)
        if "late_bytes" in figures:
            figures["late_per_jump"] = figures["late_bytes"] / len(reads)
        far = _until(program, _random_places(size, bounds.jump_bytes,
                                            jumps or bounds.jumps, 70 + repeat), limit)
        totals = [r["total_ms"] for r in reads]
        figures.update({
            "n": len(reads), "p50": percentile(totals, .5), "p90": percentile(totals, .9),
            "max": max(totals), "first_p50": percentile([r["first_ms"] for r in reads], .5),
            "fetched_per_pieces": sent / _whole_pieces(reads, swarm.film.piece), "busy": cores,
            "jumps": len(far), "jump_p50_s": percentile([r["total_ms"] for r in far], .5) / 1e3,
            "jump_max_s": max(r["total_ms"] for r in far) / 1e3,
            "cpu_s": program.cpu(), "memory": program.memory()})
        return figures
    finally:
        program.stop()


# ---- all of it ----

def _download(swarm, scratch):
    """What a plain download costs; a first one of each swarm warms the seeder."""
    folder = tempfile.mkdtemp(prefix="baseline.", dir=scratch)
    try:
        host, port = swarm.peers[0].rsplit(":", 1)
        busy = Busy()
        ended = subprocess.run([built("baseline"), swarm.film.torrent, folder, host, port],
                               capture_output=True, text=True, timeout=300)
        cores = busy.cores()
        equal(ended.returncode, 0, f"baseline {ended.stderr}")
        got = os.path.join(folder, swarm.film.name)
        check(filecmp.cmp(got, swarm.film.path, shallow=False), "baseline: other bytes")
        figures = dict(line.split() for line in ended.stdout.splitlines())
        return {"n": 1, "mb_per_s": float(figures["mb_per_s"]), "busy": cores,
                "cpu_s_per_gib": float(figures["cpu_s"]) * GIB / swarm.film.size}
    finally:
        shutil.rmtree(folder)


def whole(kind, swarm, form, bounds, scratch):
    """The file from end to end, or as far as it gets in the time."""
    if kind is programs.Baseline:
        return _download(swarm, scratch)
    program = kind(swarm, form, scratch)
    try:
        program.do("0:1")
        sent, busy = swarm.uploaded(), Busy()
        if kind.slow:  # as far as it gets
            result = program.do(f"seq:{bounds.theirs_s}")[0]
        else:
            result = program.do("0:0")[0]
            equal(result["got"], swarm.film.size, "bytes read")
        cores = busy.cores()
        seconds = (result["total_ms"] - result["first_ms"]) / 1e3
        return {"n": 1, "mb_per_s": result["got"] / 1e6 / max(1e-6, seconds), "busy": cores,
                "longest_wait": result["longest_ms"], "read": result["got"],
                "fetched_per_read": (swarm.uploaded() - sent) / result["got"],
                "cpu_s_per_gib": program.cpu() * GIB / result["got"],
                "memory": program.memory(), **_waste(program)}
    finally:
        program.stop()


def readers(kind, swarm, form, bounds, scratch, n=4):
    """Several readers at once, each its own part of the file."""
    program = kind(swarm, form, scratch)
    try:
        program.do("0:1")
        busy = Busy()
        parts = program.do(f"par:{n}")
        equal(len(parts), n, "readers that ended")
        ends = [p["began"] + p["total_ms"] / 1e3 for p in parts]
        rates = [p["got"] / p["total_ms"] for p in parts]
        seconds = max(ends) - min(p["began"] for p in parts)
        return {"n": n, "mb_per_s": sum(p["got"] for p in parts) / 1e6 / seconds,
                "slowest_of_fastest": min(rates) / max(rates), "busy": busy.cores(),
                "cpu_s": program.cpu(), "memory": program.memory(), **_waste(program)}
    finally:
        program.stop()


# ---- other clients that seed ----

def foreign(kind, swarm, form, bounds, scratch):
    """In order through the whole film, then 20 seeks, from one peer of another make."""
    program = kind(swarm, form, scratch)
    try:
        start = program.do("0:1")[0]
        first = 1e3 * (start["began"] - program.began) + start["first_ms"]
        result = program.do("0:0")[0]
        equal(result["got"], swarm.film.size, "bytes read")
        places = _random_places(swarm.film.size, READ, min(20, bounds.seeks), 7)
        totals = [r["total_ms"] for r in _until(program, places, bounds.ours_s)]
        # A longest wait counts from the second byte on: the first waits to be unchoked.
        return {"n": len(totals), "first": first,
                "longest_wait_s": max(result["longest_ms"], result["first_ms"]) / 1e3,
                "mb_per_s": result["got"] / 1e3 / result["total_ms"],
                "p50": percentile(totals, .5), "max": max(totals), **_waste(program)}
    finally:
        program.stop()


# ---- long ones ----

def paused(kind, swarm, form, bounds, scratch):
    """A player that stops and goes on: are the peers still there?"""
    program = kind(swarm, form, scratch)
    try:
        head = min(32 * MIB, swarm.film.size // 4)
        program.do(f"0:{head}")
        before = program.stats().get("peers", 0)
        time.sleep(bounds.silence_s)
        after = program.stats().get("peers", 0)
        far = swarm.film.size // 2
        near = program.do(f"{head}:{READ}")[0]
        jump = program.do(f"{far}:{READ}")[0]
        return {"n": 1, "peers_before": before, "peers_after": after,
                "p50": near["total_ms"], "after_jump": jump["total_ms"], **_waste(program)}
    finally:
        program.stop()


def virtual(kind, swarm, form, bounds, scratch):
    """A film far larger than memory: in order, then here and there, memory watched."""
    seconds = bounds.long_s
    program = kind(swarm, form, scratch)
    program.patience += seconds
    try:
        program.do("0:1")
        result = program.do(f"seq:{seconds}")[0]
        middle = program.memory()
        reads = program.do(f"rand:{seconds}:{7}")
        check(reads, "no random read ended")
        totals = [r["total_ms"] for r in reads]
        sequence_s = result["total_ms"] / 1e3
        return {"n": len(reads), "mb_per_s": result["got"] / 1e6 / sequence_s,
                "read": result["got"] + sum(r["got"] for r in reads),
                "p50": percentile(totals, .5), "p90": percentile(totals, .9), "max": max(totals),
                "memory_after_sequence": middle, "memory": program.memory(),
                "cpu_s": program.cpu(), **_waste(program)}
    finally:
        program.stop()


def known(bench):
    """3,000 known torrents: another program's measurement, its lines as figures."""
    ended = subprocess.run(["python3", bench, "--seconds", "30"], capture_output=True, text=True,
                           timeout=600)
    if ended.returncode != 0:
        raise Failure(f"bench_known.py: {ended.stderr[-300:]}")
    figures = {}
    for line in ended.stdout.splitlines():
        words = line.split()
        try:
            figures[words[0]] = float(words[1])
        except (IndexError, ValueError):
            continue
    return figures
