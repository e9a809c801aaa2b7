/* SPDX-License-Identifier: MIT
 *
 * Records to frames; see frames.h. Pure: heads are written, payload is pointed at. */
#include "serve/frames.h"

struct build {
    struct frames *f;
    const struct gos_ring_view *view;
    unsigned n_heads, n_out;
    unsigned slice; /* where in the slices we are */
    size_t skip;
};

static void put_head(struct build *b, const struct frame *head)
{
    uint8_t *place = b->f->heads[b->n_heads++];
    frame_encode(place, head);
    b->f->out[b->n_out++] = (struct iovec){.iov_base = place, .iov_len = FRAME_BYTES};
}

static void put_payload(struct build *b, size_t n)
{
    while (n > 0 && b->slice < b->view->n_slices && b->n_out < FRAMES_OUT) {
        const struct gos_slice *slice = &b->view->slices[b->slice];
        size_t take = slice->len - b->skip < n ? slice->len - b->skip : n;
        b->f->out[b->n_out++] = (struct iovec){.iov_base = (char *)slice->base + b->skip,
                                               .iov_len = take};
        n -= take;
        b->skip += take;
        if (b->skip == slice->len) {
            b->slice++;
            b->skip = 0;
        }
    }
}

static void put_gap(struct build *b)
{
    const struct gos_ring_note *note = &b->view->note;
    if (note->events & GOS_RING_GAP)
        put_head(b, &(struct frame){.type = FRAME_GAP,
                                    .offset = note->gap_from,
                                    .number = note->gap_to,
                                    .epoch = note->epoch});
}

/* Bytes that are there while the index of their records is not any more. */
static uint64_t put_bare(struct build *b, uint64_t from, uint64_t to)
{
    const struct gos_ring_note *note = &b->view->note;
    if (from >= to)
        return from;
    put_head(b,
             &(struct frame){.type = FRAME_RECORD,
                             .flags = FRAME_BARE | (note->events & GOS_RING_HEAD ? FRAME_HEAD : 0),
                             .length = (uint32_t)(to - from),
                             .offset = from,
                             .epoch = note->epoch});
    put_payload(b, to - from);
    return to;
}

/* The part of a record that lies within the view: `from` is where we are. */
static uint64_t put_record(struct build *b, const struct gos_ring_record *r, uint64_t from,
                           uint64_t end)
{
    const struct gos_ring_note *note = &b->view->note;
    uint64_t to = r->offset + r->len < end ? r->offset + r->len : end;
    uint8_t flags = (r->flags & GOS_RING_MARK ? FRAME_MARK : 0) |
                    (note->events & GOS_RING_HEAD ? FRAME_HEAD : 0) |
                    (from > r->offset ? FRAME_LATER : 0) |
                    (to < r->offset + r->len ? FRAME_MORE : 0);
    put_head(b, &(struct frame){.type = FRAME_RECORD,
                                .flags = flags,
                                .length = (uint32_t)(to - from),
                                .offset = from,
                                .number = r->number,
                                .wall_ns = r->wall_ns,
                                .writer = r->writer,
                                .epoch = r->epoch});
    put_payload(b, to - from);
    return to;
}

static void put_end(struct build *b)
{
    const struct gos_ring_note *note = &b->view->note;
    if (b->f->ended)
        return;
    b->f->ended = true;
    put_head(b, &(struct frame){.type = FRAME_END,
                                .flags = (note->events & GOS_RING_SEALED ? FRAME_SEALED : 0) |
                                         (note->events & GOS_RING_DELETED ? FRAME_GONE : 0),
                                .offset = note->offset,
                                .epoch = note->epoch});
}

unsigned frames_build(struct frames *f, const struct gos_ring_view *view)
{
    struct build b = {.f = f, .view = view};
    uint64_t at = view->note.offset, end = at + view->bytes;
    put_gap(&b);
    for (unsigned i = 0; i < view->n_records && at < end; i++) {
        const struct gos_ring_record *r = &view->records[i];
        if (i == 0)
            at = put_bare(&b, at, r->offset < end ? r->offset : end);
        if (at < end)
            at = put_record(&b, r, at, end);
    }
    put_bare(&b, at, end);
    if (view->bytes == 0)
        put_end(&b);
    return b.n_out;
}
