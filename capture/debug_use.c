/* debug_use.c - the tensors that the texts of a call name, and the hashes that belong to them.
 *
 * A text like `t$1: f32[8, 16], ['t: i64[2]'], out=dt: f32[8]| S(0)` is walked once. Where an
 * argument stands is said as
 * PyTorch's pytree does: [0][i] positional, [1]['name'] keyword, further [i] inside lists.
 * Strings among the arguments stand
 * bare in the text, so what they contain may be taken for a tensor: this is for finding tensors,
 * printing never relies on it.
 */
#include "capture/debug_call.h"
#include "store/base/map.h"
#include "store/row.h"

enum { LEVELS = 16, LONGEST_PATH = 4096 };

struct level {
    int64_t index;    /* of the element */
    struct span name; /* its keyword, absent none */
};
struct walk {
    struct debug_call *call;
    struct arena *arena;
    struct span text;
    size_t at;
    enum debug_phase phase;
    const char *root; /* path of the whole; NULL: a kernel, keywords are the path */
    struct level level[LEVELS];
    int depth;
};

void debug_uses_release(struct debug_uses *uses)
{
    LIST_RELEASE(uses);
}

static enum err push_use(struct debug_uses *uses, const struct debug_use *use)
{
    struct debug_use *to = LIST_PUSH(uses);
    if (!to) FAIL(ERR_NOMEM, "out of memory for the tensors of a call");
    *to = *use;
    return ERR_OK;
}

/* ---- where an element stands ---- */

static void put_path(struct buf *b, const struct walk *w)
{
    if (w->root) buf_puts(b, w->root);
    for (int i = 0; i <= w->depth; i++) {
        const struct level *l = &w->level[i];
        bool whole = i == 0 && w->phase == DEBUG_RESULT;
        if (whole) continue;
        if (i == 0 && l->name.p && !w->root) buf_span(b, l->name);
        else if (i == 0 && l->name.p) {
            buf_puts(b, "[1][");
            py_print_string(b, l->name);
            buf_putc(b, ']');
        } else if (l->name.p) {
            buf_putc(b, '.');
            buf_span(b, l->name);
        } else if (i == 0) buf_printf(b, "[0][%lld]", (long long)l->index);
        else buf_printf(b, "[%lld]", (long long)l->index);
    }
}

static struct span path_of(const struct walk *w)
{
    struct buf b = {0};
    put_path(&b, w);
    struct span path = b.failed ? SPAN_NONE : b.n ? arena_copy(w->arena, buf_text(&b)) : SPAN("");
    buf_release(&b);
    return path;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* `name=` at the beginning of an element. */
static void read_keyword(struct walk *w)
{
    size_t end = w->at;
    while (end < w->text.n && is_word(w->text.p[end])) end++;
    w->level[w->depth].name = SPAN_NONE;
    if (end == w->at || end >= w->text.n || w->text.p[end] != '=') return;
    w->level[w->depth].name = (struct span){w->text.p + w->at, end - w->at};
    w->at = end + 1;
}

/* ---- tensors ---- */

/* `t$3: f32[`: what stands before the shape. Returns the byte of the bracket, 0 when it is no
 * tensor. */
static size_t read_tensor_head(struct span s, struct debug_use *use)
{
    static const char *const forms[] = {"t", "dt", "ft", "lt"};
    size_t n = 0, from;
    while (n < s.n && n < 3 && s.p[n] >= 'a' && s.p[n] <= 'z') n++;
    bool known = false;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        known |= span_is(span_to(s, n), forms[i]);
    if (!known) return 0;
    use->form = span_to(s, n);
    use->tensor = STORE_NULL;
    if (n < s.n && s.p[n] == '$') {
        for (from = ++n; n < s.n && s.p[n] >= '0' && s.p[n] <= '9';) n++;
        if (!span_to_i64((struct span){s.p + from, n - from}, &use->tensor)) return 0;
    }
    if (!span_starts(span_from(s, n), ": ")) return 0;
    for (from = n += 2; n < s.n && is_word(s.p[n]);) n++;
    use->dtype = (struct span){s.p + from, n - from};
    return use->dtype.n && n < s.n && s.p[n] == '[' ? n : 0;
}

/* End of what stands behind the shape: placements, attributes. */
static size_t detail_end(struct span s, size_t at, char quote)
{
    for (int depth = 0; at < s.n; at++) {
        char c = s.p[at];
        if (quote && c == quote) break;
        if (c == '(' || c == '[' || c == '{') depth++;
        if (c == ')' || c == ']' || c == '}') {
            if (depth == 0) break;
            depth--;
        }
        if (!quote && depth == 0 && c == ',') break;
    }
    return at;
}

/* Takes a tensor that begins here. */
static enum err take_tensor(struct walk *w, bool *taken)
{
    struct debug_use use = {.phase = w->phase, .part = STORE_NULL};
    char quote = w->at < w->text.n && (w->text.p[w->at] == '\'' || w->text.p[w->at] == '"')
                     ? w->text.p[w->at]
                     : 0;
    struct span s = span_from(w->text, w->at + (quote != 0));
    size_t shape = read_tensor_head(s, &use), end = shape;
    *taken = false;
    while (shape && end < s.n && s.p[end] != ']') end++;
    if (!shape || end == s.n) return ERR_OK;
    use.shape = (struct span){s.p + shape, end + 1 - shape};
    size_t stop = detail_end(s, end + 1, quote);
    if (stop > end + 1) use.detail = (struct span){s.p + end + 1, stop - end - 1};
    use.arg = path_of(w);
    if (!use.arg.p) FAIL(ERR_NOMEM, "out of memory for the tensors of a call");
    w->at = (size_t)(s.p - w->text.p) + stop + (quote != 0);
    *taken = true;
    return push_use(&w->call->uses, &use);
}

/* Behind a string literal that begins here. */
static void skip_string(struct walk *w)
{
    char quote = w->text.p[w->at++];
    while (w->at < w->text.n && w->text.p[w->at] != quote)
        w->at += w->text.p[w->at] == '\\' ? 2 : 1;
    w->at++;
}

static void open_level(struct walk *w)
{
    if (w->depth + 1 < LEVELS) w->level[w->depth + 1] = (struct level){0};
    w->depth++;
}

static enum err walk_text(struct walk *w)
{
    bool begins = true;
    for (w->at = 0; w->at < w->text.n;) {
        char c = w->text.p[w->at];
        bool inside = w->depth < LEVELS;
        if (begins && (c == ' ' || c == '\n')) {
            w->at++;
            continue;
        }
        if (begins && inside) {
            begins = false;
            read_keyword(w);
            TRY(take_tensor(w, &begins));
            if (begins || w->level[w->depth].name.p) {
                begins = false;
                continue;
            }
        }
        begins = false;
        if (w->depth && (c == '\'' || c == '"')) {
            skip_string(w);
            continue;
        }
        if (c == '(' || c == '[' || c == '{') open_level(w), begins = true;
        else if ((c == ')' || c == ']' || c == '}') && w->depth) w->depth--;
        else if (c == ',') {
            begins = true;
            if (inside) w->level[w->depth].index++;
        }
        w->at++;
    }
    return ERR_OK;
}

static enum err walk_part(struct debug_call *c, struct arena *arena, struct span text,
                          enum debug_phase phase)
{
    struct walk w = {.call = c, .arena = arena, .text = text, .phase = phase};
    w.root = c->kind == DEBUG_TRITON ? NULL : "";
    if (span_starts(w.text, ", ")) w.text = span_from(w.text, 2);
    if (phase == DEBUG_RESULT && span_starts(w.text, "  ->  ")) w.text = span_from(w.text, 6);
    return walk_text(&w);
}

/* ---- hashes ---- */

struct leaves {
    struct arena *arena;
    const struct debug_uses *named; /* tensors of the texts */
    struct map places;              /* path and phase -> index in named */
    bool *taken;                    /* per index: has a hash */
    struct debug_uses *out;
    enum debug_phase phase;
    struct buf path;
};

static struct map_key place_key(struct span path, enum debug_phase phase)
{
    struct map_key key = map_key(path);
    key.hi ^= (uint64_t)(phase == DEBUG_RESULT) << 63;
    return key;
}

static const struct debug_use *named_here(const struct leaves *l)
{
    const int64_t *at = map_get(&l->places, place_key(buf_text(&l->path), l->phase));
    return at ? &l->named->p[*at] : NULL;
}

static enum err add_leaf(struct leaves *l, struct py *v, int64_t part)
{
    const struct debug_use *named = named_here(l);
    struct debug_use use = {.tensor = STORE_NULL};
    if (named) use = *named, l->taken[named - l->named->p] = true;
    if (!py_to_hash(v, &use.hash)) return ERR_OK;
    use.phase = l->phase;
    use.part = part;
    use.arg = named ? named->arg : l->path.n ? arena_copy(l->arena, buf_text(&l->path)) : SPAN("");
    if (!use.arg.p || l->path.failed) FAIL(ERR_NOMEM, "out of memory for the hashes of a call");
    v->is_hash = true;
    return push_use(l->out, &use);
}

static bool is_number(const struct py *v)
{
    struct py_hash hash;
    return v->type == PY_INT || v->type == PY_REAL || py_to_hash(v, &hash);
}

/* With several hash functions the hash of one tensor is a tuple of numbers. */
static bool is_several(const struct leaves *l, const struct py *v)
{
    const struct py *m = v->type == PY_TUPLE ? v->first : NULL;
    if (!m || !named_here(l)) return false;
    while (m && is_number(m)) m = m->next;
    return !m;
}

static void put_step(struct buf *path, const struct py *member, int64_t i)
{
    buf_putc(path, '[');
    if (member->key) py_print(path, member->key, PY_PLAIN);
    else buf_printf(path, "%lld", (long long)i);
    buf_putc(path, ']');
}

static enum err find_leaves(struct leaves *l, struct py *v)
{
    int64_t i = 0;
    size_t n = l->path.n;
    bool several = is_several(l, v);
    if (is_number(v)) return add_leaf(l, v, STORE_NULL);
    for (struct py *m = v->first; m; m = m->next, i++) {
        if (several) {
            TRY(add_leaf(l, m, i));
            continue;
        }
        put_step(&l->path, m, i);
        if (l->path.n < LONGEST_PATH) TRY(find_leaves(l, m));
        l->path.n = n;
    }
    return ERR_OK;
}

/* Dict of a kernel's parameters. */
static enum err find_kernel_leaves(struct leaves *l, const struct py *dict, bool *all)
{
    for (struct py *m = dict ? dict->first : NULL; m; m = m->next) {
        struct py_hash hash;
        buf_clear(&l->path);
        if (!m->key || m->key->type != PY_STRING) {
            *all = false;
            continue;
        }
        buf_span(&l->path, m->key->text);
        size_t before = l->out->n;
        const struct py *part = m->type == PY_TUPLE ? m->first : NULL;
        if (is_number(m)) TRY(add_leaf(l, m, STORE_NULL));
        for (int64_t i = 0; part && py_to_hash(part, &hash); part = part->next, i++)
            TRY(add_leaf(l, (struct py *)part, i));
        if (part || l->out->n == before) *all = false;
    }
    return ERR_OK;
}

static enum err find_all_leaves(struct leaves *l, struct debug_call *c, bool *all)
{
    bool dict = c->log && c->log->type == PY_DICT;
    for (struct py *m = dict ? c->log->first : NULL; m; m = m->next) {
        bool input = span_is(m->key->text, "input_hash"), output = span_is(m->key->text, "hash");
        if (c->kind == DEBUG_TRITON || m->key->type != PY_STRING || !(input || output)) continue;
        buf_clear(&l->path);
        l->phase = input ? DEBUG_ARGUMENT : DEBUG_RESULT;
        TRY(find_leaves(l, m));
    }
    l->phase = DEBUG_ARGUMENT;
    TRY(find_kernel_leaves(l, c->pre, all));
    l->phase = DEBUG_ARGUMENT_AFTER;
    return find_kernel_leaves(l, c->post, all);
}

static enum err join_hashes(struct leaves *l, struct debug_call *c, bool *all)
{
    l->taken = arena_array(l->arena, c->uses.n + 1, sizeof *l->taken);
    if (!l->taken) FAIL(ERR_NOMEM, "out of memory for the tensors of a call");
    for (size_t i = 0; i < c->uses.n; i++)
        if (!map_put(&l->places, place_key(c->uses.p[i].arg, c->uses.p[i].phase), (int64_t)i, NULL))
            FAIL(ERR_NOMEM, "out of memory for the tensors of a call");
    TRY(find_all_leaves(l, c, all));
    for (size_t i = 0; i < c->uses.n; i++)
        if (!l->taken[i]) TRY(push_use(l->out, &c->uses.p[i]));
    return ERR_OK;
}

enum err debug_find_uses(struct debug_call *c, struct arena *arena, bool *all)
{
    *all = true;
    if (c->kind != DEBUG_OP && c->kind != DEBUG_TRITON && c->kind != DEBUG_REDISTRIBUTE)
        return ERR_OK;
    TRY(walk_part(c, arena, c->args, DEBUG_ARGUMENT));
    TRY(walk_part(c, arena, c->kwargs, DEBUG_ARGUMENT));
    TRY(walk_part(c, arena, c->output, DEBUG_RESULT));
    if (!c->log && !c->pre && !c->post) return ERR_OK;
    struct debug_uses out = {0};
    struct leaves l = {.arena = arena, .named = &c->uses, .out = &out};
    enum err err = join_hashes(&l, c, all);
    map_release(&l.places);
    buf_release(&l.path);
    debug_uses_release(&c->uses);
    c->uses = out;
    return err;
}

/* ---- back ---- */

static enum err fill(struct py *v, const struct debug_uses *uses, size_t *next, struct arena *arena)
{
    if (v->type == PY_HOLE) {
        while (*next < uses->n && !uses->p[*next].hash.kind) ++*next;
        if (*next == uses->n)
            FAIL(ERR_FORMAT, "the remarks of a call have more hashes than its tensors");
        v->is_hash = true;
        return py_set_hash(v, uses->p[(*next)++].hash, arena);
    }
    for (struct py *m = v->first; m; m = m->next) TRY(fill(m, uses, next, arena));
    return ERR_OK;
}

static enum err new_member(struct py *to, struct py **last, struct arena *arena, struct py **out)
{
    struct py *v = *out = arena_alloc(arena, sizeof *v);
    if (!v) FAIL(ERR_NOMEM, "out of memory for the hashes of a call");
    if (*last) (*last)->next = v;
    else to->first = v;
    *last = v;
    to->n++;
    return ERR_OK;
}

/* A dict of parameters and hashes, in the order of the uses. */
static enum err kernel_dict(const struct debug_uses *uses, enum debug_phase phase,
                            struct arena *arena, struct py **out)
{
    struct py *last = NULL, *part = NULL, *dict = *out = arena_alloc(arena, sizeof *dict), *v;
    if (!dict) FAIL(ERR_NOMEM, "out of memory for the hashes of a call");
    dict->type = PY_DICT;
    for (size_t i = 0; i < uses->n; i++) {
        const struct debug_use *u = &uses->p[i];
        if (u->phase != phase || !u->hash.kind) continue;
        if (u->part == STORE_NULL || u->part == 0) {
            struct py *key = arena_alloc(arena, sizeof *key);
            if (!key) FAIL(ERR_NOMEM, "out of memory for the hashes of a call");
            *key = (struct py){.type = PY_STRING, .text = u->arg};
            TRY(new_member(dict, &last, arena, &v));
            v->key = key;
            v->type = PY_TUPLE;
            part = NULL;
        }
        if (!last) FAIL(ERR_FORMAT, "the hashes of a kernel do not begin with their first part");
        v = last;
        if (u->part != STORE_NULL) TRY(new_member(last, &part, arena, &v));
        TRY(py_set_hash(v, u->hash, arena));
    }
    return ERR_OK;
}

enum err debug_fill_hashes(struct debug_call *c, struct span log, struct arena *arena)
{
    size_t next = 0;
    if (log.p) {
        TRY(py_parse(log, arena, &c->log));
        TRY(fill(c->log, &c->uses, &next, arena));
    }
    if (c->flags & DEBUG_BEFORE) TRY(kernel_dict(&c->uses, DEBUG_ARGUMENT, arena, &c->pre));
    if (c->flags & DEBUG_AFTER) TRY(kernel_dict(&c->uses, DEBUG_ARGUMENT_AFTER, arena, &c->post));
    return ERR_OK;
}
