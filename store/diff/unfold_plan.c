/* unfold_plan.c - reads compiled programs: kernels, their arguments, the graph they were made from.
 *
 * Of the graphs of a compile the last one that has all operators of a program's kernels is the
 * program's.
 */
#include "store/diff/unfold_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/diff/judge.h"
#include "store/diff/origins.h"
#include "store/db.h"
#include "store/query.h"

enum { CALL_FUNCTION = 3 }; /* node.op */

static const char kernels_sql[] =
    "SELECT k.id, k.compile, k.phase, k.role, k.site, n.text, "
    "(SELECT s.text FROM kernel_op o JOIN string s ON s.id = o.op WHERE o.kernel = k.id), "
    "(SELECT count(*) FROM kernel_op o WHERE o.kernel = k.id) "
    "FROM kernel k JOIN string n ON n.id = k.name WHERE k.combo IS NULL AND k.position IS NOT NULL "
    "AND k.compile IN (SELECT compile FROM kernel WHERE site IS NOT NULL) "
    "ORDER BY k.compile, k.phase, k.position, k.id";
static const char ops_sql[] =
    "SELECT n.text, o.recomputed FROM kernel_op o JOIN string n ON n.id = o.node WHERE o.kernel = "
    ":kernel UNION ALL SELECT n.text, o.recomputed FROM kernel k JOIN kernel_op o ON o.kernel = "
    "k.id JOIN string n ON n.id = o.node WHERE k.combo = :kernel";
static const char args_sql[] =
    "SELECT (SELECT text FROM string WHERE id = a.name), (SELECT text FROM string WHERE id = "
    "a.value), (SELECT text FROM string WHERE id = a.node), a.result, a.argument, a.part "
    "FROM kernel_arg a WHERE a.kernel = :kernel ORDER BY a.position";
static const char graphs_sql[] =
    "SELECT first_node, n_nodes FROM graph WHERE compile = :compile ORDER BY id DESC";
static const char nodes_sql[] =
    "SELECT n.op, (SELECT text FROM string WHERE id = n.name), (SELECT text FROM string WHERE id = "
    "n.target), (SELECT text FROM string WHERE id = n.type) FROM node n WHERE n.id >= :first AND "
    "n.id < :end ORDER BY n.id";
static const char edges_sql[] =
    "SELECT dst - :first, src - :first FROM edge WHERE dst >= :first AND dst < :end ORDER BY dst, "
    "arg";

static int32_t number_of(sqlite3_stmt *q, int column)
{
    if (sqlite3_column_type(q, column) == SQLITE_NULL) return -1;
    int64_t n = sqlite3_column_int64(q, column);
    return n < 0 || n > INT32_MAX ? -1 : (int32_t)n;
}

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for the operators of kernels");
}

/* ---- kernels ---- */

static enum err add_kernel(struct plans *p, sqlite3_stmt *q)
{
    int64_t compile = sqlite3_column_int64(q, 1);
    struct span phase = store_column_text(q, 2);
    char name[16] = "";
    snprintf(name, sizeof name, "%.*s", (int)phase.n, phase.n ? phase.p : "");
    struct plan *last = p->plan.n ? &p->plan.p[p->plan.n - 1] : NULL;
    if (!last || last->compile != compile || strcmp(last->phase, name)) {
        last = LIST_PUSH(&p->plan);
        if (!last) return no_memory();
        *last = (struct plan){.compile = compile, .first_kernel = (uint32_t)p->kernel.n};
        memcpy(last->phase, name, sizeof name);
    }
    /* with an epilogue it is a kernel of plumb's own, as fused ones are */
    bool is_extern = span_is(store_column_text(q, 3), "extern") && sqlite3_column_int64(q, 7) == 1;
    struct plan_kernel *k = LIST_PUSH(&p->kernel);
    if (!k) return no_memory();
    *k = (struct plan_kernel){.id = sqlite3_column_int64(q, 0),
                              .name = diff_word(p->words, store_column_text(q, 5)),
                              .op = is_extern ? diff_word(p->words, store_column_text(q, 6))
                                              : DIFF_NONE};
    last->n_kernels++;
    if (sqlite3_column_type(q, 4) == SQLITE_NULL) return ERR_OK;
    return map_put(&p->sites, map_key_int(sqlite3_column_int64(q, 4), 0), (int64_t)p->kernel.n - 1,
                   NULL)
               ? ERR_OK
               : no_memory();
}

static enum err read_kernels(struct plans *p)
{
    sqlite3_stmt *q;
    TRY(store_prepare(p->db, kernels_sql, &q));
    enum err err = ERR_OK;
    int rc = SQLITE_DONE;
    while (!err && (rc = sqlite3_step(q)) == SQLITE_ROW) err = add_kernel(p, q);
    if (!err && rc != SQLITE_DONE) err = store_sql_error(p->db, rc, "reading kernels");
    sqlite3_finalize(q);
    return err;
}

enum err plans_init(struct plans *p, sqlite3 *db, struct diff_words *words)
{
    *p = (struct plans){.db = db, .words = words};
    enum err err = ERR_OK;
    TRY_OUT(read_kernels(p));
    TRY_OUT(store_prepare(db, ops_sql, &p->ops));
    TRY_OUT(store_prepare(db, args_sql, &p->args));
    TRY_OUT(store_prepare(db, graphs_sql, &p->graphs));
    TRY_OUT(store_prepare(db, nodes_sql, &p->nodes));
    TRY_OUT(store_prepare(db, edges_sql, &p->edges));
out:
    if (err) plans_release(p);
    return err;
}

void plans_release(struct plans *p)
{
    for (size_t i = 0; i < p->plan.n; i++) {
        LIST_RELEASE(&p->plan.p[i].node);
        LIST_RELEASE(&p->plan.p[i].in);
        LIST_RELEASE(&p->plan.p[i].out);
    }
    LIST_RELEASE(&p->plan);
    LIST_RELEASE(&p->kernel);
    LIST_RELEASE(&p->arg);
    map_release(&p->sites);
    sqlite3_finalize(p->ops);
    sqlite3_finalize(p->args);
    sqlite3_finalize(p->graphs);
    sqlite3_finalize(p->nodes);
    sqlite3_finalize(p->edges);
    *p = (struct plans){0};
}

/* ---- one program ---- */

/* What reading a program needs: its nodes by name, what its kernels compute. */
struct member {
    uint32_t kernel, name; /* of plans.kernel; word */
    bool recomputed;
};
struct reading {
    struct plans *p;
    struct plan *plan;
    LIST_OF(struct member) member;
    struct map names; /* word -> node */
    uint32_t *writer; /* by node: the node that wrote into its value last; DIFF_NONE */
};

static uint32_t node_named(const struct reading *r, uint32_t word)
{
    const int64_t *at = word == DIFF_NONE ? NULL : map_get(&r->names, map_key_int(word, 0));
    return at ? (uint32_t)*at : DIFF_NONE;
}

static enum err read_members(struct reading *r)
{
    sqlite3_stmt *q = r->p->ops;
    for (uint32_t i = 0; i < r->plan->n_kernels; i++) {
        uint32_t kernel = r->plan->first_kernel + i;
        int rc;
        sqlite3_reset(q);
        TRY(store_bind_int(q, ":kernel", r->p->kernel.p[kernel].id));
        while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
            struct member *m = LIST_PUSH(&r->member);
            if (!m) return no_memory();
            *m = (struct member){kernel, diff_word(r->p->words, store_column_text(q, 0)),
                                 sqlite3_column_int64(q, 1) > 0};
        }
        if (rc != SQLITE_DONE) return store_sql_error(r->p->db, rc, "reading kernels");
    }
    return ERR_OK;
}

/* f32[8, 32][32, 1]cpu: dtype and shape. */
static void read_type(struct diff_words *w, struct span type, struct plan_node *n)
{
    size_t open = span_find(type, SPAN("["), 0), close = span_find(type, SPAN("]"), 0);
    n->dtype = n->shape = DIFF_NONE;
    if (open == SIZE_MAX || close == SIZE_MAX || close < open) return;
    n->dtype = diff_word(w, span_to(type, open));
    n->shape = diff_word(w, span_to(span_from(type, open), close - open + 1));
}

static enum err read_nodes(struct reading *r, int64_t first, int64_t end)
{
    sqlite3_stmt *q = r->p->nodes;
    int rc;
    r->plan->node.n = 0;
    map_clear(&r->names);
    sqlite3_reset(q);
    TRY(store_bind_int(q, ":first", first));
    TRY(store_bind_int(q, ":end", end));
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct plan_node *n = LIST_PUSH(&r->plan->node);
        if (!n) return no_memory();
        struct span target = store_column_text(q, 2);
        bool call = sqlite3_column_int64(q, 0) == CALL_FUNCTION;
        *n = (struct plan_node){.op = DIFF_NONE,
                                .kernel = DIFF_NONE,
                                .picks = call && span_is(target, "operator.getitem")};
        if (call && span_starts(target, "torch.ops."))
            n->op = diff_operator_word(r->p->words, target);
        read_type(r->p->words, store_column_text(q, 3), n);
        uint32_t name = diff_word(r->p->words, store_column_text(q, 1));
        if (!map_put(&r->names, map_key_int(name, 0), (int64_t)r->plan->node.n - 1, NULL) ||
            r->p->words->failed)
            return no_memory();
    }
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(r->p->db, rc, "reading a graph");
}

static bool has_members(const struct reading *r)
{
    for (size_t i = 0; i < r->member.n; i++)
        if (node_named(r, r->member.p[i].name) == DIFF_NONE) return false;
    return r->member.n > 0;
}

/* Finds the graph and reads its nodes; *first is -1 when there is none. */
static enum err find_graph(struct reading *r, int64_t *first, int64_t *end)
{
    sqlite3_stmt *q = r->p->graphs;
    int64_t seen = -1;
    int rc;
    *first = -1;
    sqlite3_reset(q);
    TRY(store_bind_int(q, ":compile", r->plan->compile));
    while (*first < 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        int64_t at = sqlite3_column_int64(q, 0), n = sqlite3_column_int64(q, 1);
        if (at == seen || sqlite3_column_type(q, 0) == SQLITE_NULL || n <= 0) continue;
        seen = at;
        TRY(read_nodes(r, at, at + n));
        if (!has_members(r)) continue;
        *first = at;
        *end = at + n;
    }
    sqlite3_reset(q);
    return ERR_OK;
}

static enum err read_edges(struct reading *r, int64_t first, int64_t end)
{
    sqlite3_stmt *q = r->p->edges;
    size_t n = r->plan->node.n;
    uint32_t at = 0;
    int rc;
    sqlite3_reset(q);
    TRY(store_bind_int(q, ":first", first));
    TRY(store_bind_int(q, ":end", end));
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        int64_t dst = sqlite3_column_int64(q, 0), src = sqlite3_column_int64(q, 1);
        if (dst < at || dst >= (int64_t)n || src < 0 || src >= (int64_t)n) continue;
        struct plan_node *node = &r->plan->node.p[dst];
        if (dst > at || !node->n_in) node->first_in = (uint32_t)r->plan->in.n;
        at = (uint32_t)dst;
        struct plan_in *in = LIST_PUSH(&r->plan->in);
        if (!in) return no_memory();
        *in = (struct plan_in){(uint32_t)src, DIFF_NONE, DIFF_NONE};
        node->n_in++;
        if (node->picks) r->plan->node.p[src].several = true;
    }
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(r->p->db, rc, "reading a graph");
}

static enum err read_args(struct reading *r, uint32_t kernel)
{
    struct plan_kernel *k = &r->p->kernel.p[kernel];
    struct diff_words *w = r->p->words;
    sqlite3_stmt *q = r->p->args;
    int rc;
    k->first_arg = (uint32_t)r->p->arg.n;
    k->n_args = 0;
    sqlite3_reset(q);
    TRY(store_bind_int(q, ":kernel", k->id));
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct plan_arg *a = LIST_PUSH(&r->p->arg);
        if (!a) return no_memory();
        bool part = sqlite3_column_int64(q, 5) > 0;
        *a = (struct plan_arg){.name = diff_word(w, store_column_text(q, 0)),
                               .node = node_named(r, diff_word(w, store_column_text(q, 1))),
                               .maker = node_named(r, diff_word(w, store_column_text(q, 2))),
                               .result = number_of(q, 3),
                               .argument = number_of(q, 4)};
        if (part) a->node = DIFF_NONE;
        k->n_args++;
    }
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(r->p->db, rc, "reading a kernel");
}

/* ---- where tensors are ---- */

/* The argument of a kernel that is the value of a node; DIFF_NONE. */
static uint32_t arg_of(const struct plans *p, uint32_t kernel, uint32_t node)
{
    const struct plan_kernel *k = &p->kernel.p[kernel];
    for (uint32_t i = 0; i < k->n_args; i++)
        if (p->arg.p[k->first_arg + i].node == node) return i;
    return DIFF_NONE;
}

/* Members stand in the order of kernels; several kernels may compute parts of an operator. */
static int by_node(const void *x, const void *y)
{
    const struct member *p = x, *q = y;
    if (p->name != q->name) return p->name < q->name ? -1 : 1;
    return p->kernel < q->kernel ? -1 : p->kernel > q->kernel;
}

static const struct member *members_of(const struct reading *r, uint32_t node, size_t *n)
{
    size_t lo = 0, hi = r->member.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (r->member.p[mid].name < node) lo = mid + 1;
        else hi = mid;
    }
    for (*n = 0; lo + *n < r->member.n && r->member.p[lo + *n].name == node; ++*n) {
    }
    return r->member.p + lo;
}

/* Is (a part of) an operator in a kernel? */
static bool computes(const struct reading *r, uint32_t kernel, uint32_t node)
{
    struct member key = {.kernel = kernel, .name = node};
    return node != DIFF_NONE &&
           bsearch(&key, r->member.p, r->member.n, sizeof *r->member.p, by_node);
}

/* An operator's arguments among those of its kernels. What an earlier operator of the same kernel
 * wrote is in a register. */
static void place_inputs(struct reading *r, uint32_t node)
{
    struct plan_node *n = &r->plan->node.p[node];
    size_t n_members;
    const struct member *m = members_of(r, node, &n_members);
    for (uint32_t i = 0; i < n->n_in; i++) {
        struct plan_in *in = &r->plan->in.p[n->first_in + i];
        for (size_t k = 0; k < n_members && in->kernel == DIFF_NONE; k++) {
            if (computes(r, m[k].kernel, r->writer[in->node])) continue;
            in->arg = arg_of(r->p, m[k].kernel, in->node);
            if (in->arg != DIFF_NONE) in->kernel = m[k].kernel;
        }
    }
}

static enum err place_outputs(struct reading *r, uint32_t node)
{
    struct plan_node *n = &r->plan->node.p[node];
    size_t n_members;
    const struct member *m = members_of(r, node, &n_members);
    n->first_out = (uint32_t)r->plan->out.n;
    for (size_t k = 0; k < n_members; k++) {
        const struct plan_kernel *kernel = &r->p->kernel.p[m[k].kernel];
        if (k && m[k].kernel == m[k - 1].kernel) continue;
        for (uint32_t i = 0; i < kernel->n_args; i++) {
            const struct plan_arg *a = &r->p->arg.p[kernel->first_arg + i];
            if (a->maker != node) continue;
            struct plan_out *out = LIST_PUSH(&r->plan->out);
            if (!out) return no_memory();
            *out = (struct plan_out){m[k].kernel, i};
            n->n_out++;
        }
    }
    return ERR_OK;
}

/* What the operator writes in place, by its name. */
static void note_write(struct reading *r, uint32_t node)
{
    const struct plan_node *n = &r->plan->node.p[node];
    if (n->n_in && op_mutates(diff_span(r->p->words, n->op)))
        for (uint32_t i = 0; i < n->n_in; i++)
            r->writer[r->plan->in.p[n->first_in + i].node] = node;
}

static enum err place_all(struct reading *r)
{
    size_t n = r->plan->node.n;
    r->writer = malloc((n + 1) * sizeof *r->writer);
    if (!r->writer) return no_memory();
    memset(r->writer, 0xff, (n + 1) * sizeof *r->writer);
    for (size_t i = 0; i < r->member.n; i++) {
        struct member *m = &r->member.p[i];
        m->name = node_named(r, m->name);
        struct plan_node *node = &r->plan->node.p[m->name];
        if (node->kernel == DIFF_NONE) node->kernel = m->kernel;
        node->recomputed |= m->recomputed;
    }
    qsort(r->member.p, r->member.n, sizeof *r->member.p, by_node);
    for (uint32_t i = 0; i < n; i++) {
        if (r->plan->node.p[i].op == DIFF_NONE) continue;
        place_inputs(r, i);
        TRY(place_outputs(r, i));
        note_write(r, i);
    }
    return ERR_OK;
}

static enum err read_plan(struct reading *r)
{
    int64_t first, end;
    TRY(read_members(r));
    TRY(find_graph(r, &first, &end));
    r->plan->unknown = first < 0;
    if (first < 0) return ERR_OK;
    TRY(read_edges(r, first, end));
    for (uint32_t i = 0; i < r->plan->n_kernels; i++) TRY(read_args(r, r->plan->first_kernel + i));
    return place_all(r);
}

enum err plan_read(struct plans *p, uint32_t kernel, struct plan **out)
{
    size_t lo = 0, hi = p->plan.n;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (p->plan.p[mid].first_kernel <= kernel) lo = mid;
        else hi = mid;
    }
    struct reading r = {.p = p, .plan = &p->plan.p[lo]};
    enum err err = r.plan->read ? ERR_OK : read_plan(&r);
    r.plan->read = true;
    *out = err || r.plan->unknown ? NULL : r.plan;
    LIST_RELEASE(&r.member);
    map_release(&r.names);
    free(r.writer);
    return err;
}
