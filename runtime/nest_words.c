/* nest_words.c - what the words of a body mean: functions, reductions, conversions, random numbers;
 * and how numbers find their types.
 */
#include "runtime/nest_words.h"

#include <string.h>

#include "runtime/nest_fn.h"

enum err nest_bad(const struct reader *r, const char *what)
{
    const char *body = r->m->spec->body;
    FAIL(ERR_USAGE, "%s at byte %d of the body \"%s\"", what, (int)(r->p - body), body);
}

/* ---- types ---- */

enum nest_type nest_value_type(const struct reader *r, const struct value *v)
{
    return r->m->node[v->node].type;
}

static bool is_whole(enum nest_type type)
{
    return type == NEST_I64 || type == NEST_U64 || type == NEST_B;
}

/* The value as a node of that type; only numbers change theirs. */
enum err nest_settle(struct reader *r, struct value *v, enum nest_type type)
{
    struct nest_node n = {.kind = NEST_CONST, .type = type};
    bool single = type == NEST_F32 || type == NEST_C64;
    if (v->node >= 0) return ERR_OK;
    if (is_whole(type) && !v->whole)
        return nest_bad(r, "a number with a fraction meets an integer");
    if (type == NEST_B) n.value.i = v->i != 0;
    else if (is_whole(type)) n.value.i = v->i;
    else n.value.r = single ? (double)(float)v->r : v->r;
    if (!is_whole(type) && n.value.r != n.value.r) n.value.r = __builtin_nan("");
    return nest_add(r->m, &n, &v->node);
}

/* The value as a node of that type, or an error that says what asks for it. */
enum err nest_want(struct reader *r, struct value *v, enum nest_type type, const char *who)
{
    TRY(nest_settle(r, v, type));
    if (nest_value_type(r, v) == type) return ERR_OK;
    FAIL(ERR_USAGE, "%s takes %s, not %s, before byte %d of the body \"%s\"", who,
         nest_type_name(type), nest_type_name(nest_value_type(r, v)),
         (int)(r->p - r->m->spec->body), r->m->spec->body);
}

/* All of one type: that of the first which has one, else the compute type. */
static enum err meet(struct reader *r, struct value *v, int n, const char *who)
{
    enum nest_type type = r->m->compute;
    for (int i = n - 1; i >= 0; i--)
        if (v[i].node >= 0) type = nest_value_type(r, &v[i]);
    for (int i = 0; i < n; i++) TRY(nest_want(r, &v[i], type, who));
    return ERR_OK;
}

/* ---- calls ---- */

enum err nest_call(struct reader *r, const char *f, struct value *arg, int n, struct value *out)
{
    int fn = nest_fn_find(f), first = !strcmp(f, "where");
    if (fn < 0) FAIL(ERR_USAGE, "there is no function \"%s\"; see kernels/scalar.def", f);
    if (n != nest_fn_row(fn)->n_args)
        FAIL(ERR_USAGE, "function %s takes %d arguments, not %d, in the body \"%s\"", f,
             nest_fn_row(fn)->n_args, n, r->m->spec->body);
    struct nest_node node = {.kind = NEST_CALL, .index = fn, .n_args = n};
    if (first) TRY(nest_want(r, &arg[0], NEST_B, "the condition of where"));
    TRY(meet(r, arg + first, n - first, f));
    for (int i = 0; i < n; i++) node.arg[i] = arg[i].node;
    enum nest_type type = nest_value_type(r, &arg[first]);
    if (!nest_fn_type(fn, type, &node.type))
        FAIL(ERR_USAGE, "function %s does not take %s, in the body \"%s\"", f, nest_type_name(type),
             r->m->spec->body);
    if (r->m->spec->exact && !nest_fn_is_exact(fn, type))
        FAIL(ERR_UNSUPPORTED,
             "%s of %s is not the same bits on every machine (docs/exact.md): "
             "determinism \"exact\" refuses it, \"run\" takes it",
             f, nest_type_name(type));
    return nest_add(r->m, &node, &out->node);
}

/* ---- reductions, scans, conversions, random numbers ---- */

static const struct {
    const char *name;
    int fold;
    bool scans;
} folds[] = {{"sum", NEST_SUM, false},       {"prod", NEST_PROD, false},
             {"amax", NEST_MAX, false},      {"amin", NEST_MIN, false},
             {"any", NEST_ANY, false},       {"all", NEST_ALL, false},
             {"argmax", NEST_ARGMAX, false}, {"argmin", NEST_ARGMIN, false},
             {"cumsum", NEST_SUM, true},     {"cumprod", NEST_PROD, true}};

static bool is_complex(enum nest_type type)
{
    return type == NEST_C64 || type == NEST_C128;
}

/* Truth values are counted as integers and complex numbers have no order. */
static bool folds_type(int fold, enum nest_type type)
{
    switch (fold) {
    case NEST_ANY:
    case NEST_ALL: return type == NEST_B;
    case NEST_SUM:
    case NEST_PROD: return type != NEST_B;
    default: return !is_complex(type);
    }
}

static enum err fold(struct reader *r, size_t which, struct value *arg, int n, struct value *out)
{
    int f = folds[which].fold;
    bool truth = f == NEST_ANY || f == NEST_ALL, place = f == NEST_ARGMAX || f == NEST_ARGMIN;
    struct nest_node node = {.kind = folds[which].scans ? NEST_SCAN : NEST_REDUCE,
                             .index = f,
                             .n_args = 1,
                             .level = NEST_INNER};
    if (n != 1) return nest_bad(r, "a reduction of other than one argument");
    if (!r->m->spec->n_inner) return nest_bad(r, "a reduction in a nest without inner loops");
    TRY(nest_settle(r, arg, truth ? NEST_B : r->m->compute));
    if (!folds_type(f, nest_value_type(r, arg)))
        FAIL(ERR_USAGE, "%s does not take %s, in the body \"%s\"", folds[which].name,
             nest_type_name(nest_value_type(r, arg)), r->m->spec->body);
    node.arg[0] = arg->node;
    node.type = place ? NEST_I64 : nest_value_type(r, arg);
    return nest_add(r->m, &node, &out->node);
}

static enum err cast(struct reader *r, enum nest_type type, struct value *arg, int n,
                     struct value *out)
{
    if (n != 1) return nest_bad(r, "a conversion of other than one argument");
    if (arg->node < 0 && !(is_whole(type) && !arg->whole)) {
        *out = *arg;
        return nest_settle(r, out, type);
    }
    TRY(nest_settle(r, arg, NEST_F64)); /* a number with a fraction, to be cut */
    *out = *arg;
    if (nest_value_type(r, arg) == type) return ERR_OK;
    struct nest_node node = {.kind = NEST_CAST, .type = type, .n_args = 1, .arg = {arg->node}};
    return nest_add(r->m, &node, &out->node);
}

/* to_i64(x), to_bf16(x), to_compute(x). *found: whether the word is one of these. */
static enum err conversion(struct reader *r, const char *word, struct value *arg, int n,
                           struct value *out, bool *found)
{
    enum dtype dtype = DTYPE_NONE;
    *found = !strncmp(word, "to_", 3);
    if (!*found) return ERR_OK;
    if (!strcmp(word, "to_compute")) return cast(r, r->m->compute, arg, n, out);
    for (int t = DTYPE_NONE + 1; t < DTYPE_END; t++)
        if (!strcmp(dtype_name((enum dtype)t), word + 3)) dtype = (enum dtype)t;
    if (!dtype) FAIL(ERR_USAGE, "there is no conversion \"%s\"", word);
    TRY(cast(r, nest_type_of(dtype), arg, n, out));
    struct nest_node node = {.kind = NEST_ROUND,
                             .type = nest_type_of(dtype),
                             .n_args = 1,
                             .arg = {out->node},
                             .dtype = dtype};
    return nest_type_dtype(node.type) == dtype ? ERR_OK : nest_add(r->m, &node, &out->node);
}

/* uniform(i), normal(i), word(i, w) */
static enum err random_number(struct reader *r, enum nest_random kind, struct value *arg, int n,
                              struct value *out)
{
    bool wide = r->m->compute == NEST_F64 || r->m->compute == NEST_C128;
    struct nest_node node = {.kind = NEST_RANDOM, .index = kind, .n_args = 1};
    if (n != 1 + (kind == NEST_WORD)) return nest_bad(r, "a random number of other arguments");
    if (kind == NEST_WORD) {
        if (arg[1].node >= 0 || !arg[1].whole || arg[1].i < 0 || arg[1].i > 3)
            return nest_bad(r, "the second argument of word is a number from 0 to 3; other");
        node.index += (int)arg[1].i;
    }
    TRY(nest_want(r, arg, NEST_I64, "a counter"));
    if (kind == NEST_NORMAL && wide && r->m->spec->exact)
        FAIL(ERR_UNSUPPORTED, "normal numbers have no exact form in this dtype (docs/exact.md)");
    node.type = kind == NEST_WORD ? NEST_I64 : wide ? NEST_F64 : NEST_F32;
    node.arg[0] = arg->node;
    return nest_add(r->m, &node, &out->node);
}

static const struct {
    const char *name;
    enum nest_random kind;
} randoms[] = {{"uniform", NEST_UNIFORM}, {"normal", NEST_NORMAL}, {"word", NEST_WORD}};

/* Reductions, scans, random numbers, conversions, else a function of the table. */
enum err nest_word(struct reader *r, const char *word, struct value *arg, int n, struct value *out)
{
    bool found;
    for (size_t i = 0; i < sizeof folds / sizeof *folds; i++)
        if (!strcmp(folds[i].name, word)) return fold(r, i, arg, n, out);
    for (size_t i = 0; i < sizeof randoms / sizeof *randoms; i++)
        if (!strcmp(randoms[i].name, word)) return random_number(r, randoms[i].kind, arg, n, out);
    TRY(conversion(r, word, arg, n, out, &found));
    return found ? ERR_OK : nest_call(r, word, arg, n, out);
}
