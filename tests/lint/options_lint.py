# SPDX-License-Identifier: MIT
"""The options in a tool's --help are those in its man page, both ways."""
import re
import sys

from lint import BUILD, ROOT, finish, flags_of, help_of, options_of

TOOLS = [
    (("gostream-mount", "gostream-mount-fake"), [], "gostream-mount.1"),
    (("pfs",), ["serve"], "pfs-serve.1"),
]


def manual_of(page):
    found = set()
    for line in re.findall(r"^\.It (Fl .*)$", (ROOT / "docs/man" / page).read_text(), re.M):
        found |= flags_of(line)
    return found


problems, looked_at = [], 0
for names, words, page in TOOLS:
    tool = next((BUILD / "cli" / n for n in names if (BUILD / "cli" / n).exists()), None)
    if tool:
        helped, manual = options_of(help_of(tool, *words)), manual_of(page)
        looked_at += len(helped)
        problems += [f"{page}: {o}: in --help, not in the man page" for o in sorted(helped - manual)]
        problems += [f"{page}: {o}: in the man page, not in --help" for o in sorted(manual - helped)]
if not looked_at:
    print("skipped: no tool is built")
    sys.exit(77)
finish(problems, looked_at)
