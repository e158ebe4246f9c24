/* torch_loss.c - what a log lost, and how many records it has of each key.
 *
 * The first LOSS_ROWS findings of a kind get a row each; the rest are counted in one row at the end
 * of the log, so that a log of noise makes no database of noise.
 */
#include <stdio.h>

#include "capture/torch_reader.h"

enum { LOSS_ROWS = 1000, KEYS = 1024, MESSAGE = 400 };

#define X(kind, strict, tlparse, meaning) {#kind, strict, tlparse, meaning},
const struct torch_loss_rule torch_loss_rules[TORCH_N_LOSSES] = {TORCH_LOSSES(X)};
#undef X

enum err torch_loss_add(struct torch_reader *r, enum torch_loss_kind kind,
                        const struct row_loss *where, const char *message)
{
    struct row_loss row = *where;
    r->losses[kind] += row.count;
    if (r->loss_rows[kind] >= LOSS_ROWS) return ERR_OK;
    r->loss_rows[kind]++;
    r->loss_counted[kind] += row.count;
    row.id = store_next_id(r->source.writer, STORE_LOSS);
    row.source = r->source.row.id;
    row.kind = span_of(torch_loss_rules[kind].kind);
    row.message = span_of(message);
    struct buf clean = {0};
    buf_utf8(&clean, row.message);
    row.message = buf_text(&clean);
    enum err err = buf_ok(&clean);
    if (!err) err = store_loss_add(r->source.batch, &row);
    buf_release(&clean);
    return err;
}

enum err torch_reader_loss(struct torch_reader *r, enum torch_loss_kind kind, const char *message)
{
    struct row_loss where = {.ts = STORE_NULL,
                             .offset = STORE_NULL,
                             .line = STORE_NULL,
                             .count = 1,
                             .bytes = STORE_NULL};
    return torch_loss_add(r, kind, &where, message);
}

enum err torch_loss(struct torch_record *rec, const char *kind, const char *fmt, ...)
{
    int k = 0;
    while (k < TORCH_N_LOSSES && strcmp(torch_loss_rules[k].kind, kind)) k++;
    REQUIRE("torch:loss-kind", k < TORCH_N_LOSSES);
    char message[MESSAGE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    struct row_loss where = {
        .ts = rec->ts, .offset = rec->offset, .line = rec->line, .count = 1, .bytes = rec->stored};
    return torch_loss_add(torch_reader_of(rec->source), (enum torch_loss_kind)k, &where, message);
}

enum err torch_loss_finish(struct torch_reader *r)
{
    for (int k = 0; k < TORCH_N_LOSSES; k++) {
        if (r->loss_rows[k] < LOSS_ROWS) continue;
        struct row_loss where = {
            .ts = STORE_NULL, .offset = STORE_NULL, .line = STORE_NULL, .bytes = STORE_NULL};
        where.id = store_next_id(r->source.writer, STORE_LOSS);
        where.source = r->source.row.id;
        where.kind = span_of(torch_loss_rules[k].kind);
        where.count = r->losses[k] - r->loss_counted[k];
        where.message =
            SPAN("further findings of this kind; only the first 1000 have rows of their own");
        if (where.count > 0) TRY(store_loss_add(r->source.batch, &where));
    }
    return ERR_OK;
}

/* A hostile log has more keys than any program: those that are not known share a count then. */
struct torch_count *torch_count_of(struct torch_reader *r, struct span key, bool known)
{
    if (!known && r->n_unknown_keys >= KEYS) key = SPAN("(other)");
    for (size_t i = 0; i < r->counts.n; i++)
        if (span_eq(r->counts.p[i].key, key)) return &r->counts.p[i];
    struct span own = arena_copy(&r->source.keep, key);
    struct torch_count *c = own.p ? LIST_PUSH(&r->counts) : NULL;
    if (c) *c = (struct torch_count){.key = own, .known = known};
    r->n_unknown_keys += !known;
    return c;
}

enum err torch_write_counts(struct torch_reader *r)
{
    for (size_t i = 0; i < r->counts.n; i++) {
        struct torch_count *c = &r->counts.p[i];
        if (!c->dirty) continue;
        c->dirty = false;
        struct row_envelope_count row = {r->source.row.id, c->key, c->records, c->payloads,
                                         c->mismatches};
        TRY(store_envelope_count_add(r->source.batch, &row));
    }
    return ERR_OK;
}
