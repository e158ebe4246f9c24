/* imp_symbol.c - symbols of dynamic shapes, guards on them, expressions, export findings.
 *
 *   create_symbol:                   symbol, val, vr, source, stack, user_stack
 *   create_unbacked_symbol:          symbol, node_id, vr, stack, user_stack
 *   symbolic_shape_specialization:   symbol, sources[], value, reason, stack, user_stack
 *   guard_added, guard_added_fast:   expr, stack, user_stack; the first also prefix, expr_node_id,
 *                                    symbol_to_sources, frame_locals ("eval": also a finding)
 *   expression_created:              method, result, result_id, arguments[], argument_ids[], stacks
 *   propagate_real_tensors(_provenance), guard_on_data_dependent_error,
 *   missing_fake_kernel, mismatched_fake_kernel
 * argument_ids has no entry for constants, so the n-th id belongs to the n-th argument that is
 * none. Format: torch/fx/experimental/symbolic_shapes.py and sym_node.py,
 * torch/export/_draft_export.py of PyTorch 2.4 to 2.13.
 */
#include "capture/torch.h"

static const struct json *field(const struct torch_record *r, const char *name)
{
    return json_get(r->meta, name);
}
static struct span text_field(const struct torch_record *r, const char *name)
{
    return json_string(field(r, name));
}
static int64_t stack_field(struct torch_record *r, const char *name)
{
    return torch_stack(r, field(r, name));
}

/* Text of a string or number; JSON of anything else; absent for null. In the record's arena. */
static struct span any_text(const struct torch_record *r, const struct json *j)
{
    struct buf text = {0};
    if (!j || j->type == JSON_NULL) return SPAN_NONE;
    if (j->type == JSON_STRING || j->type == JSON_INT || j->type == JSON_REAL) return j->text;
    if (j->type == JSON_BOOL) return j->i ? SPAN("True") : SPAN("False");
    json_print(&text, j);
    struct span copy = text.failed ? SPAN_NONE : arena_copy(r->arena, buf_text(&text));
    buf_release(&text);
    return copy;
}

/* The strings of a list, joined by ", ". */
static struct span joined(const struct torch_record *r, const struct json *list)
{
    struct buf text = {0};
    if (!list || list->type != JSON_LIST) return any_text(r, list);
    for (const struct json *j = list->first; j; j = j->next) {
        if (text.n) buf_puts(&text, ", ");
        buf_span(&text, any_text(r, j));
    }
    struct span copy = text.failed ? SPAN_NONE : arena_copy(r->arena, buf_text(&text));
    buf_release(&text);
    return copy;
}

/* ---- symbols ---- */

static struct span symbol_kind(struct span key)
{
    if (span_is(key, "create_symbol")) return SPAN("backed");
    return span_is(key, "create_unbacked_symbol") ? SPAN("unbacked") : SPAN("specialization");
}

enum err torch_on_symbol(struct torch_record *r)
{
    const struct json *sources = field(r, "sources");
    struct row_symbol row = {.id = store_next_id(r->source->writer, STORE_SYMBOL),
                             .source = r->source->row.id,
                             .compile = torch_compile_row(r),
                             .kind = symbol_kind(r->key),
                             .symbol = any_text(r, field(r, "symbol")),
                             .value = any_text(r, field(r, field(r, "val") ? "val" : "value")),
                             .range = any_text(r, field(r, "vr")),
                             .origin =
                                 sources ? joined(r, sources) : any_text(r, field(r, "source")),
                             .reason = any_text(r, field(r, "reason")),
                             .node = json_int(field(r, "node_id"), STORE_NULL),
                             .stack = stack_field(r, "stack"),
                             .user_stack = stack_field(r, "user_stack")};
    return store_symbol_add(r->source->batch, &row);
}

/* ---- expressions ---- */

static bool is_constant(struct span text)
{
    double value;
    return span_to_f64(text, &value) || span_is(text, "True") || span_is(text, "False");
}

/* Ids of the arguments that have one, in order. */
static enum err add_arguments(struct torch_record *r, int64_t expression)
{
    const struct json *list = field(r, "arguments"), *ids = field(r, "argument_ids");
    if (!list || list->type != JSON_LIST) return ERR_OK;
    const struct json *id = ids && ids->type == JSON_LIST ? ids->first : NULL;
    size_t n_ids = id ? ids->n : 0, left = list->n; /* not yet visited */
    int64_t position = 0;
    for (const struct json *j = list->first; j; j = j->next, left--) {
        struct span text = any_text(r, j);
        bool has_id = id && (n_ids >= left || !is_constant(text));
        struct row_expression_arg row = {expression, position++,
                                         has_id ? json_int(id, STORE_NULL) : STORE_NULL, text};
        if (has_id) {
            id = id->next;
            n_ids--;
        }
        TRY(store_expression_arg_add(r->source->batch, &row));
    }
    return ERR_OK;
}

enum err torch_on_expression(struct torch_record *r)
{
    struct row_expression row = {.id = store_next_id(r->source->writer, STORE_EXPRESSION),
                                 .source = r->source->row.id,
                                 .node = json_int(field(r, "result_id"), STORE_NULL),
                                 .method = any_text(r, field(r, "method")),
                                 .result = any_text(r, field(r, "result")),
                                 .stack = stack_field(r, "stack"),
                                 .user_stack = stack_field(r, "user_stack")};
    TRY(store_expression_add(r->source->batch, &row));
    return add_arguments(r, row.id);
}

/* ---- findings of an export ---- */

static struct span first_text(const struct torch_record *r, const char *a, const char *b)
{
    struct span text = any_text(r, field(r, a));
    return text.p ? text : any_text(r, field(r, b));
}

static int64_t expression_node(const struct torch_record *r)
{
    int64_t node = json_int(field(r, "expr_node_id"), STORE_NULL);
    return node != STORE_NULL ? node : json_int(field(r, "expr_id"), STORE_NULL);
}

enum err torch_on_export(struct torch_record *r)
{
    struct row_export_finding row = {.id = store_next_id(r->source->writer, STORE_EXPORT_FINDING),
                                     .source = r->source->row.id,
                                     .compile = torch_compile_row(r),
                                     .kind = r->key,
                                     .op = any_text(r, field(r, "op")),
                                     .reason = first_text(r, "reason", "expr"),
                                     .result = any_text(r, field(r, "result")),
                                     .expression_node = expression_node(r),
                                     .locals = any_text(r, field(r, "frame_locals")),
                                     .symbol_sources = any_text(r, field(r, "symbol_to_sources")),
                                     .stack = stack_field(r, "stack"),
                                     .user_stack = stack_field(r, "user_stack")};
    return store_export_finding_add(r->source->batch, &row);
}

static int64_t truth(struct span text)
{
    if (span_is(text, "True")) return 1;
    return span_is(text, "False") ? 0 : STORE_NULL;
}

enum err torch_on_guard_added(struct torch_record *r)
{
    struct row_guard row = {.id = store_next_id(r->source->writer, STORE_GUARD),
                            .source = r->source->row.id,
                            .compile = torch_compile_row(r),
                            .attempt = r->attempt,
                            .kind = torch_word(r, r->key),
                            .code = torch_word(r, any_text(r, field(r, "expr"))),
                            .result = truth(any_text(r, field(r, "result"))),
                            .stack = stack_field(r, "stack"),
                            .user_stack = stack_field(r, "user_stack"),
                            .line = STORE_NULL};
    TRY(store_guard_add(r->source->batch, &row));
    return span_is(text_field(r, "prefix"), "eval") ? torch_on_export(r) : ERR_OK;
}
