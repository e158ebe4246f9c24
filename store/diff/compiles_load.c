/* compiles_load.c - the compiles of a run, with what is known of each. */
#include "store/diff/compiles_parts.h"

#include <stdlib.h>

#include "store/base/json.h"
#include "store/base/map.h"
#include "store/query.h"

#define OF_RUN                                                                                     \
    " JOIN compile c ON c.id = x.compile JOIN source_file f ON f.id = c.source"                    \
    " WHERE coalesce(f.run, 0) = :run"
#define LAST_ATTEMPT " AND (x.attempt IS NULL OR x.attempt >= c.attempts - 1)"
/* fx_graph, fx_graph (2), ... */
#define NTH_CACHE                                                                                  \
    "x.cache || replace(' (' || row_number() OVER (PARTITION BY x.compile, x.cache ORDER BY x.id)" \
    " || ')', ' (1)', '')"

/* Each gives compile, key, text, place, id. */
static const char failures_sql[] =
    "SELECT x.compile, '', coalesce(x.type, '') || ': ' || coalesce(x.reason, ''),"
    " x.file || ':' || x.line, x.rowid FROM failure x" OF_RUN;
static const char breaks_sql[] =
    "SELECT x.compile, '', coalesce(x.reason, 'no reason recorded') ||"
    " coalesce(': ' || (SELECT w.text FROM stack k JOIN string w ON w.id = k.loc"
    " WHERE k.id = x.stack), ''), x.file || ':' || x.line, x.id FROM graph_break x" OF_RUN;
static const char recompiles_sql[] =
    "SELECT x.compile, '', x.reason, x.origin, x.rowid FROM recompile x" OF_RUN;
static const char restarts_sql[] =
    "SELECT x.compile, '', x.reason, NULL, x.rowid FROM restart x" OF_RUN;
static const char guards_sql[] =
    "SELECT x.compile, (SELECT text FROM string WHERE id = x.kind) ||"
    " coalesce(' ' || (SELECT text FROM string WHERE id = x.parent), ''),"
    " coalesce((SELECT text FROM string WHERE id = x.code), ''),"
    " (SELECT text FROM string WHERE id = x.origin), x.id FROM guard x" OF_RUN LAST_ATTEMPT;
static const char symbols_sql[] =
    "SELECT x.compile, x.kind || ' ' || coalesce(x.origin, x.symbol),"
    " coalesce(x.symbol, '?') || coalesce(' = ' || x.value, '') || coalesce(' in ' || x.range, '')"
    " || coalesce(': ' || x.reason, ''), x.origin, x.id FROM symbol x" OF_RUN;
static const char kernels_sql[] =
    "SELECT x.compile, (SELECT text FROM string WHERE id = x.name), x.kind,"
    " (SELECT group_concat(text, ' ') FROM (SELECT w.text FROM kernel_op o"
    " JOIN string w ON w.id = o.node WHERE o.kernel = x.id ORDER BY o.position)), x.id"
    " FROM kernel x" OF_RUN;
static const char answers_sql[] =
    "SELECT x.compile, " NTH_CACHE ", x.outcome || coalesce(': ' || x.reason, ''), NULL, x.id"
    " FROM cache_event x" OF_RUN;
static const char keys_sql[] =
    "SELECT x.compile, " NTH_CACHE ", x.cache_key, NULL, x.id FROM cache_event x" OF_RUN
    " AND x.cache_key IS NOT NULL";
static const char metrics_sql[] =
    "SELECT x.compile, ltrim(replace('.' || (SELECT text FROM string WHERE id = x.key) || '.',"
    " '.compilation_metrics.', ''), '.') || (SELECT text FROM string WHERE id = v.name),"
    " CASE WHEN v.type IN (4, 5) THEN (SELECT text FROM string WHERE id = v.value)"
    " WHEN v.type = 0 THEN 'null' ELSE v.value END, NULL, x.id"
    " FROM compile_metric v JOIN metric_record x ON x.id = v.record" OF_RUN;

static const struct {
    enum compile_aspect aspect;
    enum compile_plain plain;
    const char *sql;
} fact_queries[] = {
    {COMPILE_FAILURE, COMPILE_PLAIN_LINES, failures_sql},
    {COMPILE_BREAK, COMPILE_PLAIN_LINES, breaks_sql},
    {COMPILE_RECOMPILE, COMPILE_PLAIN, recompiles_sql},
    {COMPILE_RESTART, COMPILE_PLAIN_LINES, restarts_sql},
    {COMPILE_GUARD, COMPILE_PLAIN, guards_sql},
    {COMPILE_SYMBOL, COMPILE_PLAIN, symbols_sql},
    {COMPILE_KERNEL, COMPILE_PLAIN, kernels_sql},
    {COMPILE_CACHE, COMPILE_PLAIN, answers_sql},
    {COMPILE_CACHE_KEY, COMPILE_PLAIN, keys_sql},
    {COMPILE_METRIC, COMPILE_PLAIN, metrics_sql},
};

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for the compiles of a run");
}

static struct span keep(struct compile_side *s, sqlite3_stmt *q, int column)
{
    return arena_copy(s->arena, store_column_text(q, column));
}

static int64_t integer(sqlite3_stmt *q, int column)
{
    return sqlite3_column_type(q, column) == SQLITE_NULL ? -1 : sqlite3_column_int64(q, column);
}

/* ---- which run ---- */

static const char runs_sql[] =
    "SELECT coalesce(f.run, 0), r.name, count(*), r.torch_version, r.torch_commit,"
    " r.python_version, r.cuda_version, r.triton_version FROM compile c"
    " JOIN source_file f ON f.id = c.source LEFT JOIN run r ON r.id = f.run"
    " GROUP BY coalesce(f.run, 0) ORDER BY 1";

static void take_run(struct compile_side *s, sqlite3_stmt *q)
{
    s->run_id = sqlite3_column_int64(q, 0);
    s->run = keep(s, q, 1);
    s->torch_version = keep(s, q, 3);
    s->torch_commit = keep(s, q, 4);
    s->python_version = keep(s, q, 5);
    s->cuda_version = keep(s, q, 6);
    s->triton_version = keep(s, q, 7);
}

static enum err refuse_run(struct compile_side *s, int n, struct span runs)
{
    const struct diff_side *side = s->side;
    if (!n)
        FAIL(ERR_NOT_FOUND,
             "no record in %s names a compile (those of an export may not): import a log that "
             "PyTorch"
             " writes with TORCH_TRACE=FOLDER while it compiles, or record with"
             " `plumb record -- ...`",
             side->file);
    if (side->run)
        FAIL(ERR_NOT_FOUND, "%s has no run %s with compiles; it has %.*s", side->file, side->run,
             SPAN_ARG(runs));
    FAIL(ERR_NOT_FOUND, "%d runs in %s have compiles: %.*s; name one: %s#RUN", n, side->file,
         SPAN_ARG(runs), side->file);
}

/* One pass for a run of that name, one for a run of that id, as long as none is found. */
static enum err choose_run(struct compile_side *s, sqlite3_stmt *q)
{
    struct buf runs = {0};
    int64_t id = 0;
    int n = 0, found = 0, rc;
    bool named = false, number = s->side->run && span_to_i64(span_of(s->side->run), &id);
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct span name = store_column_text(q, 1);
        buf_printf(&runs, "%s", n++ ? ", " : "");
        if (name.n) buf_span(&runs, name);
        else buf_printf(&runs, "%lld", (long long)sqlite3_column_int64(q, 0));
        bool is_named = s->side->run && name.p && span_is(name, s->side->run);
        bool is_number = number && sqlite3_column_int64(q, 0) == id && !named;
        named |= is_named;
        if (s->side->run && !is_named && !is_number) continue;
        take_run(s, q);
        found++;
    }
    enum err err = rc == SQLITE_DONE ? buf_ok(&runs) : store_sql_error(s->db, rc, "listing runs");
    if (!err && (!found || (!s->side->run && n > 1))) err = refuse_run(s, n, buf_text(&runs));
    buf_release(&runs);
    return err;
}

static const char losses_sql[] =
    "SELECT coalesce(sum(l.count), 0) FROM loss l LEFT JOIN source_file f ON f.id = l.source"
    " WHERE l.source IS NULL OR coalesce(f.run, 0) = :run";

static enum err read_losses(struct compile_side *s)
{
    sqlite3_stmt *q;
    TRY(store_prepare(s->db, losses_sql, &q));
    enum err err = store_bind_int(q, ":run", s->run_id);
    int rc = err ? SQLITE_DONE : sqlite3_step(q);
    if (rc == SQLITE_ROW) s->losses = sqlite3_column_int64(q, 0);
    else if (!err) err = store_sql_error(s->db, rc, "counting losses");
    sqlite3_finalize(q);
    return err;
}

/* ---- compiles ---- */

static const char compiles_sql[] =
    "SELECT c.id, c.source, c.compile_id, c.frame_id, c.frame_compile_id, c.outcome,"
    " (SELECT text FROM string WHERE id = c.name), (SELECT text FROM string WHERE id = c.file),"
    " c.line, c.total_ns, c.occurrence, coalesce(f.rank, p.rank)"
    " FROM compile c JOIN source_file f ON f.id = c.source"
    " LEFT JOIN process p ON p.id = f.process WHERE coalesce(f.run, 0) = :run"
    " ORDER BY coalesce(f.rank, p.rank), f.name, f.id, c.id";

static enum err add_log(struct compile_side *s, int64_t source, int64_t rank)
{
    if (s->log.n && s->log.p[s->log.n - 1].source == source) return ERR_OK;
    struct compile_log *log = LIST_PUSH(&s->log);
    if (!log) return no_memory();
    *log = (struct compile_log){source, rank, 0};
    return ERR_OK;
}

static enum err add_compile(struct compile_side *s, sqlite3_stmt *q)
{
    struct compile_row *c = LIST_PUSH(&s->compile);
    if (!c) return no_memory();
    *c = (struct compile_row){.id = sqlite3_column_int64(q, 0),
                              .source = sqlite3_column_int64(q, 1),
                              .compile_id = keep(s, q, 2),
                              .frame = integer(q, 3),
                              .nth = integer(q, 4),
                              .outcome = keep(s, q, 5),
                              .function = keep(s, q, 6),
                              .file = keep(s, q, 7),
                              .line = integer(q, 8),
                              .total_ns = integer(q, 9),
                              .occurrence = integer(q, 10),
                              .rank = integer(q, 11),
                              .partner = DIFF_NONE};
    return add_log(s, c->source, c->rank);
}

static enum err refuse_rank(struct compile_side *s, struct span ranks)
{
    FAIL(ERR_NOT_FOUND, "no compile of rank %lld in %s; %s%.*s", (long long)s->side->rank,
         s->side->file, ranks.n ? "there are ranks " : "its logs have no rank", SPAN_ARG(ranks));
}

static enum err read_compiles(struct compile_side *s, sqlite3_stmt *q)
{
    struct buf ranks = {0};
    int64_t before = -1;
    int rc;
    enum err err = store_bind_int(q, ":run", s->run_id);
    while (!err && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        int64_t rank = integer(q, 11);
        if (rank >= 0 && rank != before)
            buf_printf(&ranks, "%s%lld", ranks.n ? ", " : "", (long long)rank);
        before = rank;
        if (s->side->rank < 0 || s->side->rank == rank) err = add_compile(s, q);
    }
    if (!err && rc != SQLITE_DONE) err = store_sql_error(s->db, rc, "reading compiles");
    if (!err && !s->compile.n) err = refuse_rank(s, buf_text(&ranks));
    buf_release(&ranks);
    return err;
}

/* ---- facts ---- */

static int span_order(struct span a, struct span b)
{
    int d = a.n && b.n ? memcmp(a.p, b.p, a.n < b.n ? a.n : b.n) : 0;
    return d ? d : (a.n > b.n) - (a.n < b.n);
}

static bool has_suffix(struct span name, const char *const *suffixes)
{
    for (; *suffixes; suffixes++)
        if (span_ends(name, *suffixes)) return true;
    return false;
}

/* Times, and what is compared as something else, counts for the whole process or names it. */
static bool is_metric_skipped(struct span name)
{
    static const char *const ends[] = {"_us",
                                       "_ms",
                                       "_ns",
                                       "_s",
                                       "time",
                                       "_version",
                                       "_keys",
                                       "compile_id",
                                       "frame_key",
                                       "co_name",
                                       "co_filename",
                                       "co_firstlineno",
                                       "stack_trace",
                                       "fail_type",
                                       "fail_reason",
                                       "_frame_lineno",
                                       "_frame_filename",
                                       "restart_reasons",
                                       "recompile_reason",
                                       "graph_node_shapes",
                                       "num_graph_breaks",
                                       "recompile_user_contexts",
                                       NULL};
    return has_suffix(name, ends);
}

static enum err add_fact(struct compile_side *s, const struct compile_fact *from,
                         enum compile_plain plain)
{
    struct compile_fact *f = LIST_PUSH(&s->fact);
    if (!f) return no_memory();
    *f = *from;
    if (f->aspect == COMPILE_METRIC && span_find(f->key, SPAN("_config."), 0) != SIZE_MAX)
        f->aspect = COMPILE_SETTING;
    f->text = f->shown;
    if (f->aspect != COMPILE_CACHE_KEY)
        TRY(compiles_plain(s->arena, f->shown, plain, &f->text)); /* a key is all hash */
    return compiles_plain(s->arena, f->key, plain, &f->key);
}

/* A configuration is an object as text: each member is a fact of its own. */
static enum err add_members(struct compile_side *s, const struct compile_fact *whole,
                            const struct json *object)
{
    for (const struct json *m = object->first; m; m = m->next) {
        struct buf value = {0};
        struct compile_fact f = *whole;
        json_print(&value, m);
        const char *key =
            arena_printf(s->arena, "%.*s.%.*s", SPAN_ARG(whole->key), SPAN_ARG(m->key));
        f.key = span_of(key);
        f.shown = arena_copy(s->arena, buf_text(&value));
        enum err err = buf_ok(&value);
        buf_release(&value);
        if (!err && (!key || !f.shown.p)) err = no_memory();
        if (!err) err = add_fact(s, &f, COMPILE_PLAIN);
        if (err) return err;
    }
    return ERR_OK;
}

static int value_order(const void *x, const void *y)
{
    const struct json *const *a = x, *const *b = y;
    return span_order((*a)->text, (*b)->text);
}

/* Names of operators are a set that Python lists in any order. */
static enum err add_set(struct compile_side *s, const struct compile_fact *whole,
                        const struct json *list)
{
    struct compile_fact f = *whole;
    struct buf b = {0};
    size_t n = 0;
    const struct json **members = arena_array(s->arena, list->n + 1, sizeof *members);
    if (!members) return no_memory();
    for (const struct json *m = list->first; m; m = m->next) members[n++] = m;
    if (n) qsort(members, n, sizeof *members, value_order);
    for (size_t i = 0; i < n; i++) {
        if (i) buf_puts(&b, ", ");
        buf_span(&b, members[i]->text);
    }
    f.shown = arena_copy(s->arena, buf_text(&b));
    enum err err = buf_ok(&b);
    buf_release(&b);
    if (!err && !f.shown.p) err = no_memory();
    return err ? err : add_fact(s, &f, COMPILE_PLAIN);
}

static enum err add_metric(struct compile_side *s, const struct compile_fact *f)
{
    struct json *object;
    if (is_metric_skipped(f->key)) return ERR_OK;
    if (span_ends(f->key, "_ops") && !json_parse(f->shown, s->arena, &object) &&
        object->type == JSON_LIST)
        return add_set(s, f, object);
    if (span_starts(f->shown, "{") && !json_parse(f->shown, s->arena, &object) &&
        object->type == JSON_OBJECT)
        return add_members(s, f, object);
    err_clear();
    return add_fact(s, f, COMPILE_PLAIN);
}

static enum err read_facts(struct compile_side *s, const struct map *by_id, size_t i,
                           sqlite3_stmt *q)
{
    int rc;
    TRY(store_bind_int(q, ":run", s->run_id));
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        const int64_t *at = map_get(by_id, map_key_int(sqlite3_column_int64(q, 0), 0));
        if (!at) continue;
        struct compile_fact f = {.compile = (uint32_t)*at,
                                 .aspect = fact_queries[i].aspect,
                                 .key = keep(s, q, 1),
                                 .shown = keep(s, q, 2),
                                 .place = keep(s, q, 3),
                                 .id = sqlite3_column_int64(q, 4)};
        if (f.aspect == COMPILE_METRIC) TRY(add_metric(s, &f));
        else TRY(add_fact(s, &f, fact_queries[i].plain));
    }
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(s->db, rc, "reading facts of compiles");
}

static int fact_order(const void *x, const void *y)
{
    const struct compile_fact *a = x, *b = y;
    if (a->compile != b->compile) return a->compile < b->compile ? -1 : 1;
    if (a->aspect != b->aspect) return a->aspect < b->aspect ? -1 : 1;
    int d = span_order(a->key, b->key);
    if (!d) d = span_order(a->text, b->text);
    return d ? d : (a->id > b->id) - (a->id < b->id);
}

static void index_facts(struct compile_side *s)
{
    if (s->fact.n) qsort(s->fact.p, s->fact.n, sizeof *s->fact.p, fact_order);
    for (size_t i = s->fact.n; i-- > 0;) {
        struct compile_row *c = &s->compile.p[s->fact.p[i].compile];
        c->fact = i;
        c->n_facts++;
    }
}

/* ---- texts ---- */

static const char texts_sql[] =
    "SELECT x.compile, x.id, (SELECT text FROM string WHERE id = x.name),"
    " (SELECT text FROM string WHERE id = x.subgraph), x.md5, x.flags & 8,"
    " EXISTS (SELECT 1 FROM graph g WHERE g.artifact = x.id)"
    " FROM artifact x" OF_RUN LAST_ATTEMPT " ORDER BY x.id";

/* Guards, caches, reasons and errors are compared as facts. */
static bool is_fact(struct span name)
{
    static const char *const names[] = {"dynamo_guards",     "dynamo_cpp_guards_str",
                                        "recompile_reasons", "dynamo_graph_break_reason",
                                        "dynamo_error",      NULL};
    for (int i = 0; names[i]; i++)
        if (span_is(name, names[i])) return true;
    return span_find(name, SPAN("cache_hit"), 0) != SIZE_MAX ||
           span_find(name, SPAN("cache_miss"), 0) != SIZE_MAX ||
           span_find(name, SPAN("cache_bypass"), 0) != SIZE_MAX ||
           span_find(name, SPAN("cache_hash"), 0) != SIZE_MAX;
}

static enum compile_aspect aspect_of(struct span name, bool graph)
{
    if (graph) return COMPILE_GRAPH;
    if (span_is(name, "inductor_output_code") || span_is(name, "inductor_aot_wrapper_code") ||
        span_is(name, "inductor_aot_kernel_code"))
        return COMPILE_CODE;
    if (span_is(name, "inductor_collective_schedule")) return COMPILE_COLLECTIVE;
    return COMPILE_ARTIFACT;
}

static enum err add_text(struct compile_side *s, uint32_t compile, sqlite3_stmt *q)
{
    struct span name = keep(s, q, 2);
    if (is_fact(name)) return ERR_OK;
    struct compile_text *t = LIST_PUSH(&s->text);
    if (!t) return no_memory();
    *t = (struct compile_text){.compile = compile,
                               .aspect = aspect_of(name, sqlite3_column_int(q, 6)),
                               .id = sqlite3_column_int64(q, 1),
                               .name = name,
                               .subgraph = keep(s, q, 3),
                               .cut = sqlite3_column_int(q, 5) != 0};
    const void *md5 = sqlite3_column_blob(q, 4);
    struct span bytes = {md5, md5 ? (size_t)sqlite3_column_bytes(q, 4) : 0};
    t->md5 = arena_copy(s->arena, bytes);
    return ERR_OK;
}

static enum err read_texts(struct compile_side *s, const struct map *by_id, sqlite3_stmt *q)
{
    int rc;
    TRY(store_bind_int(q, ":run", s->run_id));
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        const int64_t *at = map_get(by_id, map_key_int(sqlite3_column_int64(q, 0), 0));
        if (at) TRY(add_text(s, (uint32_t)*at, q));
    }
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(s->db, rc, "reading the list of artifacts");
}

static int text_order(const void *x, const void *y)
{
    const struct compile_text *a = x, *b = y;
    if (a->compile != b->compile) return a->compile < b->compile ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static void index_texts(struct compile_side *s)
{
    if (s->text.n) qsort(s->text.p, s->text.n, sizeof *s->text.p, text_order);
    for (size_t i = s->text.n; i-- > 0;) {
        struct compile_row *c = &s->compile.p[s->text.p[i].compile];
        c->text = i;
        c->n_texts++;
    }
}

/* ---- all of it ---- */

static enum err map_compiles(const struct compile_side *s, struct map *by_id)
{
    for (size_t i = 0; i < s->compile.n; i++)
        if (!map_put(by_id, map_key_int(s->compile.p[i].id, 0), (int64_t)i, NULL))
            return no_memory();
    return ERR_OK;
}

static enum err read_details(struct compile_side *s, const struct map *by_id)
{
    sqlite3_stmt *q;
    for (size_t i = 0; i < sizeof fact_queries / sizeof *fact_queries; i++) {
        TRY(store_prepare(s->db, fact_queries[i].sql, &q));
        enum err err = read_facts(s, by_id, i, q);
        sqlite3_finalize(q);
        if (err) return err;
    }
    TRY(store_prepare(s->db, texts_sql, &q));
    enum err err = read_texts(s, by_id, q);
    sqlite3_finalize(q);
    index_facts(s);
    index_texts(s);
    return err;
}

enum err compiles_load(struct compile_side *s)
{
    sqlite3_stmt *q;
    struct map by_id = {0};
    TRY(store_prepare(s->db, runs_sql, &q));
    enum err err = choose_run(s, q);
    sqlite3_finalize(q);
    if (err) return err;
    TRY(read_losses(s));
    TRY(store_prepare(s->db, compiles_sql, &q));
    err = read_compiles(s, q);
    sqlite3_finalize(q);
    if (!err) err = map_compiles(s, &by_id);
    if (!err) err = read_details(s, &by_id);
    map_release(&by_id);
    return err;
}
