# SPDX-License-Identifier: MIT
"""The servers that are measured: each started for one run on a free port of
loopback, keeping nothing on disk, and ended by its process id."""

import os
import shutil
import socket
import subprocess
import time
import urllib.request

from harness import Failure, built, end, run, spawn


def _free_port():
    """Where a server that cannot choose one itself may listen."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def _wait_until_open(child, port):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and child.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.005)
    raise Failure(f"{child.args} does not listen on port {port}")


class _Server:
    """Usable as `with Server() as s`: s.port, s.pid."""

    child = None
    ours = False

    def __enter__(self):
        self.start()
        self.pid = self.child.pid
        return self

    def __exit__(self, *_):
        end(self.child)

    def spawn(self, *argv):
        # setpriv becomes the program, so that the process id is the server's.
        self.child = spawn(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait_until_open(self.child, self.port)


class Pfs(_Server):
    name, ours, options = "pfs", True, []

    def start(self):
        read_end, write_end = os.pipe()
        with os.fdopen(read_end) as ready:
            self.child = spawn([built("pfs"), "serve", "--port", "0", "--drain-timeout", "0",
                                "--ready-fd", write_end, *self.options],
                               pass_fds=[write_end], stderr=subprocess.DEVNULL)
            os.close(write_end)
            address = ready.readline().strip()
        if not address.startswith("http://"):
            raise Failure("pfs serve does not start")
        self.port = int(address.rsplit(":", 1)[1])

    def request(self, method, what):
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}"
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as r:
            return r.read()

    @staticmethod
    def missing():
        return None


class BusyPfs(Pfs):
    """Its loops look again for a while before they sleep."""

    name, options = "pfs-busy", ["--busy-poll", "2ms"]

    @classmethod
    def missing(cls):
        known = run([built("pfs"), "serve", "--help"]).stdout.decode()
        return None if cls.options[0] in known else f"pfs serve does not know {cls.options[0]}"


class SleepingPfs(Pfs):
    """Its loops never look before they sleep."""

    name, options = "pfs-sleeps", ["--busy-poll", "0"]


class Redis(_Server):
    name = "redis"

    def start(self):
        self.port = _free_port()
        self.spawn("redis-server", "--bind", "127.0.0.1", "--port", self.port, "--save", "",
                   "--appendonly", "no", "--daemonize", "no", "--loglevel", "warning")

    @staticmethod
    def missing():
        return None if shutil.which("redis-server") else "redis-server is not installed"


class Nats(_Server):
    name = "nats"

    def start(self):
        self.port = _free_port()
        self.spawn("nats-server", "--addr", "127.0.0.1", "--port", self.port)

    @staticmethod
    def missing():
        return None if shutil.which("nats-server") else "nats-server is not installed"
