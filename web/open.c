/* open.c - what the user names becomes a trace that can be opened.
 *
 * Packed traces and imported logs live in the user's cache folder, named by a hash of path, size and time of what they
 * were made of: the same log is imported once, a changed one again. A file there appears only when it is complete.
 */
#include "web/open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void web_file_close(struct web_file *f)
{
    free(f->path);
    free(f->shown);
    *f = (struct web_file){0};
}

static enum err set_names(struct web_file *f, const char *path, const char *shown)
{
    f->path = strdup(path);
    f->shown = strdup(shown);
    if (!f->path || !f->shown) FAIL(ERR_NOMEM, "out of memory for a file name");
    const char *slash = strrchr(f->shown, '/');
    f->name = slash && slash[1] ? slash + 1 : f->shown;
    return ERR_OK;
}

/* Opens once with all checks, so that the query threads need not repeat them. */
static enum err check(struct web_file *f)
{
    sqlite3 *db;
    TRY(store_open_read(f->path, STORE_OPEN_DEFAULT, &db));
    store_close(db);
    f->checked = true;
    if (stat(f->path, &f->seen)) FAIL(ERR_IO, "%s: %s", f->path, strerror(errno));
    return ERR_OK;
}

enum err web_file_open(const char *path, struct web_file *out)
{
    TRY(set_names(out, path, path));
    return check(out);
}
