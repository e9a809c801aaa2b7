/* SPDX-License-Identifier: MIT
 *
 * A scripted torrent as metadata: reads the script, answers ltc_info_*. Any
 * thread; an info does not change but for `layers_known`. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/fake_lt_internal.h"

static int refuse(struct ltc_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(struct ltc_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (err)
        vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return -EBADMSG;
}

struct reading {
    ltc_info *info;
    size_t files_room, seeds_room, peers_room;
    uint64_t n_content; /* files of bytes so far: each has its own seed */
};

static void add_file(struct reading *r, const char *path, uint64_t size, uint32_t flags)
{
    ltc_info *i = r->info;
    uint32_t n = i->view.n_files;
    i->files = fake_lt__grow(i->files, &r->files_room, n + 1, sizeof *i->files);
    i->file_seeds = fake_lt__grow(i->file_seeds, &r->seeds_room, n + 1, sizeof *i->file_seeds);
    bool content = !(flags & (LTC_FILE_PAD | LTC_FILE_SYMLINK)) && size;
    i->files[n] = (struct ltc_file){.path = path, .size = size, .flags = flags};
    i->file_seeds[n] = content ? r->n_content++ : 0;
    i->view.n_files = n + 1;
}

/* "PATH SIZE": the size is the last word. */
static bool read_file(struct reading *r, char *value, uint32_t flags)
{
    char *space = strrchr(value, ' '), *end;
    if (!space || space == value)
        return false;
    unsigned long long size = strtoull(space + 1, &end, 10);
    if (*end || end == space + 1 || size >> 62)
        return false;
    *space = '\0';
    add_file(r, value, size, flags);
    return true;
}

static bool read_peer(struct reading *r, const char *value)
{
    ltc_info *i = r->info;
    struct fake_attrs a;
    fake_lt__attrs_default(&a);
    if (!fake_lt__attrs_parse(&a, value) || a.n < 0 || a.n > 10000)
        return false;
    for (int64_t k = 0; k < a.n; k++) {
        i->peers = fake_lt__grow(i->peers, &r->peers_room, i->n_peers + 1, sizeof *i->peers);
        i->peers[i->n_peers] = a;
        fake_lt__addr_add_port(&i->peers[i->n_peers++].addr, (unsigned)k);
    }
    return true;
}

static bool read_metadata(ltc_info *i, const char *value)
{
    static const char *const names[] = {"good", "late", "wrong", "never"};
    for (unsigned k = 0; k < 4; k++) {
        if (strcmp(value, names[k]))
            continue;
        i->metadata = (enum fake_metadata)k;
        return true;
    }
    return false;
}

static bool read_number(ltc_info *i, const char *key, const char *value)
{
    char *end;
    long long n = strtoll(value, &end, 0);
    if (*end || end == value)
        return false;
    if (!strcmp(key, "piece"))
        i->view.piece_length = n < 0 || n > INT32_MAX ? 0 : (uint32_t)n;
    else if (!strcmp(key, "seed"))
        i->seed = (uint64_t)n;
    else if (!strcmp(key, "created"))
        i->view.created = n;
    else if (!strcmp(key, "metadata_ms"))
        i->metadata_ns = n * MS;
    else if (!strcmp(key, "layers_ms"))
        i->layers_ns = n < 0 ? -1 : n * MS;
    else
        return false;
    return true;
}

static bool read_flag(ltc_info *i, const char *key)
{
    if (!strcmp(key, "multi"))
        i->multi = true;
    else if (!strcmp(key, "v2"))
        i->view.v2 = true;
    else if (!strcmp(key, "hybrid"))
        i->view.v1 = i->view.v2 = true;
    else if (!strcmp(key, "peers_leave_first"))
        i->peers_leave_first = true;
    else
        return false;
    return true;
}

static bool read_line(struct reading *r, const char *key, char *value)
{
    ltc_info *i = r->info;
    if (!strcmp(key, "name"))
        i->view.name = value;
    else if (!strcmp(key, "file"))
        return read_file(r, value, 0);
    else if (!strcmp(key, "renamed"))
        return read_file(r, value, LTC_FILE_RENAMED);
    else if (!strcmp(key, "pad"))
        add_file(r, ".pad", strtoull(value, NULL, 10), LTC_FILE_PAD);
    else if (!strcmp(key, "empty"))
        add_file(r, value, 0, 0);
    else if (!strcmp(key, "symlink"))
        add_file(r, value, 0, LTC_FILE_SYMLINK);
    else if (read_flag(i, key))
        return true;
    else if (!strcmp(key, "metadata"))
        return read_metadata(i, value);
    else if (!strcmp(key, "peer"))
        return read_peer(r, value);
    else
        return read_number(i, key, value);
    return true;
}

static int read_lines(struct reading *r, struct ltc_error *err)
{
    char *rest = r->info->script;
    for (char *line; (line = strtok_r(rest, "\n", &rest));) {
        line += strspn(line, " \t");
        line[strcspn(line, "\r")] = '\0';
        if (*line == '\0' || *line == '#' || !strncmp(line, "fake-torrent ", 13))
            continue;
        char *value = line + strcspn(line, " \t");
        if (*value)
            *value++ = '\0';
        value += strspn(value, " \t");
        if (!read_line(r, line, value))
            return refuse(err, "line \"%s\" of a fake torrent is not understood", line);
    }
    return 0;
}

/* v2 puts the start of each file at the start of a piece. */
static void align_files(struct reading *r)
{
    ltc_info *i = r->info;
    struct ltc_file *old = i->files;
    uint64_t *seeds = i->file_seeds, total = 0;
    uint32_t n = i->view.n_files;
    i->files = NULL;
    i->file_seeds = NULL;
    i->view.n_files = 0;
    r->files_room = r->seeds_room = 0;
    for (uint32_t f = 0; f < n; f++) {
        uint64_t over = total % i->view.piece_length;
        if (old[f].flags & LTC_FILE_PAD)
            continue;
        if (old[f].size && over) {
            add_file(r, ".pad", i->view.piece_length - over, LTC_FILE_PAD);
            total += i->view.piece_length - over;
        }
        add_file(r, old[f].path, old[f].size, old[f].flags);
        i->file_seeds[i->view.n_files - 1] = seeds[f];
        total += old[f].size;
    }
    free(old);
    free(seeds);
}

static int lay_out(struct reading *r, struct ltc_error *err)
{
    ltc_info *i = r->info;
    struct ltc_info_view *v = &i->view;
    if (v->piece_length == 0 || v->piece_length % LTC_BLOCK)
        return refuse(err, "piece length %u is no multiple of 16 KiB", v->piece_length);
    if (!v->v2)
        v->v1 = true;
    if (v->v2)
        align_files(r);
    uint32_t shown = 0;
    bool bytes = false;
    for (uint32_t f = 0; f < v->n_files; f++) {
        bool pad = i->files[f].flags & LTC_FILE_PAD;
        i->files[f].offset = v->total_size;
        v->total_size += i->files[f].size;
        i->file_seeds[f] += i->seed;
        shown += !pad;
        bytes |= !pad && i->files[f].size;
        if (v->total_size >> 62)
            return refuse(err, "the sizes of the files overflow");
    }
    if (!bytes)
        return refuse(err, "there is no file with bytes");
    uint64_t n = (v->total_size + v->piece_length - 1) / v->piece_length;
    if (n > INT32_MAX)
        return refuse(err, "too many pieces");
    v->n_pieces = (uint32_t)n;
    v->multi_file = i->multi || shown > 1;
    if (!v->name)
        v->name = "fake";
    v->files = i->files;
    return 0;
}

static void script_hashes(const char *script, size_t len, uint8_t v1[20], uint8_t v2[32])
{
    if (EVP_Digest(script, len, v1, NULL, EVP_sha1(), NULL) != 1 ||
        EVP_Digest(script, len, v2, NULL, EVP_sha256(), NULL) != 1)
        abort();
}

void fake_lt_hashes(const char *script, uint8_t v1[20], uint8_t v2[32])
{
    uint8_t one[20], two[32];
    script_hashes(script, strlen(script), one, two);
    if (v1)
        memcpy(v1, one, 20);
    if (v2)
        memcpy(v2, two, 32);
}

ltc_info *fake_lt__info_parse(const char *script, size_t len, bool hash_content,
                              struct ltc_error *err)
{
    if (len < 14 || memcmp(script, "fake-torrent 1", 14) || memchr(script, '\0', len)) {
        refuse(err, "this is not a fake torrent");
        return NULL;
    }
    ltc_info *i = fake_lt__alloc(1, sizeof *i);
    struct reading r = {.info = i};
    atomic_init(&i->refs, 1);
    atomic_init(&i->layers_known, true);
    i->view.piece_length = 262144;
    i->script = fake_lt__alloc(1, len + 1);
    memcpy(i->script, script, len);
    if (read_lines(&r, err) < 0 || lay_out(&r, err) < 0) {
        ltc_info_unref(i);
        return NULL;
    }
    uint8_t v1[20], v2[32];
    script_hashes(script, len, v1, v2);
    if (i->view.v1)
        memcpy(i->view.v1_hash, v1, 20);
    if (i->view.v2)
        memcpy(i->view.v2_hash, v2, 32);
    if (hash_content)
        fake_lt__info_hash(i);
    return i;
}

int ltc_info_parse(ltc_info **out, const void *bytes, size_t len, struct ltc_error *err)
{
    int rc = fake_lt__fails(FAKE_LT_PARSE);
    if (rc < 0) {
        refuse(err, "the test lets this parse fail");
        return rc;
    }
    if (len > LTC_MAX_METADATA)
        return refuse(err, "it is larger than 16 MiB");
    ltc_info *i = fake_lt__info_parse(bytes, len, true, err);
    if (!i)
        return -EBADMSG;
    *out = i;
    return 0;
}

ltc_info *ltc_info_ref(ltc_info *i)
{
    atomic_fetch_add_explicit(&i->refs, 1, memory_order_relaxed);
    return i;
}

void ltc_info_unref(ltc_info *i)
{
    /* Whoever frees must have seen what the others did with it before. */
    if (!i || atomic_fetch_sub_explicit(&i->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t f = 0; i->layers && f < i->view.n_files; f++)
        free(i->layers[f]);
    free(i->layers);
    free(i->roots);
    free(i->piece_hashes);
    free(i->file_seeds);
    free(i->files);
    free(i->peers);
    free(i->script);
    free(i);
}

const struct ltc_info_view *ltc_info_get(const ltc_info *i)
{
    return &i->view;
}

const uint8_t *ltc_info_layer(const ltc_info *i, uint32_t file)
{
    if (file >= i->view.n_files || !i->layers ||
        !atomic_load_explicit(&i->layers_known, memory_order_acquire))
        return NULL;
    return i->layers[file];
}
