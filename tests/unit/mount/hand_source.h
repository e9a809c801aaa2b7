/* SPDX-License-Identifier: MIT
 *
 * A source whose reads wait until the test ends them by hand. Any thread. */
#ifndef TESTS_UNIT_MOUNT_HAND_SOURCE_H
#define TESTS_UNIT_MOUNT_HAND_SOURCE_H

#include <gostream/source.h>

struct hand;

/* Bytes of data.h, pattern 1. */
gos_source *hand_new(struct hand **out, uint64_t size);

/* Refuse borrowing at the start, or at the end of a read, with this error. */
void hand_refuse_slices(struct hand *h, int at_start, int at_end);

/* Reads that wait; those that were cancelled and wait for their end. */
unsigned hand_waiting(struct hand *h);
unsigned hand_cancelled(struct hand *h);

/* End the oldest that waits: with all its bytes (0), or with this error, or
 * with so many bytes only (> 0). Nothing if none waits. */
void hand_end(struct hand *h, int64_t result);

/* End those that were cancelled. */
void hand_end_cancelled(struct hand *h);

#endif
