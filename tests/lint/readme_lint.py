# SPDX-License-Identifier: MIT
"""The README's example is examples/cat_magnet.c."""
from lint import ROOT, finish

readme = (ROOT / "README.md").read_text()
example = (ROOT / "examples/cat_magnet.c").read_text()
problems = []
if f"```c\n{example[example.index('#include'):]}```" not in readme:
    problems.append("README.md: its C is not that of examples/cat_magnet.c")
finish(problems, 1)
