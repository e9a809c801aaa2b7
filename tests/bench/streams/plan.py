# SPDX-License-Identifier: MIT
"""Which rows there are, in which order they are run, and what they should reach."""

import functools

import kinds
from servers import Nats, Pfs, Redis

READERS = (0, 1, 4, 16, 64)
SERVERS = (Pfs, Redis, Nats)


class Turn:
    """`run()` gives the figures of a row; with `many`, rows by name."""

    def __init__(self, name, run, server=None, many=False):
        self.name, self.run, self.server, self.many = name, run, server, many

    def missing(self):
        return self.server.missing() if self.server else None


def _loads(what, readers, seconds, servers=SERVERS, **more):
    """The servers in turns, under the same load."""
    return [Turn(f"{what}/r{readers}/{server.name}",
                 functools.partial(kinds.load, server, readers, seconds, **more), server)
            for server in servers]


def _fans(readers, seconds):
    return [Turn(f"put-64K/r{readers}/{name}",
                 functools.partial(kinds.fan, readers, seconds, copies))
            for name, copies in (("fan", False), ("fan-copy", True))]


def groups(quick):
    """Lists of turns that alternate."""
    seconds = 0.2 if quick else 2.0
    found = [_loads("put-64K", readers, seconds) + (_fans(readers, seconds) if readers else [])
             for readers in READERS]
    found += [_loads("block-64K", readers, seconds, [Pfs], policy="block")
              for readers in READERS[2:]]
    found += [_loads("put-1K", readers, seconds, size=1024) for readers in (1, 16)]
    found += [_loads("chunks-1K", readers, seconds, [Pfs], size=1024, mode="chunked")
              for readers in (0, 1, 16)]
    found += [_loads("paced-1K", readers, seconds, size=1024, gap_us=1000) for readers in (1, 16)]
    found += [[Turn(f"idle/{readers}/pfs",
                    functools.partial(kinds.idle, Pfs, readers, 0.5 if quick else 5.0), Pfs)]
              for readers in ((100, 1000) if quick else (1000, 10000))]
    found += [[Turn("ring", functools.partial(kinds.ring, 20 if quick else 300), many=True)]]
    return found


# ---- targets ----

def _of(row, figure, factor):
    """A limit that is another row's figure of the same run, times something."""
    return lambda rows: rows[row][figure] * factor if figure in rows.get(row, ()) else None


# MB/s in of the original server, measured with another client on a like machine.
ORIGINAL = {0: 470, 1: 470, 4: 380, 16: 190, 64: 53}

# Row (may hold *), figure, sense, limit.
TARGETS = [
    ("put-64K/r0/pfs", "in_mb_s", ">=", 2 * ORIGINAL[0]),
    ("put-64K/r1/pfs", "in_mb_s", ">=", 1.5 * ORIGINAL[1]),
    ("put-64K/r4/pfs", "in_mb_s", ">=", 1.5 * ORIGINAL[4]),
    *((f"put-64K/r{r}/pfs", "out_mb_s", ">=", _of(f"put-64K/r{r}/{fan}", "out_mb_s", 2.3))
      for r in (16, 64) for fan in ("fan-copy", "fan")),
    ("put-64K/*/pfs", "cpu_s_per_gib", "<=", 0.6),
    ("block-64K/*/pfs", "cpu_s_per_gib", "<=", 0.6),
    ("block-64K/*/pfs", "lost_pct", "<=", 0),
    ("*/pfs", "untold_bytes", "<=", 0),
    ("*/pfs", "disorder", "<=", 0),
    ("*/pfs", "not_in_index", "<=", 0),
    ("chunks-1K/r0/pfs", "records_per_s", ">=", 200_000),
    ("chunks-1K/r1/pfs", "records_per_s", ">=", 200_000),
    ("paced-1K/r1/pfs", "p50_us", "<=", 50),
    ("idle/*/pfs", "bytes_per_reader", "<=", 4096),
    ("ring/64/r1", "million_per_s", ">=", 5),
    ("ring/65536/r0", "of_memcpy_pct", ">=", 60),
    ("ring/65536/r1", "of_memcpy_pct", ">=", 60),
    ("ring/paced-*/ring-as-it-judges", "p50_us", "<=", 5),
]
