# SPDX-License-Identifier: MIT
"""How the rows are shown, and the machine that they depend on."""

import os
import platform

from rows import said

SUMS = set()
# Of these the worst run counts: one lost byte is lost.
WORST = {"lost_pct", "gaps", "untold_bytes", "disorder", "not_in_index"}

COLUMNS = [
    ("in MB/s", "in_mb_s", 1, "{:.0f}"), ("out MB/s", "out_mb_s", 1, "{:.0f}"),
    ("records/s", "records_per_s", 1, "{:.0f}"), ("p50 µs", "p50_us", 1, "{:.1f}"),
    ("p90 µs", "p90_us", 1, "{:.1f}"), ("p99 µs", "p99_us", 1, "{:.0f}"),
    ("of floor", "of_floor", 1, "{:.2f}"), ("CPU s/GiB", "cpu_s_per_gib", 1, "{:.3f}"),
    ("lost %", "lost_pct", 1, "{:.2f}"),
]
MORE = ["further", "targets"]
# Not worth a place in the table: JSON has them.
_QUIET = {"records", "max_us", "untold_bytes", "disorder", "not_in_index"}
_SHOWN = {key for _, key, *_ in COLUMNS} | _QUIET


def machine():
    """What the figures depend on, and is not the program's."""
    with open("/proc/sys/net/ipv4/tcp_congestion_control") as text:
        congestion = text.read().strip()
    with open("/proc/cpuinfo") as text:
        model = next((line.split(":")[1].strip() for line in text if line.startswith("model name")),
                     platform.machine())
    return {"cores": os.cpu_count(), "processor": model, "kernel": platform.release(),
            "congestion_control": congestion, "load": round(os.getloadavg()[0], 1)}


def machine_line(of):
    return (f"{of['cores']} cores ({of['processor']}), Linux {of['kernel']}, "
            f"{of['congestion_control']}, load {of['load']} at the beginning.")


def cells(figures, verdicts):
    """Of what must be nothing, and is, one word is enough."""
    further = [f"{key} {value:.4g}" for key, value in figures.items()
               if key not in _SHOWN and not (key == "gaps" and not value)]
    targets = [said(v) for v in verdicts if v["limit"] or not v["reached"]]
    if any(not v["limit"] and v["reached"] for v in verdicts):
        targets.append("exact")
    return ", ".join(further), "; ".join(targets)
