/* imp_debug_rows.c - calls become rows: event, call, redistribute, tensor_use, and words and
 * stacks shared by all. */
#include "capture/debug_import.h"

#include <math.h>
#include <stdio.h>

enum { ROWS_PER_BATCH = 8192, LOSS_ROWS = 1000, MESSAGE = 400 };

enum err debug_import_init(struct debug_import *d)
{
    d->batch = store_batch_new();
    if (!d->batch) FAIL(ERR_NOMEM, "out of memory for a batch");
    d->log.source = d->row.id;
    d->at.ts = d->at.dur = STORE_NULL;
    return ERR_OK;
}

void debug_import_release(struct debug_import *d)
{
    store_batch_free(d->batch);
    LIST_RELEASE(&d->open);
    map_release(&d->stacks);
    arena_release(&d->scratch);
}

enum err debug_import_submit(struct debug_import *d)
{
    struct store_batch *full = d->batch;
    d->batch = store_batch_new();
    if (d->batch) return store_submit(d->writer, full);
    store_batch_free(full);
    FAIL(ERR_NOMEM, "out of memory for a batch");
}

enum err debug_import_finish(struct debug_import *d)
{
    TRY(store_call_log_add(d->batch, &d->log));
    return debug_import_submit(d);
}

enum err debug_lose(struct debug_import *d, enum torch_loss_kind kind, int64_t offset,
                    const char *fmt, ...)
{
    char message[MESSAGE];
    struct buf clean = {0};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    d->losses[kind]++;
    if (d->loss_rows++ >= LOSS_ROWS) return ERR_OK;
    buf_utf8(&clean, span_of(message));
    struct row_loss row = {
        .id = store_next_id(d->writer, STORE_LOSS),
        .source = d->row.id,
        .kind = span_of(torch_loss_rules[kind].kind),
        .ts = STORE_NULL,
        .offset = offset,
        .line = STORE_NULL,
        .count = 1,
        .bytes = STORE_NULL,
        .message = buf_text(&clean),
    };
    enum err err = buf_ok(&clean);
    if (!err) err = store_loss_add(d->batch, &row);
    buf_release(&clean);
    return err;
}

/* ---- stacks ---- */

static int64_t frames_of(struct debug_import *d, struct span stack)
{
    struct debug_frame f;
    int64_t id = 0;
    while (stack.n && debug_next_frame(&stack, &f)) {
        int64_t file = store_word(d->writer, f.file), name = store_word(d->writer, f.name);
        id = store_frame(d->writer, id, file, f.line, name, store_word(d->writer, f.loc));
    }
    return id;
}

static enum err stack_of(struct debug_import *d, struct span stack, int64_t *out)
{
    *out = 0;
    if (!stack.n) return ERR_OK;
    bool added;
    int64_t *id = map_put(&d->stacks, map_key(stack), 0, &added);
    if (!id) FAIL(ERR_NOMEM, "out of memory for stacks");
    if (added) *id = frames_of(d, stack);
    *out = *id;
    return ERR_OK;
}

/* ---- calls ---- */

/* Does the call end before the new one? */
static bool is_over(const struct debug_import *d, const struct debug_open *o,
                    const struct debug_call *c)
{
    return d->at.nested ? o->position != d->at.inside : o->depth >= c->depth;
}

/* What encloses the call is its parent: the nearest earlier call of less depth where nothing else
 * is told. The new one may enclose later calls. Lines that are no call enclose nothing. */
static enum err enter(struct debug_import *d, const struct debug_call *c,
                      const struct row_call *row, int64_t *parent)
{
    *parent = 0;
    if (c->kind == DEBUG_TEXT) return ERR_OK;
    while (d->open.n && is_over(d, &d->open.p[d->open.n - 1], c)) d->open.n--;
    if (d->open.n) *parent = d->open.p[d->open.n - 1].event;
    struct debug_open *top = LIST_PUSH(&d->open);
    if (!top) FAIL(ERR_NOMEM, "out of memory for nested calls");
    *top = (struct debug_open){c->depth, row->position, row->event};
    return ERR_OK;
}

static int64_t word(struct debug_import *d, struct span text)
{
    return store_word(d->writer, text);
}

static const struct debug_measure nothing_told = {.version = STORE_NULL,
                                                  .nans = STORE_NULL,
                                                  .infs = STORE_NULL,
                                                  .low = NAN,
                                                  .high = NAN,
                                                  .total = NAN,
                                                  .magnitude = NAN,
                                                  .squares = NAN};

static enum err put_use(struct debug_import *d, const struct debug_use *u, int64_t event,
                        int64_t position)
{
    const struct debug_measure *m = u->measure ? u->measure : &nothing_told;
    struct row_tensor_use row = {
        .event = event,
        .position = position,
        .phase = u->phase,
        .arg = word(d, u->arg),
        .tensor = u->tensor,
        .form = word(d, u->form),
        .dtype = word(d, u->dtype),
        .shape = word(d, u->shape),
        .stride = word(d, m->stride),
        .device = word(d, m->device),
        .detail = word(d, u->detail),
        .hash_kind = u->hash.kind ? u->hash.kind : STORE_NULL,
        .digest = u->hash.kind ? u->hash.digest : 0,
        .part = u->part,
        .nans = m->nans,
        .infs = m->infs,
        .low = m->low,
        .high = m->high,
        .total = m->total,
        .magnitude = m->magnitude,
        .squares = m->squares,
        .version = m->version,
    };
    return store_tensor_use_add(d->batch, &row);
}

static enum err put_uses(struct debug_import *d, const struct debug_uses *uses, int64_t event)
{
    for (size_t i = 0; i < uses->n; i++) TRY(put_use(d, &uses->p[i], event, (int64_t)i));
    return ERR_OK;
}

static enum err put_all_uses(struct debug_import *d, const struct debug_call *c,
                             const struct row_call *row)
{
    struct debug_uses joined;
    if (!d->digests) return put_uses(d, &c->uses, row->event);
    TRY(debug_digests_join(d->digests, c, row->position, &joined));
    enum err err = put_uses(d, &joined, row->event);
    debug_uses_release(&joined);
    return err;
}

static enum err put_redistribute(struct debug_import *d, const struct debug_call *c, int64_t event)
{
    struct row_redistribute row = {
        .event = event,
        .from_placement = word(d, c->from),
        .to_placement = word(d, c->to),
        .transform = word(d, c->transform),
        .explicit = c->is_explicit,
        .outermost = c->is_outer,
    };
    return store_redistribute_add(d->batch, &row);
}

/* The log with holes where tensor_use has the numbers. */
static enum err log_word(struct debug_import *d, const struct debug_call *c, int64_t *out)
{
    struct buf b = {0};
    *out = 0;
    if (!c->log) return ERR_OK;
    py_print(&b, c->log, PY_HOLES);
    enum err err = buf_ok(&b);
    if (!err) *out = word(d, buf_text(&b));
    buf_release(&b);
    return err;
}

static enum err put_rows(struct debug_import *d, const struct debug_call *c)
{
    struct row_call row = {
        .event = store_next_id(d->writer, STORE_EVENT),
        .source = d->row.id,
        .position = d->log.calls++,
        .depth = c->depth,
        .args = word(d, c->args),
        .kwargs = word(d, c->kwargs),
        .output = word(d, c->output),
        .rest = word(d, c->rest),
        .flags = c->flags | (c->pre ? DEBUG_BEFORE : 0) | (c->post ? DEBUG_AFTER : 0),
    };
    struct row_event event = {
        .id = row.event,
        .ts = d->at.ts,
        .dur = d->at.dur,
        .track = d->at.track,
        .kind = c->kind,
        .name = word(d, c->name),
    };
    TRY(enter(d, c, &row, &event.parent));
    TRY(stack_of(d, c->stack, &row.stack));
    TRY(stack_of(d, c->fwd_stack, &row.fwd_stack));
    TRY(log_word(d, c, &row.log));
    TRY(store_event_add(d->batch, &event));
    TRY(store_call_add(d->batch, &row));
    if (c->kind == DEBUG_REDISTRIBUTE) TRY(put_redistribute(d, c, row.event));
    return put_all_uses(d, c, &row);
}

enum err debug_put_call(struct debug_import *d, const struct debug_call *c)
{
    TRY(put_rows(d, c));
    arena_clear(&d->scratch);
    return d->batch->n_rows >= ROWS_PER_BATCH ? debug_import_submit(d) : ERR_OK;
}
