/* SPDX-License-Identifier: CC0-1.0
 *
 * A file of a magnet link on stdout: ./cat_magnet 'magnet:?...' [NUMBER] | mpv - */
#include <stdio.h>
#include <stdlib.h>

#include <gostream.h>

int main(int argc, char **argv)
{
    static char buf[1 << 16];
    gos_session *session = NULL;
    gos_torrent *torrent = NULL;
    gos_source *film = NULL;
    int64_t n, at = 0;

    if ((n = gos_session_new(&session, NULL)) >= 0 &&
        (n = gos_session_add_magnet(session, &torrent, argc > 1 ? argv[1] : "", NULL)) >= 0 &&
        (n = gos_torrent_wait(torrent, NULL)) >= 0 &&
        (n = gos_torrent_open_file(torrent, argc > 2 ? strtoul(argv[2], NULL, 10) : 0, &film)) >= 0)
        while ((n = gos_source_pread(film, buf, sizeof buf, (uint64_t)at, NULL)) > 0 &&
               fwrite(buf, 1, (size_t)n, stdout) == (size_t)n)
            at += n;
    if (n < 0)
        fprintf(stderr, "cat_magnet: %s\n", gos_last_error());
    gos_source_unref(film);
    gos_torrent_unref(torrent);
    gos_session_close(session, 0);
    return n != 0 || fflush(stdout) != 0;
}
