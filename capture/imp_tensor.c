/* imp_tensor.c - tensors and storages that fake-tensor conversion described.
 *
 *   describe_storage: {"id": 0, "describer_id": 0, "size": 524288}
 *   describe_tensor:  {"id": 0, "ndim": 4, "dtype": "torch.int64", "device": "device(type='cpu')",
 *                      "size": [1, 4], "is_leaf": true, "stride": [4, 1], ...}
 *   describe_source:  {"describer_id": 0, "id": 0, "source": "L['x']"}
 * Fields without a column of their own are kept as JSON, except view_func (an address). Format:
 * torch/_subclasses/meta_utils.py (MetaTensorDescriber) of PyTorch 2.4 to 2.13.
 */
#include "capture/torch.h"

enum { LEAF = 1, REQUIRES_GRAD = 2, PARAMETER = 4, VIEW = 8, DYNAMIC = 16 };

/* Fields that have a column. */
static const char *const known_fields[] = {
    "id",   "describer_id", "ndim",    "dtype",         "device",       "size",    "stride",
    "base", "storage",      "is_leaf", "requires_grad", "is_parameter", "is_view", "view_func",
};

static bool is_known(struct span key)
{
    for (size_t i = 0; i < sizeof known_fields / sizeof *known_fields; i++)
        if (span_is(key, known_fields[i])) return true;
    return false;
}

static int64_t json_word(const struct torch_record *r, const struct json *j)
{
    struct buf text = {0};
    if (!j || j->type == JSON_NULL) return 0;
    json_print(&text, j);
    int64_t id = text.failed ? 0 : torch_word(r, buf_text(&text));
    buf_release(&text);
    return id;
}

/* The remaining fields as a JSON object, 0 when there are none. */
static int64_t rest_word(const struct torch_record *r)
{
    struct buf text = {0};
    int64_t id = 0;
    for (const struct json *j = r->meta->type == JSON_OBJECT ? r->meta->first : NULL; j;
         j = j->next) {
        if (is_known(j->key)) continue;
        buf_puts(&text, text.n ? ", " : "{");
        buf_json(&text, j->key);
        buf_puts(&text, ": ");
        json_print(&text, j);
    }
    buf_puts(&text, text.n ? "}" : "");
    if (text.n && !text.failed) id = torch_word(r, buf_text(&text));
    buf_release(&text);
    return id;
}

/* "device(type='cuda', index=0)" -> "cuda:0"; other texts as they are. */
static int64_t device_word(const struct torch_record *r, struct span text)
{
    struct span type = span_from(text, strlen("device(type='"));
    size_t quote = span_find(type, SPAN("'"), 0);
    if (!span_starts(text, "device(type='") || quote == SIZE_MAX) return torch_word(r, text);
    struct span index = span_from(type, quote + 1);
    type = span_to(type, quote);
    if (!span_starts(index, ", index=")) return torch_word(r, type);
    index = span_from(index, strlen(", index="));
    index = span_to(index, span_find(index, SPAN(")"), 0));
    const char *full = arena_printf(r->arena, "%.*s:%.*s", SPAN_ARG(type), SPAN_ARG(index));
    return torch_word(r, full ? span_of(full) : type);
}

static int64_t flags_of(const struct json *m)
{
    int64_t flags = 0;
    const struct json *dynamic = json_get(m, "dynamo_dynamic_indices");
    if (json_int(json_get(m, "is_leaf"), 0)) flags |= LEAF;
    if (json_int(json_get(m, "requires_grad"), 0)) flags |= REQUIRES_GRAD;
    if (json_int(json_get(m, "is_parameter"), 0)) flags |= PARAMETER;
    if (json_int(json_get(m, "is_view"), 0)) flags |= VIEW;
    if (dynamic && dynamic->n) flags |= DYNAMIC;
    return flags;
}

static int64_t number(const struct torch_record *r, const char *name)
{
    return json_int(json_get(r->meta, name), STORE_NULL);
}

static enum err add_tensor(struct torch_record *r)
{
    const struct json *m = r->meta;
    struct row_tensor_desc row = {
        .id = store_next_id(r->source->writer, STORE_TENSOR_DESC),
        .source = r->source->row.id,
        .compile = torch_compile_row(r),
        .describer = number(r, "describer_id"),
        .tensor = number(r, "id"),
        .storage = number(r, "storage"),
        .ndim = number(r, "ndim"),
        .dtype = torch_word(r, json_string(json_get(m, "dtype"))),
        .device = device_word(r, json_string(json_get(m, "device"))),
        .size = json_word(r, json_get(m, "size")),
        .stride = json_word(r, json_get(m, "stride")),
        .flags = flags_of(m),
        .base = json_get(m, "base")
                    ? json_int(json_get(json_get(m, "base"), "id"), number(r, "base"))
                    : STORE_NULL,
        .rest = rest_word(r)};
    return store_tensor_desc_add(r->source->batch, &row);
}

enum err torch_on_describe(struct torch_record *r)
{
    int64_t source = r->source->row.id, compile = torch_compile_row(r);
    if (span_is(r->key, "describe_tensor")) return add_tensor(r);
    if (span_is(r->key, "describe_storage")) {
        struct row_storage_desc row = {source, compile, number(r, "describer_id"), number(r, "id"),
                                       number(r, "size")};
        return store_storage_desc_add(r->source->batch, &row);
    }
    struct row_tensor_source row = {source, compile, number(r, "describer_id"), number(r, "id"),
                                    torch_word(r, json_string(json_get(r->meta, "source")))};
    return store_tensor_source_add(r->source->batch, &row);
}
