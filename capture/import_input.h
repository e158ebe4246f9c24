/* import_input.h - bytes of a log: a file, gzip (also of several members), or standard input. */
#ifndef CAPTURE_IMPORT_INPUT_H
#define CAPTURE_IMPORT_INPUT_H

#include <zlib.h>

#include "store/base/buf.h"

struct import_input {
    int fd;       /* owned unless it is standard input */
    gzFile gz;    /* owns the fd when set */
    bool is_pipe; /* has an end of its own */
    bool ended;   /* followed pipe or gzip: nothing will come any more */
    char head[2]; /* first bytes of a plain stream, not yet given out */
    int n_head;
    int64_t disk; /* bytes taken from the file as it is on disk */
};

/* Opens path ("-": standard input) and looks whether it is gzip; a pipe that is followed is taken
 * as it is. */
enum err WARN_UNUSED import_input_open(struct import_input *in, const char *path, bool follow);
bool import_input_is_gzip(const struct import_input *in);
/* Up to n bytes; *got 0 at the end. With follow a pipe that has nothing now gives 0 too, and
 * `ended` tells them apart. ERR_FORMAT: gzip is damaged or cut off. */
enum err WARN_UNUSED import_input_read(struct import_input *in, char *to, size_t n, bool follow,
                                       size_t *got);
/* Waits at most ms for bytes of a pipe; false when none came. Files and gzip never wait. */
bool import_input_wait(const struct import_input *in, int ms);
void import_input_close(struct import_input *in);

#endif
