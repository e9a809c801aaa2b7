#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The measuring of streams in tests/bench/streams works: a quick pass ends, its figures
are there, and what must hold however slow the machine is, holds: no disorder, each
record in the index, each lost byte told. No time is judged."""

import json
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from harness import Skip, built, case, check, equal, main, run, sanitized

BENCH = os.path.join(HERE, "..", "bench", "streams")
LOAD = {"records_per_s", "in_mb_s", "out_mb_s", "cpu_s_per_gib", "lost_pct", "gaps"}
TIMES = {"p50_us", "p90_us", "p99_us", "max_us"}
# What a row of each sort must say.
FIGURES = {
    "put-64K": LOAD, "put-1K": LOAD, "block-64K": LOAD, "chunks-1K": LOAD,
    "paced-1K": LOAD | TIMES,
    "idle": {"bytes_per_reader", "idle_cpu_ms_per_s", "all_told_ms", "gone_ms"},
}
FAN = {"out_mb_s", "both_cpu_s_per_gib"}
FLOOR = {"records_per_s", "in_mb_s", "out_mb_s", "cpu_s_per_gib"}
OTHERS = {"redis": "redis-server", "nats": "nats-server"}


def passed(work, *words):
    """The rows of a quick pass by name, and its table."""
    if sanitized():
        raise Skip("programs with sanitizers are not measured")
    for program in ("pfs", "stream_load", "stream_fan", "stream_floor", "stream_others", "bench_ring"):
        built(program)
    out, table = os.path.join(work, "out.jsonl"), os.path.join(work, "table.md")
    ended = run(["python3", BENCH, "--quick", "--out", out, "--table", table, *words], timeout=170)
    equal(ended.returncode, 0, f"exit status ({ended.stdout.decode()[-3000:]}"
                               f"{ended.stderr.decode()[-1000:]})")
    with open(out) as lines, open(table) as text:
        rows = [json.loads(line) for line in lines]
        return {row["row"]: row for row in rows if "middle" in row}, text.read()


@case(timeout=180)
def a_quick_pass_of_ours_says_all_its_figures(work):
    rows, table = passed(work, "--skip", "*/redis", "--skip", "*/nats")
    for name, row in rows.items():
        load, program = name.split("/")[0], name.split("/")[-1]
        wanted = {"fan": FAN, "fan-copy": FAN, "floor": FLOOR}.get(program, FIGURES.get(load, set()))
        missing = wanted - row["middle"].keys()
        check(not missing, f"{name}: no {missing}")
        check(all(value >= 0 for value in row["middle"].values()), f"{name}: {row['middle']}")
        check(f"| {name} |" in table, f"{name} is in the table")
        for target in row["targets"]:
            # Limits of 0 are promises that no slowness excuses.
            check(target["limit"] or target["reached"], f"{name}: {target}")
    for readers in (1, 4, 16, 64):
        ours = rows[f"put-64K/r{readers}/pfs"]["middle"]
        check(TIMES <= ours.keys(), f"{readers} readers: no times in {ours}")
        check(rows[f"put-64K/r{readers}/fan"]["middle"]["out_mb_s"] > 0, "the fan-out sends")
    for group, figure in (("put-64K/r0", "in_mb_s"), ("put-64K/r1", "in_mb_s"),
                          ("put-1K/r1", "records_per_s"), ("paced-1K/r1", "p50_us")):
        ours, floor = (rows[f"{group}/{program}"]["middle"] for program in ("pfs", "floor"))
        equal(ours["of_floor"], ours[figure] / floor[figure], f"{group} against its floor")
    for row in ("chunks-1K/r0/pfs", "idle/1000/pfs", "ring/64/r1", "ring/65536/memcpy"):
        check(row in rows, f"{row} was measured")


@case(timeout=120, each=[("redis",), ("nats",)])
def another_server_is_put_beside_ours(work, name):
    if not shutil.which(OTHERS[name]):
        raise Skip(f"{OTHERS[name]} is not installed")
    rows, _ = passed(work, "--only", f"put-64K/r1/{name}", "--only", f"put-1K/r16/{name}")
    equal(sorted(rows), [f"put-1K/r16/{name}", f"put-64K/r1/{name}"], "rows")
    check(all(row["middle"]["out_mb_s"] > 0 for row in rows.values()), "readers get bytes")


if __name__ == "__main__":
    main()
