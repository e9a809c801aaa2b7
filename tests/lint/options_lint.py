# SPDX-License-Identifier: MIT
"""The options in a tool's --help are those in its man page, both ways."""
import re
import subprocess
import sys

from lint import BUILD, ROOT, finish

OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z0-9-]*|-[a-zA-Z])(?![\w-])")

tool = next((t for t in (BUILD / "cli/gostream-mount", BUILD / "cli/gostream-mount-fake") if t.exists()), None)
if not tool:
    print("skipped: gostream-mount is not built")
    sys.exit(77)
text = subprocess.run([tool, "--help"], check=True, text=True, capture_output=True, timeout=20).stdout
helped = set()
for line in text.splitlines():
    # Only the column where options stand: prose to the right may speak of others'.
    match = re.match(r"  (-.*?)(?:  |$)", line)
    if match:
        helped |= set(OPTION.findall(match[1]))
page = (ROOT / "docs/man/gostream-mount.1").read_text()
manual = set()
for line in re.findall(r"^\.It (Fl .*)$", page, re.M):
    for flag in re.findall(r"\bFl (\S+)", line):
        manual.add("-" + flag.replace("\\-", "-").rstrip(","))
problems = [f"{o}: in --help, not in the man page" for o in sorted(helped - manual)]
problems += [f"{o}: in the man page, not in --help" for o in sorted(manual - helped)]
finish(problems, len(helped))
