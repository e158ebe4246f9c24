/* row_table.c - a virtual table over the rows of a batch: read once, in order of adding. */
#include "store/row_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/buf.h"
#include "store/db.h"

struct table {
    sqlite3_vtab base;
    const struct store_layout *layout;
    int number;
    const struct row_source *source;
};
struct cursor {
    sqlite3_vtab_cursor base;
    struct store_batch_place at;
    int64_t n;
};

/* ---- values ---- */

int row_bind(sqlite3_stmt *s, int i, const struct store_cell *c)
{
    switch (c->kind) {
    case STORE_CELL_INT: return sqlite3_bind_int64(s, i, c->i);
    case STORE_CELL_REAL: return sqlite3_bind_double(s, i, c->r);
    case STORE_CELL_TEXT:
        return sqlite3_bind_text64(s, i, c->s.p, c->s.n, SQLITE_STATIC, SQLITE_UTF8);
    default: return sqlite3_bind_null(s, i);
    }
}

static void give_cell(sqlite3_context *ctx, const struct store_cell *c)
{
    if (c->kind == STORE_CELL_INT) sqlite3_result_int64(ctx, c->i);
    else if (c->kind == STORE_CELL_REAL) sqlite3_result_double(ctx, c->r);
    else if (c->kind == STORE_CELL_TEXT)
        sqlite3_result_text64(ctx, c->s.p, c->s.n, SQLITE_STATIC, SQLITE_UTF8);
}

static void give_bytes(sqlite3_context *ctx, char kind, const struct span *s)
{
    if (!s->p) return;
    if (kind == 't') sqlite3_result_text64(ctx, s->p, s->n, SQLITE_STATIC, SQLITE_UTF8);
    else sqlite3_result_blob64(ctx, s->p, s->n, SQLITE_STATIC);
}

/* What is not given is NULL. */
static int give(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int i)
{
    const struct cursor *c = (const struct cursor *)base;
    const struct store_column *column = &((const struct table *)base->pVtab)->layout->columns[i];
    const char *at = c->at.row + column->offset;
    int64_t v;
    double d;
    switch (column->kind) {
    case 'i':
    case 'r':
        memcpy(&v, at, sizeof v);
        if (v != (column->kind == 'i' ? STORE_NULL : 0)) sqlite3_result_int64(ctx, v);
        break;
    case 'w':
        memcpy(&v, at, sizeof v);
        sqlite3_result_int64(ctx, v);
        break;
    case 'd':
        memcpy(&d, at, sizeof d);
        if (d == d) sqlite3_result_double(ctx, d);
        break;
    case 'a': give_cell(ctx, (const void *)at); break;
    default: give_bytes(ctx, column->kind, (const void *)at);
    }
    return SQLITE_OK;
}

/* ---- the table ---- */

static int connect(sqlite3 *db, void *context, int argc, const char *const *argv,
                   sqlite3_vtab **out, char **why)
{
    (void)why;
    struct buf sql = {0};
    struct table *t = calloc(1, sizeof *t);
    int number = argc > 3 ? atoi(argv[3]) : -1;
    REQUIRE("row_table:number", number >= 0 && number < STORE_N_TABLES);
    if (!t) return SQLITE_NOMEM;
    *t = (struct table){.layout = &store_layouts[number], .number = number, .source = context};
    for (int i = 0; i < t->layout->n_columns; i++)
        buf_printf(&sql, "%s%s", i ? ", " : "CREATE TABLE x(", t->layout->columns[i].name);
    buf_putc(&sql, ')');
    int rc = sql.failed ? SQLITE_NOMEM : sqlite3_declare_vtab(db, sql.p);
    buf_release(&sql);
    if (rc) free(t);
    else *out = &t->base;
    return rc;
}

static int disconnect(sqlite3_vtab *base)
{
    free(base);
    return SQLITE_OK;
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    (void)base;
    info->estimatedCost = 1e6;
    return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
    (void)base;
    struct cursor *c = calloc(1, sizeof *c);
    *out = c ? &c->base : NULL;
    return c ? SQLITE_OK : SQLITE_NOMEM;
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    free(base);
    return SQLITE_OK;
}

static int next(sqlite3_vtab_cursor *base)
{
    struct cursor *c = (struct cursor *)base;
    const struct table *t = (const struct table *)base->pVtab;
    store_batch_next(t->source->batch, t->number, &c->at);
    c->n++;
    return SQLITE_OK;
}

static int filter(sqlite3_vtab_cursor *base, int number, const char *text, int argc,
                  sqlite3_value **argv)
{
    (void)number, (void)text, (void)argc, (void)argv;
    struct cursor *c = (struct cursor *)base;
    c->at = (struct store_batch_place){0};
    c->n = 0;
    return next(base);
}

static int at_end(sqlite3_vtab_cursor *base)
{
    return ((struct cursor *)base)->at.row == NULL;
}

static int row_id(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    *out = ((struct cursor *)base)->n;
    return SQLITE_OK;
}

static const sqlite3_module module = {
    .iVersion = 1,
    .xCreate = connect,
    .xConnect = connect,
    .xBestIndex = best_index,
    .xDisconnect = disconnect,
    .xDestroy = disconnect,
    .xOpen = open_cursor,
    .xClose = close_cursor,
    .xFilter = filter,
    .xNext = next,
    .xEof = at_end,
    .xColumn = give,
    .xRowid = row_id,
};

enum err row_tables_init(sqlite3 *db, struct row_source *source)
{
    int rc = sqlite3_create_module(db, "plumb_rows", &module, source);
    return rc ? store_sql_error(db, rc, "making tables of rows") : ERR_OK;
}

enum err row_table_make(sqlite3 *db, int table)
{
    char sql[160];
    snprintf(sql, sizeof sql, "CREATE VIRTUAL TABLE temp.rows_%s USING plumb_rows(%d)",
             store_layouts[table].name, table);
    return store_exec(db, sql);
}
