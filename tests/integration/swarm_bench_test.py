#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The comparison of tests/bench/swarm works: every row of a quick pass ends, every
byte of it is right, and its figures are there. No figure is judged."""

import json
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from harness import Skip, built, case, check, equal, main, run, sanitized
from mounting import TOOL, need_fuse

SWARM = os.path.join(HERE, "..", "bench", "swarm")
# What a row of each sort must say.
FIGURES = {
    "cold": {"n", "p50", "max"},
    "seeks": {"n", "p50", "p90", "max", "fetched_per_pieces", "jump_p50_s", "cpu_s", "memory",
              "busy"},
    "whole": {"mb_per_s", "cpu_s_per_gib", "busy"},
    "readers": {"mb_per_s", "slowest_of_fastest"},
    "foreign": {"first", "longest_wait_s", "p50"},
    "start": {"read", "fetched", "fetched_allowed"},
    "paused": {"p50", "peers_before", "peers_after"},
    "virtual": {"read", "memory", "memory_after_sequence", "p50"},
}


@case(timeout=400)
def a_quick_pass_compares_every_byte(work):
    need_fuse()
    if os.geteuid() != 0:
        raise Skip("needs root: a network namespace of its own")
    if sanitized():
        raise Skip("programs with sanitizers are not measured")
    for program in (TOOL, "ltseed", "baseline", "relay", "vseed", "swarm_reader"):
        built(program)
    out, table = os.path.join(work, "out.jsonl"), os.path.join(work, "table.md")
    # What is not the project's may be missing, or fail: that is not our failure.
    theirs = [word for name in ("rqbit", "btfs") for word in ("--skip", f"*/{name}*")]
    ended = run(["python3", SWARM, "--quick", "--long", *theirs, "--scratch", work, "--out", out,
                 "--table", table], timeout=380)
    equal(ended.returncode, 0, f"exit status ({ended.stdout.decode()[-3000:]}"
                               f"{ended.stderr.decode()[-1000:]})")
    with open(out) as lines:
        rows = [json.loads(line) for line in lines]
    middles = {row["row"]: row for row in rows if "middle" in row}
    for name, row in middles.items():
        missing = FIGURES[name.split("/")[1]] - row["middle"].keys()
        check(not missing, f"{name}: no {missing}")
        check(all(value >= 0 for value in row["middle"].values()), f"{name}: {row['middle']}")
        for target in row["targets"]:
            check(target["reached"] in (True, False), f"{name}: {target}")
    for scenario in ("open", "open-utp", "capped", "slowpeer", "rtt40", "rtt100", "loss5"):
        check(f"{scenario}/seeks/mount" in middles, f"{scenario} was measured")
    if shutil.which("strace") and shutil.which("ffprobe") and shutil.which("ffmpeg"):
        check("mkv/start/ffprobe" in middles, "ffprobe was measured")
    with open(table) as text:
        shown = text.read()
    for name in middles:
        check(f"| {name} |" in shown, f"{name} is in the table")


if __name__ == "__main__":
    main()
