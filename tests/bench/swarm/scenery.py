# SPDX-License-Identifier: MIT
"""Films, swarms and trackers: what is the same for every program that is measured."""

import http.server
import os
import signal
import socket
import struct
import subprocess
import threading
import urllib.parse

from harness import Failure, built

import bencode

MIB = 1 << 20
SEED = 1  # of the pattern that every film is


class Film:
    """A file of pattern bytes on disk and the .torrent of it, each made once."""

    def __init__(self, scratch, size, piece=MIB):
        self.size, self.piece = size, piece
        self.folder = os.path.join(scratch, "films")
        os.makedirs(self.folder, exist_ok=True)
        self.torrent = os.path.join(self.folder, f"{size}-{piece}.torrent")
        self.name = f"pattern-{size}-{SEED}.bin"
        self.path = os.path.join(self.folder, self.name)
        there = os.path.exists(self.path) and os.path.getsize(self.path) == size
        argv = [built("vseed"), "--size", size, "--piece-length", piece, "--seed", SEED,
                "--torrent", self.torrent, "--make-only"]
        argv += [] if there else ["--write", self.folder]
        subprocess.run(list(map(str, argv)), check=True, timeout=600)
        self._metainfo()

    def _metainfo(self):
        import hashlib
        with open(self.torrent, "rb") as file:
            self.metainfo = file.read()
        info = self.metainfo[len(b"d4:info"):-1]
        self.info_hash = hashlib.sha1(info).digest()
        self.n_pieces = -(-self.size // self.piece)

    def save(self, path):
        with open(path, "wb") as out:
            out.write(self.metainfo)
        return path

    def with_tracker(self, path, url):
        """The same torrent that also names a tracker: its hash is the same."""
        with open(path, "wb") as out:
            out.write(b"d8:announce" + bencode.encode(url.encode()) + self.metainfo[1:])
        return path

    def magnet(self, peers=(), tracker=None):
        link = f"magnet:?xt=urn:btih:{self.info_hash.hex()}&dn={self.name}"
        if tracker:
            link += "&tr=" + urllib.parse.quote(tracker, safe="")
        return link + "".join(f"&x.pe={peer}" for peer in peers)


class Service:
    """A program of ours that says `listening PORT` and answers SIGUSR1 with figures."""

    def __init__(self, *argv, ports=1):
        self.child = subprocess.Popen(list(map(str, argv)), stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        self.ports = []
        for _ in range(ports):
            words = self.child.stdout.readline().split()
            if words[:1] != ["listening"]:
                raise Failure(f"{argv[0]} did not begin")
            self.ports.append(int(words[1]))

    def figure(self):
        self.child.send_signal(signal.SIGUSR1)
        return int(self.child.stdout.readline().split()[1])

    def stop(self):
        self.child.stdin.close()
        self.child.terminate()
        self.child.wait(timeout=10)
        self.child.stdout.close()


class Tracker:
    """Gives everybody who asks the same peers, over HTTP."""

    def __init__(self, peers):
        packed = b""
        for peer in peers:
            host, port = peer.rsplit(":", 1)
            packed += socket.inet_aton(host) + struct.pack(">H", int(port))
        answer = bencode.encode({"interval": 1800, "complete": len(peers), "incomplete": 0,
                                 "peers": packed})

        class Answer(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/announce"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Scenario:
    """`rates`: bytes per second of each seeder, 0 for no cap. With `delay_ms` (one
    way) a relay stands before them, and it is the relay that has the rates."""

    def __init__(self, rates, utp=False, delay_ms=0, loss=0):
        self.rates, self.utp, self.delay_ms, self.loss = rates, utp, delay_ms, loss


SCENARIOS = {
    "open": Scenario([0]),
    "open-utp": Scenario([0], utp=True),
    "capped": Scenario([5 * MIB // 2] * 4),
    # The same four behind lines of that rate: libtorrent's own cap hands out what may
    # be sent twice a second, so that one read in five waits for the next half second.
    "line": Scenario([5 * MIB // 2] * 4, delay_ms=1),
    "slowpeer": Scenario([3 * MIB] * 3 + [64 * 1024]),
    "rtt40": Scenario([5_000_000] * 5, delay_ms=20),
    "rtt100": Scenario([5_000_000] * 5, delay_ms=50),
    "loss5": Scenario([5_000_000] * 5, delay_ms=10, loss=5),
}


class Swarm:
    """The seeders of a scenario, running."""

    def __init__(self, scenario, film):
        self.film, self.scenario = film, scenario
        self.services, self.seeders = [], []
        relayed = scenario.delay_ms > 0
        for number, rate in enumerate(scenario.rates):
            # Other addresses: clients that keep one connection per address know them apart.
            argv = [built("ltseed"), "--torrent", film.torrent, "--dir", film.folder,
                    "--listen", f"127.0.0.{11 + number}:0"]
            argv += ["--rate", rate] if rate and not relayed else []
            argv += ["--utp"] if scenario.utp else []
            self.seeders.append(Service(*argv))
        self.services += self.seeders
        self.peers = [f"127.0.0.{11 + i}:{s.ports[0]}" for i, s in enumerate(self.seeders)]
        if relayed:
            self._relay()
        self.tracker = Tracker(self.peers)

    def _relay(self):
        argv = [built("relay"), "--delay", self.scenario.delay_ms,
                "--rate", self.scenario.rates[0], "--loss", self.scenario.loss]
        for number, peer in enumerate(self.peers):
            argv += ["--link", f"127.0.0.{31 + number}:0={peer}"]
        relay = Service(*argv, ports=len(self.peers))
        self.services.append(relay)
        self.peers = [f"127.0.0.{31 + i}:{port}" for i, port in enumerate(relay.ports)]

    def uploaded(self):
        return sum(seeder.figure() for seeder in self.seeders)

    def line(self):
        """Bytes per second of all together; 0: no cap."""
        return sum(self.scenario.rates)

    def stop(self):
        self.tracker.stop()
        for service in reversed(self.services):
            service.stop()
