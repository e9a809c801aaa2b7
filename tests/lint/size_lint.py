# SPDX-License-Identifier: MIT
"""Functions and files stay small. pmccabe counts lines and branches; over the
hard limits is a failure, over the soft ones a word to the reader."""
import subprocess

from lint import ROOT, files, finish, name, need

FAIL_LINES, FAIL_COMPLEXITY = 120, 25
WARN_LINES, WARN_COMPLEXITY, WARN_FILE = 60, 12, 500

need("pmccabe")
sources = files(".c", ".cpp", ".hpp", under=["lib", "cli", "tests", "examples"])
problems = []
for path in sources + files(".py", under=["tests", "scripts"]):
    length = len(path.read_text().splitlines())
    if length > WARN_FILE:
        print(f"warning: {name(path)}: {length} lines: what is its second subject?")
if sources:
    table = subprocess.run(["pmccabe", *sources], check=True, text=True, capture_output=True).stdout
    for row in table.splitlines():
        # modified complexity, complexity, statements, first line, lines, file(line): name
        complexity, _, _, _, lines, where = row.split(None, 5)
        where = where.replace(f"{ROOT}/", "")
        if int(lines) > FAIL_LINES or int(complexity) > FAIL_COMPLEXITY:
            problems.append(f"{where}: {lines} lines, complexity {complexity}")
        elif int(lines) > WARN_LINES or int(complexity) > WARN_COMPLEXITY:
            print(f"warning: {where}: {lines} lines, complexity {complexity}")
finish(problems, len(sources))
