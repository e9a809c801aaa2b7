# SPDX-License-Identifier: MIT
"""From runs to rows: the middle of them, against the targets, as a table."""

import fnmatch
import os
import platform
import statistics

import plan

# Of these the worst run counts: one lost byte is lost.
WORST = {"lost_pct", "gaps", "untold_bytes", "disorder", "not_in_index"}

COLUMNS = [
    ("in MB/s", "in_mb_s", "{:.0f}"), ("out MB/s", "out_mb_s", "{:.0f}"),
    ("records/s", "records_per_s", "{:.0f}"), ("p50 µs", "p50_us", "{:.1f}"),
    ("p90 µs", "p90_us", "{:.1f}"), ("p99 µs", "p99_us", "{:.0f}"),
    ("CPU s/GiB", "cpu_s_per_gib", "{:.3f}"), ("lost %", "lost_pct", "{:.2f}"),
]
# Not worth a place in the table: JSON has them.
QUIET = {"records", "max_us", "untold_bytes", "disorder", "not_in_index"}


def machine():
    """What the figures depend on, and is not the program's."""
    with open("/proc/sys/net/ipv4/tcp_congestion_control") as text:
        congestion = text.read().strip()
    with open("/proc/cpuinfo") as text:
        model = next((line.split(":")[1].strip() for line in text if line.startswith("model name")),
                     platform.machine())
    return {"cores": os.cpu_count(), "processor": model, "kernel": platform.release(),
            "congestion_control": congestion, "load": round(os.getloadavg()[0], 1)}


def middle(runs):
    """One row's figures from those of its runs."""
    figures = {}
    for name in sorted({name for run in runs for name in run}):
        values = [run[name] for run in runs if name in run]
        figures[name] = max(values) if name in WORST else statistics.median(values)
    return figures


def verdicts(name, rows):
    """What each target says of a row."""
    found = []
    for pattern, figure, sense, limit in plan.TARGETS:
        if not fnmatch.fnmatchcase(name, pattern) or figure not in rows[name]:
            continue
        if callable(limit):
            limit = limit(rows)
        if limit is None:
            continue
        value = rows[name][figure]
        found.append({"figure": figure, "sense": sense, "limit": limit, "value": value,
                      "ratio": value / limit if limit else None,
                      "reached": value <= limit if sense == "<=" else value >= limit})
    return found


def _said(verdict):
    ratio = "" if verdict["ratio"] is None else f", ratio {verdict['ratio']:.2f}"
    word = "reached" if verdict["reached"] else "**missed**"
    return f"{verdict['figure']} {verdict['sense']} {verdict['limit']:.4g}: {word}{ratio}"


def table(rows, failures, skipped, of):
    """Markdown. Of what must be nothing, and is, one word is enough. `of`: machine()."""
    shown = {key for _, key, _ in COLUMNS} | QUIET
    head = ["row", *(title for title, _, _ in COLUMNS), "further", "targets"]
    lines = [f"{of['cores']} cores ({of['processor']}), Linux {of['kernel']}, "
             f"{of['congestion_control']}, load {of['load']} at the beginning.", "",
             "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, figures in rows.items():
        cells = [form.format(figures[key]) if key in figures else "–" for _, key, form in COLUMNS]
        further = [f"{key} {value:.4g}" for key, value in figures.items()
                   if key not in shown and not (key == "gaps" and not value)]
        cells.append(", ".join(further) or "–")
        judged = verdicts(name, rows)
        said = [_said(v) for v in judged if v["limit"] or not v["reached"]]
        if any(not v["limit"] and v["reached"] for v in judged):
            said.append("exact")
        cells.append("; ".join(said) or "–")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [""] + [f"- {name}: {why}" for name, why in (*skipped.items(), *failures.items())]
    return "\n".join(lines) + "\n"
