# SPDX-License-Identifier: MIT
"""Streams, measured: pfs serve beside Redis Streams, NATS and a plain send fan-out,
under one load on one machine, in turns; and the ring without HTTP.

    python3 tests/bench/streams [--quick] [--only PATTERN]... [--repeats N] [--out FILE]
                                [--table FILE]

GOS_BUILD_DIR says where the programs are. All of it stays on loopback; run by root it
has a network namespace of its own. Each row is run three times and the middle one
counts; --out takes a JSON line for each run and each row, --table the rows as
Markdown. A row is LOAD/READERS/PROGRAM; --only takes names with * and ?. README.md
beside this and docs/performance.md say what the rows mean.
"""

import argparse
import fnmatch
import json
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "support")]

from harness import end_children, isolate

import plan
import report


def parse():
    parser = argparse.ArgumentParser(prog="streams", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="each row once and short: does all of it work?")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN",
                        help="rows to run, by name; may be repeated")
    parser.add_argument("--skip", action="append", default=[], metavar="PATTERN",
                        help="rows not to run")
    parser.add_argument("--list", action="store_true", help="print the names of the rows, and end")
    parser.add_argument("--repeats", type=int, help="runs of each row (3; 1 with --quick)")
    parser.add_argument("--out", metavar="FILE", help="JSON lines")
    parser.add_argument("--table", metavar="FILE", help="Markdown")
    return parser.parse_args()


class Measuring:
    def __init__(self, options):
        self.options = options
        self.out = open(options.out, "w") if options.out else None
        self.runs, self.failures, self.skipped = {}, {}, {}
        self.machine = report.machine()
        self.write(machine=self.machine)

    def wanted(self, name):
        return (not self.options.only or any(fnmatch.fnmatch(name, p) for p in self.options.only)) \
            and not any(fnmatch.fnmatch(name, p) for p in self.options.skip)

    def write(self, **what):
        if self.out:
            self.out.write(json.dumps(what) + "\n")
            self.out.flush()

    def group(self, turns, repeats):
        chosen = []
        for turn in filter(lambda turn: self.wanted(turn.name), turns):
            if missing := turn.missing():
                self.skipped[turn.name] = f"skipped: {missing}"
                print(f"{turn.name}: skipped: {missing}", flush=True)
            else:
                chosen.append(turn)
        for _ in range(repeats):
            for turn in chosen:
                self.run(turn)

    def run(self, turn):
        began = time.monotonic()
        try:
            figures = turn.run()
        except Exception as error:
            self.failures[turn.name] = f"failed: {type(error).__name__}: {error}"
            self.write(row=turn.name, error=str(error))
            print(f"{turn.name}: {self.failures[turn.name]}", flush=True)
            return
        seconds = round(time.monotonic() - began, 2)
        for name, figures in (figures if turn.many else {turn.name: figures}).items():
            self.runs.setdefault(name, []).append(figures)
            self.write(row=name, seconds=seconds, load=round(os.getloadavg()[0], 1),
                       figures=figures)
            text = ", ".join(f"{key} {value:.4g}" for key, value in figures.items())
            print(f"{name} {seconds:.1f} s: {text}", flush=True)

    def finish(self):
        rows = {name: report.middle(runs) for name, runs in self.runs.items()}
        for name, figures in rows.items():
            self.write(row=name, middle=figures, targets=report.verdicts(name, rows))
        text = report.table(rows, self.failures, self.skipped, self.machine)
        if self.options.table:
            with open(self.options.table, "w") as out:
                out.write(text)
        else:
            print(text)


def main():
    options = parse()
    groups = plan.groups(options.quick)
    if options.list:
        print("\n".join(turn.name for turns in groups for turn in turns))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    isolate()
    measuring = Measuring(options)
    try:
        for turns in groups:
            measuring.group(turns, options.repeats or (1 if options.quick else 3))
    finally:
        end_children()
    measuring.finish()
    return 1 if measuring.failures else 0


if __name__ == "__main__":
    sys.exit(main())
