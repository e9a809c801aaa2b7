/* SPDX-License-Identifier: MIT
 *
 * Digests; see digest.h. Pure. */
#include "serve/digest.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <xxhash.h>

bool digest_known(const char *algorithm)
{
    return strcmp(algorithm, "xxh3") == 0 || strcmp(algorithm, "md5") == 0;
}

static int md5(char out[DIGEST_BYTES], const void *data, size_t n)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (EVP_Digest(data, n, sum, &length, EVP_md5(), NULL) != 1 || length != 16)
        return -1;
    for (unsigned i = 0; i < length; i++)
        snprintf(out + 2 * i, 3, "%02x", sum[i]);
    return 0;
}

int digest_bytes(char out[DIGEST_BYTES], const char *algorithm, const void *data, size_t n)
{
    /* EVP and XXH take no NULL, not even for nothing. */
    if (n == 0)
        data = "";
    if (strcmp(algorithm, "md5") == 0)
        return md5(out, data, n);
    snprintf(out, DIGEST_BYTES, "%016llx", (unsigned long long)XXH3_128bits(data, n).low64);
    return 0;
}
