/* fact_kernel.c - the compiled kernel of the first difference: its call, its operators in order. */
#include <inttypes.h>

#include "store/diff/report.h"
#include "store/query.h"

enum { KERNEL = 6, /* event.kind */ SHOWN_MEMBERS = 8 };

static const char kernel_sql[] =
    "SELECT n.text, c.position, (SELECT l.site FROM event x JOIN launch l ON l.id = x.launch WHERE "
    "x.parent = e.id AND l.site IS NOT NULL LIMIT 1) FROM event e JOIN string n ON n.id = e.name "
    "LEFT JOIN call c ON c.event = e.id WHERE e.id = :event";
static const char site_sql[] = "SELECT text FROM string WHERE id = :site";
/* A combo's operators are those of its members. */
static const char members_sql[] =
    "WITH it(id) AS (SELECT id FROM kernel WHERE iif(:site IS NULL, name = (SELECT name FROM event "
    "WHERE id = :event), site = :site) ORDER BY id DESC LIMIT 1) "
    "SELECT (SELECT text FROM string WHERE id = o.node), (SELECT text FROM string WHERE id = o.op),"
    " (SELECT text FROM string WHERE id = o.source) FROM kernel k JOIN kernel_op o ON o.kernel = "
    "k.id WHERE k.id IN it OR k.combo IN it ORDER BY k.member, o.position";

static struct span keep(struct diff_kernel *k, sqlite3_stmt *q, int column)
{
    struct span s = store_column_text(q, column);
    return s.p ? arena_copy(&k->arena, s) : SPAN_NONE;
}

static bool has(const struct diff_kernel *k, struct span node)
{
    for (size_t i = 0; i < k->member.n; i++)
        if (span_eq(k->member.p[i].node, node)) return true;
    return false;
}

static enum err read_members(sqlite3 *db, int64_t event, int64_t site, struct diff_kernel *k)
{
    sqlite3_stmt *q;
    int rc = SQLITE_DONE;
    enum err err = store_prepare(db, members_sql, &q);
    if (err) return err;
    TRY_OUT(store_bind_int(q, ":event", event));
    if (site) TRY_OUT(store_bind_int(q, ":site", site));
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        if (has(k, store_column_text(q, 0))) continue;
        struct diff_member *m = LIST_PUSH(&k->member);
        if (!m) TRY_OUT(err_set(ERR_NOMEM, "out of memory for the operators of a kernel"));
        *m = (struct diff_member){keep(k, q, 0), keep(k, q, 1), keep(k, q, 2)};
    }
    if (rc != SQLITE_DONE) err = store_sql_error(db, rc, "reading the operators of a kernel");
out:
    sqlite3_finalize(q);
    return err;
}

static enum err read_site(sqlite3 *db, int64_t site, struct diff_kernel *k)
{
    sqlite3_stmt *q;
    TRY(store_prepare(db, site_sql, &q));
    enum err err = store_bind_int(q, ":site", site);
    if (!err && sqlite3_step(q) == SQLITE_ROW) k->site = keep(k, q, 0);
    sqlite3_finalize(q);
    return err;
}

static enum err read_kernel(sqlite3 *db, int64_t event, struct diff_kernel *k, bool *any)
{
    sqlite3_stmt *q;
    int64_t site = 0;
    TRY(store_prepare(db, kernel_sql, &q));
    enum err err = store_bind_int(q, ":event", event);
    if (!err && sqlite3_step(q) == SQLITE_ROW) {
        *any = true;
        k->name = keep(k, q, 0);
        k->position = sqlite3_column_int64(q, 1);
        site = sqlite3_column_int64(q, 2);
    }
    sqlite3_finalize(q);
    if (!err && site) err = read_site(db, site, k);
    if (!err && *any) err = read_members(db, event, site, k);
    return err;
}

enum err diff_fact_kernel(struct diff_comparison *c, const struct diff_fact *f, int side,
                          struct diff_kernel *out, bool *any)
{
    const struct diff_stream *s = side ? f->lane->b : f->lane->a;
    uint32_t call = side ? f->p->b : f->p->a, number;
    *out = (struct diff_kernel){0};
    *any = false;
    if (!s || call == DIFF_NONE) return ERR_OK;
    if (diff_is_unfolded(s, call) ? !diff_kernel_of(s, call).n
                                  : diff_call_text(s, call)->kind != KERNEL)
        return ERR_OK;
    int64_t event = s->event[call];
    uint32_t use = !f->tensor || !f->tensor->phase ? DIFF_NONE : side ? f->tensor->b : f->tensor->a;
    int64_t made = diff_event_of_use(s, use, &number);
    return read_kernel(c->db[side], made >= 0 ? made : event, out, any);
}

void diff_kernel_release(struct diff_kernel *k)
{
    LIST_RELEASE(&k->member);
    arena_release(&k->arena);
    *k = (struct diff_kernel){0};
}

/* ---- words ---- */

/* "`aten::add.Tensor`, `aten::relu` and 3 more", each operator of a kernel once. */
static void list_members(struct buf *b, const struct diff_kernel *k)
{
    for (size_t i = 0; i < k->member.n && i < SHOWN_MEMBERS; i++) {
        if (i) buf_puts(b, ", ");
        diff_put_code(b, k->member.p[i].op.p ? k->member.p[i].op : k->member.p[i].node);
    }
    if (k->member.n > SHOWN_MEMBERS)
        buf_printf(b, " and %zu more", k->member.n - (size_t)SHOWN_MEMBERS);
}

/* "kernel `1/0 backward pl_per_fused_sum_4` of B (call 66: operators)": a site ends in the name. */
static void say_kernel(struct buf *b, const struct diff_kernel *k, const char *whose)
{
    buf_puts(b, "kernel ");
    diff_put_code(b, k->site.n ? k->site : k->name);
    buf_printf(b, " of %s (call %" PRId64 "%s", whose, k->position, k->member.n ? ": " : "");
    list_members(b, k);
    buf_putc(b, ')');
}

static bool same_kernel(const struct diff_kernel *x, const struct diff_kernel *y)
{
    return span_eq(x->name, y->name) && span_eq(x->site, y->site) && x->position == y->position;
}

bool diff_say_kernels(struct buf *b, struct diff_comparison *c, const struct diff_fact *f)
{
    struct diff_kernel k[2];
    bool any[2];
    for (int i = 0; i < 2; i++)
        if (diff_fact_kernel(c, f, i, &k[i], &any[i])) any[i] = false;
    if (any[0] && any[1] && same_kernel(&k[0], &k[1])) {
        say_kernel(b, &k[0], "both");
    } else {
        if (any[0]) say_kernel(b, &k[0], "A");
        if (any[0] && any[1]) buf_puts(b, " and ");
        if (any[1]) say_kernel(b, &k[1], "B");
    }
    for (int i = 0; i < 2; i++) diff_kernel_release(&k[i]);
    return any[0] || any[1];
}

/* ---- JSON ---- */

static void put_member(struct buf *b, const char *name, struct span s)
{
    buf_printf(b, ", \"%s\": ", name);
    if (s.p) buf_json(b, s);
    else buf_puts(b, "null");
}

static void put_kernel(struct buf *b, const struct diff_kernel *k, int side)
{
    buf_printf(b, "{\"side\": \"%c\", \"call\": %" PRId64, "ab"[side], k -> position);
    put_member(b, "name", k->name);
    put_member(b, "site", k->site);
    buf_puts(b, ", \"members\": [");
    for (size_t i = 0; i < k->member.n; i++) {
        const struct diff_member *m = &k->member.p[i];
        buf_puts(b, i ? ", {\"node\": " : "{\"node\": ");
        buf_json(b, m->node);
        put_member(b, "op", m->op);
        put_member(b, "source", m->source);
        buf_putc(b, '}');
    }
    buf_puts(b, "]}");
}

void diff_json_kernels(struct buf *b, struct diff_comparison *c, const struct diff_fact *f)
{
    int n = 0;
    buf_puts(b, ", \"kernels\": [");
    for (int k = 0; k < 2; k++) {
        struct diff_kernel kernel;
        bool any;
        if (diff_fact_kernel(c, f, k, &kernel, &any)) any = false;
        if (any && n++) buf_puts(b, ", ");
        if (any) put_kernel(b, &kernel, k);
        diff_kernel_release(&kernel);
    }
    buf_putc(b, ']');
}
