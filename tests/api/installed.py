# SPDX-License-Identifier: MIT
"""An installed copy of the library in a temporary folder, as a stranger finds it."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ["GOS_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["GOS_BUILD_DIR"])


class Installed:
    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gos-installed."))
        self.prefix = self.folder / "prefix"
        run("cmake", "--install", BUILD, "--prefix", self.prefix)
        pc = next(self.prefix.rglob("libgostream.pc"))
        self.lib = pc.parent.parent
        self.environment = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent), "LD_LIBRARY_PATH": str(self.lib)}
        self.environment.pop("CPATH", None)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def files(self):
        return sorted(str(p.relative_to(self.prefix)) for p in self.prefix.rglob("*") if not p.is_dir())

    def build(self, source, *more, compiler="cc"):
        """As the README tells people to."""
        flags = run("pkg-config", "--cflags", "--libs", "libgostream", env=self.environment).split()
        program = self.folder / source.stem
        run(compiler, *more, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", source, *flags, "-o", program)
        return program

    def run(self, *argv, status=0):
        return run(*argv, status=status, env=self.environment)


def run(*argv, status=0, **options):
    done = subprocess.run([str(a) for a in argv], text=True, capture_output=True, timeout=100, **options)
    if done.returncode != status:
        sys.exit(f"{' '.join(map(str, argv))}: status {done.returncode}, want {status}\n{done.stdout}{done.stderr}")
    return done.stdout


def check(condition, what):
    if not condition:
        sys.exit(what)
