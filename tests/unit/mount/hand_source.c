/* SPDX-License-Identifier: MIT
 *
 * A source ended by hand; see hand_source.h. Its bytes are lent out of one
 * buffer in slices of 16 KiB. */
#include "hand_source.h"

#include <pthread.h>
#include <stdlib.h>

#include "support/data.h"

#define SLICE 16384u
#define READS 4096

struct hand {
    unsigned char *bytes;
    uint64_t size;
    pthread_mutex_t lock;
    /* guarded by lock */
    int at_start, at_end;
    struct gos_read *waiting[READS], *cancelled[READS];
    unsigned n_waiting, n_cancelled;
};

static int hand_start(void *self, struct gos_read *r)
{
    struct hand *h = self;
    int rc = 0;
    pthread_mutex_lock(&h->lock);
    if (h->at_start && !r->buf)
        rc = h->at_start;
    else
        h->waiting[h->n_waiting++] = r;
    pthread_mutex_unlock(&h->lock);
    return rc;
}

static void hand_cancel(void *self, struct gos_read *r)
{
    struct hand *h = self;
    pthread_mutex_lock(&h->lock);
    for (unsigned i = 0; i < h->n_waiting; i++) {
        if (h->waiting[i] != r)
            continue;
        h->cancelled[h->n_cancelled++] = r;
        h->waiting[i] = h->waiting[--h->n_waiting];
        break;
    }
    pthread_mutex_unlock(&h->lock);
}

static void hand_release(void *self, struct gos_read *r)
{
    (void)self;
    (void)r;
}

static int64_t hand_size(void *self)
{
    return (int64_t)((struct hand *)self)->size;
}

static void hand_close(void *self)
{
    struct hand *h = self;
    pthread_mutex_destroy(&h->lock);
    free(h->bytes);
    free(h);
}

static const struct gos_source_ops hand_ops = {.struct_size = sizeof hand_ops,
                                               .name = "hand",
                                               .start = hand_start,
                                               .cancel = hand_cancel,
                                               .release = hand_release,
                                               .size = hand_size,
                                               .close = hand_close};

gos_source *hand_new(struct hand **out, uint64_t size)
{
    struct hand *h = calloc(1, sizeof *h);
    gos_source *s = NULL;
    h->bytes = malloc(size);
    h->size = size;
    pthread_mutex_init(&h->lock, NULL);
    data_fill(h->bytes, size, 1, 0);
    gos_source_new(&s, &hand_ops, h);
    *out = h;
    return s;
}

void hand_refuse_slices(struct hand *h, int at_start, int at_end)
{
    pthread_mutex_lock(&h->lock);
    h->at_start = at_start;
    h->at_end = at_end;
    pthread_mutex_unlock(&h->lock);
}

unsigned hand_waiting(struct hand *h)
{
    pthread_mutex_lock(&h->lock);
    unsigned n = h->n_waiting;
    pthread_mutex_unlock(&h->lock);
    return n;
}

unsigned hand_cancelled(struct hand *h)
{
    pthread_mutex_lock(&h->lock);
    unsigned n = h->n_cancelled;
    pthread_mutex_unlock(&h->lock);
    return n;
}

static void give(struct hand *h, struct gos_read *r, size_t n)
{
    if (r->buf) {
        data_fill(r->buf, n, 1, r->off);
        return;
    }
    for (uint64_t at = r->off, end = r->off + n; at < end;) {
        uint64_t to = (at / SLICE + 1) * SLICE;
        to = to < end ? to : end;
        r->slices[r->n_slices++] = (struct gos_slice){.base = h->bytes + at,
                                                      .len = (size_t)(to - at)};
        at = to;
    }
}

void hand_end(struct hand *h, int64_t result)
{
    struct gos_read *r = NULL;
    pthread_mutex_lock(&h->lock);
    if (h->n_waiting) {
        r = h->waiting[0];
        for (unsigned i = 1; i < h->n_waiting; i++)
            h->waiting[i - 1] = h->waiting[i];
        h->n_waiting--;
    }
    int refuse = h->at_end;
    pthread_mutex_unlock(&h->lock);
    if (!r)
        return;
    if (result == 0)
        result = refuse && !r->buf ? refuse : (int64_t)r->len;
    if (result > 0)
        give(h, r, (size_t)result);
    gos_read_complete(r, result);
}

void hand_end_cancelled(struct hand *h)
{
    for (;;) {
        pthread_mutex_lock(&h->lock);
        struct gos_read *r = h->n_cancelled ? h->cancelled[--h->n_cancelled] : NULL;
        pthread_mutex_unlock(&h->lock);
        if (!r)
            return;
        gos_read_complete(r, GOS_ECANCELED);
    }
}
