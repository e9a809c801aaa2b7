# SPDX-License-Identifier: MIT
"""Exported symbols = lib/gostream.map = functions marked GOS_API in the headers."""
import re
import subprocess

from lint import BUILD, ROOT, files, finish, need

need("nm")


def marked():
    text = "\n".join(p.read_text() for p in files(".h", ".in", under=["include"]))
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    return set(re.findall(r"\bGOS_API\b[^;(]*?\b(\w+)\s*\(", text))


def mapped():
    text = re.sub(r"/\*.*?\*/", "", (ROOT / "lib/gostream.map").read_text(), flags=re.S)
    names = set()
    for body in re.findall(r"global:(.*?)(?:local:|\})", text, re.S):
        names |= {n.strip() for n in body.split(";") if n.strip()}
    return names


def exported():
    library = BUILD / "lib/libgostream.so"
    if not library.exists():
        return None
    lines = subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True,
                           capture_output=True).stdout.splitlines()
    # The version node itself is an absolute symbol; what sanitizers add is not ours.
    return {line.split()[2].split("@")[0] for line in lines
            if line.split()[1] != "A" and not line.split()[2].startswith(("__asan", "__ubsan", "__odr_asan"))}


headers, map_names, library = marked(), mapped(), exported()
problems = [f"{n}: in a header, not in lib/gostream.map" for n in sorted(headers - map_names)]
problems += [f"{n}: in lib/gostream.map, not in a header" for n in sorted(map_names - headers)]
problems += [f"{n}: a map lists names one by one" for n in sorted(map_names) if not re.fullmatch(r"gos_\w+", n)]
if library is None:
    print("no libgostream.so in this build: headers and map compared only")
else:
    problems += [f"{n}: promised and not exported" for n in sorted(headers - library)]
    problems += [f"{n}: exported and not promised" for n in sorted(library - headers)]
finish(problems, len(headers))
