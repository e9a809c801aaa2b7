# SPDX-License-Identifier: MIT
"""Streams, measured: pfs serve beside Redis Streams, NATS and what the machine gives
without any of them, under one load, in turns; and the ring without HTTP.

    python3 tests/bench/streams [--quick] [--only PATTERN]... [--repeats N] [--out FILE]
                                [--table FILE]

GOS_BUILD_DIR says where the programs are. All of it stays on loopback; run by root it
has a network namespace of its own. Each row is run three times and the middle one
counts; --out takes a JSON line for each run and each row, --table the rows as
Markdown. A row is LOAD/READERS/PROGRAM; --only takes names with * and ?. README.md
beside this and docs/performance.md say what the rows mean.
"""

import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, ".."), os.path.join(HERE, "..", "..", "support")]

from harness import end_children, isolate

import plan
import report
import rows


def main():
    options = rows.parser("streams", __doc__, "3; 1 with --quick").parse_args()
    groups = plan.groups(options.quick)
    if options.list:
        print("\n".join(row.name for group in groups for row in group))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    isolate()
    machine = report.machine()
    measuring = rows.Measuring(options, report, plan.TARGETS)
    measuring.write(machine=machine)
    try:
        for group in groups:
            measuring.take_turns(measuring.ready(group),
                                 options.repeats or (1 if options.quick else 3))
    finally:
        end_children()
    return measuring.finish([report.machine_line(machine), ""], plan.add_of_floor)


if __name__ == "__main__":
    sys.exit(main())
