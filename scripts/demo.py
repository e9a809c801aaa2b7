# SPDX-License-Identifier: MIT
"""The film of scripts/quickstart: made, seeded, mounted, read, compared.

Everything lives in one temporary folder, but for the film itself, which stays
in build/quickstart so that the next run need not make it again.
"""

import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

from torrentmaker import MIB, make_v1  # noqa: E402

KEPT = os.path.join(ROOT, "build", "quickstart")
TOOL = os.path.join(ROOT, "build", "release", "cli", "gostream-mount")
FILM = "sample.mkv"
LEAST = 60 * MIB
RAM = 32 * MIB  # less than the film, so that some of it is fetched twice
PLACES = 20
TICK = os.sysconf("SC_CLK_TCK")


class Wrong(Exception):
    """A comparison did not hold, or something did not start."""


def say(text):
    print(text, flush=True)


# ---- the film ----

def make_film():
    path = os.path.join(KEPT, FILM)
    if os.path.exists(path) and os.path.getsize(path) >= LEAST:
        return path
    say("making a film of 40 s (video, audio, index at the end)")
    os.makedirs(KEPT, exist_ok=True)
    picture = "testsrc2=size=1280x720:rate=25:duration=40,noise=alls=20:allf=t"
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", picture,
                    "-f", "lavfi", "-i", "sine=frequency=440:beep_factor=4:duration=40",
                    "-c:v", "mpeg4", "-b:v", "16M", "-c:a", "aac", "-f", "matroska", path + ".new"],
                   check=True)
    if os.path.getsize(path + ".new") < LEAST:
        raise Wrong(f"ffmpeg made a film of less than {LEAST} bytes")
    os.rename(path + ".new", path)
    return path


def make_torrent(film, work):
    with open(film, "rb") as file:
        content = file.read()
    path = os.path.join(work, FILM + ".torrent")
    make_v1(FILM, content).save(path)
    return path, hashlib.sha256(content).hexdigest()


# ---- the two programs ----

def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def start(name, argv, work):
    """A program of its own session, so that Ctrl-C is ours to pass on."""
    with open(os.path.join(work, name + ".log"), "wb") as log:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                start_new_session=True)


def log_of(name, work):
    with open(os.path.join(work, name + ".log"), errors="replace") as log:
        return log.read()[-2000:].strip()


def eventually(condition, what, child, name, work, timeout=30, pause=0.01):
    deadline = time.monotonic() + timeout
    while not condition():
        if child.poll() is not None:
            raise Wrong(f"{name} ended with status {child.returncode}: {log_of(name, work)}")
        if time.monotonic() > deadline:
            raise Wrong(f"{what}: not within {timeout} s: {log_of(name, work)}")
        time.sleep(pause)


def start_seeder(torrent, port, work):
    seeder = start("aria2c", [
        "aria2c", "--no-conf", "--quiet", f"--dir={KEPT}", "--seed-ratio=0.0",
        "--bt-seed-unverified=true", "--allow-overwrite=false", "--auto-file-renaming=false",
        "--file-allocation=none", "--enable-dht=false", "--enable-dht6=false",
        "--bt-enable-lpd=false", "--enable-peer-exchange=false", "--disable-ipv6=true",
        "--interface=127.0.0.1", f"--listen-port={port}", torrent], work)

    def listens():
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    eventually(listens, "the seeder listens", seeder, "aria2c", work)
    return seeder


def start_mount(torrent, port, point, work):
    os.mkdir(point)
    return start("gostream-mount", [
        TOOL, "--ram", str(RAM), "--peer", f"127.0.0.1:{port}", "--listen", "127.0.0.1:0",
        "--no-dht", "--no-lsd", "--no-pex", torrent, point], work)


def end(child, seconds=5):
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


# ---- reading ----

def first_byte(path, mount, work):
    """Open and read one byte, trying every millisecond until it is there."""
    def there():
        try:
            with open(path, "rb", buffering=0) as file:
                return len(file.read(1)) == 1
        except FileNotFoundError:
            return False
    eventually(there, "the first byte", mount, "gostream-mount", work, pause=0.001)


def drop_pages(file):
    """The kernel forgets what it has of this file: the next read asks the engine."""
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        drop_pages(file)
        while chunk := file.read(MIB):
            digest.update(chunk)
    return digest.hexdigest()


def compare_places(film, path):
    source = random.Random(20)
    with open(film, "rb") as want, open(path, "rb", buffering=0) as got:
        size = os.path.getsize(film)
        for _ in range(PLACES):
            drop_pages(got)
            at, length = source.randrange(size), source.randrange(1, 256 * 1024)
            want.seek(at)
            if os.pread(got.fileno(), length, at) != want.read(length):
                raise Wrong(f"{length} bytes at {at} differ")


def probe(path):
    """What ffprobe finds; the index at the end makes it jump."""
    run = subprocess.run(["ffprobe", "-v", "error", "-show_entries",
                          "format=duration:stream=codec_name", "-of", "csv=p=0", path],
                         text=True, capture_output=True, timeout=60)
    words = run.stdout.split()
    if run.returncode or len(words) != 3:
        raise Wrong(f"ffprobe: {run.stdout}{run.stderr}")
    return f"{words[0]}, {words[1]}, {float(words[2]):.0f} s"


# ---- figures ----

def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def peak_memory(pid):
    """The most it ever had, less what is only mapped from program files."""
    with open(f"/proc/{pid}/status") as status:
        values = dict(line.split(":", 1) for line in status)
    return (int(values["VmHWM"].split()[0]) - int(values["RssFile"].split()[0])) * 1024


def show(rows):
    width = max(len(name) for name, _ in rows)
    say("")
    for name, value in rows:
        say(f"  {name:<{width}}   {value}")
    say("")


def try_all(film, torrent, want, port, point, work, children):
    """Everything that must hold; returns the table."""
    children.append(start_seeder(torrent, port, work))
    began = time.monotonic()
    mount = start_mount(torrent, port, point, work)
    children.append(mount)
    path = os.path.join(point, FILM)
    first_byte(path, mount, work)
    to_first = time.monotonic() - began

    subprocess.run(["ls", "-l", point], check=True)
    found = probe(path)
    size, cpu, began = os.path.getsize(path), cpu_seconds(mount.pid), time.monotonic()
    got = sha256(path)
    seconds, cpu = time.monotonic() - began, cpu_seconds(mount.pid) - cpu
    if got != want:
        raise Wrong(f"SHA-256 of the mounted film is {got}, of the original {want}")
    compare_places(film, path)
    return [
        ("ffprobe", found),
        ("SHA-256", f"the same, {size / MIB:.1f} MiB"),
        ("random reads", f"{PLACES} of {PLACES} the same"),
        # aria2c looks once a second whom to let ask; that is most of this.
        ("time to first byte", f"{to_first * 1000:.0f} ms from the start of gostream-mount,"
                               " 1 s of them aria2c's"),
        ("rate", f"{size / 1e6 / seconds:.0f} MB/s, read whole and hashed by the reader"),
        ("CPU", f"{cpu / size * 2**30:.2f} s per GiB"),
        ("memory", f"{peak_memory(mount.pid) / MIB:.0f} MiB at most,"
                   f" for a budget (--ram) of {RAM // MIB} MiB"),
    ]


def place_of(work):
    """Where the film is mounted."""
    return os.path.join(work, "film")


def explain_keep(work, children):
    seeder, mount = children
    point = place_of(work)
    say(f"""The film stays mounted. Look at it:
  ls -l {point}; ffprobe {point}/{FILM}
End it:
  kill {mount.pid} {seeder.pid}; sleep 1; rm -r {work}""")


def staged(act, keep=None, tidy=lambda work: None):
    """Run act(work, children): a folder for the time, and programs that end with it.
    `keep(work, children)`: if all went well, they stay, and this says how to look at
    them. Returns the exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: sys.exit(128 + n))
    work = tempfile.mkdtemp(prefix="gostream-quickstart.")
    children, status = [], 1
    try:
        act(work, children)
        status = 0
    except Wrong as reason:
        say(f"quickstart: {reason}")
    except KeyboardInterrupt:
        say("")
        status = 130
    finally:
        if keep and status == 0:
            keep(work, children)
        else:
            # Whatever comes now, what we made is taken away.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            for child in reversed(children):
                end(child)
            tidy(work)
            shutil.rmtree(work, ignore_errors=True)
    return status


def show_the_film(work, children):
    film = make_film()
    torrent, want = make_torrent(film, work)
    show(try_all(film, torrent, want, free_port(), place_of(work), work, children))


def unmount(work):
    if os.path.ismount(place_of(work)):
        subprocess.run(["fusermount3", "-uz", place_of(work)], check=False)


def main():
    keep = explain_keep if "--keep" in sys.argv[1:] else None
    status = staged(show_the_film, keep, unmount)
    if status == 0:
        say("With a magnet link of your own:\n"
            "  mkdir -p ~/film && ./run gostream-mount 'magnet:?xt=urn:btih:...' ~/film")
    return status


if __name__ == "__main__":
    sys.exit(main())
