#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`pfs serve` as it is told to be: its options, its configuration, what it says of mistakes."""

import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import built, case, check, contains, equal, main, patience, run, spawn
from pfs_tool import Server
from rawhttp import ask, content_of, put


def serve(*words, status):
    ended = run([built("pfs"), "serve", *words])
    equal(ended.returncode, status, f"{words}: {ended.stderr.decode()}")
    return ended.stdout.decode(), ended.stderr.decode()


def config(work, text):
    path = os.path.join(work, "pfs.toml")
    with open(path, "w") as out:
        out.write(text)
    return path


@case
def wrong_options_are_2_and_say_what_would_be_right(_):
    for words in (["--nonsense"], ["--port", "65536"], ["--port", "-1"], ["--threads", "0"], ["extra"],
                  ["--ring-buffer-size", "12XB"], ["--ring-buffer-size", "0"], ["--policy", "none"],
                  ["--drain-timeout", "x"], ["--ready-fd", "x"], ["--log-level", "loud"]):
        out, err = serve(*words, status=2)
        equal(out, "", f"{words} on stdout")
        check(err.startswith("pfs serve: "), f"{words}: {err}")


@case
def a_ready_fd_that_is_not_open_is_refused(_):
    for fd in ("3", "77"):  # 3 would be a descriptor of the server's own
        _, err = serve("--port", "0", "--ready-fd", fd, status=2)
        contains(err, "is not open", fd)


@case
def a_full_stdout_is_told(_):
    with open("/dev/full", "wb") as full:
        for words in (["--help"], ["--print-config"]):
            child = spawn([built("pfs"), "serve", *words], stdout=full, stderr=subprocess.PIPE)
            _, err = child.communicate(timeout=10 * patience())
            equal(child.returncode, 1, str(words))
            contains(err.decode(), "No space left on device", str(words))


@case
def addresses_that_are_not_loopback_are_refused(_):
    for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0"):
        _, err = serve("--listen", address, status=1)
        equal(err, f"pfs serve: {address}: not a loopback address; no other is listened at\n", address)
        _, printed = serve("--listen", address, "--print-config", status=1)
        equal(printed, err, f"{address} with --print-config")
    long = "/" + "s" * 200
    for more in ((), ("--print-config",)):
        _, err = serve("--unix", long, *more, status=1)
        equal(err, f"pfs serve: {long}: a socket's path has 1 to 107 bytes\n", "a long path")


@case
def a_port_alone_is_one_of_127_0_0_1(work):
    server = Server("--listen", "0")
    equal(ask(server, "GET /health").status, 200, "--listen 0")
    server = Server("--config", config(work, '[server]\naddress = "0"\n'))
    equal(ask(server, "GET /health").status, 200, 'address = "0"')
    _, err = serve("--listen", "65536", status=1)
    equal(err, "pfs serve: 127.0.0.1:65536: a port is a number from 0 to 65535\n", "65536")
    out, _ = serve("--listen", "9000", "--print-config", status=0)
    contains(out, 'address = "127.0.0.1:9000"', "--print-config")


@case
def lines_below_the_log_level_are_not_written(work):
    def lines(*words):
        """What is on stderr after a start, a mount, an unmount and an end."""
        out, into = os.pipe()
        child = spawn([built("pfs"), "serve", "--port", "0", "--ready-fd", str(into), *words],
                      pass_fds=[into], stderr=subprocess.PIPE)
        os.close(into)
        with os.fdopen(out) as told:
            child.port = int(told.read().strip().rsplit(":", 1)[1])
        ask(child, "POST /mount", b'{"fstype":"memfs","path":"/more"}')
        ask(child, "POST /unmount", b'{"path":"/more"}')
        child.terminate()
        return [re.sub(r"\d+$", "N", line) for line in child.communicate()[1].decode().splitlines()]
    info = ["pfs serve: listening on http://127.0.0.1:N",
            "pfs serve: ending: streams are sealed, readers have 10 s to read the rest"]
    debug = [info[0], "pfs serve: memfs is mounted at /more", "pfs serve: /more is no longer mounted",
             info[1]]
    equal(lines(), info, "the standard")
    for level, said in (("debug", debug), ("info", info), ("warn", []), ("error", [])):
        equal(lines("--log-level", level), said, level)
        equal(lines("--config", config(work, f'[server]\nlog_level = "{level}"\n')), said, level)
    equal(lines("--config", config(work, '[server]\nlog_level = "error"\n'), "--log-level", "info"),
          info, "an option goes before the file")
    _, err = serve("--config", config(work, '[server]\n\nlog_level = "loud"\n'), status=1)
    contains(err, ":3: server.log_level must be debug, info, warn or error", "an unknown one")


@case
def yaml_is_told_apart(work):
    path = os.path.join(work, "config.yaml")
    with open(path, "w") as out:
        out.write("server:\n  address: ':8080'\n")
    _, err = serve("--config", path, status=1)
    contains(err, path + ": this is YAML by its name, and TOML is expected", "its words")


@case
def streams_larger_than_all_the_memory_are_refused(work):
    _, err = serve("--port", "0", "--memory-limit", "1K", status=1)
    contains(err, "ring_buffer_size: 6291456 bytes (standard) are more than", "--memory-limit")
    path = config(work, "[server]\nmemory_limit = \"1KB\"\n[plugins.streamfs]\npath = \"/s\"\n")
    _, err = serve("-c", path, "--port", "0", status=1)
    contains(err, "are more than memory_limit (1024)", "TOML")


@case
def a_port_that_is_taken_is_told(_):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        _, err = serve("--listen", f"127.0.0.1:{taken.getsockname()[1]}", status=1)
    contains(err, os.strerror(98), "its words")


@case
def mistakes_in_the_file_have_file_and_line(work):
    for text, says in (("[server]\nadress = 1\n", ":2: unknown key server.adress"),
                       ("[plugins.streamfs.config]\nring_buffer_size = \"12XB\"\n",
                        ":2: plugins.streamfs: invalid ring_buffer_size: invalid size format: 12XB"),
                       ("[plugins.streamfs.config]\nring_buffer_size = \"2TB\"\n", ":2: "),
                       ("[plugins.s3fs]\nenabled = true\n", ":1: plugins.s3fs is enabled, but"),
                       ("[server\n", ":1: ")):
        path = config(work, text)
        _, err = serve("--config", path, status=1)
        contains(err, path + says, text)
    _, err = serve("--config", os.path.join(work, "none.toml"), status=1)
    contains(err, os.strerror(2), "a file that is not there")


@case
def print_config_prints_what_would_be_used(work):
    path = config(work, '[server]\naddress = ":9000"\n[plugins.streamfs]\nenabled = true\n'
                  'path = "/live"\n[plugins.streamfs.config]\nring_buffer_size = "1MB"\n')
    out, err = serve("--config", path, "--ring-buffer-size", "2MB", "--port", "9001",
                     "--print-config", status=0)
    equal(err, "", "stderr")
    for line in ('address = ":9001"', 'path = "/live"', 'ring_buffer_size = "2MB"',
                 'channel_buffer_size = "6MB"'):
        check(line in out.splitlines(), f"no {line} in {out}")
    again, _ = serve("--config", config(work, out), "--print-config", status=0)
    equal(again, out, "printed again")


@case
def the_configuration_is_used(work):
    path = config(work, '[server]\naddress = ":0"\n'
                  '[[plugins.streamfs]]\nname = "a"\npath = "/a"\n'
                  '[plugins.streamfs.config]\nring_buffer_size = "64KB"\nchannel_buffer_size = "64KB"\n'
                  '[[plugins.streamfs]]\npath = "/b"\n')
    server = Server("--config", path)
    for mount in ("/a", "/b"):
        put(server, mount + "/s", bytes(128 << 10))
    check(0 < 131072 - int(content_of(server, "/a/s")["oldest"]) <= 65536, "history of /a")
    equal(content_of(server, "/b/s")["oldest"], "0", "history of /b")
    equal(ask(server, "GET /stat?path=/memfs").status, 404, "memfs is not in the file")
    equal(ask(server, "GET /stat?path=/dev/null").status, 200, "/dev is there all the same")


@case
def ready_fd_gets_the_addresses(work):
    out, into = os.pipe()
    path = os.path.join(work, "s.sock")
    child = spawn([built("pfs"), "serve", "--port", "0", "--unix", path, "--ready-fd", str(into)],
                  pass_fds=[into], stderr=subprocess.DEVNULL)
    os.close(into)
    with os.fdopen(out) as lines:
        told = lines.read().splitlines()
    check(re.fullmatch(r"http://127\.0\.0\.1:\d+", told[0]) and told[1] == "unix:" + path, f"{told}")
    child.terminate()
    equal(child.wait(timeout=10 * patience()), 0, "exit status")
    check(not os.path.exists(path), "the socket is still there")


if __name__ == "__main__":
    main()
