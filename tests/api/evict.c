/* SPDX-License-Identifier: MIT
 *
 * A stranger's program: reads a torrent larger than its budget, and then its
 * beginning again. All bytes must be those of the original, the beginning must
 * have been fetched twice, and the arena must never have been over its budget.
 *
 *     evict TORRENT PEER ORIGINAL */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gostream.h>

#define MIB (1024 * 1024)
#define RAM (12 * MIB)

static void must(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "evict: %s: %s\n", what, gos_last_error());
        exit(1);
    }
}

static size_t slurp(const char *path, unsigned char **out, size_t most)
{
    FILE *file = fopen(path, "rb");
    *out = malloc(most);
    must(file && *out, path);
    size_t len = fread(*out, 1, most, file);
    fclose(file);
    return len;
}

static void compare(gos_source *film, const unsigned char *want, size_t from, size_t to)
{
    static unsigned char got[MIB];
    struct gos_io io = {.struct_size = sizeof io, .idle_ns = INT64_C(20000000000)};

    for (size_t at = from; at < to; at += sizeof got) {
        size_t len = to - at < sizeof got ? to - at : sizeof got;
        must(gos_source_pread(film, got, len, at, &io) == (int64_t)len, "read");
        must(memcmp(got, want + at, len) == 0, "bytes differ");
    }
}

/* The figures may follow the bytes by a moment: wait for them, for 5 s at most. */
static uint64_t fetched_since(gos_torrent *torrent, const struct gos_torrent_stats *before,
                              struct gos_torrent_stats *after)
{
    const struct timespec pause = {.tv_nsec = 10000000};

    for (int i = 0; i < 500; i++) {
        must(gos_torrent_get_stats(torrent, after) == 0, "stats");
        if (after->received >= before->received + MIB)
            break;
        nanosleep(&pause, NULL);
    }
    return after->received - before->received;
}

int main(int argc, char **argv)
{
    unsigned char *torrent_bytes, *want;
    gos_session *session;
    gos_torrent *torrent;
    gos_source *film;
    struct gos_torrent_stats before = {.struct_size = sizeof before}, after = before;
    struct gos_session_stats all = {.struct_size = sizeof all};

    must(argc == 4, "three arguments");
    size_t len = slurp(argv[1], &torrent_bytes, 16 * MIB);
    size_t size = slurp(argv[3], &want, 256 * MIB);
    const char *peer = argv[2];
    must(gos_session_new(&session, GOS_OPTS(gos_session_opts, .ram = RAM, .listen = "127.0.0.1:0",
                                            .no_dht = true, .no_lsd = true, .no_pex = true)) == 0,
         "session");
    must(gos_session_add_torrent(session, &torrent, torrent_bytes, len,
                                 GOS_OPTS(gos_add_opts, .peers = &peer, .n_peers = 1)) == 0,
         "torrent");
    must(gos_torrent_open_file(torrent, 0, &film) == 0, "open");
    must(size > 3 * RAM && gos_source_size(film) == (int64_t)size, "size");

    compare(film, want, 0, size);
    must(gos_torrent_get_stats(torrent, &before) == 0, "stats");
    must(before.evicted_pieces > 0, "nothing was evicted");
    compare(film, want, 0, MIB);
    must(fetched_since(torrent, &before, &after) >= MIB, "it was not fetched again");
    must(gos_session_get_stats(session, &all) == 0, "session stats");
    must(all.ram == RAM && all.arena_peak <= RAM, "over the budget");
    printf("%zu bytes the same, %llu pieces evicted, arena at most %llu of %d\n", size,
           (unsigned long long)after.evicted_pieces, (unsigned long long)all.arena_peak, RAM);

    gos_source_unref(film);
    gos_torrent_unref(torrent);
    must(gos_session_close(session, 0) == 0, "close");
    free(want);
    free(torrent_bytes);
    return 0;
}
