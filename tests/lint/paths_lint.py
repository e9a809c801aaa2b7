# SPDX-License-Identifier: MIT
"""Files that documents name in backticks are there: by path, or, in the page of a room,
by the name that they have there."""
import re

from lint import ROOT, finish, name

SUFFIX = "c|h|cpp|py|md|map|1|cmake|txt|sh"
NAMED = re.compile(r"`([\w./*{},-]+\.(?:%s)|[\w.-]+(?:/[\w.*{},-]+)+/?)`" % SUFFIX)
# Where a path may begin; "ring/wake.c" is lib/ring/wake.c.
TOPS = ["", "lib", "cli", "include", "tests"]
# Of a folder alone only these are paths of ours; "/streamfs/x" is not.
ROOMS = {"include", "lib", "cli", "tests", "examples", "cmake", "pkgconfig", "scripts", "docs"}


def expanded(text):
    """{a,b} as the shell does it."""
    braces = re.search(r"\{([^{}]*)\}", text)
    if not braces:
        return [text]
    return [path for part in braces[1].split(",")
            for path in expanded(text[:braces.start()] + part + text[braces.end():])]


def places(document):
    """Folders in which a document may name a file without its path."""
    found = [document.parent]
    if document.parent.name == "internals":
        found += [ROOT / top / document.stem for top in ("lib", "cli", "tests/unit")]
        found += [ROOT / "cli/common", ROOT / "tests/integration"]
    return found


def is_there(document, path):
    folders = [ROOT / top for top in TOPS] + places(document)
    return any(next(folder.glob(path.rstrip("/")), None) for folder in folders)


def is_path(text):
    return re.search(r"\.(?:%s)$" % SUFFIX, text) or text.split("/")[0] in ROOMS


documents = [ROOT / "README.md", ROOT / "CONVENTIONS.md", *ROOT.glob("lib/*.md"),
             *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.md")]
problems, looked_at = [], 0
for document in documents:
    for number, line in enumerate(document.read_text().splitlines(), 1):
        for text in filter(is_path, NAMED.findall(line)):
            looked_at += 1
            if not all(is_there(document, path) for path in expanded(text)):
                problems.append(f"{name(document)}:{number}: {text} is not there")
finish(problems, looked_at)
