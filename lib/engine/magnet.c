/* SPDX-License-Identifier: MIT
 *
 * Magnet links: what people paste, so tolerant in form and strict in what it
 * means. Pure; any thread. */
#include "engine/magnet.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/error.h"

#define MAX_LENGTH (64u * 1024)
#define MAX_LIST 64
#define V1_SIZE 20
#define V2_SIZE 32
#define SHOWN 80 /* bytes of a bad value in a message */

/* A part of the link; not terminated. */
struct span {
    const char *at;
    size_t len;
};

static int bad_hash(const char *kind, const char *value)
{
    char shown[SHOWN];
    return gos__error(GOS_EMETADATA, "magnet link has a malformed %s: %s", kind,
                      gos__error_escape(shown, sizeof shown, value, strlen(value)));
}

/* ---- values ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int base32_digit(char c)
{
    if (c >= 'a' && c <= 'z')
        return c - 'a';
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= '2' && c <= '7')
        return c - '2' + 26;
    return -1;
}

/* Exactly 2 * n digits. */
static bool from_hex(uint8_t *out, size_t n, const char *text)
{
    if (strlen(text) != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* 32 digits of 5 bits are 20 bytes. */
static bool from_base32(uint8_t out[V1_SIZE], const char *text)
{
    uint32_t bits = 0;
    unsigned n_bits = 0, n = 0;
    if (strlen(text) != V1_SIZE * 8 / 5)
        return false;
    for (; *text; text++) {
        int digit = base32_digit(*text);
        if (digit < 0)
            return false;
        bits = bits << 5 | (uint32_t)digit;
        n_bits += 5;
        if (n_bits >= 8) {
            n_bits -= 8;
            out[n++] = (uint8_t)(bits >> n_bits);
        }
    }
    return true;
}

/* %XX becomes a byte; a % without digits stays. NUL would cut the text short,
 * so it becomes '?'. */
static char *decode(struct span in, bool plus_is_space)
{
    char *out = gos__malloc(in.len + 1);
    size_t n = 0;
    if (!out)
        return NULL;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.at[i];
        if (c == '%' && in.len - i > 2 && hex_digit(in.at[i + 1]) >= 0 &&
            hex_digit(in.at[i + 2]) >= 0) {
            c = (char)(hex_digit(in.at[i + 1]) << 4 | hex_digit(in.at[i + 2]));
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[n++] = c ? c : '?';
    }
    out[n] = '\0';
    return out;
}

static bool starts_with(const char *text, const char *prefix)
{
    return !strncasecmp(text, prefix, strlen(prefix));
}

/* ---- parameters ---- */

/* The same hash again is fine, another one is another torrent. */
static int set_hash(uint8_t *hash, bool *has, const uint8_t *value, size_t size, const char *kind)
{
    if (*has && memcmp(hash, value, size))
        return gos__error(GOS_EMETADATA, "magnet link has two different %s", kind);
    memcpy(hash, value, size);
    *has = true;
    return 0;
}

static int parse_topic(struct gos__magnet *m, const char *topic)
{
    if (starts_with(topic, "urn:btih:")) {
        const char *text = topic + strlen("urn:btih:");
        uint8_t hash[V1_SIZE];
        if (!from_hex(hash, V1_SIZE, text) && !from_base32(hash, text))
            return bad_hash("btih", text);
        return set_hash(m->v1, &m->has_v1, hash, V1_SIZE, "btih");
    }
    if (starts_with(topic, "urn:btmh:")) {
        const char *text = topic + strlen("urn:btmh:");
        uint8_t hash[V2_SIZE];
        /* multihash: 0x12 is SHA-256, 0x20 its length */
        if (!starts_with(text, "1220") || !from_hex(hash, V2_SIZE, text + 4))
            return bad_hash("btmh", text);
        return set_hash(m->v2, &m->has_v2, hash, V2_SIZE, "btmh");
    }
    return 0; /* a hash of another network */
}

/* Takes `text`. What exceeds the limit is left out. */
static int add_text(char ***list, size_t *n, char *text)
{
    if (*n == MAX_LIST) {
        gos__free(text);
        return 0;
    }
    if (!*list) {
        *list = gos__calloc(MAX_LIST, sizeof **list);
        if (!*list) {
            gos__free(text);
            return gos__error_nomem();
        }
    }
    (*list)[(*n)++] = text;
    return 0;
}

static bool is_tracker(const char *url)
{
    for (const char *c = url; *c; c++) {
        if (iscntrl((unsigned char)*c) || *c == ' ')
            return false;
    }
    return starts_with(url, "http://") || starts_with(url, "https://") ||
           starts_with(url, "udp://");
}

static bool named(struct span name, const char *what)
{
    return name.len == strlen(what) && !strncasecmp(name.at, what, name.len);
}

/* Parameters that occur several times may be numbered: tr.1, tr.2. */
static struct span without_number(struct span name)
{
    size_t len = name.len;
    while (len && isdigit((unsigned char)name.at[len - 1]))
        len--;
    if (len > 1 && len < name.len && name.at[len - 1] == '.')
        name.len = len - 1;
    return name;
}

/* Takes `text`, the decoded value. */
static int keep_text(struct gos__magnet *m, struct span name, char *text)
{
    if (named(name, "dn") && !m->name && *text) {
        m->name = text;
        return 0;
    }
    if (named(name, "tr") && is_tracker(text))
        return add_text(&m->trackers, &m->n_trackers, text);
    if (named(name, "x.pe") && *text)
        return add_text(&m->peers, &m->n_peers, text);
    gos__free(text);
    return 0;
}

static int parse_parameter(struct gos__magnet *m, struct span name, struct span value)
{
    name = without_number(name);
    char *text = decode(value, named(name, "dn"));
    if (!text)
        return gos__error_nomem();
    if (!named(name, "xt"))
        return keep_text(m, name, text);
    int rc = parse_topic(m, text);
    gos__free(text);
    return rc;
}

static int parse_query(struct gos__magnet *m, const char *query)
{
    while (*query) {
        if (starts_with(query, "amp;")) /* copied out of HTML */
            query += strlen("amp;");
        size_t len = strcspn(query, "&");
        const char *equals = memchr(query, '=', len);
        if (equals) {
            struct span name = {query, (size_t)(equals - query)};
            struct span value = {equals + 1, len - name.len - 1};
            int rc = parse_parameter(m, name, value);
            if (rc < 0)
                return rc;
        }
        query += len;
        query += *query == '&';
    }
    return 0;
}

/* ---- the link ---- */

static int parse(struct gos__magnet *m, const char *uri)
{
    if (!starts_with(uri, "magnet:?")) {
        char shown[SHOWN];
        return gos__error(GOS_EMETADATA, "not a magnet link: %s",
                          gos__error_escape(shown, sizeof shown, uri, strnlen(uri, SHOWN)));
    }
    if (strnlen(uri, MAX_LENGTH + 1) > MAX_LENGTH)
        return gos__error(GOS_EMETADATA, "magnet link is longer than %u bytes", MAX_LENGTH);
    int rc = parse_query(m, uri + strlen("magnet:?"));
    if (rc < 0)
        return rc;
    if (!m->has_v1 && !m->has_v2)
        return gos__error(GOS_EMETADATA, "magnet link has no info-hash (xt=urn:btih:...)");
    return 0;
}

int gos__magnet_parse(struct gos__magnet *out, const char *uri)
{
    struct gos__magnet m = {0};
    int rc = parse(&m, uri);
    if (rc < 0) {
        gos__magnet_finish(&m);
        return rc;
    }
    *out = m;
    return 0;
}

static void free_list(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        gos__free(list[i]);
    gos__free(list);
}

void gos__magnet_finish(struct gos__magnet *m)
{
    gos__free(m->name);
    free_list(m->trackers, m->n_trackers);
    free_list(m->peers, m->n_peers);
    *m = (struct gos__magnet){0};
}
