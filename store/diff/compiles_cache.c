/* compiles_cache.c - what two cache keys were made of, and where that differs. */
#include "store/diff/compiles_parts.h"
#include "store/query.h"

struct part {
    struct span name, digest;
};
struct parts {
    LIST_OF(struct part) list; /* in the order of the log */
};

static const char parts_sql[] =
    "SELECT (SELECT text FROM string WHERE id = name), (SELECT text FROM string WHERE id = digest)"
    " FROM cache_component WHERE cache_event = :event ORDER BY position";

static enum err read_parts(struct compile_comparison *c, int k, int64_t event, struct parts *out)
{
    sqlite3_stmt *q;
    int rc = SQLITE_DONE;
    TRY(store_prepare(c->side[k].db, parts_sql, &q));
    enum err err = store_bind_int(q, ":event", event);
    while (!err && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct part *p = LIST_PUSH(&out->list);
        if (!p) err = err_set(ERR_NOMEM, "out of memory for the components of a cache key");
        else
            *p = (struct part){arena_copy(&c->arena, store_column_text(q, 0)),
                               arena_copy(&c->arena, store_column_text(q, 1))};
    }
    if (!err && rc != SQLITE_DONE)
        err = store_sql_error(c->side[k].db, rc, "reading the components of a cache key");
    sqlite3_finalize(q);
    return err;
}

/* Names repeat (`inductor_config[...]` does not, `0: ...` may): the n-th of a name is compared to
 * the n-th. Components stand in nearly the same order, so the search begins where the last ended.
 */
static const struct part *find(const struct parts *in, struct span name, size_t *at)
{
    for (size_t i = 0; i < in->list.n; i++) {
        size_t k = (*at + i) % in->list.n;
        if (!span_eq(in->list.p[k].name, name)) continue;
        *at = k + 1;
        return &in->list.p[k];
    }
    return NULL;
}

static size_t differ(const struct parts *a, const struct parts *b, struct span *names)
{
    size_t at = 0, n = 0;
    for (size_t i = 0; i < a->list.n; i++) {
        const struct part *other = find(b, a->list.p[i].name, &at);
        if (!other || !span_eq(other->digest, a->list.p[i].digest)) names[n++] = a->list.p[i].name;
    }
    at = 0;
    for (size_t i = 0; i < b->list.n; i++)
        if (!find(a, b->list.p[i].name, &at)) names[n++] = b->list.p[i].name;
    return n;
}

enum err compiles_compare_keys(struct compile_comparison *c, int64_t a, int64_t b,
                               struct compile_change *out)
{
    struct parts x = {0}, y = {0};
    enum err err = read_parts(c, 0, a, &x);
    if (!err) err = read_parts(c, 1, b, &y);
    struct span *names = arena_array(&c->arena, x.list.n + y.list.n + 1, sizeof *names);
    if (!err && !names) err = err_set(ERR_NOMEM, "out of memory for the components of a cache key");
    if (!err && x.list.n && y.list.n) {
        out->n_parts = differ(&x, &y, names);
        out->parts = names;
    }
    LIST_RELEASE(&x.list);
    LIST_RELEASE(&y.list);
    return err;
}
