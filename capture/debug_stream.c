/* debug_stream.c - lines of a running program become rows: its process and thread, calls with
 * their times, what was measured of their tensors, losses.
 */
#include "capture/debug_stream.h"

#include <math.h>
#include <stdio.h>

#include "capture/events.h"
#include "store/base/clock.h"

enum err debug_stream_init(struct debug_stream *s, struct store_writer *w, struct torch_run *run,
                           struct span name)
{
    *s = (struct debug_stream){.run = run, .import = {.writer = w}};
    struct debug_import *d = &s->import;
    struct span kept = arena_copy(&s->keep, name);
    if (!kept.p) FAIL(ERR_NOMEM, "out of memory for a log of calls");
    d->row = (struct row_source_file){.id = store_next_id(w, STORE_SOURCE_FILE),
                                      .run = run->row.id,
                                      .process = store_next_id(w, STORE_PROCESS),
                                      .path = kept,
                                      .name = kept,
                                      .rank = STORE_NULL,
                                      .year = STORE_NULL,
                                      .zone_ns = STORE_NULL,
                                      .state = SPAN("reading")};
    s->process = (struct row_process){.id = d->row.process,
                                      .run = run->row.id,
                                      .pid = STORE_NULL,
                                      .rank = STORE_NULL,
                                      .world = STORE_NULL,
                                      .start_ts = STORE_NULL,
                                      .end_ts = STORE_NULL};
    TRY(debug_import_init(d));
    d->log.format = SPAN("live");
    return ERR_OK;
}

void debug_stream_release(struct debug_stream *s)
{
    debug_import_release(&s->import);
    arena_release(&s->keep);
}

/* ---- whose calls ---- */

static struct span keep(struct debug_stream *s, const struct json *head, const char *name)
{
    return arena_copy(&s->keep, json_string(json_get(head, name)));
}

static void note_versions(struct debug_stream *s, const struct json *head)
{
    struct torch_run *run = s->run;
    struct span torch = json_string(json_get(head, "torch"));
    struct span python = json_string(json_get(head, "python"));
    pthread_mutex_lock(&run->lock);
    if (torch.n && !run->row.torch_version.p)
        run->row.torch_version = arena_copy(&run->keep, torch), run->dirty = true;
    if (python.n && !run->row.python_version.p)
        run->row.python_version = arena_copy(&run->keep, python), run->dirty = true;
    pthread_mutex_unlock(&run->lock);
}

static enum err put_log(struct debug_stream *s)
{
    struct debug_import *d = &s->import;
    TRY(torch_run_write(s->run, d->batch));
    TRY(store_process_add(d->batch, &s->process));
    TRY(store_source_file_add(d->batch, &d->row));
    return store_call_log_add(d->batch, &d->log);
}

static enum err describe(struct debug_stream *s, const struct json *head)
{
    struct debug_import *d = &s->import;
    struct row_track track = {.id = store_next_id(d->writer, STORE_TRACK),
                              .process = s->process.id,
                              .kind = CAP_TRACK_THREAD};
    track.pid = s->process.pid = json_int(json_get(head, "pid"), STORE_NULL);
    track.tid = json_int(json_get(head, "thread"), STORE_NULL);
    track.name = store_word(d->writer, json_string(json_get(head, "name")));
    s->process.rank = d->row.rank = json_int(json_get(head, "rank"), STORE_NULL);
    s->process.world = json_int(json_get(head, "world"), STORE_NULL);
    if (d->row.rank != STORE_NULL) d->row.rank_from = SPAN("record");
    s->process.start_ts = s->process.end_ts = json_int(json_get(head, "ts"), STORE_NULL);
    struct span refused = keep(s, head, "refused");
    snprintf(s->refused, sizeof s->refused, "%.*s", (int)refused.n, refused.p ? refused.p : "");
    d->at.track = track.id;
    s->described = true;
    note_versions(s, head);
    TRY(put_log(s));
    TRY(store_track_add(d->batch, &track));
    if (!s->refused[0]) return ERR_OK;
    struct row_diag diag = {
        .ts = s->process.start_ts, .severity = 2, .origin = SPAN("debug_mode"), .message = refused};
    return store_diag_add(d->batch, &diag);
}

/* ---- tensors ---- */

/* The i-th member of a list, or NULL. */
static const struct json *member(const struct json *list, int i)
{
    const struct json *m = list && list->type == JSON_LIST ? list->first : NULL;
    while (m && i-- > 0) m = m->next;
    return m;
}

static struct debug_measure *measure_of(const struct json *row, struct arena *arena)
{
    struct debug_measure *m = arena_alloc(arena, sizeof *m);
    if (!m) return NULL;
    *m = (struct debug_measure){.stride = json_string(member(row, 2)),
                                .device = json_string(member(row, 3)),
                                .version = json_int(member(row, 4), STORE_NULL),
                                .nans = json_int(member(row, 5), STORE_NULL),
                                .infs = json_int(member(row, 6), STORE_NULL),
                                .low = json_real(member(row, 7)),
                                .high = json_real(member(row, 8)),
                                .total = json_real(member(row, 9)),
                                .magnitude = json_real(member(row, 10)),
                                .squares = json_real(member(row, 11))};
    return m;
}

/* The first use from `from` on, then from the beginning, of that place; n when there is none. */
static size_t find_use(const struct debug_uses *uses, size_t from, enum debug_phase phase,
                       struct span arg)
{
    for (size_t k = 0; k < uses->n; k++) {
        size_t i = (from + k) % uses->n;
        if (uses->p[i].phase == phase && span_eq(uses->p[i].arg, arg)) return i;
    }
    return uses->n;
}

static enum err push_after(struct debug_uses *uses, const struct debug_use *use)
{
    struct debug_use *to = LIST_PUSH(uses);
    if (!to) FAIL(ERR_NOMEM, "out of memory for the tensors of a call");
    *to = *use;
    return ERR_OK;
}

/* An argument that the call has changed: what it is stands with its use before the call. */
static enum err add_after(struct debug_call *c, struct arena *arena, const struct json *row,
                          struct debug_measure *m)
{
    struct span arg = json_string(member(row, 1));
    size_t before = find_use(&c->uses, 0, DEBUG_ARGUMENT, arg);
    struct debug_use use = {.arg = arg, .tensor = STORE_NULL};
    struct py *hash = NULL;
    if (before < c->uses.n) use = c->uses.p[before];
    use.phase = DEBUG_ARGUMENT_AFTER;
    use.measure = m;
    use.part = STORE_NULL;
    use.hash = (struct py_hash){0};
    const struct json *value = member(row, 12);
    if (value && value->type == JSON_OBJECT) TRY(py_from_json(value, arena, &hash));
    if (!hash || hash->type != PY_TUPLE) {
        if (hash) (void)py_to_hash(hash, &use.hash);
        return push_after(&c->uses, &use);
    }
    use.part = 0;
    for (const struct py *part = hash->first; part; part = part->next, use.part++) {
        use.hash = (struct py_hash){0};
        if (py_to_hash(part, &use.hash)) TRY(push_after(&c->uses, &use));
        use.measure = NULL;
    }
    return ERR_OK;
}

static enum err add_measures(struct debug_call *c, struct arena *arena, const struct json *rows)
{
    size_t at = 0, n = c->uses.n;
    for (const struct json *row = member(rows, 0); row; row = row->next) {
        struct debug_measure *m = measure_of(row, arena);
        struct span arg = json_string(member(row, 1));
        int64_t phase = json_int(member(row, 0), -1);
        if (!m) FAIL(ERR_NOMEM, "out of memory for the tensors of a call");
        if (phase == DEBUG_ARGUMENT_AFTER) TRY(add_after(c, arena, row, m));
        if (phase != DEBUG_ARGUMENT && phase != DEBUG_RESULT) continue;
        struct debug_uses known = {.p = c->uses.p, .n = n};
        at = find_use(&known, at, (enum debug_phase)phase, arg);
        if (at == n) at = 0;
        else c->uses.p[at++].measure = m;
    }
    return ERR_OK;
}

/* ---- lines ---- */

/* What cannot be read keeps its place: others are told by their place what encloses them. */
static void leave_place(struct debug_stream *s)
{
    s->import.log.calls++;
}

static enum err take_call(struct debug_stream *s, const struct json *line, const struct json *call)
{
    struct debug_import *d = &s->import;
    struct debug_call c;
    d->at.ts = json_int(json_get(line, "ts"), STORE_NULL);
    d->at.dur = json_int(json_get(line, "dur"), STORE_NULL);
    d->at.nested = true;
    d->at.inside = json_int(json_get(line, "inside"), STORE_NULL);
    if (d->at.ts != STORE_NULL) s->process.end_ts = d->at.ts;
    enum err err = debug_from_json(call, &d->scratch, &c);
    if (err == ERR_FORMAT) {
        TRY(debug_lose(d, TORCH_LOSS_schema, s->offset, "at byte %lld: %s", (long long)s->offset,
                       err_text()));
        leave_place(s);
        return ERR_OK;
    }
    TRY(err);
    if (!c.rest.p) c.flags &= ~(unsigned)DEBUG_NO_LEAVES;
    err = add_measures(&c, &d->scratch, json_get(line, "tensors"));
    if (!err) err = debug_put_call(d, &c);
    debug_uses_release(&c.uses);
    return err;
}

static enum err take_loss(struct debug_stream *s, const struct json *line)
{
    struct debug_import *d = &s->import;
    struct row_loss row = {.id = store_next_id(d->writer, STORE_LOSS),
                           .source = d->row.id,
                           .kind = json_string(json_get(line, "loss")),
                           .ts = json_int(json_get(line, "ts"), STORE_NULL),
                           .offset = STORE_NULL,
                           .line = STORE_NULL,
                           .count = json_int(json_get(line, "count"), 1),
                           .bytes = STORE_NULL,
                           .message = json_string(json_get(line, "message"))};
    s->lost += row.count;
    return store_loss_add(d->batch, &row);
}

static enum err take_overhead(struct debug_stream *s, const struct json *line)
{
    struct row_overhead row = {.ts = json_int(json_get(line, "ts"), STORE_NULL),
                               .origin = SPAN("debug_mode"),
                               .kind = json_string(json_get(line, "overhead")),
                               .cost_ns = json_int(json_get(line, "ns"), STORE_NULL),
                               .count = json_int(json_get(line, "count"), STORE_NULL)};
    return store_overhead_add(s->import.batch, &row);
}

static enum err take(struct debug_stream *s, const struct json *line)
{
    const struct json *call = json_get(line, "call");
    if (!s->described) return describe(s, line);
    if (call) return take_call(s, line, call);
    if (json_get(line, "loss")) return take_loss(s, line);
    if (json_get(line, "overhead")) return take_overhead(s, line);
    if (!json_get(line, "end"))
        return debug_lose(&s->import, TORCH_LOSS_schema, s->offset,
                          "the line at byte %lld is no call", (long long)s->offset);
    s->ended = true;
    s->process.end_ts = json_int(json_get(line, "ts"), s->process.end_ts);
    return ERR_OK;
}

enum err debug_stream_line(struct debug_stream *s, struct span line)
{
    struct debug_import *d = &s->import;
    struct json *j;
    enum err err = json_parse(line, &d->scratch, &j);
    if (err && err != ERR_NOMEM) {
        err = debug_lose(d, TORCH_LOSS_json, s->offset, "the line at byte %lld is no JSON: %s",
                         (long long)s->offset, err_text());
        if (s->described) leave_place(s);
    } else if (!err) {
        err = take(s, j);
    }
    arena_clear(&d->scratch);
    s->offset += (int64_t)line.n + 1;
    s->lines++;
    return err;
}

enum err debug_stream_flush(struct debug_stream *s)
{
    return s->import.batch->n_rows ? debug_import_submit(&s->import) : ERR_OK;
}

enum err debug_stream_finish(struct debug_stream *s, size_t cut)
{
    struct debug_import *d = &s->import;
    if (cut)
        TRY(debug_lose(d, TORCH_LOSS_truncated, s->offset,
                       "the last line, at byte %lld, was not written to its end",
                       (long long)s->offset));
    d->row.size = s->offset + (int64_t)cut;
    d->row.n_records = d->log.calls;
    d->row.state = s->ended && !cut ? SPAN("complete") : SPAN("interrupted");
    TRY(put_log(s));
    return debug_import_submit(d);
}
