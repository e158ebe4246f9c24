/* verdict_use.c - the tensors of two calls beside each other: which is which, and are they equal.
 *
 * Digests are compared only within one kind. The norm of a tensor of 32768 elements and more is
 * summed in parts by PyTorch, one per thread: two orders of a sum of n terms of one sign differ by
 * at most 2 (n - 1) u relative (Higham, Accuracy and Stability of Numerical Algorithms, 4.2; u =
 * 2^-53), so a smaller difference does not tell.
 */
#include <math.h>
#include <string.h>

#include "store/diff/judge.h"

enum { NORM_PARTS = 32768 };

static const enum diff_hash by_strength[] = {DIFF_PKM64, DIFF_SHA256, DIFF_HASH_TENSOR, DIFF_NORM,
                                             DIFF_NEGATIVE};

enum diff_hash diff_strongest(unsigned kinds)
{
    for (size_t i = 0; i < sizeof by_strength / sizeof *by_strength; i++)
        if (kinds >> by_strength[i] & 1) return by_strength[i];
    return DIFF_NO_HASH;
}

/* ---- operators that are special ---- */

/* aten::add_.Tensor -> add_ */
static struct span bare(struct span name)
{
    const char *colon = name.n ? memchr(name.p, ':', name.n) : NULL;
    if (colon && colon + 1 < name.p + name.n && colon[1] == ':') {
        size_t skip = (size_t)(colon + 2 - name.p);
        name = (struct span){name.p + skip, name.n - skip};
    }
    const char *dot = name.n ? memchr(name.p, '.', name.n) : NULL;
    if (dot) name.n = (size_t)(dot - name.p);
    return name;
}

static bool listed(struct span name, const char *const *list)
{
    struct span b = bare(name);
    for (; *list; list++)
        if (strlen(*list) == b.n && !memcmp(*list, b.p, b.n)) return true;
    return false;
}

bool op_moves(struct span name)
{
    static const char *const list[] = {
        "view",   "_unsafe_view", "reshape", "_reshape_alias", "t",      "transpose", "permute",
        "expand", "slice",        "select",  "squeeze",        "detach", "unsqueeze", "alias",
        "clone",  "contiguous",   "copy_",   "as_strided",     "split",  "unbind",    "narrow",
        "flip",   "cat",          "stack",   "view_as_real",   "unfold", NULL};
    return listed(name, list);
}

bool op_overwrites(struct span name)
{
    static const char *const list[] = {
        "fill_",       "zero_",        "copy_",      "uniform_", "normal_", "bernoulli_", "random_",
        "log_normal_", "exponential_", "geometric_", "cauchy_",  "eye_",    NULL};
    return listed(name, list);
}

bool op_leaves_memory(struct span name)
{
    struct span b = bare(name);
    static const char word[] = "empty";
    for (size_t i = 0; i + sizeof word - 1 <= b.n; i++)
        if (!memcmp(b.p + i, word, sizeof word - 1)) return true;
    return false;
}

bool op_mutates(struct span name)
{
    struct span b = bare(name);
    return b.n && b.p[b.n - 1] == '_';
}

/* ---- one tensor ---- */

static bool norms_equal(int64_t a, int64_t b, double *relative)
{
    double x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    *relative = 0;
    if (x == y || (isnan(x) && isnan(y))) return true;
    double larger = fmax(fabs(x), fabs(y));
    *relative = isfinite(x) && isfinite(y) ? fabs(x - y) / larger : INFINITY;
    return false;
}

static uint8_t compare_digests(const struct judge *j, uint32_t a, uint32_t b)
{
    const struct diff_form *fa = diff_use_form(j->side[0], a);
    int64_t x = j->side[0]->digest[a], y = j->side[1]->digest[b];
    double relative;
    if (x == y) return 0;
    if (fa->hash != DIFF_NORM) return DIFF_VALUES;
    if (norms_equal(x, y, &relative)) return 0;
    if (fa->elements >= NORM_PARTS && relative <= 2.0 * (double)fa->elements * 0x1p-53)
        return DIFF_CANNOT_TELL;
    return DIFF_VALUES;
}

static bool same_shape(const struct diff_form *a, const struct diff_form *b)
{
    if (a->dtype != b->dtype || a->shape != b->shape) return false;
    return a->stride == b->stride || a->stride == DIFF_NONE || b->stride == DIFF_NONE;
}

/* A use with the phase and path of a form and a hash of that kind; from `hint` on, then from the
 * beginning. Own functions of a program have several norms: told apart by part. */
static uint32_t find(const struct diff_stream *s, uint32_t call, const struct diff_form *like,
                     enum diff_hash hash, uint32_t hint)
{
    uint32_t first = s->first_use[call], end = s->first_use[call + 1], n = end - first;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t use = hint >= first && hint < end ? first + (hint - first + k) % n : first + k;
        const struct diff_form *f = diff_use_form(s, use);
        if (f->phase != like->phase || f->path != like->path || f->hash != hash) continue;
        if (hash == DIFF_NORM && f->part >= 0 && like->part >= 0 && f->part != like->part) continue;
        return use;
    }
    return DIFF_NONE;
}

/* Any use with the phase and path of a form. */
static uint32_t find_any(const struct diff_stream *s, uint32_t call, const struct diff_form *like,
                         uint32_t hint)
{
    uint32_t first = s->first_use[call], end = s->first_use[call + 1], n = end - first;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t use = hint >= first && hint < end ? first + (hint - first + k) % n : first + k;
        const struct diff_form *f = diff_use_form(s, use);
        if (f->phase == like->phase && f->path == like->path) return use;
    }
    return DIFF_NONE;
}

/* Has the log hashes of several kinds, so that a tensor may have several rows? */
static bool several(const struct diff_stream *s)
{
    unsigned kinds = s->hashes & ~1u;
    return kinds & (kinds - 1);
}

/* Is it the first use of its phase and path in its call? Rows of one tensor follow one another or
 * stand behind all others (digests that were joined later). */
static bool is_first(const struct diff_stream *s, uint32_t call, uint32_t use)
{
    const struct diff_form *f = diff_use_form(s, use);
    if (f->part < 0 && !several(s)) return true;
    return find_any(s, call, f, s->first_use[call]) == use;
}

/* Kinds of hash that a call has of a tensor. */
static unsigned kinds_of(const struct diff_stream *s, uint32_t call, const struct diff_form *like)
{
    unsigned kinds = 0;
    for (uint32_t u = s->first_use[call]; u < s->first_use[call + 1]; u++) {
        const struct diff_form *f = diff_use_form(s, u);
        if (f->phase == like->phase && f->path == like->path) kinds |= 1u << f->hash;
    }
    return kinds & ~1u;
}

/* ---- a pair ---- */

/* The content of two unhashed arguments, by what their tensors were before. */
static bool resolve(const struct judge *j, uint32_t *a, uint32_t *b)
{
    uint32_t x = flow_content(&j->flow[0], *a), y = flow_content(&j->flow[1], *b);
    if (x == DIFF_NONE || y == DIFF_NONE) return false;
    uint8_t kind = diff_use_form(j->side[0], x)->hash;
    if (kind != diff_use_form(j->side[1], y)->hash || !(j->allowed >> kind & 1)) return false;
    *a = x;
    *b = y;
    return true;
}

/* A match of uses a and b, either of which may be without hash. */
static void compare(struct judge *j, const uint32_t call[2], struct match *m)
{
    const struct diff_form *fa = diff_use_form(j->side[0], m->a);
    const struct diff_form *fb = diff_use_form(j->side[1], m->b);
    unsigned ka = 1u << fa->hash & ~1u, kb = 1u << fb->hash & ~1u;
    if (several(j->side[0]) || several(j->side[1])) {
        ka = kinds_of(j->side[0], call[0], fa);
        kb = kinds_of(j->side[1], call[1], fb);
    }
    enum diff_hash hash = diff_strongest(ka & kb & j->allowed);
    m->hashed = hash != DIFF_NO_HASH;
    if (!same_shape(fa, fb)) {
        m->class = DIFF_SHAPE;
        return;
    }
    if (hash) {
        uint32_t a = find(j->side[0], call[0], fa, hash, m->a);
        uint32_t b = find(j->side[1], call[1], diff_use_form(j->side[0], a), hash, m->b);
        if (b == DIFF_NONE) b = find(j->side[1], call[1], fb, hash, m->b);
        m->a = a;
        m->b = b;
        m->class = compare_digests(j, a, b);
        return;
    }
    uint32_t a = m->a, b = m->b;
    if (!m->phase && resolve(j, &a, &b)) {
        m->hashed = 1;
        m->class = compare_digests(j, a, b);
        if (m->class) { /* the digests are told of the uses that have them */
            m->a = a;
            m->b = b;
        }
        return;
    }
    m->class = ka && kb ? DIFF_OTHER_HASH : DIFF_NOT_HASHED;
}

static bool is_artefact(const struct judge *j, const struct match *m, struct span name)
{
    struct span path = diff_span(j->side[0]->words, m->path);
    if (m->phase) return op_leaves_memory(name);
    if (span_is(path, "[1]['out']")) return true;
    return span_is(path, "[0][0]") && op_overwrites(name);
}

static enum err put(struct judge *j, const uint32_t call[2], struct match m)
{
    const struct diff_stream *s = j->side[m.a == DIFF_NONE];
    const struct diff_form *f = diff_use_form(s, m.a == DIFF_NONE ? m.b : m.a);
    m.phase = f->phase;
    m.path = f->path;
    if (m.a == DIFF_NONE || m.b == DIFF_NONE) m.class = DIFF_ONE_SIDE;
    else compare(j, call, &m);
    if (m.class) {
        struct span name = diff_span(s->words, diff_call_text(s, call[m.a == DIFF_NONE])->name);
        m.artefact = is_artefact(j, &m, name);
    }
    struct match *to = LIST_PUSH(&j->match);
    if (!to) FAIL(ERR_NOMEM, "out of memory for the tensors of a call");
    *to = m;
    return ERR_OK;
}

enum err judge_uses(struct judge *j, uint32_t a, uint32_t b)
{
    const struct diff_stream *sa = j->side[0], *sb = j->side[1];
    const uint32_t call[2] = {a, b};
    uint32_t hint = sb->first_use[b];
    j->match.n = 0;
    for (uint32_t u = sa->first_use[a]; u < sa->first_use[a + 1]; u++) {
        if (!is_first(sa, a, u)) continue;
        uint32_t v = find_any(sb, b, diff_use_form(sa, u), hint);
        if (v != DIFF_NONE) hint = v + 1;
        TRY(put(j, call, (struct match){.a = u, .b = v}));
    }
    hint = sa->first_use[a];
    for (uint32_t v = sb->first_use[b]; v < sb->first_use[b + 1]; v++) {
        if (!is_first(sb, b, v)) continue;
        uint32_t u = find_any(sa, a, diff_use_form(sb, v), hint);
        if (u != DIFF_NONE) hint = u + 1;
        else TRY(put(j, call, (struct match){.a = DIFF_NONE, .b = v}));
    }
    return ERR_OK;
}

bool judge_plainly_equal(const struct judge *j, uint32_t a, uint32_t b)
{
    const struct diff_stream *sa = j->side[0], *sb = j->side[1];
    uint32_t u = sa->first_use[a], v = sb->first_use[b], n = sa->first_use[a + 1] - u;
    if (sa->text[a] != sb->text[b] || sb->first_use[b + 1] - v != n || !n) return false;
    bool results = false;
    for (uint32_t k = 0; k < n; k++) {
        if (sa->form[u + k] != sb->form[v + k]) return false;
        const struct diff_form *f = diff_use_form(sa, u + k);
        if (sa->digest[u + k] != sb->digest[v + k] || (f->hash && !(j->allowed >> f->hash & 1)))
            return false;
        if (!f->hash) {
            uint32_t x = u + k, y = v + k;
            if (f->phase || !resolve(j, &x, &y) || sa->digest[x] != sb->digest[y]) return false;
        }
        results |= f->phase != 0;
    }
    return results;
}
