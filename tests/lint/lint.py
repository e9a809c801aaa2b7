# SPDX-License-Identifier: MIT
"""What the lint tests share: where things are, and how to end."""
import os
import pathlib
import shutil
import sys

ROOT = pathlib.Path(os.environ.get("GOS_SOURCE_DIR", pathlib.Path(__file__).parents[2])).resolve()
BUILD = pathlib.Path(os.environ.get("GOS_BUILD_DIR", ROOT / "build" / "release")).resolve()
ROOMS = "include lib cli tests examples cmake pkgconfig scripts docs .ci".split()


def files(*suffixes, under=ROOMS):
    """The project's own files below some folders, by suffix (none: all)."""
    found = []
    for folder in under:
        found += [p for p in (ROOT / folder).rglob("*") if p.is_file()
                  and "__pycache__" not in p.parts and (not suffixes or p.suffix in suffixes)]
    return sorted(found)


def name(path):
    return str(path.relative_to(ROOT))


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            print(f"skipped: {tool} is not installed")
            sys.exit(77)


def finish(problems, looked_at):
    """Every lint test ends here: it must have looked at something, and found nothing."""
    for line in problems:
        print(line)
    print(f"{looked_at} looked at, {len(problems)} problems")
    sys.exit(1 if problems or not looked_at else 0)
