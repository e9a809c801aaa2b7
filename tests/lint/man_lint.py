# SPDX-License-Identifier: MIT
"""Man pages are clean mdoc; each installed tool has one."""
import subprocess

from lint import ROOT, files, finish, name, need

need("mandoc")
pages = [p for p in files(under=["docs/man"]) if p.suffix[1:].isdigit()]
problems = []
for page in pages:
    run = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page], text=True, capture_output=True)
    problems += [line.replace(f"{ROOT}/", "") for line in (run.stdout + run.stderr).splitlines()]
    if not page.read_text().startswith('.\\" SPDX-License-Identifier: MIT\n'):
        problems.append(f"{name(page)}: does not begin with the SPDX line")
if not (ROOT / "docs/man/gostream-mount.1").exists():
    problems.append("docs/man/gostream-mount.1: missing")
finish(problems, len(pages))
