/* imp_guard.c - guards: the tree of dynamo_cpp_guards_str, the list of dynamo_guards (to 2024).
 *
 *   dynamo_guards: [{"code": "L['x'] ...", "stack": [frames] | null, "user_stack": ...}, ...]
 */
#include "capture/guard_tree.h"
#include "capture/torch.h"

static struct row_guard guard_row(const struct torch_record *r)
{
    return (struct row_guard){.id = store_next_id(r->source->writer, STORE_GUARD),
                              .source = r->source->row.id,
                              .compile = torch_compile_row(r),
                              .attempt = r->attempt,
                              .result = STORE_NULL,
                              .line = STORE_NULL,
                              .artifact = r->artifact};
}

enum err torch_on_cpp_guards(struct torch_record *r)
{
    if (!r->has_payload) return ERR_OK;
    struct guard_tree tree = {.rest = r->payload};
    struct guard_leaf leaf;
    while (guard_tree_next(&tree, &leaf)) {
        struct row_guard row = guard_row(r);
        row.kind = torch_word(r, leaf.kind);
        row.parent = torch_word(r, leaf.parent);
        row.code = torch_word(r, leaf.code);
        row.origin = torch_word(r, leaf.origin);
        row.line = leaf.line;
        TRY(store_guard_add(r->source->batch, &row));
    }
    return ERR_OK;
}

enum err torch_on_guards(struct torch_record *r)
{
    const struct json *list = r->content; /* parsed by the reader for this key */
    if (!r->has_payload) return ERR_OK;
    if (!list || list->type != JSON_LIST)
        return torch_loss(r, "guards", "dynamo_guards is no JSON list of guards; its text is kept");
    for (const struct json *j = list->first; j; j = j->next) {
        struct row_guard row = guard_row(r);
        row.kind = torch_word(r, SPAN("dynamo_guards"));
        row.code = torch_word(r, json_string(json_get(j, "code")));
        row.stack = torch_stack(r, json_get(j, "stack"));
        row.user_stack = torch_stack(r, json_get(j, "user_stack"));
        TRY(store_guard_add(r->source->batch, &row));
    }
    return ERR_OK;
}
