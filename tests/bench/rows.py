# SPDX-License-Identifier: MIT
"""What the measurements beside this share: rows that take turns, the middle of their
runs, targets, JSON lines and a table.

A bench brings a plan (its rows and TARGETS) and a report: COLUMNS of (title, figure,
scale, form); names of figures that add up over runs (SUMS), or of which the worst
counts (WORST); and cells(figures, verdicts), which stand behind the columns, under
MORE."""

import argparse
import fnmatch
import json
import os
import statistics
import time


class Row:
    """`run(*scene, repeat)` gives the figures of one run; with `many`, rows by name.
    `needs`: has missing(), which says what is not installed."""

    def __init__(self, name, run, needs=None, many=False):
        self.name, self.run, self.needs, self.many = name, run, needs, many

    def missing(self):
        return self.needs.missing() if self.needs else None


def parser(name, words, repeats):
    found = argparse.ArgumentParser(prog=name, description=words,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--quick", action="store_true",
                       help="each row once, small and short: does all of it work?")
    found.add_argument("--only", action="append", default=[], metavar="PATTERN",
                       help="rows to run, by name; may be repeated")
    found.add_argument("--skip", action="append", default=[], metavar="PATTERN",
                       help="rows not to run")
    found.add_argument("--list", action="store_true", help="print the names of the rows, and end")
    found.add_argument("--repeats", type=int, help=f"runs of each row ({repeats})")
    found.add_argument("--out", metavar="FILE", help="JSON lines")
    found.add_argument("--table", metavar="FILE", help="Markdown")
    return found


def _matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def verdicts(name, rows, targets):
    """What each target (pattern, figure, sense, limit) says of a row. A limit may be a
    function of all rows and the row's name; None: there is nothing to compare with."""
    found = []
    for pattern, figure, sense, limit in targets:
        if not _matches(name, [pattern]) or figure not in rows[name]:
            continue
        limit = limit(rows, name) if callable(limit) else limit
        if limit is None:
            continue
        value = rows[name][figure]
        found.append({"figure": figure, "sense": sense, "limit": limit, "value": value,
                      "ratio": value / limit if limit else None,
                      "reached": value <= limit if sense == "<=" else value >= limit})
    return found


def said(verdict, form="{:.4g}".format):
    """A verdict as a cell of the table."""
    ratio = "" if verdict["ratio"] is None else f", ratio {verdict['ratio']:.2f}"
    word = "reached" if verdict["reached"] else "**missed**"
    return f"{verdict['figure']} {verdict['sense']} {form(verdict['limit'])}: {word}{ratio}"


def of(row, figure, factor=1.0):
    """A limit that is another row's figure of the same run, times something."""
    return lambda rows, _: rows[row][figure] * factor if figure in rows.get(row, ()) else None


class Measuring:
    """Runs rows, and keeps what comes of them."""

    def __init__(self, options, report, targets):
        self.options, self.report, self.targets = options, report, targets
        self.out = open(options.out, "w") if options.out else None
        self.runs, self.failures, self.skipped = {}, {}, {}

    def write(self, **what):
        if self.out:
            self.out.write(json.dumps(what) + "\n")
            self.out.flush()

    def ready(self, rows):
        """Those of the rows that are wanted and can be run."""
        found = []
        for row in rows:
            if self.options.only and not _matches(row.name, self.options.only) \
                    or _matches(row.name, self.options.skip):
                continue
            if missing := row.missing():
                self.skipped[row.name] = f"skipped: {missing}"
                print(f"{row.name}: {self.skipped[row.name]}", flush=True)
            else:
                found.append(row)
        return found

    def take_turns(self, rows, repeats, *scene):
        """Each once, then each once more: what the machine does meanwhile hits all."""
        for repeat in range(repeats):
            for row in rows:
                self._run(row, repeat, scene)

    def _run(self, row, repeat, scene):
        began = time.monotonic()
        try:
            figures = row.run(*scene, repeat)
        except Exception as error:
            self.failed(row, error)
            return
        seconds = round(time.monotonic() - began, 2)
        for name, of_row in (figures if row.many else {row.name: figures}).items():
            self.runs.setdefault(name, []).append(of_row)
            self.write(row=name, run=repeat, seconds=seconds, load=round(os.getloadavg()[0], 1),
                       figures=of_row)
            text = ", ".join(f"{key} {value:.4g}" for key, value in of_row.items())
            print(f"{name} {seconds:.1f} s: {text}", flush=True)

    def failed(self, row, error):
        why = f"failed: {type(error).__name__}: {error}"
        self.failures[row.name] = why
        self.write(row=row.name, error=why)
        print(f"{row.name}: {why}", flush=True)

    def _middle(self, runs):
        """One row's figures from those of its runs."""
        figures = {}
        for name in sorted({name for run in runs for name in run}):
            values = [run[name] for run in runs if name in run]
            combine = sum if name in self.report.SUMS else \
                max if name in self.report.WORST else statistics.median
            figures[name] = combine(values)
        return figures

    def _table(self, rows, above):
        head = ["row", *(title for title, *_ in self.report.COLUMNS), *self.report.MORE]
        lines = [*above, "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
        for name, figures in rows.items():
            cells = [form.format(figures[key] / scale) if key in figures else "–"
                     for _, key, scale, form in self.report.COLUMNS]
            judged = verdicts(name, rows, self.targets)
            cells += [cell or "–" for cell in self.report.cells(figures, judged)]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        absent = (*self.skipped.items(), *self.failures.items())
        return "\n".join([*lines, "", *(f"- {name}: {why}" for name, why in absent)]) + "\n"

    def finish(self, above=(), derive=None):
        """The middle figures; `derive(rows)` may add some that follow from others. The
        exit status."""
        rows = {name: self._middle(runs) for name, runs in self.runs.items()}
        if derive:
            derive(rows)
        for name, figures in rows.items():
            self.write(row=name, middle=figures, targets=verdicts(name, rows, self.targets))
        text = self._table(rows, above)
        if self.options.table:
            with open(self.options.table, "w") as out:
                out.write(text)
        else:
            print(text)
        return 1 if self.failures else 0
