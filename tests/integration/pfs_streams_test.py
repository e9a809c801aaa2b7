#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Live streams: pfs against our own server, `pfs serve`."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, contains, equal, eventually, main, patience, same_bytes
from pfs_tool import (Pfs, Relay, caught, gives_bytes_at_once, ours, readers_of,
                      tells_streams_from_files, wait_for_readers)
from torrentmaker import pattern

KIB, MIB = 1 << 10, 1 << 20


def written(pfs, path):
    """total_written as stat says it."""
    found = re.search(rb"'total_written': '(\d+)'", pfs.ended("stat", path)[1])
    return int(found[1]) if found else 0


def stuck(pid):
    """Whether it has not read a byte for a while."""
    def position():
        with open(f"/proc/{pid}/io", encoding="ascii") as file:
            return file.readline()
    before = position()
    time.sleep(0.2)
    return before == position() and before != "rchar: 0\n"


# ---- streams ----

@case
def a_reader_that_comes_first_makes_the_stream_and_gets_bytes_at_once(_):
    gives_bytes_at_once(ours()[1])


@case
def a_slow_producer_reaches_readers_read_by_read(_):
    _, pfs = ours()
    reader = pfs.start("cat", "--stream", "/streamfs/s")
    writer = pfs.start("write", "--stream", "--seal", "/streamfs/s")
    for piece in (b"x", b"yy\n", bytes(range(256)) * 300):
        writer.write(piece)
        same_bytes(reader.read(len(piece)), piece, "what the reader got")
    equal(writer.end(), (0, b"", ""), "the writer")
    equal(reader.end(), (0, b"", ""), "the reader of the sealed stream")


@case
def sealed_streams_are_drained_by_late_readers_and_take_no_more(_):
    _, pfs = ours()
    content = pattern(3 * MIB)
    equal(pfs("write", "--stream", "--seal", "/streamfs/s", stdin=content), b"", "write")
    same_bytes(pfs("cat", "--stream", "/streamfs/s"), content, "a late reader")
    check(pfs.ended("write", "/streamfs/s", "more")[0] == 1, "writing to a sealed stream fails")
    pfs("write", "/streamfs/t", "x")
    equal(pfs("seal", "/streamfs/t"), b"", "seal")
    equal(pfs("cat", "--stream", "/streamfs/t"), b"x", "a stream sealed by hand")
    pfs.fails("seal", "/streamfs/nothing", says="seal: ")


@case
def all_readers_of_a_large_stream_get_the_same(_):
    """Blocking readers lose nothing; a gibibyte in the long run."""
    _, pfs = ours()
    size = (1 << 30) if os.environ.get("GOS_TEST_LONG") else 48 * MIB
    block = os.urandom(MIB)
    readers = [pfs.start("cat", "--stream", "--policy", "block", "--strict", "/streamfs/s")
               for _ in range(8)]
    wait_for_readers(pfs, "/streamfs/s", 8)
    sums = [hashlib.sha256() for _ in readers]

    def digest(reader, total):
        while piece := reader.child.stdout.read(MIB):
            total.update(piece)

    threads = [threading.Thread(target=digest, args=pair) for pair in zip(readers, sums)]
    for thread in threads:
        thread.start()
    writer = pfs.start("write", "--stream", "--seal", "/streamfs/s")
    want = hashlib.sha256()
    for i in range(size // MIB):
        piece = i.to_bytes(8, "big") + block[8:]
        want.update(piece)
        sent = 0
        while sent < len(piece):
            sent += writer.child.stdin.write(piece[sent:])
    equal(writer.end(timeout=120), (0, b"", ""), "the writer")
    for thread in threads:
        thread.join()
    for reader, total in zip(readers, sums):
        equal(reader.child.wait(), 0, "a reader")
        equal(total.hexdigest(), want.hexdigest(), "its bytes")


@case
def what_a_slow_reader_loses_is_counted_to_the_byte(_):
    _, pfs = ours()
    total = 64 * MIB
    reader = pfs.start("cat", "--stream", "--strict", "/streamfs/s")
    wait_for_readers(pfs, "/streamfs/s", 1)
    os.kill(reader.pid, signal.SIGSTOP)
    pfs("write", "--stream", "--seal", "/streamfs/s", stdin=bytes(total))
    os.kill(reader.pid, signal.SIGCONT)
    status, out, err = reader.end()
    equal(status, 3, f"the reader: {err}")
    lost = sum(int(n) for n in re.findall(r"(\d+) bytes were lost", err))
    check(lost > 0, "something was lost")
    equal(len(out) + lost, total, "what came and what was lost")
    for line in err.splitlines():
        check(re.fullmatch(r"cat: /streamfs/s: \d+ bytes were lost: they were read too slowly",
                           line), line)


@case
def losses_without_strict_are_told_and_no_failure(_):
    _, pfs = ours()
    reader = pfs.start("cat", "--stream", "/streamfs/s")
    wait_for_readers(pfs, "/streamfs/s", 1)
    os.kill(reader.pid, signal.SIGSTOP)
    pfs("write", "--stream", "--seal", "/streamfs/s", stdin=bytes(48 * MIB))
    os.kill(reader.pid, signal.SIGCONT)
    status, _, err = reader.end()
    equal(status, 0, "the reader")
    contains(err, "bytes were lost", "its words")


@case
def a_broken_connection_is_gone_on_with_where_it_broke(_):
    server, pfs = ours()
    content = pattern(4 * MIB)
    relay = Relay(server.port, cuts=[MIB + 17, 3 * KIB])
    pfs("write", "--stream", "/streamfs/s", stdin=content)
    reader = Pfs(relay.url).start("cat", "--stream", "--strict", "/streamfs/s")
    same_bytes(reader.read(len(content)), content, "what the reader got")
    check(relay.connections >= 3, f"{relay.connections} connections")
    relay.cut()
    pfs("write", "/streamfs/s", "after")
    equal(reader.read(5), b"after", "after a break while idle")
    pfs("seal", "/streamfs/s")
    equal(reader.end(), (0, b"", ""), "the reader")


def broken_off():
    """A reader that was stopped after "before", and whose connection broke then."""
    server, pfs = ours()
    relay = Relay(server.port)
    pfs("write", "/streamfs/s", "before")
    reader = Pfs(relay.url).start("cat", "--stream", "--strict", "/streamfs/s")
    equal(reader.read(6), b"before", "before the break")
    os.kill(reader.pid, signal.SIGSTOP)
    relay.cut()
    return pfs, reader


@case
def what_left_the_ring_during_a_break_is_counted(_):
    pfs, reader = broken_off()
    pfs("write", "--stream", "--seal", "/streamfs/s", stdin=bytes(20 * MIB))
    os.kill(reader.pid, signal.SIGCONT)
    status, out, err = reader.end()
    equal(status, 3, f"the reader: {err}")
    lost = sum(int(n) for n in re.findall(r"(\d+) bytes were lost", err))
    equal(len(out) + lost, 20 * MIB, "what came and what was lost")


@case(each=[("shorter", b"new"), ("longer", b"new, and longer than the old one")])
def a_stream_that_was_replaced_is_not_taken_for_the_same(_, _name, content):
    pfs, reader = broken_off()
    pfs("rm", "/streamfs/s")
    pfs("write", "--seal", "/streamfs/s", stdin=content)
    os.kill(reader.pid, signal.SIGCONT)
    status, out, err = reader.end()
    equal((status, out), (3, content), f"the reader: {err}")
    contains(err, "the server has another stream now", "its words")


@case
def a_server_that_was_begun_anew_has_another_stream(_):
    first, pfs = ours()
    relay = Relay(first.port)
    pfs("write", "/streamfs/s", "before")
    reader = Pfs(relay.url).start("cat", "--stream", "--strict", "--retry-for", "20", "/streamfs/s")
    equal(reader.read(6), b"before", "before the break")
    second, pfs = ours()
    relay.port = second.port
    first.kill()
    content = b"what a producer writes that began anew, too"
    pfs("write", "--seal", "/streamfs/s", stdin=content)
    status, out, err = reader.end()
    equal((status, out), (3, content), f"the reader: {err}")
    contains(err, "the server has another stream now", "its words")


@case
def a_server_that_is_killed_is_an_error_with_a_sentence(_):
    server, pfs = ours()
    pfs("write", "/streamfs/s", "x")
    reader = pfs.start("cat", "--stream", "--retry-for", "0.2", "/streamfs/s")
    equal(reader.read(1), b"x", "history")
    writer = pfs.start("write", "--stream", "/streamfs/s")
    writer.write(b"y")
    equal(reader.read(1), b"y", "live")
    server.kill()
    status, out, err = reader.end()
    equal((status, out), (1, b""), "the reader")
    contains(err, "cat: /streamfs/s: after 2 bytes: no server at ", "the reader's words")
    status, out, err = writer.end(stdin=False)
    equal((status, out), (1, b""), "the writer")
    contains(err, "write: /streamfs/s: the connection to the server was lost", "the writer's words")


@case
def a_server_that_is_killed_under_load_is_never_silence(_):
    server, pfs = ours()
    readers = [pfs.start("cat", "--stream", "--retry-for", "0.2", "/streamfs/s",
                         stdout=subprocess.DEVNULL) for _ in range(3)]
    wait_for_readers(pfs, "/streamfs/s", 3)
    with open("/dev/zero", "rb") as zero:
        writer = pfs.start("write", "--stream", "/streamfs/s", stdin=zero)
        eventually(lambda: written(pfs, "/streamfs/s") > 8 * MIB, "the stream flows")
        server.kill()
        status, _, err = writer.end()
    equal(status, 1, "the writer")
    contains(err, "write: /streamfs/s: the connection to the server was lost; of ", "its words")
    for reader in readers:
        status, _, err = reader.end()
        equal(status, 1, "a reader")
        contains(err, "cat: ", "its words")


@case
def a_server_that_ends_in_order_gives_its_readers_an_end(_):
    server, pfs = ours()
    pfs("write", "/streamfs/s", "x")
    reader = pfs.start("cat", "--stream", "/streamfs/s")
    equal(reader.read(1), b"x", "history")
    equal(server.terminate(), 0, "the server")
    equal(reader.end(), (0, b"", ""), "the reader")


@case
def ctrl_c_ends_a_writer_with_all_it_read_acknowledged(_):
    _, pfs = ours()
    reader = pfs.start("cat", "--stream", "/streamfs/s")
    writer = pfs.start("write", "--stream", "--seal", "/streamfs/s")
    writer.write(b"before")
    equal(reader.read(6), b"before", "what was sent")
    writer.interrupt()
    equal(writer.end(stdin=False), (0, b"", ""), "the writer after Ctrl-C")
    equal(reader.end(), (0, b"", ""), "the reader, for the stream is sealed")


@case
def ctrl_c_ends_a_reader_also_when_nobody_reads_its_output(_):
    _, pfs = ours()
    reader = pfs.start("cat", "--stream", "/streamfs/s")
    wait_for_readers(pfs, "/streamfs/s", 1)
    pfs("write", "--stream", "/streamfs/s", stdin=bytes(4 * MIB))
    state = f"/proc/{reader.pid}/wchan"
    eventually(lambda: "pipe" in open(state).read() or not os.access(state, os.R_OK),
               "the reader waits for its full pipe")
    reader.interrupt()
    equal(reader.child.wait(timeout=10 * patience()), 0, "the reader after Ctrl-C")
    eventually(lambda: readers_of(pfs, "/streamfs/s") == 0, "it is gone from the server")


@case
def ctrl_c_in_the_middle_of_a_file_is_a_failure(work):
    _, pfs = ours()
    pfs("write", "/memfs/f", stdin=bytes(40 * MIB))
    reader = pfs.start("cat", "/memfs/f")
    reader.read(1)
    reader.interrupt()
    equal(reader.child.wait(timeout=10 * patience()), 1, "cat")
    equal(reader.child.stderr.read(), b"cat: /memfs/f: interrupted\n", "its words")
    target = os.path.join(work, "pipe")
    os.mkfifo(target)
    download = pfs.start("download", "/memfs/f", target)
    with open(target, "rb") as pipe:
        pipe.read(1)
        download.interrupt()
        equal(download.child.wait(timeout=10 * patience()), 1, "download")


@case(each=[("SIGINT", "SIGINT"), ("SIGINT", "SIGTERM"), ("SIGTERM", "SIGHUP")])
def a_second_signal_ends_it_at_once(_, first, second):
    """A writer whose bytes a blocking reader does not take waits for the server."""
    _, pfs = ours()
    reader = pfs.start("cat", "--stream", "--policy", "block", "/streamfs/s")
    wait_for_readers(pfs, "/streamfs/s", 1)
    os.kill(reader.pid, signal.SIGSTOP)
    with open("/dev/zero", "rb") as zero:
        writer = pfs.start("write", "--stream", "/streamfs/s", stdin=zero)
        eventually(lambda: stuck(writer.pid), "the writer waits")
        os.kill(writer.pid, getattr(signal, first))
        eventually(lambda: not caught(writer.pid, second), "the first signal was noted")
        check(writer.child.poll() is None, "it waits for its answer")
        os.kill(writer.pid, getattr(signal, second))
        equal(writer.child.wait(timeout=10 * patience()), -getattr(signal, second), "the writer")
    reader.child.kill()


@case
def no_create_needs_the_stream(_):
    _, pfs = ours()
    pfs.fails("cat", "--stream", "--no-create", "/streamfs/s", says="not found")
    pfs.fails("stat", "/streamfs/s", says="not found")
    pfs("touch", "/streamfs/s")
    reader = pfs.start("cat", "--stream", "--no-create", "/streamfs/s")
    wait_for_readers(pfs, "/streamfs/s", 1)
    pfs("seal", "/streamfs/s")
    equal(reader.end(), (0, b"", ""), "the reader")


@case
def readers_begin_where_they_are_told(_):
    _, pfs = ours()
    pfs("write", "/streamfs/s", "0123456789")
    now = pfs.start("cat", "--stream", "--from", "now", "/streamfs/s")
    wait_for_readers(pfs, "/streamfs/s", 1)
    pfs("write", "/streamfs/s", "live")
    equal(now.read(4), b"live", "from now")
    pfs("seal", "/streamfs/s")
    equal(now.end(), (0, b"", ""), "from now, at the end")
    for place, want in (("oldest", b"0123456789live"), ("0", b"0123456789live"), ("8", b"89live"),
                        ("-6", b"89live"), ("-1h", None), ("14", b"")):
        got = pfs.ended("cat", "--stream", f"--from={place}", "/streamfs/s")
        if want is not None:
            equal(got, (0, want, ""), place)
    pfs.fails("cat", "--stream", "--from", "15", "/streamfs/s", says="offset 15")
    pfs.fails("cat", "--stream", "--from", "nonsense", "/streamfs/s", says="from")
    pfs.fails("cat", "--stream", "--policy", "nonsense", "/streamfs/s", status=2, says="--policy")


@case
def an_offset_that_is_gone_is_a_gap(_):
    _, pfs = ours()
    pfs("write", "--stream", "--seal", "/streamfs/s", stdin=bytes(20 * MIB))
    status, out, err = pfs.ended("cat", "--stream", "--strict", "--from", "5", "/streamfs/s")
    equal(status, 3, f"the reader: {err}")
    lost = int(re.search(r"(\d+) bytes were lost", err)[1])
    equal(len(out) + lost, 20 * MIB - 5, "what came and what was lost")


@case
def a_stream_needs_stream_mode_and_a_file_must_not_have_it(_):
    _, pfs = ours()
    tells_streams_from_files(pfs)
    for option in ("--strict", "--from=now", "--policy=block", "--no-create"):
        pfs.fails("cat", option, "/memfs/f", status=2, says="--stream")


if __name__ == "__main__":
    main()
