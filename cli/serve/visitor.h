/* SPDX-License-Identifier: MIT
 *
 * Who may ask. Nobody needs a password on this machine, so a page of the web must not
 * be able to ask in the name of the one who looks at it. */
#ifndef CLI_SERVE_VISITOR_H
#define CLI_SERVE_VISITOR_H

#include <stdbool.h>

/* Whether a request with these headers (NULL: it has none) may be answered. Browsers
 * tell where a page came from:
 * - Host: a name of the web that has been made to lead here is refused. Names of this
 *   machine, names without a dot and numbers are fine.
 * - Origin: pages of other machines, and of none, are refused.
 * - Sec-Fetch-Site: what other sites have pages fetch is refused. */
bool visitor_allowed(const char *host, const char *origin, const char *fetch_site);

#endif
