# SPDX-License-Identifier: MIT
"""The comment of each public function ends with Returns, Errors, Threads, Since."""
import re

from lint import files, finish, name

FORM = re.compile(r"^ \* Returns: .+?^ \* Errors: .+?^ \* Threads: .+?^ \* Since: \d+\.\d+ \*/$", re.S | re.M)

problems, count = [], 0
for path in files(".h", ".in", under=["include"]):
    text = path.read_text()
    if not text.startswith("/* SPDX-License-Identifier: MIT\n"):
        problems.append(f"{name(path)}: does not begin with the SPDX line")
    for match in re.finditer(r"^GOS_API\b[^;(]*?\b(\w+)\s*\(", text, re.M):
        count += 1
        above = text[:match.start()]
        comment = above[above.rfind("/*"):].rstrip()
        if not comment.endswith("*/") or not FORM.search(comment):
            problems.append(f"{name(path)}: {match[1]}: Returns, Errors, Threads, Since expected, in this order")
finish(problems, count)
