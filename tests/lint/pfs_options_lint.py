# SPDX-License-Identifier: MIT
"""The commands and options in the help of pfs are those in its man page, both ways."""
import re
import subprocess
import sys

from lint import BUILD, ROOT, finish

OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z0-9-]*|-[a-zA-Z])(?![\w-])")
# They stand once for all commands; the server has a page of its own.
ELSEWHERE = {"serve"}

tool = BUILD / "cli/pfs"
if not tool.exists():
    print("skipped: pfs is not built")
    sys.exit(77)


def helped(*words):
    return subprocess.run([tool, *words, "--help"], check=True, text=True, capture_output=True,
                          timeout=20).stdout


def options_in(text):
    found = set()
    for line in text.splitlines():
        # Only the column where options stand: prose to the right may speak of others'.
        match = re.match(r"  (-.*?)(?:  |$)", line)
        if match:
            found |= set(OPTION.findall(match[1]))
    return found


def manual():
    """What the items of each command name; those of no command are of all."""
    of, command = {"": set()}, ""
    for line in (ROOT / "docs/man/pfs.1").read_text().splitlines():
        item = re.match(r"\.It Cm (\w+)", line)
        command = item[1] if item else "" if line.startswith(".Ss") else command
        if line.startswith(".It "):
            flags = re.findall(r"\bFl (\S+)", line)
            of.setdefault(command, set()).update("-" + f.replace("\\-", "-").rstrip(",") for f in flags)
    return of


everywhere = options_in(helped())
commands = set(re.findall(r"^  (\w+) ", helped(), re.M)) - ELSEWHERE
in_manual = manual()
problems = [f"{c}: in --help, not in the man page" for c in sorted(commands - set(in_manual))]
problems += [f"{c}: in the man page, not in --help" for c in sorted(set(in_manual) - commands - {""})]
problems += [f"{o}: of all commands, in one place only" for o in sorted(everywhere ^ in_manual[""])]
looked_at = len(everywhere)
for command in sorted(commands & set(in_manual)):
    here = options_in(helped(command)) - everywhere
    looked_at += len(here)
    problems += [f"{command} {o}: in one place only" for o in sorted(here ^ in_manual[command])]
finish(problems, looked_at)
