#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Three independent clients as seeders, a .torrent file and a magnet link: what
is read through the mount is what they have, byte for byte."""

import hashlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, equal, main
from mounting import Mount
from seeders import seed, source_of
from torrentmaker import MIB, make_v1, pattern


@case(each=[(client, form) for client in ("libtorrent", "aria2c", "transmission")
            for form in ("torrent", "magnet")])
def whole_file_has_the_same_hash(work, client, form):
    content = pattern(8 * MIB + 12_345)
    torrent = make_v1("film.mkv", content, MIB)
    seeder = seed(torrent, work, client)
    mount = Mount(work, [source_of(torrent, work, form)], peers=[seeder.peer])
    got = hashlib.sha256(mount.read("film.mkv")).hexdigest()
    equal(got, hashlib.sha256(content).hexdigest(), "SHA-256")
    mount.end()


if __name__ == "__main__":
    main()
