# SPDX-License-Identifier: MIT
"""Side by side on one machine: gostream-mount, libgostream, a plain libtorrent
download, rqbit and btfs, in the same loopback swarms, every byte compared.

    python3 tests/bench/swarm [--quick] [--long] [--only PATTERN]... [--out FILE] [--table FILE]

Must be run by root: it goes into a network namespace of its own that has only
`lo`, so nothing of it leaves the machine. GOS_BUILD_DIR says where the programs
are; rqbit is $RQBIT or found in PATH. Each row is run three times, programs in
turn, and the middle one counts; --out takes a JSON line for each run and each
row, --table the rows as Markdown. A row is SCENARIO/WHAT/PROGRAM; --only takes
names with * and ?. docs/performance.md says what the rows mean.
"""

import os
import shutil
import signal
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, ".."), os.path.join(HERE, "..", "..", "support")]

from harness import end_children, isolate, isolated

import kinds
import plan
import programs
import report
import rows


def parse():
    parser = rows.parser("swarm", __doc__, "3, of some 1; 1 with --quick")
    parser.add_argument("--long", action="store_true",
                        help="also what takes minutes: a paused player, a film of 20 GiB")
    parser.add_argument("--scratch", metavar="FOLDER", default="/dev/shm",
                        help="where films and downloads go for the time; a tmpfs")
    options = parser.parse_args()
    options.bounds = kinds.Bounds(options.quick)
    options.size = plan.QUICK if options.quick else plan.FULL
    if options.quick:
        options.repeats = options.repeats or 1
        programs.Mount.waits_for_figures = False
    return options


def measure(measuring, group):
    """Rows that share a swarm."""
    ready = measuring.ready(group.rows)
    if not ready:
        return
    try:
        swarm = group.swarm() if group.swarm else None
    except Exception as error:
        for row in ready:
            measuring.failed(row, error)
        return
    try:
        measuring.take_turns(ready, measuring.options.repeats or group.repeats, swarm)
    finally:
        if swarm:
            swarm.stop()


def main():
    options = parse()
    if options.list:
        print("\n".join(row.name for group in plan.groups(options) for row in group.rows))
        return 0
    if os.geteuid() != 0:
        print("swarm: must be run by root: it needs a network namespace of its own",
              file=sys.stderr)
        return 77
    isolate()
    if not isolated() and not os.environ.get("GOS_TEST_HOST"):
        print("swarm: no network namespace of its own", file=sys.stderr)
        return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    options.scratch = tempfile.mkdtemp(prefix="gostream-swarm.", dir=options.scratch)
    measuring = rows.Measuring(options, report, plan.TARGETS)
    try:
        for group in plan.groups(options):
            measure(measuring, group)
    finally:
        end_children()
        shutil.rmtree(options.scratch, ignore_errors=True)
    return measuring.finish()


if __name__ == "__main__":
    sys.exit(main())
