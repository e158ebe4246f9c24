/* debug_digests.c - the list of digests walked beside the calls of its log. */
#include "capture/debug_digests.h"

#include "store/base/map.h"
#include "store/row.h"

enum { DIGITS = 16, SHOWN = 60, LONGEST_PATH = 4096 };

/* For messages: the beginning of a text. */
#define HEAD(s) (int)((s).n < SHOWN ? (s).n : SHOWN), (s).p ? (s).p : ""

enum err debug_digests_init(struct debug_digests *d, struct span text)
{
    *d = (struct debug_digests){.cut = {.text = text}};
    if (debug_cut_takes(&d->cut, '[')) return ERR_OK;
    FAIL(ERR_FORMAT,
         "no list of digests begins at byte %zu: expected [{\"index\": 0, \"call\": "
         "..., \"depth\": ..., \"in\": {...}, \"out\": {...}}, ...]",
         d->cut.at);
}

void debug_digests_release(struct debug_digests *d)
{
    arena_release(&d->scratch);
}

/* ---- the object of a call ---- */

static enum err no_more(const struct debug_digests *d, int64_t position)
{
    FAIL(ERR_FORMAT,
         "the digests end with %lld calls, but the log has a call %lld: expected an object for "
         "each call of the log",
         (long long)d->taken, (long long)position);
}

static enum err next_object(struct debug_digests *d, int64_t position, const struct json **out)
{
    struct json *j;
    struct debug_cut before = d->cut;
    if (debug_cut_takes(&before, ']')) return no_more(d, position);
    if (d->taken && !debug_cut_takes(&d->cut, ','))
        FAIL(ERR_FORMAT, "the digests break off at byte %zu, before index %lld: expected a comma",
             d->cut.at, (long long)position);
    debug_cut_blanks(&d->cut);
    size_t at = d->cut.at;
    struct span value = debug_cut_value(&d->cut);
    if (!value.n)
        FAIL(ERR_FORMAT, "the digests break off at byte %zu: expected the object of index %lld", at,
             (long long)position);
    arena_clear(&d->scratch);
    enum err err = json_parse(value, &d->scratch, &j);
    if (err)
        return err_wrap(err, "the object of index %lld at byte %zu: ", (long long)position, at);
    if (j->type != JSON_OBJECT)
        FAIL(ERR_FORMAT, "at byte %zu is no object: expected that of index %lld", at,
             (long long)position);
    *out = j;
    return ERR_OK;
}

static enum err check_members(const struct json *j, int64_t position)
{
    static const char *const names[] = {"index", "call", "depth", "in", "out"};
    enum { N = sizeof names / sizeof *names };
    int seen[N] = {0};
    for (const struct json *m = j->first; m; m = m->next) {
        int i = 0;
        while (i < N && !span_is(m->key, names[i])) i++;
        if (i == N)
            FAIL(ERR_FORMAT,
                 "the digests of index %lld have a member '%.*s': expected index, call, depth, in "
                 "and out",
                 (long long)position, HEAD(m->key));
        if (seen[i]++)
            FAIL(ERR_FORMAT, "the digests of index %lld have '%s' twice", (long long)position,
                 names[i]);
    }
    for (int i = 0; i < N; i++)
        if (!seen[i])
            FAIL(ERR_FORMAT, "the digests of index %lld have no '%s'", (long long)position,
                 names[i]);
    return ERR_OK;
}

/* ---- does it fit the call? ---- */

static enum err check_number(const struct json *j, const char *name, int64_t position,
                             int64_t expected)
{
    const struct json *v = json_get(j, name);
    if (v->type != JSON_INT)
        FAIL(ERR_FORMAT, "the '%s' of the digests of index %lld is no integer: expected %lld", name,
             (long long)position, (long long)expected);
    if (v->i == expected) return ERR_OK;
    FAIL(ERR_FORMAT, "the digests of index %lld have %s %lld, the log has %lld there",
         (long long)position, name, (long long)v->i, (long long)expected);
}

/* What PyTorch calls it by; "" when that is a whole printed line, which is not compared. */
static void print_name(struct buf *b, const struct debug_call *c)
{
    if (c->kind == DEBUG_ANNOTATE || c->kind == DEBUG_MODULE) {
        buf_putc(b, '[');
        buf_span(b, c->args);
        buf_puts(b, "] ");
    }
    if (c->kind == DEBUG_OP || c->kind == DEBUG_ANNOTATE || c->kind == DEBUG_MODULE)
        buf_span(b, c->name);
}

static enum err check_name(const struct json *j, const struct debug_call *c, int64_t position)
{
    const struct json *v = json_get(j, "call");
    struct buf name = {0};
    if (v->type != JSON_STRING)
        FAIL(ERR_FORMAT, "the 'call' of the digests of index %lld is no text", (long long)position);
    print_name(&name, c);
    enum err err = buf_ok(&name);
    if (!err && name.n && !span_eq(v->text, buf_text(&name)))
        err = err_set(ERR_FORMAT,
                      "the digests of index %lld are those of '%.*s', the log has "
                      "'%.*s' there",
                      (long long)position, HEAD(v->text), HEAD(buf_text(&name)));
    buf_release(&name);
    return err;
}

/* ---- digests ---- */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(struct span s, int64_t *out)
{
    uint64_t v = 0;
    if (s.n != DIGITS) return false;
    for (size_t i = 0; i < s.n; i++) {
        int digit = digit_of(s.p[i]);
        if (digit < 0) return false;
        v = v << 4 | (uint64_t)digit;
    }
    *out = (int64_t)v;
    return true;
}

static bool is_path(const struct debug_call *c, struct span path)
{
    if (path.n > LONGEST_PATH) return false;
    if (c->kind == DEBUG_TRITON) return path.n > 0;
    return !path.n || (span_starts(path, "[") && span_ends(path, "]"));
}

static struct map_key place_key(struct span path, enum debug_phase phase)
{
    struct map_key key = map_key(path);
    key.hi ^= (uint64_t)phase << 62;
    return key;
}

struct join {
    struct debug_digests *digests;
    const struct debug_call *call;
    int64_t position;
    struct map places; /* path and phase -> the last use there */
    struct debug_uses *uses;
};

static enum err add_use(struct join *j, const struct debug_use *use)
{
    int64_t *at = map_put(&j->places, place_key(use->arg, use->phase), 0, NULL);
    struct debug_use *to = at ? LIST_PUSH(j->uses) : NULL;
    if (!to) FAIL(ERR_NOMEM, "out of memory for the digests of a call");
    *to = *use;
    *at = (int64_t)(j->uses->n - 1);
    return ERR_OK;
}

static enum err add_digest(struct join *j, enum debug_phase phase, const struct json *m)
{
    struct debug_use use = {
        .phase = phase, .arg = m->key, .tensor = STORE_NULL, .part = STORE_NULL};
    struct py_hash hash = {.kind = PY_HASH_SHA256};
    const char *where = phase == DEBUG_RESULT ? "out" : "in";
    long long index = (long long)j->position;
    if (!is_path(j->call, m->key))
        FAIL(ERR_FORMAT,
             "the digests of index %lld have the path '%.*s' in '%s': expected one like [0][1], or "
             "nothing for the only result",
             index, HEAD(m->key), where);
    if (!read_hex(json_string(m), &hash.digest))
        FAIL(ERR_FORMAT,
             "the digest of index %lld, '%s' '%.*s', is '%.*s': expected %d hexadecimal digits",
             index, where, HEAD(m->key), HEAD(json_string(m)), DIGITS);
    const int64_t *at = map_get(&j->places, place_key(m->key, phase));
    struct debug_use *last = at ? &j->uses->p[*at] : NULL;
    if (last && last->hash.kind == PY_HASH_SHA256)
        FAIL(ERR_FORMAT, "the digests of index %lld have '%.*s' twice in '%s'", index, HEAD(m->key),
             where);
    j->digests->n++;
    if (last && !last->hash.kind) {
        last->hash = hash;
        return ERR_OK;
    }
    if (last) use = *last, use.part = last->part == STORE_NULL ? 1 : last->part + 1;
    use.hash = hash;
    return add_use(j, &use);
}

static enum err add_digests(struct join *j, enum debug_phase phase, const struct json *digests)
{
    const char *name = phase == DEBUG_RESULT ? "out" : "in";
    bool tensors = j->call->kind == DEBUG_OP || j->call->kind == DEBUG_TRITON ||
                   j->call->kind == DEBUG_REDISTRIBUTE;
    if (digests->type != JSON_OBJECT)
        FAIL(ERR_FORMAT, "the '%s' of the digests of index %lld is no object of paths and digests",
             name, (long long)j->position);
    if (digests->n && !tensors)
        FAIL(ERR_FORMAT,
             "the digests of index %lld have tensors in '%s', but the log has no call of an "
             "operator there: expected {}",
             (long long)j->position, name);
    for (const struct json *m = digests->first; m; m = m->next) TRY(add_digest(j, phase, m));
    return ERR_OK;
}

enum err debug_digests_join(struct debug_digests *d, const struct debug_call *c, int64_t position,
                            struct debug_uses *out)
{
    const struct json *j = NULL;
    struct join join = {.digests = d, .call = c, .position = position, .uses = out};
    *out = (struct debug_uses){0};
    TRY(next_object(d, position, &j));
    TRY(check_members(j, position));
    TRY(check_number(j, "index", position, position));
    TRY(check_name(j, c, position));
    TRY(check_number(j, "depth", position, c->depth));
    enum err err = ERR_OK;
    for (size_t i = 0; i < c->uses.n && !err; i++) err = add_use(&join, &c->uses.p[i]);
    if (!err) err = add_digests(&join, DEBUG_ARGUMENT, json_get(j, "in"));
    if (!err) err = add_digests(&join, DEBUG_RESULT, json_get(j, "out"));
    map_release(&join.places);
    d->taken++;
    if (err) debug_uses_release(out);
    return err;
}

enum err debug_digests_end(struct debug_digests *d)
{
    struct debug_cut *c = &d->cut;
    struct debug_cut ahead = *c;
    if (debug_cut_takes(&ahead, d->taken ? ',' : '{'))
        FAIL(ERR_FORMAT, "the digests have an object of index %lld, but the log has %lld calls",
             (long long)d->taken, (long long)d->taken);
    if (!debug_cut_takes(c, ']'))
        FAIL(ERR_FORMAT, "the digests break off at byte %zu: expected the end of the list", c->at);
    debug_cut_blanks(c);
    if (c->at == c->text.n) return ERR_OK;
    FAIL(ERR_FORMAT, "behind the list of digests there is more, at byte %zu", c->at);
}
