#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The commands of pfs against our own server, `pfs serve`, and where words and bytes go."""

import os
import re
import select
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import built, case, check, contains, equal, eventually, main, patience, same_bytes
from pfs_tool import Pfs, Relay, Server, Terminal, environment, wait_for_readers
from torrentmaker import pattern

KIB, MIB = 1 << 10, 1 << 20


def ours(*options):
    server = Server(*options)
    return server, Pfs(server.url)


def lines(out):
    return out.decode().splitlines()


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


# ---- files ----

@case
def words_are_joined_and_the_servers_answer_printed(_):
    _, pfs = ours()
    equal(pfs("write", "/memfs/f", "hello", "world"), b"Written 11 bytes\n", "write")
    equal(pfs("cat", "/memfs/f"), b"hello world", "cat")
    equal(pfs("cat", "/memfs/f", "/memfs/f"), b"hello worldhello world", "cat of two")
    status, out, err = pfs.ended("cat", "/memfs/none", "/memfs/f")
    equal((status, out), (1, b"hello world"), "cat of one that is missing")
    contains(err, "cat: ", "cat of one that is missing")
    equal(pfs("write", "/memfs/e", stdin=b""), b"Written 0 bytes\n", "write of nothing")


@case
def ls_and_stat_print_what_they_always_did(_):
    _, pfs = ours()
    pfs("write", "/memfs/first", "12345")
    time.sleep(0.01)  # times are the server's; they must differ
    pfs("write", "/memfs/second", "x")
    pfs("mkdir", "/memfs/folder")
    shown = lines(pfs("ls", "/memfs"))
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    for line, want in zip(shown, (rf"drwxr-xr-x        0 {when} folder/",
                                  rf"-rw-r--r--        1 {when} second",
                                  rf"-rw-r--r--        5 {when} first")):
        check(re.fullmatch(want, line), f"{line!r} is no {want!r}")
    equal(len(shown), 3, "lines of ls")
    contains(pfs("ls").decode(), " streamfs/\n", "ls of the root")
    pfs("write", "/streamfs/s1", "12345")
    shown = lines(pfs("stat", "/streamfs/s1"))
    equal(shown[:4], ["  File: s1", "  Type: File", "  Size: 5", "  Mode: 644"], "stat")
    check(re.fullmatch(r"  Modified: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", shown[4]), shown[4])
    equal(shown[5:7], ["  Meta.Name: streamfs", "  Meta.Type: stream"], "stat")
    check(re.match(r"  Meta\.Content: \{.*'active_readers': '0'.*'total_written': '5'", shown[7]),
          shown[7])
    equal(lines(pfs("stat", "/memfs/folder"))[1], "  Type: Directory", "stat of a folder")


@case
def files_are_made_moved_copied_and_removed(_):
    _, pfs = ours()
    for words in (["mkdir", "/memfs/d"], ["mkdir", "-m", "700", "/memfs/p"],
                  ["touch", "/memfs/d/t"]):
        equal(pfs(*words), b"", str(words))
    contains(pfs("ls", "/memfs").decode(), "drwx------", "mkdir -m")
    pfs("write", "/memfs/f", "content")
    for words in (["cp", "/memfs/f", "/memfs/g"], ["cp", "/memfs/f", "/memfs/d"],
                  ["mv", "/memfs/f", "/memfs/h"], ["chmod", "600", "/memfs/h"]):
        equal(pfs(*words), b"", str(words))
    for path in ("/memfs/g", "/memfs/d/f", "/memfs/h"):
        equal(pfs("cat", path), b"content", path)
    contains(pfs("stat", "/memfs/h").decode(), "  Mode: 600\n", "chmod")
    pfs.fails("cat", "/memfs/f", says="cat: ")
    pfs.fails("cp", "/memfs/none", "/memfs/x", says="cp: ")
    pfs.fails("mv", "/memfs/h", "/streamfs/h", says="mv: ")
    pfs.fails("chmod", "rw", "/memfs/h", status=2, says="octal")
    pfs.fails("rm", "/memfs/d", says="rm: ")
    equal(pfs("rm", "-r", "/memfs/d"), b"", "rm -r")
    equal(pfs("rm", "/memfs/g", "/memfs/h"), b"", "rm of two")
    pfs.fails("rm", "/memfs/g", says="rm: ")
    equal(len(lines(pfs("ls", "/memfs"))), 1, "what is left")


@case
def touch_makes_streams_and_refuses_to_do_it_twice(_):
    _, pfs = ours()
    equal(pfs("touch", "/streamfs/t"), b"", "touch")
    equal(pfs.fails("touch", "/streamfs/t"), "touch: stream already exists: /t\n", "touch again")


@case
def tail_gives_the_last_lines(_):
    _, pfs = ours()
    text = b"".join(b"line %d\n" % i for i in range(30000))
    pfs("write", "/memfs/f", stdin=text)
    want = text.splitlines(True)
    equal(pfs("tail", "/memfs/f"), b"".join(want[-10:]), "tail")
    equal(pfs("tail", "-n", "1", "/memfs/f"), want[-1], "tail -n 1")
    equal(pfs("tail", "-n", "0", "/memfs/f"), b"", "tail -n 0")
    same_bytes(pfs("tail", "-n", "20000", "/memfs/f"), b"".join(want[-20000:]), "tail -n 20000")
    same_bytes(pfs("tail", "-n", "99999", "/memfs/f"), text, "tail of more than there is")
    pfs("write", "/memfs/g", "no newline")
    equal(pfs("tail", "/memfs/g"), b"no newline", "tail without a newline")
    pfs.fails("tail", "/memfs", says="tail: ")
    pfs.fails("tail", "/memfs/none", says="tail: ")


@case
def tailf_follows_a_file(_):
    _, pfs = ours()
    pfs("write", "/memfs/f", stdin=b"1\n2\n3\n")
    follower = pfs.start("tailf", "-n", "2", "/memfs/f")
    equal(follower.read(4), b"2\n3\n", "the last lines")
    pfs("write", "/memfs/f", stdin=b"1\n2\n3\n4\n")
    equal(follower.read(2), b"4\n", "what was added")
    pfs("write", "/memfs/f", stdin=b"new\n")
    equal(follower.read(4), b"new\n", "a file that became shorter")
    follower.interrupt()
    equal(follower.end(stdin=False), (0, b"", ""), "after Ctrl-C")


@case
def tail_knows_streams(_):
    _, pfs = ours()
    pfs("write", "/streamfs/s", stdin=b"1\n2\n3\n")
    equal(pfs("tail", "-n", "2", "/streamfs/s"), b"2\n3\n", "tail")
    follower = pfs.start("tail", "-f", "-n", "1", "/streamfs/s")
    equal(follower.read(2), b"3\n", "the last line")
    pfs("write", "/streamfs/s", stdin=b"4\n")
    equal(follower.read(2), b"4\n", "what was added")
    pfs("seal", "/streamfs/s")
    equal(follower.end(), (0, b"", ""), "at the seal")
    equal(pfs("tailf", "-n", "1", "/streamfs/s"), b"4\n", "of a sealed stream")


@case
def tree_shows_folders_within_folders(_):
    _, pfs = ours()
    pfs("mkdir", "/memfs/a", "/memfs/a/b", "/memfs/c")
    pfs("touch", "/memfs/a/b/x", "/memfs/a/y", "/memfs/z")
    equal(lines(pfs("tree", "/memfs")),
          ["/memfs", "├── a", "│   ├── b", "│   │   └── x", "│   └── y", "├── c", "└── z", "",
           "3 directories, 3 files"], "tree")
    equal(lines(pfs("tree", "-L", "1", "/memfs")),
          ["/memfs", "├── a", "├── c", "└── z", "", "2 directories, 1 file"], "tree -L 1")
    pfs.fails("tree", "-L", "0", "/memfs", status=2, says="-L")


@case
def grep_prints_file_line_and_content(_):
    _, pfs = ours()
    pfs("mkdir", "/memfs/d")
    pfs("write", "/memfs/d/a", stdin=b"one\nTwo\nthree\n")
    pfs("write", "/memfs/d/b", stdin=b"two\n")
    equal(pfs("grep", "t", "/memfs/d/a"), b"/memfs/d/a:3:three\n", "grep")
    equal(pfs("grep", "-i", "t", "/memfs/d/a"), b"/memfs/d/a:2:Two\n/memfs/d/a:3:three\n", "grep -i")
    equal(sorted(lines(pfs("grep", "-ri", "two", "/memfs/d"))),
          ["/memfs/d/a:2:Two", "/memfs/d/b:1:two"], "grep -ri")
    equal(sorted(lines(pfs("grep", "-ri", "--stream", "two", "/memfs/d"))),
          ["/memfs/d/a:2:Two", "/memfs/d/b:1:two"], "grep --stream")
    equal(pfs("grep", "-c", "o", "/memfs/d/a"), b"2\n", "grep -c")
    equal(pfs("grep", "-rc", "--stream", "o", "/memfs/d"), b"3\n", "grep -c --stream")
    equal(pfs.ended("grep", "zzz", "/memfs/d/a"), (1, b"", ""), "no match")
    pfs.fails("grep", "x", "/memfs/d", says="path is a directory, use recursive=true to search")
    pfs.fails("grep", "(", "/memfs/d/a", says="grep: ")


@case
def uploads_and_downloads_keep_every_byte(work):
    _, pfs = ours()
    local = os.path.join(work, "from")
    os.makedirs(os.path.join(local, "below", "empty"))
    contents = {"a": pattern(2 * MIB + 3), "below/b": b"", "below/c": bytes(range(256))}
    for name, content in contents.items():
        with open(os.path.join(local, name), "wb") as file:
            file.write(content)
    equal(pfs("upload", os.path.join(local, "a"), "/memfs/a"), b"", "upload")
    equal(pfs("upload", os.path.join(local, "below", "c"), "/memfs"), b"", "upload into a folder")
    same_bytes(pfs("cat", "/memfs/c"), contents["below/c"], "a file in a folder")
    pfs.fails("upload", local, "/memfs/tree", says="-r")
    equal(pfs("upload", "-r", local, "/memfs/tree"), b"", "upload -r")
    pfs.fails("download", "/memfs/tree", os.path.join(work, "to"), says="-r")
    equal(pfs("download", "-r", "/memfs/tree", os.path.join(work, "to")), b"", "download -r")
    for name, content in contents.items():
        with open(os.path.join(work, "to", name), "rb") as file:
            same_bytes(file.read(), content, name)
    check(os.path.isdir(os.path.join(work, "to", "below", "empty")), "an empty folder")
    equal(pfs("download", "/memfs/a", work), b"", "download into a folder")
    with open(os.path.join(work, "a"), "rb") as file:
        same_bytes(file.read(), contents["a"], "a file in a folder")
    pfs.fails("download", "/memfs/none", os.path.join(work, "none"), says="download: ")
    check(not os.path.exists(os.path.join(work, "none")), "no file is left")
    pfs.fails("upload", os.path.join(work, "none"), "/memfs/none", says="No such file")


@case
def a_pipe_in_an_uploaded_folder_is_refused_and_not_waited_for(work):
    _, pfs = ours()
    local = os.path.join(work, "from")
    os.makedirs(local)
    os.mkfifo(os.path.join(local, "pipe"))
    with open(os.path.join(local, "file"), "wb") as file:
        file.write(b"content")
    pfs.fails("upload", "-r", local, "/memfs/tree", says="pipe: is no regular file")
    equal(pfs("cat", "/memfs/tree/file"), b"content", "the file beside it")


@case
def a_folder_that_was_interrupted_is_a_failure(work):
    _, pfs = ours()
    local = os.path.join(work, "from")
    os.makedirs(local)
    for i in range(3000):
        os.close(os.open(os.path.join(local, str(i)), os.O_CREAT | os.O_WRONLY))
    upload = pfs.start("upload", "-r", local, "/memfs/tree")
    eventually(lambda: pfs.ended("ls", "/memfs/tree")[1], "the first of the files")
    upload.interrupt()
    status, _, err = upload.end()
    equal(status, 1, f"upload -r that was interrupted: {err}")
    contains(err, "interrupted", "upload -r")
    equal(pfs("upload", "-r", local, "/memfs/tree"), b"", "the rest")
    to = os.path.join(work, "to")
    download = pfs.start("download", "-r", "/memfs/tree", to)
    eventually(lambda: os.path.isdir(to) and os.listdir(to), "the first file here")
    download.interrupt()
    status, _, err = download.end()
    equal(status, 1, f"download -r that was interrupted: {err}")
    contains(err, "interrupted", "download -r")


@case
def a_download_is_gone_on_with_and_leaves_nothing_half(work):
    server, pfs = ours()
    content = pattern(3 * MIB)
    pfs("write", "/memfs/f", stdin=content)
    relay = Relay(server.port, cuts=[MIB, KIB])
    target = os.path.join(work, "f")
    equal(Pfs(relay.url)("download", "/memfs/f", target), b"", "download")
    with open(target, "rb") as file:
        same_bytes(file.read(), content, "the file")
    relay = Relay(server.port, cuts=[MIB])
    relay.on_cut = relay.refuse
    Pfs(relay.url).fails("download", "--retry-for", "0.1", "/memfs/f", os.path.join(work, "g"),
                         says="download: ")
    equal(os.listdir(work), ["f"], "files")


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
          "Failed to mount streamfs at /lv: mount already exists: /lv\n", "mount again")
    pfs.fails("mount", "streamfs", "/other", "nonsense=1", says="Failed to mount streamfs at /other: ")
    equal(pfs.fails("mount", "streamfs", "/x", "foo", status=2),
          "Invalid config parameter: foo\n", "a bad parameter")
    equal(pfs("write", "/lv/s", "x"), b"Written 1 bytes\n", "write to the mount")
    reader = pfs.start("cat", "--stream", "/lv/s")
    equal(reader.read(1), b"x", "a reader")
    equal(pfs("unmount", "/lv"), b"Unmounted plugin at /lv\n", "unmount")
    equal(reader.end()[:2], (0, b""), "the reader at the unmount")
    equal(pfs.fails("unmount", "/lv"), "Failed to unmount /lv: no mount at path: /lv\n",
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
                        (["ls", "--nonsense"], "--nonsense"), (["mounts", "x"], "too many"),
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
