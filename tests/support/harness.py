# SPDX-License-Identifier: MIT
"""What every integration test stands on.

A test file holds functions marked `@case` and ends with `main()`. Each case
gets a fresh folder, runs under a watchdog, and leaves no process behind. Where
we are root, the whole file (or, with `main(at_once=n)`, each case) runs in network
and mount namespaces of its own: nothing can leave the machine, and no mount can stay. A case skips itself by
raising `Skip`; a file in which nothing ran ends with status 77.

    GOS_BUILD_DIR  where the programs under test are (required)
    GOS_TEST_HOST  set: stay in the caller's namespaces
    GOS_TEST_PATIENCE  a factor for all deadlines
    GOS_TEST_LONG  set: what takes minutes runs too, and the rest for longer
Arguments are parts of case names: only those cases run.
"""

import ctypes
import fcntl
import faulthandler
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE, MS_BIND = 0x4000, 1 << 18, 4096
SKIPPED = 77
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)
_cases = []
_children = []


class Skip(Exception):
    """What this case needs is not here; the text says what."""


class Failure(AssertionError):
    pass


# ---- cases ----

def case(function=None, *, timeout=60, each=None):
    """Mark a test. With `each`, it runs once per tuple of arguments."""
    def mark(f):
        for arguments in each or [()]:
            name = "-".join([f.__name__, *map(str, arguments)])
            _cases.append((name, f, arguments, timeout))
        return f
    return mark(function) if function else mark


def check(condition, message):
    if not condition:
        raise Failure(message)


def equal(got, want, what):
    if got != want:
        raise Failure(f"{what}: got {_short(got)}, want {_short(want)}")


def contains(text, part, what):
    if part not in text:
        raise Failure(f"{what}: no {part!r} in {text!r}")


def _short(value):
    text = repr(value)
    return text if len(text) < 200 else f"{text[:160]}… ({len(text)} characters)"


def same_bytes(got, want, what):
    """As equal(), but says where the difference is."""
    if got == want:
        return
    at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    raise Failure(f"{what}: {len(got)} bytes against {len(want)}, first difference at {at}")


def eventually(condition, what, timeout=20):
    """Wait for a condition with a deadline; returns its first true value."""
    deadline = time.monotonic() + timeout * patience()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {timeout} s: {what}")
        time.sleep(0.01)


def raises(errno_wanted, action, *arguments):
    """The action must fail with this errno."""
    try:
        action(*arguments)
    except OSError as error:
        name = getattr(action, "__name__", action)
        equal(os.strerror(error.errno), os.strerror(errno_wanted), f"{name}{arguments[:1]}")
        return
    raise Failure(f"{getattr(action, '__name__', action)} succeeded, "
                  f"want {os.strerror(errno_wanted)}")


# ---- programs ----

def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")


def built(name):
    """The path of a program of the build tree."""
    top = os.environ.get("GOS_BUILD_DIR")
    if not top:
        raise Failure("GOS_BUILD_DIR is not set")
    for folder in ("cli", "tests", ""):
        path = os.path.join(top, folder, name)
        if os.path.exists(path):
            return path
    raise Skip(f"{name} was not built in {top}")


def spawn(argv, *, user=None, **options):
    """Start a program that dies with us. `user`: run it under this numeric id."""
    lead = ["setpriv", "--pdeathsig", "KILL"]
    if user is not None:
        lead += ["--reuid", str(user), "--regid", str(user), "--clear-groups"]
    options.setdefault("stdin", subprocess.DEVNULL)
    child = subprocess.Popen([*lead, "--", *map(_argument, argv)], **options)
    _children.append(child)
    return child


def _argument(value):
    return value if isinstance(value, (str, bytes)) else str(value)


def run(argv, *, timeout=30, user=None, **options):
    """Run a program to its end; bytes of its output are in .stdout, .stderr."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    child = spawn(argv, user=user, **options)
    try:
        out, err = child.communicate(timeout=timeout * patience())
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        raise Failure(f"{argv[0]} did not end within {timeout} s: {err!r}") from None
    return subprocess.CompletedProcess(argv, child.returncode, out, err)


def end(child, timeout=10):
    """Ask it to end; kill it if it does not."""
    child.terminate()
    try:
        child.wait(timeout=timeout)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def end_children():
    for child in _children:
        if child.poll() is None:
            child.kill()
    for child in _children:
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            print(f"left behind: {child.args}", file=sys.stderr)
        for stream in (child.stdout, child.stderr):
            if stream:
                stream.close()
    _children.clear()


# ---- isolation ----

def isolated():
    return os.environ.get("GOS_TEST_ISOLATED") == str(os.getpid())


def isolate():
    if os.geteuid() != 0 or os.environ.get("GOS_TEST_HOST"):
        return
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        print(f"# no namespaces of our own: {os.strerror(ctypes.get_errno())}")
        return
    # In a chroot that is no mount point this fails, and is not needed.
    libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        flags = 0x1 | 0x40  # IFF_UP, IFF_RUNNING
        fcntl.ioctl(sock, 0x8914, struct.pack("16sH22x", b"lo", flags))  # SIOCSIFFLAGS
    os.environ["GOS_TEST_ISOLATED"] = str(os.getpid())


# ---- running ----

class _Watchdog:
    """Ends the whole test when a case overstays. A case may be stuck in a read
    that no signal reaches; killing the program under test frees it."""

    def __init__(self, name, seconds):
        self.name = name
        self.timer = threading.Timer(seconds * patience(), self._bark)
        self.timer.daemon = True

    def _bark(self):
        print(f"FAIL {self.name}: watchdog", flush=True)
        faulthandler.dump_traceback(all_threads=True)
        for child in _children:
            if child.poll() is None:
                child.kill()
        os._exit(1)

    def __enter__(self):
        self.timer.start()

    def __exit__(self, *_):
        self.timer.cancel()


def sanitized():
    """Whether the build under test carries a sanitizer."""
    try:
        with open(os.path.join(os.environ.get("GOS_BUILD_DIR", ""), "CMakeCache.txt")) as cache:
            return any(re.match(r"GOS_SANITIZE:\w+=\w", line) for line in cache)
    except OSError:
        return False


def patience():
    """What deadlines are multiplied by: GOS_TEST_PATIENCE, or more for sanitizers."""
    return float(os.environ.get("GOS_TEST_PATIENCE", "4" if sanitized() else "1"))


def long():
    """Whether there is time for what takes minutes."""
    return bool(os.environ.get("GOS_TEST_LONG"))


def need_long():
    if not long():
        raise Skip("takes minutes; GOS_TEST_LONG is not set")


def _run_case(name, function, arguments, timeout):
    folder = tempfile.mkdtemp(prefix="gos-test.")
    os.chmod(folder, 0o755)
    began = time.monotonic()
    verdict = "ok"
    try:
        with _Watchdog(name, timeout):
            try:
                function(folder, *arguments)
            finally:
                end_children()
    except Skip as reason:
        verdict = f"skip ({reason})"
    except Exception as error:
        verdict = "FAIL"
        if not isinstance(error, Failure):
            traceback.print_exc()
        else:
            print("  " + "\n  ".join(_where(error)))
            print(f"  {error}")
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{verdict.split()[0]:4} {name} {time.monotonic() - began:.1f} s"
          f"{verdict[4:] if verdict.startswith('skip') else ''}", flush=True)
    return verdict


def _where(error):
    here = os.path.basename(sys.argv[0])
    return [f"{os.path.basename(f.filename)}:{f.lineno}: {f.line}"
            for f in traceback.extract_tb(error.__traceback__)
            if os.path.basename(f.filename) == here]


def _begin_case(chosen, output):
    """Run one in a process, and in namespaces, of its own."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        isolate()
        status = {"ok": 0, "FAIL": 1}.get(_run_case(*chosen), SKIPPED)
    finally:
        sys.stdout.flush()
        os._exit(status)


def _run_together(left, at_once):
    running, verdicts = {}, []
    left = sorted(left, key=lambda c: -c[3])  # those that may take long come first
    while left or running:
        while left and len(running) < at_once:
            output = tempfile.TemporaryFile()
            running[_begin_case(left.pop(0), output)] = output
        pid, status = os.wait()
        with running.pop(pid) as output:
            output.seek(0)
            sys.stdout.buffer.write(output.read())
            sys.stdout.flush()
        verdicts.append({0: "ok", SKIPPED: "skip"}.get(os.waitstatus_to_exitcode(status), "FAIL"))
    return verdicts


def main(at_once=1):
    """`at_once`: so many cases may run beside each other; for those that mostly wait."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    wanted = sys.argv[1:]
    chosen = [c for c in _cases if not wanted or any(w in c[0] for w in wanted)]
    if at_once > 1 and len(chosen) > 1:
        verdicts = _run_together(chosen, at_once)
    else:
        isolate()
        verdicts = [_run_case(*c) for c in chosen]
    failed = verdicts.count("FAIL")
    skipped = sum(v.startswith("skip") for v in verdicts)
    print(f"{len(verdicts) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    if failed or not verdicts:
        sys.exit(1)
    sys.exit(SKIPPED if skipped == len(verdicts) else 0)
