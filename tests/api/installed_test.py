# SPDX-License-Identifier: MIT
"""What `cmake --install` leaves is complete, and enough to build every example outside the tree."""
from installed import SOURCE, Installed, check

CXX = """#include <gostream.h>
static_assert(sizeof(gos_read) > 0 && GOS_ECANCELED < 0, "usable from C++");
int main()
{
    gos_source *source = nullptr;
    return gos_source_memory(&source, nullptr, 1, nullptr) != GOS_EINVAL || !gos_version()[0];
}
"""
# What each example does when it is given nothing: its status, and words on stdout.
WITHOUT_ARGUMENTS = {"own_source.c": (0, "The film is in the swarm"), "play_file.c": (2, ""),
                     "cat_magnet.c": (1, ""), "progress.c": (2, ""), "ring_fanout.c": (2, "")}

with Installed() as installed:
    files = installed.files()
    for header in (SOURCE / "include/gostream").iterdir():
        check(f"include/gostream/{header.name.removesuffix('.in')}" in files, f"{header.name} is not installed")
    for end in ("include/gostream.h", "bin/gostream-mount", "libgostream.so", "libgostream.so.0",
                "libgostream.so.0.1.0", "pkgconfig/libgostream.pc", "man1/gostream-mount.1",
                "bin/pfs", "bin/agfs", "man1/pfs.1", "man1/pfs-serve.1"):
        check(any(f.endswith(end) for f in files), f"{end} is not installed: {files}")
    for file in files:
        check(not file.endswith((".a", ".in", ".hpp", ".cmake")), f"{file} should not be installed")
        check(".h" != file[-2:] or file.startswith("include/gostream"), f"{file}: a private header")

    for name in ("gostream-mount", "pfs", "agfs"):
        check(installed.run(installed.prefix / "bin" / name, "--version").strip().endswith("0.1.0"),
              f"{name} --version")

    examples = sorted((SOURCE / "examples").glob("*.c"))
    check(len(examples) >= 3, "examples are missing")
    for example in examples:
        status, words = WITHOUT_ARGUMENTS[example.name]
        out = installed.run(installed.build(example), status=status)
        check(words in out, f"{example.name} printed {out!r}")

    source = installed.folder / "use.cpp"
    source.write_text(CXX)
    installed.run(installed.build(source, "-std=c++17", compiler="c++"))
    print(f"{len(files)} files installed, {len(examples)} examples built and run")
