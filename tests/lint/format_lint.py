# SPDX-License-Identifier: MIT
"""clang-format has nothing to change."""
import re
import subprocess

from lint import ROOT, files, finish, need

need("clang-format")
sources = files(".c", ".h", ".cpp", ".hpp", under=["include", "lib", "cli", "tests", "examples"])
run = subprocess.run(["clang-format", "--style=file", "--dry-run", "-Werror", *sources], text=True,
                     capture_output=True)
# One line a file is enough: the remedy is the same for all.
wrong = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error:", run.stderr, re.M)))
problems = [f"{path.replace(f'{ROOT}/', '')}: run clang-format -i on it" for path in wrong]
if run.returncode and not problems:
    problems = [run.stderr.strip()]
finish(problems, len(sources))
