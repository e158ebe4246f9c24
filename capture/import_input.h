/* import_input.h - bytes of a log: a file, gzip (also of several members), or standard input. */
#ifndef CAPTURE_IMPORT_INPUT_H
#define CAPTURE_IMPORT_INPUT_H

#include <stdatomic.h>

#include "store/base/buf.h"

struct import_gzip;

struct import_input {
    int fd;                 /* owned unless it is standard input */
    bool is_pipe;           /* what it gives may have to be waited for */
    bool ended;             /* nothing will come any more: end of a pipe or of gzip */
    bool looked;            /* the head is known */
    struct import_gzip *gz; /* owned; NULL: plain bytes */
    const char *path;       /* borrowed, for messages */
    char head[2];           /* first bytes, not yet given out */
    int n_head;
    int64_t disk; /* bytes taken from the file as it is on disk */
};

/* How to wait for a pipe that has nothing now. */
struct import_wait {
    bool never;                    /* *got is 0 then, and `ended` tells this from the end */
    const atomic_bool *stop, *end; /* either ends waiting, with *got 0; may be NULL */
};

/* Opens path ("-": standard input); path must outlive it. */
enum err WARN_UNUSED import_input_open(struct import_input *in, const char *path);
/* Up to n bytes, n at least 16; *got is 0 at the end. ERR_FORMAT: gzip is damaged or cut off. */
enum err WARN_UNUSED import_input_read(struct import_input *in, const struct import_wait *wait,
                                       char *to, size_t n, size_t *got);
void import_input_close(struct import_input *in);

#endif
