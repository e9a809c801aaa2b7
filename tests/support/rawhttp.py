# SPDX-License-Identifier: MIT
"""HTTP by hand: requests are bytes as given, answers are taken apart to the byte."""

import json
import socket
import urllib.parse

from harness import Failure, check, equal, patience

PREFIX = "/api/v1"


class Answer:
    def __init__(self, version, status, headers):
        self.version, self.status, self.headers = version, status, headers
        self.body, self.chunks, self.trailers = b"", [], {}

    def json(self):
        equal(self.headers.get("content-type"), "application/json", "content type")
        check(self.body.endswith(b"\n"), f"no newline behind {self.body!r}")
        return json.loads(self.body)


def chunked_head():
    """Of an answer whose head was read before: for Wire.rest_of()."""
    return Answer("HTTP/1.1", 200, {"transfer-encoding": "chunked"})


class Wire:
    """One connection."""

    def __init__(self, server, timeout=10, recv_buffer=None):
        if isinstance(server, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout * patience())
            self.sock.connect(server)
        else:
            self.sock = socket.socket()
            if recv_buffer:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, recv_buffer)
            self.sock.settimeout(timeout * patience())
            self.sock.connect(("127.0.0.1", server.port))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    # ---- taking apart ----

    def _more(self):
        data = self.sock.recv(1 << 16)
        self.rest += data
        return bool(data)

    def line(self):
        while b"\r\n" not in self.rest:
            if not self._more():
                raise Failure(f"the connection was closed within a line: {self.rest!r}")
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line.decode("latin-1")

    def exactly(self, n):
        while len(self.rest) < n:
            if not self._more():
                raise Failure(f"{n} bytes expected, closed after {len(self.rest)}")
        data, self.rest = self.rest[:n], self.rest[n:]
        return data

    def to_the_end(self):
        """What comes until the server closes."""
        while self._more():
            pass
        data, self.rest = self.rest, b""
        return data

    def _fields(self):
        fields = {}
        while line := self.line():
            name, value = line.split(":", 1)
            fields[name.strip().lower()] = value.strip()
        return fields

    def head(self):
        """The head of the next answer (that of 100 Continue is skipped)."""
        while True:
            version, status, *_ = self.line().split(" ", 2)
            answer = Answer(version, int(status), self._fields())
            if answer.status != 100:
                return answer

    def chunk(self):
        """One chunk of a chunked body; b"" for the last one."""
        size = int(self.line().split(";")[0], 16)
        if size == 0:
            return b""
        data = self.exactly(size)
        equal(self.line(), "", "behind a chunk")
        return data

    def rest_of(self, answer):
        """Read the body of an answer to its end."""
        if answer.headers.get("transfer-encoding") == "chunked":
            while data := self.chunk():
                answer.chunks.append(data)
            answer.trailers = self._fields()
            answer.body += b"".join(answer.chunks)
        elif "content-length" in answer.headers:
            answer.body = self.exactly(int(answer.headers["content-length"]))
        elif answer.status not in (204, 304):
            answer.body = self.to_the_end()
        return answer

    def answer(self):
        return self.rest_of(self.head())

    # ---- asking ----

    def ask(self, request, body=None, headers=()):
        """"GET /stat?path=/x": with the prefix, and as HTTP/1.1."""
        self.begin(request, body, headers)
        answer = self.head()
        if request.startswith("HEAD "):
            return answer
        return self.rest_of(answer)

    def begin(self, request, body=None, headers=()):
        method, target = request.split(" ", 1)
        lines = [f"{method} {PREFIX}{target} HTTP/1.1", "Host: localhost", *headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))

    def stream(self, path, more=""):
        """Begin a streaming read; its head, which comes at once."""
        self.begin(f"GET /files?path={quote(path)}&stream=true{more}")
        return self.head()

    def read(self, n):
        """n bytes of a chunked body, in whole chunks."""
        data = b""
        while len(data) < n:
            piece = self.chunk()
            if not piece:
                raise Failure(f"{n} bytes expected, the body ended after {data[:80]!r}")
            data += piece
        equal(len(data), n, "bytes of a streaming read")
        return data


def quote(path):
    return urllib.parse.quote(path, safe="")


def ask(server, request, body=None, headers=()):
    """One request on a connection of its own."""
    with Wire(server) as wire:
        return wire.ask(request, body, headers)


def ask_json(server, request, value=None, headers=()):
    body = None if value is None else json.dumps(value).encode()
    answer = ask(server, request, body, headers)
    return answer.status, answer.json()


def message(server, request, status, text, body=None):
    """The answer must be this message."""
    answer = ask(server, request, body if body is not None or request.startswith("GET") else b"")
    equal((answer.status, answer.json()), (status, {"message": text}), request)


def error(server, request, status, text, body=None):
    """The answer must be this error."""
    answer = ask(server, request, body if body is not None or request.startswith("GET") else b"")
    equal((answer.status, answer.json()), (status, {"error": text}), request)
    return answer


def stat(server, path):
    status, info = ask_json(server, f"GET /stat?path={quote(path)}")
    equal(status, 200, f"stat {path}: {info}")
    return info


def content_of(server, path):
    return stat(server, path)["meta"]["Content"]


def readers(server, path="/streamfs/s"):
    return int(content_of(server, path)["active_readers"])


def seal(server, path="/streamfs/s"):
    message(server, f"POST /streams/close?path={path}", 200, "stream closed")


def written(server, path="/streamfs/s"):
    answer = ask(server, f"GET /stat?path={path}")
    return answer.json()["size"] if answer.status == 200 else 0


def put(server, path, data, more=""):
    message(server, f"PUT /files?path={quote(path)}{more}", 200, f"Written {len(data)} bytes", data)
