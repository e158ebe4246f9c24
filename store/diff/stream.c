/* stream.c - arrays of calls and tensors over dictionaries of words, texts and forms.
 *
 * A dictionary maps the 128-bit hash of a row's bytes to its number. The hashes of a text are made
 * of its bytes, never of numbers of words: they stay when a stream is joined to another.
 */
#include "store/diff/stream.h"

#include <stdlib.h>

#include "store/diff/argument.h"

static uint32_t fail_words(struct diff_words *w)
{
    w->failed = true;
    return DIFF_NONE;
}

uint32_t diff_word(struct diff_words *w, struct span s)
{
    if (!s.p) return DIFF_NONE;
    bool added;
    int64_t *number = map_put(&w->words, map_key(s), (int64_t)w->word.n, &added);
    if (!number) return fail_words(w);
    if (!added) return (uint32_t)*number;
    struct span copy = arena_copy(&w->arena, s);
    struct span *word = copy.p ? LIST_PUSH(&w->word) : NULL;
    if (!word || w->word.n >= DIFF_NONE) return fail_words(w);
    *word = copy;
    return (uint32_t)(w->word.n - 1);
}

struct span diff_span(const struct diff_words *w, uint32_t word)
{
    return word < w->word.n ? w->word.p[word] : SPAN_NONE;
}

uint32_t diff_plain_word(struct diff_words *w, struct span s)
{
    if (!s.p || !s.n) return diff_word(w, s);
    if (!memchr(s.p, '$', s.n) && !memmem(s.p, s.n, " at 0x", 6)) return diff_word(w, s);
    struct buf plain = {0};
    diff_strip_numbers(s, &plain);
    uint32_t word = plain.failed ? fail_words(w) : diff_word(w, buf_text(&plain));
    buf_release(&plain);
    return word;
}

static struct map_key text_key(const struct diff_text *t)
{
    uint32_t words[6] = {t->kind, t->name, t->args, t->kwargs, t->output, t->part_of};
    return map_key((struct span){(const char *)words, sizeof words});
}

/* Length before bytes: no two lists of fields make the same bytes. */
static void put_field(struct buf *b, struct span s)
{
    uint64_t n = s.p ? s.n : UINT64_MAX;
    buf_put(b, &n, sizeof n);
    buf_span(b, s);
}

static uint64_t hash_of(const struct buf *b)
{
    return map_key(buf_text(b)).lo;
}

/* Hashes equal in both streams of a comparison: map_key's seed is one per process. */
static bool hash_text(const struct diff_words *w, struct diff_text *t)
{
    struct buf b = {0};
    struct span name = diff_span(w, t->name), args = diff_span(w, t->args);
    struct span kwargs = diff_span(w, t->kwargs);
    buf_putc(&b, (char)t->kind);
    put_field(&b, name);
    put_field(&b, args);
    put_field(&b, kwargs);
    t->strict = hash_of(&b);
    buf_clear(&b);
    buf_putc(&b, (char)t->kind);
    put_field(&b, name);
    diff_put_tensors(args, true, &b);
    diff_put_tensors(kwargs, true, &b);
    t->loose = hash_of(&b);
    buf_clear(&b);
    put_field(&b, diff_base_name(name));
    diff_put_tensors(args, false, &b);
    t->base = hash_of(&b);
    bool fine = !b.failed;
    buf_release(&b);
    return fine;
}

/* A text whose words are plain; its hashes are kept when it has them. */
static uint32_t intern_text(struct diff_words *w, const struct diff_text *t, bool hashed)
{
    bool added;
    int64_t *number = map_put(&w->texts, text_key(t), (int64_t)w->text.n, &added);
    if (!number) return fail_words(w);
    if (!added) return (uint32_t)*number;
    struct diff_text *row = LIST_PUSH(&w->text);
    if (!row || w->text.n >= DIFF_NONE) return fail_words(w);
    *row = *t;
    if (!hashed && !hash_text(w, row)) return fail_words(w);
    return (uint32_t)(w->text.n - 1);
}

static void make_plain(struct diff_words *w, uint32_t *word)
{
    if (*word != DIFF_NONE) *word = diff_plain_word(w, diff_span(w, *word));
}

uint32_t diff_text(struct diff_words *w, const struct diff_text *t)
{
    const int64_t *known = map_get(&w->texts, text_key(t));
    if (known) return (uint32_t)*known;
    struct diff_text plain = *t;
    make_plain(w, &plain.name);
    make_plain(w, &plain.args);
    make_plain(w, &plain.kwargs);
    make_plain(w, &plain.output);
    return w->failed ? DIFF_NONE : intern_text(w, &plain, false);
}

uint32_t diff_form(struct diff_words *w, const struct diff_form *f)
{
    uint32_t words[5] = {f->path, f->dtype, f->shape, f->stride,
                         (uint32_t)f->phase << 16 | (uint32_t)f->hash << 8 | (uint8_t)f->part};
    bool added;
    int64_t *number = map_put(&w->forms, map_key((struct span){(const char *)words, sizeof words}),
                              (int64_t)w->form.n, &added);
    if (!number) return fail_words(w);
    if (!added) return (uint32_t)*number;
    struct diff_form *row = LIST_PUSH(&w->form);
    if (!row || w->form.n >= DIFF_NONE) return fail_words(w);
    *row = *f;
    return (uint32_t)(w->form.n - 1);
}

static void words_free(struct diff_words *w)
{
    if (!w) return;
    arena_release(&w->arena);
    LIST_RELEASE(&w->word);
    LIST_RELEASE(&w->text);
    LIST_RELEASE(&w->form);
    map_release(&w->words);
    map_release(&w->texts);
    map_release(&w->forms);
    free(w);
}

static enum err no_memory(const struct diff_stream *s)
{
    return err_set(ERR_NOMEM, "out of memory for the calls of a log, after %u calls and %u tensors",
                   s->n_calls, s->n_uses);
}

enum err diff_stream_init(struct diff_stream *s)
{
    *s = (struct diff_stream){.rank = -1, .owns_words = true};
    s->words = calloc(1, sizeof *s->words);
    struct diff_scope *log = s->words ? LIST_PUSH(&s->scopes) : NULL;
    s->first_use = calloc(1, sizeof *s->first_use);
    if (!log || !s->first_use) {
        diff_stream_release(s);
        FAIL(ERR_NOMEM, "out of memory for the calls of a log");
    }
    *log = (struct diff_scope){.name = diff_word(s->words, SPAN("")),
                               .step = DIFF_NONE,
                               .module = DIFF_NONE,
                               .kind = DIFF_LOG,
                               .call = DIFF_NONE};
    log->key = log->name;
    if (s->words->failed) {
        diff_stream_release(s);
        FAIL(ERR_NOMEM, "out of memory for the calls of a log");
    }
    return ERR_OK;
}

void diff_stream_release(struct diff_stream *s)
{
    if (s->owns_words) words_free(s->words);
    free(s->event);
    free(s->position);
    free(s->text);
    free(s->scope);
    free(s->first_use);
    free(s->digest);
    free(s->form);
    free(s->tensor);
    free(s->version);
    free(s->from);
    free(s->from_use);
    LIST_RELEASE(&s->scopes);
    arena_release(&s->arena);
    *s = (struct diff_stream){0};
}

static bool resize(void *p, size_t n, size_t item)
{
    void **array = p;
    void *fresh = realloc(*array, n * item);
    if (fresh) *array = fresh;
    return fresh;
}

enum err diff_reserve(struct diff_stream *s, uint32_t calls, uint32_t uses)
{
    if (calls > s->size_calls) {
        if (!resize(&s->event, calls, 4) || !resize(&s->position, calls, 4) ||
            !resize(&s->text, calls, 4) || !resize(&s->scope, calls, 4) ||
            !resize(&s->first_use, (size_t)calls + 1, 4))
            return no_memory(s);
        s->size_calls = calls;
    }
    if (uses > s->size_uses) {
        if (!resize(&s->digest, uses, 8) || !resize(&s->form, uses, 4) ||
            (s->tensor && !resize(&s->tensor, uses, 4)) ||
            (s->version && !resize(&s->version, uses, 4)))
            return no_memory(s);
        s->size_uses = uses;
    }
    return ERR_OK;
}

/* Twice as much, in numbers that stay below DIFF_NONE. */
static uint32_t next_size(uint32_t size)
{
    return size < 32 ? 64 : size > DIFF_NONE / 2 ? DIFF_NONE - 1 : size * 2;
}

enum err diff_add_call(struct diff_stream *s, uint32_t event, uint32_t position, uint32_t scope,
                       uint32_t text)
{
    if (s->words->failed) return no_memory(s);
    if (s->n_calls == s->size_calls) {
        if (s->n_calls >= DIFF_NONE - 1) FAIL(ERR_LIMIT, "a log has more than 2^32 - 2 calls");
        TRY(diff_reserve(s, next_size(s->size_calls), 0));
    }
    uint32_t i = s->n_calls++;
    s->event[i] = event;
    s->position[i] = position;
    s->scope[i] = scope;
    s->text[i] = text;
    s->first_use[i] = s->first_use[i + 1] = s->n_uses;
    s->counted = 0;
    return ERR_OK;
}

/* A value of a column that a log may lack: the column begins with the first value. */
static bool put_optional(const struct diff_stream *s, uint32_t **column, uint32_t value)
{
    if (!*column) {
        if (value == DIFF_NONE) return true;
        *column = malloc((size_t)s->size_uses * sizeof **column);
        if (!*column) return false;
        memset(*column, 0xff, (size_t)s->n_uses * sizeof **column);
    }
    (*column)[s->n_uses] = value;
    return true;
}

/* A call counts once, however many digests it has. */
static void count_digest(struct diff_stream *s, const struct diff_form *f)
{
    if (!f->hash) return;
    s->hashes |= 1u << f->hash;
    unsigned bit = f->phase ? 1 : 2;
    if (s->counted & bit) return;
    s->counted |= bit;
    if (f->phase) s->n_hashed++;
    else s->n_arguments++;
}

enum err diff_add_use(struct diff_stream *s, uint32_t form, int64_t digest, uint32_t tensor,
                      uint32_t version)
{
    REQUIRE("diff:use-of-a-call", s->n_calls);
    if (s->words->failed) return no_memory(s);
    if (s->n_uses == s->size_uses) {
        if (s->n_uses >= DIFF_NONE - 1) FAIL(ERR_LIMIT, "a log has more than 2^32 - 2 tensors");
        TRY(diff_reserve(s, 0, next_size(s->size_uses)));
    }
    s->digest[s->n_uses] = digest;
    s->form[s->n_uses] = form;
    if (!put_optional(s, &s->tensor, tensor) || !put_optional(s, &s->version, version))
        return no_memory(s);
    count_digest(s, &s->words->form.p[form]);
    s->first_use[s->n_calls] = ++s->n_uses;
    return ERR_OK;
}

static void derive(struct diff_stream *s, struct diff_scope *scope, struct span name)
{
    scope->key = scope->name;
    if (scope->kind == DIFF_STEP) {
        scope->step = scope->name;
    } else if (scope->kind == DIFF_MODULE) {
        scope->module = scope->name;
        scope->key = diff_word(s->words, diff_module_key(name));
        if (scope->phase == DIFF_PHASE_NONE) scope->phase = DIFF_FORWARD;
    } else if (scope->kind == DIFF_ANNOTATION) {
        if (span_find(name, SPAN("Optimizer.step"), 0) != SIZE_MAX) scope->phase = DIFF_OPTIMIZER;
    }
}

enum err diff_add_scope(struct diff_stream *s, uint32_t parent, enum diff_scope_kind kind,
                        struct span name, uint32_t *out)
{
    REQUIRE("diff:scope-parent", parent < s->scopes.n);
    if (s->scopes.n >= DIFF_NONE - 1) FAIL(ERR_LIMIT, "a log has more than 2^32 - 2 scopes");
    struct diff_scope scope = s->scopes.p[parent]; /* step, module and phase are inherited */
    scope.parent = parent;
    scope.kind = (uint8_t)kind;
    scope.name = diff_word(s->words, name.p ? name : SPAN(""));
    scope.call = DIFF_NONE;
    scope.key_id = 0;
    derive(s, &scope, name);
    struct diff_scope *row = LIST_PUSH(&s->scopes);
    if (!row || s->words->failed) return no_memory(s);
    *row = scope;
    *out = (uint32_t)(s->scopes.n - 1);
    return ERR_OK;
}

/* Numbers in A's dictionaries of all that B's have. */
struct renumbering {
    uint32_t *word, *text, *form; /* owned */
};

static void renumber(const uint32_t *numbers, uint32_t *word)
{
    if (*word != DIFF_NONE) *word = numbers[*word];
}

static bool join_words(struct diff_words *a, const struct diff_words *b, struct renumbering *r)
{
    for (size_t i = 0; i < b->word.n; i++) r->word[i] = diff_word(a, b->word.p[i]);
    for (size_t i = 0; i < b->text.n; i++) {
        struct diff_text t = b->text.p[i];
        renumber(r->word, &t.name);
        renumber(r->word, &t.args);
        renumber(r->word, &t.kwargs);
        renumber(r->word, &t.output);
        if (t.part_of) t.part_of = r->word[t.part_of - 1] + 1;
        r->text[i] = intern_text(a, &t, true);
    }
    for (size_t i = 0; i < b->form.n; i++) {
        struct diff_form f = b->form.p[i];
        renumber(r->word, &f.path);
        renumber(r->word, &f.dtype);
        renumber(r->word, &f.shape);
        renumber(r->word, &f.stride);
        r->form[i] = diff_form(a, &f);
    }
    return !a->failed;
}

static void renumber_stream(struct diff_stream *b, const struct renumbering *r)
{
    for (uint32_t i = 0; i < b->n_calls; i++) b->text[i] = r->text[b->text[i]];
    for (uint32_t i = 0; i < b->n_uses; i++) b->form[i] = r->form[b->form[i]];
    for (size_t i = 0; i < b->scopes.n; i++) {
        struct diff_scope *s = &b->scopes.p[i];
        renumber(r->word, &s->name);
        renumber(r->word, &s->key);
        renumber(r->word, &s->step);
        renumber(r->word, &s->module);
    }
}

enum err diff_join(struct diff_stream *a, struct diff_stream *b)
{
    if (a->words == b->words) return ERR_OK;
    const struct diff_words *w = b->words;
    struct renumbering r = {.word = malloc((w->word.n + 1) * sizeof *r.word),
                            .text = malloc((w->text.n + 1) * sizeof *r.text),
                            .form = malloc((w->form.n + 1) * sizeof *r.form)};
    bool fine = r.word && r.text && r.form && join_words(a->words, w, &r);
    if (fine) {
        renumber_stream(b, &r);
        if (b->owns_words) words_free(b->words);
        b->words = a->words;
        b->owns_words = false;
    }
    free(r.word);
    free(r.text);
    free(r.form);
    if (!fine) FAIL(ERR_NOMEM, "out of memory while joining the words of two logs");
    return ERR_OK;
}

uint32_t diff_find_call(const struct diff_stream *s, int64_t event)
{
    uint32_t low = 0, high = s->n_calls;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->event[middle] < event) low = middle + 1;
        else high = middle;
    }
    return low < s->n_calls && s->event[low] == event ? low : DIFF_NONE;
}
