/* SPDX-License-Identifier: MIT
 *
 * What the two files of the READs share. One lock; neither libfuse nor a source is
 * called with it held, except for gos_read_cancel() and fuse_req_interrupted(),
 * which neither block nor call back.
 *
 *   reads.c           files, and READs from their start to their answer
 *   reads_breaking.c  READs that are answered before their bytes are there */
#ifndef CLI_MOUNT_READS_PRIVATE_H
#define CLI_MOUNT_READS_PRIVATE_H

#include <pthread.h>
#include <sys/queue.h>

#include "mount/reads.h"

/* The kernel asks for 1 MiB at most, the engine's blocks have 16 KiB: 64, one
 * more if they are not aligned, and some for pieces that end in a short block. */
#define SLICES_MAX 80

struct pending {
    LIST_ENTRY(pending) link; /* guarded by reads->lock */
    struct reads *reads;
    struct reads_file *file;
    uint64_t id;
    uint64_t off;
    size_t len;
    pid_t tid;
    struct gos_read read;
    struct gos_slice slices[SLICES_MAX];
    void *copy; /* where borrowing was refused */
    /* guarded by reads->lock */
    fuse_req_t req;   /* whoever takes it out answers it; NULL: taken */
    unsigned refs;    /* the flight's, and the starter's while it starts */
    unsigned flight;  /* counts starts, so that a late starter notices a later one */
    bool cancellable; /* started, and done not entered */
    bool landed;      /* done was entered for this flight */
};

struct reads_file {
    gos_source *source;
    const char *name;
    uint64_t size;
    /* guarded by reads->lock */
    LIST_ENTRY(reads_file) link;
    bool open;     /* the kernel has it open */
    unsigned refs; /* the kernel's, and one per read */
    int64_t said_ns;
    uint64_t late_off, late_end; /* the last read that timed out, */
    int64_t late_ns;             /* and when; 0: none did */
};

struct reads {
    int64_t idle_ns;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* guarded by lock */
    LIST_HEAD(, pending) list;
    LIST_HEAD(, reads_file) files;
    uint64_t last_id;
    unsigned answering; /* threads between taking a request and having answered it */
    uint64_t refused;   /* reads that came while ending */
    bool ending;
    bool watch_sleeps;
};

/* Whoever gets the request answers it, and then says so; NULL: somebody else did. */
fuse_req_t reads_take_locked(struct pending *p);
void reads_answered(struct reads *r);

#endif
