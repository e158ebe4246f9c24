/* exp_file.c - files of an export: made below one folder, whatever names a trace contains. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/export.h"

enum { NAME_SIZE_MAX = 200 };

void export_put_component(struct buf *out, struct span part)
{
    part = span_to(part, NAME_SIZE_MAX);
    for (size_t i = 0; i < part.n; i++) {
        unsigned char c = (unsigned char)part.p[i];
        bool plain = c >= 0x20 && c != 0x7f && c != '/' && c != '\\' && !(i == 0 && c == '.');
        buf_putc(out, plain ? (char)c : '_');
    }
    if (!part.n) buf_putc(out, '_');
}

/* The folder `part` in the folder `at_take`, made if needed; -1 when it cannot be or is a link. */
static int enter_folder(int at_take, const char *part)
{
    bool there = !mkdirat(at_take, part, 0777) || errno == EEXIST;
    int next = there ? openat(at_take, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    int why = errno;
    close(at_take);
    errno = why;
    return next;
}

/* Opens the folder that a relative path names below `root`, making it; *name is the last
 * component. */
static enum err open_folder(int root, char *path, int *out, char **name)
{
    int at = fcntl(root, F_DUPFD_CLOEXEC, 0);
    char *part = path;
    for (char *slash; at >= 0 && (slash = strchr(part, '/')); part = slash + 1) {
        *slash = 0;
        at = enter_folder(at, part);
        if (at < 0)
            FAIL(ERR_IO, "the folder %s cannot be made or is a link: %s", part, strerror(errno));
    }
    if (at < 0) FAIL(ERR_IO, "no folder can be opened: %s", strerror(errno));
    *out = at;
    *name = part;
    return ERR_OK;
}

static enum err open_file(int folder, const char *name, bool overwrite, int *out)
{
    int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | (overwrite ? O_TRUNC : O_EXCL);
    *out = openat(folder, name, flags, 0666);
    if (*out >= 0) return ERR_OK;
    if (errno == EEXIST) FAIL(ERR_EXISTS, "%s exists; --overwrite replaces it", name);
    FAIL(errno == ENOSPC ? ERR_FULL : ERR_IO, "%s cannot be written: %s", name, strerror(errno));
}

enum err export_write(int fd, struct span bytes)
{
    while (bytes.n) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            FAIL(errno == ENOSPC ? ERR_FULL : ERR_IO, "a file cannot be written: %s",
                 strerror(errno));
        bytes = span_from(bytes, (size_t)n);
    }
    return ERR_OK;
}

enum err export_open_file(int root, char *path, bool overwrite, int *out)
{
    int folder = -1;
    char *name = path;
    TRY(open_folder(root, path, &folder, &name));
    enum err err = open_file(folder, name, overwrite, out);
    close(folder);
    return err;
}

enum err export_open_root(const char *folder, int *out)
{
    if (mkdir(folder, 0777) && errno != EEXIST)
        FAIL(ERR_IO, "the folder %s cannot be made: %s", folder, strerror(errno));
    *out = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out < 0) FAIL(ERR_IO, "%s is no folder that can be opened: %s", folder, strerror(errno));
    return ERR_OK;
}
