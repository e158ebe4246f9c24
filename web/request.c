/* request.c - what pages ask about their request: parameters, links, named queries, cells. */
#include "web/web.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "web/server.h"

const char *web_param(const struct web_request *q, const char *name)
{
    for (int i = 0; i < q->n_params; i++)
        if (!strcmp(q->params[i].name, name))
            return q->params[i].value[0] ? q->params[i].value : NULL;
    return NULL;
}

int64_t web_param_int(const struct web_request *q, const char *name, int64_t otherwise)
{
    int64_t v;
    return span_to_i64(span_of(web_param(q, name)), &v) ? v : otherwise;
}

/* ---- links ---- */

static void add_pair(struct buf *b, char *before, const char *name, struct span value)
{
    buf_putc(b, *before);
    *before = '&';
    web_encode(b, span_of(name));
    buf_putc(b, '=');
    web_encode(b, value);
}

static const char *keep_address(struct web_request *q, struct buf *b)
{
    struct span kept = arena_copy(&q->arena, buf_text(b));
    buf_release(b);
    return kept.p ? kept.p : "/";
}

/* File and run that stay, unless they are what one gets without saying so. */
static void add_place(struct web_request *q, struct buf *b, char *before)
{
    char number[16];
    if (q->file > 0) {
        snprintf(number, sizeof number, "%d", q->file);
        add_pair(b, before, "file", span_of(number));
    }
    if (q->n_runs > 1 && q->run_name.p) add_pair(b, before, "run", q->run_name);
}

const char *web_link(struct web_request *q, const char *path, ...)
{
    struct buf b = {0};
    char before = '?';
    buf_puts(&b, path);
    add_place(q, &b, &before);
    va_list ap;
    va_start(ap, path);
    for (const char *name; (name = va_arg(ap, const char *));) {
        const char *value = va_arg(ap, const char *);
        if (value) add_pair(&b, &before, name, span_of(value));
    }
    va_end(ap);
    return keep_address(q, &b);
}

struct change {
    const char *name, *value;
    bool used;
};
enum { MAX_CHANGES = 12 };

static struct change *find_change(struct change *c, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(c[i].name, name)) return &c[i];
    return NULL;
}

const char *web_here(struct web_request *q, ...)
{
    struct change changes[MAX_CHANGES];
    int n = 0;
    va_list ap;
    va_start(ap, q);
    for (const char *name; (name = va_arg(ap, const char *));) {
        const char *value = va_arg(ap, const char *);
        REQUIRE("web:changes", n < MAX_CHANGES);
        if (value) changes[n++] = (struct change){name, value, false};
    }
    va_end(ap);
    struct buf b = {0};
    char before = '?';
    buf_puts(&b, web_job_of(q)->address.path);
    for (int i = 0; i < q->n_params; i++) {
        struct change *c = find_change(changes, n, q->params[i].name);
        const char *value = c ? c->value : q->params[i].value;
        if (*value && !(c && c->used)) add_pair(&b, &before, q->params[i].name, span_of(value));
        if (c) c->used = true;
    }
    for (int i = 0; i < n; i++)
        if (!changes[i].used && *changes[i].value)
            add_pair(&b, &before, changes[i].name, span_of(changes[i].value));
    return keep_address(q, &b);
}

const char *web_link_compile(struct web_request *q, struct span log, struct span id,
                             int64_t occurrence)
{
    struct buf b = {0};
    char before = '?', number[24];
    buf_puts(&b, "/compile");
    add_place(q, &b, &before);
    if (q->n_logs > 1 && log.p) add_pair(&b, &before, "log", log);
    add_pair(&b, &before, "compile_id", id);
    snprintf(number, sizeof number, "%lld", (long long)occurrence);
    if (occurrence > 1) add_pair(&b, &before, "occurrence", span_of(number));
    return keep_address(q, &b);
}

const char *web_link_artifact(struct web_request *q, struct span log, int64_t offset)
{
    struct buf b = {0};
    char before = '?', number[24];
    buf_puts(&b, "/artifact");
    add_place(q, &b, &before);
    if (q->n_logs > 1 && log.p) add_pair(&b, &before, "log", log);
    snprintf(number, sizeof number, "%lld", (long long)offset);
    add_pair(&b, &before, "at", span_of(number));
    return keep_address(q, &b);
}

void web_redirect(struct web_request *q, const char *href)
{
    web_job_of(q)->location = href;
}

/* ---- named queries ---- */

static enum err bind_value(sqlite3_stmt *s, int i, const char *value)
{
    int64_t number;
    struct span text = span_of(value);
    bool whole = span_to_i64(text, &number) &&
                 (text.n == 1 || (text.p[0] != '0' && text.p[0] != '+')) && text.n < 19;
    int rc = whole ? sqlite3_bind_int64(s, i, number)
                   : sqlite3_bind_text(s, i, value, -1, SQLITE_STATIC);
    return rc == SQLITE_OK
               ? ERR_OK
               : store_sql_error(sqlite3_db_handle(s), rc, "binding a parameter of the address");
}

enum err web_bind_params(struct web_request *q, sqlite3_stmt *s)
{
    sqlite3_clear_bindings(s);
    for (int i = 1; i <= sqlite3_bind_parameter_count(s); i++) {
        const char *name = sqlite3_bind_parameter_name(s, i);
        if (!name) continue;
        if (!strcmp(name, ":run")) {
            if (q->run_name.p)
                TRY(store_bind_text(s, ":run", q->run_name.p, (int64_t)q->run_name.n));
            continue;
        }
        const char *value = web_param(q, name + 1);
        if (value) TRY(bind_value(s, i, value));
    }
    return ERR_OK;
}

enum err web_query(struct web_request *q, const char *name, sqlite3_stmt **out)
{
    TRY(web_statement(q, name, NULL, out));
    return web_bind_params(q, *out);
}

bool web_step(struct web_request *q, sqlite3_stmt *s, enum err *err)
{
    (void)q;
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        *err = ERR_OK;
        return true;
    }
    *err = rc == SQLITE_DONE
               ? ERR_OK
               : store_sql_error(sqlite3_db_handle(s), rc, "reading the rows of a page");
    sqlite3_reset(s);
    return false;
}

enum err web_query_int(struct web_request *q, const char *name, int64_t *out)
{
    sqlite3_stmt *s;
    enum err err;
    *out = STORE_NULL;
    TRY(web_query(q, name, &s));
    if (web_step(q, s, &err)) {
        if (sqlite3_column_type(s, 0) != SQLITE_NULL) *out = sqlite3_column_int64(s, 0);
        sqlite3_reset(s);
    }
    return err;
}

/* ---- cells ---- */

int web_column_index(sqlite3_stmt *s, const char *name)
{
    for (int i = 0; i < sqlite3_column_count(s); i++)
        if (!strcmp(sqlite3_column_name(s, i), name)) return i;
    return -1;
}

static int column(sqlite3_stmt *s, const char *name)
{
    int i = web_column_index(s, name);
    REQUIRE("web:column", i >= 0);
    return i;
}

int64_t web_int(sqlite3_stmt *s, const char *name)
{
    int i = column(s, name);
    return sqlite3_column_type(s, i) == SQLITE_NULL ? STORE_NULL : sqlite3_column_int64(s, i);
}

double web_real(sqlite3_stmt *s, const char *name)
{
    int i = column(s, name);
    return sqlite3_column_type(s, i) == SQLITE_NULL ? NAN : sqlite3_column_double(s, i);
}

struct span web_text(sqlite3_stmt *s, const char *name)
{
    return store_column_text(s, column(s, name));
}

struct span web_keep(struct web_request *q, struct span s)
{
    return arena_copy(&q->arena, s);
}

struct span web_kept(struct web_request *q, sqlite3_stmt *s, const char *name)
{
    struct span t = web_text(s, name);
    return t.p ? web_keep(q, t) : SPAN_NONE;
}
