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

import collections
import datetime
import json
import posixpath
import queue
import socket
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_MAX = 64 << 20
SLOTS = 96
CHUNK = 64 << 10
STREAM_KEYS = ("channel_buffer_size", "ring_buffer_size", "mount_path")


class Refusal(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status, self.text = status, text


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "000Z")


def describe(name, size, mode, changed, folder, plugin, kind, content=None):
    return {"name": name, "size": size, "mode": mode, "modTime": changed, "isDir": folder,
            "meta": {"Name": plugin, "Type": kind, "Content": content}}


class Stream:
    def __init__(self):
        self.ring = collections.deque(maxlen=SLOTS)
        self.readers = []
        self.total = 0
        self.changed = now()
        self.writes = []

    def write(self, data):
        self.ring.append(data)
        self.total += len(data)
        self.writes.append(len(data))
        self.changed = now()
        for reader in self.readers:
            try:
                reader.put_nowait(data)
            except queue.Full:
                pass  # lost, and nobody is told


class StreamFS:
    name = "streamfs"

    def __init__(self, config):
        self.config = config
        self.streams = {}

    def known(self, path):
        if path not in self.streams:
            raise Refusal(500, f"stream not found: {path}")
        return self.streams[path]

    def made(self, path):
        return self.streams.setdefault(path, Stream())

    def create(self, path):
        if path in self.streams:
            raise Refusal(500, f"stream already exists: {path}")
        self.made(path)

    def read(self, path, _offset, _size):
        if path == "/README":
            return b"StreamFS\n"
        raise Refusal(500, "use stream mode for reading stream files")

    def write(self, path, data):
        self.made(path).write(data)

    def remove(self, path, _recursive):
        stream = self.known(path)
        del self.streams[path]
        for reader in stream.readers:
            reader.put(None)

    def stat(self, path):
        if path == "/":
            return describe("", 0, 0o755, now(), True, "streamfs", "directory")
        if path == "/README":
            return describe("README", 9, 0o444, now(), False, "streamfs", "doc")
        stream = self.known(path)
        content = {"active_readers": str(len(stream.readers)), "total_written": str(stream.total)}
        return describe(path[1:], stream.total, 0o644, stream.changed, False, "streamfs", "stream",
                        content)

    def list(self, path):
        if path != "/":
            raise Refusal(500, f"not a directory: {path}")
        return [self.stat("/README"), *(self.stat(p) for p in self.streams)]

    def mkdir(self, _path, _mode):
        raise Refusal(500, "streamfs does not support directories")

    def rename(self, _path, _new):
        raise Refusal(500, "streamfs does not support rename")

    def chmod(self, _path, _mode):
        raise Refusal(500, "streamfs does not support chmod")

    def join(self, path):
        """A queue that holds the history and gets what is written; None ends it."""
        stream = self.made(path)
        reader = queue.Queue(maxsize=SLOTS + 1)
        for data in stream.ring:
            reader.put_nowait(data)
        stream.readers.append(reader)
        return stream, reader


class MemFS:
    name = "memfs"

    def __init__(self, config):
        self.config = config
        self.files = {}  # path to [bytes, mode, changed]; a folder has None for bytes
        self.files["/"] = [None, 0o755, now()]

    def known(self, path):
        if path not in self.files:
            raise Refusal(500, f"file not found: {path}")
        return self.files[path]

    def file(self, path):
        if self.known(path)[0] is None:
            raise Refusal(500, f"is a directory: {path}")
        return self.files[path]

    def parent(self, path):
        if self.files.get(posixpath.dirname(path), [b""])[0] is not None:
            raise Refusal(500, f"parent directory not found: {posixpath.dirname(path)}")

    def create(self, path):
        if path in self.files:
            raise Refusal(500, f"file already exists: {path}")
        self.parent(path)
        self.files[path] = [b"", 0o644, now()]

    def read(self, path, offset, size):
        data = self.file(path)[0]
        return data[offset:] if size < 0 else data[offset:offset + size]

    def write(self, path, data):
        if path not in self.files:
            self.create(path)
        self.file(path)[0] = data
        self.files[path][2] = now()

    def below(self, path):
        lead = path.rstrip("/") + "/"
        return [p for p in self.files if p.startswith(lead) and p != "/"]

    def remove(self, path, recursive):
        self.known(path)
        if self.below(path) and not recursive:
            raise Refusal(500, f"directory not empty: {path}")
        for victim in [path, *self.below(path)]:
            self.files.pop(victim, None)

    def stat(self, path):
        data, mode, changed = self.known(path)
        folder = data is None
        return describe(posixpath.basename(path), 0 if folder else len(data), mode, changed, folder,
                        "memfs", "directory" if folder else "file")

    def list(self, path):
        if self.known(path)[0] is not None:
            raise Refusal(500, f"not a directory: {path}")
        lead = path.rstrip("/") + "/"
        return [self.stat(p) for p in self.below(path) if "/" not in p[len(lead):]]

    def mkdir(self, path, mode):
        if path in self.files:
            raise Refusal(500, f"directory already exists: {path}")
        self.parent(path)
        self.files[path] = [None, mode, now()]

    def rename(self, path, new):
        self.known(path)
        self.parent(new)
        for old in [path, *self.below(path)]:
            self.files[new + old[len(path):]] = self.files.pop(old)

    def chmod(self, path, mode):
        self.known(path)[1] = mode

    def join(self, _path):
        return None


class Tree:
    """What is mounted where."""

    kinds = {"streamfs": StreamFS, "memfs": MemFS}

    def __init__(self):
        self.lock = threading.RLock()
        self.mounts = {"/streamfs": StreamFS({}), "/memfs": MemFS({})}

    def find(self, path, what):
        best = max((m for m in self.mounts if path == m or path.startswith(m + "/")),
                   key=len, default=None)
        if best is None:
            raise Refusal(404, f"{what}: {path}: not found")
        return self.mounts[best], path[len(best):] or "/"

    def list(self, path):
        if path == "/":
            return [describe(m[1:], 0, 0o755, now(), True, "rootfs", "mount-point")
                    for m in self.mounts if m.count("/") == 1]
        fs, inside = self.find(path, "readdir")
        return fs.list(inside)

    def stat(self, path):
        if path == "/":
            return describe("/", 0, 0o755, now(), True, "rootfs", "root")
        fs, inside = self.find(path, "stat")
        if inside == "/":
            return describe(posixpath.basename(path), 0, 0o755, now(), True, fs.name, "directory")
        return fs.stat(inside)

    def mount(self, kind, path, config):
        if path in self.mounts:
            raise Refusal(409, f"mount already exists: {path}")
        if kind not in self.kinds:
            raise Refusal(400, f"unknown filesystem type: {kind}")
        for key in config:
            if key not in STREAM_KEYS and kind == "streamfs":
                raise Refusal(400, "failed to validate plugin: unknown configuration parameter(s) "
                              f"'{key}' - allowed parameters are: 'channel_buffer_size', "
                              "'ring_buffer_size', 'mount_path'")
        self.mounts[path] = self.kinds[kind](config)

    def unmount(self, path):
        if path not in self.mounts:
            raise Refusal(500, f"no mount at path: {path}")
        del self.mounts[path]  # its readers wait for ever


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
