#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The mount as somebody who is not root: through the setuid fusermount3."""

import errno
import hashlib
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import Skip, built, case, check, equal, main, need, run
from mounting import Mount, fuse_for_everybody, refused, start_reader, wait_stuck
from scripted import ScriptedPeer
from seeders import seed, source_of
from torrentmaker import MIB, make_v1, pattern

NOBODY = 65534
CONTENT = pattern(5 * MIB + 3)


def ready(work):
    if os.geteuid() != 0:
        raise Skip("only root can become somebody else")
    need("fusermount3", "setpriv")
    if not os.path.exists("/etc/mtab"):
        raise Skip("fusermount3 cannot unmount without /etc/mtab")
    if run(["test", "-x", built("gostream-mount")], user=NOBODY).returncode != 0:
        raise Skip("the build folder is closed to ordinary users")
    fuse_for_everybody(work)


def film(work, *options, user=NOBODY):
    torrent = make_v1("film.mkv", CONTENT, MIB)
    seeder = seed(torrent, work)
    source = source_of(torrent, work, "torrent")
    return Mount(work, [source], *options, peers=[seeder.peer], user=user)


def hash_as(user, path):
    ended = run(["sha256sum", path], user=user)
    return ended.stdout.split()[0].decode() if ended.returncode == 0 else ended.stderr.decode()


@case
def reads_its_own_mount(work):
    ready(work)
    mount = film(work)
    equal(hash_as(NOBODY, mount.path("film.mkv")), hashlib.sha256(CONTENT).hexdigest(), "SHA-256")
    owner = run(["stat", "-c", "%u:%g %a", mount.path("film.mkv")], user=NOBODY).stdout
    equal(owner, b"65534:65534 444\n", "owner and mode")
    mount.end()


@case
def others_get_eacces(work):
    ready(work)
    mount = film(work, user=None)
    check("Permission denied" in hash_as(NOBODY, mount.path("film.mkv")), "nobody was let in")
    mount.end()


@case
def allow_other_lets_them_in(work):
    ready(work)
    mount = film(work, "--allow-other", user=None)
    equal(hash_as(NOBODY, mount.path("film.mkv")), hashlib.sha256(CONTENT).hexdigest(), "SHA-256")
    mount.end()


@case
def allow_other_needs_the_administrator(work):
    ready(work)
    try:
        with open("/etc/fuse.conf") as conf:
            if any(line.strip() == "user_allow_other" for line in conf):
                raise Skip("/etc/fuse.conf has user_allow_other")
    except FileNotFoundError:
        pass
    point = os.path.join(work, "mnt")
    os.mkdir(point)
    os.chown(point, NOBODY, NOBODY)
    source = source_of(make_v1("film.mkv", CONTENT, MIB), work, "torrent")
    refused(1, "--allow-other", source, point, user=NOBODY, says=["user_allow_other"])


@case
def a_mount_point_of_somebody_else_is_refused(work):
    ready(work)
    point = os.path.join(work, "mnt")
    os.mkdir(point)
    source = source_of(make_v1("film.mkv", CONTENT, MIB), work, "torrent")
    refused(1, source, point, user=NOBODY, says=[point])


@case
def terminates_with_stuck_readers(work):
    ready(work)
    torrent = make_v1("dead.mkv", pattern(16 * MIB), MIB)
    silent = ScriptedPeer(torrent, silent=True)
    mount = Mount(work, [source_of(torrent, work, "torrent")], peers=[silent.peer], user=NOBODY)
    path = mount.path("dead.mkv")
    readers = [start_reader(path, i * MIB, user=NOBODY) for i in range(10)]
    wait_stuck(readers, path)
    mount.end(timeout=20)


@case
def killed_then_started_again(work):
    ready(work)
    mount = film(work)
    mount.child.kill()
    mount.wait()
    check(mount.mounted(), "a dead mount was left behind, as this test needs it")
    again = film(work)
    equal(hash_as(NOBODY, again.path("film.mkv")), hashlib.sha256(CONTENT).hexdigest(), "SHA-256")
    again.end()


@case(each=[("SIGINT",), ("SIGTERM",)])
def interrupted(work, name):
    ready(work)
    film(work).end(getattr(signal, name), 0)


@case
def unmounted_from_outside(work):
    ready(work)
    mount = film(work)
    equal(run(["fusermount3", "-u", mount.point], user=NOBODY).returncode, 0, "fusermount3 -u")
    equal(mount.wait(), 0, "exit status")


@case
def an_unreadable_torrent_file_is_refused(work):
    ready(work)
    point = os.path.join(work, "mnt")
    os.mkdir(point)
    os.chown(point, NOBODY, NOBODY)
    source = source_of(make_v1("film.mkv", CONTENT, MIB), work, "torrent")
    os.chmod(source, 0o600)
    refused(1, source, point, user=NOBODY, says=["source.torrent", os.strerror(errno.EACCES)])


if __name__ == "__main__":
    main()
