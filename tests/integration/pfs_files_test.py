#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The commands of pfs for files, against our own server, `pfs serve`."""

import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, contains, equal, eventually, main, patience, same_bytes
from pfs_tool import Pfs, Relay, Terminal, environment, lines, ours
from torrentmaker import pattern

KIB, MIB = 1 << 10, 1 << 20


@case
def words_are_joined_and_the_servers_answer_printed(_):
    _, pfs = ours()
    equal(pfs("write", "/memfs/f", "hello", "world"), b"Written 11 bytes\n", "write")
    equal(pfs("cat", "/memfs/f"), b"hello world", "cat")
    equal(pfs("cat", "/memfs/f", "/memfs/f"), b"hello worldhello world", "cat of two")
    status, out, err = pfs.ended("cat", "/memfs/none", "/memfs/f")
    equal((status, out), (1, b"hello world"), "cat of one that is missing")
    contains(err, "cat: ", "cat of one that is missing")
    for folder in ("/memfs", "/streamfs", "/"):
        equal(pfs.fails("cat", folder),
              f"cat: {folder}: is a directory; what is in it lists: pfs ls\n", "cat of a folder")
    equal(pfs.fails("cat", "x"), "cat: read: /x: not found; nothing is mounted there, "
                                 "see: pfs mounts\n", "cat of a path without a mount")
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
    equal(pfs.ended("cp", "/memfs/h", "/memfs/x", env=environment(pfs.url, TMPDIR="/none"))[0], 1,
          "cp without a place for its copy")
    pfs.fails("stat", "/memfs/x")
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
    pfs.fails("tree", "/memfs/none", says="tree: ")
    pfs.fails("tree", "/memfs/z", says="tree: ")


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
    pfs.fails("grep", "x", "/memfs/d", says="grep: /memfs/d: is a directory; -r ")
    pfs.fails("grep", "(", "/memfs/d/a", says="grep: ")


@case
def grep_prints_lines_with_nul_whole(_):
    _, pfs = ours()
    pfs("write", "/memfs/b", stdin=b"one hi\0two\n\0hi\nhi\0\n")
    want = b"/memfs/b:1:one hi\0two\n/memfs/b:2:\0hi\n/memfs/b:3:hi\0\n"
    equal(pfs("grep", "hi", "/memfs/b"), want, "grep")
    equal(pfs("grep", "--stream", "hi", "/memfs/b"), want, "grep --stream")
    terminal = Terminal()
    running = pfs.start("grep", "hi", "/memfs/b", stdout=terminal.slave)
    equal(running.child.wait(timeout=10 * patience()), 0, "grep to a terminal")
    equal(terminal.close(), "/memfs/b:1:one hi\\x00two\n/memfs/b:2:\\x00hi\n"
                            "/memfs/b:3:hi\\x00\n", "grep to a terminal")


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
def names_as_long_as_they_can_be_are_downloaded(work):
    _, pfs = ours()
    name = "n" * 255
    pfs("write", f"/memfs/{name}", "x")
    equal(pfs("download", f"/memfs/{name}", work), b"", "download")
    equal(os.listdir(work), [name], "files")


@case
def a_download_keeps_the_mode_of_what_it_replaces(work):
    _, pfs = ours()
    pfs("write", "/memfs/secret", "x")
    target = os.path.join(work, "secret")
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    equal(pfs("download", "/memfs/secret", target), b"", "download")
    equal(os.stat(target).st_mode & 0o777, 0o600, "its mode")


@case
def what_cannot_be_sealed_is_not_touched(_):
    _, pfs = ours()
    pfs("write", "/memfs/f", "content")
    for words in (["/memfs/f", "new"], ["/memfs/f"], ["--stream", "/memfs/f"],
                  ["--stream", "/memfs/g"], ["/memfs/g", "new"]):
        err = pfs.fails("write", "--seal", *words, stdin=b"new")
        contains(err, "write: filesystem does not support streaming: /memfs/", str(words))
    equal(pfs("cat", "/memfs/f"), b"content", "the file")
    pfs.fails("stat", "/memfs/g", says="not found")
    for words in (["/streamfs/s", "all"], ["--stream", "/streamfs/t"]):
        pfs("write", "--seal", *words, stdin=b"all")
        equal(pfs("cat", "--stream", words[-2 if words[-1] == "all" else -1]), b"all", str(words))


@case
def only_so_many_folders_within_folders_are_uploaded(work):
    _, pfs = ours()
    os.makedirs(os.path.join(work, *["d"] * 70))
    pfs.fails("upload", "-r", work, "/memfs/tree", says="/d: is more than 64 folders deep")
    equal(pfs("ls", "/memfs/tree" + 64 * "/d"), b"", "the deepest that came")


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


if __name__ == "__main__":
    main()
