/* timeline_special.c - the events that must be seen at every zoom: errors, NaN and infinity, what
 * differs in a comparison that is open beside the file. */
#include <string.h>

#include "store/db.h"
#include "web/timeline.h"

static int by_id(const void *a, const void *b)
{
    const struct lane_flagged *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Adds the events whose ids a statement gives. */
static enum err add(sqlite3 *db, const char *sql, uint8_t flag, struct timeline_special *out)
{
    sqlite3_stmt *s;
    enum err err = ERR_OK;
    TRY(store_prepare(db, sql, &s));
    while (!err && sqlite3_step(s) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(s, 0);
        if (id < 0 || id >= UINT32_MAX) continue;
        struct lane_flagged *f = LIST_PUSH(&out->list);
        if (f) *f = (struct lane_flagged){(uint32_t)id, flag};
        else err = err_set(ERR_NOMEM, "out of memory for a timeline");
    }
    sqlite3_finalize(s);
    return err;
}

/* Which side of a comparison the file is; 0 neither. */
static char side_of(sqlite3 *db, const char *shown)
{
    sqlite3_stmt *s;
    char side = 0;
    if (store_prepare(db, "SELECT a_file, b_file FROM comparison LIMIT 1", &s)) return 0;
    if (sqlite3_step(s) == SQLITE_ROW) {
        if (span_is(store_column_text(s, 0), shown)) side = 'a';
        else if (span_is(store_column_text(s, 1), shown)) side = 'b';
    }
    sqlite3_finalize(s);
    return side;
}

/* Verdicts from argument on: what begins to differ; receivers are half of a run that parted. */
static enum err add_comparison(const char *path, const char *shown, struct timeline_special *out)
{
    sqlite3 *db;
    TRY(store_open_read(path, STORE_OPEN_UNCHECKED | STORE_OPEN_NO_VIEWS, &db));
    char side = side_of(db, shown);
    enum err err = ERR_OK;
    if (side == 'a')
        err = add(db, "SELECT a FROM pair WHERE verdict >= 5 AND a IS NOT NULL", LANE_DIVERGENCE,
                  out);
    if (side == 'b')
        err = add(db, "SELECT b FROM pair WHERE verdict >= 5 AND b IS NOT NULL", LANE_DIVERGENCE,
                  out);
    store_close(db);
    return err;
}

enum err timeline_read_special(const struct timeline *t, sqlite3 *db, struct timeline_special *out)
{
    TRY(add(db, "SELECT parent FROM event WHERE kind = 14 AND parent IS NOT NULL", LANE_ERROR,
            out));
    TRY(add(
        db,
        "SELECT DISTINCT event FROM tensor_use WHERE nans > 0 OR infs > 0 OR (hash_kind = 1 AND "
        "(digest & 0x7ff0000000000000) = 0x7ff0000000000000)",
        LANE_NONFINITE, out));
    for (int i = 0; i < TIMELINE_COMPARISONS && t->comparison[i]; i++)
        TRY(add_comparison(t->comparison[i], t->shown, out));
    if (out->list.n) qsort(out->list.p, out->list.n, sizeof *out->list.p, by_id);
    return ERR_OK;
}
