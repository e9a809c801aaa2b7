# SPDX-License-Identifier: MIT
"""The pfs tool under test: run it, start it, give it a terminal, cut its line."""

import os
import pty
import re
import select
import signal
import socket
import subprocess
import threading
import time

from harness import Failure, built, equal, eventually, patience, run, spawn

URLS = ("PFS_API_URL", "AGFS_API_URL", "AGFS_SERVER_URL")


def environment(url=None, **more):
    env = {k: v for k, v in os.environ.items()
           if k not in URLS and not k.lower().endswith("_proxy")}
    env.update(TZ="UTC", **more)
    if url:
        env["PFS_API_URL"] = url
    return env


class Pfs:
    """pfs with a server's address."""

    def __init__(self, url, name="pfs"):
        self.url, self.program = url, built(name)

    def ended(self, *words, stdin=b"", env=None, timeout=20):
        """Run to the end: (status, stdout, stderr)."""
        options = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
        ended = _run([self.program, *words], timeout, env=env or environment(self.url), **options)
        return ended.returncode, ended.stdout, ended.stderr.decode()

    def __call__(self, *words, stdin=b"", timeout=20):
        """It must succeed and say nothing on stderr; its stdout."""
        status, out, err = self.ended(*words, stdin=stdin, timeout=timeout)
        equal((status, err), (0, ""), f"pfs {' '.join(map(str, words))}")
        return out

    def fails(self, *words, status=1, stdin=b"", says=()):
        """It must end with this status, nothing on stdout, and these words on stderr."""
        got, out, err = self.ended(*words, stdin=stdin)
        equal((got, out), (status, b""), f"pfs {' '.join(map(str, words))}: {err}")
        for part in [says] if isinstance(says, str) else says:
            if part not in err:
                raise Failure(f"pfs {' '.join(map(str, words))}: no {part!r} in {err!r}")
        return err

    def shell(self, script):
        """A line of shell in which $0 is pfs: (status, stdout, stderr)."""
        ended = _run(["sh", "-c", script, self.program], 20, env=environment(self.url), input=b"")
        return ended.returncode, ended.stdout, ended.stderr.decode()

    def start(self, *words, **options):
        """A Running one; stdin, stdout and stderr are pipes unless said otherwise."""
        for stream in ("stdin", "stdout", "stderr"):
            options.setdefault(stream, subprocess.PIPE)
        options.setdefault("env", environment(self.url))
        return Running(spawn([self.program, *words], bufsize=0, **options))


def _run(argv, timeout, **options):
    data = options.pop("input", None)
    if data is None:
        return run(argv, timeout=timeout, **options)
    child = spawn(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                  **options)
    try:
        out, err = child.communicate(data, timeout=timeout * patience())
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise Failure(f"{argv} did not end within {timeout} s") from None
    return subprocess.CompletedProcess(argv, child.returncode, out, err)


class Running:
    def __init__(self, child):
        self.child = child
        self.pid = child.pid

    def read(self, n, timeout=10):
        """n bytes of its stdout, or Failure."""
        data = b""
        deadline = time.monotonic() + timeout * patience()
        while len(data) < n:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.child.stdout], [], [], left)[0]:
                raise Failure(f"{n} bytes expected in {timeout} s, there are {data[:80]!r}")
            piece = self.child.stdout.read(n - len(data))
            if not piece:
                raise Failure(f"{n} bytes expected, it ended after {data[:80]!r}: "
                              f"{self.child.stderr.read().decode()}")
            data += piece
        return data

    def write(self, data):
        self.child.stdin.write(data)

    def interrupt(self):
        self.child.send_signal(signal.SIGINT)

    def end(self, timeout=15, stdin=True):
        """Close its stdin and wait: (status, the rest of stdout, stderr)."""
        if self.child.stdin and not self.child.stdin.closed and stdin:
            self.child.stdin.close()
        out = {"stdout": b"", "stderr": b""}
        readers = [threading.Thread(target=self._drain, args=(out, name), daemon=True)
                   for name in out if getattr(self.child, name)]
        for reader in readers:
            reader.start()
        try:
            status = self.child.wait(timeout=timeout * patience())
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.child.args} did not end within {timeout} s") from None
        for reader in readers:
            reader.join()
        return status, out["stdout"], out["stderr"].decode()

    def _drain(self, out, name):
        out[name] = getattr(self.child, name).read()


def caught(pid, name):
    """Whether a process has a handler for a signal."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        mask = re.search(r"^SigCgt:\s*(\w+)", file.read(), re.M)[1]
    return int(mask, 16) >> (getattr(signal, name) - 1) & 1


class Terminal:
    """A terminal for stderr: what was written to it is .text."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        self.text = ""

    def close(self):
        os.close(self.slave)
        while True:
            try:
                piece = os.read(self.master, 65536)
            except OSError:  # the other side is closed
                piece = b""
            if not piece:
                break
            self.text += piece.decode()
        os.close(self.master)
        return re.sub(r"\r\x1b\[K", "", self.text.replace("\r\n", "\n"))


class Relay:
    """A TCP relay in front of a server. Its `cuts` say after how many bytes of
    answers the next connections break; then connections are left alone. Before
    each break on_cut() is called."""

    def __init__(self, port, cuts=(), on_cut=lambda: None):
        self.port, self.cuts, self.on_cut = port, list(cuts), on_cut
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.connections = 0
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self.port))
            self.open.append((client, server))
            for a, b, counted in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=(a, b, counted), daemon=True).start()

    def _pump(self, source, sink, counted):
        try:
            while data := source.recv(1 << 16):
                if counted and self.cuts:
                    self.cuts[0] -= len(data)
                    if self.cuts[0] <= 0:
                        sink.sendall(data[:len(data) + self.cuts[0]])
                        self.cuts.pop(0)
                        self.on_cut()
                        break
                sink.sendall(data)
        except OSError:
            pass
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def refuse(self):
        """Break what is open, and let nobody in any more."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def cut(self):
        """Break what is open."""
        for pair in self.open:
            for sock in pair:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.open.clear()


class Server:
    """Our own `pfs serve`."""

    def __init__(self, *options, work=None):
        self.child = spawn([built("pfs"), "serve", "--listen", "127.0.0.1:0", *options],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                           env=environment(), cwd=work)
        line = self._line_with_address()
        self.port = int(re.search(rb"127\.0\.0\.1:(\d+)", line)[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def _line_with_address(self):
        line = b""
        deadline = time.monotonic() + 20 * patience()
        while not re.search(rb"127\.0\.0\.1:\d+.*\n", line):
            ready, _, _ = select.select([self.child.stderr], [], [], 0.2)
            piece = self.child.stderr.read(1) if ready else b""
            if self.child.poll() is not None and not piece:
                raise Failure(f"pfs serve ended with {self.child.returncode}: {line.decode()}")
            if time.monotonic() > deadline:
                raise Failure(f"pfs serve does not say where it listens: {line.decode()}")
            line = piece if line.endswith(b"\n") else line + piece
        return line

    def kill(self):
        self.child.kill()
        self.child.wait()

    def terminate(self):
        self.child.terminate()
        return self.child.wait(timeout=20 * patience())


def ours(*options):
    """Our own server and a pfs that talks to it."""
    server = Server(*options)
    return server, Pfs(server.url)


def lines(out):
    return out.decode().splitlines()


def gives_bytes_at_once(pfs):
    """A reader that comes first makes the stream, and gets what is written piece by piece."""
    reader = pfs.start("cat", "--stream", "/streamfs/s")
    wait_for_readers(pfs, "/streamfs/s", 1)
    for piece in (b"one\n", b"\0\xff\r\n two", b"3"):
        pfs("write", "/streamfs/s", stdin=piece)
        equal(reader.read(len(piece)), piece, "what the reader got")
    pfs("rm", "/streamfs/s")
    equal(reader.end(), (0, b"", ""), "the reader at the deletion")


def tells_streams_from_files(pfs):
    """What to type instead is said."""
    pfs("write", "/streamfs/s", "x")
    want = ": /streamfs/s: is a stream; use: pfs cat --stream /streamfs/s\n"
    for words in (["cat"], ["download"], ["cp"]):
        more = ["/memfs/copy"] if words != ["cat"] else []
        equal(pfs.fails(*words, "/streamfs/s", *more), words[0] + want, words[0])
    pfs("write", "/memfs/f", "x")
    pfs.fails("cat", "--stream", "/memfs/f",
              says="cat: filesystem does not support streaming: /memfs/f")
    pfs.fails("write", "--stream", "/streamfs/s", "word", status=2, says="stdin")


def resident(server):
    """Bytes of memory that it has."""
    with open(f"/proc/{server.child.pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def readers_of(pfs, path):
    """active_readers as stat says it."""
    status, out, _ = pfs.ended("stat", path)
    found = re.search(rb"'active_readers': '(\d+)'", out)
    return int(found[1]) if status == 0 and found else 0


def wait_for_readers(pfs, path, n):
    eventually(lambda: readers_of(pfs, path) == n, f"{n} readers of {path}")
