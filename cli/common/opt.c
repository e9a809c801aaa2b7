/* SPDX-License-Identifier: MIT
 *
 * The option parser; see opt.h. getopt_long() is not used because it prints by
 * itself, accepts abbreviations that break when an option is added, and would
 * be a second list of the same options. */
#include "common/opt.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "common/units.h"

struct parse {
    const struct opt_table *table;
    void *into;
    int argc;
    char **argv;
    int next; /* index in argv of the next word */
    char *why;
    size_t why_size;
};

static void *field_of(const struct opt *o, void *into)
{
    return (char *)into + o->field;
}

/* "--ram" or "-v". */
static const char *shown_name(const struct opt *o, char buf[64])
{
    if (o->name)
        snprintf(buf, 64, "--%s", o->name);
    else
        snprintf(buf, 64, "-%c", o->letter);
    return buf;
}

static int refuse(struct parse *p, const struct opt *o, const char *value, const char *what)
{
    char name[64];
    snprintf(p->why, p->why_size, "%s %s: %s; for example: %s", shown_name(o, name), SHOWN(value),
             what, o->example);
    return -1;
}

static int append(struct parse *p, struct opt_list *list, const char *item)
{
    if (!list->items) {
        /* argv bounds every list, so one allocation is enough. */
        list->items = calloc((size_t)p->argc + 1, sizeof *list->items);
        if (!list->items) {
            snprintf(p->why, p->why_size, "out of memory");
            return -1;
        }
    }
    list->items[list->n++] = item;
    return 0;
}

/* What units.h made of a value. */
static int check_units(struct parse *p, const struct opt *o, const char *value, int rc,
                       const char *what)
{
    if (rc < 0)
        return refuse(p, o, value, rc == UNITS_TOO_LARGE ? "is too large" : what);
    if (o->not_zero && *(uint64_t *)field_of(o, p->into) == 0)
        return refuse(p, o, value, "must be more than 0");
    return 0;
}

static int store(struct parse *p, const struct opt *o, const char *value)
{
    void *field = field_of(o, p->into);
    const char *wrong = o->check ? o->check(value) : NULL;
    if (wrong)
        return refuse(p, o, value, wrong);

    switch (o->kind) {
    case OPT_FLAG:
        *(bool *)field = true;
        return 0;
    case OPT_TEXT:
        *(const char **)field = value;
        return 0;
    case OPT_LIST:
        return append(p, field, value);
    case OPT_SIZE:
        return check_units(p, o, value, units_parse_size(field, value),
                           "is not a size (a number with K, M, G, T or P, powers of 1024)");
    case OPT_SECONDS:
        return check_units(p, o, value, units_parse_seconds(field, value),
                           "is not a number of seconds");
    }
    return 0;
}

static int take(struct parse *p, const struct opt *o, const char *value)
{
    char name[64];
    if (o->kind == OPT_FLAG) {
        if (value) {
            snprintf(p->why, p->why_size, "%s takes no argument; for example: %s",
                     shown_name(o, name), name);
            return -1;
        }
        return store(p, o, "");
    }
    if (!value) {
        if (p->next >= p->argc) {
            snprintf(p->why, p->why_size, "%s needs %s; for example: %s", shown_name(o, name),
                     o->arg, o->example);
            return -1;
        }
        value = p->argv[p->next++];
    }
    return store(p, o, value);
}

static int take_long(struct parse *p, const char *word)
{
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    for (size_t i = 0; i < p->table->n; i++) {
        const struct opt *o = &p->table->opts[i];
        if (o->name && strlen(o->name) == length && !strncmp(o->name, word, length))
            return take(p, o, equals ? equals + 1 : NULL);
    }
    snprintf(p->why, p->why_size, "no option --%s", SHOWN(word));
    return -1;
}

/* "-v", "-vo ro", "-oro". */
static int take_letters(struct parse *p, const char *letters)
{
    for (; *letters; letters++) {
        const struct opt *o = NULL;
        for (size_t i = 0; i < p->table->n && !o; i++)
            if (p->table->opts[i].letter == *letters)
                o = &p->table->opts[i];
        if (!o) {
            snprintf(p->why, p->why_size, "no option -%s", SHOWN(letters));
            return -1;
        }
        if (o->kind != OPT_FLAG)
            return take(p, o, letters[1] ? letters + 1 : NULL);
        if (take(p, o, NULL) < 0)
            return -1;
    }
    return 0;
}

int opt_parse(const struct opt_table *table, void *into, int argc, char **argv,
              struct opt_list *rest, char *why, size_t why_size)
{
    struct parse p = {.table = table,
                      .into = into,
                      .argc = argc,
                      .argv = argv,
                      .next = 1,
                      .why = why,
                      .why_size = why_size};
    bool options = true;
    while (p.next < argc) {
        const char *word = argv[p.next++];
        int rc;
        if (!options || word[0] != '-' || !word[1])
            rc = append(&p, rest, word);
        else if (!strcmp(word, "--"))
            options = false, rc = 0;
        else if (word[1] == '-')
            rc = take_long(&p, word + 2);
        else
            rc = take_letters(&p, word + 1);
        if (rc < 0)
            return -1;
    }
    return 0;
}

void opt_free(const struct opt_table *table, void *into, struct opt_list *rest)
{
    for (size_t i = 0; i < table->n; i++) {
        if (table->opts[i].kind != OPT_LIST)
            continue;
        struct opt_list *list = field_of(&table->opts[i], into);
        free(list->items);
        *list = (struct opt_list){0};
    }
    free(rest->items);
    *rest = (struct opt_list){0};
}

/* "-o, --name ARG" */
static int left_column(char *buf, size_t size, const struct opt *o)
{
    int n = 0;
    if (o->letter)
        n += snprintf(buf + n, size - (size_t)n, "-%c", o->letter);
    if (o->letter && o->name)
        n += snprintf(buf + n, size - (size_t)n, ", ");
    if (o->name)
        n += snprintf(buf + n, size - (size_t)n, "--%s", o->name);
    if (o->arg)
        n += snprintf(buf + n, size - (size_t)n, " %s", o->arg);
    return n;
}

void opt_help(const struct opt_table *table, FILE *out)
{
    char left[96];
    int width = 0;
    for (size_t i = 0; i < table->n; i++) {
        int n = left_column(left, sizeof left, &table->opts[i]);
        width = n > width ? n : width;
    }
    for (size_t i = 0; i < table->n; i++) {
        left_column(left, sizeof left, &table->opts[i]);
        const char *line = table->opts[i].help;
        const char *lead = left;
        while (line) {
            const char *end = strchr(line, '\n');
            int n = end ? (int)(end - line) : (int)strlen(line);
            fprintf(out, "  %-*s  %.*s\n", width, lead, n, line);
            lead = "";
            line = end ? end + 1 : NULL;
        }
    }
}
