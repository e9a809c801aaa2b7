# SPDX-License-Identifier: MIT
"""A stranger's program, built against the installed library, evicts and fetches again."""
import os
import sys

from installed import SOURCE, Installed

sys.path.insert(0, str(SOURCE / "tests/support"))

from harness import case, main  # noqa: E402
from seeders import start_aria2c  # noqa: E402
from torrentmaker import MIB, make_v1, pattern  # noqa: E402


@case(timeout=90)
def what_was_evicted_is_fetched_again(work):
    torrent = make_v1("film", pattern(48 * MIB))
    seeder = start_aria2c(torrent, torrent.lay_out(work), work)
    file = torrent.save(os.path.join(work, "film.torrent"))
    with Installed() as installed:
        program = installed.build(SOURCE / "tests/api/evict.c")
        print(installed.run(program, file, seeder.peer, os.path.join(work, "film")).strip())


if __name__ == "__main__":
    main()
