/* SPDX-License-Identifier: MIT
 *
 * The README that each streamfs mount shows. */
#include "serve/streamfs.h"

const char *streamfs_readme(void)
{
    return "streamfs: live streams of bytes\n"
           "===============================\n"
           "\n"
           "Each path in this mount is a stream. Some write to it, any number read, and\n"
           "the newest part is kept for those who come late.\n"
           "\n"
           "    producer | pfs write --stream MOUNT/name\n"
           "    pfs cat --stream MOUNT/name | consumer\n"
           "\n"
           "A stream is made by its first writer or its first reader, whoever comes\n"
           "first. It ends for its readers when it is sealed (pfs write --seal, POST\n"
           "/streams/close), deleted, or when the mount or the server goes.\n"
           "\n"
           "Parameters of the mount:\n"
           "  ring_buffer_size     history for late readers (6MB)\n"
           "  channel_buffer_size  how far a reader may lag before its policy acts (6MB)\n"
           "  policy               drop_oldest, drop_to_latest, disconnect, block, drop_new\n"
           "\n"
           "Over HTTP, below /api/v1:\n"
           "  PUT  /files?path=MOUNT/name                one record; or a body in chunks,\n"
           "                                             forwarded as it comes\n"
           "  GET  /files?path=MOUNT/name&stream=true    reads until the stream ends\n"
           "       &from=oldest|now|OFFSET|-BYTES|-TIME|mark\n"
           "       &policy=NAME  &until=tail  &framed=1\n"
           "\n"
           "What a reader lost because it was too slow is told at the end of the reply\n"
           "(X-Stream-Gaps, X-Stream-Dropped-Bytes) and, framed, right where it is missing.\n";
}
