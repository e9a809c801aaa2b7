# SPDX-License-Identifier: MIT
"""shellcheck finds nothing in the shell scripts."""
import subprocess

from lint import ROOT, files, finish, name, need

need("shellcheck")
scripts = [p for p in files(under=["scripts", ".ci", "tests"]) + [ROOT / "run"]
           if p.suffix == ".sh" or (not p.suffix and p.read_bytes()[:2] == b"#!")]
run = subprocess.run(["shellcheck", "-x", "-f", "gcc", *map(name, scripts)], cwd=ROOT, text=True,
                     capture_output=True)
finish((run.stdout + run.stderr).splitlines(), len(scripts))
