/* SPDX-License-Identifier: MIT
 *
 * Errors. Functions return 0 or more when they worked and a negative code when
 * they did not. Codes of the system are -errno (-ENOENT, -EIO, ...), the names
 * below among them; codes of our own start at -4097, outside the range of the
 * kernel. Beside the code each thread keeps one sentence on its last error. */
#ifndef GOSTREAM_ERROR_H
#define GOSTREAM_ERROR_H

#include <errno.h>

#include <gostream/common.h>

GOS_BEGIN_DECLS

#define GOS_EINVAL (-EINVAL)       /* the caller's arguments make no sense */
#define GOS_ENOMEM (-ENOMEM)       /* no memory; everything stays usable */
#define GOS_EIO (-EIO)             /* the source below failed */
#define GOS_ETIMEDOUT (-ETIMEDOUT) /* the deadline passed, or nothing moved for too long */
#define GOS_ECANCELED (-ECANCELED) /* cancelled by the caller, or the object was closed */
#define GOS_EBUSY (-EBUSY)         /* too many borrowed slices are out */
#define GOS_E2BIG (-E2BIG)         /* more slices or options than fit */
#define GOS_EDEADLK (-EDEADLK)     /* would wait for the thread it runs on */
#define GOS_ENOENT (-ENOENT)       /* no such thing */
#define GOS_EEXIST (-EEXIST)       /* it is there already */
#define GOS_EAGAIN (-EAGAIN)       /* not known yet: wait for it */
#define GOS_ENOTSUP (-EOPNOTSUPP)  /* not in this build, or not of this kind */

#define GOS_ELAPPED (-4097)   /* the offset fell out of a live window */
#define GOS_EMETADATA (-4098) /* a torrent's metadata or a magnet link is not usable */
#define GOS_EBUDGET (-4099)   /* the memory budget is too small; the sentence names the need */
#define GOS_ECONTRACT (-4100) /* a source broke the contract of <gostream/source.h> */

/* A few words for a code, "unknown error" for one never heard of.
 * Returns: static text, never NULL.
 * Errors: none.
 * Threads: any.
 * Since: 0.1 */
GOS_API const char *gos_strerror(int64_t code);

/* One sentence on the last error of the calling thread, e.g. "magnet link has
 * no info-hash". It is meaningful right after a call that returned an error,
 * and inside a read's `done` when its result is one.
 * Returns: text that is valid until this thread's next call into the library;
 * "" when there was no error yet.
 * Errors: none.
 * Threads: any; each has its own.
 * Since: 0.1 */
GOS_API const char *gos_last_error(void);

GOS_END_DECLS

#endif
