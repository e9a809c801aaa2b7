# SPDX-License-Identifier: MIT
"""Each public header compiles alone: as C99 and as C++17, pedantic, with gcc and clang."""
import shutil
import subprocess

from lint import BUILD, ROOT, files, finish, need

C = ["-std=c99", "-x", "c"]
CXX = ["-std=c++17", "-x", "c++"]
STRICT = "-Wall -Wextra -Wpedantic -Wundef -Werror -fsyntax-only".split()

need("cc", "c++")
compilers = [("cc", C), ("c++", CXX)]
compilers += [("clang", C), ("clang++", CXX)] if shutil.which("clang") and shutil.which("clang++") else []
headers = [str(p.relative_to(ROOT / "include")).removesuffix(".in") for p in files(".h", ".in", under=["include"])]
problems = []
for header in headers:
    for compiler, language in compilers:
        # Twice: the guard must hold.
        text = f"#include <{header}>\n#include <{header}>\nint main(void) {{ return 0; }}\n"
        run = subprocess.run([compiler, *language, *STRICT, f"-I{ROOT}/include", f"-I{BUILD}/include", "-"],
                             input=text, text=True, capture_output=True)
        if run.returncode:
            problems.append(f"{header} ({compiler} {language[0]}): {run.stderr.strip()[:500]}")
finish(problems, len(headers))
