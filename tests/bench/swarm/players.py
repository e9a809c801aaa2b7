# SPDX-License-Identifier: MIT
"""How ffprobe and mpv begin: what they ask of a real film through the mount, seen
by strace, against what the seeder had to send for it."""

import os
import re
import subprocess
import time

from harness import Failure, check

import programs
from torrentmaker import MIB, make_v1

CALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(openat|read|pread64|lseek)")
DONE = re.compile(r"= (-?\d+)(?:<[^>]*>)?(?: .*)?$")
FD = re.compile(r"\((\d+)<([^>]*)>")

COMMANDS = {
    "ffprobe": ["ffprobe", "-v", "error", "-show_entries",
                "format=duration,format_name:stream=codec_name", "-of", "compact"],
    "mpv": ["mpv", "--no-config", "--vo=null", "--ao=null", "--length=2", "--really-quiet"],
}


def make_film(scratch, suffix, size):
    """A film of at least `size` bytes: pictures that do not compress, a tone, and
    the index at the end, where ffmpeg leaves it."""
    path = os.path.join(scratch, "films", f"film-{size}.{suffix}")
    if os.path.exists(path):
        return path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    master = os.path.join(os.path.dirname(path), f"film-{size}.mkv")
    if path != master:
        make_film(scratch, "mkv", size)
        argv = ["-i", master, "-c", "copy"]
    else:
        # About 0.4 MB a picture, told by -fs when there is enough.
        argv = ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25,noise=alls=40:allf=t",
                "-f", "lavfi", "-i", "sine", "-c:v", "mjpeg", "-q:v", "3", "-c:a", "aac",
                "-threads", "2", "-fs", str(size + MIB)]
    ended = subprocess.run(["ffmpeg", "-v", "error", "-y", *argv, "-fflags", "+bitexact", path],
                           capture_output=True, text=True, timeout=600,
                           stdin=subprocess.DEVNULL)
    if ended.returncode != 0:
        raise Failure(f"ffmpeg: {ended.stderr[-500:]}")
    return path


class RealFilm:
    """As scenery.Film, of a film that somebody could watch."""

    def __init__(self, path):
        self.path, self.folder, self.name = path, os.path.dirname(path), os.path.basename(path)
        with open(path, "rb") as file:
            content = file.read()
        self.size, self.piece = len(content), MIB
        made = make_v1(self.name, content, MIB)
        self.torrent = made.save(path + ".torrent")
        self.info_hash, self.metainfo = made.info_hash, made.encode()
        self.n_pieces = made.n_pieces
        self.magnet = lambda *_: made.magnet()


def _joined(log):
    """Calls that another thread's call has cut in two, put together."""
    begun = {}
    for line in log:
        line = line.rstrip()
        thread = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            begun[thread] = line[:-len("<unfinished ...>")]
        elif "resumed>" in line and thread in begun:
            yield begun.pop(thread) + line.split("resumed>", 1)[1]
        else:
            yield line


def distinct_bytes(log, name):
    """How many different bytes of the file `name` the traced calls have read."""
    position, ranges = {}, []
    for line in _joined(log):
        call, done, fd = CALL.match(line), DONE.search(line), FD.search(line)
        if not call or not done or int(done[1]) < 0:
            continue
        what, value = call[2], int(done[1])
        if what == "openat":
            position[str(value)] = 0
            continue
        if not fd or not fd[2].endswith(name):
            continue
        if what == "lseek":
            position[fd[1]] = value
        elif what == "pread64":
            at = int(line[:done.start()].rstrip().rstrip(")").split(",")[-1])
            ranges.append((at, at + value))
        else:
            at = position.get(fd[1], 0)
            ranges.append((at, at + value))
            position[fd[1]] = at + value
    total, reached = 0, 0
    for begin, end in sorted(ranges):
        total += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def start_pattern(player, swarm, scratch):
    film = swarm.film
    program = programs.Mount(swarm, "torrent", scratch)
    try:
        while not os.path.exists(program.path):
            if program.child.poll() is not None or time.monotonic() > program.began + 30:
                raise Failure("it does not mount")
            time.sleep(0.01)
        log = os.path.join(program.work, "strace")
        sent, began = swarm.uploaded(), time.monotonic()
        ended = subprocess.run(
            ["strace", "-f", "-y", "-s", "0", "-e", "trace=openat,read,pread64,lseek", "-o", log,
             *COMMANDS[player], program.path],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        seconds = time.monotonic() - began
        check(ended.returncode == 0, f"{player}: {ended.stderr[-300:]}")
        fetched = swarm.uploaded() - sent
        with open(log, errors="replace") as lines:
            read = distinct_bytes(lines, film.name)
        check(read > 0, f"{player} read nothing that strace saw")
        _same(program, film)
        return {"n": 1, "read": read, "fetched": fetched, "traced_s": seconds,
                "fetched_allowed": 1.2 * read + 2 * film.piece}
    finally:
        program.stop()


def _same(program, film):
    """The head and the tail, which are what players look at, byte by byte."""
    with open(program.path, "rb") as got, open(film.path, "rb") as want:
        for at in (0, max(0, film.size - 4 * MIB)):
            got.seek(at)
            want.seek(at)
            check(got.read(4 * MIB) == want.read(4 * MIB), f"other bytes at {at}")
