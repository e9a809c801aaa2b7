/* SPDX-License-Identifier: MIT
 *
 * Heads of frames; see frame.h. Pure. */
#include "serve/frame.h"

#include <string.h>

static void put(uint8_t *out, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--) {
        out[i] = (uint8_t)value;
        value >>= 8;
    }
}

static uint64_t get(const uint8_t *in, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | in[i];
    return value;
}

void frame_encode(uint8_t out[FRAME_BYTES], const struct frame *f)
{
    memset(out, 0, FRAME_BYTES);
    out[0] = (uint8_t)f->type;
    out[1] = f->flags;
    put(out + 4, f->length, 4);
    put(out + 8, f->offset, 8);
    put(out + 16, f->number, 8);
    put(out + 24, (uint64_t)f->wall_ns, 8);
    put(out + 32, f->writer, 4);
    put(out + 36, f->epoch, 4);
}

int frame_decode(struct frame *out, const uint8_t in[FRAME_BYTES])
{
    if (in[0] < FRAME_RECORD || in[0] > FRAME_END || in[2] != 0 || in[3] != 0)
        return -1;
    *out = (struct frame){
        .type = (enum frame_type)in[0],
        .flags = in[1],
        .length = (uint32_t)get(in + 4, 4),
        .offset = get(in + 8, 8),
        .number = get(in + 16, 8),
        .wall_ns = (int64_t)get(in + 24, 8),
        .writer = (uint32_t)get(in + 32, 4),
        .epoch = (uint32_t)get(in + 36, 4),
    };
    return 0;
}
