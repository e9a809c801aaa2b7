# SPDX-License-Identifier: MIT
"""The commands and options in the help of pfs are those in its man page, both ways."""
import re
import sys

from lint import BUILD, ROOT, finish, flags_of, help_of, options_of

# They stand once for all commands; the server has a page of its own.
ELSEWHERE = {"serve"}

tool = BUILD / "cli/pfs"
if not tool.exists():
    print("skipped: pfs is not built")
    sys.exit(77)


def manual():
    """What the items of each command name; those of no command are of all."""
    of, command = {"": set()}, ""
    for line in (ROOT / "docs/man/pfs.1").read_text().splitlines():
        item = re.match(r"\.It Cm (\w+)", line)
        command = item[1] if item else "" if line.startswith(".Ss") else command
        if line.startswith(".It "):
            of.setdefault(command, set()).update(flags_of(line))
    return of


everywhere = options_of(help_of(tool))
commands = set(re.findall(r"^  (\w+) ", help_of(tool), re.M)) - ELSEWHERE
in_manual = manual()
problems = [f"{c}: in --help, not in the man page" for c in sorted(commands - set(in_manual))]
problems += [f"{c}: in the man page, not in --help" for c in sorted(set(in_manual) - commands - {""})]
problems += [f"{o}: of all commands, in one place only" for o in sorted(everywhere ^ in_manual[""])]
looked_at = len(everywhere)
for command in sorted(commands & set(in_manual)):
    here = options_of(help_of(tool, command)) - everywhere
    looked_at += len(here)
    problems += [f"{command} {o}: in one place only" for o in sorted(here ^ in_manual[command])]
finish(problems, looked_at)
