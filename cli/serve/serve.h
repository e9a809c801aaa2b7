/* SPDX-License-Identifier: MIT
 *
 * `pfs serve`: the stream server, as one function for the tool's main(). */
#ifndef CLI_SERVE_SERVE_H
#define CLI_SERVE_SERVE_H

/* Run the server until it is told to end. argv[0] is the word "serve", the rest
 * are its options. Returns the exit status: 0 ended in order, 1 failed, 2 wrong
 * use. The main thread waits for signals here; the server's loops are threads. */
int serve_main(int argc, char **argv);

#endif
