/* imp_cache.c - what was asked of the compile caches, and what their keys are made of.
 *
 * The artifact's name says cache and outcome (fx_graph_cache_miss, aotautograd_cache_hit); its
 * JSON:
 *   {"key": "f4lm...", "components": ["[<digest>] name: value", ...], "cache_bypass_reason": ...,
 *    "time_saved_ns": 331588000 | "time_saved_ms": 7409.0, "cache_state": "hit"}
 * Format: torch/_inductor/codecache.py, torch/_functorch/_aot_autograd/autograd_cache.py of PyTorch
 * 2.4 to 2.13. Logs of 2024 cut a component's value at its line ends, so a text without a digest
 * continues the one before.
 */
#include "capture/torch.h"

#include <math.h>

static struct span outcome_of(struct span name, const struct json *event)
{
    static const char *const outcomes[] = {"cache_hit", "cache_miss", "cache_bypass"};
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        if (span_find(name, span_of(outcomes[i]), 0) != SIZE_MAX)
            return span_of(outcomes[i] + strlen("cache_"));
    return json_string(json_get(event, "cache_state"));
}

static int64_t saved_ns(const struct json *event)
{
    int64_t ns = json_int(json_get(event, "time_saved_ns"), STORE_NULL);
    double ms = json_real(json_get(event, "time_saved_ms"));
    if (ns != STORE_NULL || isnan(ms) || fabs(ms) > 1e12) return ns;
    return (int64_t)(ms * 1e6);
}

/* "[digest] name: value". */
static enum err add_component(struct torch_record *r, int64_t event, int64_t position,
                              struct span text)
{
    size_t close = span_find(text, SPAN("] "), 0);
    struct span rest = span_from(text, close + 2);
    struct row_cache_component row = {
        .cache_event = event,
        .position = position,
        .name = torch_word(r, span_to(rest, span_find(rest, SPAN(": "), 0))),
        .digest = torch_word(r, span_to(span_from(text, 1), close - 1))};
    return store_cache_component_add(r->source->batch, &row);
}

static bool is_component(struct span text)
{
    return text.n > 2 && text.p[0] == '[' && span_find(text, SPAN("] "), 0) != SIZE_MAX;
}

enum err torch_on_cache(struct torch_record *r)
{
    const struct json *event;
    TRY(torch_json(r, &event));
    struct span name = json_string(json_get(r->meta, "name"));
    size_t stop = span_find(name, SPAN("_cache"), 0);
    struct row_cache_event row = {.source = r->source->row.id,
                                  .compile = torch_compile_row(r),
                                  .cache = span_to(name, stop),
                                  .outcome = outcome_of(name, event),
                                  .cache_key = json_string(json_get(event, "key")),
                                  .reason = json_string(json_get(event, "cache_bypass_reason")),
                                  .saved_ns = saved_ns(event),
                                  .artifact = r->artifact,
                                  .ts = r->ts};
    if (!row.outcome.p) return ERR_OK;
    row.id = store_next_id(r->source->writer, STORE_CACHE_EVENT);
    TRY(store_cache_event_add(r->source->batch, &row));
    int64_t position = 0;
    const struct json *parts = json_get(event, "components");
    for (const struct json *j = parts && parts->type == JSON_LIST ? parts->first : NULL; j;
         j = j->next)
        if (is_component(json_string(j))) TRY(add_component(r, row.id, position++, json_string(j)));
    return ERR_OK;
}
