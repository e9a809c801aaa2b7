#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pfs against a server that behaves as the original does."""

import os
import re
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, contains, equal, eventually, main, same_bytes
from original_streamfs import Original
from pfs_tool import (Pfs, Relay, Terminal, environment, gives_bytes_at_once,
                      tells_streams_from_files, wait_for_readers)
from torrentmaker import pattern

KIB, MIB = 1 << 10, 1 << 20


def original():
    server = Original().start()
    return server, Pfs(server.url)


def requests(server, method):
    return [target for seen, target, _ in server.seen if seen == method]


# ---- streams ----

@case
def a_reader_that_comes_first_makes_the_stream_and_gets_bytes_at_once(_):
    server, pfs = original()
    gives_bytes_at_once(pfs)
    server.shutdown()


@case
def history_comes_before_what_is_live(_):
    _, pfs = original()
    for word in ("a", "b", "c"):
        pfs("write", "/streamfs/s", word)
    reader = pfs.start("cat", "--stream", "--from", "oldest", "/streamfs/s")
    equal(reader.read(3), b"abc", "history")
    pfs("write", "/streamfs/s", "d")
    equal(reader.read(1), b"d", "live")
    pfs("rm", "/streamfs/s")
    equal(reader.end(), (0, b"", ""), "at the deletion")


@case
def echo_into_write_works(_):
    server, pfs = original()
    status, out, err = pfs.shell('echo data | "$0" write /streamfs/s')
    equal((status, out, err), (0, b"Written 5 bytes\n", ""), "echo |")
    equal(list(server.stream("/streamfs/s").ring), [b"data\n"], "the stream")


@case
def a_slow_producer_reaches_readers_read_by_read(_):
    server, pfs = original()
    writer = pfs.start("write", "--stream", "/streamfs/s")
    sent = []
    for piece in (b"x", b"yy\n", b"\0" * 100):
        writer.write(piece)
        sent.append(len(piece))
        eventually(lambda: server.stream("/streamfs/s") and
                   server.stream("/streamfs/s").writes == sent, f"the writes are {sent}")
    equal(writer.end(), (0, b"", ""), "the writer at the end of its stdin")
    check(server.stream("/streamfs/s"), "the stream stays after its writer")


@case
def a_fast_producer_is_sent_in_requests_of_at_most_64_kib(_):
    server, pfs = original()
    content = pattern(2 * MIB + 17)
    equal(pfs("write", "--stream", "/streamfs/s", stdin=content), b"", "stdout")
    writes = server.stream("/streamfs/s").writes
    check(max(writes) <= 64 * KIB, f"the largest write is {max(writes)}")
    equal(sum(writes), len(content), "bytes")
    for method, _, head in server.seen:
        if method == "PUT":
            check("Transfer-Encoding" not in head and "Expect" not in head, f"head: {head}")
    reader = pfs.start("cat", "--stream", "/streamfs/s")
    same_bytes(reader.read(len(content)), content, "read back")
    pfs("rm", "/streamfs/s")
    equal(reader.end()[0], 0, "the reader")


@case
def all_requests_of_a_stream_go_through_one_connection(_):
    server, pfs = original()
    pfs("write", "--stream", "/streamfs/s", stdin=pattern(512 * KIB))
    check(len(requests(server, "PUT")) >= 8, f"{len(requests(server, 'PUT'))} PUTs")
    equal(len(server.sockets), 1, "connections")


@case
def ctrl_c_ends_a_writer_with_all_it_read_acknowledged(_):
    server, pfs = original()
    writer = pfs.start("write", "--stream", "/streamfs/s")
    writer.write(b"before")
    eventually(lambda: server.stream("/streamfs/s"), "the first write")
    writer.interrupt()
    equal(writer.end(stdin=False), (0, b"", ""), "the writer after Ctrl-C")
    equal(server.stream("/streamfs/s").writes, [6], "what arrived")


@case
def ctrl_c_ends_a_reader_at_once_even_before_the_first_byte(_):
    _, pfs = original()
    reader = pfs.start("cat", "--stream", "/streamfs/s")
    wait_for_readers(pfs, "/streamfs/s", 1)
    reader.interrupt()
    equal(reader.end(timeout=5), (0, b"", ""), "the reader after Ctrl-C")


@case
def a_broken_connection_cannot_be_gone_on_with_and_that_is_said(_):
    server, pfs = original()
    pfs("write", "/streamfs/s", "history")
    reader = pfs.start("cat", "--stream", "/streamfs/s")
    equal(reader.read(7), b"history", "history")
    server.cut()
    status, out, err = reader.end()
    equal((status, out), (1, b""), "the reader")
    contains(err, "after 7 bytes; this server cannot go on from there", "its words")
    contains(err, "cat: /streamfs/s: the connection to the server was lost", "its words")


@case
def a_writer_whose_server_goes_says_how_much_is_known_to_have_arrived(_):
    server, pfs = original()
    relay = Relay(server.server_address[1])
    writer = Pfs(relay.url).start("write", "--stream", "/streamfs/s")
    writer.write(b"0123456789")
    eventually(lambda: server.stream("/streamfs/s"), "the first write")
    eventually(lambda: len(requests(server, "PUT")) == 1, "its answer")
    relay.refuse()
    writer.write(b"more")
    status, _, err = writer.end()
    equal(status, 1, "the writer")
    contains(err, "write: no server at ", "its words")


@case
def what_the_original_cannot_do_is_refused_before_anything_is_sent(_):
    server, pfs = original()
    pfs.fails("write", "--stream", "--seal", "/streamfs/s", stdin=b"x", says="cannot seal")
    pfs.fails("cat", "--stream", "--from", "now", "/streamfs/s", says="knows neither --from")
    pfs.fails("cat", "--stream", "--policy", "block", "/streamfs/s", says="--policy")
    pfs.fails("seal", "/streamfs/s", says="cannot seal")
    equal(requests(server, "PUT"), [], "PUTs")
    check(not server.stream("/streamfs/s"), "there is no stream")


@case
def no_create_does_not_make_the_stream(_):
    server, pfs = original()
    pfs.fails("cat", "--stream", "--no-create", "/streamfs/s",
              says="cat: stream not found: /s")
    check(not server.stream("/streamfs/s"), "there is no stream")


@case
def a_stream_needs_stream_mode_and_a_file_must_not_have_it(_):
    server, pfs = original()
    tells_streams_from_files(pfs)
    server.seen.clear()
    pfs.fails("write", "--stream", "/memfs/f", stdin=b"y", says="is no stream")
    equal(requests(server, "PUT"), [], "PUTs")
    equal(pfs("cat", "/memfs/f"), b"x", "the file")
    pfs.fails("cat", "/streamfs/none", says="pfs cat --stream /streamfs/none")


@case
def tailf_follows_a_stream(_):
    _, pfs = original()
    pfs("write", "/streamfs/s", "a line")
    reader = pfs.start("tailf", "/streamfs/s")
    equal(reader.read(6), b"a line", "history")
    pfs("rm", "/streamfs/s")
    equal(reader.end(), (0, b"", ""), "at the deletion")
    pfs("write", "/streamfs/s", "x")
    pfs.fails("tail", "/streamfs/s", says="pfs tailf")


# ---- files ----

@case
def not_found_is_told_in_the_servers_words(_):
    _, pfs = original()
    equal(pfs.fails("rm", "/memfs/x"), "rm: file not found: /x\n", "rm")
    equal(pfs.fails("stat", "/streamfs/x"), "stat: stream not found: /x\n", "stat")
    equal(pfs.fails("ls", "/nowhere"), "ls: readdir: /nowhere: not found; nothing is "
          "mounted there, see: pfs mounts\n", "ls")
    equal(pfs("touch", "/streamfs/t"), b"", "touch")
    equal(pfs.fails("touch", "/streamfs/t"), "touch: stream already exists: /t\n", "touch again")


@case
def an_empty_folder_is_an_empty_listing(_):
    _, pfs = original()
    equal(pfs("ls", "/memfs"), b"", "ls of files: null")
    equal(pfs("tree", "/memfs"), b"/memfs\n\n0 directories, 0 files\n", "tree of files: null")


@case
def a_body_over_the_limit_is_refused_with_the_servers_sentence(work):
    _, pfs = original()
    large = os.path.join(work, "large")
    with open(large, "wb") as file:
        file.truncate((64 << 20) + 1)
    err = pfs.fails("upload", large, "/memfs/large")
    contains(err, "request body exceeds maximum size of 67108864 bytes", "upload")


@case
def a_file_is_gone_on_with_where_the_connection_broke(_):
    server, pfs = original()
    content = pattern(3 * MIB)
    pfs("write", "/memfs/f", stdin=content)
    relay = Relay(server.server_address[1], cuts=[MIB, MIB // 2])
    server.seen.clear()
    same_bytes(Pfs(relay.url)("cat", "/memfs/f"), content, "what was read")
    equal(relay.connections, 3, "connections")
    offsets = [re.search(r"offset=(\d+)", t) for t in requests(server, "GET") if "/files" in t]
    equal(len(offsets), 3, "GETs")
    check(offsets[0] is None and 0 < int(offsets[1][1]) < int(offsets[2][1]), "offsets")


@case
def a_file_that_changed_is_not_pieced_together(_):
    server, pfs = original()
    pfs("write", "/memfs/f", stdin=pattern(4 * MIB))
    relay = Relay(server.server_address[1], cuts=[MIB],
                  on_cut=lambda: pfs("write", "/memfs/f", stdin=bytes(4 * MIB)))
    status, out, err = Pfs(relay.url).ended("cat", "/memfs/f")
    equal(status, 1, "the reader")
    equal(err, f"cat: /memfs/f: ended after {len(out)} of {4 * MIB} bytes: "
               "the file changed while it was read\n", "its words")


@case
def how_much_of_a_file_came_is_told_when_its_server_is_gone(_):
    server, pfs = original()
    content = pattern(3 * MIB)
    pfs("write", "/memfs/f", stdin=content)
    relay = Relay(server.server_address[1], cuts=[MIB])
    relay.on_cut = relay.refuse
    status, out, err = Pfs(relay.url).ended("cat", "--retry-for", "0.3", "/memfs/f")
    equal(status, 1, "the reader")
    check(0 < len(out) < len(content), "it got a part")
    same_bytes(out, content[:len(out)], "what came")
    check(err.startswith(f"cat: /memfs/f: ended after {len(out)} of {3 * MIB} bytes: no server"), err)


# ---- words, and where they go ----

@case
def words_go_to_a_terminal_only_and_data_never(_):
    server, pfs = original()
    terminal = Terminal()
    writer = pfs.start("write", "--stream", "/streamfs/s", stderr=terminal.slave)
    writer.write(b"0" * 200)
    eventually(lambda: server.stream("/streamfs/s"), "the first write")
    equal(writer.end()[:2], (0, b""), "the writer")
    equal(terminal.close().splitlines(),
          ["Streaming to /streamfs/s", "Reading binary data from stdin...", "Press Ctrl+C to stop",
           "Streaming complete: 200 bytes in 1 chunks"], "on the terminal")


@case
def the_address_comes_from_options_or_the_environment(_):
    server, _ = original()
    url = server.url
    pfs, nowhere = Pfs(None), "http://127.0.0.1:9"
    bare = environment()
    for words in (["--pfs-api-baseurl", url, "mounts"], ["mounts", "--pfs-api-baseurl", url],
                  [f"--agfs-api-url={url}", "mounts"], ["mounts", "--agfs-api-url", url],
                  ["mounts", "--agfs-api-url", url.removeprefix("http://")],
                  ["mounts", "--agfs-api-url", url + "/api/v1"],
                  ["mounts", "--agfs-api-url", url + "/api/v1/"]):
        status, out, err = pfs.ended(*words, env=bare)
        equal((status, err), (0, ""), str(words))
        contains(out.decode(), "streamfs on /streamfs (plugin: streamfs)", str(words))
    for env in ({"PFS_API_URL": url, "AGFS_API_URL": nowhere, "AGFS_SERVER_URL": nowhere},
                {"AGFS_API_URL": url, "AGFS_SERVER_URL": nowhere}, {"AGFS_SERVER_URL": url}):
        equal(pfs.ended("ls", "/memfs", env={**bare, **env}), (0, b"", ""), str(env))
    equal(pfs.ended("ls", "/memfs", "--pfs-api-baseurl", url,
                    env={**bare, "PFS_API_URL": nowhere}), (0, b"", ""), "the option wins")


@case
def a_proxy_of_the_environment_does_not_stand_before_loopback(_):
    server, pfs = original()
    env = {**environment(server.url), "http_proxy": "http://127.0.0.1:9",
           "ALL_PROXY": "http://127.0.0.1:9"}
    equal(pfs.ended("ls", "/memfs", env=env), (0, b"", ""), "ls")


@case
def no_server_is_one_sentence(_):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    pfs = Pfs(f"http://127.0.0.1:{port}")
    want = (f"no server at http://127.0.0.1:{port}/api/v1: Connection refused; "
            f"to start one: pfs serve --port {port}\n")
    equal(pfs.fails("ls"), f"ls: {want}", "ls")
    equal(pfs.fails("cat", "--stream", "/s"), f"cat: {want}", "cat --stream")
    equal(pfs.fails("write", "--stream", "/s", stdin=b"x"), f"write: {want}", "write --stream")


if __name__ == "__main__":
    main()
