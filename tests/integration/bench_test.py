#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The measuring tools work: small sizes, every line there. No figure is judged."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from harness import built, case, equal, main, run
from mounting import TOOL, need_fuse

LINES = {"whole_baseline_rate", "whole_mount_rate", "whole_baseline_cpu", "whole_mount_cpu",
         "whole_rate_ratio", "whole_cpu_ratio", "whole_memory", "whole_memory_allowed",
         "start_torrent_opened", "start_torrent_first_byte", "start_torrent_first_byte_worst",
         "start_magnet_opened", "start_magnet_first_byte", "start_magnet_first_byte_worst",
         "stuck_healthy_read", "stuck_killing_60", "stuck_ending_with_10"}


@case(timeout=120)
def every_figure_is_printed(_):
    need_fuse()
    for program in (TOOL, "ltseed", "baseline"):
        built(program)
    ended = run(["python3", os.path.join(HERE, "..", "bench", "bench_mount.py"), "--size", 48 << 20,
                 "--pairs", "1", "--starts", "2"], timeout=100)
    equal(ended.returncode, 0, f"exit status ({ended.stderr.decode()})")
    figures = [line.split() for line in ended.stdout.decode().splitlines()]
    equal({words[0] for words in figures}, LINES, "lines")
    for words in figures:
        float(words[1])


if __name__ == "__main__":
    main()
