/* SPDX-License-Identifier: MIT
 *
 * The checks of the contract: what a source may be made of, what it may give,
 * and what is told to its reader. */
#include "source/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "support/data.h"
#include "support/fault_source.h"

#define SIZE 1000u

/* ---- a source that does what the test says ---- */

struct script {
    int64_t size, present;
    int64_t gives;
    const char *says; /* its sentence, or NULL */
    struct gos_slice lends[2];
    unsigned n_lends;
    /* what it was asked */
    uint64_t off, len;
    unsigned calls, releases, closes;
};

static int64_t script_pread(void *self, void *buf, size_t len, uint64_t off,
                            const struct gos_io *io)
{
    struct script *s = self;

    (void)io;
    s->calls++;
    s->off = off;
    s->len = len;
    if (s->gives > 0 && (uint64_t)s->gives <= len)
        memset(buf, 'x', (size_t)s->gives);
    if (s->says)
        gos__error((int)s->gives, "%s", s->says);
    return s->gives;
}

static int script_start(void *self, struct gos_read *r)
{
    struct script *s = self;

    s->calls++;
    s->off = r->off;
    s->len = r->len;
    for (unsigned i = 0; i < s->n_lends; i++)
        r->slices[i] = s->lends[i];
    r->n_slices = s->n_lends;
    r->result = s->gives;
    return 1;
}

static void script_cancel(void *self, struct gos_read *r)
{
    (void)self;
    (void)r;
}

static void script_release(void *self, struct gos_read *r)
{
    struct script *s = self;

    (void)r;
    s->releases++;
}

static int64_t script_size(void *self)
{
    struct script *s = self;

    return s->size;
}

static int script_advise(void *self, uint64_t off, uint64_t len, enum gos_advice what)
{
    struct script *s = self;

    (void)what;
    s->calls++;
    s->off = off;
    s->len = len;
    return GOS_EIO; /* of no interest to anybody */
}

static int64_t script_present(void *self, uint64_t off, uint64_t len)
{
    struct script *s = self;

    s->off = off;
    s->len = len;
    return s->present;
}

static void script_close(void *self)
{
    struct script *s = self;

    s->closes++;
}

static const struct gos_source_ops simple_ops = {
    .struct_size = sizeof simple_ops,
    .name = "script",
    .pread = script_pread,
    .size = script_size,
    .advise = script_advise,
    .present = script_present,
    .close = script_close,
};

static const struct gos_source_ops lending_ops = {
    .struct_size = sizeof lending_ops,
    .name = "lender",
    .start = script_start,
    .cancel = script_cancel,
    .release = script_release,
    .size = script_size,
    .close = script_close,
};

static gos_source *scripted(struct script *script)
{
    gos_source *s;

    assert_int_equal(gos_source_new(&s, &simple_ops, script), 0);
    return s;
}

static gos_source *pattern(unsigned char bytes[SIZE])
{
    gos_source *s;

    data_fill(bytes, SIZE, 1, 0);
    assert_int_equal(gos_source_memory(&s, bytes, SIZE, NULL), 0);
    return s;
}

static void must_not_be_called(struct gos_read *r)
{
    (void)r;
    fail_msg("done was called");
}

/* ---- making ---- */

static void incomplete_ops_are_refused(void **state)
{
    struct script script = {0};
    gos_source *s = NULL;
    struct gos_source_ops ops = simple_ops;

    (void)state;
    ops.size = NULL;
    assert_int_equal(gos_source_new(&s, &ops, &script), GOS_EINVAL);
    ops = simple_ops;
    ops.pread = NULL;
    assert_int_equal(gos_source_new(&s, &ops, &script), GOS_EINVAL);
    ops = lending_ops;
    ops.cancel = NULL;
    assert_int_equal(gos_source_new(&s, &ops, &script), GOS_EINVAL);
    ops = simple_ops;
    ops.struct_size = 0;
    assert_int_equal(gos_source_new(&s, &ops, &script), GOS_EINVAL);
    assert_int_equal(gos_source_new(&s, NULL, &script), GOS_EINVAL);
    assert_null(s);
    assert_int_equal(script.closes, 0);
}

static void older_ops_lack_only_what_they_do_not_know(void **state)
{
    struct script script = {.size = 10, .gives = 10};
    struct gos_source_ops ops = simple_ops;
    gos_source *s;
    char buf[10];

    (void)state;
    ops.struct_size = offsetof(struct gos_source_ops, advise);
    assert_int_equal(gos_source_new(&s, &ops, &script), 0);
    assert_int_equal(gos_source_advise(s, 0, 5, GOS_ADVICE_WILLNEED), 0);
    assert_int_equal(script.calls, 0);
    assert_int_equal(gos_source_pread(s, buf, 10, 0, NULL), 10);
    gos_source_unref(s);
    assert_int_equal(script.closes, 0);
}

static void source_closes_once_after_the_last_reference(void **state)
{
    struct script script = {.size = 10};
    gos_source *s = scripted(&script);

    (void)state;
    assert_ptr_equal(gos_source_ref(s), s);
    gos_source_unref(s);
    assert_int_equal(script.closes, 0);
    gos_source_unref(s);
    assert_int_equal(script.closes, 1);
    assert_null(gos_source_ref(NULL));
    gos_source_unref(NULL);
}

/* ---- what a reader may ask ---- */

static void nonsense_from_the_reader_is_refused(void **state)
{
    struct script script = {.size = SIZE, .gives = 1};
    gos_source *s = scripted(&script);
    char buf[10];
    struct gos_read r = {
        .struct_size = sizeof r, .len = 10, .buf = buf, .done = must_not_be_called};

    (void)state;
    assert_int_equal(gos_source_pread(NULL, buf, 10, 0, NULL), GOS_EINVAL);
    assert_int_equal(gos_source_pread(s, NULL, 10, 0, NULL), GOS_EINVAL);
    assert_int_equal(gos_source_pread(s, buf, SIZE_MAX, 0, NULL), GOS_EINVAL);
    assert_int_equal(gos_source_pread(s, buf, 10, 0, &(struct gos_io){0}), GOS_EINVAL);
    assert_int_equal(gos_source_start(NULL, &r), GOS_EINVAL);
    assert_int_equal(gos_source_start(s, NULL), GOS_EINVAL);
    r.struct_size = 8;
    assert_int_equal(gos_source_start(s, &r), GOS_EINVAL);
    r.struct_size = sizeof r + 8;
    assert_int_equal(gos_source_start(s, &r), GOS_E2BIG);
    r.struct_size = sizeof r;
    r.done = NULL;
    assert_int_equal(gos_source_start(s, &r), GOS_EINVAL);
    r.done = must_not_be_called;
    r.buf = NULL;
    assert_int_equal(gos_source_start(s, &r), GOS_EINVAL); /* no slices either */
    assert_int_equal(gos_source_advise(s, 0, 1, (enum gos_advice)9), GOS_EINVAL);
    assert_int_equal(gos_source_size(NULL), GOS_EINVAL);
    assert_int_equal(gos_source_present(NULL, 0, 1), GOS_EINVAL);
    assert_int_equal(script.calls, 0);
    gos_source_unref(s);
}

static void source_is_not_asked_past_its_end(void **state)
{
    struct script script = {.size = SIZE, .gives = 10, .present = 10};
    gos_source *s = scripted(&script);
    char buf[100];

    (void)state;
    assert_int_equal(gos_source_pread(s, buf, 100, SIZE - 10, NULL), 10);
    assert_int_equal(script.len, 10);
    assert_int_equal(gos_source_advise(s, SIZE - 20, 100, GOS_ADVICE_WILLNEED), 0);
    assert_int_equal(script.len, 20);
    assert_int_equal(gos_source_present(s, SIZE - 30, 100), 10);
    assert_int_equal(script.len, 30);
    script.calls = 0;
    assert_int_equal(gos_source_pread(s, buf, 100, SIZE, NULL), 0);
    assert_int_equal(gos_source_advise(s, SIZE, 100, GOS_ADVICE_WILLNEED), 0);
    assert_int_equal(script.calls, 0);
    gos_source_unref(s);
}

static void growing_source_is_asked_for_all_until_it_ends(void **state)
{
    struct script script = {.size = GOS_SIZE_UNKNOWN, .gives = 0};
    gos_source *s = scripted(&script);
    char buf[100];

    (void)state;
    assert_int_equal(gos_source_size(s), GOS_SIZE_UNKNOWN);
    assert_int_equal(gos_source_pread(s, buf, 100, 12345, NULL), 0);
    assert_int_equal(script.len, 100);
    gos_source_unref(s);
}

static void failing_size_fails_the_read(void **state)
{
    struct script script = {.size = GOS_EIO, .gives = 10};
    gos_source *s = scripted(&script);
    char buf[10];

    (void)state;
    assert_int_equal(gos_source_size(s), GOS_EIO);
    assert_int_equal(gos_source_pread(s, buf, 10, 0, NULL), GOS_EIO);
    assert_int_equal(gos_source_present(s, 0, 10), 0);
    assert_int_equal(gos_source_advise(s, 0, 10, GOS_ADVICE_WILLNEED), 0);
    assert_int_equal(script.calls, 0);
    gos_source_unref(s);
}

static void presence_is_kept_within_the_question(void **state)
{
    struct script script = {.size = SIZE, .present = 5000};
    gos_source *s = scripted(&script);

    (void)state;
    assert_int_equal(gos_source_present(s, 0, 10), 10);
    script.present = GOS_EIO;
    assert_int_equal(gos_source_present(s, 0, 10), 0);
    gos_source_unref(s);
}

/* ---- what a source may give ---- */

static void too_many_bytes_break_the_contract(void **state)
{
    struct script script = {.size = SIZE, .gives = 11};
    gos_source *s = scripted(&script);
    char buf[10];

    (void)state;
    assert_int_equal(gos_source_pread(s, buf, 10, 0, NULL), GOS_ECONTRACT);
    assert_string_equal(gos_last_error(), "source script gave 11 bytes when asked for 10");
    gos_source_unref(s);
}

static void an_end_before_the_end_breaks_the_contract(void **state)
{
    struct script script = {.size = SIZE, .gives = 0};
    gos_source *s = scripted(&script);
    char buf[10];

    (void)state;
    assert_int_equal(gos_source_pread(s, buf, 10, 90, NULL), GOS_ECONTRACT);
    assert_string_equal(gos_last_error(), "source script ended at 90 but has a size of 1000");
    gos_source_unref(s);
}

static void short_reads_are_put_together(void **state)
{
    struct fault_plan plan = {.max_bytes = 7};
    unsigned char bytes[SIZE], buf[SIZE];
    gos_source *below = pattern(bytes), *s;

    (void)state;
    assert_int_equal(fault_source_new(&s, below, &plan), 0);
    assert_int_equal(gos_source_pread(s, buf, 100, 3, NULL), 100);
    assert_int_equal(data_check(buf, 100, 1, 3), 100);
    assert_int_equal(plan.reads, 15);
    struct gos_io io = {.struct_size = sizeof io, .flags = GOS_READ_PARTIAL};
    assert_int_equal(gos_source_pread(s, buf, 100, 3, &io), 7);
    assert_int_equal(plan.reads, 16);
    gos_source_unref(s);
    gos_source_unref(below);
    assert_int_equal(plan.closes, 1);
}

static void bytes_before_an_error_are_not_lost(void **state)
{
    struct fault_plan plan = {
        .max_bytes = 10, .fail_nth = 3, .fail_on = true, .fail_with = GOS_EIO};
    unsigned char bytes[SIZE], buf[SIZE];
    gos_source *below = pattern(bytes), *s;

    (void)state;
    assert_int_equal(fault_source_new(&s, below, &plan), 0);
    assert_int_equal(gos_source_pread(s, buf, 100, 0, NULL), 20);
    assert_int_equal(data_check(buf, 20, 1, 0), 20);
    assert_int_equal(gos_source_pread(s, buf, 100, 20, NULL), GOS_EIO);
    gos_source_unref(s);
    gos_source_unref(below);
}

static void error_has_the_sentence_of_its_source_or_one_at_all(void **state)
{
    struct script script = {.size = SIZE, .gives = GOS_EIO};
    gos_source *s = scripted(&script);
    char buf[10];

    (void)state;
    gos__error(GOS_EIO, "something older");
    assert_int_equal(gos_source_pread(s, buf, 10, 0, NULL), GOS_EIO);
    assert_string_equal(gos_last_error(), "source script: Input/output error");
    script.says = "the disk is on fire";
    assert_int_equal(gos_source_pread(s, buf, 10, 0, NULL), GOS_EIO);
    assert_string_equal(gos_last_error(), "the disk is on fire");
    script.says = NULL;
    script.gives = INT64_MIN;
    assert_int_equal(gos_source_pread(s, buf, 10, 0, NULL), GOS_ECONTRACT);
    gos_source_unref(s);
}

static int64_t borrow(struct script *script, struct gos_read *r)
{
    gos_source *s;
    struct gos_slice slices[2];

    *r = (struct gos_read){.struct_size = sizeof *r,
                           .len = 10,
                           .slices = slices,
                           .max_slices = 2,
                           .done = must_not_be_called};
    assert_int_equal(gos_source_new(&s, &lending_ops, script), 0);
    assert_int_equal(gos_source_start(s, r), 1);
    gos_source_unref(s);
    int64_t result = r->result;
    assert_int_equal(script->closes, r->n_slices ? 0 : 1); /* slices hold the source */
    gos_read_release(r);
    assert_int_equal(script->closes, 1);
    r->slices = NULL;
    return result;
}

static void slices_must_add_up(void **state)
{
    struct gos_read r;
    struct script sound = {
        .size = SIZE, .gives = 9, .lends = {{"abcd", 4}, {"efghi", 5}}, .n_lends = 2};

    (void)state;
    struct script script = sound;
    assert_int_equal(borrow(&script, &r), 9);
    assert_int_equal(script.releases, 1);

    script = sound;
    script.gives = 8;
    assert_int_equal(borrow(&script, &r), GOS_ECONTRACT);
    assert_int_equal(script.releases, 1); /* and are taken back */

    script = sound;
    script.gives = GOS_EIO;
    assert_int_equal(borrow(&script, &r), GOS_ECONTRACT);
    assert_int_equal(script.releases, 1);

    script = sound;
    script.n_lends = 0; /* bytes, but neither copied nor lent */
    assert_int_equal(borrow(&script, &r), GOS_ECONTRACT);
    assert_int_equal(script.releases, 0);
}

static void error_of_a_read_that_ends_at_once_is_told(void **state)
{
    struct gos_read r;
    struct script script = {.size = SIZE, .gives = GOS_ELAPPED};

    (void)state;
    assert_int_equal(borrow(&script, &r), GOS_ELAPPED);
    assert_string_equal(gos_last_error(), "source lender: offset is no longer in the live window");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(incomplete_ops_are_refused),
        cmocka_unit_test(older_ops_lack_only_what_they_do_not_know),
        cmocka_unit_test(source_closes_once_after_the_last_reference),
        cmocka_unit_test(nonsense_from_the_reader_is_refused),
        cmocka_unit_test(source_is_not_asked_past_its_end),
        cmocka_unit_test(growing_source_is_asked_for_all_until_it_ends),
        cmocka_unit_test(failing_size_fails_the_read),
        cmocka_unit_test(presence_is_kept_within_the_question),
        cmocka_unit_test(too_many_bytes_break_the_contract),
        cmocka_unit_test(an_end_before_the_end_breaks_the_contract),
        cmocka_unit_test(short_reads_are_put_together),
        cmocka_unit_test(bytes_before_an_error_are_not_lost),
        cmocka_unit_test(error_has_the_sentence_of_its_source_or_one_at_all),
        cmocka_unit_test(slices_must_add_up),
        cmocka_unit_test(error_of_a_read_that_ends_at_once_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
