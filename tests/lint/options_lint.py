# SPDX-License-Identifier: MIT
"""The options in a tool's --help are those in its man page, both ways."""
import re
import subprocess
import sys

from lint import BUILD, ROOT, finish

OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z0-9-]*|-[a-zA-Z])(?![\w-])")

TOOLS = [
    (("gostream-mount", "gostream-mount-fake"), [], "gostream-mount.1"),
    (("pfs",), ["serve"], "pfs-serve.1"),
]


def helped_by(tool, words):
    text = subprocess.run([tool, *words, "--help"], check=True, text=True, capture_output=True,
                          timeout=20).stdout
    found = set()
    for line in text.splitlines():
        # Only the column where options stand: prose to the right may speak of others'.
        match = re.match(r"  (-.*?)(?:  |$)", line)
        if match:
            found |= set(OPTION.findall(match[1]))
    return found


def manual_of(page):
    found = set()
    for line in re.findall(r"^\.It (Fl .*)$", (ROOT / "docs/man" / page).read_text(), re.M):
        for flag in re.findall(r"\bFl (\S+)", line):
            found.add("-" + flag.replace("\\-", "-").rstrip(","))
    return found


problems, looked_at = [], 0
for names, words, page in TOOLS:
    tool = next((BUILD / "cli" / n for n in names if (BUILD / "cli" / n).exists()), None)
    if tool:
        helped, manual = helped_by(tool, words), manual_of(page)
        looked_at += len(helped)
        problems += [f"{page}: {o}: in --help, not in the man page" for o in sorted(helped - manual)]
        problems += [f"{page}: {o}: in the man page, not in --help" for o in sorted(manual - helped)]
if not looked_at:
    print("skipped: no tool is built")
    sys.exit(77)
finish(problems, looked_at)
