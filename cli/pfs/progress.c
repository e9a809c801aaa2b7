/* SPDX-License-Identifier: MIT
 *
 * The redrawn line; see progress.h. */
#include "pfs/progress.h"

#include <unistd.h>

#include "common/clock.h"
#include "common/say.h"
#include "pfs/amount.h"

/* Short transfers are over before anybody could read of them. */
#define PATIENCE (SECOND / 2)

void pfs_progress_begin(struct pfs_progress *p, const char *what, uint64_t of, int output_fd)
{
    int64_t now = clock_ns();
    *p = (struct pfs_progress){.what = what,
                               .of = of,
                               .start_ns = now,
                               .shown_ns = now,
                               .wanted = say_to_terminal() &&
                                         !(output_fd >= 0 && isatty(output_fd))};
}

void pfs_progress_show(struct pfs_progress *p, uint64_t bytes)
{
    int64_t now = clock_ns();
    if (!p->wanted || now - p->shown_ns < PATIENCE)
        return;
    char amount[PFS_AMOUNT_MAX], rate[PFS_AMOUNT_MAX];
    double passed = (double)(now - p->shown_ns) / (double)SECOND;
    pfs_amount(rate, (uint64_t)((double)(bytes - p->shown) / passed));
    pfs_amount(amount, bytes);
    if (p->of)
        say_status("%s %s, %.0f%%, %s/s", amount, p->what, 100.0 * (double)bytes / (double)p->of,
                   rate);
    else
        say_status("%s %s, %s/s", amount, p->what, rate);
    p->shown_ns = now;
    p->shown = bytes;
}

void pfs_progress_end(void)
{
    say_status_end();
}
