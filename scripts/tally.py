# SPDX-License-Identifier: MIT
"""Counts what ctest found, over several of its JUnit files, in one line.

A test in Python holds many cases; those that it skipped inside say so on lines
of its output that begin with "skip ", and are counted one by one."""
import sys
import xml.etree.ElementTree as tree

passed, skipped, failed = 0, [], []
for path in sys.argv[1:]:
    build = path.split("/")[-2]
    for test in tree.parse(path).getroot().iter("testcase"):
        name, status = f"{build}: {test.get('name')}", test.get("status")
        output = test.findtext("system-out") or ""
        inside = [f"{name}: {line[5:]}" for line in output.splitlines() if line.startswith("skip ")]
        if status == "run":
            passed += 1
            skipped += inside
        elif status == "fail":
            failed.append(name)
        else:
            skipped += inside or [f"{name}: {(output.strip().splitlines() or ['not run'])[-1]}"]
for what, names in (("skipped", skipped), ("failed", failed)):
    for name in names:
        print(f"{what}: {name}")
print(f"check: {passed} passed, {len(failed)} failed, {len(skipped)} skipped", end="")
sys.exit(1 if failed or not passed else 0)
