# SPDX-License-Identifier: MIT
"""What the lint tests share: where things are, and how to end."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(os.environ.get("GOS_SOURCE_DIR", pathlib.Path(__file__).parents[2])).resolve()
BUILD = pathlib.Path(os.environ.get("GOS_BUILD_DIR", ROOT / "build" / "release")).resolve()
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z0-9-]*|-[a-zA-Z])(?![\w-])")
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


def help_of(tool, *words):
    return subprocess.run([tool, *words, "--help"], check=True, text=True, capture_output=True,
                          timeout=20).stdout


def options_of(text):
    """The options in a tool's help: only the column where they stand, as prose to the right
    may speak of others'."""
    lines = (re.match(r"  (-.*?)(?:  |$)", line) for line in text.splitlines())
    return {option for line in lines if line for option in OPTION.findall(line[1])}


def flags_of(line):
    """The options in a line of a man page."""
    return {"-" + flag.replace("\\-", "-").rstrip(",") for flag in re.findall(r"\bFl (\S+)", line)}


def finish(problems, looked_at):
    """Every lint test ends here: it must have looked at something, and found nothing."""
    for line in problems:
        print(line)
    print(f"{looked_at} looked at, {len(problems)} problems")
    sys.exit(1 if problems or not looked_at else 0)
