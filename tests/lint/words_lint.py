# SPDX-License-Identifier: MIT
"""Nothing in the tree depends on one machine, and each source says its licence."""
import re

from lint import ROOT, files, finish, name

# Absolute folders of somebody's machine, and folders that are not in the project.
# Written so that this file does not find itself.
FORBIDDEN = re.compile(r"/wor[k]/|/hom[e]/[a-z]+/|\.\./share[d]|(?<![\w/-])share[d]/|/tm[p]/b-")
TEXT = {".c", ".h", ".in", ".cpp", ".hpp", ".py", ".sh", ".md", ".cmake", ".txt", ".json", ".map", ".1", ""}
NEEDS_SPDX = {".c", ".h", ".cpp", ".hpp", ".py", ".sh"}

checked = [p for p in files() + [p for p in ROOT.iterdir() if p.is_file()]
           if p.suffix in TEXT and p.name != ".git"]
problems = []
for path in checked:
    text = path.read_text(errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        if FORBIDDEN.search(line):
            problems.append(f"{name(path)}:{number}: {line.strip()[:80]}")
        if line != line.rstrip() and path.suffix != ".md":
            problems.append(f"{name(path)}:{number}: space at the end of the line")
    if path.suffix in NEEDS_SPDX and "SPDX-License-Identifier: " not in "".join(text.splitlines(True)[:3]):
        problems.append(f"{name(path)}: no SPDX line")
    if text and not text.endswith("\n"):
        problems.append(f"{name(path)}: no newline at its end")
finish(problems, len(checked))
