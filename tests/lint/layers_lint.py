# SPDX-License-Identifier: MIT
"""Who may include whom: lib/LAYERS, and the walls around C++ and the public headers."""
import re

from lint import ROOT, files, finish, name

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
# Tests' sources that stand for an embedder's: they may see the public headers only. The
# fake swarm takes the place of lt-c.
PUBLIC_SUPPORT = {name(p) for p in files(".c", under=["tests/support"])
                  if not p.name.startswith("fake_")}

# Rooms of cli/ that other rooms of it may include.
TOOLS_MAY = {"serve": {"http"}, "pfs": {"http", "serve"}}

# Sources of the tools that give a C++ library a C face.
FACES = ("cli/common/toml.cpp", "cli/serve/pattern.cpp")


def read_layers():
    layers = {}
    for line in (ROOT / "lib/LAYERS").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            room, may = line.split(":")
            layers[room] = set(may.split()) | {room}
    return layers


def check(path, layers):
    part, *rest = name(path).split("/")
    room = rest[0] if len(rest) > 1 else ""
    for kind, target in INCLUDE.findall(path.read_text()):
        first = target.split("/")[0]
        if first == "libtorrent" and room != "lt-c" and path.suffix != ".cpp":
            yield f"{name(path)}: <{target}>: libtorrent is seen in lib/lt-c only"
        if part == "lib" and room == "lt-c" and first.startswith("gostream"):
            yield f"{name(path)}: <{target}>: lt-c knows nothing of ours"
        elif part == "lib" and room and kind == '"' and first not in layers.get(room, ()):
            yield f'{name(path)}: "{target}": {room} may include {sorted(layers.get(room, ()))}'
        elif part == "include" and kind == '"':
            yield f'{name(path)}: "{target}": public headers include <gostream/...>'
        elif part == "cli" and kind == '"' and first not in {"common", room} | TOOLS_MAY.get(room, set()):
            yield f'{name(path)}: "{target}": a tool sees <gostream.h>, common/ and itself'
        elif name(path) in PUBLIC_SUPPORT and first in layers:
            yield f'{name(path)}: "{target}": must be possible for an embedder'


layers = read_layers()
sources = files(".c", ".h", ".in", ".cpp", ".hpp", under=["include", "lib", "cli", "tests", "examples"])
problems = [p for path in sources for p in check(path, layers)]
problems += [f"{name(p)}: C++ lives in lib/lt-c, {', '.join(FACES)} and tests"
             for p in files(".cpp", ".hpp")
             if not name(p).startswith(("lib/lt-c/", "tests/")) and name(p) not in FACES]
problems += [f"lib/{p.name}/: not in lib/LAYERS" for p in (ROOT / "lib").iterdir()
             if p.is_dir() and p.name not in layers]
problems += [f"lib/LAYERS: {room}: no such room" for room in layers if not (ROOT / "lib" / room).is_dir()]
finish(problems, len(sources))
