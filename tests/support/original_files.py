# SPDX-License-Identifier: MIT
"""The file systems of original_streamfs.py, as far as clients ask: streams, files in
memory, and what is mounted where. Any thread; the tree's lock is the server's."""

import collections
import datetime
import posixpath
import queue
import threading

SLOTS = 96
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
