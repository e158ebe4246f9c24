/* write.c - a comparison as a file: rows of the tables under "Where two runs part" in schema.sql.
 *
 * Texts and places are few and written where they first occur; ids of pairs go up over the lanes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/diff/judge.h"
#include "store/diff/report.h"
#include "store/diff/summary.h"
#include "store/writer.h"

enum { BATCH_ROWS = 4096 };

struct output {
    struct diff_comparison *c;
    struct diff_details details;
    struct store_writer *writer;
    struct store_batch *batch;
    int n_rows;
    int64_t n_pairs, n_texts, n_scopes; /* ids given so far */
    /* of the lane being written, by number in its dictionaries; 0 not yet written */
    const struct diff_lane *lane;
    int64_t lane_id, first_pair;
    int64_t *word, *text;
    size_t n_word, n_text;
    struct map scope;        /* over all lanes: a place */
    size_t tensor, argument; /* next rows of the lane's lists */
};

static enum err submit(struct output *o)
{
    struct store_batch *full = o->batch;
    o->n_rows = 0;
    o->batch = store_batch_new();
    if (!o->batch) {
        o->batch = full;
        FAIL(ERR_NOMEM, "out of memory for rows of a comparison");
    }
    return store_submit(o->writer, full);
}

static enum err added(struct output *o, enum err err)
{
    TRY(err);
    return ++o->n_rows < BATCH_ROWS ? ERR_OK : submit(o);
}

/* ---- words, texts, places ---- */

static struct diff_words *words(const struct output *o)
{
    return (o->lane->a ? o->lane->a : o->lane->b)->words;
}

/* Grows a table of ids to a number. */
static enum err grow(int64_t **p, size_t *n, size_t number)
{
    if (number < *n) return ERR_OK;
    size_t more = number + number / 2 + 64;
    int64_t *fresh = realloc(*p, more * sizeof **p);
    if (!fresh) FAIL(ERR_NOMEM, "out of memory for %zu words", more);
    memset(fresh + *n, 0, (more - *n) * sizeof *fresh);
    *p = fresh;
    *n = more;
    return ERR_OK;
}

static enum err word_id(struct output *o, uint32_t w, int64_t *out)
{
    *out = 0;
    if (w == DIFF_NONE) return ERR_OK;
    TRY(grow(&o->word, &o->n_word, w));
    if (!o->word[w]) o->word[w] = store_word(o->writer, diff_span(words(o), w));
    *out = o->word[w];
    return ERR_OK;
}

static enum err text_id(struct output *o, uint32_t number, int64_t *out)
{
    TRY(grow(&o->text, &o->n_text, number));
    *out = o->text[number];
    if (*out) return ERR_OK;
    const struct diff_text *t = &words(o)->text.p[number];
    struct row_pair_text row = {.id = ++o->n_texts, .kind = t->kind};
    TRY(word_id(o, t->name, &row.name));
    TRY(word_id(o, t->args, &row.args));
    TRY(word_id(o, t->kwargs, &row.kwargs));
    TRY(word_id(o, t->output, &row.output));
    if (t->part_of) TRY(word_id(o, t->part_of - 1, &row.kernel));
    *out = o->text[number] = row.id;
    return added(o, store_pair_text_add(o->batch, &row));
}

static uint32_t annotation_of(const struct diff_stream *s, uint32_t scope)
{
    for (; scope; scope = s->scopes.p[scope].parent)
        if (s->scopes.p[scope].kind == DIFF_ANNOTATION) return s->scopes.p[scope].name;
    return DIFF_NONE;
}

static enum err scope_id(struct output *o, const struct diff_stream *s, uint32_t number,
                         int64_t *out)
{
    const struct diff_scope *p = &s->scopes.p[number];
    struct row_pair_scope row = {.phase = p->phase ? p->phase : STORE_NULL,
                                 .inferred = p->inferred};
    TRY(word_id(o, p->step, &row.step));
    TRY(word_id(o, p->module, &row.module));
    TRY(word_id(o, annotation_of(s, number), &row.annotation));
    int64_t key[] = {row.step, row.module, row.annotation, row.phase, row.inferred};
    bool fresh;
    int64_t *at = map_put(&o->scope, map_key((struct span){(const char *)key, sizeof key}),
                          o->n_scopes + 1, &fresh);
    if (!at) FAIL(ERR_NOMEM, "out of memory for places of calls");
    *out = *at;
    if (!fresh) return ERR_OK;
    row.id = ++o->n_scopes;
    return added(o, store_pair_scope_add(o->batch, &row));
}

/* ---- rows of a pair ---- */

/* The first result with the kind of digest that decided, else with any, else the first argument
 * after the call. */
static uint32_t first_result(const struct diff_stream *s, uint32_t call, enum diff_hash hash)
{
    uint32_t best = DIFF_NONE;
    int rank = 0;
    for (uint32_t u = s->first_use[call]; u < s->first_use[call + 1]; u++) {
        const struct diff_form *f = diff_use_form(s, u);
        int r = !f->phase || !f->hash ? 0 : 2 * (f->phase == 1) + (f->hash == hash) + 1;
        if (r > rank) {
            rank = r;
            best = u;
        }
    }
    return best;
}

/* The use of B's call that stands where a use of A's stands, of the same kind of hash. */
static uint32_t counterpart(const struct diff_stream *s, uint32_t call,
                            const struct diff_form *like)
{
    for (uint32_t u = s->first_use[call]; u < s->first_use[call + 1]; u++) {
        const struct diff_form *f = diff_use_form(s, u);
        if (f->phase == like->phase && f->path == like->path && f->hash == like->hash) return u;
    }
    return DIFF_NONE;
}

static void put_digests(const struct diff_lane *l, const struct diff_pair *p, struct row_pair *row)
{
    enum diff_hash hash = l->verdicts.hash;
    uint32_t a = p->a == DIFF_NONE ? DIFF_NONE : first_result(l->a, p->a, hash), b = DIFF_NONE;
    row->hash_kind = row->a_digest = row->b_digest = STORE_NULL;
    if (a != DIFF_NONE && p->b != DIFF_NONE) b = counterpart(l->b, p->b, diff_use_form(l->a, a));
    else if (p->b != DIFF_NONE) b = first_result(l->b, p->b, hash);
    if (a != DIFF_NONE) {
        row->a_digest = l->a->digest[a];
        row->hash_kind = diff_use_form(l->a, a)->hash;
    }
    if (b != DIFF_NONE) {
        row->b_digest = l->b->digest[b];
        row->hash_kind = diff_use_form(l->b, b)->hash;
    }
}

static int64_t pair_id(const struct output *o, uint32_t number)
{
    return number == DIFF_NONE ? 0 : o->first_pair + number;
}

static enum err put_tensor(struct output *o, const struct diff_tensor *t, int64_t position,
                           double *relative)
{
    const struct diff_lane *l = o->lane;
    const struct diff_form *fa = t->a == DIFF_NONE ? NULL : diff_use_form(l->a, t->a);
    const struct diff_form *fb = t->b == DIFF_NONE ? NULL : diff_use_form(l->b, t->b);
    const struct diff_form *f = fa ? fa : fb;
    bool a = fa && fa->hash, b = fb && fb->hash;
    struct diff_detail d;
    TRY(diff_detail_read(&o->details, l, t, &d));
    struct row_pair_tensor row = {.pair = pair_id(o, t->pair),
                                  .position = position,
                                  .phase = t->phase,
                                  .class = t->class,
                                  .artefact = t->artefact,
                                  .external = t->external,
                                  .producer = pair_id(o, t->producer),
                                  .hash_kind = a   ? fa->hash
                                               : b ? fb->hash
                                                   : STORE_NULL,
                                  .a_digest = a ? l->a->digest[t->a] : STORE_NULL,
                                  .b_digest = b ? l->b->digest[t->b] : STORE_NULL,
                                  .a_nans = d.nans[0],
                                  .b_nans = d.nans[1],
                                  .a_infs = d.infs[0],
                                  .b_infs = d.infs[1],
                                  .relative = d.relative,
                                  .elements = d.elements,
                                  .ulp = d.ulp};
    TRY(word_id(o, t->path, &row.path));
    TRY(word_id(o, f->dtype, &row.dtype));
    TRY(word_id(o, f->shape, &row.shape));
    if (t->phase && !isnan(d.relative) && !(d.relative <= *relative)) *relative = d.relative;
    return added(o, store_pair_tensor_add(o->batch, &row));
}

static enum err put_tensors(struct output *o, uint32_t pair, double *relative)
{
    const struct diff_verdicts *v = &o->lane->verdicts;
    for (int64_t n = 0; o->tensor < v->tensor.n && v->tensor.p[o->tensor].pair == pair; n++)
        TRY(put_tensor(o, &v->tensor.p[o->tensor++], n, relative));
    return ERR_OK;
}

static enum err put_arguments(struct output *o, uint32_t pair)
{
    const struct diff_verdicts *v = &o->lane->verdicts;
    for (; o->argument < v->argument.n && v->argument.p[o->argument].pair == pair; o->argument++) {
        const struct diff_argument_pair *a = &v->argument.p[o->argument];
        struct row_pair_argument row = {.pair = pair_id(o, pair)};
        TRY(word_id(o, a->path, &row.path));
        TRY(word_id(o, a->a, &row.a));
        TRY(word_id(o, a->b, &row.b));
        TRY(added(o, store_pair_argument_add(o->batch, &row)));
    }
    return ERR_OK;
}

static enum err put_pair(struct output *o, uint32_t number)
{
    const struct diff_lane *l = o->lane;
    const struct diff_pair *p = &l->pairs.pair.p[number];
    bool a = p->a != DIFF_NONE, b = p->b != DIFF_NONE;
    bool equal =
        p->verdict == DIFF_SAME || p->verdict == DIFF_ARGUMENT || p->verdict == DIFF_MASKED;
    double relative = equal ? 0 : NAN;
    struct row_pair row = {.id = pair_id(o, number),
                           .lane = o->lane_id,
                           .a = a ? l->a->event[p->a] : 0,
                           .b = b ? l->b->event[p->b] : 0,
                           .a_position = a ? l->a->position[p->a] : STORE_NULL,
                           .b_position = b ? l->b->position[p->b] : STORE_NULL,
                           .verdict = p->verdict,
                           .flags = p->flags,
                           .method = p->method,
                           .confidence = diff_method_confidence(p->method)};
    if (a) TRY(text_id(o, l->a->text[p->a], &row.a_text));
    if (b) TRY(text_id(o, l->b->text[p->b], &row.b_text));
    TRY(scope_id(o, a ? l->a : l->b, a ? l->a->scope[p->a] : l->b->scope[p->b], &row.scope));
    put_digests(l, p, &row);
    TRY(put_tensors(o, number, &relative));
    TRY(put_arguments(o, number));
    row.relative = relative;
    o->n_pairs++;
    return added(o, store_pair_add(o->batch, &row));
}

/* ---- lanes and the answer ---- */

static const char *name_of(struct arena *arena, struct span s)
{
    return s.p ? arena_copy(arena, s).p : NULL;
}

static enum err put_lane(struct output *o, int number)
{
    const struct diff_lane *l = &o->c->lane.p[number];
    struct arena *arena = &o->c->arena;
    o->lane = l;
    o->lane_id = number + 1;
    o->first_pair = o->n_pairs + 1;
    o->tensor = o->argument = 0;
    if (o->n_word) memset(o->word, 0, o->n_word * sizeof *o->word);
    if (o->n_text) memset(o->text, 0, o->n_text * sizeof *o->text);
    struct row_lane row = {.id = o->lane_id,
                           .comparison = 1,
                           .a_rank = l->a && l->a->rank >= 0 ? l->a->rank : STORE_NULL,
                           .b_rank = l->b && l->b->rank >= 0 ? l->b->rank : STORE_NULL,
                           .a_log = l->a ? span_of(name_of(arena, l->a->log)) : (struct span){0},
                           .b_log = l->b ? span_of(name_of(arena, l->b->log)) : (struct span){0},
                           .a_calls = l->a ? l->a->n_calls : 0,
                           .b_calls = l->b ? l->b->n_calls : 0,
                           .a_lines = l->a ? l->a->n_lines : 0,
                           .b_lines = l->b ? l->b->n_lines : 0,
                           .first_pair = pair_id(o, l->verdicts.first),
                           .origin_pair = pair_id(o, l->verdicts.origin)};
    TRY(added(o, store_lane_add(o->batch, &row)));
    for (uint32_t i = 0; i < l->pairs.pair.n; i++) TRY(put_pair(o, i));
    return ERR_OK;
}

/* Ids of the pairs that answer, known before any is written: lanes are numbered in order. */
static int64_t answer_pair(const struct diff_comparison *c, int lane, bool origin)
{
    int64_t before = 0;
    if (lane < 0) return 0;
    for (int i = 0; i < lane; i++) before += (int64_t)c->lane.p[i].pairs.pair.n;
    const struct diff_verdicts *v = &c->lane.p[lane].verdicts;
    return before + 1 + (origin ? v->origin : v->first);
}

static enum err put_answer(struct output *o)
{
    struct diff_comparison *c = o->c;
    struct buf sentence = {0}, notes = {0};
    enum diff_hash hash = diff_strongest_of(c);
    diff_sentence(c, &sentence);
    diff_notes(c, &notes);
    enum err err = buf_ok(&sentence);
    if (!err) err = buf_ok(&notes);
    struct row_comparison row = {.id = 1,
                                 .a_file = span_of(c->side[0].file),
                                 .b_file = span_of(c->side[1].file),
                                 .a_run = c->logs[0].run,
                                 .b_run = c->logs[1].run,
                                 .verdict = span_of(diff_answer_name(c->answer)),
                                 .answer = buf_text(&sentence),
                                 .notes = notes.n ? span_to(buf_text(&notes), notes.n - 1)
                                                  : (struct span){0},
                                 .hash_kind = hash ? hash : STORE_NULL,
                                 .first_pair = answer_pair(c, c->first_lane, false),
                                 .origin_pair = answer_pair(c, c->origin_lane, true),
                                 .before = c->first_lane >= 0 ? (int64_t)c->before : STORE_NULL};
    if (!err) err = added(o, store_comparison_add(o->batch, &row));
    buf_release(&sentence);
    buf_release(&notes);
    return err;
}

static enum err put_all(struct output *o)
{
    TRY(put_answer(o));
    for (int i = 0; i < (int)o->c->lane.n; i++) TRY(put_lane(o, i));
    TRY(submit(o));
    return diff_summarise(o->writer);
}

enum err diff_write(struct diff_comparison *c, const char *path)
{
    struct output o = {.c = c};
    sqlite3 *db = NULL;
    enum err err = ERR_OK;
    TRY(store_create(path, &db));
    TRY_OUT(store_writer_new(db, &o.writer));
    o.batch = store_batch_new();
    if (!o.batch) TRY_OUT(err_set(ERR_NOMEM, "out of memory for rows of a comparison"));
    TRY_OUT(diff_details_init(&o.details, c));
    TRY_OUT(put_all(&o));
out:
    store_batch_free(o.batch);
    diff_details_release(&o.details);
    if (o.writer) {
        enum err closed = store_writer_close(o.writer, "closed");
        if (!err) err = closed;
    }
    free(o.word);
    free(o.text);
    map_release(&o.scope);
    if (err) unlink(path);
    return err ? err_wrap(err, "writing %s", path) : ERR_OK;
}
