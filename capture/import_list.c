/* import_list.c - finds logs.
 *
 * In a folder a log is a file named dedicated_log_torch_trace*.log, or another *.log or *.txt (each
 * also as .gz) whose beginning has a record, or a *.json, *.log or *.txt that is a log of calls
 * (not
 * while following). Everything else in there is ignored. A path given by
 * itself is taken as it is.
 */
#include "capture/import_list.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <zlib.h>

#include "capture/import_debug.h"
#include "capture/torch_lines.h"
#include "store/base/clock.h"

#define DEDICATED "dedicated_log_torch_trace"

int64_t import_rank_of_name(const char *name)
{
    const char *head = DEDICATED "_rank_";
    if (strncmp(name, head, strlen(head))) return STORE_NULL;
    const char *p = name + strlen(head);
    size_t n = strspn(p, "0123456789");
    int64_t rank;
    if (p[n] != '_' && p[n] != '.') return STORE_NULL;
    return span_to_i64((struct span){p, n}, &rank) ? rank : STORE_NULL;
}

static bool is_dedicated(const char *name)
{
    return !strncmp(name, DEDICATED, strlen(DEDICATED));
}

/* ---- which files ---- */

static bool has_record(const char *path)
{
    enum { HEAD = 65536 };
    char *head = malloc(HEAD);
    gzFile in = head ? gzopen(path, "rb") : NULL;
    int n = in ? gzread(in, head, HEAD) : 0;
    if (in) gzclose(in);
    struct span rest = {head, n > 0 ? (size_t)n : 0}, line;
    struct torch_prefix prefix;
    bool found = false;
    while (!found && span_next_line(&rest, &line))
        found = torch_prefix_read(line, &prefix) && prefix.json.p[0] == '{';
    free(head);
    return found;
}

static bool looks_like_log(const char *path, const char *name, bool following)
{
    struct span s = span_of(name);
    if (span_ends(s, ".gz")) s.n -= 3;
    if (span_ends(s, ".json")) return !following && import_is_calls(path);
    if (!span_ends(s, ".log") && !span_ends(s, ".txt")) return false;
    return is_dedicated(name) || has_record(path) || (!following && import_is_calls(path));
}

static bool is_known(const struct import_list *list, const struct stat *st)
{
    for (size_t i = 0; i < list->logs.n; i++)
        if (list->logs.p[i].inode == st->st_ino && list->logs.p[i].device == st->st_dev)
            return true;
    return false;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static enum err add_log(struct import_list *list, const char *path, const struct stat *st,
                        bool alone)
{
    char *own = strdup(path);
    struct import_log *log = own ? LIST_PUSH(&list->logs) : NULL;
    if (!log) {
        free(own);
        FAIL(ERR_NOMEM, "out of memory for a list of logs");
    }
    *log = (struct import_log){
        .path = own, .name = base_name(own), .run = -1, .device = st->st_dev, .inode = st->st_ino};
    log->size = S_ISREG(st->st_mode) ? st->st_size : 0;
    log->mtime = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    log->rank = import_rank_of_name(log->name);
    log->alone = alone && !is_dedicated(log->name);
    return ERR_OK;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static enum err add_folder(struct import_list *list, const char *path, bool following)
{
    char *roots[] = {(char *)path, NULL};
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    if (!tree) FAIL(ERR_IO, "the folder %s cannot be read: %s", path, strerror(errno));
    enum err err = ERR_OK;
    for (FTSENT *e; !err && (e = fts_read(tree));) {
        if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR)
            err = err_set(ERR_IO, "%s cannot be read: %s", e->fts_path, strerror(e->fts_errno));
        if (e->fts_info != FTS_F || is_known(list, e->fts_statp)) continue;
        if (looks_like_log(e->fts_accpath, e->fts_name, following))
            err = add_log(list, e->fts_path, e->fts_statp, false);
    }
    fts_close(tree);
    return err;
}

enum err import_list_add(struct import_list *list, const char *path, bool required)
{
    struct stat st;
    size_t before = list->logs.n;
    if (!strcmp(path, "-")) {
        st = (struct stat){.st_mode = S_IFIFO, .st_ino = 0};
        clock_gettime(CLOCK_REALTIME, &st.st_mtim);
        return is_known(list, &st) ? ERR_OK : add_log(list, path, &st, true);
    }
    if (stat(path, &st)) {
        if (!required && errno == ENOENT) return ERR_OK;
        FAIL(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s cannot be opened: %s", path,
             strerror(errno));
    }
    if (!S_ISDIR(st.st_mode)) return is_known(list, &st) ? ERR_OK : add_log(list, path, &st, true);
    size_t n = strlen(path);
    char *plain = strdup(path);
    if (!plain) FAIL(ERR_NOMEM, "out of memory for a path");
    while (n > 1 && plain[n - 1] == '/') plain[--n] = 0;
    enum err err = add_folder(list, plain, !required);
    free(plain);
    if (err || !required || list->logs.n > before) return err;
    FAIL(ERR_NOT_FOUND,
         "the folder %s holds no TORCH_TRACE log: expected files named " DEDICATED
         "_*.log, or other *.log, *.txt, *.gz "
         "with such records",
         path);
}

void import_list_latest(struct import_list *list)
{
    size_t newest = 0;
    for (size_t i = 1; i < list->logs.n; i++)
        if (list->logs.p[i].mtime > list->logs.p[newest].mtime) newest = i;
    for (size_t i = 0; i < list->logs.n; i++)
        if (i != newest) free(list->logs.p[i].path);
    if (!list->logs.n) return;
    list->logs.p[0] = list->logs.p[newest];
    list->logs.n = 1;
}

/* ---- runs ---- */

/* Folder of a path, malloc'd: "." when it has none. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static bool shares_folder(const struct import_list *list, const struct import_log *log)
{
    size_t n = (size_t)(log->name - log->path);
    for (size_t i = 0; i < list->logs.n; i++) {
        const struct import_log *other = &list->logs.p[i];
        if (other != log && (size_t)(other->name - other->path) == n &&
            !strncmp(other->path, log->path, n))
            return true;
    }
    return false;
}

static enum err new_run(struct import_list *list, struct store_writer *w, struct import_log *log,
                        char *folder_take)
{
    struct import_run *entry = LIST_PUSH(&list->runs);
    if (!entry) goto nomem;
    *entry = (struct import_run){.folder = folder_take,
                                 .run = list->given,
                                 .owned = !list->given,
                                 .named = list->given != NULL};
    if (log->alone && shares_folder(list, log)) entry->log = log->name;
    log->run = (int)list->runs.n - 1;
    if (list->given) return ERR_OK;
    entry->run = calloc(1, sizeof *entry->run);
    if (!entry->run) FAIL(ERR_NOMEM, "out of memory for a run");
    torch_run_init(entry->run, w);
    return ERR_OK;
nomem:
    free(folder_take);
    FAIL(ERR_NOMEM, "out of memory for runs");
}

static enum err find_run(struct import_list *list, struct store_writer *w, struct import_log *log)
{
    char *folder = strcmp(log->path, "-") ? folder_of(log->path) : strdup("standard input");
    if (!folder) FAIL(ERR_NOMEM, "out of memory for a path");
    bool own_run = log->alone && shares_folder(list, log);
    for (size_t i = 0; i < list->runs.n && !own_run; i++) {
        if (list->runs.p[i].log || (!list->given && strcmp(list->runs.p[i].folder, folder)))
            continue;
        log->run = (int)i;
        free(folder);
        return ERR_OK;
    }
    return new_run(list, w, log, folder);
}

/* The last n components of a path; all of it when it has fewer. */
static const char *last_components(const char *path, int n)
{
    const char *p = path + strlen(path);
    while (p > path) {
        if (p[-1] == '/' && --n == 0) return p;
        p--;
    }
    return path;
}

static bool name_is_taken(const struct import_list *list, struct span name)
{
    for (size_t i = 0; i < list->runs.n; i++)
        if (list->runs.p[i].named && span_eq(list->runs.p[i].run->row.name, name)) return true;
    return false;
}

/* The folder's name; more of its path, then a number, when another run has that name. */
static enum err name_run(struct import_list *list, struct import_run *entry)
{
    char *real = strcmp(entry->folder, "standard input") ? realpath(entry->folder, NULL) : NULL;
    const char *path = real ? real : entry->folder;
    struct buf name = {0};
    for (int n = 1;; n++) {
        const char *tail = last_components(path, n);
        buf_clear(&name);
        if (entry->log && n == 1) buf_utf8(&name, span_of(entry->log));
        else buf_utf8(&name, span_of(tail));
        if (entry->log && n > 1) buf_printf(&name, "/%s", entry->log);
        if (tail == path && n > 1 && name_is_taken(list, buf_text(&name)))
            buf_printf(&name, " (%d)", n);
        if (name.failed || !name_is_taken(list, buf_text(&name))) break;
    }
    entry->run->row.name = arena_copy(&entry->run->keep, buf_text(&name));
    entry->run->dirty = entry->named = true;
    enum err err = buf_ok(&name);
    buf_release(&name);
    free(real);
    return err;
}

static void find_common(struct import_list *list)
{
    const struct import_log *first = &list->logs.p[0];
    list->common = (size_t)(first->name - first->path);
    for (size_t i = 1; i < list->logs.n; i++) {
        const char *path = list->logs.p[i].path;
        size_t n = 0, slash = 0;
        for (; n < list->common && path[n] == first->path[n]; n++)
            if (path[n] == '/') slash = n + 1;
        list->common = n < list->common ? slash : list->common;
    }
}

enum err import_list_runs(struct import_list *list, struct store_writer *w)
{
    if (!list->logs.n) return ERR_OK;
    find_common(list);
    for (size_t i = 0; i < list->logs.n; i++)
        if (list->logs.p[i].run < 0) TRY(find_run(list, w, &list->logs.p[i]));
    for (size_t i = 0; i < list->runs.n; i++)
        if (!list->runs.p[i].named) TRY(name_run(list, &list->runs.p[i]));
    return ERR_OK;
}

void import_list_release(struct import_list *list)
{
    for (size_t i = 0; i < list->logs.n; i++) free(list->logs.p[i].path);
    for (size_t i = 0; i < list->runs.n; i++) {
        free(list->runs.p[i].folder);
        if (!list->runs.p[i].owned || !list->runs.p[i].run) continue;
        torch_run_release(list->runs.p[i].run);
        free(list->runs.p[i].run);
    }
    LIST_RELEASE(&list->logs);
    LIST_RELEASE(&list->runs);
}
