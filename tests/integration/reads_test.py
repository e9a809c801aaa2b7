#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A file in the mount behaves as a file: every way of reading it gives the same
bytes, and nothing can be changed."""

import errno
import hashlib
import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, equal, main, need, raises, run, same_bytes
from mounting import Mount, read_direct
from seeders import seed, source_of
from torrentmaker import KIB, MIB, make_v1, pattern

SIZE = 24 * MIB + 777


def film(work, *options, content=None, name="film.mkv"):
    """A mounted film and its bytes."""
    content = pattern(SIZE) if content is None else content
    torrent = make_v1(name, content, MIB)
    seeder = seed(torrent, work)
    mount = Mount(work, [source_of(torrent, work, "torrent")], *options, peers=[seeder.peer])
    return mount, mount.path(name), content


@case
def a_thousand_random_reads(work):
    mount, path, content = film(work)
    number = random.SystemRandom().randrange(1 << 32)
    print(f"  seed {number}")
    chance = random.Random(number)
    fd = os.open(path, os.O_RDONLY)
    for _ in range(1000):
        at = chance.randrange(SIZE)
        length = chance.choice([1, 7, 512, 4096, 16 * KIB, 100_000, 300_000])
        same_bytes(os.pread(fd, length, at), content[at:at + length], f"{length} at {at}")
    os.close(fd)
    mount.end()


@case
def one_read_call_is_never_short_before_the_end(work):
    mount, path, content = film(work)
    fd = os.open(path, os.O_RDONLY)
    same_bytes(os.pread(fd, 9 * MIB + 5, 3), content[3:9 * MIB + 8], "9 MiB in one call")
    os.close(fd)
    same_bytes(read_direct(path, 12 * MIB, 8 * MIB), content[12 * MIB:20 * MIB], "O_DIRECT")
    mount.end()


@case
def four_readers_at_once(work):
    mount, path, content = film(work)
    wrong = []

    def reader(begin):
        with open(path, "rb", buffering=0) as file:
            for at in [*range(begin, SIZE, 65_536), *range(0, begin, 65_536)]:
                file.seek(at)
                if file.read(65_536) != content[at:at + 65_536]:
                    wrong.append(at)

    threads = [threading.Thread(target=reader, args=(i * SIZE // 4,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(wrong, [], "offsets that differ")
    mount.end()


@case
def mapped_memory(work):
    mount, path, content = film(work)
    script = ("import hashlib, mmap, sys; f = open(sys.argv[1], 'rb');"
              "m = mmap.mmap(f.fileno(), 0, {}, mmap.PROT_READ);"
              "print(m[-5:].hex(), hashlib.sha256(m).hexdigest())")
    want = f"{content[-5:].hex()} {hashlib.sha256(content).hexdigest()}\n".encode()
    for flags in ("mmap.MAP_SHARED", "mmap.MAP_PRIVATE"):
        ended = run(["python3", "-c", script.format(flags), path])
        equal(ended.stdout, want, f"{flags} {ended.stderr}")
    mount.end()


@case
def reading_past_the_end(work):
    mount, path, content = film(work)
    fd = os.open(path, os.O_RDONLY)
    equal(os.pread(fd, 100, SIZE - 10), content[-10:], "10 bytes before the end")
    equal(os.pread(fd, 100, SIZE), b"", "at the end")
    equal(os.pread(fd, 100, SIZE + MIB), b"", "behind the end")
    equal(os.lseek(fd, 0, os.SEEK_END), SIZE, "SEEK_END")
    os.close(fd)
    mount.end()


@case
def attributes(work):
    began = int(time.time())
    mount, path, content = film(work)
    about, folder = os.stat(path), os.stat(mount.point)
    equal(oct(about.st_mode), oct(0o100444), "mode of the file")
    equal(oct(folder.st_mode), oct(0o040555), "mode of the folder")
    equal((about.st_uid, about.st_gid), (os.getuid(), os.getgid()), "owner")
    equal(about.st_size, SIZE, "size")
    equal(about.st_blocks, -(-SIZE // 512), "blocks")
    equal(int(about.st_mtime), 1_600_000_000, "time: the creation date of the torrent")
    check(began - 1 <= folder.st_mtime <= time.time() + 1, "time of the folder: the start")
    equal(os.stat(path).st_ino, about.st_ino, "inode number, asked again")
    check(os.statvfs(mount.point).f_blocks > 0, "statfs says a size")
    mount.end()


@case
def cp_and_tail(work):
    mount, path, content = film(work)
    copy = os.path.join(work, "copy")
    ended = run(["tail", "-c", "100000", path])
    same_bytes(ended.stdout, content[-100_000:], "tail -c")
    equal(run(["cp", path, copy]).returncode, 0, "cp")
    with open(copy, "rb") as file:
        same_bytes(file.read(), content, "cp")
    mount.end()


def sample_film(work):
    """20 s of Matroska with video, audio and an index at the end."""
    need("ffmpeg", "ffprobe")
    path = os.path.join(work, "made.mkv")
    ended = run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=20",
                 "-f", "lavfi", "-i", "sine=d=20", "-c:v", "mpeg2video", "-b:v", "8M",
                 "-c:a", "mp2", path])
    equal(ended.returncode, 0, f"ffmpeg {ended.stderr}")
    with open(path, "rb") as file:
        return path, file.read()


@case
def ffprobe_and_ffmpeg(work):
    local, content = sample_film(work)
    mount, path, _ = film(work, content=content)
    probe = ["ffprobe", "-v", "error", "-show_format", "-show_streams"]
    want = run([*probe, local]).stdout.replace(os.fsencode(local), path)
    equal(run([*probe, path]).stdout, want, "ffprobe")
    for place in (["-t", "10"], ["-ss", "17", "-t", "2"], ["-ss", "5", "-t", "1"]):
        def frames(source):
            return run(["ffmpeg", "-v", "error", *place, "-i", source, "-f", "framemd5", "-"]).stdout
        equal(frames(path), frames(local), f"frames, {place}")
    ended = run(["ffmpeg", "-v", "error", "-t", "10", "-i", path, "-f", "null", "-"])
    equal((ended.returncode, ended.stderr), (0, b""), "ffmpeg -f null")
    mount.end()


@case
def nothing_can_be_written(work):
    mount, path, _ = film(work)
    new = mount.path("new")
    outside = os.path.join(work, "outside")
    with open(outside, "w"):
        pass
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
        raises(errno.EROFS, os.open, path, flags)
    raises(errno.EROFS, os.open, new, os.O_RDONLY | os.O_CREAT)
    raises(errno.EROFS, os.mkdir, new)
    raises(errno.EROFS, os.rmdir, mount.path("film.mkv"))
    raises(errno.EROFS, os.rename, path, new)
    raises(errno.EROFS, os.unlink, path)
    raises(errno.EROFS, os.truncate, path, 0)
    raises(errno.EROFS, os.chmod, path, 0o600)
    raises(errno.EROFS, os.chown, path, 1, 1)
    raises(errno.EROFS, os.utime, path, (0, 0))
    raises(errno.EROFS, os.link, path, new)
    raises(errno.EROFS, os.symlink, path, new)
    raises(errno.EROFS, os.mknod, new)
    raises(errno.EROFS, os.mkfifo, new)
    raises(errno.EROFS, os.setxattr, path, "user.name", b"value")
    mount.end()


@case
def several_sources_side_by_side(work):
    torrents = [make_v1("same.bin", pattern(300_000, i), 64 * KIB) for i in range(3)]
    peers = [seed(t, work).peer for t in torrents]
    sources = [t.save(os.path.join(work, f"{i}.torrent")) for i, t in enumerate(torrents)]
    mount = Mount(work, sources, peers=peers)
    for torrent, name in zip(torrents, ("same.bin", "same (2).bin", "same (3).bin")):
        same_bytes(mount.read(name), torrent.entries[0].data, name)
    mount.end()


@case
def a_pipe_of_standard_tools(work):
    mount, path, content = film(work)
    with subprocess.Popen(["sha256sum", path], stdout=subprocess.PIPE) as child:
        equal(child.stdout.read().split()[0].decode(), hashlib.sha256(content).hexdigest(),
              "sha256sum")
    mount.end()


if __name__ == "__main__":
    main()
