/* import_input.c - plain bytes go straight to the caller; zlib inflates gzip, member after member. */
#include "capture/import_input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GZIP_BUFFER = 256 << 10 };

static ssize_t read_again(int fd, char *to, size_t n)
{
    ssize_t got;
    do got = read(fd, to, n);
    while (got < 0 && errno == EINTR);
    return got;
}

/* zlib passes bytes through that are not gzip, so a pipe needs no look at its head. */
static enum err open_gzip(struct import_input *in)
{
    int fd = in->fd == STDIN_FILENO ? dup(in->fd) : in->fd;
    in->gz = gzdopen(fd, "rb");
    if (!in->gz) FAIL(ERR_NOMEM, "out of memory for reading gzip");
    gzbuffer(in->gz, GZIP_BUFFER);
    return ERR_OK;
}

static enum err look_at_head(struct import_input *in, const char *path)
{
    while (in->n_head < 2) {
        ssize_t got = read_again(in->fd, in->head + in->n_head, (size_t)(2 - in->n_head));
        if (got < 0) FAIL(ERR_IO, "%s cannot be read: %s", path, strerror(errno));
        if (!got) return ERR_OK;
        in->n_head += (int)got;
    }
    if ((unsigned char)in->head[0] != 0x1f || (unsigned char)in->head[1] != 0x8b) return ERR_OK;
    if (lseek(in->fd, 0, SEEK_SET) < 0)
        FAIL(ERR_IO, "%s cannot be read: %s", path, strerror(errno));
    in->n_head = 0;
    return open_gzip(in);
}

bool import_input_is_gzip(const struct import_input *in)
{
    return in->gz && !gzdirect(in->gz);
}

/* Looks at the first two bytes of a pipe without taking them: is it surely no gzip? zlib would wait for much input
 * at a time, deaf to an interrupt. */
static bool pipe_is_plain(int fd)
{
    int peek[2];
    char head[2] = {0};
    ssize_t n = 1;
    if (pipe2(peek, O_CLOEXEC)) return false;
    for (int tries = 0; n == 1 && tries < 500; tries++) {
        n = tee(fd, peek[1], sizeof head, 0);
        if (n > 0 && read_again(peek[0], head, (size_t)n) != n) n = -1;
        if (n == 1 && (unsigned char)head[0] != 0x1f) break;
        if (n == 1) usleep(1000); /* the second byte is on its way */
    }
    close(peek[0]);
    close(peek[1]);
    return n >= 0 && (unsigned char)head[0] != 0x1f;
}

enum err import_input_open(struct import_input *in, const char *path, bool follow)
{
    *in = (struct import_input){.fd = STDIN_FILENO};
    if (strcmp(path, "-")) in->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0)
        FAIL(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s cannot be opened: %s", path,
             strerror(errno));
    struct stat st;
    in->is_pipe = fstat(in->fd, &st) == 0 && !S_ISREG(st.st_mode);
    if (!in->is_pipe) (void)posix_fadvise(in->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    enum err err = S_ISDIR(st.st_mode) ? err_set(ERR_USAGE, "%s is a folder", path) : ERR_OK;
    if (!err && !in->is_pipe) err = look_at_head(in, path);
    else if (!err && !follow && !pipe_is_plain(in->fd)) err = open_gzip(in);
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

enum err import_input_read(struct import_input *in, char *to, size_t n, bool follow, size_t *got)
{
    *got = 0;
    if (in->gz) return read_gzip(in, to, n, got);
    if (in->n_head && n >= 2) {
        memcpy(to, in->head, (size_t)in->n_head);
        *got = (size_t)in->n_head;
        in->n_head = 0;
    }
    if (follow && in->is_pipe) {
        struct pollfd p = {.fd = in->fd, .events = POLLIN};
        if (poll(&p, 1, 0) == 0) return ERR_OK;
    }
    ssize_t r = read_again(in->fd, to + *got, n - *got);
    if (r < 0)
        FAIL(ERR_IO, "reading failed after %lld bytes: %s", (long long)in->disk, strerror(errno));
    if (r == 0 && in->is_pipe) in->ended = true;
    *got += (size_t)r;
    in->disk += (int64_t)*got;
    return ERR_OK;
}

bool import_input_wait(const struct import_input *in, int ms)
{
    struct pollfd p = {.fd = in->fd, .events = POLLIN};
    return !in->is_pipe || in->gz || poll(&p, 1, ms) != 0;
}

void import_input_close(struct import_input *in)
{
    if (in->gz) gzclose(in->gz);
    else if (in->fd > STDIN_FILENO) close(in->fd);
    *in = (struct import_input){.fd = -1};
}
