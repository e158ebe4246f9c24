/* imp_provenance.c - gathers the texts of Inductor's node mappings and writes their line maps.
 *
 * A compile's texts come in the order pre-grad graph, post-grad graph, code, mappings; a backward
 * has its own post-grad graph, code and mappings, and shares the pre-grad graph. A mapping takes
 * the texts that came since the one before; if some have not come yet it waits for the next
 * mapping, the end of the log, or until its compile is forgotten.
 *
 *   slot (of a compile; the N_SLOTS used last): pre, post, code and its kernels, waiting mapping
 */
#include "capture/provenance.h"

#include "capture/torch.h"

#include <math.h>

enum {
    N_SLOTS = 128,
    TEXT_MAX = 32 << 20, /* a longer text is not kept */
    SLOTS_MAX =
        24 << 20, /* bytes of all slots; above that the slots used least recently are let go */
};
enum { SEARCH_MAX = 1 << 30 }; /* bytes of code searched for calls, of one mapping */
enum { PRE, POST, CODE, N_TEXTS };

struct kept_text {
    struct buf text;
    int64_t artifact; /* 0: none */
    bool fallback;    /* from the name that is only used when the better one is absent */
    bool used;        /* by an earlier mapping */
    bool too_long;
};
struct slot {
    int64_t compile; /* row id, 0 for records without a compile */
    uint64_t used;   /* time of last use, 0 for a free slot */
    struct kept_text texts[N_TEXTS];
    bool is_cpp;
    struct map kernels;              /* name -> index in rows, of the code */
    LIST_OF(struct row_kernel) rows; /* their kinds are literals */
    struct buf waiting;              /* JSON of a mapping whose texts have not come, empty none */
    int64_t waiting_artifact;
};
struct state {
    uint64_t time;
    size_t n_dropped;  /* compiles whose texts were let go before the end of the log */
    struct slot *last; /* used last */
    struct slot slots[N_SLOTS];
};

/* Which text a name is of, in order of preference. */
static const struct {
    const char *name;
    int text;
    bool fallback, is_cpp;
} known_texts[] = {
    {"before_pre_grad_graph", PRE, false, false},  {"inductor_pre_grad_graph", PRE, true, false},
    {"after_post_grad_graph", POST, false, false}, {"inductor_post_grad_graph", POST, true, false},
    {"inductor_output_code", CODE, false, false},  {"inductor_aot_wrapper_code", CODE, false, true},
};

/* ---- finishing a map ---- */

struct finishing {
    struct torch_source *source;
    struct slot *slot;
    struct arena *arena;
    int64_t mapping; /* artifact */
    size_t searched; /* bytes of code, for calls of kernels that it does not define */
};

static struct span text_of(const struct slot *s, int which)
{
    return s->texts[which].artifact ? buf_text(&s->texts[which].text) : SPAN_NONE;
}

/* Where the code first calls a kernel that it does not define (aoti_torch_cpu_mm); 0 unknown. */
static int64_t call_line(struct finishing *f, struct span name)
{
    struct span code = text_of(f->slot, CODE);
    const char *call = arena_printf(f->arena, "%.*s(", SPAN_ARG(name));
    if (!f->slot->is_cpp || !code.n || !call || f->searched > SEARCH_MAX) return 0;
    size_t start = span_find(code, SPAN("::run_impl("), 0);
    size_t at = span_find(code, span_of(call), start == SIZE_MAX ? 0 : start);
    int64_t line = 1;
    f->searched += code.n;
    if (at == SIZE_MAX) return 0;
    for (size_t i = 0; (i = span_find(code, SPAN("\n"), i)) < at; i++) line++;
    return line;
}

/* Of equal names the newest: a forward and a backward without code have their kernels in one map.
 */
static enum err keep_kernel(struct slot *s, struct span name, const struct row_kernel *row)
{
    struct row_kernel *kept = LIST_PUSH(&s->rows);
    int64_t *at = kept ? map_put(&s->kernels, map_key(name), 0, NULL) : NULL;
    if (!at) FAIL(ERR_NOMEM, "out of memory for the kernels of a log");
    *kept = *row;
    *at = (int64_t)s->rows.n - 1;
    return ERR_OK;
}

/* The kernel's row: that of the code, else a new one for a name that only the mapping has. */
static enum err kernel_id(struct finishing *f, struct span name, int64_t *out)
{
    struct store_writer *w = f->source->writer;
    const int64_t *at = map_get(&f->slot->kernels, map_key(name));
    if (at) {
        *out = f->slot->rows.p[*at].id;
        return ERR_OK;
    }
    int64_t line = call_line(f, name);
    struct row_kernel row = torch_kernel_named(
        f->slot->compile, line ? f->slot->texts[CODE].artifact : f->mapping, store_word(w, name),
        span_starts(name, "triton_") ? SPAN("triton")
        : span_starts(name, "cpp_")  ? SPAN("cpp")
                                     : SPAN("extern"));
    row.id = *out = store_next_id(w, STORE_KERNEL);
    if (line) row.line = line;
    TRY(keep_kernel(f->slot, name, &row));
    return store_kernel_add(f->source->batch, &row);
}

/* Of a kernel that plumb compiled more is known than a mapping says (imp_plumb.c). */
static bool is_recorded(const struct finishing *f, struct span name)
{
    const int64_t *at = map_get(&f->slot->kernels, map_key(name));
    return at && f->slot->rows.p[*at].phase.p;
}

/* The nodes each kernel computes; the calls (handles) of one kernel follow one another. */
static enum err add_kernel_ops(struct finishing *f, const struct json *kernels)
{
    struct map positions = {0};
    enum err err = ERR_OK;
    if (!kernels || kernels->type != JSON_OBJECT) return ERR_OK;
    for (const struct json *k = kernels->first; k; k = k->next) {
        int64_t id = 0;
        if (is_recorded(f, provenance_bare_name(k->key, f->slot->is_cpp))) continue;
        TRY_OUT(kernel_id(f, provenance_bare_name(k->key, f->slot->is_cpp), &id));
        int64_t *position = map_put(&positions, map_key_int(id, 0), 0, NULL);
        if (!position) TRY_OUT(err_set(ERR_NOMEM, "out of memory for the nodes of a kernel"));
        for (const struct json *n = k->type == JSON_LIST ? k->first : NULL; n; n = n->next) {
            struct row_kernel_op row = {.kernel = id,
                                        .position = *position,
                                        .node = store_word(f->source->writer, json_string(n)),
                                        .part = STORE_NULL,
                                        .recomputed = STORE_NULL};
            ++*position;
            TRY_OUT(store_kernel_op_add(f->source->batch, &row));
        }
    }
out:
    map_release(&positions);
    return err;
}

static enum err add_links(struct finishing *f, int64_t map, const struct provenance_links *links)
{
    for (size_t i = 0; i < links->n; i++) {
        const struct provenance_link *l = &links->p[i];
        struct row_provenance row = {map, l->relation, l->line, l->position, l->to_line};
        TRY(store_provenance_add(f->source->batch, &row));
    }
    return ERR_OK;
}

static enum err add_loss(struct torch_source *source, const char *message)
{
    struct row_loss row = {.id = store_next_id(source->writer, STORE_LOSS),
                           .source = source->row.id,
                           .kind = SPAN("schema"),
                           .ts = STORE_NULL,
                           .offset = STORE_NULL,
                           .line = STORE_NULL,
                           .count = 1,
                           .bytes = STORE_NULL,
                           .message = span_of(message)};
    return store_loss_add(source->batch, &row);
}

/* A text that the map needs is not there any more, as far as can be known. */
static bool lacks_text(const struct finishing *f, const struct json *mappings)
{
    const struct state *st = f->source->provenance;
    const struct json *names = json_get(mappings, "preToPost");
    bool complete = f->slot->texts[PRE].artifact && f->slot->texts[POST].artifact;
    return st->n_dropped && names && names->n && !complete;
}

/* Where a kernel that plumb compiled stands. */
static int64_t line_of(void *context, struct span name)
{
    const struct slot *s = context;
    const int64_t *at = map_get(&s->kernels, map_key(name));
    const struct row_kernel *k = at ? &s->rows.p[*at] : NULL;
    if (!k || !k->phase.p) return -1;
    return k->line > 0 ? k->line : 0;
}

static enum err finish_map(struct finishing *f, const struct json *mappings)
{
    struct slot *s = f->slot;
    struct provenance_texts texts = {.pre = text_of(s, PRE),
                                     .post = text_of(s, POST),
                                     .code = text_of(s, CODE),
                                     .is_cpp = s->is_cpp,
                                     .line_of = line_of,
                                     .context = s};
    struct row_provenance_map row = {.id = store_next_id(f->source->writer, STORE_PROVENANCE_MAP),
                                     .compile = s->compile,
                                     .mapping = f->mapping,
                                     .pre = s->texts[PRE].artifact,
                                     .post = s->texts[POST].artifact,
                                     .code = s->texts[CODE].artifact,
                                     .version = json_real(json_get(mappings, "version")),
                                     .code_line = STORE_NULL};
    struct provenance_links links = {0};
    enum err err = ERR_OK;
    if (lacks_text(f, mappings))
        TRY_OUT(
            add_loss(f->source,
                     "the graphs of a provenance map came too long before it to be kept in memory: "
                     "their lines are not mapped"));
    if (texts.code.p) row.code_line = provenance_code_line(texts.code, s->is_cpp);
    TRY_OUT(store_provenance_map_add(f->source->batch, &row));
    TRY_OUT(add_kernel_ops(f, json_get(mappings, "cppCodeToPost")));
    TRY_OUT(provenance_read(&texts, mappings, f->arena, &links));
    TRY_OUT(add_links(f, row.id, &links));
out:
    s->texts[POST].used = s->texts[CODE].used = true;
    LIST_RELEASE(&links);
    return err;
}

/* The mapping that waited takes the texts there are. */
static enum err finish_waiting(struct torch_source *source, struct slot *s)
{
    struct arena arena = {0};
    struct json *mappings = NULL;
    struct finishing f = {source, s, &arena, s->waiting_artifact, 0};
    enum err err = ERR_OK;
    if (!s->waiting.n) return ERR_OK;
    TRY_OUT(json_parse(buf_text(&s->waiting), &arena, &mappings));
    TRY_OUT(finish_map(&f, mappings));
out:
    buf_clear(&s->waiting);
    arena_release(&arena);
    return err;
}

/* ---- slots ---- */

static void clear_slot(struct slot *s)
{
    for (int i = 0; i < N_TEXTS; i++) buf_release(&s->texts[i].text);
    buf_release(&s->waiting);
    map_release(&s->kernels);
    LIST_RELEASE(&s->rows);
    *s = (struct slot){0};
}

/* A waiting map that fails for its own content is a loss of the log, not of the record at hand. */
static enum err let_go(struct torch_source *source, struct slot *s)
{
    enum err err = finish_waiting(source, s);
    clear_slot(s);
    return err == ERR_FORMAT || err == ERR_LIMIT ? add_loss(source, err_text()) : err;
}

static size_t slot_size(const struct slot *s)
{
    size_t n = s->waiting.size;
    for (int i = 0; i < N_TEXTS; i++) n += s->texts[i].text.size;
    return n;
}

/* The slot used least recently of those that hold at least `size` bytes; NULL for none. */
static struct slot *oldest(struct state *st, const struct slot *but, size_t size)
{
    struct slot *found = NULL;
    for (struct slot *s = st->slots; s < st->slots + N_SLOTS; s++)
        if (s != but && slot_size(s) >= size && (!found || s->used < found->used)) found = s;
    return found;
}

static enum err drop(struct torch_source *source, struct slot *s)
{
    struct state *st = source->provenance;
    if (s->used && slot_size(s)) st->n_dropped++;
    return let_go(source, s);
}

/* The slot of the record's compile, made when there is none. */
static enum err find_slot(struct torch_record *r, struct slot **out)
{
    struct torch_source *source = r->source;
    if (!source->provenance) source->provenance = calloc(1, sizeof(struct state));
    struct state *st = source->provenance;
    if (!st) FAIL(ERR_NOMEM, "out of memory for the provenance of a log");
    int64_t compile = torch_compile_row(r);
    struct slot *s = st->last && st->last->compile == compile ? st->last : NULL;
    for (int i = 0; i < N_SLOTS && !s; i++)
        if (st->slots[i].used && st->slots[i].compile == compile) s = &st->slots[i];
    if (!s) {
        s = oldest(st, NULL, 0);
        TRY(drop(source, s));
        s->compile = compile;
    }
    s->used = ++st->time;
    *out = st->last = s;
    return ERR_OK;
}

static enum err make_room(struct torch_source *source, const struct slot *but)
{
    struct state *st = source->provenance;
    size_t n = 0;
    for (int i = 0; i < N_SLOTS; i++) n += slot_size(&st->slots[i]);
    struct slot *s;
    while (n > SLOTS_MAX && (s = oldest(st, but, 1))) {
        n -= slot_size(s);
        TRY(drop(source, s));
    }
    return ERR_OK;
}

/* ---- records ---- */

static int classify(const struct torch_record *r)
{
    struct span name = json_string(json_get(r->meta, "name"));
    if (!name.n) name = r->key;
    for (size_t i = 0; i < sizeof known_texts / sizeof *known_texts; i++)
        if (span_is(name, known_texts[i].name)) return (int)i;
    return -1;
}

enum err torch_provenance_text(struct torch_record *r)
{
    int known = r->has_payload ? classify(r) : -1;
    struct slot *s;
    if (known < 0) return ERR_OK;
    TRY(find_slot(r, &s));
    struct kept_text *t = &s->texts[known_texts[known].text];
    if (known_texts[known].fallback && t->artifact && !t->fallback && !t->used) return ERR_OK;
    buf_clear(&t->text);
    t->too_long = r->payload.n > TEXT_MAX;
    if (!t->too_long) buf_span(&t->text, r->payload);
    TRY(buf_ok(&t->text));
    t->artifact = r->artifact;
    t->fallback = known_texts[known].fallback;
    t->used = false;
    if (t == &s->texts[CODE]) {
        s->is_cpp = known_texts[known].is_cpp;
        map_clear(&s->kernels);
        s->rows.n = 0;
    }
    return make_room(r->source, s);
}

enum err torch_provenance_kernel(struct torch_record *r, struct span name,
                                 const struct row_kernel *row)
{
    struct slot *s;
    TRY(find_slot(r, &s));
    return keep_kernel(s, name, row);
}

const struct row_kernel *torch_find_kernel(struct torch_record *r, struct span name)
{
    const struct state *st = r->source->provenance;
    int64_t compile = torch_compile_row(r);
    for (int i = 0; st && i < N_SLOTS; i++) {
        const struct slot *s = &st->slots[i];
        if (!s->used || s->compile != compile) continue;
        const int64_t *at = map_get(&s->kernels, map_key(name));
        return at ? &s->rows.p[*at] : NULL;
    }
    return NULL;
}

static bool is_fresh(const struct slot *s, int which)
{
    return s->texts[which].artifact && !s->texts[which].used;
}

enum err torch_on_provenance(struct torch_record *r)
{
    const struct json *mappings;
    struct slot *s;
    TRY(torch_json(r, &mappings));
    if (!mappings) return ERR_OK;
    TRY(find_slot(r, &s));
    TRY(finish_waiting(r->source, s));
    for (int i = 0; i < N_TEXTS; i++)
        if (s->texts[i].too_long)
            TRY(torch_loss(
                r, "schema",
                "a text of this provenance map is longer than %d MiB: its lines are not mapped",
                TEXT_MAX >> 20));
    if (is_fresh(s, POST) && is_fresh(s, CODE)) {
        struct finishing f = {r->source, s, r->arena, r->artifact, 0};
        return finish_map(&f, mappings);
    }
    buf_clear(&s->waiting);
    buf_span(&s->waiting, r->payload);
    s->waiting_artifact = r->artifact;
    return buf_ok(&s->waiting);
}

/* {"cpp_fused_mul_0:3": ["File \"a.py\", line 13, in forward\n ...", ...]} */
enum err torch_on_kernel_stacks(struct torch_record *r)
{
    const struct json *stacks;
    TRY(torch_json(r, &stacks));
    for (const struct json *k = stacks && stacks->type == JSON_OBJECT ? stacks->first : NULL; k;
         k = k->next) {
        int64_t position = 0;
        for (const struct json *j = k->type == JSON_LIST ? k->first : NULL; j; j = j->next) {
            struct row_kernel_stack row = {torch_compile_row(r), r->artifact, torch_word(r, k->key),
                                           position++, torch_word(r, json_string(j))};
            TRY(store_kernel_stack_add(r->source->batch, &row));
        }
    }
    return ERR_OK;
}

enum err torch_provenance_finish(struct torch_source *s)
{
    struct state *st = s->provenance;
    enum err err = ERR_OK;
    if (!st) return ERR_OK;
    for (int i = 0; i < N_SLOTS; i++) {
        enum err one = let_go(s, &st->slots[i]);
        if (!err) err = one;
    }
    return err;
}

void torch_provenance_release(struct torch_source *s)
{
    struct state *st = s->provenance;
    for (int i = 0; st && i < N_SLOTS; i++) clear_slot(&st->slots[i]);
    free(st);
    s->provenance = NULL;
}
