/* load.c - one pass over the calls and one over the tensors of a trace, side by side.
 *
 *   call x event   in order of ids ─┐
 *   tensor_use     in the same order ┴─► the stream of the call's log
 *
 * Scopes are made when a call inside names them: the chain of `parent` leads there. A stack of the
 * open lines of each log answers nearly always; what it does not know (steps and spans, which have
 * no row in `call`, and files in another order) is read from `event` once and kept in a map.
 */
#include "store/diff/load.h"

#include "store/diff/argument.h"
#include "store/diff/derive.h"
#include "store/diff/load_words.h"
#include "store/query.h"

enum {
    OPERATOR = 3,
    REDISTRIBUTE = 4,
    OUTPUT = 5,
    TRITON = 6,
    ANNOTATION = 7,
    MODULE = 8,
    TEXT = 9,
    STEP = 13
};
enum { MOST_PARENTS = 500 };

/* A line whose children may follow. */
struct open_line {
    int64_t event, parent, name, header;
    uint32_t scope; /* DIFF_NONE: not made yet */
    uint32_t call;  /* number of the call; DIFF_NONE: it is none */
    int kind, depth;
};
/* The forms asked for last, by the ids they are made of: nearly every tensor has one of few. */
enum { RECENT_FORMS = 256 };
struct recent_form {
    int64_t key[5];
    uint32_t form;
    bool used;
};
struct log_state {
    int64_t source;
    bool by_depth; /* load_log.by_depth */
    struct diff_stream stream;
    struct load_words words;
    struct map scopes; /* scope by event.id */
    LIST_OF(struct open_line) open;
    struct derive derive;
    struct recent_form recent[RECENT_FORMS];
    uint32_t marked; /* scope of the step that the program has marked last; 0 none */
};
struct loader {
    sqlite3 *db;                   /* borrowed */
    LIST_OF(struct log_state) log; /* by rank, then name */
    size_t last;                   /* log of the last call */
    sqlite3_stmt *calls, *uses, *event, *transform;
    bool use_waits; /* the row that uses stands on is not taken yet */
};

struct call_row {
    int64_t event, position, parent, name, args, kwargs, output;
    int kind, depth;
    bool backward; /* it names a forward operator that ran elsewhere */
};

static int64_t column(sqlite3_stmt *s, int i)
{
    return sqlite3_column_int64(s, i);
}

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for the scopes of a log");
}

static enum err parent_scope(struct loader *l, struct log_state *g, int64_t parent, int left,
                             uint32_t *out);

static enum err remember(struct log_state *g, int64_t event, uint32_t scope)
{
    return map_put(&g->scopes, map_key_int(event, 0), scope, NULL) ? ERR_OK : no_memory();
}

static enum diff_scope_kind scope_kind(int kind)
{
    if (kind == STEP) return DIFF_STEP;
    if (kind == MODULE) return DIFF_MODULE;
    return kind >= OPERATOR && kind <= TRITON ? DIFF_CALL : DIFF_ANNOTATION;
}

/* A compiled region prints `[nn.Mod (compile bwd)]` around its backward. */
static enum err mark_backward(struct log_state *g, const struct open_line *line)
{
    uint32_t header;
    TRY(load_word(&g->words, g->stream.words, line->header, &header));
    if (span_find(diff_span(g->stream.words, header), SPAN("bwd"), 0) != SIZE_MAX)
        g->stream.scopes.p[line->scope].phase = DIFF_BACKWARD;
    return ERR_OK;
}

/* Makes the scope of a line. */
static enum err make_scope(struct loader *l, struct log_state *g, struct open_line *line, int left)
{
    uint32_t parent, name;
    TRY(parent_scope(l, g, line->parent, left, &parent));
    TRY(load_word(&g->words, g->stream.words, line->name, &name));
    TRY(diff_add_scope(&g->stream, parent, scope_kind(line->kind), diff_span(g->stream.words, name),
                       &line->scope));
    struct diff_scope *s = &g->stream.scopes.p[line->scope];
    s->call = line->call;
    if (line->kind == MODULE) TRY(mark_backward(g, line));
    return remember(g, line->event, line->scope);
}

/* A line that is not open: a step, a span, or one of a file in another order. */
static enum err fetch_scope(struct loader *l, struct log_state *g, int64_t event, int left,
                            uint32_t *out)
{
    const int64_t *known = map_get(&g->scopes, map_key_int(event, 0));
    *out = known ? (uint32_t)*known : 0;
    if (known || left == 0) return ERR_OK;
    sqlite3_reset(l->event);
    TRY(store_bind_int(l->event, ":event", event));
    int rc = sqlite3_step(l->event);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return store_sql_error(l->db, rc, "reading the events around calls");
    if (rc == SQLITE_DONE) return remember(g, event, 0);
    struct open_line line = {.event = event,
                             .kind = (int)column(l->event, 0),
                             .name = column(l->event, 1),
                             .parent = column(l->event, 2),
                             .call = diff_find_call(&g->stream, event)};
    TRY(make_scope(l, g, &line, left - 1));
    *out = line.scope;
    return ERR_OK;
}

static struct open_line *find_open(const struct log_state *g, int64_t event)
{
    for (size_t i = g->open.n; i > 0; i--)
        if (g->open.p[i - 1].event == event) return &g->open.p[i - 1];
    return NULL;
}

static enum err parent_scope(struct loader *l, struct log_state *g, int64_t parent, int left,
                             uint32_t *out)
{
    *out = g->marked;
    if (!parent) return ERR_OK;
    struct open_line *line = find_open(g, parent);
    if (!line) return fetch_scope(l, g, parent, left, out);
    if (line->scope == DIFF_NONE) {
        if (left == 0) return ERR_OK;
        line->scope = 0; /* a chain that leads back to itself ends here */
        TRY(make_scope(l, g, line, left - 1));
    }
    *out = line->scope;
    return ERR_OK;
}

/* Closes the lines inside of the row's parent. */
static void close_lines(struct log_state *g, const struct call_row *row)
{
    const struct open_line *parent = row->parent ? find_open(g, row->parent) : NULL;
    g->open.n = parent ? (size_t)(parent - g->open.p) + 1 : 0;
}

static enum err open_line(struct log_state *g, const struct call_row *row, uint32_t call)
{
    struct open_line *line = LIST_PUSH(&g->open);
    if (!line) return no_memory();
    *line = (struct open_line){.event = row->event,
                               .parent = row->parent,
                               .name = row->name,
                               .header = row->args,
                               .scope = DIFF_NONE,
                               .call = call,
                               .kind = row->kind,
                               .depth = row->depth};
    return ERR_OK;
}

/* Indentation makes a parent of an annotation that encloses nothing: `[annotate]` is a line, and a
 * profiler range raises what is in it by two steps, but for what is printed at the depth around it
 * (other annotations, calls of DTensors and torch functions). */
static enum err encloses(struct log_state *g, const struct open_line *line,
                         const struct call_row *row, bool *out)
{
    struct diff_words *w = g->stream.words;
    uint32_t header, name, args;
    *out = true;
    if (line->kind != ANNOTATION) return ERR_OK;
    TRY(load_word(&g->words, w, line->header, &header));
    *out = !span_is(diff_span(w, header), "annotate");
    bool raised = row->depth > line->depth + 1;
    if (!*out || raised || (row->kind != OPERATOR && row->kind != TRITON && row->kind != MODULE))
        return ERR_OK;
    TRY(load_word(&g->words, w, row->name, &name));
    TRY(load_word(&g->words, w, row->args, &args));
    bool function = span_find(diff_span(w, name), SPAN("::"), 0) == SIZE_MAX;
    bool distributed = diff_has_distributed(diff_span(w, args));
    *out = row->kind == OPERATOR && (function || distributed);
    return ERR_OK;
}

/* The parent becomes the nearest line that encloses the row. */
static enum err find_parent(struct log_state *g, struct call_row *row)
{
    const struct open_line *line;
    while (row->parent && (line = find_open(g, row->parent))) {
        bool inside;
        TRY(encloses(g, line, row, &inside));
        if (inside) break;
        row->parent = line->parent;
        if (row->parent >= line->event) break; /* no line before it: a circle of parents */
    }
    return ERR_OK;
}

/* The end of an optimizer's range ends a step, though no call be in it. */
static enum err note_range(struct loader *l, struct log_state *g, const struct call_row *row)
{
    uint32_t name, scope;
    TRY(load_word(&g->words, g->stream.words, row->name, &name));
    if (span_find(diff_span(g->stream.words, name), SPAN("Optimizer.step"), 0) == SIZE_MAX)
        return ERR_OK;
    TRY(parent_scope(l, g, row->event, MOST_PARENTS, &scope));
    struct derive_range *r = LIST_PUSH(&g->derive.range);
    if (!r) return no_memory();
    *r = (struct derive_range){.scope = scope, .begin = g->stream.n_calls};
    return ERR_OK;
}

/* `[annotate] step 3` around which nothing is: what follows belongs to that step. */
static enum err note_mark(struct log_state *g, const struct call_row *row)
{
    struct diff_words *w = g->stream.words;
    uint32_t header, name;
    int64_t number;
    if (row->parent) return ERR_OK;
    TRY(load_word(&g->words, w, row->args, &header));
    TRY(load_word(&g->words, w, row->name, &name));
    struct span text = diff_span(w, name);
    if (!span_is(diff_span(w, header), "annotate") || !span_starts(text, "step ") ||
        !span_to_i64(span_from(text, sizeof "step " - 1), &number))
        return ERR_OK;
    return diff_add_scope(&g->stream, 0, DIFF_STEP, text, &g->marked);
}

static enum err note_backward(struct log_state *g)
{
    uint32_t *call = LIST_PUSH(&g->derive.backward);
    if (!call) return no_memory();
    *call = g->stream.n_calls - 1;
    return ERR_OK;
}

/* `redistribute_input` of a tensor, as it is printed: the placements are among the arguments. */
static enum err name_redistribute(struct loader *l, struct log_state *g, const struct call_row *row,
                                  struct diff_text *t)
{
    struct diff_words *w = g->stream.words;
    struct buf args = {0};
    t->name = diff_word(w, SPAN("redistribute_input"));
    sqlite3_reset(l->transform);
    TRY(store_bind_int(l->transform, ":event", row->event));
    int rc = sqlite3_step(l->transform);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return store_sql_error(l->db, rc, "reading a change of placements");
    struct span how = rc == SQLITE_ROW ? store_column_text(l->transform, 0) : SPAN_NONE;
    if (!how.p) return ERR_OK;
    buf_span(&args, diff_span(w, t->args));
    buf_puts(&args, args.n ? ", " : "");
    buf_span(&args, how);
    if (!args.failed) t->args = diff_word(w, buf_text(&args));
    enum err err = buf_ok(&args);
    buf_release(&args);
    return err;
}

static enum err read_text(struct loader *l, struct log_state *g, const struct call_row *row,
                          struct diff_text *t)
{
    struct diff_words *w = g->stream.words;
    TRY(load_plain(&g->words, w, row->name, &t->name));
    TRY(load_plain(&g->words, w, row->args, &t->args));
    TRY(load_plain(&g->words, w, row->kwargs, &t->kwargs));
    TRY(load_plain(&g->words, w, row->output, &t->output));
    if (row->kind == REDISTRIBUTE) TRY(name_redistribute(l, g, row, t));
    if (row->kind == OUTPUT) t->name = diff_word(w, SPAN("output"));
    return ERR_OK;
}

static enum err add_call(struct loader *l, struct log_state *g, const struct call_row *row)
{
    struct diff_stream *s = &g->stream;
    struct diff_text t = {.kind = (uint8_t)row->kind};
    uint32_t scope;
    TRY(parent_scope(l, g, row->parent, MOST_PARENTS, &scope));
    TRY(read_text(l, g, row, &t));
    TRY(diff_add_call(s, (uint32_t)row->event, (uint32_t)row->position, scope,
                      diff_text(s->words, &t)));
    return row->backward ? note_backward(g) : ERR_OK;
}

static enum err add_row(struct loader *l, struct log_state *g, struct call_row *row)
{
    struct diff_stream *s = &g->stream;
    if (row->event < 0 || row->event >= DIFF_NONE || row->position < 0 ||
        row->position >= DIFF_NONE)
        FAIL(ERR_LIMIT, "event %lld is line %lld of a log; 0 to 4294967294 can be compared",
             (long long)row->event, (long long)row->position);
    close_lines(g, row);
    if (g->by_depth) TRY(find_parent(g, row));
    bool call = row->kind >= OPERATOR && row->kind <= TRITON;
    if (call) TRY(add_call(l, g, row));
    else s->n_lines++;
    if (row->kind == TEXT) return ERR_OK;
    TRY(open_line(g, row, call ? s->n_calls - 1 : DIFF_NONE));
    if (row->kind != ANNOTATION) return ERR_OK;
    TRY(note_mark(g, row));
    return note_range(l, g, row);
}

static struct call_row read_call(sqlite3_stmt *s)
{
    return (struct call_row){.event = column(s, 0),
                             .position = column(s, 2),
                             .depth = (int)column(s, 3),
                             .args = column(s, 4),
                             .kwargs = column(s, 5),
                             .output = column(s, 6),
                             .backward = column(s, 7) != 0,
                             .kind = (int)column(s, 8),
                             .name = column(s, 9),
                             .parent = column(s, 10)};
}

/* A number of a tensor or version, DIFF_NONE when it was not recorded. */
static enum err read_number(sqlite3_stmt *s, int i, uint32_t *out)
{
    *out = DIFF_NONE;
    if (sqlite3_column_type(s, i) == SQLITE_NULL) return ERR_OK;
    int64_t number = column(s, i);
    if (number < 0 || number >= DIFF_NONE)
        FAIL(ERR_LIMIT,
             "a call has tensor number or version %lld; up to 4294967294 can be compared",
             (long long)number);
    *out = (uint32_t)number;
    return ERR_OK;
}

/* The form of the tensor that `uses` stands on. */
static enum err read_form(struct loader *l, struct log_state *g, uint32_t *out)
{
    sqlite3_stmt *u = l->uses;
    struct diff_words *w = g->stream.words;
    *out = DIFF_NONE;
    int64_t phase = column(u, 1), hash = column(u, 7);
    struct diff_form f = {.phase = phase == 1 || phase == 2 ? (uint8_t)phase : 0,
                          .hash = hash > 0 && hash <= DIFF_SHA256 ? (uint8_t)hash : DIFF_NO_HASH};
    f.part = sqlite3_column_type(u, 9) == SQLITE_NULL ? -1 : (int8_t)(column(u, 9) & 127);
    int64_t key[5] = {column(u, 2), column(u, 4), column(u, 5), column(u, 6),
                      f.phase << 16 | f.hash << 8 | (uint8_t)f.part};
    uint64_t mix = 0;
    for (int i = 0; i < 5; i++) mix = (mix ^ (uint64_t)key[i]) * 0x9e3779b97f4a7c15u;
    struct recent_form *r = &g->recent[mix >> 56];
    if (!r->used || memcmp(r->key, key, sizeof key)) {
        r->used = false;
        TRY(load_word(&g->words, w, key[0], &f.path));
        TRY(load_word(&g->words, w, key[1], &f.dtype));
        TRY(load_word(&g->words, w, key[2], &f.shape));
        TRY(load_word(&g->words, w, key[3], &f.stride));
        f.elements = load_elements(diff_span(w, f.shape));
        r->form = diff_form(w, &f);
        if (r->form == DIFF_NONE) return no_memory();
        memcpy(r->key, key, sizeof key);
        r->used = true;
    }
    *out = r->form;
    return ERR_OK;
}

/* The tensor that `uses` stands on. */
static enum err add_use(struct loader *l, struct log_state *g)
{
    uint32_t form, tensor, version;
    TRY(read_form(l, g, &form));
    TRY(read_number(l->uses, 3, &tensor));
    TRY(read_number(l->uses, 10, &version));
    return diff_add_use(&g->stream, form, column(l->uses, 8), tensor, version);
}

/* Takes the tensors of an event; g NULL: of a line that is not compared. */
static enum err take_uses(struct loader *l, struct log_state *g, int64_t event)
{
    for (;;) {
        if (!l->use_waits) {
            if (!l->uses) return ERR_OK;
            int rc = sqlite3_step(l->uses);
            if (rc == SQLITE_DONE) {
                sqlite3_finalize(l->uses);
                l->uses = NULL;
                return ERR_OK;
            }
            if (rc != SQLITE_ROW) return store_sql_error(l->db, rc, "reading the tensors of calls");
            l->use_waits = true;
        }
        int64_t at = column(l->uses, 0);
        if (at > event) return ERR_OK;
        if (at == event && g) TRY(add_use(l, g));
        l->use_waits = false;
    }
}

static struct log_state *log_of(struct loader *l, int64_t source)
{
    if (l->log.p[l->last].source == source) return &l->log.p[l->last];
    for (size_t i = 0; i < l->log.n; i++)
        if (l->log.p[i].source == source) {
            l->last = i;
            return &l->log.p[i];
        }
    return NULL;
}

static enum err read_calls(struct loader *l)
{
    int rc;
    while ((rc = sqlite3_step(l->calls)) == SQLITE_ROW) {
        struct log_state *g = log_of(l, column(l->calls, 1));
        if (!g) continue;
        struct call_row row = read_call(l->calls);
        TRY(add_row(l, g, &row));
        bool call = row.kind >= OPERATOR && row.kind <= TRITON;
        TRY(take_uses(l, call ? g : NULL, row.event));
    }
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(l->db, rc, "reading the calls of a log");
}

static enum err prepare(struct loader *l)
{
    TRY(store_prepare(
        l->db,
        "SELECT c.event, c.source, c.position, c.depth, c.args, c.kwargs, c.output,"
        " c.fwd_stack IS NOT NULL AND c.fwd_stack IS NOT c.stack, e.kind, e.name, e.parent"
        " FROM call c CROSS JOIN event e ON e.id = c.event ORDER BY c.event",
        &l->calls));
    TRY(store_prepare(l->db,
                      "SELECT event, phase, arg, tensor, dtype, shape, stride, hash_kind, digest,"
                      " part, version FROM tensor_use ORDER BY event, position",
                      &l->uses));
    TRY(store_prepare(l->db, "SELECT kind, name, parent FROM event WHERE id = :event", &l->event));
    TRY(store_prepare(l->db,
                      "SELECT coalesce((SELECT text FROM string WHERE id = r.transform),"
                      " (SELECT text FROM string WHERE id = r.from_placement) || ' -> ' ||"
                      " (SELECT text FROM string WHERE id = r.to_placement))"
                      " FROM redistribute r WHERE r.event = :event",
                      &l->transform));
    for (size_t i = 0; i < l->log.n; i++) TRY(load_words_init(&l->log.p[i].words, l->db));
    return ERR_OK;
}

static void log_release(struct log_state *g)
{
    diff_stream_release(&g->stream);
    load_words_release(&g->words);
    map_release(&g->scopes);
    LIST_RELEASE(&g->open);
    derive_release(&g->derive);
}

static void loader_release(struct loader *l)
{
    sqlite3_finalize(l->calls);
    sqlite3_finalize(l->uses);
    sqlite3_finalize(l->event);
    sqlite3_finalize(l->transform);
    for (size_t i = 0; i < l->log.n; i++) log_release(&l->log.p[i]);
    LIST_RELEASE(&l->log);
}

/* Calls that a file of this size can hold: a log that says more of itself is not believed. */
static enum err most_calls(sqlite3 *db, uint32_t *out)
{
    enum { LEAST_BYTES = 8 };
    int64_t pages, size;
    TRY(store_int(db, "PRAGMA page_count", &pages));
    TRY(store_int(db, "PRAGMA page_size", &size));
    int64_t most = pages * size / LEAST_BYTES;
    *out = most < DIFF_NONE ? (uint32_t)most : DIFF_NONE - 1;
    return ERR_OK;
}

/* Chosen logs become empty streams. */
static enum err begin_logs(struct loader *l, const struct diff_side *side,
                           const struct load_logs *logs)
{
    uint32_t most;
    TRY(most_calls(l->db, &most));
    for (size_t i = 0; i < logs->log.n; i++) {
        const struct load_log *from = &logs->log.p[i];
        if (!from->chosen) continue;
        struct log_state *g = LIST_PUSH(&l->log);
        if (!g) return no_memory();
        *g = (struct log_state){.source = from->source, .by_depth = from->by_depth};
        struct diff_stream *s = &g->stream;
        TRY(diff_stream_init(s));
        s->source = from->source;
        s->rank = from->rank;
        s->file = arena_copy(&s->arena, span_of(side->file));
        s->run = arena_copy(&s->arena, from->run);
        s->log = arena_copy(&s->arena, from->name);
        uint32_t room = from->calls < most ? from->calls : most;
        TRY(diff_reserve(s, room, room));
    }
    return ERR_OK;
}

static enum err hand_over(struct loader *l, struct diff_logs *out)
{
    for (size_t i = 0; i < l->log.n; i++) {
        TRY(derive(&l->log.p[i].derive, &l->log.p[i].stream));
        struct diff_stream *s = LIST_PUSH(&out->stream);
        if (!s) return no_memory();
        *s = l->log.p[i].stream;
        l->log.p[i].stream = (struct diff_stream){0};
    }
    struct span run = out->stream.p[0].run;
    out->run = run.p ? run : SPAN("");
    return ERR_OK;
}

enum err diff_load(sqlite3 *db, const struct diff_side *side, struct diff_logs *out)
{
    struct loader l = {.db = db};
    struct load_logs logs = {0};
    enum err err;
    *out = (struct diff_logs){0};
    TRY_OUT(load_logs_choose(db, side, &logs));
    TRY_OUT(begin_logs(&l, side, &logs));
    TRY_OUT(prepare(&l));
    TRY_OUT(read_calls(&l));
    TRY_OUT(hand_over(&l, out));
out:
    if (err) diff_logs_release(out);
    load_logs_release(&logs);
    loader_release(&l);
    return err;
}

void diff_logs_release(struct diff_logs *l)
{
    for (size_t i = 0; i < l->stream.n; i++) diff_stream_release(&l->stream.p[i]);
    LIST_RELEASE(&l->stream);
    l->run = SPAN_NONE;
}
