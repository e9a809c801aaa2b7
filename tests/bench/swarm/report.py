# SPDX-License-Identifier: MIT
"""How the rows are shown."""

from rows import said

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
MORE = ["targets", "further"]
_SHOWN = {key for _, key, *_ in COLUMNS}


def _limit(value):
    return f"{value / MIB:.1f} MiB" if value > MIB else f"{value:.4g}"


def cells(figures, verdicts):
    further = [f"{name} {value:.4g}" for name, value in sorted(figures.items())
               if name not in _SHOWN]
    return "; ".join(said(v, _limit) for v in verdicts), ", ".join(further)
