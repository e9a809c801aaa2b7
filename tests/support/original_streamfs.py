#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A server that behaves on the wire as the original StreamFS server does.

What our client must live with: a streaming read sends nothing, not even its
head, before the first byte; what is not found is 500; an empty folder is
"files": null; a PUT's body is held until its end and refused over 64 MiB; a
stream ends only when it is deleted; there are no offsets, and unknown query keys
are ignored; reading or writing a stream makes it; a ring of N writes, whatever
their size. Ordinary files (memfs) and mounts are here as far as clients ask.

    original_streamfs.py [PORT]    prints the port, and serves until it is killed
"""

import json
import posixpath
import socket
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from original_files import Refusal, Tree

BODY_MAX = 64 << 20
CHUNK = 64 << 10


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    # ---- requests ----

    def handle_expect_100(self):
        return True  # told when the body is read, as Go does

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            length = int(self.headers.get("Content-Length") or 0)
            if length > BODY_MAX:
                self.close_connection = True
                raise Refusal(413, f"request body exceeds maximum size of {BODY_MAX} bytes")
            if self.headers.get("Expect"):
                self.send_response_only(100)
                self.end_headers()
            return self.rfile.read(length)
        data = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
            if len(data) > BODY_MAX:
                self.close_connection = True
                raise Refusal(413, f"request body exceeds maximum size of {BODY_MAX} bytes")
        while self.rfile.readline().strip():
            pass
        return bytes(data)

    def ask(self, key, otherwise=None):
        return self.query.get(key, [otherwise])[0]

    def path_asked(self, otherwise=None):
        path = self.ask("path", otherwise)
        if path is None:
            raise Refusal(400, "path parameter is required")
        return posixpath.normpath("/" + path).replace("//", "/")

    def handle_call(self):
        url = urllib.parse.urlsplit(self.path)
        self.query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        try:
            data = self.body()
            call = CALLS.get((self.command, url.path.removeprefix("/api/v1")))
            if not url.path.startswith("/api/v1") or not call:
                return self.send(404, b"404 page not found\n", "text/plain; charset=utf-8")
            answer = call(self, data)
        except Refusal as refusal:
            return self.send_json(refusal.status, {"error": refusal.text})
        if answer is not None:
            status, value = answer if isinstance(answer, tuple) else (200, answer)
            if isinstance(value, bytes):
                return self.send(status, value, "application/octet-stream")
            if isinstance(value, str):
                value = {"message": value}
            self.send_json(status, value)

    do_GET = do_PUT = do_POST = do_DELETE = handle_call

    # ---- answers ----

    def send(self, status, data, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def send_json(self, status, value):
        self.send(status, json.dumps(value).encode() + b"\n", "application/json")

    def send_chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def stream(self):
        """Nothing at all until there is a byte, then chunks until the deletion."""
        path = self.path_asked()
        with self.server.tree.lock:
            fs, inside = self.server.tree.find(path, "openstream")
            joined = fs.join(inside)
        if not joined:
            raise Refusal(404, f"filesystem does not support streaming: {path}")
        stream, reader = joined
        head_sent = False
        try:
            while (data := reader.get()) is not None:
                if not head_sent:
                    head_sent = True
                    self.send_response(200)
                    self.send_header("Content-Type", "application/octet-stream")
                    self.send_header("X-Content-Type-Options", "nosniff")
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                for at in range(0, len(data), CHUNK):
                    self.send_chunk(data[at:at + CHUNK])
            if not head_sent:
                return self.send(200, b"", "application/octet-stream")
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True
        finally:
            with self.server.tree.lock:
                if reader in stream.readers:
                    stream.readers.remove(reader)
        return None


def inside(what, do):
    """A call on the file system that a path is in, under the tree's lock."""
    def call(handler, data):
        tree = handler.server.tree
        with tree.lock:
            fs, path = tree.find(handler.path_asked(), what)
            return do(handler, fs, path, data)
    return call


def get_file(handler, _):
    if handler.ask("stream") == "true":
        return handler.stream()
    tree = handler.server.tree
    with tree.lock:
        fs, path = tree.find(handler.path_asked(), "read")
        return fs.read(path, int(handler.ask("offset", 0)), int(handler.ask("size", -1)))


def put_file(handler, fs, path, data):
    fs.write(path, data)
    return f"Written {len(data)} bytes"


def create(_, fs, path, __):
    fs.create(path)
    return 201, "file created"


def remove(handler, fs, path, _):
    fs.remove(path, handler.ask("recursive") == "true")
    return "deleted"


def mkdir(handler, fs, path, _):
    fs.mkdir(path, int(handler.ask("mode", "0755"), 8))
    return 201, "directory created"


def rename(handler, fs, path, data):
    other, new = handler.server.tree.find(json.loads(data)["newPath"], "rename")
    if other is not fs:
        raise Refusal(500, "cannot rename across different mounts")
    fs.rename(path, new)
    return "renamed"


def chmod(_, fs, path, data):
    fs.chmod(path, json.loads(data)["mode"])
    return "permissions changed"


def listing(handler, _):
    with handler.server.tree.lock:
        return {"files": handler.server.tree.list(handler.path_asked("/")) or None}


def stat(handler, _):
    with handler.server.tree.lock:
        return handler.server.tree.stat(handler.path_asked())


def mounts(handler, _):
    with handler.server.tree.lock:
        return {"mounts": [{"path": path, "pluginName": fs.name, "status": "mounted",
                            "config": fs.config}
                           for path, fs in sorted(handler.server.tree.mounts.items())]}


def mount(handler, data):
    asked = json.loads(data)
    with handler.server.tree.lock:
        handler.server.tree.mount(asked["fstype"], asked["path"], asked.get("config") or {})
    return "plugin mounted"


def unmount(handler, data):
    with handler.server.tree.lock:
        handler.server.tree.unmount(json.loads(data)["path"])
    return "plugin unmounted"


def capabilities(_, __):
    return {"version": "1.4.0", "features": ["handlefs", "grep", "digest", "stream", "touch"]}


CALLS = {
    ("GET", "/files"): get_file,
    ("PUT", "/files"): inside("write", put_file),
    ("POST", "/files"): inside("create", create),
    ("DELETE", "/files"): inside("remove", remove),
    ("GET", "/directories"): listing,
    ("POST", "/directories"): inside("mkdir", mkdir),
    ("GET", "/stat"): stat,
    ("POST", "/rename"): inside("rename", rename),
    ("POST", "/chmod"): inside("chmod", chmod),
    ("GET", "/mounts"): mounts,
    ("POST", "/mount"): mount,
    ("POST", "/unmount"): unmount,
    ("GET", "/capabilities"): capabilities,
}


class Original(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.tree = Tree()
        self.seen = []  # (method, target, head) of each request
        self.sockets = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def get_request(self):
        connection = super().get_request()
        self.sockets.append(connection[0])
        return connection

    def cut(self):
        """Break all connections, as a network would."""
        for sock in self.sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it had gone by itself
        self.sockets.clear()

    def handle_error(self, _request, _client):
        pass  # clients may leave

    def start(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stream(self, path):
        fs, inner = self.tree.find(path, "stat")
        return fs.streams.get(inner)


if __name__ == "__main__":
    server = Original(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(server.server_address[1], flush=True)
    server.serve_forever()
