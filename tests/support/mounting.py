# SPDX-License-Identifier: MIT
"""gostream-mount as tests drive it: started, waited for by what it says, read,
and ended with a look at its exit status."""

import mmap
import os
import re
import signal
import subprocess
import threading
import time

from harness import (Failure, Skip, patience, built, contains, equal, eventually, isolated, libc,
                     run, same_bytes, spawn)

QUIET = ("--no-dht", "--no-lsd", "--no-pex")
LOOPBACK = ("--listen", "127.0.0.1:0")
TOOL = "gostream-mount"


def need_fuse():
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        raise Skip(f"/dev/fuse: {error.strerror}") from None


def tool(*arguments, timeout=20, user=None):
    """Run the tool to its end, for what does not mount: --list, refusals."""
    return run([built(TOOL), *arguments], timeout=timeout, user=user)


def refused(status, *arguments, says=(), **more):
    """The tool must end with this status, silent on stdout, and say all of `says`."""
    ended = tool(*arguments, **more)
    words = ended.stderr.decode(errors="backslashreplace")
    equal(ended.returncode, status, f"exit status of {arguments} ({words.strip()})")
    equal(ended.stdout, b"", f"stdout of {arguments}")
    for part in says:
        contains(words, part, f"message of {arguments}")
    return words


class Mount:
    """A running mount. `lines` are what it has said on stderr."""

    def __init__(self, work, sources, *options, peers=(), user=None, wait=True, listen=LOOPBACK,
                 quiet=QUIET, verbose=True, timeout=30):
        need_fuse()
        self.point = os.path.join(work, "mnt")
        if not is_mounted(self.point):
            os.makedirs(self.point, exist_ok=True)
            if user is not None:
                os.chown(self.point, user, user)
        argv = [built(TOOL), *quiet, *listen, *options]
        argv += ["-v"] if verbose else []
        for peer in peers:
            argv += ["--peer", peer]
        self.lines = []
        self.heard = threading.Condition()
        self.child = spawn([*argv, *sources, self.point], user=user,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        threading.Thread(target=self._listen, daemon=True).start()
        if wait:
            self.wait_mounted(timeout)

    def _listen(self):
        for raw in self.child.stderr:
            for line in re.split(rb"[\r\n]", raw):
                if line:
                    with self.heard:
                        self.lines.append(line.decode(errors="backslashreplace"))
                        self.heard.notify_all()
        with self.heard:
            self.lines.append(None)
            self.heard.notify_all()

    # ---- what it says ----

    def said(self):
        return "\n".join(line for line in self.lines if line is not None)

    def wait_line(self, pattern, timeout=20, after=0):
        """The match of the first line (from number `after`) with this pattern."""
        deadline = time.monotonic() + timeout * patience()
        with self.heard:
            while True:
                for line in self.lines[after:]:
                    found = line is not None and re.search(pattern, line)
                    if found:
                        return found
                if None in self.lines:
                    raise Failure(f"it ended without saying {pattern!r}: {self.said()}")
                if not self.heard.wait(deadline - time.monotonic()):
                    raise Failure(f"it did not say {pattern!r}: {self.said()[-2000:]}")

    def wait_mounted(self, timeout=30):
        return int(self.wait_line(r"mounted (\d+) files? at ", timeout)[1])

    def figure(self, name, torrent=0):
        """A figure of the newest -v lines: what all torrents say, added up.
        Waits for a line that was written after this call."""
        with self.heard:
            after = len(self.lines)
        self.wait_line(rf"\b{name} \d", timeout=10, after=after)
        newest = {}
        for line in self.lines[after:]:
            found = line and re.search(rf"^(.*?)[:,] .*\b{name} (\d+)\b", line)
            if found:
                newest[found[1]] = int(found[2])
        return sum(newest.values())

    def received(self):
        return self.figure("received")

    # ---- what is in it ----

    def path(self, *parts):
        return os.path.join(os.fsencode(self.point), *(os.fsencode(p) for p in parts))

    def read(self, *parts):
        with open(self.path(*parts), "rb") as file:
            return file.read()

    def verify(self, torrent):
        """Every file of the torrent is there, whole and true, and nothing else."""
        seen = {path: size for path, size in self.tree().items() if size is not None}
        equal(seen, {path: len(data) for path, data in torrent.visible()}, "files")
        for path, data in torrent.visible():
            got = self.read(path)
            same_bytes(got, data, os.fsdecode(path))

    def tree(self):
        """Every path below the mount: size of files, None for folders."""
        found, top = {}, os.fsencode(self.point)
        for folder, folders, files in os.walk(top):
            for name in folders:
                found[os.path.relpath(os.path.join(folder, name), top)] = None
            for name in files:
                path = os.path.join(folder, name)
                found[os.path.relpath(path, top)] = os.lstat(path).st_size
        return found

    def mounted(self):
        return is_mounted(self.point)

    # ---- how it ends ----

    def wait(self, timeout=20):
        try:
            return self.child.wait(timeout * patience())
        except subprocess.TimeoutExpired:
            raise Failure(f"it did not end within {timeout} s: {self.said()[-2000:]}") from None

    def end(self, signum=signal.SIGTERM, status=0, timeout=20):
        """Signal it, and check how it ends and that nothing is left mounted."""
        self.child.send_signal(signum)
        equal(self.wait(timeout), status, "exit status")
        equal(self.child.stdout.read(), b"", "stdout")
        equal(self.mounted(), False, "still mounted")


def is_mounted(point):
    """From the kernel's table: asking a dead mount itself would fail."""
    with open("/proc/self/mountinfo", "rb") as table:
        points = [line.split()[4] for line in table]
    wanted = os.fsencode(os.path.realpath(os.path.dirname(point))) + b"/" \
        + os.fsencode(os.path.basename(point))
    return wanted in points


# ---- ways of reading ----

def drop_pages(path):
    """Make the kernel forget the pages of a file, so that the next read asks."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def read_direct(path, offset, length):
    """Read past the page cache; offset and length are multiples of 4096."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    with mmap.mmap(-1, length) as room:
        try:
            got = os.preadv(fd, [room], offset)
            return room[:got]
        finally:
            os.close(fd)


def start_reader(path, offset=0, user=None):
    """A process that reads one byte and ends; for reads that will be stuck."""
    return spawn(["dd", b"if=" + os.fsencode(path), "of=/dev/null", "bs=1", "count=1",
                  f"skip={offset}", "iflag=skip_bytes", "status=none"], user=user,
                 stderr=subprocess.DEVNULL)


def wait_stuck(readers, path):
    """Until each of the readers has the file open and sleeps in its read."""
    def in_read(child):
        try:
            held = [os.readlink(f"/proc/{child.pid}/fd/{n}")
                    for n in os.listdir(f"/proc/{child.pid}/fd")]
            with open(f"/proc/{child.pid}/stat") as stat:
                state = stat.read().rsplit(")", 1)[1].split()[0]
            return os.fsdecode(path) in held and state in "DS"
        except OSError:
            return False
    eventually(lambda: all(in_read(child) for child in readers), "readers wait", 30)


def fuse_for_everybody(work):
    """Let ordinary users of our own namespace open /dev/fuse."""
    if os.stat("/dev/fuse").st_mode & 0o006 == 0o006:
        return
    if not isolated():
        raise Skip("/dev/fuse is closed to ordinary users")
    node = os.path.join(work, "fuse")
    try:
        os.mknod(node, 0o600 | 0o020000, os.stat("/dev/fuse").st_rdev)
        os.chmod(node, 0o666)
        os.close(os.open(node, os.O_RDWR))
    except OSError as error:
        raise Skip(f"no device node of our own: {error.strerror}") from None
    if libc.mount(os.fsencode(node), b"/dev/fuse", None, 4096, None) != 0:
        raise Skip("cannot bind a device node over /dev/fuse")
