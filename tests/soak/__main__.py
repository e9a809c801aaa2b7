# SPDX-License-Identifier: MIT
"""soak: random operations and faults for as long as one likes, every byte compared.

    soak (--minutes N | --seconds N) [--seed S] [--swarm fake|real|streams|http]
         [--round R] [--size MIB] [--ram MIB]

Over the scripted swarm (fake, the default; soak_fake in this build), over real
clients on loopback (real; see real.py), over streams in one process (streams;
soak_streams) or around a `pfs serve` (http; see streams_http.py). Prints operations, faults, bytes and
failures every 10 s and at the end. The same seed makes the same decisions;
without one, the clock chooses, and it is printed. --round repeats one round of
the scripted swarm. Exit status: 0, 1 after any failure, 2 for wrong usage.
The build under test is GOS_BUILD_DIR, which TESTS/soak of a build sets.
"""

import argparse
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import real
import streams_http
from harness import Skip, built


def arguments():
    parser = argparse.ArgumentParser(prog="soak", description=__doc__.split("\n\n")[0])
    time_given = parser.add_mutually_exclusive_group()
    time_given.add_argument("--minutes", type=float)
    time_given.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, help="default: from the clock")
    parser.add_argument("--swarm", choices=("fake", "real", "streams", "http"),
                        default="fake")
    parser.add_argument("--round", type=int, help="of the scripted swarm, only this one")
    parser.add_argument("--size", type=int, default=192, help="of the film, MiB")
    parser.add_argument("--ram", type=int, default=48, help="budget of each engine, MiB")
    chosen = parser.parse_args()
    chosen.seconds = chosen.seconds or (chosen.minutes or 0) * 60
    if chosen.seconds <= 0 and (chosen.round is None or chosen.swarm != "fake"):
        parser.error("how long? --minutes or --seconds")
    if chosen.seed is None:
        chosen.seed = int(time.time())
    return chosen


def main():
    chosen = arguments()
    try:
        if chosen.swarm == "real":
            sys.exit(real.soak(chosen))
        if chosen.swarm == "http":
            sys.exit(streams_http.soak(chosen))
        program = built(f"soak_{chosen.swarm}")
    except Skip as reason:
        print(f"skip ({reason})")
        sys.exit(77)
    argv = [program, "--seed", str(chosen.seed), "--seconds", str(int(chosen.seconds))]
    if chosen.round is not None:
        argv += ["--round", str(chosen.round)]
    sys.stdout.flush()
    os.execv(program, argv)


main()
