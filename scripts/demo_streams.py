# SPDX-License-Identifier: MIT
"""The stream of scripts/quickstart: a film goes from one program to several, live.

`pfs serve` stands in the middle. One reader is there before the film begins and
must get every byte of it; one comes when all is over and must get the history
that is kept: the end of the film. Then ffmpeg sends and ffprobe looks.
"""

import hashlib
import os
import subprocess
import sys
import time

from demo import ROOT, Wrong, eventually, log_of, make_film, show, staged, start

PFS = os.path.join(ROOT, "build", "release", "cli", "pfs")
STREAM, MEDIA = "/streamfs/film", "/streamfs/media"
PATIENCE = 60


def start_server(work):
    """On a port that the system chooses; it is told in the log."""
    server = start("pfs-serve", [PFS, "serve", "--port", "0"], work)
    mark = "listening on "
    eventually(lambda: mark in log_of("pfs-serve", work), "pfs serve listens", server,
               "pfs-serve", work)
    os.environ["PFS_API_URL"] = log_of("pfs-serve", work).split(mark)[1].split()[0]
    return server


def reader(*options, into=subprocess.PIPE):
    return subprocess.Popen([PFS, "cat", "--stream", *options], stdout=into)


def active_readers(path):
    """None are there as long as the stream is not."""
    found = subprocess.run([PFS, "stat", path], text=True, capture_output=True, check=False)
    if found.returncode:
        return 0
    return int(found.stdout.split("'active_readers': '")[1].split("'")[0])


def whole(child):
    digest = hashlib.sha256()
    size = 0
    while chunk := child.stdout.read(1 << 20):
        digest.update(chunk)
        size += len(chunk)
    if child.wait(PATIENCE):
        raise Wrong(f"pfs cat ended with status {child.returncode}")
    return digest.hexdigest(), size


def wait_for_reader(path, child, work):
    eventually(lambda: active_readers(path) > 0, "the reader is there", child, "pfs-serve", work)


def send_film(film, server, work):
    with open(film, "rb") as file:
        content = file.read()
    early = reader("--policy", "block", STREAM)
    wait_for_reader(STREAM, server, work)
    began = time.monotonic()
    with open(film, "rb") as file:
        writer = subprocess.Popen([PFS, "write", "--stream", "--seal", STREAM], stdin=file)
    got, size = whole(early)
    seconds = time.monotonic() - began
    if writer.wait(PATIENCE):
        raise Wrong(f"pfs write ended with status {writer.returncode}")
    if got != hashlib.sha256(content).hexdigest():
        raise Wrong(f"the reader that was there from the beginning has {size} other bytes")
    late, kept = whole(reader(STREAM))
    if not kept or late != hashlib.sha256(content[-kept:]).hexdigest():
        raise Wrong(f"the late reader's {kept} bytes are not the end of the film")
    return size, seconds, kept


def probe(child):
    """What ffprobe finds in what the reader gets."""
    run = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=codec_type", "-of",
                          "csv=p=0", "-f", "mpegts", "-"],
                         stdin=child.stdout, text=True, capture_output=True, timeout=PATIENCE)
    child.stdout.close()
    child.wait(PATIENCE)
    kinds = sorted(set(run.stdout.replace(",", " ").split()))
    if kinds != ["audio", "video"]:
        raise Wrong(f"ffprobe finds {kinds} in the stream: {run.stderr}")


def send_media(film, server, work):
    early = reader("--policy", "block", MEDIA)
    wait_for_reader(MEDIA, server, work)
    ffmpeg = subprocess.Popen(["ffmpeg", "-v", "error", "-nostdin", "-i", film, "-c", "copy",
                               "-f", "mpegts", "-"], stdout=subprocess.PIPE)
    writer = subprocess.Popen([PFS, "write", "--stream", "--seal", MEDIA], stdin=ffmpeg.stdout)
    ffmpeg.stdout.close()
    probe(early)
    late = reader("--policy", "block", MEDIA)
    probe(late)
    if ffmpeg.wait(PATIENCE) or writer.wait(PATIENCE):
        raise Wrong("ffmpeg or pfs write did not end well")


def show_the_streams(work, children):
    film = make_film()
    server = start_server(work)
    children.append(server)
    size, seconds, kept = send_film(film, server, work)
    send_media(film, server, work)
    server.terminate()
    if server.wait(PATIENCE):
        raise Wrong(f"pfs serve ended with status {server.returncode}")
    show([("stream", f"every byte, {size / 1e6:.1f} MB at {size / 1e6 / seconds:.0f} MB/s"),
          ("late reader", f"the last {kept / 1e6:.1f} MB, the same"),
          ("ffmpeg | pfs | ffprobe", "video and audio, early and late")])


if __name__ == "__main__":
    sys.exit(staged(show_the_streams))
