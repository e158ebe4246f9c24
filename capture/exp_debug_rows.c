/* exp_debug_rows.c - rows become calls again: one query for the calls of a log, one for the
 * tensors of each. */
#include "capture/debug_rows.h"

#include "store/db.h"
#include "store/row.h"

enum { DEEPEST_STACK = 100000 };

static const char calls_sql[] =
    "SELECT c.event, e.kind, c.depth, n.text, a.text, k.text, o.text, l.text, w.text, c.flags, "
    "c.stack, c.fwd_stack, "
    "f.text, t.text, x.text, r.explicit, r.outermost "
    "FROM call c JOIN event e ON e.id = c.event LEFT JOIN string n ON n.id = e.name "
    "LEFT JOIN string a ON a.id = c.args LEFT JOIN string k ON k.id = c.kwargs "
    "LEFT JOIN string o ON o.id = c.output LEFT JOIN string l ON l.id = c.log LEFT JOIN string w "
    "ON w.id = c.rest "
    "LEFT JOIN redistribute r ON r.event = c.event LEFT JOIN string f ON f.id = r.from_placement "
    "LEFT JOIN string t ON t.id = r.to_placement LEFT JOIN string x ON x.id = r.transform "
    "WHERE c.source = ?1 ORDER BY c.position";
/* Digests that others made (5) are no part of the log. */
static const char uses_sql[] =
    "SELECT u.phase, a.text, u.tensor, f.text, d.text, s.text, x.text, nullif(u.hash_kind, 5), "
    "u.digest, "
    "u.part "
    "FROM tensor_use u LEFT JOIN string a ON a.id = u.arg LEFT JOIN string f ON f.id = u.form "
    "LEFT JOIN string d ON d.id = u.dtype LEFT JOIN string s ON s.id = u.shape LEFT JOIN string x "
    "ON x.id = u.detail "
    "WHERE u.event = ?1 ORDER BY u.position";
static const char frames_sql[] =
    "WITH RECURSIVE up(id, n) AS (SELECT ?1, 0 UNION ALL SELECT s.parent, n + 1 FROM up JOIN stack "
    "s ON s.id = up.id "
    "WHERE s.parent < s.id AND n < ?2) "
    "SELECT f.text, s.line, n.text, l.text FROM up JOIN stack s ON s.id = up.id LEFT JOIN string f "
    "ON f.id = s.file "
    "LEFT JOIN string n ON n.id = s.name LEFT JOIN string l ON l.id = s.loc ORDER BY up.n DESC";

static int64_t integer(sqlite3_stmt *s, int i)
{
    return sqlite3_column_type(s, i) == SQLITE_NULL ? STORE_NULL : sqlite3_column_int64(s, i);
}

static struct span text(struct debug_rows *r, sqlite3_stmt *s, int i)
{
    struct span t = store_column_text(s, i);
    return t.p && !t.n ? SPAN("") : arena_copy(&r->scratch, t);
}

/* ---- the log ---- */

enum err debug_log_read(sqlite3 *db, int64_t source, struct arena *arena, struct debug_log *out)
{
    sqlite3_stmt *s;
    *out = (struct debug_log){0};
    TRY(store_prepare(db,
                      "SELECT l.flags, w.text FROM call_log l LEFT JOIN string w ON w.id = l.rest "
                      "WHERE l.source = ?1",
                      &s));
    sqlite3_bind_int64(s, 1, source);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        out->known = true;
        out->without_newline = sqlite3_column_int64(s, 0) & 1;
        out->rest = arena_copy(arena, store_column_text(s, 1));
    }
    enum err err = rc == SQLITE_ROW || rc == SQLITE_DONE
                       ? ERR_OK
                       : store_sql_error(db, rc, "reading a log of calls");
    sqlite3_finalize(s);
    return err;
}

enum err debug_rows_open(struct debug_rows *r, sqlite3 *db, int64_t source)
{
    *r = (struct debug_rows){0};
    enum err err = store_prepare(db, calls_sql, &r->calls);
    if (!err) err = store_prepare(db, uses_sql, &r->uses);
    if (!err) err = store_prepare(db, frames_sql, &r->frames);
    if (err) {
        debug_rows_close(r);
        return err;
    }
    sqlite3_bind_int64(r->calls, 1, source);
    sqlite3_bind_int64(r->frames, 2, DEEPEST_STACK);
    return ERR_OK;
}

void debug_rows_close(struct debug_rows *r)
{
    sqlite3_finalize(r->calls);
    sqlite3_finalize(r->uses);
    sqlite3_finalize(r->frames);
    debug_uses_release(&r->found);
    map_release(&r->stacks);
    LIST_RELEASE(&r->texts);
    arena_release(&r->keep);
    arena_release(&r->scratch);
}

/* ---- stacks ---- */

static enum err print_stack(struct debug_rows *r, int64_t id, struct buf *out)
{
    int rc;
    sqlite3_reset(r->frames);
    sqlite3_bind_int64(r->frames, 1, id);
    while ((rc = sqlite3_step(r->frames)) == SQLITE_ROW) {
        struct debug_frame f = {.file = store_column_text(r->frames, 0),
                                .line = sqlite3_column_int64(r->frames, 1),
                                .name = store_column_text(r->frames, 2),
                                .loc = store_column_text(r->frames, 3)};
        debug_print_frame(out, &f);
    }
    if (rc != SQLITE_DONE)
        return store_sql_error(sqlite3_db_handle(r->frames), rc, "reading a stack");
    return buf_ok(out);
}

/* Text of a stack, printed once. */
static enum err stack_text(struct debug_rows *r, int i, struct span *out)
{
    int64_t id = sqlite3_column_int64(r->calls, i);
    bool added;
    *out = SPAN_NONE;
    if (!id) return ERR_OK;
    int64_t *at = map_put(&r->stacks, map_key_int(id, 0), (int64_t)r->texts.n, &added);
    struct span *to = at && added ? LIST_PUSH(&r->texts) : NULL;
    if (!at || (added && !to)) FAIL(ERR_NOMEM, "out of memory for stacks");
    if (added) {
        struct buf b = {0};
        enum err err = print_stack(r, id, &b);
        *to = b.n ? arena_copy(&r->keep, buf_text(&b)) : SPAN_NONE;
        buf_release(&b);
        TRY(err);
    }
    *out = r->texts.p[*at];
    return ERR_OK;
}

/* ---- calls ---- */

static enum err read_uses(struct debug_rows *r, int64_t event, struct debug_uses *out)
{
    int rc;
    sqlite3_stmt *s = r->uses;
    sqlite3_reset(s);
    sqlite3_bind_int64(s, 1, event);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct debug_use *u = LIST_PUSH(out);
        if (!u) FAIL(ERR_NOMEM, "out of memory for the tensors of a call");
        *u = (struct debug_use){.phase = (enum debug_phase)sqlite3_column_int(s, 0),
                                .arg = text(r, s, 1),
                                .tensor = integer(s, 2),
                                .form = text(r, s, 3),
                                .dtype = text(r, s, 4),
                                .shape = text(r, s, 5),
                                .detail = text(r, s, 6),
                                .hash = {sqlite3_column_int64(s, 7), sqlite3_column_int64(s, 8)},
                                .part = integer(s, 9)};
        if (!u->arg.p) u->arg = SPAN("");
    }
    return rc == SQLITE_DONE
               ? ERR_OK
               : store_sql_error(sqlite3_db_handle(s), rc, "reading the tensors of a call");
}

/* A call of a saved log that was kept whole. */
static enum err read_whole(struct debug_rows *r, struct debug_call *c)
{
    struct json *j;
    struct span rest = c->rest;
    TRY(json_parse(rest, &r->scratch, &j));
    TRY(debug_from_json(j, &r->scratch, c));
    c->rest = rest;
    c->flags |= DEBUG_REST_JSON;
    return ERR_OK;
}

static enum err read_call(struct debug_rows *r, struct debug_call *c)
{
    sqlite3_stmt *s = r->calls;
    int kind = sqlite3_column_int(s, 1);
    if (kind < DEBUG_OP || kind > DEBUG_TEXT)
        FAIL(ERR_FORMAT, "a call has the unknown kind %d", kind);
    *c = (struct debug_call){.kind = (enum debug_kind)kind,
                             .depth = sqlite3_column_int64(s, 2),
                             .name = text(r, s, 3),
                             .args = text(r, s, 4),
                             .kwargs = text(r, s, 5),
                             .output = text(r, s, 6),
                             .rest = text(r, s, 8),
                             .flags = (unsigned)sqlite3_column_int(s, 9),
                             .from = text(r, s, 12),
                             .to = text(r, s, 13),
                             .transform = text(r, s, 14),
                             .is_explicit = integer(s, 15),
                             .is_outer = integer(s, 16)};
    if (c->kind == DEBUG_TEXT) return ERR_OK;
    if (c->rest.p && c->flags & DEBUG_REST_JSON) return read_whole(r, c);
    TRY(stack_text(r, 10, &c->stack));
    TRY(stack_text(r, 11, &c->fwd_stack));
    enum err err = read_uses(r, sqlite3_column_int64(s, 0), &c->uses);
    if (!err) err = debug_fill_hashes(c, text(r, s, 7), &r->scratch);
    if (err) debug_uses_release(&c->uses);
    return err;
}

enum err debug_rows_next(void *context, struct debug_call *out, bool *more)
{
    struct debug_rows *r = context;
    arena_clear(&r->scratch);
    debug_uses_release(&r->found);
    *out = (struct debug_call){0};
    int rc = sqlite3_step(r->calls);
    *more = rc == SQLITE_ROW;
    if (rc == SQLITE_DONE) return ERR_OK;
    if (rc != SQLITE_ROW) return store_sql_error(sqlite3_db_handle(r->calls), rc, "reading calls");
    TRY(read_call(r, out));
    r->found = out->uses;
    return ERR_OK;
}
