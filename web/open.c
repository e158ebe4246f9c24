/* open.c - what the user names becomes a trace that can be opened.
 *
 * Packed traces and imported logs live in the user's cache folder as NAME-<hash of path>-<hash of
 * state>.db, the state being size and time of every file of it: the same log is imported once, a
 * changed one again, and what it was before is removed then. A file gets its name there only when
 * it is complete. The folder is the user's alone (0700).
 */
#include "web/open.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "capture/import.h"
#include "capture/progress.h"
#include "store/base/map.h"

enum { HEAD = 16, PIECE = 256 << 10 };

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
    size_t n = strlen(f->shown);
    while (n > 1 && f->shown[n - 1] == '/') f->shown[--n] = 0;
    const char *slash = strrchr(f->shown, '/');
    f->name = slash && slash[1] ? slash + 1 : f->shown;
    return ERR_OK;
}

/* Opens once with all checks, so that the query threads need not repeat them. */
static enum err check(struct web_file *f)
{
    sqlite3 *db;
    int64_t n = 0;
    TRY(store_open_read(f->path, STORE_OPEN_DEFAULT, &db));
    enum err err = store_int(db, "SELECT count(*) FROM comparison", &n);
    store_close(db);
    TRY(err);
    f->comparison = n > 0;
    f->checked = true;
    if (stat(f->path, &f->seen)) FAIL(ERR_IO, "%s: %s", f->path, strerror(errno));
    return ERR_OK;
}

/* ---- what it is ---- */

enum kind { KIND_TRACE, KIND_PACKED, KIND_LOG };

/* First bytes, inflated when it is gzip (gzread passes other files through). */
static enum err look(const char *path, enum kind *kind)
{
    struct stat st;
    unsigned char raw[2] = {0};
    char head[HEAD + 1] = "";
    if (stat(path, &st))
        FAIL(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s cannot be opened: %s", path,
             strerror(errno));
    *kind = KIND_LOG;
    if (S_ISDIR(st.st_mode)) return ERR_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) FAIL(ERR_IO, "%s cannot be opened: %s", path, strerror(errno));
    bool packed = pread(fd, raw, 2, 0) == 2 && raw[0] == 0x1f && raw[1] == 0x8b;
    gzFile in = gzdopen(fd, "rb");
    if (!in) {
        close(fd);
        FAIL(ERR_NOMEM, "out of memory for %s", path);
    }
    bool sqlite = gzread(in, head, HEAD) == HEAD && !memcmp(head, "SQLite format 3", HEAD);
    gzclose(in);
    if (sqlite) *kind = packed ? KIND_PACKED : KIND_TRACE;
    return ERR_OK;
}

/* ---- the cache folder ---- */

static enum err make_folder(const char *path)
{
    if (mkdir(path, 0700) && errno != EEXIST)
        FAIL(ERR_IO, "the folder %s cannot be made: %s", path, strerror(errno));
    return ERR_OK;
}

static enum err cache_folder(struct buf *out)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (base && *base == '/') buf_puts(out, base);
    else if (home && *home == '/') buf_printf(out, "%s/.cache", home);
    else
        FAIL(ERR_NOT_FOUND,
             "no folder for imported logs: neither XDG_CACHE_HOME nor HOME is set to one");
    TRY(buf_ok(out));
    TRY(make_folder(out->p));
    buf_puts(out, "/plumb");
    TRY(buf_ok(out));
    return make_folder(out->p);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Path, size and time of every file at or below path. */
static enum err describe_state(const char *path, struct buf *out)
{
    char *const roots[] = {(char *)(uintptr_t)path, NULL};
    FTS *walk = fts_open(roots, FTS_COMFOLLOW | FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    if (!walk) FAIL(ERR_IO, "%s cannot be searched: %s", path, strerror(errno));
    buf_puts(out, PLUMB_VERSION);
    for (FTSENT *e; (e = fts_read(walk));)
        if (e->fts_info == FTS_F)
            buf_printf(out, "\n%s %lld %lld.%09ld", e->fts_path, (long long)e->fts_statp->st_size,
                       (long long)e->fts_statp->st_mtim.tv_sec, e->fts_statp->st_mtim.tv_nsec);
    fts_close(walk);
    return buf_ok(out);
}

/* FNV-1a: stable between runs, unlike the seeded hash of store/base/map.h. */
static uint64_t stable_hash(struct span s)
{
    uint64_t h = 14695981039346656037ULL;
    for (size_t i = 0; i < s.n; i++) h = (h ^ (unsigned char)s.p[i]) * 1099511628211ULL;
    return h;
}

struct cached {
    struct buf folder, stem,
        path; /* .../plumb, NAME-<hash of path>, .../plumb/NAME-<hash>-<hash>.db */
};

static void cached_release(struct cached *c)
{
    buf_release(&c->folder);
    buf_release(&c->stem);
    buf_release(&c->path);
}

static enum err cached_name(const struct web_file *f, struct cached *c)
{
    struct buf state = {0};
    char *real = realpath(f->path, NULL);
    enum err err =
        real ? cache_folder(&c->folder) : err_set(ERR_IO, "%s: %s", f->path, strerror(errno));
    if (!err) err = describe_state(real, &state);
    if (!err) {
        for (const char *p = f->name; *p && c->stem.n < 40; p++)
            buf_putc(&c->stem, strchr("/*?[]\\ ", *p) || (unsigned char)*p < 0x20 ? '_' : *p);
        buf_printf(&c->stem, "-%08llx",
                   (unsigned long long)stable_hash(span_of(real)) & 0xffffffff);
        buf_printf(&c->path, "%s/%s-%016llx.db", c->folder.p, c->stem.p,
                   (unsigned long long)stable_hash(buf_text(&state)));
        err = buf_ok(&c->stem) ? buf_ok(&c->stem) : buf_ok(&c->path);
    }
    buf_release(&state);
    free(real);
    return err;
}

/* What the same path was before. */
static void remove_older(const struct cached *c)
{
    struct buf pattern = {0};
    glob_t found;
    buf_printf(&pattern, "%s/%s-*.db", c->folder.p, c->stem.p);
    if (!buf_ok(&pattern) && !glob(pattern.p, 0, NULL, &found)) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            if (strcmp(found.gl_pathv[i], c->path.p)) unlink(found.gl_pathv[i]);
        globfree(&found);
    }
    err_clear();
    buf_release(&pattern);
}

/* ---- making it ---- */

static enum err inflate_file(const char *from, const char *to)
{
    gzFile in = gzopen(from, "rb");
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), n = 0, code = Z_OK;
    char *piece = malloc(PIECE);
    enum err err = in && fd >= 0 && piece ? ERR_OK
                                          : err_set(ERR_IO, "%s cannot be inflated to %s: %s", from,
                                                    to, strerror(errno));
    while (!err && (n = gzread(in, piece, PIECE)) > 0)
        if (write(fd, piece, (size_t)n) != n)
            err = err_set(errno == ENOSPC ? ERR_FULL : ERR_IO, "inflating %s to %s: %s", from, to,
                          strerror(errno));
    if (!err && (n < 0 || (gzerror(in, &code), code == Z_BUF_ERROR)))
        err = err_set(ERR_FORMAT, "%s is a damaged or truncated gzip file", from);
    if (in) gzclose(in);
    if (fd >= 0) close(fd);
    free(piece);
    return err;
}

static void on_progress(void *context, const struct import_progress *now)
{
    progress_show(context, now->done, now->total, now->text);
}

static enum err import(const char *from, const char *to)
{
    char *const paths[] = {(char *)(uintptr_t)from};
    struct progress bar;
    struct import_counts counts;
    progress_init(&bar);
    struct import_request request = {
        .paths = paths, .n_paths = 1, .progress = on_progress, .context = &bar};
    struct import_target target = {.path = to, .overwrite = true, .command = "plumb serve"};
    enum err err = import_to_file(&target, &request, &counts);
    progress_clear(&bar);
    return err;
}

static enum err make_cached(struct web_file *f, enum kind kind, const struct cached *c)
{
    struct buf part = {0};
    buf_printf(&part, "%s.part-%d", c->path.p, (int)getpid());
    TRY(buf_ok(&part));
    enum err err = kind == KIND_PACKED ? inflate_file(f->path, part.p) : import(f->path, part.p);
    if (!err && rename(part.p, c->path.p))
        err = err_set(ERR_IO, "%s cannot be renamed to %s: %s", part.p, c->path.p, strerror(errno));
    if (err) unlink(part.p);
    buf_release(&part);
    if (!err) remove_older(c);
    return err;
}

static enum err through_cache(struct web_file *f, enum kind kind)
{
    struct cached c = {{0}, {0}, {0}};
    enum err err = cached_name(f, &c);
    if (!err && access(c.path.p, R_OK)) err = make_cached(f, kind, &c);
    if (!err) {
        free(f->path);
        f->path = strdup(c.path.p);
        if (!f->path) err = err_set(ERR_NOMEM, "out of memory for a file name");
    }
    cached_release(&c);
    return err;
}

enum err web_file_open(const char *path, struct web_file *out)
{
    enum kind kind = KIND_TRACE;
    TRY(set_names(out, path, path));
    TRY(look(out->path, &kind));
    if (kind != KIND_TRACE) TRY(through_cache(out, kind));
    return check(out);
}
