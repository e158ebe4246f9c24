/* imp_chromium.c - chromium events: begins and ends become spans.
 *
 * Format: the trace event format's JSON objects with ph B and E (a span), X (a span with dur), i
 * (an instant). ts is in microseconds of the epoch. A *lane* is one (pid, tid); in it an E closes
 * the youngest open B of its name. An E of a name that is not open closes nothing.
 *
 *   lane:  dynamo > entire_frame_compile > compile_attempt_0      open spans, innermost last
 *
 * A span gets its id at its begin, so that its children can name it, and its row at its end.
 * Arguments of both are kept, those of the end only when they say something new: not what the begin
 * said, not what the metrics record just before it said (the end of "dynamo" repeats all of it),
 * and not compile_id where that is event.corr.
 */
#include <math.h>
#include <stdlib.h>

#include "capture/events.h"
#include "capture/torch_reader.h"

enum { OPEN_SPANS = 4096, SEEN = 8, LONGEST = 4096 /* bytes of an argument */ };

struct open_span {
    int64_t event, ts, name, parent, corr, flags;
    uint64_t seen[SEEN]; /* hashes of its arguments */
    int n_seen;
};
struct lane {
    int64_t pid, tid, track;
    LIST_OF(struct open_span) open;
};
struct chromium {
    LIST_OF(struct lane) lanes;
    struct buf scratch;
};

/* One event as it was read. */
struct moment {
    struct span name;
    char phase;
    int64_t ts, dur, pid, tid;
    const struct json *args;
};

static struct chromium *state_of(struct torch_source *s)
{
    if (!s->chromium) s->chromium = calloc(1, sizeof(struct chromium));
    return s->chromium;
}

void torch_chromium_release(struct torch_source *s)
{
    struct chromium *c = s->chromium;
    if (!c) return;
    for (size_t i = 0; i < c->lanes.n; i++) LIST_RELEASE(&c->lanes.p[i].open);
    LIST_RELEASE(&c->lanes);
    buf_release(&c->scratch);
    free(c);
    s->chromium = NULL;
}

/* ---- reading ---- */

static int64_t ns_of(double us)
{
    if (!(us > -9e15 && us < 9e15)) return STORE_NULL;
    double whole = floor(us);
    return (int64_t)whole * 1000 + (int64_t)((us - whole) * 1000.0 + 0.5);
}

static enum err read_moment(struct torch_record *rec, const struct json *j, struct moment *out)
{
    struct span phase = json_string(json_get(j, "ph"));
    double us = json_real(json_get(j, "ts"));
    if (!j || j->type != JSON_OBJECT || phase.n != 1 || isnan(us))
        FAIL(ERR_FORMAT, "a chromium event needs ph of one letter and a number ts");
    *out = (struct moment){
        .name = json_string(json_get(j, "name")),
        .phase = phase.p[0],
        .ts = ns_of(us),
        .dur = ns_of(json_real(json_get(j, "dur"))),
        .pid = json_int(json_get(j, "pid"), STORE_NULL),
        .tid = json_int(json_get(j, "tid"), STORE_NULL),
        .args = json_get(j, "args"),
    };
    if (!out->name.p) out->name = SPAN("(no name)");
    if (out->ts == STORE_NULL) FAIL(ERR_FORMAT, "the ts of a chromium event is out of range");
    torch_reader_of(rec->source)->chromium_ts = out->ts;
    return ERR_OK;
}

static enum err lane_of(struct torch_record *rec, struct chromium *c, const struct moment *m,
                        struct lane **out)
{
    enum { LANES = 4096 };
    for (size_t i = 0; i < c->lanes.n; i++) {
        *out = &c->lanes.p[i];
        if ((*out)->pid == m->pid && (*out)->tid == m->tid) return ERR_OK;
    }
    if (c->lanes.n == LANES)
        FAIL(ERR_LIMIT, "more than %d lanes of chromium events in one log", LANES);
    if (!(*out = LIST_PUSH(&c->lanes))) FAIL(ERR_NOMEM, "out of memory for chromium events");
    **out = (struct lane){
        .pid = m->pid, .tid = m->tid, .track = store_next_id(rec->source->writer, STORE_TRACK)};
    struct row_track row = {(*out)->track, rec->source->row.process, CAP_TRACK_CHROMIUM, 0, m->pid,
                            m->tid};
    return store_track_add(rec->source->batch, &row);
}

/* ---- arguments ---- */

static bool repeats_compile(const struct torch_record *rec, const struct json *a)
{
    if (!span_is(a->key, "compile_id") || a->type != JSON_STRING) return false;
    return rec->compile ? span_eq(a->text, rec->compile->row.compile_id) : span_is(a->text, "None");
}

static enum err add_args(struct torch_record *rec, struct open_span *span, const struct json *args)
{
    struct chromium *c = state_of(rec->source);
    struct torch_reader *r = torch_reader_of(rec->source);
    if (!args || args->type != JSON_OBJECT) return ERR_OK;
    for (const struct json *a = args->first; a; a = a->next) {
        if (repeats_compile(rec, a)) continue;
        uint64_t hash = torch_field_hash(a, &c->scratch);
        bool known = torch_metrics_said(r, rec->compile, hash);
        for (int i = 0; i < span->n_seen && !known; i++) known = span->seen[i] == hash;
        if (known) continue;
        if (span->n_seen < SEEN) span->seen[span->n_seen++] = hash;
        struct row_arg row = {.event = span->event, .key = torch_word(rec, a->key)};
        if (a->text.p && a->text.n > LONGEST && a->type >= JSON_STRING) {
            row.type = CAP_ARG_LONG;
            row.value = (struct store_cell){.kind = STORE_CELL_INT, .i = rec->offset};
        } else row.type = cap_arg_cell(rec->source->writer, a, &c->scratch, &row.value);
        TRY(buf_ok(&c->scratch));
        TRY(store_arg_add(rec->source->batch, &row));
    }
    return ERR_OK;
}

/* ---- spans ---- */

static enum err write_span(struct torch_source *s, const struct lane *lane,
                           const struct open_span *o, int64_t end)
{
    struct row_event row = {
        .id = o->event,
        .ts = o->ts,
        .dur = end == STORE_NULL ? STORE_NULL
               : end > o->ts     ? end - o->ts
                                 : 0,
        .track = lane->track,
        .kind = CAP_EVENT_SPAN,
        .name = o->name,
        .parent = o->parent,
        .corr = o->corr,
        .flags = o->flags,
    };
    return store_event_add(s->batch, &row);
}

static struct open_span span_here(struct torch_record *rec, const struct lane *lane,
                                  const struct moment *m)
{
    const struct open_span *parent = lane->open.n ? &lane->open.p[lane->open.n - 1] : NULL;
    return (struct open_span){
        .event = store_next_id(rec->source->writer, STORE_EVENT),
        .ts = m->ts,
        .name = torch_word(rec, m->name),
        .parent = parent ? parent->event : 0,
        .corr = torch_compile_row(rec),
    };
}

static enum err begin(struct torch_record *rec, struct lane *lane, const struct moment *m)
{
    struct open_span fresh = span_here(rec, lane, m);
    if (lane->open.n == OPEN_SPANS) { /* hostile: no program nests so deep */
        fresh.flags = CAP_EVENT_FLAG_UNCLOSED;
        TRY(torch_loss(rec, "span",
                       "more than %d spans are open at once; \"%.*s\" is kept without its end",
                       OPEN_SPANS, SPAN_ARG(m->name)));
        return write_span(rec->source, lane, &fresh, STORE_NULL);
    }
    TRY(add_args(rec, &fresh, m->args));
    struct open_span *o = LIST_PUSH(&lane->open);
    if (!o) FAIL(ERR_NOMEM, "out of memory for chromium events");
    *o = fresh;
    return ERR_OK;
}

static enum err end(struct torch_record *rec, struct lane *lane, const struct moment *m)
{
    int64_t name = torch_word(rec, m->name);
    size_t i = lane->open.n;
    while (i && lane->open.p[i - 1].name != name) i--;
    if (!i) {
        struct open_span lone = span_here(rec, lane, m);
        lone.flags = CAP_EVENT_FLAG_UNOPENED;
        TRY(torch_loss(rec, "span", "the end of \"%.*s\" at line %lld closes nothing",
                       SPAN_ARG(m->name), (long long)rec->line));
        TRY(add_args(rec, &lone, m->args));
        return write_span(rec->source, lane, &lone, m->ts);
    }
    struct open_span *o = &lane->open.p[i - 1];
    if (i < lane->open.n) o->flags |= CAP_EVENT_FLAG_CROSSED;
    TRY(add_args(rec, o, m->args));
    TRY(write_span(rec->source, lane, o, m->ts));
    memmove(o, o + 1, (lane->open.n - i) * sizeof *o);
    lane->open.n--;
    return ERR_OK;
}

static enum err whole(struct torch_record *rec, struct lane *lane, const struct moment *m)
{
    struct open_span o = span_here(rec, lane, m);
    TRY(add_args(rec, &o, m->args));
    if (m->phase == 'X')
        return write_span(rec->source, lane, &o,
                          m->dur == STORE_NULL ? STORE_NULL : m->ts + m->dur);
    struct row_event row = {.id = o.event,
                            .ts = o.ts,
                            .track = lane->track,
                            .kind = CAP_EVENT_INSTANT,
                            .name = o.name,
                            .parent = o.parent,
                            .corr = o.corr};
    return store_event_add(rec->source->batch, &row);
}

enum err torch_on_chromium(struct torch_record *rec)
{
    struct chromium *c = state_of(rec->source);
    if (!c) FAIL(ERR_NOMEM, "out of memory for chromium events");
    struct json *j = NULL;
    enum err err = json_parse(rec->payload, rec->arena, &j);
    if (err == ERR_NOMEM) return err;
    if (err)
        return torch_loss(rec, "payload_json", "the chromium event at line %lld: %s",
                          (long long)rec->line, err_text());
    struct moment m;
    struct lane *lane = NULL;
    TRY(read_moment(rec, j, &m));
    if (!rec->compile && m.args)
        rec->compile = torch_find_compile(rec->source, json_string(json_get(m.args, "compile_id")));
    TRY(lane_of(rec, c, &m, &lane));
    switch (m.phase) {
    case 'B': return begin(rec, lane, &m);
    case 'E': return end(rec, lane, &m);
    case 'X':
    case 'i':
    case 'I':
    case 'n': return whole(rec, lane, &m);
    default:
        FAIL(ERR_FORMAT, "the phase '%c' of a chromium event is none of B, E, X, i",
             m.phase > ' ' && m.phase < 127 ? m.phase : '?');
    }
}

enum err torch_chromium_finish(struct torch_source *s)
{
    struct chromium *c = s->chromium;
    if (!c) return ERR_OK;
    int64_t n = 0;
    for (size_t i = 0; i < c->lanes.n; i++) {
        struct lane *lane = &c->lanes.p[i];
        for (size_t k = 0; k < lane->open.n; k++, n++) {
            lane->open.p[k].flags |= CAP_EVENT_FLAG_UNCLOSED;
            TRY(write_span(s, lane, &lane->open.p[k], STORE_NULL));
        }
        lane->open.n = 0;
    }
    if (!n) return ERR_OK;
    struct row_loss where = {.ts = STORE_NULL,
                             .offset = STORE_NULL,
                             .line = STORE_NULL,
                             .count = n,
                             .bytes = STORE_NULL};
    return torch_loss_add(torch_reader_of(s), TORCH_LOSS_span, &where,
                          "chromium spans had no end when the log ended");
}
