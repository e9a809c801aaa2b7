# SPDX-License-Identifier: MIT
"""Real BitTorrent clients as seeders on loopback.

Each starts with a torrent and a folder that holds its files, and is ready when
a handshake shows that it has every piece. DHT, local discovery, peer exchange
and port mapping are off in all of them.
"""

import json
import os
import signal
import socket

from harness import Failure, built, end, eventually, need, spawn
from peerwire import serves_all
from scripted import HashRelay
from torrentmaker import Torrent


def free_port(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


class Seeder:
    """A running client. `peer` is its address as --peer takes it."""

    def __init__(self, name, child, host, port, log):
        self.name = name
        self.child = child
        self.host, self.port = host, port
        self.address = (host, port)
        self.peer = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.log = log

    def wait_ready(self, torrent, timeout=30):
        def ready():
            if self.child.poll() is not None:
                with open(self.log, errors="replace") as log:
                    raise Failure(f"{self.name} ended: {log.read()[-2000:]}")
            return serves_all(self.address, torrent)
        eventually(ready, f"{self.name} seeds on {self.peer}", timeout)
        return self

    def stop(self):
        end(self.child, timeout=5)

    def freeze(self):
        """It stays connected and says nothing any more."""
        os.kill(self.child.pid, signal.SIGSTOP)


def _folder(work, name):
    for i in range(1000):
        path = os.path.join(work, f"{name}.{i}")
        if not os.path.exists(path):
            os.makedirs(path)
            return path
    raise Failure(f"too many {name} folders")


def _start(name, argv, folder, host, port):
    log = os.path.join(folder, "log")
    with open(log, "wb") as out:
        child = spawn(argv, stdout=out, stderr=out)
    return Seeder(name, child, host, port, log)


def start_transmission(torrent, data, work, host="127.0.0.1", port=0):
    """transmission-daemon; it verifies the files before it offers them."""
    need("transmission-daemon")
    folder = _folder(work, "transmission")
    port = port or free_port(host)
    watch = os.path.join(folder, "watch")
    os.makedirs(watch)
    torrent.save(os.path.join(watch, "seed.torrent"))
    settings = {
        "bind-address-ipv4": host, "bind-address-ipv6": "::1", "peer-port": port,
        "dht-enabled": False, "lpd-enabled": False, "pex-enabled": False, "utp-enabled": False,
        "port-forwarding-enabled": False, "rpc-enabled": False, "download-dir": data,
        "watch-dir": watch, "watch-dir-enabled": True, "start-added-torrents": True,
        "encryption": 0, "ratio-limit-enabled": False, "incomplete-dir-enabled": False,
        "rename-partial-files": False, "preallocation": 0, "blocklist-enabled": False,
        "trash-original-torrent-files": False, "peer-limit-global": 400,
        "peer-limit-per-torrent": 200, "umask": 18,
    }
    with open(os.path.join(folder, "settings.json"), "w") as out:
        json.dump(settings, out)
    seeder = _start("transmission", ["transmission-daemon", "-f", "-g", folder], folder, host, port)
    return seeder.wait_ready(torrent)


def start_aria2c(torrent, data, work, host="127.0.0.1", port=0):
    """aria2c; it offers the files unchecked, so a spoilt file makes it a liar."""
    need("aria2c")
    folder = _folder(work, "aria2c")
    port = port or free_port(host)
    file = torrent.save(os.path.join(folder, "seed.torrent"))
    argv = ["aria2c", "--no-conf", "--quiet", f"--dir={data}", "--seed-ratio=0.0",
            "--bt-seed-unverified=true", "--check-integrity=false", "--allow-overwrite=false",
            "--auto-file-renaming=false", f"--listen-port={port}", f"--interface={host}",
            "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false",
            "--enable-peer-exchange=false", "--file-allocation=none", "--bt-max-peers=0",
            "--disable-ipv6=true", file]
    seeder = _start("aria2c", argv, folder, host, port)
    return seeder.wait_ready(torrent)


def start_libtorrent(torrent, data, work, host="127.0.0.1", port=0, options=()):
    """ltseed of tests/tools: libtorrent's own session over the stock disk."""
    folder = _folder(work, "ltseed")
    port = port or free_port(host)
    file = torrent.save(os.path.join(folder, "seed.torrent"))
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    argv = [built("ltseed"), *options, "--torrent", file, "--dir", data, "--listen", where]
    seeder = _start("libtorrent", argv, folder, host, port)
    return seeder.wait_ready(torrent)


def start_v1_face(start, torrent, data, work):
    """A client that cannot read hybrid torrents seeds the version 1 face of one.

    Transmission before 4.0 does not parse the empty dictionary keys of BEP 52
    (transmission/transmission#1964), aria2 1.36 drops them and computes a wrong
    hash (aria2/aria2#1905). Both are given the same pieces and files under the
    hash of a plain version 1 torrent, and a relay changes the hash in greetings.
    """
    info = {key: value for key, value in torrent.metainfo["info"].items()
            if key not in ("file tree", "meta version")}
    face = Torrent(torrent.name, torrent.entries, {"info": info}, torrent.piece_length,
                   torrent.single)
    seeder = start(face, data, work)
    relay = HashRelay(seeder.address, torrent.info_hash, face.info_hash)
    seeder.peer, seeder.address = relay.peer, relay.address
    return seeder.wait_ready(torrent)


START = {
    "transmission": start_transmission,
    "aria2c": start_aria2c,
    "libtorrent": start_libtorrent,
}


def seed(torrent, work, client="libtorrent", **more):
    """Lay the files out and start a client that seeds them."""
    data = torrent.lay_out(_folder(work, "data"))
    start = START[client]
    if client != "libtorrent" and torrent.v2:
        return start_v1_face(start, torrent, data, work)
    return start(torrent, data, work, **more)


def source_of(torrent, work, form):
    """What the tool takes as SOURCE: a .torrent file, or a magnet link."""
    if form == "torrent":
        return torrent.save(os.path.join(work, "source.torrent"))
    return torrent.magnet("hex" if form == "magnet" else form)
