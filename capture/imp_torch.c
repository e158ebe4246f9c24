/* imp_torch.c - drives the reading of one log: pieces in, rows out.
 *
 * Words: the *key* of a record is each member of its envelope that is not context. A record with
 * two keys counts for both and goes to both handlers; the first of them has the artifact.
 *
 * Invariants: (1) every record counts under at least one key; (2) a handler's failure costs the
 * rows of that record only; (3) the rows of a record are in the batch that holds its text.
 */
#include "capture/torch_reader.h"

#include <stdio.h>
#include <stdlib.h>

static const struct torch_envelope envelopes[] = {
#define X(key, payload, handler, outputs) {#key, payload, handler},
    TORCH_ENVELOPES(X)
#undef X
};
static const uint8_t tlparse_outputs[] = {
#define X(key, payload, handler, outputs) outputs,
    TORCH_ENVELOPES(X)
#undef X
};
enum { N_ENVELOPES = sizeof envelopes / sizeof *envelopes };

static const struct span envelope_keys[] = {
#define X(key, payload, handler, outputs) {#key, sizeof #key - 1},
    TORCH_ENVELOPES(X)
#undef X
};

static int envelope_index(struct span key)
{
    for (int i = 0; i < N_ENVELOPES; i++)
        if (span_eq(key, envelope_keys[i])) return i;
    return -1;
}

/* Puts a member where it belongs in the context; false when it is none of it. */
static bool is_context(struct torch_context *c, const struct json *member)
{
#define X(name)                                                                                    \
    if (member->key.n == sizeof #name - 1 && !memcmp(member->key.p, #name, sizeof #name - 1)) {    \
        if (c) c->name = member;                                                                   \
        return true;                                                                               \
    }
    TORCH_CONTEXT(X)
#undef X
    return false;
}

/* ---- payload ---- */

static bool md5_is(const struct torch_line *l, struct span hex)
{
    if (hex.n != 32) return false;
    for (int i = 0; i < 16; i++) {
        const char digits[] = "0123456789abcdef";
        if (hex.p[2 * i] != digits[l->md5[i] >> 4] || hex.p[2 * i + 1] != digits[l->md5[i] & 15])
            return false;
    }
    return true;
}

static enum err check_payload(struct torch_record *rec, const struct torch_line *l,
                              const struct json *announced, bool *mismatch)
{
    struct span md5 = json_string(announced);
    *mismatch = false;
    rec->has_payload = announced && announced->type != JSON_NULL;
    if (!rec->has_payload) {
        if (!l->payload.p) return ERR_OK;
        struct row_loss where = {.ts = rec->ts,
                                 .offset = rec->offset,
                                 .line = l->line + 1,
                                 .count = l->n_lines - 1,
                                 .bytes = (int64_t)l->payload_size};
        return torch_loss_add(
            torch_reader_of(rec->source), TORCH_LOSS_malformed, &where,
            "lines begin with a tab, but the record before them announces no payload");
    }
    rec->payload = l->payload.p ? l->payload : SPAN("");
    if (!l->payload.p) {
        *mismatch = true;
        return torch_loss(rec, l->flags & TORCH_LINE_CUT ? "truncated" : "payload",
                          "the payload that the record at line %lld announces does not follow",
                          (long long)l->line);
    }
    if (md5_is(l, md5)) return ERR_OK;
    *mismatch = true;
    return torch_loss(
        rec, l->flags & TORCH_LINE_CUT ? "truncated" : "md5",
        "the payload of the record at line %lld (%zu bytes) has another md5 than has_payload says",
        (long long)l->line, rec->payload.n);
}

static bool says_json(const struct torch_record *rec)
{
    return span_is(rec->key, "dynamo_guards") || span_is(rec->key, "memoizer_artifacts") ||
           span_is(json_string(json_get(rec->meta, "encoding")), "json");
}

static struct span artifact_name(const struct torch_record *rec)
{
    struct span name = json_string(json_get(rec->meta, "name"));
    bool named = span_is(rec->key, "artifact") || span_is(rec->key, "graph_dump") ||
                 span_is(rec->key, "dump_file");
    return named && name.p ? name : rec->key;
}

/* Some payloads are said to be JSON and are text as PyTorch writes them (recompile_reasons of
 * 2.13): only a flag says so, unless the md5 shows that the payload was changed. */
static enum err add_artifact(struct torch_record *rec, const struct torch_line *l,
                             const struct torch_piece *piece, bool mismatch, int64_t number)
{
    struct json *content = NULL;
    int64_t flags = (mismatch ? 1 : 0) | (l->flags & TORCH_LINE_PAYLOAD_NOT_TEXT ? 4 : 0);
    if (rec->has_payload && says_json(rec)) {
        enum err err = json_parse(rec->payload, rec->arena, &content);
        if (err == ERR_NOMEM) return err;
        if (err) {
            flags |= err == ERR_FORMAT ? 2 : 0;
            content = NULL;
            if (mismatch || err != ERR_FORMAT)
                TRY(torch_loss(rec, "payload_json",
                               "the payload of the record at line %lld cannot be read as JSON: %s",
                               (long long)l->line, err_text()));
        }
    }
    rec->content = content;
    rec->artifact = store_next_id(rec->source->writer, STORE_ARTIFACT);
    struct span file = json_string(json_get(rec->meta, "filename"));
    struct row_artifact row = {
        .id = rec->artifact,
        .source = rec->source->row.id,
        .offset =
            l->payload.p ? piece->offset + (int64_t)l->payload_at : rec->offset + (int64_t)l->size,
        .stored = rec->has_payload && l->payload.p ? (int64_t)l->payload_size : 0,
        .indented = 1,
        .size = (int64_t)rec->payload.n,
        .md5 =
            rec->has_payload && l->payload.p ? (struct span){(const char *)l->md5, 16} : SPAN_NONE,
        .key = torch_word(rec, rec->key),
        .name = torch_word(rec, artifact_name(rec)),
        .encoding = torch_word(rec, json_string(json_get(rec->meta, "encoding"))),
        .compile = torch_compile_row(rec),
        .attempt = rec->attempt,
        .subgraph = torch_word(rec, rec->subgraph),
        .file_name = torch_word(rec, file),
        .stack = rec->stack,
        .ts = rec->ts,
        .number = number,
        .flags = flags,
    };
    return store_artifact_add(rec->source->batch, &row);
}

/* ---- ranks ---- */

/* tlparse takes the first rank seen for the log's and sets aside records of another or of none; it
 * does so before it numbers outputs. A record without rank is another rank's only if it stands in a
 * compile: what is written outside of any context (versions, say) names no rank in any log. */
static enum err check_rank(struct torch_record *rec, const struct json *member, bool *set_aside)
{
    struct torch_reader *r = torch_reader_of(rec->source);
    int64_t rank = json_int(member, STORE_NULL);
    *set_aside = r->rank_is_known && rank != r->record_rank;
    if (!r->rank_is_known && rank != STORE_NULL) {
        r->rank_is_known = true;
        r->record_rank = rank;
        if (r->source.row.rank == STORE_NULL) {
            r->source.row.rank = r->process.rank = rank;
            r->source.row.rank_from = SPAN("record");
        }
    }
    if (!*set_aside) return ERR_OK;
    r->losses[TORCH_LOSS_other_rank]++; /* nothing is lost: only --strict=tlparse asks */
    if (rank == STORE_NULL && !rec->compile) return ERR_OK;
    if (rank == STORE_NULL)
        return torch_loss(rec, "mixed_rank",
                          "the record at line %lld has no rank in a log of rank %lld",
                          (long long)rec->line, (long long)r->record_rank);
    return torch_loss(rec, "mixed_rank",
                      "the record at line %lld is of rank %lld in a log of rank %lld",
                      (long long)rec->line, (long long)rank, (long long)r->record_rank);
}

/* ---- one record ---- */

static bool is_fatal(enum err err)
{
    return err == ERR_NOMEM || err == ERR_FULL || err == ERR_IO || err == ERR_SQL;
}

static enum err run_handler(struct torch_record *rec, const struct torch_envelope *e)
{
    enum err err = e->handle ? e->handle(rec) : ERR_OK;
    if (!err || is_fatal(err)) return err;
    char why[256];
    snprintf(why, sizeof why, "%s", err_text());
    return torch_loss(rec, "schema", "%s at line %lld: %s", e->key, (long long)rec->line, why);
}

static enum err add_unknown(struct torch_record *rec)
{
    struct row_unknown_record row = {
        .id = store_next_id(rec->source->writer, STORE_UNKNOWN_RECORD),
        .source = rec->source->row.id,
        .key = torch_word(rec, rec->key),
        .compile = torch_compile_row(rec),
        .offset = rec->offset,
        .stored = rec->stored,
        .artifact = rec->artifact,
        .ts = rec->ts,
    };
    return store_unknown_record_add(rec->source->batch, &row);
}

/* Outputs that tlparse would number for this key. */
static int outputs_of(const struct torch_record *rec, int index)
{
    if (index < 0) return 0;
    int n = tlparse_outputs[index];
    if (span_is(rec->key, "artifact")) {
        struct span encoding = json_string(json_get(rec->meta, "encoding"));
        if (!span_is(encoding, "string") && !span_is(encoding, "json")) return 0;
        if (rec->content &&
            span_starts(artifact_name(rec), "inductor_provenance_tracking_kernel_stack_traces"))
            n++;
    }
    return n;
}

struct record_place {
    const struct torch_line *line;
    const struct torch_piece *piece;
    bool mismatch, set_aside;
};

/* tlparse 0.4.3 expects strings for the locals of a guard; newer versions write lists. */
static bool tlparse_refuses(const struct torch_record *rec)
{
    if (!span_is(rec->key, "guard_added") &&
        !span_is(rec->key, "propagate_real_tensors_provenance"))
        return false;
    const struct json *locals = json_get(json_get(rec->meta, "frame_locals"), "locals");
    for (const struct json *l = locals && locals->type == JSON_OBJECT ? locals->first : NULL; l;
         l = l->next)
        if (l->type == JSON_LIST || l->type == JSON_OBJECT) return true;
    return false;
}

static enum err read_key(struct torch_record *rec, const struct record_place *at)
{
    struct torch_reader *r = torch_reader_of(rec->source);
    r->losses[TORCH_LOSS_tlparse_json] += tlparse_refuses(rec);
    int index = envelope_index(rec->key);
    struct torch_count *count =
        torch_count_of(r, rec->key, index >= 0 || span_is(rec->key, "(none)"));
    if (!count) FAIL(ERR_NOMEM, "out of memory for counts");
    count->records++;
    count->payloads += rec->has_payload;
    count->mismatches += at->mismatch;
    count->dirty = true;
    int64_t number = !at->set_aside && outputs_of(rec, index) ? r->outputs : STORE_NULL;
    bool wants = index < 0 || envelopes[index].payload == TORCH_ARTIFACT;
    bool has_text = rec->has_payload || span_is(rec->key, "artifact");
    if (wants && has_text && !rec->artifact)
        TRY(add_artifact(rec, at->line, at->piece, at->mismatch, number));
    if (!at->set_aside) r->outputs += outputs_of(rec, index);
    if (rec->stack && !rec->compile) {
        struct row_loose_stack row = {rec->source->row.id, torch_word(rec, rec->key), rec->stack,
                                      rec->ts, rec->line};
        TRY(store_loose_stack_add(rec->source->batch, &row));
    }
    if (index >= 0) return run_handler(rec, &envelopes[index]);
    return count->known ? ERR_OK : add_unknown(rec);
}

static enum err read_keys(struct torch_record *rec, const struct record_place *at,
                          const struct json *stack)
{
    static const struct json nothing = {.type = JSON_NULL};
    bool any = false;
    for (const struct json *m = rec->envelope->first; m; m = m->next) {
        if (is_context(NULL, m)) continue;
        rec->key = m->key;
        rec->meta = m;
        any = true;
        TRY(read_key(rec, at));
    }
    if (any) return ERR_OK;
    rec->key = stack ? SPAN("stack") : SPAN("(none)");
    rec->meta = stack ? stack : &nothing;
    return read_key(rec, at);
}

static enum err read_record(struct torch_reader *r, struct torch_record *rec,
                            struct record_place *at)
{
    struct torch_context context = {0};
    for (const struct json *m = rec->envelope->first; m; m = m->next) (void)is_context(&context, m);
    TRY(check_payload(rec, at->line, context.has_payload, &at->mismatch));
    rec->attempt = json_int(context.attempt, STORE_NULL);
    if (rec->attempt < 0) rec->attempt = STORE_NULL;
    rec->subgraph = json_string(context.subgraph_name);
    rec->stack = torch_stack(rec, context.stack);
    TRY(torch_resolve(rec, &context));
    const struct json *first = rec->envelope->first;
    if (!first || !span_is(first->key, "str")) TRY(check_rank(rec, context.rank, &at->set_aside));
    r->source.row.n_records++;
    r->source.row.n_payloads += rec->has_payload;
    if (at->line->flags & (TORCH_LINE_NOT_TEXT | TORCH_LINE_PAYLOAD_NOT_TEXT))
        TRY(torch_loss(rec, "encoding",
                       "the record at line %lld has bytes that are not UTF-8, or NUL",
                       (long long)at->line->line));
    return read_keys(rec, at, context.stack);
}

/* ---- one line ---- */

static enum err lose_line(struct torch_record *rec, const struct torch_line *l)
{
    struct row_loss where = {.ts = rec->ts,
                             .offset = rec->offset,
                             .line = l->line,
                             .count = l->n_lines,
                             .bytes = rec->stored};
    char message[160];
    snprintf(message, sizeof message,
             "%lld line%s from line %lld on %s no record: expected a letter of VIWEC, month and "
             "day, time, a number, "
             "path:line] and a JSON object",
             (long long)l->n_lines, l->n_lines == 1 ? "" : "s", (long long)l->line,
             l->n_lines == 1 ? "is" : "are");
    bool cut = l->flags & TORCH_LINE_CUT && l->n_lines == 1;
    return torch_loss_add(torch_reader_of(rec->source),
                          cut ? TORCH_LOSS_truncated : TORCH_LOSS_malformed, &where, message);
}

static enum err read_envelope(struct torch_record *rec, const struct torch_line *l,
                              struct json **out)
{
    *out = NULL;
    enum err err = json_parse(l->json, rec->arena, out);
    if (!err && (*out)->type == JSON_OBJECT) return ERR_OK;
    if (err == ERR_NOMEM) return err;
    *out = NULL;
    bool cut = l->flags & TORCH_LINE_CUT && l->n_lines == 1;
    return torch_loss(rec, cut ? "truncated" : "json",
                      "the envelope of the record at line %lld is no JSON object: %s",
                      (long long)l->line, err ? err_text() : "another JSON value");
}

static void note_time(struct torch_reader *r, int64_t ts)
{
    if (r->process.start_ts == STORE_NULL || ts < r->process.start_ts) r->process.start_ts = ts;
    if (r->process.end_ts == STORE_NULL || ts > r->process.end_ts) r->process.end_ts = ts;
}

static enum err read_line(struct torch_reader *r, const struct torch_piece *piece,
                          const struct torch_line *l)
{
    enum { LARGEST_PID = 4194304 };
    struct torch_record rec = {
        .source = &r->source,
        .attempt = STORE_NULL,
        .ts = STORE_NULL,
        .offset = piece->offset + (int64_t)l->at,
        .stored = (int64_t)l->size,
        .line = l->line,
        .arena = &r->scratch,
    };
    if (l->flags & TORCH_LINE_MALFORMED) return lose_line(&rec, l);
    rec.ts = torch_clock_time(r, l);
    note_time(r, rec.ts);
    if (r->process.pid == STORE_NULL && l->thread <= LARGEST_PID) r->process.pid = l->thread;
    struct json *envelope;
    TRY(read_envelope(&rec, l, &envelope));
    if (!envelope) return ERR_OK;
    rec.envelope = envelope;
    struct record_place at = {.line = l, .piece = piece};
    TRY(read_record(r, &rec, &at));
    int64_t ts = r->chromium_ts;
    r->chromium_ts = 0;
    return ts ? torch_clock_check(r, l, ts) : ERR_OK;
}

/* ---- pieces ---- */

static enum err write_identity(struct torch_reader *r)
{
    TRY(torch_run_write(r->run, r->source.batch));
    if (r->own_process) TRY(store_process_add(r->source.batch, &r->process));
    return store_source_file_add(r->source.batch, &r->source.row);
}

static enum err read_piece(struct torch_reader *r, const struct torch_piece *p)
{
    for (size_t i = 0; i < p->lines.n; i++) {
        enum err err = read_line(r, p, &p->lines.p[i]);
        arena_clear(&r->scratch);
        if (err) return err;
    }
    r->source.row.size = p->offset + (int64_t)p->bytes.n;
    r->source.row.crlf = p->crlf;
    TRY(torch_write_compiles(r));
    return torch_write_counts(r);
}

static void recycle(struct torch_reader *r, struct torch_piece *p)
{
    if (r->recycle) r->recycle(r->recycle_context, p);
    else torch_piece_free(p);
}

static enum err read_held(struct torch_reader *r)
{
    enum err err = ERR_OK;
    for (int i = 0; i < r->n_held; i++) {
        r->source.batch = r->held[i].batch;
        if (!err) err = read_piece(r, r->held[i].piece);
        if (!err) err = write_identity(r);
        if (!err) err = store_submit(r->source.writer, r->source.batch);
        else store_batch_free(r->source.batch);
        r->source.batch = NULL;
        recycle(r, r->held[i].piece);
    }
    r->n_held = 0;
    return err;
}

static const struct torch_line *first_record(const struct torch_reader *r)
{
    for (int i = 0; i < r->n_held; i++)
        for (size_t k = 0; k < r->held[i].piece->lines.n; k++)
            if (!(r->held[i].piece->lines.p[k].flags & TORCH_LINE_MALFORMED))
                return &r->held[i].piece->lines.p[k];
    return NULL;
}

enum err torch_reader_settle(struct torch_reader *r)
{
    if (!r->n_held) return ERR_OK;
    const struct torch_line *first = first_record(r);
    r->source.batch = r->held[0].batch;
    if (!r->has_clock && first) TRY(torch_clock_guess(r, first));
    return read_held(r);
}

enum err torch_reader_piece(struct torch_reader *r, struct torch_piece *piece_take,
                            struct store_batch *batch_take)
{
    const struct torch_line *line;
    int64_t ts;
    r->held[r->n_held++] = (struct torch_held){piece_take, batch_take};
    r->source.batch = r->held[0].batch;
    if (!r->has_clock && torch_clock_search(piece_take, &line, &ts))
        TRY(torch_clock_set(r, line, ts));
    if (r->has_clock) return read_held(r);
    bool full =
        r->n_held == sizeof r->held / sizeof *r->held || piece_take->bytes.n > 2 * TORCH_PIECE_SIZE;
    return full ? torch_reader_settle(r) : ERR_OK;
}

/* ---- begin and end ---- */

/* Names of files are bytes; in the trace they are text. */
static struct span text_copy(struct arena *arena, struct span name)
{
    struct buf text = {0};
    buf_utf8(&text, name);
    struct span own = arena_copy(arena, buf_text(&text));
    buf_release(&text);
    return own;
}

enum err torch_reader_new(const struct torch_reader_options *o, struct torch_reader **out)
{
    struct torch_reader *r = calloc(1, sizeof *r);
    *out = NULL;
    if (!r) FAIL(ERR_NOMEM, "out of memory for the reader of a log");
    r->source.writer = o->writer;
    r->source.row = o->row;
    r->source.row.path = text_copy(&r->source.keep, o->row.path);
    r->source.row.name = text_copy(&r->source.keep, o->row.name);
    r->source.row.id = store_next_id(o->writer, STORE_SOURCE_FILE);
    r->source.row.run = o->run->row.id;
    r->own_process = !o->process;
    r->source.row.process = o->process ? o->process : store_next_id(o->writer, STORE_PROCESS);
    r->source.row.year = r->source.row.zone_ns = STORE_NULL;
    r->source.row.state = SPAN("reading");
    r->run = o->run;
    r->process = (struct row_process){
        .id = r->source.row.process, .run = o->run->row.id, .rank = o->row.rank};
    r->process.pid = r->process.world = r->process.start_ts = r->process.end_ts = STORE_NULL;
    r->file_ts = o->file_ts;
    if (o->utc) torch_clock_utc(r);
    r->record_rank = STORE_NULL;
    r->recycle = o->recycle;
    r->recycle_context = o->recycle_context;
    *out = r;
    return ERR_OK;
}

void torch_reader_free(struct torch_reader *r)
{
    if (!r) return;
    for (int i = 0; i < r->n_held; i++) {
        store_batch_free(r->held[i].batch);
        recycle(r, r->held[i].piece);
    }
    torch_chromium_release(&r->source);
    torch_graph_release(&r->source);
    torch_provenance_release(&r->source);
    arena_release(&r->source.keep);
    arena_release(&r->scratch);
    map_release(&r->interned);
    map_release(&r->compiles);
    map_release(&r->frames);
    LIST_RELEASE(&r->interns);
    LIST_RELEASE(&r->compile_list);
    LIST_RELEASE(&r->dirty);
    LIST_RELEASE(&r->counts);
    free(r);
}

static enum err lose_unknown_keys(struct torch_reader *r)
{
    for (size_t i = 0; i < r->counts.n; i++) {
        const struct torch_count *c = &r->counts.p[i];
        if (c->known) continue;
        struct row_loss where = {.ts = STORE_NULL,
                                 .offset = STORE_NULL,
                                 .line = STORE_NULL,
                                 .count = c->records,
                                 .bytes = STORE_NULL};
        char message[200];
        snprintf(
            message, sizeof message,
            "records with the key \"%.100s\" are kept as they are: this version does not know it",
            c->key.p);
        TRY(torch_loss_add(r, TORCH_LOSS_unknown_key, &where, message));
    }
    return ERR_OK;
}

static enum err finish_rows(struct torch_reader *r, const char *damage)
{
    TRY(torch_chromium_finish(&r->source));
    TRY(torch_clock_finish(r));
    TRY(torch_provenance_finish(&r->source));
    TRY(lose_unknown_keys(r));
    if (!r->source.row.n_records)
        TRY(torch_reader_loss(r, TORCH_LOSS_empty,
                              r->source.row.size ? "none of its lines is a record"
                                                 : "the log is empty"));
    if (*damage) TRY(torch_reader_loss(r, TORCH_LOSS_read, damage));
    TRY(torch_loss_finish(r));
    TRY(torch_write_compiles(r));
    TRY(torch_write_counts(r));
    return write_identity(r);
}

enum err torch_reader_finish(struct torch_reader *r, const char *state, const char *damage)
{
    TRY(torch_reader_settle(r));
    r->source.batch = store_batch_new();
    if (!r->source.batch) FAIL(ERR_NOMEM, "out of memory for a batch");
    r->source.row.state = span_of(state);
    pthread_mutex_lock(&r->run->lock);
    struct row_run *run = &r->run->row;
    if (r->process.start_ts != STORE_NULL &&
        (run->start_ts == STORE_NULL || run->start_ts > r->process.start_ts))
        run->start_ts = r->process.start_ts, r->run->dirty = true;
    if (r->process.end_ts != STORE_NULL &&
        (run->end_ts == STORE_NULL || run->end_ts < r->process.end_ts))
        run->end_ts = r->process.end_ts, r->run->dirty = true;
    pthread_mutex_unlock(&r->run->lock);
    enum err err = finish_rows(r, damage);
    struct store_batch *batch = r->source.batch;
    r->source.batch = NULL;
    if (!err) return store_submit(r->source.writer, batch);
    store_batch_free(batch);
    return err;
}
