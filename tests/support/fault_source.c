/* SPDX-License-Identifier: MIT
 *
 * A simple source that passes reads to the one below it and spoils those that
 * its plan names. Runs on the reader's threads. */
#include "support/fault_source.h"

#include <stdlib.h>

struct fault {
    gos_source *below;
    struct fault_plan *plan;
};

static int64_t fault_pread(void *self, void *buf, size_t len, uint64_t off, const struct gos_io *io)
{
    struct fault *f = self;
    struct fault_plan *plan = f->plan;
    unsigned number = atomic_fetch_add(&plan->reads, 1) + 1;

    if (plan->fail_nth && (number == plan->fail_nth || (plan->fail_on && number > plan->fail_nth)))
        return plan->fail_with;
    if (plan->max_bytes && len > plan->max_bytes)
        len = plan->max_bytes;
    return gos_source_pread(f->below, buf, len, off, io);
}

static int64_t fault_size(void *self)
{
    struct fault *f = self;

    return f->plan->size_is ? f->plan->size_is : gos_source_size(f->below);
}

static int fault_advise(void *self, uint64_t off, uint64_t len, enum gos_advice what)
{
    struct fault *f = self;

    return gos_source_advise(f->below, off, len, what);
}

static int64_t fault_present(void *self, uint64_t off, uint64_t len)
{
    struct fault *f = self;

    return gos_source_present(f->below, off, len);
}

static void fault_close(void *self)
{
    struct fault *f = self;

    atomic_fetch_add(&f->plan->closes, 1);
    gos_source_unref(f->below);
    free(f);
}

static const struct gos_source_ops fault_ops = {
    .struct_size = sizeof fault_ops,
    .name = "fault",
    .pread = fault_pread,
    .size = fault_size,
    .advise = fault_advise,
    .present = fault_present,
    .close = fault_close,
};

int fault_source_new(gos_source **out, gos_source *below, struct fault_plan *plan)
{
    struct fault *f = calloc(1, sizeof *f);
    if (!f)
        return GOS_ENOMEM;
    *f = (struct fault){.below = gos_source_ref(below), .plan = plan};
    int rc = gos_source_new(out, &fault_ops, f);
    if (rc < 0) {
        gos_source_unref(f->below);
        free(f);
    }
    return rc;
}
