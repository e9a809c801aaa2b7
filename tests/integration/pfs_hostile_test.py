#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pfs against servers that lie, stall, and break off."""

import json
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, contains, equal, eventually, main
from pfs_tool import Pfs, Terminal, caught, environment

FRAMES = "application/x-gostream-frames"


class Scripted:
    """Answers the n-th connection's requests by `script`, a function of the
    request's first line to bytes, None (say nothing) or something that yields
    bytes, which ends in closing the connection."""

    def __init__(self, script):
        self.script = script
        self.asked = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, client.makefile("rb") as lines:
            while line := lines.readline():
                length = 0
                while head := lines.readline().strip():
                    if head.lower().startswith(b"content-length:"):
                        length = int(head.split(b":")[1])
                lines.read(length)
                line = line.decode().rsplit(" ", 1)[0]
                self.asked.append(line)
                answer = self.script(line)
                try:
                    if isinstance(answer, bytes):
                        client.sendall(answer)
                    elif answer is not None:
                        for piece in answer:
                            client.sendall(piece)
                        client.shutdown(socket.SHUT_WR)
                        return
                except OSError:
                    return


def reply(status, body, kind="application/json", more=""):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{more}"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def chunked(body, kind=FRAMES, more="", end=True):
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{more}Transfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"%x\r\n%s\r\n" % (len(body), body) + (b"0\r\n\r\n" if end else b"")


def always(answer):
    server = Scripted(lambda _: answer)
    return server, Pfs(server.url)


def frame(kind, offset=0, number=0, payload=b"", flags=0):
    return (bytes([kind, flags, 0, 0]) + len(payload).to_bytes(4, "big") +
            offset.to_bytes(8, "big") + number.to_bytes(8, "big") + bytes(16) + payload)


# ---- answers that are none ----

@case(each=[("nothing", b""), ("no_http", b"hello\r\n\r\n"), ("zeros", bytes(4096)),
            ("huge_head", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100000)])
def what_is_no_answer_is_an_error(_, _name, data):
    server = Scripted(lambda _: [data])
    pfs = Pfs(server.url)
    for words in (["ls"], ["cat", "/f"], ["cat", "--stream", "/s"], ["write", "/f", "x"]):
        status, out, err = pfs.ended(*words)
        equal((status, out), (1, b""), str(words))
        check(err.startswith(f"{words[0]}: ") and err.count("\n") == 1, f"{words}: {err!r}")


@case(each=[("page", b"<html>router</html>"), ("empty", b""), ("half", b'{"files":['),
            ("deep", b"[" * 100000)])
def what_is_no_json_is_an_error(_, _name, data):
    _, pfs = always(reply(200, data))
    for words in (["ls"], ["stat", "/f"], ["mounts"], ["grep", "x", "/f"]):
        equal(pfs.ended(*words)[:2], (1, b""), str(words))


def endless(head=b"", piece=b"[" * (1 << 16)):
    """An answer that has no end."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + head
    while True:
        yield piece


@case(each=[("ls",), ("tree",), ("stat", "/f"), ("mounts",), ("plugins",), ("mv", "/a", "/b"),
            ("grep", "x", "/f"), ("grep", "--stream", "x", "/f"), ("mount", "x", "/x"),
            ("download", "-r", "/d", "."), ("upload", __file__, "/d")])
def endless_answers_do_not_fill_memory(_, *words):
    pfs = Pfs(Scripted(lambda _: endless()).url)
    contains(pfs.fails(*words), "longer than 64 MiB", str(words))


@case(each=[("objects", b"{},"), ("numbers", b"0,"), ("arrays", b"[],")])
def answers_of_countless_values_do_not_fill_memory(_, _name, value):
    _, pfs = always(reply(200, b'{"files":[' + value * (60_000_000 // len(value)) + b"0]}"))
    contains(pfs.fails("ls"), "has too many parts", "ls")


@case
def of_an_endless_line_tail_holds_a_part(_):
    def script(line):
        if "/stat" in line:
            return reply(200, {"name": "f", "size": 2**63 - 1, "isDir": False})
        size = int(line.split("size=")[1])
        return reply(200, b"x" * min(size, 65 << 20), "application/octet-stream")
    Pfs(Scripted(script).url).fails("tail", "/f", says="longer than 64 MiB")


@case
def of_an_endless_history_tail_holds_the_last_lines(_):
    def history():
        yield f"HTTP/1.1 200 OK\r\nContent-Type: {FRAMES}\r\n\r\n".encode()
        for i in range(100):
            yield frame(1, i << 20, payload=(b"%07d\n" % i) * (1 << 17))
        yield frame(3)

    def script(line):
        if "/stat" in line:
            return reply(200, {"name": "s", "size": 100 << 20, "meta": {"Type": "stream"}})
        if "/capabilities" in line:
            return reply(200, {"features": ["stream-framed"]})
        return history()
    pfs = Pfs(Scripted(script).url)
    equal(pfs("tail", "-n", "2", "/s"), b"0000099\n" * 2, "tail of a history of 100 MiB")


@case
def refusals_without_json_are_shown_as_they_are(_):
    _, pfs = always(reply(502, b"<html>bad gateway</html>", "text/html"))
    equal(pfs.fails("ls", "/x"), "ls: /x: HTTP 502\n", "a page")
    _, pfs = always(reply(404, b"404 page not found\n", "text/plain"))
    equal(pfs.fails("ls", "/x"), "ls: /x: HTTP 404: 404 page not found\n", "a line")


@case
def redirections_are_not_followed(_):
    away = Scripted(lambda _: reply(200, {"files": None}))
    server = Scripted(lambda _: reply(301, b"", more=f"Location: {away.url}/\r\n"))
    Pfs(server.url).fails("ls", says="HTTP 301")
    equal(away.asked, [], "requests elsewhere")


@case
def words_of_a_server_cannot_move_the_cursor(_):
    _, pfs = always(reply(500, {"error": "a\x1b[2Jb\nc"}))
    equal(pfs.fails("ls", "/x"), "ls: /x: a\\x1b[2Jb\\x0ac\n", "an error")
    _, pfs = always(reply(200, {"files": [{"name": "a\x1b[2J", "modTime": "2026-01-01T00:00:00Z"}]}))
    terminal = Terminal()
    running = pfs.start("ls", stdout=terminal.slave)
    running.child.wait()
    equal(terminal.close(), "----------        0 2026-01-01 00:00:00 a\\x1b[2J\n", "a name")


# ---- silence ----

@case
def a_file_that_is_said_to_be_endless_has_an_end(_):
    def script(line):
        if "/stat" in line:
            return reply(200, {"name": "f", "size": 2**63 - 1, "isDir": False})
        return reply(200, b"all there is\n", "application/octet-stream")
    equal(Pfs(Scripted(script).url)("tail", "/f"), b"all there is\n", "tail")


@case
def silence_is_given_up(_):
    _, pfs = always(None)
    for words in (["ls"], ["cat", "/f"], ["write", "/f", "x"], ["write", "--stream", "/s"]):
        err = pfs.fails("--timeout", "0.3", *words)
        contains(err, "the server said nothing for 0.3 seconds", str(words))


@case(each=[("cp", "/f", "/g"), ("download", "-r", "/d", "here"), ("upload", __file__, "/f"),
            ("cat", "/f")])
def ctrl_c_ends_the_wait_for_a_silent_answer(work, *words):
    """A second one would end it at once; the first is enough."""
    server = Scripted(lambda line: reply(200, {"name": "d", "isDir": True})
                      if "/stat?path=%2Fd" in line else None)
    words = [os.path.join(work, word) if word == "here" else word for word in words]
    running = Pfs(server.url).start(*words)
    eventually(lambda: caught(running.pid, "SIGINT"), "signals are noted")
    running.interrupt()
    status, out, err = running.end(timeout=5)
    equal((status, out), (1, b""), str(words))
    contains(err, "interrupted\n", str(words))


@case
def a_stream_may_be_silent(_):
    server, pfs = always(None)
    reader = pfs.start("cat", "--stream", "--timeout", "0.1", "/s")
    eventually(lambda: server.asked, "the request")
    check(reader.child.poll() is None, "it waits")
    reader.interrupt()
    equal(reader.end(), (0, b"", ""), "after Ctrl-C")


# ---- bodies ----

@case
def a_body_that_is_cut_is_an_error_when_it_cannot_be_gone_on_with(_):
    def script(line):
        if "/stat" in line:
            return reply(404, {"error": "not found"})
        return [reply(200, b"0123456789", "application/octet-stream")[:-4]]
    pfs = Pfs(Scripted(script).url)
    status, out, err = pfs.ended("cat", "/f")
    equal((status, out), (1, b"012345"), "cat")
    contains(err, "cat: ", "its words")


@case
def downloads_stay_in_their_folder(work):
    names = ["..", ".", "", "a/b", "../evil", "/etc/evil", "a\0b", "..\0", "good"]

    def script(line):
        if "/stat" in line:
            return reply(200, {"name": "d", "isDir": line.endswith("path=%2Fd")})
        if "/directories" in line:
            return reply(200, {"files": [{"name": name, "size": 1} for name in names]})
        return reply(200, b"x", "application/octet-stream")
    status, _, err = Pfs(Scripted(script).url).ended("download", "-r", "/d",
                                                     os.path.join(work, "d"))
    equal(status, 1, "download -r")
    equal(err.count("its name cannot be one here"), len(names) - 1, "refused names")
    equal(sorted(os.listdir(work)), ["d"], "beside the folder")
    equal(sorted(os.listdir(os.path.join(work, "d"))), ["good"], "in the folder")


@case(each=[("download", "-r", "/d", "here"), ("tree", "/d")])
def folders_within_folders_have_an_end(work, *words):
    def script(line):
        if "/stat" in line:
            return reply(200, {"name": "d", "isDir": True})
        return reply(200, {"files": [{"name": "d", "isDir": True}]})
    server = Scripted(script)
    words = [os.path.join(work, word) if word == "here" else word for word in words]
    status, _, err = Pfs(server.url).ended(*words)
    equal(status, 1, str(words))
    contains(err, "/d: is more than 64 folders deep", str(words))
    check(len(server.asked) < 80, f"{len(server.asked)} requests")


# ---- framed streams ----

def framed(body, **more):
    def script(line):
        if "create=false" in line:
            return reply(404, {"error": "stream not found: /s"})
        return [chunked(body, **more)]
    return Pfs(Scripted(script).url)


@case(each=[("text", b"hello world, this is no frame at all, none"),
            ("no_type", frame(9)), ("offset", frame(1, offset=1 << 63)),
            ("gap_with_bytes", frame(2, number=5, payload=b"x")),
            ("behind_the_end", frame(3) + frame(1, payload=b"x"))])
def frames_that_are_none_are_an_error(_, _name, body):
    pfs = framed(body)
    equal(pfs.fails("cat", "--stream", "/s"),
          "cat: /s: the server did not send what was asked for\n", "cat")


@case
def a_whole_answer_without_an_end_is_no_end(_):
    pfs = framed(frame(1, payload=b"data"))
    status, out, err = pfs.ended("cat", "--stream", "--retry-for", "0.2", "/s")
    equal((status, out), (1, b"data"), "cat")
    contains(err, "the stream is gone", "its words")


@case
def a_server_that_only_repeats_itself_is_given_up(_):
    server = Scripted(lambda _: [chunked(frame(1, payload=b"data"))])
    status, out, err = Pfs(server.url).ended("cat", "--stream", "--retry-for", "0.5", "/s")
    equal((status, out), (1, b"data"), "cat")
    contains(err, "ended its answer too early", "its words")


def replaced(first, then, more=lambda line: None):
    """A stream whose first answer breaks off, and which is another one then."""
    answers = []

    def script(line):
        if special := more(line):
            return special
        answers.append(line)
        at = line.split("from=")[1].split("&")[0] if "from=" in line else "0"
        if len(answers) == 1:
            return [chunked(frame(1, payload=first), more="X-Stream-Start: 0\r\nX-Stream-Id: a\r\n",
                            end=False)]
        if int(at) > len(then):
            return reply(416, {"error": f"offset {at} is behind the end of the stream"})
        return [chunked(frame(1, int(at), payload=then[int(at):]) + frame(3, len(then)),
                        more=f"X-Stream-Start: {at}\r\nX-Stream-Id: b\r\n")]
    return Pfs(Scripted(script).url)


@case(each=[("shorter", b"BC"), ("as_long", b"BCDE"), ("longer", b"BCDEFGHI")])
def another_stream_of_the_name_is_told_and_read_from_its_beginning(_, _name, then):
    for strict, want in ((["--strict"], 3), ([], 0)):
        status, out, err = replaced(b"abcd", then).ended("cat", "--stream", *strict, "/s")
        equal((status, out), (want, b"abcd" + then), f"cat {strict}: {err}")
        equal(err, "cat: /s: the connection was lost after 4 bytes, and the server has another "
                   "stream now, which is read from its beginning\n", "its words")


@case
def tail_gives_lines_of_one_stream_only(_):
    def more(line):
        if "/stat" in line:
            return reply(200, {"name": "s", "size": 4, "meta": {"Type": "stream"}})
        return reply(200, {"features": ["stream-framed"]}) if "/capabilities" in line else None
    for words in (["tail"], ["tail", "-f"]):
        status, out, _ = replaced(b"a\nb", b"B\nC\nD\n", more).ended(*words, "-n", "9", "/s")
        equal((status, out), (0, b"B\nC\nD\n"), str(words))


@case
def gaps_in_frames_are_counted(_):
    body = (frame(1, 0, payload=b"aa") + frame(2, 2, 1000) + frame(1, 1000, payload=b"b") +
            frame(1, 1011, payload=b"c") + frame(3, flags=16))
    status, out, err = framed(body).ended("cat", "--stream", "--strict", "/s")
    equal((status, out), (3, b"aabc"), "cat --strict")
    equal(sum(int(word) for word in err.split() if word.isdigit()), 998 + 10, f"lost: {err}")
    equal(framed(body).ended("cat", "--stream", "/s")[:2], (0, b"aabc"), "cat")


@case
def raw_bytes_where_a_place_was_asked_for_are_refused(_):
    def script(line):
        if "/capabilities" in line:
            return reply(200, {"features": ["stream-from"]})
        return [chunked(b"from the beginning", kind="application/octet-stream")]
    Pfs(Scripted(script).url).fails("cat", "--stream", "--from", "100", "/s",
                                    says="did not send what was asked for")


@case
def a_stream_that_always_breaks_is_read_as_long_as_it_moves(_):
    content = bytes(range(100))

    def script(line):
        at = int(line.split("from=")[1].split("&")[0]) if "from=" in line else 0
        body = frame(1, at, payload=content[at:])
        if at >= 90:
            return [chunked(body + frame(3))]
        return [chunked(body[:50], more=f"X-Stream-Start: {at}\r\n", end=False)]
    server = Scripted(script)
    equal(Pfs(server.url)("cat", "--stream", "--strict", "/s"), content, "what was read")
    check(sum("stream=true" in line for line in server.asked) == 10, f"{server.asked}")


@case
def environments_cannot_make_it_talk_elsewhere(_):
    proxy = Scripted(lambda _: reply(200, {"files": None}))
    env = {**environment(), "http_proxy": proxy.url, "HTTP_PROXY": proxy.url, "all_proxy": proxy.url}
    pfs = Pfs(None)
    for url in ("http://localhost:9", "http://127.0.0.1:9", "http://[::1]:9"):
        equal(pfs.ended("ls", "--pfs-api-baseurl", url, env=env)[0], 1, url)
    equal(proxy.asked, [], "requests to the proxy")
    equal(pfs.ended("ls", "--pfs-api-baseurl", "http://192.0.2.1:9", env=env), (0, b"", ""),
          "a server that is not here goes through the proxy")
    contains(proxy.asked[0], "http://192.0.2.1:9/api/v1/directories", "what the proxy was asked")


if __name__ == "__main__":
    main()
