/* SPDX-License-Identifier: MIT
 *
 * Configurations in TOML: what they say, and where they are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/config.h"

static void good(struct config *c, const char *text)
{
    char why[CONFIG_WHY];
    assert_int_equal(config_init(c), 0);
    if (config_read_text(c, "pfs.toml", text, strlen(text), why) < 0 || config_check(c, why) < 0)
        fail_msg("%s", why);
}

static void bad(const char *text, const char *want)
{
    struct config c;
    char why[CONFIG_WHY] = "";
    assert_int_equal(config_init(&c), 0);
    if (config_read_text(&c, "pfs.toml", text, strlen(text), why) == 0 &&
        config_check(&c, why) == 0)
        fail_msg("taken: %s", text);
    if (strncmp(why, want, strlen(want)) != 0)
        fail_msg("\"%s\" instead of \"%s\"", why, want);
    config_finish(&c);
}

static const struct config_mount *at(const struct config *c, const char *path)
{
    for (size_t i = 0; i < c->n_mounts; i++)
        if (strcmp(c->mounts[i].path, path) == 0)
            return &c->mounts[i];
    return NULL;
}

static void the_standard_has_three_mounts(void **state)
{
    struct config c;
    (void)state;
    good(&c, "");
    assert_string_equal(c.address, "127.0.0.1:8080");
    assert_int_equal(c.n_mounts, 3);
    assert_string_equal(at(&c, "/streamfs")->kind->name, "streamfs");
    assert_string_equal(at(&c, "/memfs")->kind->name, "memfs");
    assert_string_equal(at(&c, "/dev")->kind->name, "devfs");
    config_finish(&c);
}

static void the_readmes_example(void **state)
{
    struct config c;
    (void)state;
    good(&c, "[server]\naddress = \":8080\"\nlog_level = \"warn\"\n"
             "max_request_body_bytes = 1048576\n"
             "[plugins.streamfs]\nenabled = true\npath = \"/streamfs\"\n"
             "[plugins.streamfs.config]\nchannel_buffer_size = \"512KB\"\n"
             "ring_buffer_size = 1048576\n");
    assert_int_equal(c.body_max, 1 << 20);
    assert_int_equal(c.n_mounts, 2); /* and /dev, which is always there */
    assert_string_equal(conf_child(at(&c, "/streamfs")->config, "channel_buffer_size")->text,
                        "512KB");
    config_finish(&c);
}

static void lists_of_instances(void **state)
{
    struct config c;
    (void)state;
    good(&c, "[[plugins.streamfs]]\nname = \"one\"\npath = \"/a\"\n"
             "[plugins.streamfs.config]\nring_buffer_size = \"1MB\"\n"
             "[[plugins.streamfs]]\nenabled = false\npath = \"/b\"\n"
             "[[plugins.streamfs]]\nenabled = true\npath = \"c/\"\n");
    assert_string_equal(at(&c, "/a")->instance, "one");
    assert_null(at(&c, "/b"));
    assert_non_null(at(&c, "/c"));
    config_finish(&c);
}

static void what_others_have_may_be_switched_off(void **state)
{
    struct config c;
    (void)state;
    good(&c, "[plugins.s3fs]\nenabled = false\nbucket = 3\n[external_plugins]\nenabled = false\n");
    assert_null(at(&c, "/s3fs"));
    config_finish(&c);
    bad("[plugins.queuefs]\nenabled = true\n",
        "pfs.toml:1: plugins.queuefs is enabled, but there is no such filesystem (there are devfs, "
        "memfs and streamfs); set enabled = false");
    bad("[external_plugins]\nenabled = true\n", "pfs.toml:1: external_plugins are not supported");
}

static void mistakes_have_their_place(void **state)
{
    (void)state;
    bad("[server]\nadress = \"x\"\n", "pfs.toml:2: unknown key server.adress");
    bad("[server]\naddress = 8080\n",
        "pfs.toml:2: server.address must be a string, not an integer");
    bad("\n\n[sever]\n", "pfs.toml:3: unknown key sever");
    bad("[server]\nlog_level = \"loud\"\n", "pfs.toml:2: server.log_level must be");
    bad("[server]\nthreads = 0\n", "pfs.toml:2: server.threads must be a number from 1");
    bad("[server]\nmemory_limit = \"12XB\"\n",
        "pfs.toml:2: server: invalid memory_limit: invalid size format: 12XB (expected format: "
        "number with optional unit B/KB/MB/GB/TB)");
    bad("[plugins.memfs]\nenabled = 1\n",
        "pfs.toml:2: plugins.memfs.enabled must be true or false, not an integer");
    bad("[plugins.memfs]\npaht = \"/\"\n", "pfs.toml:2: unknown key plugins.memfs.paht");
    bad("[plugins.memfs]\npath = \"/\"\n", "pfs.toml:1: nothing can be mounted at /");
    bad("[plugins.memfs]\npath = \"/x\"\n[plugins.streamfs]\npath = \"/x\"\n",
        "pfs.toml:3: mount already exists: /x (line 1)");
    bad("[plugins.streamfs.config]\n\nfoo = 1\n",
        "pfs.toml:3: plugins.streamfs: unknown configuration parameter(s) 'foo' - allowed "
        "parameters are: 'channel_buffer_size', 'ring_buffer_size', ");
    bad("[plugins.streamfs.config]\nring_buffer_size = \"1TB\"\n",
        "pfs.toml:2: plugins.streamfs: invalid ring_buffer_size: 1099511627776 bytes are more than "
        "memory_limit (1073741824)");
    bad("[plugins.streamfs.config]\nring_buffer_size = 0\n",
        "pfs.toml:2: plugins.streamfs: invalid ring_buffer_size: must be more than 0");
    bad("[plugins.streamfs.config]\npolicy = \"never\"\n",
        "pfs.toml:2: plugins.streamfs: invalid policy");
    bad("a = [1,\n2", "pfs.toml:2: ");
    bad("a = 1\na = 2\n", "pfs.toml:2: ");
}

static void names_of_instances_differ(void **state)
{
    struct config c;
    (void)state;
    bad("[[plugins.streamfs]]\nname = \"one\"\npath = \"/a\"\n"
        "[[plugins.streamfs]]\npath = \"/b\"\n"
        "[[plugins.streamfs]]\npath = \"/c\"\nname = \"one\"\n",
        "pfs.toml:8: plugins.streamfs.name \"one\" is that of line 2 already");
    good(&c, "[[plugins.streamfs]]\nname = \"one\"\npath = \"/a\"\n"
             "[[plugins.streamfs]]\nname = \"two\"\npath = \"/b\"\n"
             "[[plugins.memfs]]\nname = \"one\"\npath = \"/c\"\n"
             "[[plugins.streamfs]]\nname = \"one\"\nenabled = false\n");
    config_finish(&c);
}

static void a_port_alone_is_one_of_this_machine(void **state)
{
    struct config c;
    (void)state;
    good(&c, "[server]\naddress = \"9000\"\n");
    assert_string_equal(c.address, "127.0.0.1:9000");
    config_finish(&c);
    good(&c, "[server]\naddress = \"[::1]:9000\"\n");
    assert_string_equal(c.address, "[::1]:9000");
    config_finish(&c);
}

static void yaml_is_told_how_it_looks_in_toml(void **state)
{
    static const char *const names[] = {"config.yaml", "/etc/pfs.YML"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct config c;
        char why[CONFIG_WHY] = "";
        assert_int_equal(config_init(&c), 0);
        assert_int_equal(config_read_file(&c, names[i], why), -1);
        assert_int_equal(strncmp(why, names[i], strlen(names[i])), 0);
        assert_non_null(strstr(why, "TOML is expected"));
        assert_non_null(strstr(why, "[plugins.streamfs.config]"));
        assert_null(strchr(why, '\n'));
        config_finish(&c);
    }
}

static void values_of_every_other_type_are_refused(void **state)
{
    static const char *const values[] = {"true", "[1]", "{ a = 1 }", "1979-05-27",
                                         "1.5",  "nan", "inf"};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[128];
        snprintf(text, sizeof text, "[plugins.streamfs.config]\nring_buffer_size = %s\n",
                 values[i]);
        bad(text, "pfs.toml:2: plugins.streamfs: ");
    }
}

static void options_go_before_the_file(void **state)
{
    struct config c;
    (void)state;
    good(&c, "[plugins.streamfs.config]\nring_buffer_size = \"1MB\"\nmax_age = \"5m\"\n");
    assert_int_equal(config_set_streams(&c, "ring_buffer_size", "2MB"), 0);
    const struct conf_node *config = at(&c, "/streamfs")->config;
    assert_string_equal(conf_child(config, "ring_buffer_size")->text, "2MB");
    assert_string_equal(conf_child(config, "max_age")->text, "5m");
    config_finish(&c);
}

/* What is printed can be read, and prints the same. */
static void printing_is_the_inverse_of_reading(void **state)
{
    struct config c;
    static char first[8192], second[8192];
    (void)state;
    good(&c, "[server]\nunix_socket = \"/run/a \\\"b\\\".sock\"\ndrain_timeout = \"2.5s\"\n"
             "[[plugins.streamfs]]\nname = \"one\"\npath = \"/a\"\n[plugins.streamfs.config]\n"
             "ring_buffer_size = \"1MB\"\n[[plugins.streamfs]]\npath = \"/b\"\n"
             "[plugins.memfs]\npath = \"/m\"\n");
    FILE *out = fmemopen(first, sizeof first, "w");
    assert_int_equal(config_print(&c, out), 0);
    fclose(out);
    config_finish(&c);
    good(&c, first);
    assert_string_equal(c.unix_socket, "/run/a \"b\".sock");
    assert_int_equal(c.drain_timeout_ns, INT64_C(2500000000));
    assert_int_equal(c.n_mounts, 4);
    out = fmemopen(second, sizeof second, "w");
    assert_int_equal(config_print(&c, out), 0);
    fclose(out);
    config_finish(&c);
    assert_string_equal(first, second);
}

static void more_mounts_than_there_can_be_are_refused(void **state)
{
    enum { MOUNTS = 2000, LINE = 48 };
    char *text = malloc((size_t)MOUNTS * LINE);
    size_t n = 0;
    (void)state;
    assert_non_null(text);
    for (int i = 0; i < MOUNTS; i++)
        n += (size_t)snprintf(text + n, LINE, "[[plugins.devfs]]\npath = \"/%d\"\n", i);
    bad(text, "pfs.toml:513: too many mounts (limit 256)");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_standard_has_three_mounts),
        cmocka_unit_test(the_readmes_example),
        cmocka_unit_test(lists_of_instances),
        cmocka_unit_test(what_others_have_may_be_switched_off),
        cmocka_unit_test(mistakes_have_their_place),
        cmocka_unit_test(names_of_instances_differ),
        cmocka_unit_test(a_port_alone_is_one_of_this_machine),
        cmocka_unit_test(yaml_is_told_how_it_looks_in_toml),
        cmocka_unit_test(values_of_every_other_type_are_refused),
        cmocka_unit_test(more_mounts_than_there_can_be_are_refused),
        cmocka_unit_test(options_go_before_the_file),
        cmocka_unit_test(printing_is_the_inverse_of_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
