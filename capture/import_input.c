/* import_input.c - plain bytes go straight to the caller; zlib inflates gzip, member after
 * member. */
#include "capture/import_input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { GZIP_BUFFER = 128 << 10, WAIT_MS = 50 };

struct import_gzip {
    z_stream z;
    bool in_member; /* the end would come too early here */
    bool broken;    /* what follows the last member is no gzip: ignored, as gzip does */
    unsigned char buffer[GZIP_BUFFER];
};

/* ---- bytes as they are on disk ---- */

static bool is_set(const atomic_bool *flag)
{
    return flag && atomic_load(flag);
}

/* True when a read will not block. */
static bool wait_readable(const struct import_input *in, const struct import_wait *wait)
{
    struct pollfd p = {.fd = in->fd, .events = POLLIN};
    if (!in->is_pipe) return true;
    for (;;) {
        if (is_set(wait->stop) || is_set(wait->end)) return false;
        if (poll(&p, 1, wait->never ? 0 : WAIT_MS) > 0) return true;
        if (wait->never) return false;
    }
}

static enum err read_raw(struct import_input *in, const struct import_wait *wait, char *to,
                         size_t n, size_t *got)
{
    ssize_t r = 0;
    *got = 0;
    if (in->ended || !wait_readable(in, wait)) return ERR_OK;
    do r = read(in->fd, to, n);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        FAIL(ERR_IO, "%s cannot be read behind byte %lld: %s", in->path, (long long)in->disk,
             strerror(errno));
    if (r == 0 && in->is_pipe) in->ended = true;
    *got = (size_t)r;
    in->disk += r;
    return ERR_OK;
}

/* ---- gzip ---- */

static enum err start_gzip(struct import_input *in)
{
    struct import_gzip *gz = calloc(1, sizeof *gz);
    if (!gz || inflateInit2(&gz->z, 15 + 16) != Z_OK) {
        free(gz);
        FAIL(ERR_NOMEM, "out of memory for inflating %s", in->path);
    }
    memcpy(gz->buffer, in->head, (size_t)in->n_head);
    gz->z.next_in = gz->buffer;
    gz->z.avail_in = (unsigned)in->n_head;
    gz->in_member = true;
    in->n_head = 0;
    in->gz = gz;
    return ERR_OK;
}

static enum err refill(struct import_input *in, const struct import_wait *wait, bool *any)
{
    struct import_gzip *gz = in->gz;
    size_t got;
    TRY(read_raw(in, wait, (char *)gz->buffer, sizeof gz->buffer, &got));
    gz->z.next_in = gz->buffer;
    gz->z.avail_in = (unsigned)got;
    *any = got > 0;
    if (*any || !gz->in_member) return ERR_OK;
    if (is_set(wait->stop) || is_set(wait->end) || (wait->never && !in->ended && in->is_pipe))
        return ERR_OK;
    FAIL(ERR_FORMAT, "the gzip data of %s ends too early", in->path);
}

/* The next member begins, or what follows is no gzip. */
static void next_member(struct import_gzip *gz)
{
    gz->broken = gz->z.next_in[0] != 0x1f || inflateReset(&gz->z) != Z_OK;
    gz->in_member = !gz->broken;
}

static enum err read_gzip(struct import_input *in, const struct import_wait *wait, char *to,
                          size_t n, size_t *got)
{
    struct import_gzip *gz = in->gz;
    gz->z.next_out = (unsigned char *)to;
    gz->z.avail_out = n < INT32_MAX ? (unsigned)n : INT32_MAX;
    unsigned room = gz->z.avail_out;
    *got = 0;
    for (bool any = true; gz->z.avail_out == room && !gz->broken;) {
        if (!gz->z.avail_in) TRY(refill(in, wait, &any));
        if (!any) break;
        if (!gz->in_member) next_member(gz);
        if (!gz->in_member) break;
        int rc = inflate(&gz->z, Z_NO_FLUSH);
        *got = room - gz->z.avail_out;
        if (rc == Z_STREAM_END) gz->in_member = false;
        else if (rc == Z_MEM_ERROR) FAIL(ERR_NOMEM, "out of memory for inflating %s", in->path);
        else if (rc != Z_OK && rc != Z_BUF_ERROR)
            FAIL(ERR_FORMAT, "the gzip data of %s is damaged before byte %lld", in->path,
                 (long long)in->disk);
    }
    in->ended = in->ended || (!*got && !gz->in_member);
    return ERR_OK;
}

/* ---- either ---- */

static enum err look_at_head(struct import_input *in, const struct import_wait *wait)
{
    size_t got = 1;
    while (in->n_head < 2 && got) {
        TRY(read_raw(in, wait, in->head + in->n_head, (size_t)(2 - in->n_head), &got));
        in->n_head += (int)got;
    }
    if (in->n_head < 2 && !in->ended && in->is_pipe) return ERR_OK; /* more may come */
    in->looked = true;
    bool gzip = in->n_head == 2 && in->head[0] == 0x1f && (unsigned char)in->head[1] == 0x8b;
    return gzip ? start_gzip(in) : ERR_OK;
}

enum err import_input_open(struct import_input *in, const char *path)
{
    *in = (struct import_input){.fd = STDIN_FILENO, .path = path};
    if (strcmp(path, "-")) in->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0)
        FAIL(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s cannot be opened: %s", path,
             strerror(errno));
    struct stat st = {0};
    in->is_pipe = fstat(in->fd, &st) == 0 && !S_ISREG(st.st_mode);
    enum err err = S_ISDIR(st.st_mode) ? err_set(ERR_USAGE, "%s is a folder", path) : ERR_OK;
    if (!err && !in->is_pipe) {
        (void)posix_fadvise(in->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        err = look_at_head(in, &(struct import_wait){.never = true});
        in->looked = in->n_head == 2 || in->gz; /* an empty file may grow */
    }
    if (err) import_input_close(in);
    return err;
}

enum err import_input_read(struct import_input *in, const struct import_wait *wait, char *to,
                           size_t n, size_t *got)
{
    *got = 0;
    if (!in->looked) TRY(look_at_head(in, wait));
    if (!in->looked) return ERR_OK;
    if (in->gz) return read_gzip(in, wait, to, n, got);
    size_t head = (size_t)in->n_head;
    memcpy(to, in->head, head);
    in->n_head = 0;
    struct import_wait now = {.never = true};
    TRY(read_raw(in, head ? &now : wait, to + head, n - head, got));
    *got += head;
    return ERR_OK;
}

void import_input_close(struct import_input *in)
{
    if (in->gz) inflateEnd(&in->gz->z);
    free(in->gz);
    if (in->fd > STDIN_FILENO) close(in->fd);
    *in = (struct import_input){.fd = -1};
}
