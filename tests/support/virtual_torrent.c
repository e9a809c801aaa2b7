/* SPDX-License-Identifier: MIT
 *
 * The metainfo of a pattern: hashed once by two threads and kept in a file,
 * whose first bytes tell whether it is of the bytes that are asked for. */
#include "support/virtual_torrent.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "support/data.h"

#define HASH_LEN 20

/* ---- bytes ---- */

static int write_all(int fd, const void *buf, size_t len)
{
    const char *p = buf;

    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int read_all(int fd, void *buf, size_t len)
{
    char *p = buf;

    while (len > 0) {
        ssize_t n = read(fd, p, len);
        if (n <= 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

uint32_t virtual_torrent_piece_size(const struct virtual_torrent *t, uint32_t piece)
{
    uint64_t rest = t->size - (uint64_t)piece * t->piece_length;

    return rest < t->piece_length ? (uint32_t)rest : t->piece_length;
}

/* ---- hashing ---- */

struct share {
    const struct virtual_torrent *t;
    unsigned char *hashes;
    uint32_t first, step;
    int error;
};

static void *hash_share(void *arg)
{
    struct share *s = arg;
    unsigned char *room = malloc(s->t->piece_length);

    s->error = room ? 0 : ENOMEM;
    for (uint32_t i = s->first; room && i < s->t->n_pieces; i += s->step) {
        uint32_t len = virtual_torrent_piece_size(s->t, i);
        data_fill(room, len, s->t->seed, (uint64_t)i * s->t->piece_length);
        if (!EVP_Digest(room, len, s->hashes + (size_t)HASH_LEN * i, NULL, EVP_sha1(), NULL))
            s->error = EIO;
    }
    free(room);
    return NULL;
}

static int hash_pieces(const struct virtual_torrent *t, unsigned char *hashes)
{
    struct share even = {t, hashes, 0, 2, 0}, odd = {t, hashes, 1, 2, 0};
    pthread_t thread;

    if ((errno = pthread_create(&thread, NULL, hash_share, &odd)))
        return -1;
    hash_share(&even);
    pthread_join(thread, NULL);
    errno = even.error ? even.error : odd.error;
    return errno ? -1 : 0;
}

/* ---- the file ---- */

/* All of the metainfo before the hashes. */
static size_t head_of(const struct virtual_torrent *t, char *out, size_t room)
{
    return (size_t)snprintf(
        out, room,
        "d4:infod6:lengthi%" PRIu64 "e4:name%zu:%s12:piece lengthi%" PRIu32 "e6:pieces%" PRIu64 ":",
        t->size, strlen(t->name), t->name, t->piece_length, (uint64_t)t->n_pieces * HASH_LEN);
}

static int load(struct virtual_torrent *t, const char *path, const char *head, size_t head_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = read_all(fd, t->metainfo, t->metainfo_len);
    struct stat st;
    if (rc == 0 && (fstat(fd, &st) < 0 || (uint64_t)st.st_size != t->metainfo_len ||
                    memcmp(t->metainfo, head, head_len) != 0))
        rc = -1;
    close(fd);
    return rc;
}

/* Under another name first: two programs may make the same file at once. */
static int save(const struct virtual_torrent *t, const char *path)
{
    char made[4096];

    snprintf(made, sizeof made, "%s.%ld", path, (long)getpid());
    int fd = open(made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    int rc = write_all(fd, t->metainfo, t->metainfo_len);
    if (close(fd) < 0 || rc < 0 || rename(made, path) < 0) {
        unlink(made);
        return -1;
    }
    return 0;
}

static int make(struct virtual_torrent *t, const char *path, const char *head, size_t head_len)
{
    memcpy(t->metainfo, head, head_len);
    memcpy(t->metainfo + t->metainfo_len - 2, "ee", 2);
    if (hash_pieces(t, t->metainfo + head_len) < 0)
        return -1;
    return save(t, path);
}

int virtual_torrent_open(struct virtual_torrent *t, const char *path)
{
    char head[256];

    t->metainfo = NULL;
    if (t->size == 0 || t->piece_length == 0 || t->size / t->piece_length >= UINT32_MAX) {
        errno = EINVAL;
        return -1;
    }
    t->n_pieces = (uint32_t)((t->size + t->piece_length - 1) / t->piece_length);
    snprintf(t->name, sizeof t->name, "pattern-%" PRIu64 "-%" PRIu64 ".bin", t->size, t->seed);
    size_t head_len = head_of(t, head, sizeof head);
    t->metainfo_len = head_len + (size_t)HASH_LEN * t->n_pieces + 2;
    if (!(t->metainfo = malloc(t->metainfo_len)))
        return -1;
    if (load(t, path, head, head_len) < 0 && make(t, path, head, head_len) < 0) {
        virtual_torrent_close(t);
        return -1;
    }
    t->info = t->metainfo + strlen("d4:info");
    t->info_len = t->metainfo_len - strlen("d4:infoe");
    EVP_Digest(t->info, t->info_len, t->hash, NULL, EVP_sha1(), NULL);
    return 0;
}

int virtual_torrent_write(const struct virtual_torrent *t, const char *folder)
{
    char path[4096];
    static unsigned char room[1 << 20];

    snprintf(path, sizeof path, "%s/%s", folder, t->name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    int rc = 0;
    for (uint64_t at = 0; rc == 0 && at < t->size; at += sizeof room) {
        size_t len = t->size - at < sizeof room ? (size_t)(t->size - at) : sizeof room;
        data_fill(room, len, t->seed, at);
        rc = write_all(fd, room, len);
    }
    return close(fd) < 0 || rc < 0 ? -1 : 0;
}

void virtual_torrent_close(struct virtual_torrent *t)
{
    free(t->metainfo);
    t->metainfo = NULL;
}
