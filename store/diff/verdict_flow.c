/* verdict_flow.c - which call made a tensor, and what its content is.
 *
 * A log with tensor numbers says it itself. Without them a tensor that is read is taken to be the
 * last one that was made with the same digest, dtype and shape: constants (zeros) may be mistaken,
 * which verdict.c allows for.
 */
#include <stdlib.h>

#include "store/diff/judge.h"

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t key_of(const struct diff_stream *s, uint32_t use)
{
    const struct diff_form *f = diff_use_form(s, use);
    return mix(mix((uint64_t)s->digest[use] + f->hash) ^ ((uint64_t)f->shape << 32 | f->dtype));
}

static enum err numbers_init(struct flow *f, const struct diff_stream *s)
{
    /* A number that is far beyond the count of uses is no running number: not believed. */
    uint64_t most = 4 * ((uint64_t)s->n_uses + 1024);
    for (uint32_t i = 0; i < s->n_uses; i++)
        if (s->tensor[i] != DIFF_NONE && s->tensor[i] >= f->n_numbers && s->tensor[i] < most)
            f->n_numbers = s->tensor[i] + 1;
    if (!f->n_numbers) return ERR_OK;
    size_t n = f->n_numbers;
    f->known = malloc(n * sizeof *f->known);
    f->maker = malloc(n * sizeof *f->maker);
    if (!f->known || !f->maker) FAIL(ERR_NOMEM, "out of memory for %zu tensors of a log", n);
    for (size_t i = 0; i < n; i++) f->known[i] = f->maker[i] = DIFF_NONE;
    return ERR_OK;
}

static enum err slots_init(struct flow *f, const struct diff_stream *s)
{
    size_t results = 0, size = 64;
    for (uint32_t i = 0; i < s->n_uses; i++) {
        const struct diff_form *form = diff_use_form(s, i);
        results += form->phase && form->hash;
    }
    while (size * 3 / 4 < results) size *= 2;
    f->slots = calloc(size, sizeof *f->slots);
    if (!f->slots) FAIL(ERR_NOMEM, "out of memory for the digests of %zu results", results);
    f->n_slots = size;
    return ERR_OK;
}

enum err flow_init(struct flow *f, const struct diff_stream *s)
{
    *f = (struct flow){.s = s};
    if (s->tensor) TRY(numbers_init(f, s));
    return f->n_numbers ? ERR_OK : slots_init(f, s);
}

void flow_release(struct flow *f)
{
    free(f->known);
    free(f->maker);
    free(f->slots);
    *f = (struct flow){0};
}

/* The slot of a key: its own or the free one where it would go. */
static uint64_t *slot_of(const struct flow *f, uint64_t key)
{
    size_t i = key & (f->n_slots - 1);
    while (f->slots[i] && (f->slots[i] >> 32) != (key >> 32)) i = (i + 1) & (f->n_slots - 1);
    return &f->slots[i];
}

static void enter(struct flow *f, uint32_t call, uint32_t use)
{
    const struct diff_stream *s = f->s;
    const struct diff_form *form = diff_use_form(s, use);
    if (f->n_numbers) {
        uint32_t t = s->tensor[use];
        if (t >= f->n_numbers) return;
        if (form->hash) f->known[t] = use;
        if (form->phase) f->maker[t] = call;
        if (form->phase && !form->hash && f->known[t] != DIFF_NONE &&
            f->s->first_use[call] > f->known[t])
            f->known[t] = DIFF_NONE; /* written anew, without a digest */
    } else if (form->phase && form->hash) {
        uint64_t key = key_of(s, use);
        *slot_of(f, key) = (key >> 32) << 32 | (call + 1);
    }
}

enum err flow_advance(struct flow *f, uint32_t call)
{
    for (; f->done < call; f->done++)
        for (uint32_t u = f->s->first_use[f->done]; u < f->s->first_use[f->done + 1]; u++)
            enter(f, f->done, u);
    return ERR_OK;
}

uint32_t flow_maker(const struct flow *f, uint32_t use)
{
    if (f->n_numbers) {
        uint32_t t = f->s->tensor[use];
        return t < f->n_numbers ? f->maker[t] : DIFF_NONE;
    }
    if (!diff_use_form(f->s, use)->hash) return DIFF_NONE;
    uint64_t slot = *slot_of(f, key_of(f->s, use));
    return slot ? (uint32_t)slot - 1 : DIFF_NONE;
}

uint32_t flow_content(const struct flow *f, uint32_t use)
{
    if (diff_use_form(f->s, use)->hash) return use;
    if (!f->n_numbers || f->s->tensor[use] >= f->n_numbers) return DIFF_NONE;
    uint32_t known = f->known[f->s->tensor[use]];
    if (known == DIFF_NONE) return DIFF_NONE;
    const uint32_t *version = f->s->version;
    return version && version[known] != version[use] ? DIFF_NONE : known;
}
