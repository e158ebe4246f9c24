/* imp_plumb.c - what plumb's compiler decided, from the artifacts that have no key in PyTorch.
 *
 * JSON objects; "phase" is forward, backward or inference (of passes joint too). Members that are
 * absent or null are not recorded.
 *
 *   plumb_kernels    {"phase", "language": "c" | "cuda" | "opencl", "build_ns", "kernels": [
 *                     {"name", "role", "position", "site", "line", "last_line", "outer", "inner",
 *                     "bytes_read", "bytes_written", "flops", "registers", "shared_bytes",
 *                     "spill_bytes", "combo", "member", "first_block", "blocks",
 *                     "ops": [{"node", "op", "role", "part", "recomputed", "source"}],
 *                     "args": [{"name", "value", "type", "bytes", "written", "node", "result",
 *                     "argument", "part"}]}]}
 *                    lines are those of the newest inductor_output_code; combo is the place in
 *                    this list of the combo kernel, which stands before its members
 *   plumb_fusion     {"phase", "decisions": [{"a", "b", "fused", "reason", "note", "bytes_saved",
 *   plumb_combos      "score", "a_ns", "b_ns", "together_ns", "kernel"}], "reasons": {reason:
 *                     sentence}}
 *                    a and b: nodes, or kernels; kernel: by name, of plumb_kernels before
 *   plumb_partition  {"values": [{"value", "fate", "reason", "bytes"}]}
 *   plumb_passes     {"phase", "passes": [{"name", "position", "changed", "nodes", "ns", "dump"}]}
 *                    dump: which graph_dump of the compile has the graph afterwards, from 0
 *   plumb_memory     {"phase", "size", "peak", "total", "buffers": [{"value", "size", "offset",
 *                     "first", "last", "reuses"}]}
 *   plumb_instances  {"instances": [{"number", "sizes", "launches", "texts", "shared", "ns",
 *                     "dropped"}]}
 *                    after the compile is over, one by one
 *
 * A large program has several of one kind, which add up. What is no such object is a loss of its
 * record; a member of a list that is not, one of that member.
 */
#include "capture/torch.h"

#include <math.h>

/* ---- reading ---- */

/* Words of a column are literals: rows outlive the text they were read from. NONE: not recorded. */
static struct span one_of(const struct json *j, const char *const *words, int n)
{
    for (int i = 0; i < n; i++)
        if (span_is(json_string(j), words[i])) return span_of(words[i]);
    return SPAN_NONE;
}
#define ONE_OF(j, ...)                                                                             \
    one_of(j, (const char *const[]){__VA_ARGS__},                                                  \
           (int)(sizeof(const char *const[]){__VA_ARGS__} / sizeof(const char *)))

static struct span phase_of(const struct json *j)
{
    return ONE_OF(json_get(j, "phase"), "forward", "backward", "inference", "joint");
}

static int64_t number(const struct json *j, const char *name)
{
    return json_int(json_get(j, name), STORE_NULL);
}

static int64_t word(const struct torch_record *r, const struct json *j, const char *name)
{
    return torch_word(r, json_string(json_get(j, name)));
}

/* The object of a record that belongs to a compile; NULL: there is none, which is a loss. */
static enum err read_object(struct torch_record *r, const struct json **out)
{
    const struct json *j;
    *out = NULL;
    TRY(torch_json(r, &j));
    if (!r->compile)
        return torch_loss(r, "schema", "the artifact at line %lld names no compile",
                          (long long)r->line);
    if (!j || j->type != JSON_OBJECT)
        return torch_loss(r, "schema", "the artifact at line %lld is no JSON object",
                          (long long)r->line);
    *out = j;
    return ERR_OK;
}

/* First member of a list in an object; what is no list has none. */
static const struct json *members(const struct json *j, const char *name)
{
    const struct json *list = json_get(j, name);
    return list && list->type == JSON_LIST ? list->first : NULL;
}

/* An object, with a text under `name` unless that is NULL? What is none is lost; *fits tells. */
static enum err check_member(struct torch_record *r, const struct json *j, const char *name,
                             bool *fits)
{
    *fits = j->type == JSON_OBJECT && (!name || json_string(json_get(j, name)).n);
    if (*fits) return ERR_OK;
    if (!name)
        return torch_loss(r, "schema", "an entry of the artifact at line %lld is no JSON object",
                          (long long)r->line);
    return torch_loss(r, "schema", "an entry of the artifact at line %lld has no \"%s\"",
                      (long long)r->line, name);
}

/* ---- kernels ---- */

struct kernels {
    struct torch_record *r;
    struct row_kernel like; /* what they have in common */
    int64_t first_id;
    int64_t n;  /* read so far */
    bool *made; /* which of these have a row */
};

static struct row_kernel kernel_row(const struct kernels *k, const struct json *j)
{
    struct row_kernel row = k->like;
    row.id = k->first_id + k->n;
    row.name = word(k->r, j, "name");
    row.role =
        ONE_OF(json_get(j, "role"), "pointwise", "reduction", "persistent", "combo", "extern");
    if (span_is(row.role, "extern") || !row.kind.p)
        row.kind = span_is(row.role, "extern") ? SPAN("extern") : SPAN("other");
    row.position = number(j, "position");
    row.member = number(j, "member");
    row.first_block = number(j, "first_block");
    row.blocks = number(j, "blocks");
    row.line = number(j, "line");
    row.last_line = number(j, "last_line");
    row.outer_points = number(j, "outer");
    row.inner_points = number(j, "inner");
    row.bytes_read = number(j, "bytes_read");
    row.bytes_written = number(j, "bytes_written");
    row.flops = number(j, "flops");
    row.registers = number(j, "registers");
    row.shared_bytes = number(j, "shared_bytes");
    row.spill_bytes = number(j, "spill_bytes");
    row.site = word(k->r, j, "site");
    return row;
}

static enum err add_ops(struct torch_record *r, const struct json *kernel, int64_t id)
{
    int64_t position = 0;
    for (const struct json *j = members(kernel, "ops"); j; j = j->next) {
        bool fits;
        TRY(check_member(r, j, "node", &fits));
        if (!fits) continue;
        struct row_kernel_op row = {.kernel = id,
                                    .position = position++,
                                    .node = word(r, j, "node"),
                                    .op = word(r, j, "op"),
                                    .role =
                                        ONE_OF(json_get(j, "role"), "main", "prologue", "epilogue"),
                                    .part = number(j, "part"),
                                    .recomputed = number(j, "recomputed"),
                                    .source = word(r, j, "source")};
        TRY(store_kernel_op_add(r->source->batch, &row));
    }
    return ERR_OK;
}

static enum err add_args(struct torch_record *r, const struct json *kernel, int64_t id)
{
    int64_t position = 0;
    for (const struct json *j = members(kernel, "args"); j; j = j->next) {
        bool fits;
        TRY(check_member(r, j, "name", &fits));
        if (!fits) continue;
        struct row_kernel_arg row = {.kernel = id,
                                     .position = position++,
                                     .name = word(r, j, "name"),
                                     .value = word(r, j, "value"),
                                     .type = word(r, j, "type"),
                                     .bytes = number(j, "bytes"),
                                     .written = number(j, "written"),
                                     .node = word(r, j, "node"),
                                     .result = number(j, "result"),
                                     .argument = number(j, "argument"),
                                     .part = number(j, "part")};
        TRY(store_kernel_arg_add(r->source->batch, &row));
    }
    return ERR_OK;
}

static enum err add_kernel(struct kernels *k, const struct json *j)
{
    struct torch_record *r = k->r;
    struct row_kernel row = kernel_row(k, j);
    int64_t combo = number(j, "combo");
    if (combo >= 0 && combo < k->n && k->made[combo]) row.combo = k->first_id + combo;
    else if (combo != STORE_NULL)
        TRY(torch_loss(r, "schema",
                       "kernel %lld of the artifact at line %lld is a member of kernel %lld, which "
                       "does not stand before it",
                       (long long)k->n, (long long)r->line, (long long)combo));
    k->made[k->n] = true;
    TRY(store_kernel_add(r->source->batch, &row));
    TRY(torch_provenance_kernel(r, json_string(json_get(j, "name")), &row));
    TRY(add_ops(r, j, row.id));
    return add_args(r, j, row.id);
}

enum err torch_on_plumb_kernels(struct torch_record *r)
{
    const struct json *all;
    TRY(read_object(r, &all));
    const struct json *list = json_get(all, "kernels");
    if (!list || list->type != JSON_LIST || !list->n) return ERR_OK;
    struct kernels k = {.r = r, .made = arena_array(r->arena, list->n, sizeof *k.made)};
    if (!k.made) FAIL(ERR_NOMEM, "out of memory for the kernels of a compile");
    k.like = torch_kernel_named(torch_compile_row(r),
                                r->compile->last_code ? r->compile->last_code : r->artifact, 0,
                                ONE_OF(json_get(all, "language"), "c", "cuda", "opencl"));
    k.like.phase = phase_of(all);
    k.like.build_ns = number(all, "build_ns");
    if (!k.like.phase.p)
        return torch_loss(r, "schema", "the kernels at line %lld have no phase that is known",
                          (long long)r->line);
    k.first_id = store_next_ids(r->source->writer, STORE_KERNEL, (int64_t)list->n);
    for (const struct json *j = list->first; j; j = j->next, k.n++) {
        bool fits;
        TRY(check_member(r, j, "name", &fits));
        if (fits) TRY(add_kernel(&k, j));
    }
    return ERR_OK;
}

/* ---- decisions ---- */

enum { REASONS = 64, SENTENCE = 400 };

struct decisions {
    struct torch_record *r;
    struct row_fusion_decision like; /* what they have in common */
    const struct json *reasons;      /* the first; NULL none */
};

/* The sentence of the reason, and what is to be said of this one alone. A sentence is copied to
 * each of its decisions: of a long list only the first are looked at, of a long one only the
 * beginning. */
static struct span detail_of(const struct decisions *d, const struct json *j)
{
    struct span note = json_string(json_get(j, "note")), sentence = SPAN_NONE,
                reason = json_string(json_get(j, "reason"));
    const struct json *s = d->reasons;
    for (int i = 0; s && i < REASONS; s = s->next, i++)
        if (span_eq(s->key, reason)) sentence = span_to(json_string(s), SENTENCE);
    if (!note.n || !sentence.n) return note.n ? note : sentence;
    const char *both = arena_printf(d->r->arena, "%.*s; %.*s", SPAN_ARG(sentence), SPAN_ARG(note));
    return both ? span_of(both) : sentence;
}

/* Texts of columns that are no words: valid UTF-8. */
static struct span clean(struct torch_record *r, struct span text)
{
    struct buf b = {0};
    if (!text.p) return SPAN_NONE;
    buf_utf8(&b, text);
    struct span own = arena_copy(r->arena, buf_text(&b));
    buf_release(&b);
    return own;
}

static enum err add_decision(const struct decisions *d, const struct json *j)
{
    struct torch_record *r = d->r;
    const struct row_kernel *kernel = torch_find_kernel(r, json_string(json_get(j, "kernel")));
    struct row_fusion_decision row = d->like;
    row.id = store_next_id(r->source->writer, STORE_FUSION_DECISION);
    row.a = word(r, j, "a");
    row.b = word(r, j, "b");
    row.fused = number(j, "fused");
    row.reason = clean(r, json_string(json_get(j, "reason")));
    row.detail = clean(r, detail_of(d, j));
    row.bytes_saved = number(j, "bytes_saved");
    row.score = json_real(json_get(j, "score"));
    row.a_ns = json_real(json_get(j, "a_ns"));
    row.b_ns = json_real(json_get(j, "b_ns"));
    row.together_ns = json_real(json_get(j, "together_ns"));
    row.kernel = kernel ? kernel->id : 0;
    return store_fusion_decision_add(r->source->batch, &row);
}

enum err torch_on_plumb_decisions(struct torch_record *r)
{
    const struct json *all;
    TRY(read_object(r, &all));
    bool combos = span_is(json_string(json_get(r->meta, "name")), "plumb_combos");
    const struct json *reasons = json_get(all, "reasons");
    struct decisions d = {.r = r,
                          .like = {.compile = torch_compile_row(r),
                                   .phase = phase_of(all),
                                   .kind = combos ? SPAN("combo") : SPAN("vertical")},
                          .reasons =
                              reasons && reasons->type == JSON_OBJECT ? reasons->first : NULL};
    for (const struct json *j = members(all, "decisions"); j; j = j->next) {
        bool fits;
        TRY(check_member(r, j, "a", &fits));
        if (fits) TRY(add_decision(&d, j));
    }
    return ERR_OK;
}

enum err torch_on_plumb_partition(struct torch_record *r)
{
    const struct json *all;
    int64_t position = 0;
    TRY(read_object(r, &all));
    for (const struct json *j = members(all, "values"); j; j = j->next) {
        bool fits;
        TRY(check_member(r, j, "value", &fits));
        if (!fits) continue;
        struct row_partition_decision row = {
            .compile = torch_compile_row(r),
            .position = position++,
            .value = word(r, j, "value"),
            .fate = ONE_OF(json_get(j, "fate"), "saved", "recomputed", "input", "not needed"),
            .reason = clean(r, json_string(json_get(j, "reason"))),
            .bytes = number(j, "bytes")};
        TRY(store_partition_decision_add(r->source->batch, &row));
    }
    return ERR_OK;
}

/* ---- passes and memory ---- */

enum err torch_on_plumb_passes(struct torch_record *r)
{
    const struct json *all;
    TRY(read_object(r, &all));
    struct span phase = phase_of(all);
    for (const struct json *j = members(all, "passes"); j; j = j->next) {
        bool fits;
        TRY(check_member(r, j, "name", &fits));
        if (!fits) continue;
        int64_t dump = number(j, "dump");
        bool there = dump >= 0 && dump < TORCH_DUMPS && dump < r->compile->n_dumps;
        struct row_compile_pass row = {.compile = torch_compile_row(r),
                                       .position = number(j, "position"),
                                       .phase = phase,
                                       .name = clean(r, json_string(json_get(j, "name"))),
                                       .changed = number(j, "changed"),
                                       .n_nodes = number(j, "nodes"),
                                       .ns = number(j, "ns"),
                                       .artifact = there ? r->compile->dumps[dump] : 0};
        TRY(store_compile_pass_add(r->source->batch, &row));
    }
    return ERR_OK;
}

enum err torch_on_plumb_memory(struct torch_record *r)
{
    const struct json *all;
    int64_t position = 0;
    TRY(read_object(r, &all));
    if (!all) return ERR_OK;
    struct row_memory_plan plan = {.id = store_next_id(r->source->writer, STORE_MEMORY_PLAN),
                                   .compile = torch_compile_row(r),
                                   .phase = phase_of(all),
                                   .size = number(all, "size"),
                                   .peak = number(all, "peak"),
                                   .total = number(all, "total")};
    TRY(store_memory_plan_add(r->source->batch, &plan));
    for (const struct json *j = members(all, "buffers"); j; j = j->next) {
        bool fits;
        TRY(check_member(r, j, NULL, &fits));
        struct row_memory_buffer row = {.plan = plan.id,
                                        .position = position++,
                                        .value = word(r, j, "value"),
                                        .size = number(j, "size"),
                                        .offset = number(j, "offset"),
                                        .first = number(j, "first"),
                                        .last = number(j, "last"),
                                        .reuses = number(j, "reuses")};
        if (fits) TRY(store_memory_buffer_add(r->source->batch, &row));
    }
    return ERR_OK;
}

/* ---- instances ---- */

enum err torch_on_plumb_instances(struct torch_record *r)
{
    const struct json *all;
    TRY(read_object(r, &all));
    for (const struct json *j = members(all, "instances"); j; j = j->next) {
        bool fits;
        TRY(check_member(r, j, "sizes", &fits));
        struct row_compile_instance row = {.compile = torch_compile_row(r),
                                           .number = number(j, "number"),
                                           .sizes = word(r, j, "sizes"),
                                           .n_launches = number(j, "launches"),
                                           .n_texts = number(j, "texts"),
                                           .n_shared = number(j, "shared"),
                                           .ns = number(j, "ns"),
                                           .dropped = word(r, j, "dropped")};
        if (fits) TRY(store_compile_instance_add(r->source->batch, &row));
    }
    return ERR_OK;
}
