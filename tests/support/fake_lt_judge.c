/* SPDX-License-Identifier: MIT
 *
 * Keeps what the users of lt-c.h did wrong, and in what order things happened.
 * Violations: any thread. The log: the network thread. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/fake_lt_internal.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* guarded by lock; `first` is written once until a reset */
static char first[256];
static unsigned violations, lost;

void fake_lt__violation(const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&lock);
    if (violations++ == 0)
        snprintf(first, sizeof first, "%s", text);
    pthread_mutex_unlock(&lock);
    if (getenv("FAKE_LT_VERBOSE") || getenv("FAKE_LT_CLOCK"))
        fprintf(stderr, "fake_lt: violation: %s\n", text);
}

void fake_lt__lost(const ltc_torrent *t, uint32_t piece)
{
    pthread_mutex_lock(&lock);
    lost++;
    pthread_mutex_unlock(&lock);
    if (getenv("FAKE_LT_VERBOSE") || getenv("FAKE_LT_CLOCK"))
        fprintf(stderr, "fake_lt: torrent %d lost piece %u\n", t->index, piece);
}

const char *fake_lt_violation(void)
{
    pthread_mutex_lock(&lock);
    const char *text = violations ? first : NULL;
    pthread_mutex_unlock(&lock);
    return text;
}

unsigned fake_lt_violations(void)
{
    pthread_mutex_lock(&lock);
    unsigned n = violations;
    pthread_mutex_unlock(&lock);
    return n;
}

unsigned fake_lt_lost_pieces(void)
{
    pthread_mutex_lock(&lock);
    unsigned n = lost;
    pthread_mutex_unlock(&lock);
    return n;
}

void fake_lt__judge_reset(void)
{
    pthread_mutex_lock(&lock);
    violations = lost = 0;
    first[0] = '\0';
    pthread_mutex_unlock(&lock);
}

bool fake_lt__net_only(const ltc_session *s, const char *function)
{
    if (fake_lt__on_net(s))
        return true;
    fake_lt__violation("%s() was called off the network thread", function);
    return false;
}

void fake_lt__pump_only(ltc_session *s, const char *function)
{
    if (fake_lt__on_net(s)) {
        fake_lt__violation("%s() was called on the network thread", function);
        return;
    }
    pthread_mutex_lock(&s->lock);
    bool other = s->has_pump && !pthread_equal(s->pump, pthread_self());
    s->has_pump = true;
    s->pump = pthread_self();
    pthread_mutex_unlock(&s->lock);
    if (other)
        fake_lt__violation("%s() was called by a second pump thread", function);
}

void fake_lt__note(ltc_session *s, enum fake_lt_what what, const ltc_torrent *t,
                   const struct fake_peer *p, uint32_t a, uint32_t b)
{
    s->log[s->n_log++ % FAKE_LT_LOG] = (struct fake_lt_log_entry){
        .at_ns = ltc_now_ns(s),
        .what = what,
        .torrent = t ? t->index : -1,
        .peer = p ? p->index : -1,
        .a = a,
        .b = b,
    };
}
