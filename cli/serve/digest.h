/* SPDX-License-Identifier: MIT
 *
 * Digests by the names that the protocol has for them. Pure. */
#ifndef CLI_SERVE_DIGEST_H
#define CLI_SERVE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#define DIGEST_BYTES 33

bool digest_known(const char *algorithm);

/* "xxh3" (the low 64 bits of XXH3-128) or "md5", in hex. 0, or -1. */
int digest_bytes(char out[DIGEST_BYTES], const char *algorithm, const void *data, size_t n);

#endif
