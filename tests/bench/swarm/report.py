# SPDX-License-Identifier: MIT
"""From runs to rows: the middle of three, against the targets, as a table."""

import fnmatch
import inspect
import statistics

import plan

MIB = 1 << 20
# Figures that add up over runs, and such of which the worst counts.
SUMS, WORST = {"n", "jumps"}, {"max", "jump_max_s"}

COLUMNS = [
    ("n", "n", 1, "{:.0f}"), ("first ms", "first_p50", 1, "{:.1f}"), ("p50 ms", "p50", 1, "{:.1f}"),
    ("p90 ms", "p90", 1, "{:.1f}"), ("max ms", "max", 1, "{:.0f}"),
    ("16 MiB s", "jump_p50_s", 1, "{:.2f}"), ("MB/s", "mb_per_s", 1, "{:.0f}"),
    ("CPU s/GiB", "cpu_s_per_gib", 1, "{:.2f}"), ("memory MiB", "memory", MIB, "{:.1f}"),
    ("fetched/read", "fetched_per_read", 1, "{:.2f}"),
    ("fetched/pieces read", "fetched_per_pieces", 1, "{:.2f}"), ("late %", "late", 1, "{:.1f}"),
    ("redundant %", "redundant", 1, "{:.2f}"), ("hedged %", "hedged", 1, "{:.2f}"),
    ("busy cores", "busy", 1, "{:.2f}"),
]


def middle(runs):
    """One row's figures from those of its runs: of each figure the middle one."""
    figures = {}
    for name in sorted({name for run in runs for name in run}):
        values = [run[name] for run in runs if name in run]
        combine = sum if name in SUMS else max if name in WORST else statistics.median
        figures[name] = combine(values)
    return figures


def verdicts(name, rows):
    """What each target says of a row: (figure, sense, limit, ratio, reached)."""
    found = []
    for pattern, figure, sense, limit in plan.TARGETS:
        if not fnmatch.fnmatchcase(name, pattern) or figure not in rows[name]:
            continue
        if callable(limit):
            wide = len(inspect.signature(limit).parameters) == 2
            limit = limit(rows, name) if wide else limit(rows)
        if limit is None:
            continue
        value = rows[name][figure]
        reached = value <= limit if sense == "<=" else value >= limit
        ratio = value / limit if limit else None
        found.append({"figure": figure, "sense": sense, "limit": limit, "value": value,
                      "ratio": ratio, "reached": reached})
    return found


def _said(verdict):
    limit = verdict["limit"]
    scaled = f"{limit / MIB:.1f} MiB" if limit > MIB else f"{limit:.4g}"
    ratio = "" if verdict["ratio"] is None else f", ratio {verdict['ratio']:.2f}"
    word = "reached" if verdict["reached"] else "**missed**"
    return f"{verdict['figure']} {verdict['sense']} {scaled}: {word}{ratio}"


def _others(figures):
    shown = {key for _, key, _, _ in COLUMNS}
    return ", ".join(f"{name} {value:.4g}" for name, value in sorted(figures.items())
                     if name not in shown)


def table(rows, failures, skipped):
    """Markdown."""
    head = ["row", *(title for title, _, _, _ in COLUMNS), "targets", "further"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, figures in rows.items():
        cells = [name]
        for _, key, scale, form in COLUMNS:
            cells.append(form.format(figures[key] / scale) if key in figures else "–")
        cells.append("; ".join(_said(v) for v in verdicts(name, rows)) or "–")
        cells.append(_others(figures) or "–")
        lines.append("| " + " | ".join(cells) + " |")
    lines += [""] + [f"- {name}: {why}" for name, why in (*skipped.items(), *failures.items())]
    return "\n".join(lines) + "\n"
