# SPDX-License-Identifier: MIT
"""What is measured: each function runs one program once and gives its figures."""

import json
import re
import resource
import socket
import time

from harness import Failure, built, run

LOAD_PATH = "/streamfs/load"


def _printed(*argv, seconds):
    ended = run(argv, timeout=60 + 3 * seconds)
    if ended.returncode != 0:
        raise Failure(f"{argv[0]}: {ended.stderr.decode().strip() or ended.returncode}")
    return ended.stdout.decode()


def _figures(*argv, seconds):
    figures = json.loads(_printed(*argv, seconds=seconds))
    figures.pop("readers")
    return figures


def load(server_class, readers, seconds, size=65536, mode="put", gap_us=0, policy=None):
    """stream_load on our server, stream_others on others'."""
    with server_class() as server:
        words = ["--port", server.port, "--pid", server.pid, "--readers", readers,
                 "--seconds", seconds, "--size", size, "--gap-us", gap_us]
        if server.ours:
            words = [built("stream_load"), *words, "--mode", mode]
            words += ["--policy", policy] if policy else []
        else:
            words = [built("stream_others"), "--server", server.name, *words]
        return _figures(*words, seconds=seconds)


def fan(readers, seconds, copies):
    words = [built("stream_fan"), "--readers", readers, "--seconds", seconds]
    return _figures(*words, *(["--copy"] if copies else []), seconds=seconds)


def floor(readers, seconds, size=65536, gap_us=0):
    """stream_floor: a server that does nothing."""
    return _figures(built("stream_floor"), "--readers", readers, "--seconds", seconds,
                    "--size", size, "--gap-us", gap_us, seconds=seconds)


# ---- readers that wait ----

def _own_memory(pid):
    """Bytes in memory that are the process's own: no files, no kernel buffers."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) * 1024


def _cpu_seconds(pid):
    return time.clock_gettime(~pid << 3 | 2)  # what clock_getcpuclockid(3) makes of it


def _wait_for(sock, end):
    text = b""
    while end not in text:
        piece = sock.recv(4096)
        if not piece:
            raise Failure(f"an idle reader got {text!r}")
        text += piece
    return text


def _ask(port):
    sock = socket.create_connection(("127.0.0.1", port), timeout=20)
    sock.sendall(f"GET /api/v1/files?path={LOAD_PATH}&stream=true HTTP/1.1\r\nHost: x\r\n\r\n"
                 .encode())
    return sock


def _open_readers(port, n):
    """Some at a time, as many as a server may let wait for their answers."""
    socks = []
    while len(socks) < n:
        asked = [_ask(port) for _ in range(min(100, n - len(socks)))]
        for sock in asked:
            if b" 200 " not in _wait_for(sock, b"\r\n\r\n"):
                raise Failure("an idle reader was refused")
        socks += asked
    return socks


def _active_readers(server):
    entry = json.loads(server.request("GET", f"stat?path={LOAD_PATH}"))
    return int(entry["meta"]["Content"]["active_readers"])


def _until_gone(server):
    began = time.monotonic()
    while _active_readers(server):
        if time.monotonic() > began + 20:
            raise Failure("readers that left are still counted")
    return time.monotonic() - began


def idle(server_class, readers, seconds):
    """Readers of one stream that nobody writes to: memory of each, processor time of
    all; then one write reaches each of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < readers + 100:
        raise Failure(f"{readers} readers need more descriptors than {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with server_class() as server:
        socks = _open_readers(server.port, 1)  # what is made once is not a reader's
        _active_readers(server)
        before = _own_memory(server.pid)
        opening = _cpu_seconds(server.pid)
        socks += _open_readers(server.port, readers)
        opening = (_cpu_seconds(server.pid) - opening) / readers
        memory = (_own_memory(server.pid) - before) / readers
        cpu = _cpu_seconds(server.pid)
        time.sleep(seconds)
        cpu = (_cpu_seconds(server.pid) - cpu) / seconds
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", server.port)) as writer:
            writer.sendall(f"PUT /api/v1/files?path={LOAD_PATH} HTTP/1.1\r\nHost: x\r\n"
                           "Content-Length: 5\r\n\r\nhello".encode())
            for sock in socks:
                _wait_for(sock, b"hello\r\n")
        all_told = time.monotonic() - began
        for sock in socks:
            sock.close()
        return {"bytes_per_reader": memory, "idle_cpu_ms_per_s": cpu * 1000,
                "open_cpu_us": opening * 1e6, "all_told_ms": all_told * 1000,
                "gone_ms": _until_gone(server) * 1000}


# ---- the ring without HTTP ----

_THROUGHPUT = re.compile(r"^(?:ring )?(.+?) +(\d+) B +([\d.]+) M/s +([\d.]+) GB/s +([\d.]+) % of "
                         r"memcpy, delivered +([\d.]+) %$")
_LATENCY = re.compile(r"^(.+?) +every +(\d+) us: p50 +([\d.]+) us, p99 +([\d.]+) us$")


def _row_name(text):
    return text.lower().replace(",", "").replace("=", "").replace(" ", "-")


def ring(milliseconds):
    """bench_ring, which takes its turns itself: rows by name."""
    rows = {}
    text = _printed(built("bench_ring"), 1, milliseconds, seconds=milliseconds * 14 / 1000)
    for line in text.splitlines():
        if found := _THROUGHPUT.match(line):
            name, size, million, gb, of_memcpy, delivered = found.groups()
            rows[f"ring/{size}/{_row_name(name)}"] = {
                "million_per_s": float(million), "in_mb_s": float(gb) * 1000,
                "of_memcpy_pct": float(of_memcpy), "delivered_pct": float(delivered)}
        elif found := _LATENCY.match(line):
            name, every, p50, p99 = found.groups()
            rows[f"ring/paced-{every}us/{_row_name(name)}"] = {"p50_us": float(p50),
                                                              "p99_us": float(p99)}
        else:
            raise Failure(f"bench_ring says {line!r}")
    return rows
