/* SPDX-License-Identifier: MIT
 *
 * The ring of links. */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
    int value;
    struct gos__list link;
};

static int first_value(const struct gos__list *l)
{
    return GOS__LIST_OWNER(l->next, struct item, link)->value;
}

static void items_come_out_in_order(void **state)
{
    struct gos__list head;
    struct item items[3] = {{.value = 1}, {.value = 2}, {.value = 3}};

    (void)state;
    gos__list_init(&head);
    assert_true(gos__list_empty(&head));
    for (int i = 0; i < 3; i++)
        gos__list_append(&head, &items[i].link);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(first_value(&head), i + 1);
        gos__list_remove(head.next);
    }
    assert_true(gos__list_empty(&head));
}

static void item_may_be_removed_twice(void **state)
{
    struct gos__list head;
    struct item items[2] = {{.value = 1}, {.value = 2}};

    (void)state;
    gos__list_init(&head);
    gos__list_append(&head, &items[0].link);
    gos__list_append(&head, &items[1].link);
    gos__list_remove(&items[0].link);
    gos__list_remove(&items[0].link);
    assert_int_equal(first_value(&head), 2);
    gos__list_remove(&items[1].link);
    assert_true(gos__list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_out_in_order),
        cmocka_unit_test(item_may_be_removed_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
