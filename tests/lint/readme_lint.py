# SPDX-License-Identifier: MIT
"""The README's example is examples/cat_magnet.c, and the paths it names are there."""
import re

from lint import ROOT, finish

readme = (ROOT / "README.md").read_text()
example = (ROOT / "examples/cat_magnet.c").read_text()
problems = []
if f"```c\n{example[example.index('#include'):]}```" not in readme:
    problems.append("README.md: its C is not that of examples/cat_magnet.c")
documents = [ROOT / "README.md", ROOT / "lib/README.md", *(ROOT / "docs").rglob("*.md")]
for document in documents:
    text = document.read_text()
    for path in re.findall(r"`((?:docs|include|examples|lib|cli|tests|scripts|cmake)/[\w./-]+)`", text):
        if not (ROOT / path).exists():
            problems.append(f"{document.relative_to(ROOT)}: {path} does not exist")
finish(problems, len(documents))
