#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Streams of `pfs serve` on the wire: writing, what holds writers up, losing, frames, figures."""

import os
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import Failure, case, check, contains, equal, eventually, main, same_bytes
from pfs_tool import Server
from rawhttp import Wire, ask, ask_json, chunked_head, content_of, error, message, put, readers
from torrentmaker import pattern

KIB, MIB = 1 << 10, 1 << 20


# ---- writing ----

@case
def a_chunked_upload_reaches_readers_as_it_arrives_each_chunk_a_record(_):
    server = Server()
    with Wire(server) as reader, Wire(server) as framed, Wire(server) as writer:
        reader.stream("/streamfs/s")
        framed.stream("/streamfs/s", "&framed=1")
        writer.begin("PUT /files?path=/streamfs/s", None, ["Transfer-Encoding: chunked"])
        for piece in (b"one", b"two two", b"3"):
            # In parts, so that the server sees half a chunk before the other half.
            writer.send(b"%x\r\n" % len(piece))
            writer.send(piece[:1])
            writer.send(piece[1:] + b"\r\n")
            equal(reader.read(len(piece)), piece, "while the upload goes on")
            equal(Frame(framed).payload, piece, "its record")
        writer.send(b"0\r\n\r\n")
        answer = writer.answer()
        equal((answer.status, answer.json()), (200, {"message": "Written 11 bytes"}), "answer")
    equal(content_of(server, "/streamfs/s")["records"], "3", "records")


@case
def a_chunk_too_large_to_wait_for_is_forwarded_in_parts(_):
    server = Server()
    with Wire(server) as reader, Wire(server) as writer:
        reader.stream("/streamfs/s")
        writer.begin("PUT /files?path=/streamfs/s", None, ["Transfer-Encoding: chunked"])
        writer.send(b"100000\r\n" + bytes(128 * KIB))
        got = 0
        while got < 64 * KIB:
            got += len(reader.chunk())


@case
def a_long_body_with_a_length_is_forwarded_too_and_has_no_limit(_):
    server = Server("--max-body", "1M")
    total = 5 * MIB
    with Wire(server) as reader, Wire(server) as writer:
        reader.stream("/streamfs/s", "&policy=block")
        writer.begin("PUT /files?path=/streamfs/s", None, [f"Content-Length: {total}"])
        data = pattern(total)
        writer.send(data[:MIB])
        got = b""
        while len(got) < MIB:
            got += reader.chunk()
        sender = threading.Thread(target=writer.send, args=(data[MIB:],))
        sender.start()
        while len(got) < total:
            got += reader.chunk()
        sender.join()
        same_bytes(got, data, "through the stream")
        equal(writer.answer().json(), {"message": f"Written {total} bytes"}, "answer")


@case
def small_bodies_are_contiguous_whoever_else_writes(_):
    server = Server()
    size, rounds = 300_000, 20
    with Wire(server) as reader:
        reader.stream("/streamfs/s", "&policy=block&framed=1")

        def write(letter):
            with Wire(server) as wire:
                for _ in range(rounds):
                    wire.ask("PUT /files?path=/streamfs/s", letter * size)
        writers = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b")]
        for thread in writers:
            thread.start()
        stream = FrameReader(reader)
        for _ in range(2 * rounds):
            record = stream.record()
            equal((len(record), len(set(record))), (size, 1), "one record of one writer")
        for thread in writers:
            thread.join()


@case
def a_cut_upload_leaves_what_came_and_the_stream_goes_on(_):
    server = Server()
    writer = Wire(server)
    writer.begin("PUT /files?path=/streamfs/s", None, ["Transfer-Encoding: chunked"])
    writer.send(b"3\r\nabc\r\n5\r\nde")
    eventually(lambda: stat_size(server) >= 3, "what came")
    writer.close()
    eventually(lambda: stat_size(server) == 5, "half a chunk, too")
    put(server, "/streamfs/s", b"fg")
    equal(ask(server, "GET /files?path=/streamfs/s&stream=true&until=tail").body, b"abcdefg", "all")
    # A body with a length that is small is all or nothing.
    with Wire(server) as half:
        half.begin("PUT /files?path=/streamfs/s", None, ["Content-Length: 10"])
        half.send(b"12345")
    put(server, "/streamfs/s", b"h")
    equal(stat_size(server), 8, "nothing of the half")


def stat_size(server):
    answer = ask(server, "GET /stat?path=/streamfs/s")
    return answer.json()["size"] if answer.status == 200 else 0


@case
def a_blocking_reader_stops_the_writers_socket_and_not_the_server(_):
    server = Server("--threads", "1")
    total = 24 * MIB
    with Wire(server, recv_buffer=65536) as reader, Wire(server) as writer:
        reader.stream("/streamfs/s", "&policy=block")
        writer.begin("PUT /files?path=/streamfs/s", None, [f"Content-Length: {total}"])
        data = pattern(total)
        sender = threading.Thread(target=writer.send, args=(data,), daemon=True)
        sender.start()
        # The one loop still serves others while the writer waits.
        last = [-1]

        def stands_still():
            now = stat_size(server)
            still, last[0] = now == last[0] and now > 0, now
            time.sleep(0.1)
            return still
        eventually(stands_still, "the writer is held up")
        check(stat_size(server) < total, "all was written although nobody read")
        put(server, "/streamfs/other", b"x")
        got = bytearray()
        while len(got) < total:
            got += reader.chunk()
        sender.join()
        equal(writer.answer().status, 200, "the writer's answer")
        same_bytes(bytes(got), data, "nothing was lost")
        equal(content_of(server, "/streamfs/s")["dropped_bytes"], "0", "dropped")


# ---- losses ----

@case
def what_a_lossy_reader_lost_is_told_exactly(_):
    server = Server("--ring-buffer-size", "256KB", "--channel-buffer-size", "256KB")
    with Wire(server, recv_buffer=4096) as lazy:
        lazy.stream("/streamfs/s")
        total = 16 * MIB
        for n in range(total // (64 * KIB)):
            put(server, "/streamfs/s", numbered(n))
        message(server, "POST /streams/close?path=/streamfs/s", 200, "stream closed")
        answer = lazy.rest_of(chunked_head())
    dropped = int(answer.trailers["x-stream-dropped-bytes"])
    check(dropped > 0 and int(answer.trailers["x-stream-gaps"]) > 0, f"{answer.trailers}")
    equal(len(answer.body) + dropped, total, "what came and what was lost")
    ranges = [tuple(map(int, r.split("-"))) for r in answer.trailers["x-stream-gap-list"].split(", ")]
    equal(sum(b - a for a, b in ranges), dropped, "the ranges")
    whole = b"".join(numbered(n) for n in range(total // (64 * KIB)))
    kept, at = b"", 0
    for a, b in ranges:
        kept += whole[at:a]
        at = b
    same_bytes(answer.body, kept + whole[at:], "what came is what was not lost")
    equal(content_of(server, "/streamfs/s")["dropped_bytes"], str(dropped), "in stat")


def numbered(n):
    return struct.pack(">I", n) * (16 * KIB)


@case
def a_disconnected_reader_sees_that_it_was_cut(_):
    server = Server("--ring-buffer-size", "256KB", "--channel-buffer-size", "256KB")
    with Wire(server, recv_buffer=4096) as lazy:
        lazy.stream("/streamfs/s", "&policy=disconnect")
        for n in range(256):
            put(server, "/streamfs/s", numbered(n))
        body = b""
        try:
            body = lazy.to_the_end()
        except ConnectionError:
            pass
        check(not body.endswith(b"0\r\n\r\n"), "it looks like a proper end")
        eventually(lambda: readers(server, "/streamfs/s") == 0, "it is gone", timeout=2)


@case
def who_takes_nothing_is_cut_once_it_is_disconnected(_):
    server = Server()
    mount = {"fstype": "streamfs", "path": "/b", "config": {
        "block_timeout": "1s", "ring_buffer_size": "64KB", "channel_buffer_size": "64KB"}}
    equal(ask_json(server, "POST /mount", mount)[0], 200, "mount")
    for policy in ("disconnect", "block"):
        with Wire(server, recv_buffer=4096) as lazy, Wire(server, recv_buffer=4096) as lossy:
            lazy.stream("/b/s", f"&policy={policy}")
            lossy.stream("/b/s")
            for n in range(128):
                put(server, "/b/s", numbered(n))
            # It never reads, so nothing but the server's own look can find it out.
            eventually(lambda: readers(server, "/b/s") == 1, f"{policy}: it is gone")
        eventually(lambda: readers(server, "/b/s") == 0, "both are")


@case
def late_joiners_get_the_whole_ring_also_with_the_low_latency_configuration(_):
    server = Server("--channel-buffer-size", "256KB", "--ring-buffer-size", "512KB")
    for n in range(200):
        put(server, "/streamfs/s", numbered(n))
    for _ in range(40):
        answer = ask(server, "GET /files?path=/streamfs/s&stream=true&until=tail")
        same_bytes(answer.body, b"".join(numbered(n) for n in range(192, 200)), "history")


# ---- frames ----

class Frame:
    def __init__(self, wire):
        self.__dict__.update(vars(FrameReader(wire).frame()))


class FrameReader:
    """Frames out of the chunks of a reply."""

    def __init__(self, wire):
        self.wire, self.data = wire, b""

    def take(self, n):
        while len(self.data) < n:
            piece = self.wire.chunk()
            if not piece:
                raise Failure(f"the frames ended within {n} bytes")
            self.data += piece
        out, self.data = self.data[:n], self.data[n:]
        return out

    def frame(self):
        class Parsed:
            pass
        f = Parsed()
        (f.type, f.flags, zero, length, f.offset, f.number, f.time, f.writer,
         f.epoch) = struct.unpack(">BBHIQQqII", self.take(40))
        equal(zero, 0, "bytes that are zero")
        f.payload = self.take(length)
        return f

    def record(self):
        """The payload of a whole record, whatever frames it came in."""
        data = b""
        while True:
            f = self.frame()
            equal(f.type, 1, "type of a frame")
            data += f.payload
            if not f.flags & 8:
                return data


@case
def framed_reads_have_each_record_each_gap_and_the_end(_):
    server = Server("--ring-buffer-size", "64KB", "--channel-buffer-size", "64KB")
    put(server, "/streamfs/s", b"first")
    put(server, "/streamfs/s", b"second", "&mark=1")
    with Wire(server) as wire:
        head = wire.stream("/streamfs/s", "&framed=1")
        equal(head.headers["content-type"], "application/x-gostream-frames", "content type")
        stream = FrameReader(wire)
        first, second = stream.frame(), stream.frame()
        equal((first.type, first.flags, first.offset, first.number, first.payload),
              (1, 0, 0, 0, b"first"), "first record")
        equal((second.type, second.flags, second.offset, second.number, second.payload),
              (1, 1, 5, 1, b"second"), "second record, marked")
        check(abs(second.time / 1e9 - time.time()) < 60, f"time {second.time}")
        message(server, "POST /streams/close?path=/streamfs/s", 200, "stream closed")
        end = stream.frame()
        equal((end.type, end.flags, end.offset, end.payload), (3, 16, 11, b""), "end")
        equal(wire.chunk(), b"", "and nothing behind it")
    for n in range(4):
        put(server, "/streamfs/t", bytes([n]) * (32 * KIB))
    with Wire(server) as wire:
        wire.stream("/streamfs/t", "&framed=1&from=0")
        gap = FrameReader(wire).frame()
        equal(gap.type, 2, "a gap first")
        equal(gap.offset, 0, "from where it was to begin")
        check(gap.number >= 64 * KIB, f"to {gap.number}")


@case
def a_writer_that_comes_back_by_name_begins_a_new_epoch(_):
    server = Server()
    for writer in ("camera", "other", "camera"):
        put(server, "/streamfs/s", b"x", f"&writer={writer}")
    with Wire(server) as wire:
        wire.stream("/streamfs/s", "&framed=1")
        stream = FrameReader(wire)
        equal([stream.frame().epoch for _ in range(3)], [1, 1, 2], "epochs")


@case
def a_sticky_head_comes_before_the_history(_):
    server = Server()
    equal(ask_json(server, "POST /mount", {"fstype": "streamfs", "path": "/m", "config": {
        "head_size": "1KB", "ring_buffer_size": "64KB", "channel_buffer_size": "64KB"}})[0], 200, "mount")
    put(server, "/m/s", b"head" * 256)
    for n in range(4):
        put(server, "/m/s", numbered(n)[:32 * KIB])
    oldest = int(content_of(server, "/m/s")["oldest"])
    answer = ask(server, "GET /files?path=/m/s&stream=true&until=tail")
    equal((answer.body[:1024], len(answer.body)), (b"head" * 256, 1024 + 1024 + 4 * 32 * KIB - oldest),
          "head and history")
    with Wire(server) as wire:
        wire.stream("/m/s", "&framed=1")
        stream = FrameReader(wire)
        head, first = stream.frame(), stream.frame()
        equal((head.flags & 2, head.offset, head.payload), (2, 0, b"head" * 256), "framed")
        equal((first.flags & 2, first.offset), (0, oldest), "and what comes after it")


# ---- figures ----

@case
def stats_and_metrics(_):
    server = Server()
    put(server, '/streamfs/a"b', b"12345")
    status, stats = ask_json(server, "GET /streams/stats")
    stream = stats["streams"][0]
    equal((status, stream["path"], stream["tail"], stream["records"], stream["state"],
           stream["policy"]), (200, '/streamfs/a"b', 5, 1, "open", "drop_oldest"), "one stream")
    check(stats["memory"] > 0 and stats["memory_limit"] == 1 << 30, f"{stats}")
    error(server, "GET /streams/stats?path=/streamfs/none", 404, "stream not found: /none")
    with Wire(server) as wire:
        wire.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        text = wire.answer()
    contains(text.headers["content-type"], "version=0.0.4", "content type")
    lines = text.body.decode().splitlines()
    check('pfs_stream_written_bytes_total{stream="/streamfs/a\\"b"} 5' in lines, f"{lines}")
    for line in lines:
        check(line.startswith("# ") or len(line.rsplit(" ", 1)) == 2, line)


@case
def limits_are_kept_and_told(work):
    path = os.path.join(work, "pfs.toml")
    with open(path, "w") as out:
        out.write('[plugins.streamfs]\nenabled = true\npath = "/s"\n'
                  "[plugins.streamfs.config]\nmax_streams = 2\nmax_readers = 1\n")
    server = Server("--config", path)
    put(server, "/s/1", b"x")
    put(server, "/s/2", b"x")
    error(server, "PUT /files?path=/s/3", 403, "too many streams (limit 2)", b"x")
    message(server, "DELETE /files?path=/s/1", 200, "deleted")
    put(server, "/s/3", b"x")
    with Wire(server) as one:
        equal(one.stream("/s/2").status, 200, "the first reader")
        second = ask(server, "GET /files?path=/s/2&stream=true")
        equal(second.status, 403, "the second")
        contains(second.json()["error"], "limit", "its words")


@case
def an_idle_keepalive_is_leading_zeros_of_the_next_chunk(work):
    path = os.path.join(work, "pfs.toml")
    with open(path, "w") as out:
        out.write('[plugins.streamfs]\nenabled = true\npath = "/s"\n'
                  '[plugins.streamfs.config]\nidle_keepalive = "50ms"\n')
    server = Server("--config", path)
    with Wire(server) as wire:
        wire.stream("/s/x")
        equal(wire.exactly(3), b"000", "signs of life")
        put(server, "/s/x", b"hello")
        equal(wire.read(5), b"hello", "the chunk has them in its size")


if __name__ == "__main__":
    main()
