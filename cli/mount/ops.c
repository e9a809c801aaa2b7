/* SPDX-License-Identifier: MIT
 *
 * The low-level operations; see ops.h. What is missing here is missing on
 * purpose: the kernel is told ENOSYS once and then answers extended attributes,
 * locks, flush and lseek by itself, and the mount is read-only, so it refuses
 * writes with EROFS before they come here. */
#include "mount/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <gostream.h>

#include "mount/names.h"

/* Names and sizes never change; a torrent that comes late is announced with
 * fuse_lowlevel_notify_inval_entry(). */
#define KNOWN_SECONDS 86400.0
#define UNKNOWN_SECONDS 1.0

/* With libfuse's 12, twelve waiting reads anywhere would stop every read of the
 * mount. */
#define MAX_BACKGROUND 512
#define CONGESTION (MAX_BACKGROUND * 3 / 4)

#define BLOCK 4096u

static struct ops *ops_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

static const struct tree_node *node_of(fuse_req_t req, fuse_ino_t ino)
{
    return tree_by_ino(ops_of(req)->tree, ino);
}

static struct stat stat_of(struct ops *ops, const struct tree_node *node)
{
    struct stat st = {
        .st_ino = node->ino,
        .st_mode = node->is_dir ? S_IFDIR | 0555 : S_IFREG | 0444,
        .st_nlink = node->is_dir ? 2 + tree_count_dirs(ops->tree, node) : 1,
        .st_uid = ops->uid,
        .st_gid = ops->gid,
        .st_size = (off_t)node->size,
        /* Rounded up: a file of size but no blocks looks like one hole to tar. */
        .st_blocks = (blkcnt_t)(node->size / 512 + (node->size % 512 != 0)),
        .st_atime = node->time,
        .st_mtime = node->time,
        .st_ctime = node->time,
    };
    return st;
}

static struct fuse_entry_param entry_of(struct ops *ops, const struct tree_node *node)
{
    return (struct fuse_entry_param){.ino = node->ino,
                                     .attr = stat_of(ops, node),
                                     .attr_timeout = KNOWN_SECONDS,
                                     .entry_timeout = KNOWN_SECONDS};
}

static void set_want(struct fuse_conn_info *conn)
{
    /* READDIRPLUS fills attributes in the first pass over a directory; export
     * support answers "." and ".." of inodes that the kernel forgot. */
    const unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_EXPORT_SUPPORT |
                            FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_READDIRPLUS |
                            FUSE_CAP_READDIRPLUS_AUTO;
    /* Splicing costs more than a plain writev() of memory. ASYNC_DIO makes the
     * O_DIRECT readers of a dead torrent unkillable. AUTO_INVAL_DATA would drop
     * pages under the locks of waiting reads. */
    const unsigned unwanted = FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
                              FUSE_CAP_ASYNC_DIO | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_POSIX_LOCKS |
                              FUSE_CAP_FLOCK_LOCKS | FUSE_CAP_WRITEBACK_CACHE |
                              FUSE_CAP_ATOMIC_O_TRUNC;
    conn->want = (conn->want | (conn->capable & wanted)) & ~unwanted;
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    (void)userdata;
    set_want(conn);
    conn->max_background = MAX_BACKGROUND;
    conn->congestion_threshold = CONGESTION;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct ops *ops = ops_of(req);
    const struct tree_node *dir = node_of(req, parent);
    const struct tree_node *node = NULL;
    if (!dir) {
        fuse_reply_err(req, ESTALE);
        return;
    }
    if (!strcmp(name, "."))
        node = dir;
    else if (!strcmp(name, ".."))
        node = dir->parent;
    else if (strlen(name) > NAME_BYTES) {
        fuse_reply_err(req, ENAMETOOLONG);
        return;
    } else if (dir->is_dir)
        node = tree_child(ops->tree, dir, name);

    struct fuse_entry_param entry = {.entry_timeout = UNKNOWN_SECONDS};
    if (node)
        entry = entry_of(ops, node);
    fuse_reply_entry(req, &entry);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fi;
    const struct tree_node *node = node_of(req, ino);
    if (!node) {
        fuse_reply_err(req, ESTALE);
        return;
    }
    struct stat st = stat_of(ops_of(req), node);
    fuse_reply_attr(req, &st, KNOWN_SECONDS);
}

/* ---- files ---- */

static int errno_of(int rc)
{
    if (rc == GOS_ENOMEM)
        return ENOMEM;
    return rc == GOS_ENOENT ? ENOENT : EIO;
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct ops *ops = ops_of(req);
    const struct tree_node *node = node_of(req, ino);
    gos_source *source = NULL;
    int error = !node ? ESTALE : node->is_dir ? EISDIR : 0;
    if (!error && (fi->flags & O_ACCMODE) != O_RDONLY)
        error = EROFS;
    if (!error) {
        int rc = gos_torrent_open_file(node->owner, node->file, &source);
        error = rc < 0 ? errno_of(rc) : 0;
    }
    if (error) {
        fuse_reply_err(req, error);
        return;
    }
    struct reads_file *file = reads_open(ops->reads, source, node->name, node->size);
    if (!file) {
        gos_source_unref(source);
        fuse_reply_err(req, ENOMEM);
        return;
    }
    fi->fh = (uint64_t)(uintptr_t)file;
    /* Without it a second open would wait, not killable, for the reads of the
     * first. The bytes of a file never change, so the pages stay true. */
    fi->keep_cache = 1;
    if (fuse_reply_open(req, fi) < 0)
        reads_close(ops->reads, file); /* the opener is gone: no RELEASE will come */
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    reads_close(ops_of(req)->reads, (struct reads_file *)(uintptr_t)fi->fh);
    fuse_reply_err(req, 0);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                    struct fuse_file_info *fi)
{
    (void)ino;
    reads_start(ops_of(req)->reads, (struct reads_file *)(uintptr_t)fi->fh, req, (uint64_t)off,
                size);
}

/* ---- directories ---- */

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    const struct tree_node *node = node_of(req, ino);
    if (!node || !node->is_dir) {
        fuse_reply_err(req, node ? ENOTDIR : ESTALE);
        return;
    }
    fi->cache_readdir = 1;
    fi->keep_cache = 1;
    fuse_reply_open(req, fi);
}

/* The entry at position `at`: ".", "..", then the children. */
static const struct tree_node *entry_at(struct tree *tree, const struct tree_node *dir, uint64_t at,
                                        const char **name)
{
    const struct tree_node *node = at == 0   ? dir
                                   : at == 1 ? dir->parent
                                             : tree_child_at(tree, dir, (size_t)at - 2);
    if (node)
        *name = at == 0 ? "." : at == 1 ? ".." : node->name;
    return node;
}

static size_t put_entry(fuse_req_t req, char *buf, size_t room, const char *name,
                        const struct tree_node *node, off_t next, bool plus)
{
    struct fuse_entry_param entry = entry_of(ops_of(req), node);
    if (!plus)
        return fuse_add_direntry(req, buf, room, name, &entry.attr, next);
    if (next <= 2)
        entry.ino = 0; /* "." and ".." are no look-ups that the kernel will forget */
    return fuse_add_direntry_plus(req, buf, room, name, &entry, next);
}

static void read_dir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
    struct tree *tree = ops_of(req)->tree;
    const struct tree_node *dir = node_of(req, ino);
    char *buf = dir && off >= 0 ? malloc(size) : NULL;
    if (!buf) {
        fuse_reply_err(req, !dir ? ESTALE : off < 0 ? EINVAL : ENOMEM);
        return;
    }
    const struct tree_node *node;
    const char *name = NULL;
    size_t used = 0;
    while ((node = entry_at(tree, dir, (uint64_t)off, &name))) {
        off++;
        size_t n = put_entry(req, buf + used, size - used, name, node, off, plus);
        if (n > size - used)
            break;
        used += n;
    }
    fuse_reply_buf(req, buf, used);
    free(buf);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                       struct fuse_file_info *fi)
{
    (void)fi;
    read_dir(req, ino, size, off, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                           struct fuse_file_info *fi)
{
    (void)fi;
    read_dir(req, ino, size, off, true);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    (void)ino;
    struct tree *tree = ops_of(req)->tree;
    /* Full, as a read-only file system is: what is in it, and nothing free. */
    const struct statvfs st = {.f_bsize = BLOCK,
                               .f_frsize = BLOCK,
                               .f_blocks = tree_count_bytes(tree) / BLOCK + 1,
                               .f_files = tree_count_files(tree),
                               .f_namemax = NAME_BYTES};
    fuse_reply_statfs(req, &st);
}

const struct fuse_lowlevel_ops ops_table = {
    .init = op_init,
    .lookup = op_lookup,
    .getattr = op_getattr,
    .open = op_open,
    .read = op_read,
    .release = op_release,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .statfs = op_statfs,
};
