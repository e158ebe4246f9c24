/* origins.c - the operators that a compiler fused into the kernels that a run called.
 *
 * kernel_op names nodes in no particular order; the graph that the code was generated from, the
 * last of the compile that has such nodes, says what they call and in which order.
 */
#include "store/diff/origins.h"

#include <stdlib.h>

#include "store/base/buf.h"
#include "store/db.h"

static const char kernels_sql[] =
    "SELECT k.id, n.text FROM kernel k JOIN string n ON n.id = k.name "
    "WHERE EXISTS (SELECT 1 FROM kernel_op o WHERE o.kernel = k.id) ORDER BY k.id";
static const char nodes_sql[] =
    "SELECT t.text, n.id - g.first_node AS place, max(g.id) FROM kernel k "
    "JOIN kernel_op o ON o.kernel = k.id JOIN graph g ON g.compile IS k.compile "
    "JOIN node n ON n.name = o.node AND n.id >= g.first_node AND n.id < g.first_node + g.n_nodes "
    "JOIN string t ON t.id = n.target "
    "WHERE k.id = :kernel AND n.op = 3 AND t.text LIKE 'torch.ops.%' "
    "GROUP BY o.position ORDER BY place";

uint32_t diff_operator_word(struct diff_words *w, struct span target)
{
    struct span rest = span_from(target, sizeof "torch.ops." - 1);
    size_t dot = span_find(rest, SPAN("."), 0);
    if (dot == SIZE_MAX) return DIFF_NONE;
    struct buf name = {0};
    buf_span(&name, span_to(rest, dot));
    buf_puts(&name, "::");
    rest = span_from(rest, dot + 1);
    buf_span(&name, span_ends(rest, ".default") ? span_to(rest, rest.n - 8) : rest);
    uint32_t word = name.failed ? DIFF_NONE : diff_word(w, buf_text(&name));
    w->failed |= name.failed;
    buf_release(&name);
    return word;
}

/* Words that are names of calls, once a kernel of this name was read no longer. */
static bool *called_names(const struct diff_stream *s)
{
    bool *called = calloc(s->words->word.n + 1, sizeof *called);
    for (uint32_t i = 0; called && i < s->n_calls; i++) {
        uint32_t name = diff_call_text(s, i)->name;
        if (name != DIFF_NONE) called[name] = true;
    }
    return called;
}

static enum err read_nodes(sqlite3_stmt *q, int64_t id, uint32_t kernel, struct diff_words *w,
                           struct diff_origins *out)
{
    sqlite3_reset(q);
    sqlite3_bind_int64(q, sqlite3_bind_parameter_index(q, ":kernel"), id);
    uint32_t position = 0;
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        uint32_t op = diff_operator_word(w, store_column_text(q, 0));
        if (w->failed) FAIL(ERR_NOMEM, "no memory for the origins of kernels");
        if (op == DIFF_NONE) continue;
        struct diff_origin *p = LIST_PUSH(out);
        if (!p) FAIL(ERR_NOMEM, "no memory for the origins of kernels");
        *p = (struct diff_origin){kernel, op, position++};
    }
    if (rc != SQLITE_DONE) return store_sql_error(sqlite3_db_handle(q), rc, "reading kernels");
    return ERR_OK;
}

static enum err read_kernels(sqlite3_stmt *kernels, sqlite3_stmt *nodes, bool *called,
                             uint32_t n_called, struct diff_words *w, struct diff_origins *out)
{
    int rc;
    while ((rc = sqlite3_step(kernels)) == SQLITE_ROW) {
        const int64_t *word = map_get(&w->words, map_key(store_column_text(kernels, 1)));
        if (!word || *word >= n_called || !called[*word]) continue;
        size_t before = out->n;
        TRY(read_nodes(nodes, sqlite3_column_int64(kernels, 0), (uint32_t)*word, w, out));
        called[*word] = out->n == before;
    }
    if (rc != SQLITE_DONE)
        return store_sql_error(sqlite3_db_handle(kernels), rc, "reading kernels");
    return ERR_OK;
}

static int by_kernel(const void *x, const void *y)
{
    const struct diff_origin *p = x, *q = y;
    if (p->kernel != q->kernel) return p->kernel < q->kernel ? -1 : 1;
    return p->position < q->position ? -1 : p->position > q->position;
}

enum err diff_origins_load(sqlite3 *db, const struct diff_stream *s, struct diff_origins *out)
{
    sqlite3_stmt *kernels = NULL, *nodes = NULL;
    bool *called = called_names(s);
    uint32_t n_called = (uint32_t)s->words->word.n;
    enum err err = ERR_OK;
    *out = (struct diff_origins){0};
    if (!called) FAIL(ERR_NOMEM, "no memory for the origins of kernels");
    TRY_OUT(store_prepare(db, kernels_sql, &kernels));
    TRY_OUT(store_prepare(db, nodes_sql, &nodes));
    TRY_OUT(read_kernels(kernels, nodes, called, n_called, s->words, out));
    if (out->n) qsort(out->p, out->n, sizeof *out->p, by_kernel);
out:
    sqlite3_finalize(kernels);
    sqlite3_finalize(nodes);
    free(called);
    if (err) LIST_RELEASE(out);
    return err;
}
