/* SPDX-License-Identifier: CC0-1.0
 *
 * One file of a torrent to stdout, for a player:
 *
 *     cc play_file.c $(pkg-config --cflags --libs libgostream) -o play_file
 *     ./play_file film.torrent                    what is in it
 *     ./play_file film.torrent 0 | mpv -          play the first file
 *     ./play_file 'magnet:?...' 0 127.0.0.1:6881  from a peer that is known
 *
 * Shows options, a deadline without progress, and a log function. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gostream.h>

#define MIB (1024 * 1024)
#define SECOND 1000000000
#define MOST (16 * MIB) /* a .torrent file is not larger */

static void on_log(void *user, enum gos_log_level level, const char *line)
{
    (void)user;
    (void)level;
    fprintf(stderr, "play_file: %s\n", line);
}

/* Complain with the library's own sentence. */
static int failed(const char *what)
{
    fprintf(stderr, "play_file: %s: %s\n", what, gos_last_error());
    return 1;
}

static int add_file(gos_session *session, gos_torrent **out, const char *path,
                    const struct gos_add_opts *opts)
{
    FILE *file = fopen(path, "rb");
    char *bytes = malloc(MOST);
    int rc = 1;

    if (!file || !bytes) {
        perror(path);
    } else {
        size_t len = fread(bytes, 1, MOST, file);
        rc = gos_session_add_torrent(session, out, bytes, len, opts) < 0 ? failed(path) : 0;
    }
    free(bytes);
    if (file)
        fclose(file);
    return rc;
}

static int add(gos_session *session, gos_torrent **out, const char *what, char **peers, int n_peers)
{
    struct gos_add_opts opts = {
        .struct_size = sizeof opts,
        .peers = (const char *const *)peers,
        .n_peers = (size_t)n_peers,
    };

    if (strncmp(what, "magnet:", 7) != 0)
        return add_file(session, out, what, &opts);
    if (gos_session_add_magnet(session, out, what, &opts) < 0)
        return failed("magnet link");
    fprintf(stderr, "play_file: asking peers what is in it\n");
    return gos_torrent_wait(*out, NULL) < 0 ? failed("magnet link") : 0;
}

static int list(gos_torrent *torrent)
{
    struct gos_file_info file = {.struct_size = sizeof file};

    for (size_t i = 0; gos_torrent_get_file(torrent, i, &file) == 0; i++)
        printf("%zu\t%llu\t%s\n", i, (unsigned long long)file.size, file.path);
    return 0;
}

static int play(gos_torrent *torrent, size_t index)
{
    static char buf[MIB];
    struct gos_io io = {.struct_size = sizeof io, .idle_ns = (int64_t)60 * SECOND};
    gos_source *source;
    gos_reader *reader;
    int64_t n;

    if (gos_torrent_open_file(torrent, index, &source) < 0)
        return failed("open");
    if (gos_reader_new(&reader, source) < 0) {
        gos_source_unref(source);
        return failed("open");
    }
    while ((n = gos_reader_read(reader, buf, sizeof buf, &io)) > 0)
        if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n)
            break;
    gos_reader_free(reader);
    gos_source_unref(source);
    return n < 0 ? failed("read") : 0;
}

int main(int argc, char **argv)
{
    gos_session *session;
    gos_torrent *torrent = NULL;

    if (argc < 2 || argv[1][0] == '-') {
        fprintf(stderr, "Usage: play_file TORRENT-OR-MAGNET [NUMBER [PEER...]]\n");
        return 2;
    }
    if (gos_session_new(&session, GOS_OPTS(gos_session_opts, .ram = 64 * MIB, .log = on_log)) < 0)
        return failed("start");
    int status = add(session, &torrent, argv[1], argv + 3, argc > 3 ? argc - 3 : 0);
    if (status == 0)
        status = argc > 2 ? play(torrent, (size_t)strtoul(argv[2], NULL, 10)) : list(torrent);
    gos_torrent_unref(torrent);
    gos_session_close(session, 0);
    return status;
}
