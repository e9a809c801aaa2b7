/* SPDX-License-Identifier: MIT
 *
 * The one table of gostream-mount's options; see options.h. */
#include "mount/options.h"

#include <stddef.h>
#include <string.h>

#include "common/clock.h"
#include "common/endpoint.h"

#define SECONDS(n) (SECOND * (n))

/* An empty one is a slip; libfuse would name it badly. Two options would undo what the tool
 * promises: the mount is read-only, and a dead mount is known to be ours by its type. */
static const char *check_fuse(const char *text)
{
    for (;;) {
        size_t n = strcspn(text, ",");
        if (n == 0)
            return "names no option";
        if (n == 2 && !strncmp(text, "rw", n))
            return "cannot be: this file system is read-only";
        if (n >= 8 && !strncmp(text, "subtype=", 8))
            return "cannot be: the type of the mount is always fuse.gostream";
        if (!text[n])
            return NULL;
        text += n + 1;
    }
}

#define FIELD(name) offsetof(struct options, name)

static const struct opt table_opts[] = {
    {.name = "ram",
     .kind = OPT_SIZE,
     .field = FIELD(ram),
     .arg = "SIZE",
     .not_zero = true,
     .example = "--ram 512M",
     .help = "memory for the bytes of all torrents (256M);\n"
             "at least twice the largest piece and 4M"},
    {.name = "peer",
     .kind = OPT_LIST,
     .field = FIELD(peers),
     .arg = "HOST:PORT",
     .check = endpoint_check,
     .example = "--peer 192.0.2.7:6881",
     .help = "connect to this peer for every SOURCE; may be repeated,\n"
             "IPv6 as [::1]:6881"},
    {.name = "listen",
     .kind = OPT_TEXT,
     .field = FIELD(listen),
     .arg = "ADDR:PORT",
     .check = endpoint_check_listen,
     .example = "--listen 0.0.0.0:6881",
     .help = "where BitTorrent listens (all interfaces, a port chosen\n"
             "by the system)"},
    {.name = "no-dht",
     .kind = OPT_FLAG,
     .field = FIELD(no_dht),
     .help = "do not ask the distributed hash table for peers"},
    {.name = "no-lsd",
     .kind = OPT_FLAG,
     .field = FIELD(no_lsd),
     .help = "do not look for peers on the local network"},
    {.name = "no-pex",
     .kind = OPT_FLAG,
     .field = FIELD(no_pex),
     .help = "do not exchange peers with peers"},
    {.name = "download-rate",
     .kind = OPT_SIZE,
     .field = FIELD(download_rate),
     .arg = "SIZE",
     .example = "--download-rate 2.5M",
     .help = "bytes per second at most, all torrents together (0: no limit)"},
    {.name = "read-timeout",
     .kind = OPT_SECONDS,
     .field = FIELD(read_timeout_ns),
     .arg = "SECONDS",
     .example = "--read-timeout 90",
     .help = "give up a read in which nothing moved for so long (60;\n0: never)"},
    {.name = "metadata-timeout",
     .kind = OPT_SECONDS,
     .field = FIELD(metadata_timeout_ns),
     .arg = "SECONDS",
     .example = "--metadata-timeout 120",
     .help = "wait so long for the metadata of magnet links (60; 0: for ever)"},
    {.name = "sleep-after",
     .kind = OPT_SECONDS,
     .field = FIELD(sleep_after_ns),
     .arg = "SECONDS",
     .example = "--sleep-after 3600",
     .help = "a torrent that is not read for so long leaves the swarm\n"
             "until it is read again (600; 0: never)"},
    {.name = "allow-other",
     .kind = OPT_FLAG,
     .field = FIELD(allow_other),
     .help = "let other users, root among them, see the mount"},
    {.letter = 'o',
     .kind = OPT_LIST,
     .field = FIELD(fuse),
     .arg = "OPTION[,OPTION...]",
     .check = check_fuse,
     .example = "-o noatime",
     .help = "further options of the mount"},
    {.name = "list",
     .kind = OPT_FLAG,
     .field = FIELD(list),
     .help = "print sizes and paths of the files in SOURCE, and end"},
    {.name = "verbose",
     .letter = 'v',
     .kind = OPT_FLAG,
     .field = FIELD(verbose),
     .help = "say every second what each torrent does"},
    OPT_VERSION(FIELD(version)),
    OPT_HELP(FIELD(help)),
};

static const struct opt_table table = {table_opts, sizeof table_opts / sizeof *table_opts};

static int check_words(struct options *o, char *why, size_t why_size)
{
    if (o->help || o->version)
        return 0;
    if (o->sources.n == 0) {
        snprintf(why, why_size,
                 "no SOURCE given; for example: gostream-mount film.torrent /mnt/film");
        return -1;
    }
    for (size_t i = 0; i < o->sources.n; i++) {
        if (*o->sources.items[i])
            continue;
        snprintf(why, why_size, "an empty SOURCE or MOUNTPOINT; is a variable of the shell unset?");
        return -1;
    }
    if (o->list)
        return 0;
    if (o->sources.n == 1) {
        snprintf(why, why_size,
                 "no MOUNTPOINT given; for example: gostream-mount film.torrent /mnt/film");
        return -1;
    }
    o->mountpoint = o->sources.items[--o->sources.n];
    return 0;
}

int options_parse(struct options *out, int argc, char **argv, char *why, size_t why_size)
{
    *out = (struct options){.ram = UINT64_C(256) << 20,
                            .read_timeout_ns = SECONDS(60),
                            .metadata_timeout_ns = SECONDS(60),
                            .sleep_after_ns = SECONDS(600)};
    if (opt_parse(&table, out, argc, argv, &out->sources, why, why_size) < 0)
        return -1;
    return check_words(out, why, why_size);
}

void options_free(struct options *o)
{
    opt_free(&table, o, &o->sources);
}

void options_help(FILE *out)
{
    fputs("Usage: gostream-mount [OPTIONS] SOURCE... MOUNTPOINT\n"
          "       gostream-mount [OPTIONS] --list SOURCE...\n"
          "Show the files of torrents as ordinary files, fetched as they are read.\n"
          "SOURCE is a .torrent file, a folder of such files, or a magnet link.\n"
          "This version downloads only: it gives nothing to other peers.\n\n",
          out);
    opt_help(&table, out);
    fputs("\nSizes are powers of 1024: 64M = 64MiB = 64MB, 1.5G; rates are sizes per second.\n"
          "End it with Ctrl-C or: fusermount3 -u MOUNTPOINT\n",
          out);
}
