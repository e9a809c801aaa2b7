#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A dead torrent never hurts a healthy one, everybody can be killed, and the
mount always ends. Times that are promised are measured in tests/bench; here the
order of events counts, under watchdogs of 20 times the promise."""

import errno
import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import (Skip, case, check, equal, eventually, isolated, libc, main, raises, run,
                     same_bytes)
from mounting import (Mount, drop_pages, is_mounted, refused, start_reader, wait_stuck)
from scripted import ScriptedPeer
from seeders import seed, source_of
from torrentmaker import KIB, MIB, make_v1, pattern

WATCHDOG = 20  # the promise is one second
CONTENT = pattern(8 * MIB + 1)


def dead_torrent(name="dead.mkv"):
    return make_v1(name, pattern(64 * MIB, 7), MIB)


def mount_both(work, *options):
    """A torrent whose only peer never answers, beside a healthy one."""
    dead, healthy = dead_torrent(), make_v1("healthy.mkv", CONTENT, MIB)
    silent = ScriptedPeer(dead, silent=True)
    sources = [dead.save(os.path.join(work, "dead.torrent")),
               healthy.save(os.path.join(work, "healthy.torrent"))]
    return Mount(work, sources, *options, peers=[silent.peer, seed(healthy, work).peer])


def mount_dead(work, *options, **more):
    return Mount(work, [source_of(dead_torrent(), work, "torrent")], *options, **more)


def stuck_readers(mount, n, name="dead.mkv"):
    readers = [start_reader(mount.path(name), i * MIB) for i in range(n)]
    wait_stuck(readers, mount.path(name))
    return readers


@case
def sixty_stuck_readers_leave_a_healthy_file_alone_and_can_be_killed(work):
    mount = mount_both(work)
    stuck = stuck_readers(mount, 60)
    ended = run(["cat", mount.path("healthy.mkv")], timeout=WATCHDOG)
    same_bytes(ended.stdout, CONTENT, "healthy file")
    equal([child.poll() for child in stuck], [None] * 60, "the stuck readers meanwhile")
    for child in stuck:
        child.kill()
    for child in stuck:
        equal(child.wait(WATCHDOG), -signal.SIGKILL, "end of a stuck reader")
    same_bytes(mount.read("healthy.mkv"), CONTENT, "healthy file afterwards")
    mount.end(timeout=WATCHDOG)


@case
def each_way_of_being_stuck_can_be_killed(work):
    mount = mount_both(work)
    path = os.fsdecode(mount.path("dead.mkv"))
    ways = {
        "pread": "os.pread(fd, 1, 0)",
        "large": "os.pread(fd, 4 << 20, 1 << 20)",
        "direct": "os.preadv(os.open(path, os.O_RDONLY | os.O_DIRECT), [mmap.mmap(-1, 4096)], 2 << 20)",
        "mmap": "mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ)[3 << 20]",
        "mmap random": "m = mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ);"
                       "m.madvise(mmap.MADV_RANDOM); m[4 << 20]",
        "sendfile": "os.sendfile(os.open('/dev/null', os.O_WRONLY), fd, 5 << 20, 1)",
    }
    lead = f"import mmap, os; path = {path!r}; fd = os.open(path, os.O_RDONLY); "
    readers = {way: subprocess.Popen(["python3", "-S", "-c", lead + code])
               for way, code in ways.items()}
    wait_stuck(readers.values(), path)
    second = os.open(path, os.O_RDONLY)  # a second open while reads are pending
    os.close(second)
    drop_pages(path)
    equal(run(["ls", "-l", mount.point], timeout=WATCHDOG).returncode, 0, "ls")
    for way, child in readers.items():
        check(child.poll() is None, f"{way} ended by itself")
        child.kill()
    for way, child in readers.items():
        equal(child.wait(WATCHDOG), -signal.SIGKILL, way)
    mount.end(timeout=WATCHDOG)


@case
def a_caught_signal_does_not_break_a_read(work):
    mount = mount_both(work, "--read-timeout", "4")
    path = os.fsdecode(mount.path("dead.mkv"))
    code = ("import os, signal, sys; signal.signal(signal.SIGALRM, lambda *_: None);"
            "signal.siginterrupt(signal.SIGALRM, False);"
            "signal.setitimer(signal.ITIMER_REAL, .05, .05);"
            f"fd = os.open({path!r}, os.O_RDONLY)\n"
            "try: os.pread(fd, 1, 0)\n"
            "except OSError as error: sys.exit(error.errno)")
    equal(run(["python3", "-S", "-c", code], timeout=60).returncode, errno.EIO, "errno of the read")
    mount.wait_line(r"dead\.mkv: read at 0: no peer sent the data in time$")
    mount.end()


@case
def a_read_without_peers_ends_and_says_so(work):
    mount = mount_dead(work, "--read-timeout", "1")
    raises(errno.EIO, mount.read, "dead.mkv")
    mount.wait_line(r"dead\.mkv: read at 0: nothing came in time: no peer is connected$")
    mount.end()


@case
def terminates_with_ten_stuck_readers(work):
    mount = mount_both(work)
    stuck = stuck_readers(mount, 10)
    mount.end(timeout=WATCHDOG)
    for child in stuck:
        check(child.wait(WATCHDOG) != 0, "a stuck reader got its byte")


@case(each=[("http",), ("udp",), ("name",)])
def terminates_with_a_dead_tracker(work, kind):
    """A tracker that takes connections and never answers, or has no address."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = {"http": f"http://127.0.0.1:{port}/announce",
               "udp": f"udp://127.0.0.1:{port}/announce",
               "name": "http://tracker.invalid:6969/announce"}[kind]
        torrent = make_v1("dead.mkv", pattern(64 * MIB, 7), MIB, announce=url)
        mount = Mount(work, [torrent.save(os.path.join(work, "t.torrent"))])
        stuck_readers(mount, 2)
        if kind == "http":
            silent.settimeout(10)
            silent.accept()
        mount.end(timeout=WATCHDOG)


@case
def interrupted_while_mounted(work):
    mount = mount_dead(work)
    mount.end(signal.SIGINT, 0)


@case(each=[("SIGINT",), ("SIGTERM",)])
def interrupted_before_metadata(work, name):
    signum = getattr(signal, name)
    mount = Mount(work, [dead_torrent().magnet()], wait=False)
    eventually(lambda: mount.lines, "it has started")
    mount.child.send_signal(signum)
    equal(mount.wait(WATCHDOG), -signum, "it ends by the same signal")
    equal(mount.mounted(), False, "mounted")


@case
def killed_then_started_again(work):
    mount = mount_dead(work)
    mount.child.kill()
    mount.wait()
    check(mount.mounted(), "a dead mount was left behind, as this test needs it")
    raises(errno.ENOTCONN, os.listdir, mount.point)
    again = mount_dead(work)
    equal(os.listdir(again.point), ["dead.mkv"], "files")
    again.end()


@case
def killed_while_the_kernel_remembers_the_folder(work):
    """Then stat() of the dead mount succeeds, and it must be known as dead all the same."""
    mount = mount_dead(work)
    os.stat(mount.point)
    mount.child.kill()
    mount.wait()
    os.stat(mount.point)  # succeeds, as this test needs it
    again = mount_dead(work)
    equal(os.listdir(again.point), ["dead.mkv"], "files")
    again.end()


@case
def a_live_mount_of_another_tool_is_an_error(work):
    mount = mount_dead(work)
    source = os.path.join(work, "source.torrent")
    refused(1, source, mount.point, says=[mount.point])
    equal(os.listdir(mount.point), ["dead.mkv"], "the first mount is untouched")
    mount.end()


@case
def a_foreign_mount_is_an_error(work):
    if not isolated():
        raise Skip("needs a mount namespace of its own")
    point = os.path.join(work, "mnt")
    os.mkdir(point)
    equal(libc.mount(b"none", os.fsencode(point), b"tmpfs", 0, None), 0, "mount tmpfs")
    source = source_of(dead_torrent(), work, "torrent")
    refused(1, source, point, says=[point])
    check(is_mounted(point), "the foreign mount is untouched")
    libc.umount2(os.fsencode(point), 0)


@case(each=[("umount",), ("fusermount3",)])
def unmounted_from_outside(work, how):
    mount = mount_dead(work)
    command = ["umount"] if how == "umount" else ["fusermount3", "-u"]
    equal(run([*command, mount.point]).returncode, 0, how)
    equal(mount.wait(WATCHDOG), 0, "exit status")


@case
def peers_that_never_answer_a_greeting(work):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mount = mount_dead(work, peers=["127.0.0.1:%d" % silent.getsockname()[1]])
        stuck_readers(mount, 2)
        mount.end(timeout=WATCHDOG)


@case
def a_torrent_without_metadata_does_not_hold_up_the_others(work):
    healthy = make_v1("healthy.mkv", CONTENT, MIB)
    mount = Mount(work, [dead_torrent().magnet(), source_of(healthy, work, "torrent")],
                  "--metadata-timeout", "2", peers=[seed(healthy, work).peer])
    same_bytes(mount.read("healthy.mkv"), CONTENT, "healthy file")
    mount.end()


@case
def sixteen_stuck_torrents(work):
    sources = [make_v1(f"{i}.bin", pattern(200 * KIB, i), 64 * KIB).save(
        os.path.join(work, f"{i}.torrent")) for i in range(16)]
    mount = Mount(work, sources)
    readers = [start_reader(mount.path(f"{i}.bin")) for i in range(16)]
    for i, child in enumerate(readers):
        wait_stuck([child], mount.path(f"{i}.bin"))
    mount.end(timeout=WATCHDOG)


if __name__ == "__main__":
    main()
