/* fusion_read.c - a program from the file: the named queries fusion_kernels, fusion_members and
 * fusion_edges. */
#include "web/fusion.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/db.h"
#include "store/query.h"
#include "web/web.h"

#define ADD(kind, list)                                                                            \
    struct fusion_##kind *fusion_add_##kind(struct fusion *f)                                      \
    {                                                                                              \
        if (f->n_##list == f->s_##list) {                                                          \
            int size = f->s_##list ? 2 * f->s_##list : 64;                                         \
            struct fusion_##kind *grown = arena_array(&f->arena, (size_t)size, sizeof *grown);     \
            if (!grown) return NULL;                                                               \
            if (f->n_##list) memcpy(grown, f->list, (size_t)f->n_##list * sizeof *grown);          \
            f->list = grown;                                                                       \
            f->s_##list = size;                                                                    \
        }                                                                                          \
        return &f->list[f->n_##list++];                                                            \
    }
ADD(kernel, kernels)
ADD(op, ops)
ADD(lane, lanes)
ADD(input, inputs)
ADD(value, values)
ADD(edge, edges)
#undef ADD

struct members {
    int kernel, lane;
    int64_t lane_id;
};
struct reader {
    sqlite3 *db;
    const struct fusion_of *of;
    struct fusion *f;
    struct members members; /* where the last one stood */
    struct map values;
};

static enum err open_query(struct reader *r, const char *name, sqlite3_stmt **out)
{
    const struct {
        const char *name, *value;
    } params[] = {{"compile_id", r->of->compile_id},
                  {"occurrence", r->of->occurrence},
                  {"log", r->of->log},
                  {"run", r->of->run},
                  {"phase", r->of->phase}};
    TRY(store_query_prepare(r->db, name, out));
    for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
        const char *value = params[i].value;
        if (!value || !*value) continue;
        if (!strcmp(params[i].name, "occurrence")) {
            store_bind_word(*out, params[i].name, value);
            continue;
        }
        char colon[16] = ":";
        strncat(colon, params[i].name, sizeof colon - 2);
        TRY(store_bind_text(*out, colon, value, (int64_t)strlen(value)));
    }
    return ERR_OK;
}

static bool next(sqlite3_stmt *s, enum err *err)
{
    int rc = sqlite3_step(s);
    *err = rc == SQLITE_ROW || rc == SQLITE_DONE
               ? ERR_OK
               : store_sql_error(sqlite3_db_handle(s), rc, "reading a fusion graph");
    return rc == SQLITE_ROW;
}

static struct span kept(struct fusion *f, sqlite3_stmt *s, const char *column)
{
    return arena_copy(&f->arena, web_text(s, column));
}

/* ---- kernels ---- */

enum err fusion_name_kernel(struct fusion *f)
{
    struct fusion_kernel *k = &f->kernels[f->n_kernels - 1];
    int64_t *times = map_put(&f->by_name, map_key(k->name), 0, NULL);
    k->key = !times ? NULL
             : ++*times > 1
                 ? arena_printf(&f->arena, "%.*s#%lld", SPAN_ARG(k->name), (long long)*times)
                 : arena_printf(&f->arena, "%.*s", SPAN_ARG(k->name));
    if (k->key &&
        (k->id == STORE_NULL || map_put(&f->by_id, map_key_int(k->id, 0), f->n_kernels - 1, NULL)))
        return ERR_OK;
    FAIL(ERR_NOMEM, "out of memory for a fusion graph");
}

int fusion_find(const struct fusion *f, const char *key)
{
    for (int i = 0; key && i < f->n_kernels; i++)
        if (!strcmp(f->kernels[i].key, key)) return i;
    return -1;
}

static int of_id(const struct fusion *f, int64_t id)
{
    const int64_t *at = id == STORE_NULL ? NULL : map_get(&f->by_id, map_key_int(id, 0));
    return at ? (int)*at : -1;
}

static enum err read_kernel(struct fusion *f, sqlite3_stmt *s)
{
    struct fusion_kernel *k;
    FUSION_ADD(k, kernel, f);
    *k = (struct fusion_kernel){.name = kept(f, s, "name"),
                                .kind = kept(f, s, "kind"),
                                .role = kept(f, s, "role"),
                                .type = kept(f, s, "type"),
                                .id = web_int(s, "id"),
                                .reads = web_int(s, "reads"),
                                .writes = web_int(s, "writes"),
                                .launches = web_int(s, "launches"),
                                .p50_ns = web_int(s, "p50_ns"),
                                .line = web_int(s, "line"),
                                .bytes_per_ns = web_real(s, "bytes_per_ns"),
                                .results = web_int(s, "results"),
                                .digests = web_int(s, "digests"),
                                .nonfinite = web_int(s, "nonfinite")};
    if (!f->phase.p) f->phase = kept(f, s, "phase");
    f->is_recorded |= web_int(s, "position") != STORE_NULL;
    if (f->artifact == STORE_NULL) f->artifact = web_int(s, "artifact");
    return fusion_name_kernel(f);
}

/* ---- members ---- */

static enum err begin_lane(struct fusion *f, sqlite3_stmt *s, struct members *m)
{
    struct fusion_lane *l;
    struct fusion_kernel *k = &f->kernels[m->kernel];
    FUSION_ADD(l, lane, f);
    *l = (struct fusion_lane){.name = kept(f, s, "lane"),
                              .first_block = web_int(s, "first_block"),
                              .blocks = web_int(s, "blocks"),
                              .reads = web_int(s, "reads"),
                              .writes = web_int(s, "writes"),
                              .first_op = f->n_ops};
    if (!k->n_lanes++) k->first_lane = f->n_lanes - 1;
    m->lane = f->n_lanes - 1;
    m->lane_id = web_int(s, "kernel");
    return ERR_OK;
}

static enum err read_member(struct fusion *f, sqlite3_stmt *s, struct members *m)
{
    int kernel = of_id(f, web_int(s, "launched"));
    if (kernel < 0) return ERR_OK;
    if (kernel != m->kernel) *m = (struct members){kernel, -1, STORE_NULL};
    if (web_int(s, "member") != STORE_NULL && web_int(s, "kernel") != m->lane_id)
        TRY(begin_lane(f, s, m));
    if (!web_text(s, "node").n) return ERR_OK;
    struct fusion_op *op;
    struct fusion_kernel *k = &f->kernels[kernel];
    if (!k->n_ops++) k->first_op = f->n_ops;
    if (m->lane >= 0) f->lanes[m->lane].n_ops++;
    FUSION_ADD(op, op, f);
    *op = (struct fusion_op){.node = kept(f, s, "node"),
                             .op = kept(f, s, "op"),
                             .role = kept(f, s, "role"),
                             .source = kept(f, s, "source"),
                             .lane = m->lane,
                             .also = of_id(f, web_int(s, "also")),
                             .position = (int)web_int(s, "position"),
                             .recomputed = web_int(s, "recomputed") == 1};
    f->n_twice += op->also > kernel;
    return ERR_OK;
}

/* ---- values ---- */

static enum err read_input(struct fusion *f, sqlite3_stmt *s)
{
    struct fusion_input *in;
    int reader = of_id(f, web_int(s, "reader"));
    int64_t bytes = web_int(s, "bytes");
    if (reader < 0) return ERR_OK;
    struct fusion_kernel *k = &f->kernels[reader];
    for (int i = k->first_input; i < k->first_input + k->n_inputs; i++)
        if (span_eq(f->inputs[i].name, web_text(s, "value"))) return ERR_OK;
    FUSION_ADD(in, input, f);
    *in = (struct fusion_input){kept(f, s, "value"), bytes};
    if (!k->n_inputs++) k->first_input = f->n_inputs - 1;
    if (bytes != STORE_NULL) k->input_bytes += bytes;
    return ERR_OK;
}

/* The operator that stores a value says so; of several values the first that is read. */
static void tell_store(struct fusion *f, int kernel, struct span value, struct span made_by,
                       bool read)
{
    const struct fusion_kernel *k = &f->kernels[kernel];
    for (int pass = 0; pass < 2; pass++)
        for (int i = k->first_op; i < k->first_op + k->n_ops; i++)
            if (span_eq(f->ops[i].node, pass ? made_by : value)) {
                struct fusion_op *op = &f->ops[i];
                if (!op->stores.n || (read && !op->stores_read))
                    op->stores = value, op->stores_read = read;
                return;
            }
}

static enum err read_value(struct fusion *f, sqlite3_stmt *s, struct map *values)
{
    int writer = of_id(f, web_int(s, "writer")), reader = of_id(f, web_int(s, "reader"));
    struct span name = web_text(s, "value");
    bool added;
    if (writer < 0) return read_input(f, s);
    int64_t *at =
        map_put(values, map_key_int((int64_t)map_key(name).lo, writer), f->n_values, &added);
    if (!at) FAIL(ERR_NOMEM, "out of memory for a fusion graph");
    if (added) {
        struct fusion_value *v;
        FUSION_ADD(v, value, f);
        *v = (struct fusion_value){kept(f, s, "value"), writer, web_int(s, "bytes")};
        f->kernels[writer].n_makes++;
        f->kernels[writer].n_kept += reader < 0;
        tell_store(f, writer, v->name, kept(f, s, "made_by"), reader >= 0);
    }
    bool again = f->n_edges && f->edges[f->n_edges - 1].value == *at &&
                 f->edges[f->n_edges - 1].reader == reader;
    if (reader < 0 || again) return ERR_OK;
    struct fusion_edge *e;
    FUSION_ADD(e, edge, f);
    *e = (struct fusion_edge){(int)*at, reader};
    return ERR_OK;
}

/* ---- alike ---- */

/* "cpp_fused_gelu" of "cpp_fused_gelu_12". */
static struct span without_number(struct span name)
{
    size_t n = name.n;
    while (n && name.p[n - 1] >= '0' && name.p[n - 1] <= '9') n--;
    return n && n < name.n && name.p[n - 1] == '_' ? span_to(name, n - 1) : name;
}

/* Kernels are alike when they do the same operators in the same roles on as many bytes: names and
 * places differ from layer to layer. Where operators are not known the name tells, without its
 * number. */
static void tell_alike(struct fusion *f)
{
    for (int i = 0; i < f->n_kernels; i++) {
        struct fusion_kernel *k = &f->kernels[i];
        uint64_t h = map_key(k->role).lo ^ (uint64_t)k->reads * 31 ^ (uint64_t)k->writes * 7;
        for (int o = k->first_op; o < k->first_op + k->n_ops; o++)
            h = map_key_int((int64_t)h, (int64_t)map_key(f->ops[o].op).lo).lo;
        if (!k->n_ops) h = map_key_int((int64_t)h, (int64_t)map_key(without_number(k->name)).lo).lo;
        k->alike = h;
    }
}

static enum err read_rows(struct reader *r, const char *query,
                          enum err (*row)(struct reader *r, sqlite3_stmt *s))
{
    sqlite3_stmt *s = NULL;
    enum err err = open_query(r, query, &s);
    while (!err && next(s, &err) && !err) err = row(r, s);
    sqlite3_finalize(s);
    return err;
}

static enum err kernel_row(struct reader *r, sqlite3_stmt *s)
{
    return read_kernel(r->f, s);
}

static enum err member_row(struct reader *r, sqlite3_stmt *s)
{
    return read_member(r->f, s, &r->members);
}

static enum err value_row(struct reader *r, sqlite3_stmt *s)
{
    return read_value(r->f, s, &r->values);
}

/* ---- all ---- */

/* The generated code of a program of PyTorch: that of its first kernel. */
static enum err read_code(struct reader *r, struct text_reader *text)
{
    struct buf code = {0};
    enum err err = ERR_OK;
    if (r->f->artifact != STORE_NULL) err = text_artifact(text, r->f->artifact, &code);
    if (!err) err = buf_ok(&code);
    if (!err) err = fusion_read_code(r->f, buf_text(&code));
    buf_release(&code);
    return err;
}

enum err fusion_read(sqlite3 *db, struct text_reader *text, const struct fusion_of *of,
                     struct fusion *f)
{
    struct reader r = {.db = db, .of = of, .f = f, .members = {-1, -1, STORE_NULL}};
    *f = (struct fusion){.artifact = STORE_NULL};
    enum err err = read_rows(&r, "fusion_kernels", kernel_row);
    if (!err) err = read_rows(&r, "fusion_members", member_row);
    if (!err && f->is_recorded) err = read_rows(&r, "fusion_edges", value_row);
    else if (!err && f->n_kernels) err = read_code(&r, text);
    if (!err) tell_alike(f);
    map_release(&r.values);
    return err;
}

void fusion_release(struct fusion *f)
{
    arena_release(&f->arena);
    map_release(&f->by_id);
    map_release(&f->by_name);
}
