/* imp_metrics.c - records of metrics: every field as a row; what they say of compile and run.
 *
 * Source: CompilationMetrics in torch/_dynamo/utils.py of PyTorch 2.4 to 2.13: about 90 fields, of
 * which each version has some. Times of *_s fields are seconds, of *_us fields microseconds.
 *
 * Outcome of a compile, the first that holds: failed (a metrics record has a fail_type), empty
 * (graph_op_count is 0 or null), restarted (restart_reasons has an entry; an absent list says
 * nothing), ok; unknown without compilation_metrics.
 */
#include <math.h>
#include <stdlib.h>

#include "capture/events.h"
#include "capture/torch_reader.h"

/* ---- what the metrics said, so that others need not repeat it ---- */

uint64_t torch_field_hash(const struct json *field, struct buf *scratch)
{
    struct span text = field->text;
    if ((field->type == JSON_LIST || field->type == JSON_OBJECT) && !field->text.p) {
        buf_clear(scratch);
        json_print(scratch, field);
        text = buf_text(scratch);
    }
    struct map_key name = map_key(field->key);
    uint64_t value = field->type == JSON_BOOL ? (uint64_t)field->i : text.n ? map_key(text).lo : 0;
    return (name.lo ^ (uint64_t)field->type) * UINT64_C(0x9e3779b97f4a7c15) + value;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

bool torch_metrics_said(const struct torch_reader *r, const struct torch_compile *c, uint64_t hash)
{
    const struct torch_said *said = &r->said;
    return c && said->compile == c && said->n &&
           bsearch(&hash, said->hashes, (size_t)said->n, sizeof hash, by_value) != NULL;
}

/* ---- fields ---- */

static enum err add_fields(struct torch_record *rec, int64_t record, struct buf *scratch)
{
    struct torch_said *said = &torch_reader_of(rec->source)->said;
    *said = (struct torch_said){.compile = rec->compile};
    for (const struct json *f = rec->meta->first; f; f = f->next) {
        struct row_compile_metric row = {.record = record, .name = torch_word(rec, f->key)};
        row.type = cap_arg_cell(rec->source->writer, f, scratch, &row.value);
        TRY(store_compile_metric_add(rec->source->batch, &row));
        if (said->n < TORCH_SAID) said->hashes[said->n++] = torch_field_hash(f, scratch);
    }
    qsort(said->hashes, (size_t)said->n, sizeof *said->hashes, by_value);
    return buf_ok(scratch);
}

static int64_t count_of(const struct json *metrics, const char *name)
{
    return json_int(json_get(metrics, name), STORE_NULL);
}

/* A duration in ns: the field in seconds, or the one in microseconds that newer versions have. */
static int64_t duration_of(const struct json *metrics, const char *seconds, const char *micros)
{
    double s = json_real(json_get(metrics, seconds)), us = json_real(json_get(metrics, micros));
    double ns = isfinite(s) ? s * 1e9 : us * 1e3;
    return isfinite(ns) && fabs(ns) < 9e18 ? llrint(ns) : STORE_NULL;
}

static bool is_set(const struct json *field)
{
    return field && field->type != JSON_NULL;
}

/* ---- compile ---- */

static bool has_restarts(const struct json *metrics)
{
    const struct json *reasons = json_get(metrics, "restart_reasons");
    return reasons && reasons->type == JSON_LIST && reasons->n;
}

static struct span outcome_of(const struct torch_compile *c, const struct json *metrics)
{
    const struct json *ops = json_get(metrics, "graph_op_count");
    if (c->failed_elsewhere || is_set(json_get(metrics, "fail_type"))) return SPAN("failed");
    if (ops && json_int(ops, 0) == 0) return SPAN("empty");
    return has_restarts(metrics) ? SPAN("restarted") : SPAN("ok");
}

/* A compile that failed before it began (recompile limit) has no name in its metrics: it is that of
 * its frame's first compile. */
static void name_as_frame(struct torch_record *rec)
{
    struct row_compile *row = &rec->compile->row;
    if (row->name || row->frame_compile_id <= 0 || row->autograd_id != STORE_NULL) return;
    const char *first = arena_printf(rec->arena, "%lld/0", (long long)row->frame_id);
    const struct torch_compile *c = first ? torch_find_compile(rec->source, span_of(first)) : NULL;
    if (!c || c == rec->compile) return;
    row->name = c->row.name;
    row->file = c->row.file;
    row->line = c->row.line;
}

static void fill_compile(struct torch_record *rec)
{
    struct torch_compile *c = rec->compile;
    struct row_compile *row = &c->row;
    const struct json *m = rec->meta;
    c->has_metrics = true;
    row->outcome = outcome_of(c, m);
    row->name = torch_word(rec, json_string(json_get(m, "co_name")));
    row->file = torch_word(rec, json_string(json_get(m, "co_filename")));
    row->line = count_of(m, "co_firstlineno");
    name_as_frame(rec);
    row->total_ns =
        duration_of(m, "entire_frame_compile_time_s", "dynamo_cumulative_compile_time_us");
    row->backend_ns =
        duration_of(m, "backend_compile_time_s", "aot_autograd_cumulative_compile_time_us");
    row->inductor_ns =
        duration_of(m, "inductor_compile_time_s", "inductor_cumulative_compile_time_us");
    row->codegen_ns =
        duration_of(m, "code_gen_time_s", "inductor_code_gen_cumulative_compile_time_us");
    row->lost_ns = duration_of(m, "dynamo_time_before_restart_s", "dynamo_time_before_restart_us");
    row->n_ops = count_of(m, "graph_op_count");
    row->n_nodes = count_of(m, "graph_node_count");
    row->n_inputs = count_of(m, "graph_input_count");
    row->n_guards = count_of(m, "guard_count");
}

static enum err add_restarts(struct torch_record *rec)
{
    const struct json *reasons = json_get(rec->meta, "restart_reasons");
    struct row_restart row = {.compile = torch_compile_row(rec)};
    if (!reasons || reasons->type != JSON_LIST) return ERR_OK;
    struct buf text = {0};
    enum err err = ERR_OK;
    for (const struct json *s = reasons->first; s && !err; s = s->next, row.position++) {
        buf_clear(&text);
        if (s->type == JSON_STRING) buf_utf8(&text, s->text);
        else json_print(&text, s);
        row.reason = buf_text(&text);
        err = buf_ok(&text);
        if (!err) err = store_restart_add(rec->source->batch, &row);
    }
    buf_release(&text);
    return err;
}

/* A text column: string fields as they are, others printed. */
static struct span text_of(struct arena *arena, const struct json *field)
{
    if (!is_set(field)) return SPAN_NONE;
    struct buf text = {0};
    if (field->type == JSON_STRING) buf_utf8(&text, field->text);
    else json_print(&text, field);
    struct span own = arena_copy(arena, buf_text(&text));
    buf_release(&text);
    return own;
}

static enum err add_failure(struct torch_record *rec)
{
    const struct json *m = rec->meta, *type = json_get(m, "fail_type");
    if (!is_set(type)) return ERR_OK;
    struct row_failure row = {
        .compile = torch_compile_row(rec),
        .type = text_of(rec->arena, type),
        .reason = text_of(rec->arena, json_get(m, "fail_reason")),
        .file = text_of(rec->arena, json_get(m, "fail_user_frame_filename")),
        .line = count_of(m, "fail_user_frame_lineno"),
    };
    if (rec->compile) {
        rec->compile->failed_elsewhere = true;
        rec->compile->row.outcome = SPAN("failed");
    }
    return store_failure_add(rec->source->batch, &row);
}

/* ---- run ---- */

void torch_run_note(struct torch_run *run, struct span *column, struct span value)
{
    if (!value.p || !value.n) return;
    pthread_mutex_lock(&run->lock);
    if (!column->p) {
        struct buf clean = {0};
        buf_utf8(&clean, value);
        *column = arena_copy(&run->keep, buf_text(&clean));
        run->dirty = true;
        buf_release(&clean);
    }
    pthread_mutex_unlock(&run->lock);
}

static void note_versions(struct torch_record *rec)
{
    struct torch_run *run = torch_reader_of(rec->source)->run;
    torch_run_note(run, &run->row.torch_version,
                   json_string(json_get(rec->meta, "pytorch_version")));
    torch_run_note(run, &run->row.python_version,
                   json_string(json_get(rec->meta, "python_version")));
    torch_run_note(run, &run->row.cuda_version, json_string(json_get(rec->meta, "cuda_version")));
    torch_run_note(run, &run->row.triton_version,
                   json_string(json_get(rec->meta, "triton_version")));
}

enum err torch_on_metrics(struct torch_record *rec)
{
    if (rec->meta->type != JSON_OBJECT) FAIL(ERR_FORMAT, "metrics are no JSON object");
    struct row_metric_record row = {
        .id = store_next_id(rec->source->writer, STORE_METRIC_RECORD),
        .source = rec->source->row.id,
        .compile = torch_compile_row(rec),
        .key = torch_word(rec, rec->key),
        .attempt = rec->attempt,
        .ts = rec->ts,
    };
    struct buf scratch = {0};
    TRY(store_metric_record_add(rec->source->batch, &row));
    enum err err = add_fields(rec, row.id, &scratch);
    buf_release(&scratch);
    if (err) return err;
    note_versions(rec);
    TRY(add_failure(rec));
    if (!span_is(rec->key, "compilation_metrics")) return ERR_OK;
    if (rec->compile) fill_compile(rec);
    return add_restarts(rec);
}
