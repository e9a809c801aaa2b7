# SPDX-License-Identifier: MIT
"""What the kernel says of processes and of the machine."""

import os

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()


def _family(pid):
    """The process and those it started that still live."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        try:
            for task in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{task}/children") as children:
                    todo += map(int, children.read().split())
        except OSError:
            pass
    return found


def cpu_seconds(pid):
    """User and system time, of children too, dead or alive."""
    ticks = 0
    for one in _family(pid):
        try:
            fields = _stat(one)
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / TICK


def memory_bytes(pid):
    """The most it ever had in memory, without mapped files."""
    total = 0
    for one in _family(pid):
        try:
            with open(f"/proc/{one}/status") as status:
                of = dict(line.split(":", 1) for line in status)
            total += int(of["VmHWM"].split()[0]) - int(of["RssFile"].split()[0])
        except (OSError, KeyError):
            continue
    return total * 1024


def machine_seconds():
    """Processor time that the whole machine has used."""
    with open("/proc/stat") as stat:
        fields = list(map(int, stat.readline().split()[1:]))
    return (sum(fields[:3]) + sum(fields[5:8])) / TICK
