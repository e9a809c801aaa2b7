#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The commands of pfs against our own server, `pfs serve`, and where words and bytes go."""

import os
import re
import select
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import built, case, check, contains, equal, main, patience, same_bytes
from pfs_tool import Pfs, Server, Terminal, environment, lines, ours, wait_for_readers

MIB = 1 << 20


# ---- where words and bytes go ----

@case
def echo_into_write_works(_):
    _, pfs = ours()
    status, out, err = pfs.shell('echo data | "$0" write /streamfs/s')
    equal((status, out, err), (0, b"Written 5 bytes\n", ""), "echo |")
    pfs("seal", "/streamfs/s")
    equal(pfs("cat", "--stream", "/streamfs/s"), b"data\n", "the stream")


@case
def a_terminal_on_stdin_has_no_content(_):
    _, pfs = ours()
    terminal = Terminal()
    status, out, err = pfs.ended("write", "/streamfs/s", stdin=terminal.slave)
    terminal.close()
    equal((status, out, err), (2, b"", "write: content is required "
                               "(or use --stream to read from stdin)\n"), "write")


@case
def a_reader_of_stdout_that_goes_is_a_quiet_end(_):
    _, pfs = ours()
    pfs("write", "/memfs/f", stdin=bytes(4 * MIB))
    pfs("write", "/streamfs/s", stdin=bytes(MIB))
    for words in (["cat", "/memfs/f"], ["cat", "--stream", "/streamfs/s"], ["tailf", "/memfs/f"]):
        reader = pfs.start(*words)
        reader.read(1)
        reader.child.stdout.close()
        equal(reader.child.wait(timeout=10 * patience()), 0, str(words))
        equal(reader.child.stderr.read(), b"", f"{words} says")
    idle = pfs.start("cat", "--stream", "/streamfs/idle")
    wait_for_readers(pfs, "/streamfs/idle", 1)
    idle.child.stdout.close()
    equal(idle.child.wait(timeout=10 * patience()), 0, "an idle reader")


@case
def a_full_stdout_is_an_error(_):
    _, pfs = ours()
    pfs("write", "/memfs/f", "x")
    pfs("write", "/streamfs/s", "x")
    with open("/dev/full", "wb") as full:
        for words in (["cat", "/memfs/f"], ["cat", "--stream", "/streamfs/s"], ["ls"], ["mounts"],
                      ["stat", "/memfs/f"], ["--help"], ["--version"]):
            running = pfs.start(*words, stdout=full)
            status, _, err = running.end()
            equal(status, 1, str(words))
            contains(err, "No space left on device", str(words))


@case
def a_closed_stdout_is_an_error_and_reaches_no_socket(_):
    _, pfs = ours()
    pfs("write", "/memfs/f", "x")
    status, out, err = pfs.shell('"$0" cat /memfs/f >&-')
    equal((status, out), (1, b""), "cat >&-")
    contains(err, "stdout", "its words")


@case
def binary_content_is_kept_and_only_a_terminal_gets_a_newline(_):
    _, pfs = ours()
    content = bytes(range(256)) * 4099 + b"no newline"
    equal(pfs("write", "/memfs/f", stdin=content), b"Written %d bytes\n" % len(content), "write")
    same_bytes(pfs("cat", "/memfs/f"), content, "cat")
    pfs("write", "/memfs/g", "text")
    terminal = Terminal()
    running = pfs.start("cat", "/memfs/g", stdout=terminal.slave)
    equal(running.child.wait(timeout=10 * patience()), 0, "cat to a terminal")
    equal(terminal.close(), "text\n", "on the terminal")


@case
def a_listing_that_is_not_read_to_its_end_is_a_quiet_end(_):
    _, pfs = ours()
    pfs("touch", *(f"/memfs/a-name-of-some-length-{i}" for i in range(3000)))
    status, out, err = pfs.shell('"$0" ls /memfs | head -n 1')
    equal((status, err, out.count(b"\n")), (0, "", 1), "ls | head")


@case
def long_transfers_show_amount_and_rate_on_a_terminal(_):
    _, pfs = ours()
    terminal = Terminal()
    writer = pfs.start("write", "--stream", "/streamfs/s", stderr=terminal.slave)
    seen = ""
    for _ in range(60):
        writer.write(bytes(1000))
        ready, _, _ = select.select([terminal.master], [], [], 0.1)
        seen += os.read(terminal.master, 4096).decode() if ready else ""
        if "/s" in seen.replace("/streamfs/s", ""):
            break
    check(re.search(r"\d (KB|bytes) sent, [\d.]+ (KB|bytes)/s", seen), f"on the terminal: {seen!r}")
    equal(writer.end()[0], 0, "the writer")
    terminal.close()


@case
def banners_and_sums_go_to_a_terminal(_):
    _, pfs = ours()
    terminal = Terminal()
    writer = pfs.start("write", "--stream", "/streamfs/s", stderr=terminal.slave)
    equal(writer.end()[:2], (0, b""), "the writer")
    check("Streaming complete: 0 bytes in 0 chunks" in terminal.close(), "the sum")


@case
def a_stream_that_failed_is_not_called_complete(_):
    server, pfs = ours()
    terminal = Terminal()
    writer = pfs.start("write", "--stream", "/streamfs/s", stderr=terminal.slave)
    writer.write(b"x")
    equal(pfs.start("cat", "--stream", "/streamfs/s").read(1), b"x", "what was sent")
    server.kill()
    equal(writer.end(stdin=False)[0], 1, "the writer")
    said = terminal.close()
    contains(said, "the connection to the server was lost", "on the terminal")
    check("complete" not in said, said)


# ---- mounts ----

@case
def mounts_come_and_go(_):
    _, pfs = ours()
    equal(pfs("mount", "streamfs", "/lv", "channel_buffer_size=512KB", "ring_buffer_size=1MB"),
          b"  plugin mounted\n", "mount")
    for words in (["mounts"], ["mount"]):
        line = next(line for line in lines(pfs(*words)) if " on /lv " in line)
        check(line.startswith("streamfs on /lv (plugin: streamfs, ") and
              "channel_buffer_size=512KB" in line and "ring_buffer_size=1MB" in line, line)
    equal(pfs.fails("mount", "streamfs", "/lv"),
          "mount: mount already exists: /lv\n", "mount again")
    pfs.fails("mount", "streamfs", "/other", "nonsense=1", says="mount: /other: ")
    equal(pfs.fails("mount", "streamfs", "/x", "foo", status=2),
          "mount: Invalid config parameter: foo; it is written KEY=VALUE\n", "a bad parameter")
    equal(pfs("write", "/lv/s", "x"), b"Written 1 bytes\n", "write to the mount")
    reader = pfs.start("cat", "--stream", "/lv/s")
    equal(reader.read(1), b"x", "a reader")
    equal(pfs("unmount", "/lv"), b"Unmounted plugin at /lv\n", "unmount")
    equal(reader.end()[:2], (0, b""), "the reader at the unmount")
    equal(pfs.fails("unmount", "/lv"), "unmount: no mount at path: /lv\n",
          "unmount again")


@case
def plugins_are_listed_and_cannot_be_loaded(_):
    _, pfs = ours()
    shown = pfs("plugins").decode()
    equal(pfs("plugins", "list").decode(), shown, "plugins list")
    check(re.search(r"^streamfs: /streamfs$", shown, re.M), shown)
    contains(shown, "  ring_buffer_size (", "its settings")
    pfs.fails("plugins", "load", "/x.so", says="plugins: ")
    pfs.fails("plugins", "nonsense", status=2, says="plugins list")


# ---- the tool itself ----

@case
def agfs_is_another_name_of_it(work):
    server, _ = ours()
    link = os.path.join(work, "agfs")
    os.symlink(built("pfs"), link)
    shown = subprocess.run([link, "ls"], env=environment(AGFS_API_URL=server.url),
                           capture_output=True, timeout=20, check=False)
    equal((shown.returncode, shown.stderr), (0, b""), "agfs ls")
    contains(shown.stdout.decode(), "streamfs/", "agfs ls")
    shown = subprocess.run([link, "--version"], capture_output=True, timeout=20, check=False)
    check(re.fullmatch(rb"agfs \d+\.\d+\.\d+\S*\n", shown.stdout), shown.stdout)


@case
def the_runner_of_the_tree_knows_both_names(work):
    folder = os.path.join(work, "build", "dev", "cli")
    os.makedirs(folder)
    os.symlink(built("pfs"), os.path.join(folder, "pfs"))
    runner = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "run")
    shutil.copy(runner, work)
    for name in ("pfs", "agfs"):
        shown = subprocess.run([os.path.join(work, "run"), name, "--version"], capture_output=True,
                               timeout=20, check=False)
        check(shown.stdout.startswith(name.encode() + b" "), f"{name}: {shown}")


@case
def a_unix_socket_is_an_address_too(work):
    path = os.path.join(work, "socket")
    server = Server("--unix", path)
    pfs = Pfs(f"unix:{path}")
    equal(pfs("write", "/streamfs/s", "x"), b"Written 1 bytes\n", "write")
    pfs("seal", "/streamfs/s")
    equal(pfs("cat", "--stream", "/streamfs/s"), b"x", "cat --stream")
    pfs.fails("ls", "--pfs-api-baseurl", f"unix:{work}/none",
              says=f"ls: no server at {work}/none: No such file or directory")
    server.kill()


@case
def wrong_use_is_status_2_and_one_line_more(_):
    pfs = Pfs("http://127.0.0.1:9")
    for words, part in (([], "no command"), (["nonsense"], "nonsense"), (["cat"], "too few"),
                        (["ls", "--nonsense"], "--nonsense"), (["-", "ls"], "no command -"),
                        (["cat", "--no-create", "/f"], "--no-create go with --stream"), (["mounts", "x"], "too many"),
                        (["ls", "--pfs-api-baseurl", "ftp://x"], "ftp://x"),
                        (["ls", "--pfs-api-baseurl", ""], "empty")):
        pfs.fails(*words, status=2, says=part)
    contains(pfs.fails("cat", "--nonsense", "/s", status=2), "see pfs cat --help\n", "where help is")


@case
def help_and_version_go_to_stdout(_):
    pfs = Pfs(None)
    check(re.fullmatch(rb"pfs \d+\.\d+\.\d+\S*\n", pfs("--version")), "--version")
    contains(pfs("--help").decode(), "Usage: pfs", "--help")
    contains(pfs("cat", "--help").decode(), "--no-create", "cat --help")


if __name__ == "__main__":
    main()
