/* imp_artifact.c - the key `artifact`, which says by its name what it is, and keys that point
 * elsewhere.
 *
 * Source: trace_structured_artifact in torch/_logging/_internal.py; link:
 * torch/_logging/structured.py.
 */
#include "capture/torch_reader.h"

enum match { IS, STARTS, HAS };

static const struct artifact_handler {
    enum match match;
    const char *name;
    enum err (*handle)(struct torch_record *rec);
} handlers[] = {
#define X(match, name, handler) {match, #name, handler},
    TORCH_ARTIFACTS(X)
#undef X
};

static bool matches(const struct artifact_handler *h, struct span name)
{
    switch (h->match) {
    case IS: return span_is(name, h->name);
    case STARTS: return span_starts(name, h->name);
    default: return span_find(name, span_of(h->name), 0) != SIZE_MAX;
    }
}

enum err torch_on_artifact(struct torch_record *rec)
{
    struct span name = json_string(json_get(rec->meta, "name"));
    if (!name.p) FAIL(ERR_FORMAT, "an artifact without a name");
    if (!rec->has_payload) return ERR_OK; /* written so when there is nothing to say */
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++)
        if (matches(&handlers[i], name)) return handlers[i].handle(rec);
    return ERR_OK;
}

enum err torch_on_version(struct torch_record *rec)
{
    struct torch_run *run = torch_reader_of(rec->source)->run;
    torch_run_note(run, &run->row.torch_version,
                   json_string(json_get(rec->content, "pytorch_version")));
    torch_run_note(run, &run->row.torch_commit, json_string(json_get(rec->content, "commit")));
    return ERR_OK;
}

enum err torch_on_link(struct torch_record *rec)
{
    struct span name = json_string(json_get(rec->meta, "name")),
                url = json_string(json_get(rec->meta, "url"));
    if (!name.p || !url.p) FAIL(ERR_FORMAT, "a link needs name and url");
    struct buf clean_name = {0}, clean_url = {0};
    buf_utf8(&clean_name, name);
    buf_utf8(&clean_url, url);
    struct row_external_link row = {rec->source->row.id, torch_compile_row(rec),
                                    buf_text(&clean_name), buf_text(&clean_url)};
    enum err err = store_external_link_add(rec->source->batch, &row);
    buf_release(&clean_name);
    buf_release(&clean_url);
    return err;
}

/* The source that later frames name as their file: the artifact is all. */
enum err torch_on_dump_file(struct torch_record *rec)
{
    if (!json_string(json_get(rec->meta, "name")).p) FAIL(ERR_FORMAT, "a dump_file without a name");
    return ERR_OK;
}
