# SPDX-License-Identifier: MIT
"""Which rows there are, in which order they are run, and what they should reach."""

import functools
import os

import kinds
import players
from programs import ALL
from rows import Row, of
from scenery import MIB, SCENARIOS, Film, Scenario, Service, Swarm

from harness import built
from seeders import start_aria2c, start_transmission

FULL = 1 << 30
QUICK = 48 * MIB
FOREIGN = 320 * MIB
PIECES = {"256K": MIB // 4, "4M": 4 * MIB, "16M": 16 * MIB}
REPEATS = 3


class Group:
    """Rows that share a swarm; they take turns in it."""

    def __init__(self, rows, swarm=None, repeats=REPEATS):
        self.rows, self.swarm, self.repeats = rows, swarm, repeats

    def keep(self, wanted):
        self.rows = [row for row in self.rows if wanted(row)]
        return self


class ForeignSwarm:
    """One seeder of another make."""

    def __init__(self, start, film, scratch):
        self.film = film
        work = os.path.join(scratch, "foreign")
        os.makedirs(work, exist_ok=True)
        self.seeder = start(film, film.folder, work)
        self.peers = [self.seeder.peer]

    def uploaded(self):
        return 0

    def stop(self):
        self.seeder.stop()


class VirtualSwarm:
    """vseed: a film that nobody keeps."""

    def __init__(self, size, scratch):
        self.film = type("VirtualFilm", (), {})()
        self.film.size, self.film.piece = size, MIB
        self.film.name = f"pattern-{size}-1.bin"
        self.film.torrent = os.path.join(scratch, f"virtual-{size}.torrent")
        self.seeder = Service(built("vseed"), "--size", size, "--torrent", self.film.torrent,
                              "--listen", "127.0.0.11:0")
        self.peers = [f"127.0.0.11:{self.seeder.ports[0]}"]

    def uploaded(self):
        return self.seeder.figure()

    def stop(self):
        self.seeder.stop()


def _row(scenario, what, program, options, form="torrent", **more):
    """A row of one of the functions in kinds."""
    name = f"{scenario}/{what.__name__}/{program}" + (f"/{form}" if what is kinds.cold else "")
    kind = ALL[program]

    def run(swarm, repeat):
        extra = {"repeat": repeat} if what is kinds.seeks else {}
        return what(kind, swarm, form, options.bounds, options.scratch, **more, **extra)
    return Row(name, run, kind)


def _open(options, film):
    row = functools.partial(_row, "open", options=options)
    rows = [row(kinds.cold, program, form=form) for form in ("torrent", "magnet")
            for program in ("mount", "library", "rqbit", "btfs")]
    rows += [row(kinds.seeks, program, slow=False)
             for program in ("mount", "library", "rqbit", "btfs")]
    rows += [row(kinds.whole, program)
             for program in ("baseline", "mount", "library", "rqbit", "btfs")]
    rows += [row(kinds.readers, program) for program in ("mount", "library")]
    return Group(rows, lambda: Swarm(SCENARIOS["open"], film()))


def _utp(options, film):
    rows = [_row("open-utp", kinds.cold, "mount", options),
            _row("open-utp", kinds.seeks, "mount", options),
            _row("open-utp", kinds.whole, "mount", options)]
    return Group(rows, lambda: Swarm(SCENARIOS["open-utp"], film()))


def _seeks(name, programs, options, film, **more):
    rows = [_row(name, kinds.seeks, program, options, **more) for program in programs]
    return Group(rows, lambda: Swarm(SCENARIOS[name], film()))


def _pieces(label, options, film):
    rows = [_row(f"pieces-{label}", what, "mount", options, **more)
            for what, more in ((kinds.seeks, {"slow": False}), (kinds.whole, {}))]
    return Group(rows, lambda: Swarm(Scenario([0]), film()))


def _foreign(name, start, options, repeats=REPEATS):
    film = functools.partial(Film, options.scratch, 16 * MIB if options.quick else FOREIGN)
    return Group([_row(name, kinds.foreign, "mount", options)],
                 lambda: ForeignSwarm(start, film(), options.scratch), repeats)


def _players(suffix, options):
    def swarm():
        size = 8 * MIB if options.quick else 200 * MIB
        film = players.RealFilm(players.make_film(options.scratch, suffix, size))
        return Swarm(Scenario([0]), film)

    def run(player):
        return lambda swarm, _: players.start_pattern(player, swarm, options.scratch)
    return Group([Row(f"{suffix}/start/{player}", run(player), _Needs(player, "strace", "ffmpeg"))
                  for player in players.COMMANDS], swarm)


class _Needs:
    """Stands where a program of programs.py stands, for what is only looked for."""

    def __init__(self, *programs):
        self.programs = programs

    def missing(self):
        import shutil
        absent = [p for p in self.programs if not shutil.which(p)]
        return f"{', '.join(absent)} not installed" if absent else None


class _Known:
    """The neighbour that measures what sleeps."""

    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench_known.py")

    def missing(self):
        return None if os.path.exists(self.path) else "bench_known.py is not there"


def _long(options, film):
    paused = _row("capped", kinds.paused, "mount", options)
    size = 256 * MIB if options.quick else 20 << 30
    virtual = [_row("virtual-20G", kinds.virtual, program, options)
               for program in ("mount", "library")]
    return [Group([paused], lambda: Swarm(SCENARIOS["capped"], film()), repeats=1),
            Group(virtual, lambda: VirtualSwarm(size, options.scratch), repeats=1)]


def groups(options):
    film = functools.cache(functools.partial(Film, options.scratch, options.size))
    found = [_open(options, film), _utp(options, film),
             _seeks("capped", ("mount", "library", "rqbit", "btfs"), options, film),
             _seeks("line", ("mount", "library", "rqbit"), options, film),
             _seeks("slowpeer", ("mount", "rqbit"), options, film),
             _seeks("rtt40", ("mount", "library", "rqbit"), options, film),
             _seeks("rtt100", ("mount",), options, film),
             _seeks("loss5", ("mount",), options, film, jumps=1)]
    found += [_pieces(label, options, functools.partial(Film, options.scratch, options.size, piece))
              for label, piece in PIECES.items()]
    found += [_foreign("aria2", start_aria2c, options)]
    found += [_players(suffix, options) for suffix in ("mkv", "mp4")]
    if not options.quick:
        # Minutes each, whatever they are given to do: once.
        found.append(_foreign("transmission", start_transmission, options, repeats=1))
        known = _Known()
        found.append(Group([Row("known/3000/mount",
                                lambda *_: kinds.known(known.path), known)],
                           repeats=1))
    found += _long(options, film) if options.long else []
    if options.quick:  # five seconds a start
        found = [group.keep(lambda row: not getattr(row.needs, "slow", False)
                            or row.name == "open/cold/btfs/torrent") for group in found]
    return found


# ---- targets ----

MEMORY = 64 * MIB + 24 * MIB  # and half a MiB a peer


def _memory(peers):
    return MEMORY + peers * MIB // 2


# Row, figure, sense, limit. A row's name may end with *.
TARGETS = [
    ("open/cold/mount/torrent", "p50", "<=", 50),
    ("open/cold/mount/magnet", "p50", "<=", 90),
    ("open/seeks/mount", "p50", "<=", 8),
    ("open/seeks/mount", "p90", "<=", 20),
    ("open/whole/mount", "mb_per_s", ">=", of("open/whole/baseline", "mb_per_s")),
    ("open/whole/mount", "mb_per_s", ">=", of("open/whole/rqbit", "mb_per_s", 1.2)),
    ("open/whole/mount", "cpu_s_per_gib", "<=", of("open/whole/rqbit", "cpu_s_per_gib", 0.8)),
    ("open/whole/mount", "memory", "<=", _memory(1)),
    ("open/readers/mount", "mb_per_s", ">=", of("open/whole/mount", "mb_per_s", 0.9)),
    ("open/readers/mount", "slowest_of_fastest", ">=", 0.7),
    ("open/readers/library", "mb_per_s", ">=", of("open/whole/library", "mb_per_s", 0.9)),
    ("open/readers/library", "slowest_of_fastest", ">=", 0.7),
    ("capped/seeks/mount", "p50", "<=", 150),
    ("capped/seeks/mount", "p90", "<=", 300),
    ("capped/seeks/mount", "jump_p50_s", "<=", 2.0),
    ("capped/seeks/mount", "memory", "<=", _memory(4)),
    ("capped/seeks/library", "late_per_jump", "<=", 0.3 * 10 * MIB),
    ("line/seeks/mount", "p50", "<=", 150),
    ("line/seeks/mount", "p90", "<=", 300),
    ("line/seeks/mount", "jump_p50_s", "<=", 2.0),
    ("line/seeks/library", "late_per_jump", "<=", 0.3 * 10 * MIB),
    ("slowpeer/seeks/mount", "p50", "<=", of("capped/seeks/mount", "p50", 1.3)),
    ("slowpeer/seeks/mount", "p90", "<=", of("capped/seeks/mount", "p90", 1.3)),
    ("slowpeer/seeks/mount", "jump_p50_s", "<=", of("capped/seeks/mount", "jump_p50_s", 1.3)),
    ("rtt40/seeks/mount", "p50", "<=", 260),
    ("rtt40/seeks/mount", "p90", "<=", 290),
    ("rtt40/seeks/mount", "redundant", "<=", 0),
    ("rtt40/seeks/library", "redundant", "<=", 0),
    ("rtt40/seeks/library", "late_per_jump", "<=", 0.3 * 25_000_000),
    ("transmission/foreign/mount", "longest_wait_s", "<=", 1.5),
    ("known/3000/mount", "known_start", "<=", 2000),
    ("known/3000/mount", "known_rss", "<=", 64),  # MiB
    # In ms a second; that of the ten alone, but for a few ticks of the kernel's clock.
    ("known/3000/mount", "known_idle_cpu", "<=", lambda rows, name: rows[name]["alone_idle_cpu"] + 2),
    ("virtual-20G/virtual/mount", "memory", "<=", _memory(1)),
    ("*/seeks/mount", "fetched_per_pieces", "<=", 3.0),
    ("*/seeks/library", "fetched_per_pieces", "<=", 3.0),
    ("*/mount", "redundant", "<=", 1.0),
    ("*/library", "redundant", "<=", 1.0),
    ("*/start/*", "fetched", "<=", lambda rows, name: rows[name]["fetched_allowed"]),
]
