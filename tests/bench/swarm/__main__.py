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

import argparse
import fnmatch
import json
import os
import shutil
import signal
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "support")]

from harness import Failure, end_children, isolate, isolated

import kinds
import plan
import programs
import report


def parse():
    parser = argparse.ArgumentParser(prog="swarm", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="each row once, small and short: does all of it work?")
    parser.add_argument("--long", action="store_true",
                        help="also what takes minutes: a paused player, a film of 20 GiB")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN",
                        help="rows to run, by name; may be repeated")
    parser.add_argument("--skip", action="append", default=[], metavar="PATTERN",
                        help="rows not to run")
    parser.add_argument("--list", action="store_true", help="print the names of the rows, and end")
    parser.add_argument("--repeats", type=int, help="runs of each row (3, of some 1; 1 with --quick)")
    parser.add_argument("--out", metavar="FILE", help="JSON lines")
    parser.add_argument("--table", metavar="FILE", help="Markdown")
    parser.add_argument("--scratch", metavar="FOLDER", default="/dev/shm",
                        help="where films and downloads go for the time; a tmpfs")
    return parser.parse_args()


class Measuring:
    def __init__(self, options):
        self.options = options
        self.out = open(options.out, "w") if options.out else None
        self.runs, self.failures, self.skipped = {}, {}, {}

    def wanted(self, name):
        return (not self.options.only or any(fnmatch.fnmatch(name, p) for p in self.options.only)) \
            and not any(fnmatch.fnmatch(name, p) for p in self.options.skip)

    def write(self, **what):
        if self.out:
            self.out.write(json.dumps(what) + "\n")
            self.out.flush()

    def group(self, group):
        rows = []
        for row in group.rows:
            if not self.wanted(row.name):
                continue
            missing = row.missing()
            if missing:
                self.skipped[row.name] = f"skipped: {missing}"
                print(f"{row.name}: skipped: {missing}", flush=True)
            else:
                rows.append(row)
        if not rows:
            return
        try:
            swarm = group.swarm() if group.swarm else None
        except Exception as error:
            for row in rows:
                self.failed(row, error)
            return
        try:
            for repeat in range(self.options.repeats or group.repeats):
                for row in rows:
                    self.run(row, swarm, repeat)
        finally:
            if swarm:
                swarm.stop()

    def run(self, row, swarm, repeat):
        began = time.monotonic()
        try:
            figures = row.run(swarm, repeat)
        except Exception as error:
            self.failed(row, error)
            return
        self.runs.setdefault(row.name, []).append(figures)
        seconds = time.monotonic() - began
        self.write(row=row.name, run=repeat, seconds=round(seconds, 2), figures=figures)
        text = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        print(f"{row.name} {seconds:.1f} s: {text}", flush=True)

    def failed(self, row, error):
        why = f"failed: {type(error).__name__}: {error}"
        self.failures[row.name] = why
        self.write(row=row.name, error=why)
        print(f"{row.name}: {why}", flush=True)

    def finish(self):
        rows = {name: report.middle(runs) for name, runs in self.runs.items()}
        for name, figures in rows.items():
            self.write(row=name, middle=figures, targets=report.verdicts(name, rows))
        text = report.table(rows, self.failures, self.skipped)
        if self.options.table:
            with open(self.options.table, "w") as out:
                out.write(text)
        else:
            print(text)


def main():
    options = parse()
    options.bounds = kinds.Bounds(options.quick)
    options.size = plan.QUICK if options.quick else plan.FULL
    if options.quick:
        options.repeats = options.repeats or 1
        programs.Mount.waits_for_figures = False
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
    measuring = Measuring(options)
    try:
        for group in plan.groups(options):
            if options.list:
                print("\n".join(row.name for row in group.rows))
            else:
                measuring.group(group)
    finally:
        end_children()
        shutil.rmtree(options.scratch, ignore_errors=True)
    if not options.list:
        measuring.finish()
    return 1 if measuring.failures else 0


if __name__ == "__main__":
    sys.exit(main())
