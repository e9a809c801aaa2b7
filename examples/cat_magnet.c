/* SPDX-License-Identifier: CC0-1.0
 *
 * The first file of a magnet link on stdout: the smallest use of the library. */
#include <stdio.h>

#include <gostream.h>

int main(int argc, char **argv)
{
    static char buf[1 << 16];
    gos_session *session = NULL;
    gos_torrent *torrent = NULL;
    gos_source *film = NULL;
    int64_t n, at = 0;

    if ((n = gos_session_new(&session, NULL)) < 0 ||
        (n = gos_session_add_magnet(session, &torrent, argc > 1 ? argv[1] : "", NULL)) < 0 ||
        (n = gos_torrent_wait(torrent, NULL)) < 0 ||
        (n = gos_torrent_open_file(torrent, 0, &film)) < 0)
        fprintf(stderr, "cat_magnet: %s\n", gos_last_error());
    while (n >= 0 && (n = gos_source_pread(film, buf, sizeof buf, (uint64_t)at, NULL)) > 0)
        at += (int64_t)fwrite(buf, 1, (size_t)n, stdout);
    gos_source_unref(film);
    gos_torrent_unref(torrent);
    gos_session_close(session, 0);
    return n < 0;
}
