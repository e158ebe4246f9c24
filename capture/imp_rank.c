/* imp_rank.c - what ranks are compared by: collectives, run times, order of graphs.
 *
 *   inductor_collective_schedule:      ["torch.ops._c10d_functional.all_reduce_.default", ...]
 *   inductor_runtime_and_tensor_meta:  {"ops": [{"name", "type", "estimated_runtime_ns", ...}]}
 *   graph_execution*:                  {"graph_execution_order": [{"compile_id": "0/0"} | "0/0"]}
 * Format: torch/_inductor/debug.py and torch/_inductor/utils.py of PyTorch 2.8 to 2.13.
 */
#include "capture/torch.h"

static const struct json *first_of(const struct json *list)
{
    return list && list->type == JSON_LIST ? list->first : NULL;
}

enum err torch_on_collectives(struct torch_record *r)
{
    const struct json *list;
    int64_t position = 0;
    TRY(torch_json(r, &list));
    for (const struct json *j = first_of(list); j; j = j->next) {
        struct row_collective row = {torch_compile_row(r), r->artifact, position++,
                                     torch_word(r, json_string(j))};
        TRY(store_collective_add(r->source->batch, &row));
    }
    return ERR_OK;
}

enum err torch_on_estimates(struct torch_record *r)
{
    const struct json *root;
    struct buf text = {0};
    enum err err = ERR_OK;
    int64_t position = 0;
    TRY(torch_json(r, &root));
    for (const struct json *j = first_of(json_get(root, "ops")); j; j = j->next) {
        const struct json *outputs = json_get(j, "outputs");
        buf_clear(&text);
        if (outputs) json_print(&text, outputs);
        TRY_OUT(buf_ok(&text));
        struct row_op_estimate row = {.compile = torch_compile_row(r),
                                      .artifact = r->artifact,
                                      .position = position++,
                                      .name = torch_word(r, json_string(json_get(j, "name"))),
                                      .type = torch_word(r, json_string(json_get(j, "type"))),
                                      .ns = json_real(json_get(j, "estimated_runtime_ns")),
                                      .outputs = outputs ? torch_word(r, buf_text(&text)) : 0};
        TRY_OUT(store_op_estimate_add(r->source->batch, &row));
    }
out:
    buf_release(&text);
    return err;
}

enum err torch_on_execution(struct torch_record *r)
{
    const struct json *root;
    int64_t position = 0;
    TRY(torch_json(r, &root));
    for (const struct json *j = first_of(json_get(root, "graph_execution_order")); j; j = j->next) {
        struct span id =
            j->type == JSON_OBJECT ? json_string(json_get(j, "compile_id")) : json_string(j);
        struct row_graph_execution row = {r->source->row.id, r->artifact, position++, id};
        TRY(store_graph_execution_add(r->source->batch, &row));
    }
    return ERR_OK;
}
