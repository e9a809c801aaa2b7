/* SPDX-License-Identifier: MIT
 *
 * Cursors of a source. Pure. */
#include "engine/window.h"

#include "base/minmax.h"

static bool belongs(const struct gos__cursor *c, uint64_t off)
{
    uint64_t low = c->next > GOS__WINDOW_TOLERANCE ? c->next - GOS__WINDOW_TOLERANCE : 0;
    return c->used && off >= low && off - low <= 2 * (uint64_t)GOS__WINDOW_TOLERANCE;
}

struct gos__cursor *gos__window_read(struct gos__window *w, uint64_t off, uint64_t len)
{
    struct gos__cursor *oldest = &w->cursor[0];
    w->reads++;
    for (unsigned i = 0; i < GOS__WINDOW_CURSORS; i++) {
        struct gos__cursor *c = &w->cursor[i];
        if (belongs(c, off)) {
            c->used = w->reads;
            if (off + len > c->next) {
                c->at = off;
                c->next = off + len;
            }
            return c;
        }
        if (c->used < oldest->used)
            oldest = c;
    }
    *oldest = (struct gos__cursor){.origin = off, .at = off, .next = off + len, .used = w->reads};
    return oldest;
}

uint64_t gos__window_ahead(const struct gos__cursor *c, uint64_t cap)
{
    return gos__min_u64(GOS__WINDOW_MIN + 2 * (c->next - c->origin), cap);
}

void gos__window_forget(struct gos__window *w, uint64_t off, uint64_t len)
{
    for (unsigned i = 0; i < GOS__WINDOW_CURSORS; i++) {
        struct gos__cursor *c = &w->cursor[i];
        if (c->used && c->at < off + len && c->next >= off)
            *c = (struct gos__cursor){0};
    }
}
