#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`pfs serve` with many: ten thousand readers, readers that never read, no descriptors
left, and bursts that many readers wait for."""

import os
import resource
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, equal, eventually, main, sanitized
from numbered import RECORD, Reader, Writer, begin, descriptors, dice, finish, record
from pfs_tool import Server, resident
from rawhttp import Wire, ask, ask_json, put, readers, seal, written

KIB, MIB = 1 << 10, 1 << 20
LOW_LATENCY = ("--channel-buffer-size", "256KB", "--ring-buffer-size", "512KB")


def room_for(connections):
    """Raise our own limit; the server raises its. How many there can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(most, connections + 1000)), hard))
    return min(connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)


@case(timeout=120)
def ten_thousand_readers_wait_and_all_get_the_next_bytes(_):
    wanted = 2000 if sanitized() else 10_000
    n = room_for(wanted)
    if n < wanted:
        print(f"  {n} instead of {wanted}: the limit of descriptors")
    server = Server()
    put(server, "/streamfs/s", b"")
    before, memory = descriptors(server), resident(server)
    wires = []
    for _ in range(n):
        wires.append(Wire(server))
        wires[-1].begin("GET /files?path=/streamfs/s&stream=true")
    for wire in wires:
        equal(wire.head().status, 200, "a reader")
    equal(readers(server), n, "readers")
    each = (resident(server) - memory) / n
    print(f"  {n} readers, {each:.0f} bytes of memory for each")
    check(sanitized() or each < 6 * KIB, f"{each:.0f} bytes for each idle reader")
    put(server, "/streamfs/s", record(1, 0))
    for wire in wires:
        equal(wire.read(RECORD), record(1, 0), "what a reader got")
    for wire in wires[n // 2:]:
        wire.close()
    eventually(lambda: readers(server) == n // 2, "half of them left")
    seal(server)
    for wire in wires[:n // 2]:
        equal(wire.chunk(), b"", "the end")
        wire.close()
    eventually(lambda: descriptors(server) <= before, "their descriptors are back")


@case
def a_reader_that_never_reads_costs_little_and_holds_nobody_up(_):
    server = Server()
    lazy = [Wire(server, recv_buffer=4096) for _ in range(4)]
    for wire in lazy:
        wire.stream("/streamfs/s")
    keen = begin([Reader(server, "/streamfs/s", "&policy=block")])
    writer = begin([Writer(server, "/streamfs/s", 1, total=16 * KIB)])  # 64 MiB
    finish(writer)
    equal(writer[0].refused, [], "refused writes")
    _, stats = ask_json(server, "GET /streams/stats?path=/streamfs/s")
    check(stats["streams"][0]["memory"] < 40 * MIB, f"memory {stats['streams'][0]['memory']}")
    equal(readers(server), 5, "the lazy ones are still there")
    seal(server)
    finish(keen)
    keen[0].properly("the keen one", "sealed")
    equal((keen[0].order.records, keen[0].dropped()), (16 * KIB, 0), "all of it")
    for wire in lazy:
        wire.close()
    eventually(lambda: readers(server) == 0, "gone")


@case
def without_descriptors_new_ones_are_refused_and_streams_go_on(_):
    server = Server()
    inside = begin([Reader(server, "/streamfs/s", "&policy=block") for _ in range(4)])
    writer = begin([Writer(server, "/streamfs/s", 1)])
    eventually(lambda: written(server) > MIB, "it runs")
    limit = descriptors(server) + 10
    _, hard = resource.prlimit(server.child.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.child.pid, resource.RLIMIT_NOFILE, (limit, hard))
    taken, told, silent = [], 0, 0
    for _ in range(60):
        wire = Wire(server, timeout=20)
        taken.append(wire)
        try:
            status = wire.stream("/streamfs/s", "&from=now").status
        except (AssertionError, OSError):
            silent += 1
            continue
        told += status == 503
        check(status in (200, 503), f"status {status}")
    print(f"  {told} of 60 were told 503, {silent} were cut")
    check(told > 0 and silent == 0, "refused without a word")
    check(descriptors(server) <= limit, "more descriptors than there can be")
    at = writer[0].written
    eventually(lambda: writer[0].written > at + 200, "the writer goes on")
    for wire in taken:
        wire.close()
    resource.prlimit(server.child.pid, resource.RLIMIT_NOFILE, (hard, hard))
    eventually(lambda: ask(server, "GET /health").status == 200, "new ones again")
    finish([writer[0].stop()])
    seal(server)
    finish(inside)
    for reader in inside:
        reader.properly("a reader", "sealed")
        equal((reader.order.records, reader.dropped()), (writer[0].written, 0), "all of it")


@case(timeout=120)
def bursts_reach_all_of_many_readers_without_a_write_that_follows(_):
    """A server may gather what comes in close succession before it serves many
    readers: the last bytes of a burst must not wait for the first of the next."""
    server, chance = Server(*LOW_LATENCY), dice()
    put(server, "/streamfs/s", b"")
    wires = [Wire(server) for _ in range(24)]
    for wire in wires:
        equal(wire.stream("/streamfs/s", "&policy=block").status, 200, "a reader")
    with Wire(server) as writer:
        for number in range(100):
            sizes = [16 * chance.randrange(1, 5) * KIB for _ in range(chance.randrange(1, 12))]
            burst = [record(number, i) * (size // RECORD) for i, size in enumerate(sizes)]
            for body in burst:
                writer.begin("PUT /files?path=/streamfs/s", body)
            for wire in wires:
                check(wire.read(sum(sizes)) == b"".join(burst), f"burst {number} is another one")
            for body in burst:
                equal(writer.answer().status, 200, "a write")


if __name__ == "__main__":
    main()
