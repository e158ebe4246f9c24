/* import_input.c - plain bytes go straight to the caller; zlib inflates gzip, member after member.
 *
 * A pipe is waited for in short steps, so that *stop ends an import whose other end says nothing, and its
 * gzip is inflated as it comes: gzread would wait until its buffer is full. */
#include "capture/import_input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GZIP_BUFFER = 256 << 10, PIPE_BUFFER = 64 << 10, WAIT_MS = 50 };

struct import_inflater {
    z_stream z;
    bool between; /* at the border of two members, or at the end */
    unsigned char bytes[PIPE_BUFFER];
};

static ssize_t read_again(int fd, char *to, size_t n)
{
    ssize_t got;
    do got = read(fd, to, n);
    while (got < 0 && errno == EINTR);
    return got;
}

static enum err open_gzip(struct import_input *in)
{
    in->gz = gzdopen(in->fd, "rb");
    if (!in->gz) FAIL(ERR_NOMEM, "out of memory for reading gzip");
    gzbuffer(in->gz, GZIP_BUFFER);
    return ERR_OK;
}

static enum err open_inflater(struct import_input *in)
{
    in->inflater = calloc(1, sizeof *in->inflater);
    if (!in->inflater || inflateInit2(&in->inflater->z, 15 + 16) != Z_OK)
        FAIL(ERR_NOMEM, "out of memory for reading gzip");
    memcpy(in->inflater->bytes, in->head, 2);
    in->inflater->z.next_in = in->inflater->bytes;
    in->inflater->z.avail_in = 2;
    in->n_head = 0;
    return ERR_OK;
}

/* False when *stop was set before something came. */
static bool wait_for_pipe(struct import_input *in)
{
    struct pollfd p = {.fd = in->fd, .events = POLLIN};
    while (!in->stop || !atomic_load(in->stop))
        if (poll(&p, 1, WAIT_MS) > 0) return true;
    return false;
}

static enum err look_at_head(struct import_input *in, const char *path)
{
    while (in->n_head < 2) {
        if (in->is_pipe && !wait_for_pipe(in)) return ERR_OK;
        ssize_t got = read_again(in->fd, in->head + in->n_head, (size_t)(2 - in->n_head));
        if (got < 0) FAIL(ERR_IO, "%s cannot be read: %s", path, strerror(errno));
        if (!got) return ERR_OK;
        in->n_head += (int)got;
    }
    if ((unsigned char)in->head[0] != 0x1f || (unsigned char)in->head[1] != 0x8b) return ERR_OK;
    if (in->is_pipe) return open_inflater(in);
    if (lseek(in->fd, 0, SEEK_SET) < 0)
        FAIL(ERR_IO, "%s cannot be read: %s", path, strerror(errno));
    in->n_head = 0;
    return open_gzip(in);
}

bool import_input_is_gzip(const struct import_input *in)
{
    return in->inflater || (in->gz && !gzdirect(in->gz));
}

enum err import_input_open(struct import_input *in, const char *path, bool follow, atomic_bool *stop)
{
    *in = (struct import_input){.fd = STDIN_FILENO, .stop = stop};
    if (strcmp(path, "-")) in->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0)
        FAIL(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s cannot be opened: %s", path,
             strerror(errno));
    struct stat st;
    in->is_pipe = fstat(in->fd, &st) == 0 && !S_ISREG(st.st_mode);
    if (!in->is_pipe) (void)posix_fadvise(in->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    enum err err = S_ISDIR(st.st_mode) ? err_set(ERR_USAGE, "%s is a folder", path) : ERR_OK;
    if (!err && !(follow && in->is_pipe)) err = look_at_head(in, path);
    if (err) import_input_close(in);
    return err;
}

static enum err read_gzip(struct import_input *in, char *to, size_t n, size_t *got)
{
    int r = gzread(in->gz, to, n > INT32_MAX ? INT32_MAX : (unsigned)n);
    int code = Z_OK;
    in->disk = gzoffset(in->gz);
    *got = r > 0 ? (size_t)r : 0;
    in->ended = r <= 0;
    if (r > 0) return ERR_OK;
    const char *why = gzerror(in->gz, &code);
    if (r < 0) FAIL(ERR_FORMAT, "the gzip data is damaged: %s", why);
    if (code == Z_BUF_ERROR) FAIL(ERR_FORMAT, "the gzip data ends too early");
    return ERR_OK;
}

/* One step of inflating a pipe: *got may stay 0 while there is more to come. */
static enum err inflate_some(struct import_input *in, char *to, size_t n, size_t *got)
{
    struct import_inflater *f = in->inflater;
    if (!f->z.avail_in && wait_for_pipe(in)) {
        ssize_t r = read_again(in->fd, (char *)f->bytes, sizeof f->bytes);
        if (r < 0) FAIL(ERR_IO, "reading failed after %lld bytes: %s", (long long)in->disk, strerror(errno));
        f->z.next_in = f->bytes;
        f->z.avail_in = (unsigned)r;
        in->disk += r;
        if (r == 0) in->ended = true;
        if (r == 0 && !f->between) FAIL(ERR_FORMAT, "the gzip data ends too early");
    }
    if (!f->z.avail_in) return ERR_OK;
    if (f->between) inflateReset(&f->z);
    f->z.next_out = (unsigned char *)to;
    f->z.avail_out = n > INT32_MAX ? INT32_MAX : (unsigned)n;
    int rc = inflate(&f->z, Z_NO_FLUSH);
    *got = (size_t)((char *)f->z.next_out - to);
    f->between = rc == Z_STREAM_END;
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        FAIL(ERR_FORMAT, "the gzip data is damaged: %s", f->z.msg ? f->z.msg : "unknown");
    return ERR_OK;
}

static enum err read_inflated(struct import_input *in, char *to, size_t n, size_t *got)
{
    while (!*got && !in->ended && !(in->stop && atomic_load(in->stop))) TRY(inflate_some(in, to, n, got));
    return ERR_OK;
}

enum err import_input_read(struct import_input *in, char *to, size_t n, bool follow, size_t *got)
{
    *got = 0;
    if (in->gz) return read_gzip(in, to, n, got);
    if (in->inflater) return read_inflated(in, to, n, got);
    if (in->n_head && n >= 2) {
        memcpy(to, in->head, (size_t)in->n_head);
        *got = (size_t)in->n_head;
        in->n_head = 0;
    }
    if (follow && in->is_pipe) {
        struct pollfd p = {.fd = in->fd, .events = POLLIN};
        if (poll(&p, 1, 0) == 0) return ERR_OK;
    }
    if (!follow && in->is_pipe && (*got || !wait_for_pipe(in))) return ERR_OK;
    ssize_t r = read_again(in->fd, to + *got, n - *got);
    if (r < 0)
        FAIL(ERR_IO, "reading failed after %lld bytes: %s", (long long)in->disk, strerror(errno));
    if (r == 0 && in->is_pipe) in->ended = true;
    *got += (size_t)r;
    in->disk += (int64_t)*got;
    return ERR_OK;
}

void import_input_close(struct import_input *in)
{
    if (in->inflater) inflateEnd(&in->inflater->z);
    free(in->inflater);
    if (in->gz) gzclose(in->gz);
    else if (in->fd > STDIN_FILENO) close(in->fd);
    *in = (struct import_input){.fd = -1};
}
