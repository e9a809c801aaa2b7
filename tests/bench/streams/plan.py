# SPDX-License-Identifier: MIT
"""Which rows there are, in which order they are run, and what they should reach."""

import kinds
from rows import Row, of
from servers import BusyPfs, Nats, Pfs, Redis, SleepingPfs

READERS = (0, 1, 4, 16, 64)
SERVERS = (Pfs, Redis, Nats)


def _row(name, what, *arguments, server=None, many=False, **more):
    """A row of one of the functions in kinds."""
    return Row(name, lambda _repeat: what(*arguments, **more), server, many)


def _loads(what, readers, seconds, servers=SERVERS, **more):
    """The servers in turns, under the same load."""
    return [_row(f"{what}/r{readers}/{one.name}", kinds.load, one, readers, seconds, server=one,
                 **more)
            for one in servers]


def _floor(what, readers, seconds, **more):
    return [_row(f"{what}/r{readers}/floor", kinds.floor, readers, seconds, **more)]


def _fans(readers, seconds):
    return [_row(f"put-64K/r{readers}/{name}", kinds.fan, readers, seconds, copies)
            for name, copies in (("fan", False), ("fan-copy", True))]


def _puts(readers, seconds):
    rows = _loads("put-64K", readers, seconds)
    if readers <= 1:
        rows += _loads("put-64K", readers, seconds, [SleepingPfs])
        rows += _floor("put-64K", readers, seconds)
    return rows + (_fans(readers, seconds) if readers else [])


def _small(what, readers, seconds, servers=SERVERS, **more):
    rows = _loads(what, readers, seconds, servers, size=1024, **more)
    return rows + (_floor(what, readers, seconds, size=1024, **more) if readers == 1 else [])


def groups(quick):
    """Lists of rows that alternate."""
    seconds = 0.2 if quick else 2.0
    found = [_puts(readers, seconds) for readers in READERS]
    found += [_loads("block-64K", readers, seconds, [Pfs], policy="block")
              for readers in READERS[2:]]
    found += [_small("put-1K", readers, seconds) for readers in (1, 16)]
    found += [_loads("chunks-1K", readers, seconds, [Pfs], size=1024, mode="chunked")
              for readers in (0, 1, 16)]
    found += [_small("paced-1K", 1, seconds, (Pfs, BusyPfs, Redis, Nats), gap_us=1000),
              _small("paced-1K", 16, seconds, gap_us=1000)]
    found += [[_row(f"idle/{readers}/pfs", kinds.idle, Pfs, readers, 0.5 if quick else 5.0,
                    server=Pfs)]
              for readers in ((100, 1000) if quick else (1000, 10000))]
    found += [[_row("ring", kinds.ring, 20 if quick else 300, many=True)]]
    return found


# ---- what the machine itself gives ----

# Group, the figure that is compared, the row that does nothing else.
FLOORS = {
    "put-64K/r0": ("in_mb_s", "floor"),
    "put-64K/r1": ("in_mb_s", "floor"),
    **{f"put-64K/r{readers}": ("out_mb_s", "fan-copy") for readers in READERS[2:]},
    "put-1K/r1": ("records_per_s", "floor"),
    "paced-1K/r1": ("p50_us", "floor"),
}


def add_of_floor(rows):
    """To each row that stands beside a floor, its figure against the floor's."""
    for group, (figure, name) in FLOORS.items():
        least = rows.get(f"{group}/{name}", {}).get(figure)
        for program in (*SERVERS, BusyPfs, SleepingPfs):
            figures = rows.get(f"{group}/{program.name}", {})
            if least and figure in figures:
                figures["of_floor"] = figures[figure] / least


# ---- targets ----

# MB/s in of the original server, measured with another client on a like machine.
ORIGINAL = {0: 470, 1: 470, 4: 380, 16: 190, 64: 53}

# Row (may hold *), figure, sense, limit.
TARGETS = [
    ("put-64K/r0/pfs", "in_mb_s", ">=", 2 * ORIGINAL[0]),
    ("put-64K/r1/pfs", "in_mb_s", ">=", 1.5 * ORIGINAL[1]),
    ("put-64K/r4/pfs", "in_mb_s", ">=", 1.5 * ORIGINAL[4]),
    *((f"put-64K/r{r}/pfs", "out_mb_s", ">=", of(f"put-64K/r{r}/fan-copy", "out_mb_s", 2.3))
      for r in (16, 64)),
    ("put-64K/*/pfs*", "cpu_s_per_gib", "<=", 0.6),
    ("block-64K/*/pfs", "cpu_s_per_gib", "<=", 0.6),
    ("block-64K/*/pfs", "lost_pct", "<=", 0),
    ("*/pfs*", "untold_bytes", "<=", 0),
    ("*/pfs*", "disorder", "<=", 0),
    ("*/pfs*", "not_in_index", "<=", 0),
    ("chunks-1K/r0/pfs", "records_per_s", ">=", 200_000),
    ("chunks-1K/r1/pfs", "records_per_s", ">=", 200_000),
    ("paced-1K/r1/pfs*", "p50_us", "<=", 50),
    ("idle/*/pfs", "bytes_per_reader", "<=", 4096),
    ("ring/64/r1", "million_per_s", ">=", 5),
    ("ring/65536/r0", "of_memcpy_pct", ">=", 60),
    ("ring/65536/r1", "of_memcpy_pct", ">=", 60),
    # With a processor to spare a reader may look; as it judges it also thinks of others.
    ("ring/paced-*/ring-looks-*", "p50_us", "<=", 5),
    ("ring/paced-*/ring-as-it-judges", "p50_us", "<=", 5),
]
