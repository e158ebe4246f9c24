/* pack.c - copies, compresses, and cuts more until it fits.
 *
 * How much an artifact adds to the gzip is not known before it is gone; what it adds is
 * estimated by how well its stream compressed, and a few rounds correct the estimate. The work
 * is done in a folder beside the output, which is renamed at the end or removed.
 */
#include "store/pack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "store/base/lists.h"
#include "store/db.h"
#include "store/pack_copy.h"
#include "store/pack_note.h"

enum { LARGE = 32 << 10, ROUNDS = 12 };

struct item {
    int64_t id, stored;
};
struct packing {
    const struct pack_options *options;
    struct pack_report *report;
    sqlite3 *db;
    struct pack_plan plan;
    struct pack_copied copied;
    LIST_OF(struct item) artifacts; /* largest first */
    double ratio;                   /* compressed bytes per byte of text */
    char folder[4096], work[4200], gzip[4200];
};

/* ---- one attempt ---- */

static enum err compress_file(const char *from, const char *to, int64_t *size)
{
    FILE *in = fopen(from, "rb");
    gzFile out = gzopen(to, "wb6");
    char *piece = malloc(1 << 18);
    enum err err = ERR_OK;
    if (!in || !out || !piece)
        err = err_set(ERR_IO, "%s cannot be written: %s", to, strerror(errno));
    size_t n;
    while (!err && (n = fread(piece, 1, 1 << 18, in)) > 0)
        if (gzwrite(out, piece, (unsigned)n) != (int)n)
            err = err_set(ERR_IO, "%s cannot be written: %s", to, strerror(errno));
    if (!err && ferror(in)) err = err_set(ERR_IO, "%s cannot be read", from);
    if (out && gzclose(out) != Z_OK && !err)
        err = err_set(errno == ENOSPC ? ERR_FULL : ERR_IO, "%s cannot be written: %s", to,
                      strerror(errno));
    if (in) fclose(in);
    free(piece);
    struct stat st;
    if (!err && stat(to, &st)) err = err_set(ERR_IO, "%s: %s", to, strerror(errno));
    if (!err) *size = st.st_size;
    return err;
}

static enum err note_cut(sqlite3 *db, const char *key, int64_t n, int64_t bytes)
{
    char text[80];
    if (!n && !bytes) return ERR_OK;
    snprintf(text, sizeof text, "%lld, %lld bytes of text", (long long)n, (long long)bytes);
    return store_meta_put(db, key, text);
}

/* Says in the packed file what it lacks. */
static enum err note_cuts(const struct packing *p)
{
    sqlite3 *db;
    const struct pack_report *r = p->report;
    TRY(store_open_read(p->work, STORE_OPEN_WRITE | STORE_OPEN_UNCHECKED | STORE_OPEN_NO_VIEWS,
                        &db));
    enum err err =
        store_meta_put(db, "cut.derived", "indices and views, made again when it is opened");
    if (!err) err = note_cut(db, "cut.unknown_payloads", r->n_unknown, r->unknown_bytes);
    if (!err) err = note_cut(db, "cut.artifacts", r->n_artifacts, r->artifact_bytes);
    if (!err) err = note_cut(db, "cut.events", r->n_events, r->event_bytes);
    if (!err && p->options->redact) err = store_meta_put(db, "redacted", "1");
    store_close(db);
    return err;
}

static enum err attempt(struct packing *p)
{
    unlink(p->work);
    TRY(pack_copy(p->db, p->work, &p->plan, &p->copied));
    p->report->n_events = p->copied.n_events;
    p->report->event_bytes = p->copied.event_bytes;
    TRY(note_cuts(p));
    return compress_file(p->work, p->gzip, &p->report->size);
}

static bool fits(const struct packing *p)
{
    return p->report->size <= p->options->limit;
}

/* ---- what to cut ---- */

static enum err cut(struct packing *p, int64_t id)
{
    if (!map_put(&p->plan.cut, map_key_int(id, 0), 1, NULL))
        FAIL(ERR_NOMEM, "out of memory for what to cut");
    return ERR_OK;
}

static enum err read_artifacts(struct packing *p)
{
    sqlite3_stmt *s;
    int64_t packed = 0, text = 0;
    TRY(store_int(p->db, "SELECT coalesce(sum(packed), 0) FROM text_frame", &packed));
    TRY(store_int(p->db, "SELECT coalesce(sum(size), 0) FROM text_frame", &text));
    p->ratio = text > 0 ? (double)packed / (double)text : 1;
    TRY(store_prepare(
        p->db, "SELECT id, stored FROM artifact WHERE stored > 0 ORDER BY stored DESC, id", &s));
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct item *item = LIST_PUSH(&p->artifacts);
        if (!item) break;
        *item = (struct item){sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1)};
    }
    sqlite3_finalize(s);
    if (rc == SQLITE_ROW) FAIL(ERR_NOMEM, "out of memory for the list of artifacts");
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(p->db, rc, "reading artifacts");
}

static enum err cut_unknown(struct packing *p)
{
    sqlite3_stmt *s;
    TRY(store_prepare(
        p->db,
        "SELECT DISTINCT a.id, a.stored FROM unknown_record u JOIN artifact a ON a.id = u.artifact "
        "WHERE a.stored > 0",
        &s));
    enum err err = ERR_OK;
    while (!err && sqlite3_step(s) == SQLITE_ROW) {
        err = cut(p, sqlite3_column_int64(s, 0));
        p->report->n_unknown++;
        p->report->unknown_bytes += sqlite3_column_int64(s, 1);
    }
    sqlite3_finalize(s);
    if (err || !p->report->n_unknown) return err;
    return attempt(p);
}

/* Cuts the largest artifacts of at least `floor` bytes until it fits or none is left. */
static enum err cut_artifacts(struct packing *p, int64_t floor)
{
    size_t next = 0;
    double margin = 1.1;
    for (int round = 0; !fits(p) && round < ROUNDS; round++) {
        double excess = (double)(p->report->size - p->options->limit) * margin + 64, freed = 0;
        size_t before = p->plan.cut.n;
        for (; next < p->artifacts.n && freed < excess && p->artifacts.p[next].stored >= floor;
             next++) {
            struct item *item = &p->artifacts.p[next];
            if (map_get(&p->plan.cut, map_key_int(item->id, 0))) continue;
            TRY(cut(p, item->id));
            p->report->n_artifacts++;
            p->report->artifact_bytes += item->stored;
            freed += (double)item->stored * p->ratio;
        }
        if (p->plan.cut.n == before) break;
        TRY(attempt(p));
        margin *= 1.5;
    }
    return ERR_OK;
}

static enum err cut_events(struct packing *p)
{
    int64_t n = 0;
    TRY(store_int(p->db, "SELECT count(*) FROM event", &n));
    if (!n) return ERR_OK;
    p->plan.cut_events = true;
    return attempt(p);
}

static enum err make_it_fit(struct packing *p)
{
    TRY(attempt(p));
    if (!fits(p)) TRY(cut_unknown(p));
    if (!fits(p)) TRY(read_artifacts(p));
    if (!fits(p)) TRY(cut_artifacts(p, LARGE));
    if (!fits(p)) TRY(cut_events(p));
    if (!fits(p)) TRY(cut_artifacts(p, 1));
    if (!fits(p))
        FAIL(ERR_LIMIT,
             "the trace cannot be packed into %lld bytes: without events and artifacts it still "
             "has %lld",
             (long long)p->options->limit, (long long)p->report->size);
    return ERR_OK;
}

/* ---- files ---- */

static enum err name_summary(const char *out_path, char *to, size_t size)
{
    size_t n = strlen(out_path);
    if (n < 4 || strcmp(out_path + n - 3, ".gz"))
        FAIL(ERR_USAGE, "%s: the name of a packed trace ends in .db.gz", out_path);
    n -= 3;
    if (n > 3 && !strncmp(out_path + n - 3, ".db", 3)) n -= 3;
    if (n + 4 > size) FAIL(ERR_USAGE, "the name %s is too long", out_path);
    snprintf(to, size, "%.*s.md", (int)n, out_path);
    return ERR_OK;
}

static enum err check_outputs(const char *out_path, const struct packing *p)
{
    const char *paths[] = {out_path, p->report->summary_path};
    for (int i = 0; i < 2 && !p->options->overwrite; i++)
        if (!access(paths[i], F_OK))
            FAIL(ERR_EXISTS, "%s exists; --overwrite replaces it", paths[i]);
    return ERR_OK;
}

static enum err make_folder(struct packing *p, const char *out_path)
{
    if (snprintf(p->folder, sizeof p->folder, "%s.XXXXXX", out_path) >= (int)sizeof p->folder)
        FAIL(ERR_USAGE, "the name %s is too long", out_path);
    if (!mkdtemp(p->folder))
        FAIL(ERR_IO, "a folder for the work cannot be made beside %s: %s", out_path,
             strerror(errno));
    snprintf(p->work, sizeof p->work, "%s/trace.db", p->folder);
    snprintf(p->gzip, sizeof p->gzip, "%s/trace.db.gz", p->folder);
    return ERR_OK;
}

static void remove_folder(struct packing *p)
{
    if (!p->folder[0]) return;
    unlink(p->work);
    unlink(p->gzip);
    char other[4300];
    snprintf(other, sizeof other, "%s-wal", p->work);
    unlink(other);
    snprintf(other, sizeof other, "%s-shm", p->work);
    unlink(other);
    rmdir(p->folder);
}

static enum err write_summary(const struct packing *p, const char *out_path)
{
    sqlite3 *db;
    struct buf text = {0};
    const char *slash = strrchr(out_path, '/');
    TRY(store_open_read(p->work, STORE_OPEN_UNCHECKED | STORE_OPEN_NO_VIEWS, &db));
    enum err err = pack_note(db, slash ? slash + 1 : out_path, p->report->size, &text);
    store_close(db);
    FILE *f = err ? NULL : fopen(p->report->summary_path, "w");
    bool ok = f && fwrite(text.p, 1, text.n, f) == text.n;
    if (f && fclose(f)) ok = false;
    if (!err && !ok)
        err = err_set(ERR_IO, "%s cannot be written: %s", p->report->summary_path, strerror(errno));
    buf_release(&text);
    return err;
}

enum err pack_file(const char *path, const char *out_path, const struct pack_options *options,
                   struct pack_report *report)
{
    struct packing p = {.options = options, .report = report, .plan = {.stop = options->stop}};
    *report = (struct pack_report){0};
    enum err err;
    TRY(name_summary(out_path, report->summary_path, sizeof report->summary_path));
    TRY(check_outputs(out_path, &p));
    TRY(store_open_read(path, STORE_OPEN_NO_VIEWS, &p.db));
    TRY_OUT(store_exec(p.db, "BEGIN")); /* a file that still grows is packed as it is now */
    TRY_OUT(make_folder(&p, out_path));
    if (options->redact) TRY_OUT(redactor_new(p.db, &p.plan.redactor));
    TRY_OUT(make_it_fit(&p));
    TRY_OUT(write_summary(&p, out_path));
    if (rename(p.gzip, out_path))
        err = err_set(ERR_IO, "%s cannot be written: %s", out_path, strerror(errno));
out:
    remove_folder(&p);
    redactor_free(p.plan.redactor);
    map_release(&p.plan.cut);
    LIST_RELEASE(&p.artifacts);
    store_close(p.db);
    return err;
}
