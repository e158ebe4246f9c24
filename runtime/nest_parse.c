/* nest_parse.c - the body of an operator, read into the nodes of a loop nest.
 *
 * One pass, recursive descent over a short text. A number without a type takes that of what it
 * meets; alone it takes the compute type of the nest. Depth, nodes and names are limited: a body
 * may come from outside.
 */
#include "runtime/nest_words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 100 };

static void blanks(struct reader *r)
{
    while (*r->p == ' ' || *r->p == '\n') r->p++;
}

static bool take(struct reader *r, const char *word)
{
    size_t n = strlen(word);
    blanks(r);
    if (strncmp(r->p, word, n)) return false;
    r->p += n;
    return true;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static enum err name(struct reader *r, char out[NAME_SIZE])
{
    int n = 0;
    blanks(r);
    for (; is_letter(*r->p) || (n && is_digit(*r->p)); r->p++) {
        if (n + 1 == NAME_SIZE) return nest_bad(r, "a name is too long");
        out[n++] = *r->p;
    }
    out[n] = 0;
    return n ? ERR_OK : nest_bad(r, "a name or a number is missing");
}

/* ---- calls ---- */

static enum err operate(struct reader *r, const char *f, struct value a, struct value b,
                        struct value *out)
{
    struct value arg[2] = {a, b};
    return nest_call(r, f, arg, 2, out);
}

static enum err expression(struct reader *r, struct value *out);

static enum err arguments(struct reader *r, struct value *arg, int *n)
{
    *n = 0;
    if (!take(r, "(")) return nest_bad(r, "\"(\" is missing");
    while (!take(r, ")")) {
        if (*n == NEST_NODE_ARGS) return nest_bad(r, "too many arguments");
        TRY(expression(r, &arg[(*n)++]));
        if (!take(r, ",")) {
            blanks(r);
            if (*r->p != ')') return nest_bad(r, "\",\" or \")\" is missing");
        }
    }
    return ERR_OK;
}

/* ---- names ---- */

static int array_of(const struct reader *r, const char *name, bool written)
{
    const struct nest_spec *s = r->m->spec;
    for (int i = 0; i < s->n_arrays; i++)
        if (s->array[i].written == written && !strcmp(s->array[i].name, name)) return i;
    return -1;
}

/* The level of what varies with every point. */
static enum nest_level deepest(const struct reader *r)
{
    return r->m->spec->n_inner ? NEST_INNER : NEST_OUTER;
}

static enum nest_level level_of(const struct reader *r, int array)
{
    return r->m->spec->outer[array] ? NEST_OUTER : deepest(r);
}

static enum nest_type enters(const struct reader *r, int array)
{
    const struct nest_spec *s = r->m->spec;
    return s->own[array] ? nest_type_of(s->array[array].dtype) : r->m->compute;
}

static enum err load(struct reader *r, int array, const struct value *at, int n, struct value *out)
{
    const struct nest_array *x = &r->m->spec->array[array];
    struct nest_node node = {.kind = NEST_LOAD,
                             .index = array,
                             .n_args = n,
                             .type = enters(r, array),
                             .level = level_of(r, array)};
    if (n != x->n_indexed)
        FAIL(ERR_USAGE, "\"%s\" is read at %d computed positions, not %d, in the body \"%s\"",
             x->name, x->n_indexed, n, r->m->spec->body);
    for (int i = 0; i < n; i++) node.arg[i] = at[i].node;
    TRY(nest_add(r->m, &node, &out->node));
    if (!x->rounds) return ERR_OK;
    struct nest_node round = {.kind = NEST_ROUND,
                              .type = node.type,
                              .n_args = 1,
                              .arg = {out->node},
                              .dtype = r->m->spec->compute};
    return nest_add(r->m, &round, &out->node);
}

/* ", i, j )": as many positions as there are. */
static enum err positions(struct reader *r, struct value *at, int *n)
{
    *n = 0;
    while (take(r, ",")) {
        if (*n == NEST_INDICES) return nest_bad(r, "too many positions");
        TRY(expression(r, &at[*n]));
        TRY(nest_want(r, &at[(*n)++], NEST_I64, "a position"));
    }
    return take(r, ")") ? ERR_OK : nest_bad(r, "\")\" is missing");
}

static enum err array_name(struct reader *r, bool written, int *out)
{
    char x[NAME_SIZE];
    if (!take(r, "(")) return nest_bad(r, "\"(\" is missing");
    TRY(name(r, x));
    *out = array_of(r, x, written);
    if (*out < 0) *out = array_of(r, x, !written);
    if (*out < 0) FAIL(ERR_USAGE, "there is no tensor \"%s\"", x);
    return ERR_OK;
}

static enum err load_at(struct reader *r, struct value *out)
{
    struct value at[NEST_INDICES];
    int n, array;
    TRY(array_name(r, false, &array));
    TRY(positions(r, at, &n));
    return load(r, array, at, n, out);
}

/* A plain number below n. */
static enum err small_number(struct reader *r, int n, const char *what, int *out)
{
    char *end;
    blanks(r);
    long d = strtol(r->p, &end, 10);
    if (end == r->p || d < 0 || d >= n) return nest_bad(r, what);
    r->p = end;
    *out = (int)d;
    return ERR_OK;
}

/* size(d), at(d): the loop is a plain number. */
static enum err loop_number(struct reader *r, int n_loops, int *out)
{
    if (!take(r, "(")) return nest_bad(r, "\"(\" is missing");
    TRY(small_number(r, n_loops, "the number of a loop is missing", out));
    return take(r, ")") ? ERR_OK : nest_bad(r, "\")\" is missing");
}

/* xsize(x), xsize(x, d) */
static enum err extent(struct reader *r, struct value *out)
{
    struct nest_node n = {.kind = NEST_EXTENT, .type = NEST_I64};
    int d = 0;
    TRY(array_name(r, false, &n.index));
    int have = r->m->spec->array[n.index].n_indexed;
    if (!have) return nest_bad(r, "xsize of a tensor without computed positions");
    if (take(r, ","))
        TRY(small_number(r, have, "the number of a computed position is missing", &d));
    n.value.i = d;
    if (!take(r, ")")) return nest_bad(r, "\")\" is missing");
    return nest_add(r->m, &n, &out->node);
}

static const struct {
    const char *name;
    enum nest_node_kind kind;
} places[] = {{"n", NEST_COUNT}, {"linear", NEST_LINEAR}, {"at", NEST_COORD}, {"size", NEST_SIZE}};

/* Names of the loops themselves; *found says whether it was one. */
static enum err place(struct reader *r, const char *word, struct value *out, bool *found)
{
    const struct nest_spec *s = r->m->spec;
    *found = false;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (strcmp(places[i].name, word)) continue;
        struct nest_node n = {.kind = places[i].kind, .type = NEST_I64};
        *found = true;
        if (n.kind == NEST_COORD || n.kind == NEST_SIZE)
            TRY(loop_number(r, s->n_outer + s->n_inner, &n.index));
        if (n.kind == NEST_LINEAR) n.level = deepest(r);
        if (n.kind == NEST_COORD && n.index >= s->n_outer) n.level = NEST_INNER;
        return nest_add(r->m, &n, &out->node);
    }
    return ERR_OK;
}

static enum err plain_name(struct reader *r, const char *word, struct value *out)
{
    const struct nest_spec *s = r->m->spec;
    bool found;
    for (int i = r->n_locals - 1; i >= 0; i--)
        if (!strcmp(r->local[i].name, word)) {
            *out = r->local[i].value;
            return ERR_OK;
        }
    int array = array_of(r, word, false);
    if (array >= 0) return load(r, array, NULL, 0, out);
    for (int i = 0; i < s->n_params; i++)
        if (!strcmp(s->param[i], word)) {
            struct nest_node n = {.kind = NEST_PARAM, .type = s->param_type[i], .index = i};
            return nest_add(r->m, &n, &out->node);
        }
    TRY(place(r, word, out, &found));
    if (found) return ERR_OK;
    FAIL(ERR_USAGE, "there is no \"%s\", before byte %d of the body \"%s\"", word,
         (int)(r->p - r->m->spec->body), r->m->spec->body);
}

static enum err function(struct reader *r, const char *word, struct value *out)
{
    struct value arg[NEST_NODE_ARGS];
    int n;
    if (!strcmp(word, "load")) return load_at(r, out);
    if (!strcmp(word, "xsize")) return extent(r, out);
    TRY(arguments(r, arg, &n));
    return nest_word(r, word, arg, n, out);
}

/* ---- expressions ---- */

static enum err number(struct reader *r, struct value *out)
{
    char *end, *end_int;
    *out = (struct value){.node = -1};
    errno = 0;
    out->i = strtoll(r->p, &end_int, 10);
    bool fits = !errno;
    out->r = strtod(r->p, &end);
    out->whole = end == end_int;
    if (out->whole && !fits) return nest_bad(r, "a number beyond 64 bits");
    r->p = end;
    return ERR_OK;
}

static enum err primary(struct reader *r, struct value *out)
{
    char word[NAME_SIZE];
    blanks(r);
    if (is_digit(*r->p)) return number(r, out);
    if (take(r, "(")) {
        TRY(expression(r, out));
        return take(r, ")") ? ERR_OK : nest_bad(r, "\")\" is missing");
    }
    TRY(name(r, word));
    blanks(r);
    bool is_place = !strcmp(word, "at") || !strcmp(word, "size");
    if (*r->p == '(' && !is_place) return function(r, word, out);
    if (!strcmp(word, "inf")) {
        *out = (struct value){.node = -1, .r = __builtin_inf()};
        return ERR_OK;
    }
    if (!strcmp(word, "nan")) {
        *out = (struct value){.node = -1, .r = __builtin_nan("")};
        return ERR_OK;
    }
    return plain_name(r, word, out);
}

static enum err unary(struct reader *r, struct value *out)
{
    if (++r->depth > DEPTH) return nest_bad(r, "expressions are nested too deep");
    enum err err;
    blanks(r);
    if (*r->p == '-') {
        r->p++;
        err = unary(r, out);
        if (!err && out->node < 0) {
            out->r = -out->r; /* of 0 too: what becomes a float is -0 */
            out->i = (int64_t) - (uint64_t)out->i;
        } else if (!err) {
            err = nest_call(r, "neg", out, 1, out);
        }
    } else if (*r->p == '!' && r->p[1] != '=') {
        r->p++;
        err = unary(r, out);
        if (!err) err = nest_settle(r, out, NEST_B);
        if (!err) err = nest_call(r, "not", out, 1, out);
    } else {
        err = primary(r, out);
    }
    r->depth--;
    return err;
}

/* Operators by rank, loosest first. */
static const struct {
    const char *text, *function;
    int rank;
} operators[] = {{"||", "or", 0}, {"&&", "and", 1}, {"==", "eq", 2}, {"!=", "ne", 2},
                 {"<=", "le", 3}, {">=", "ge", 3},  {"<", "lt", 3},  {">", "gt", 3},
                 {"+", "add", 4}, {"-", "sub", 4},  {"*", "mul", 5}, {"/", "div", 5}};
enum { TIGHTEST = 5 };

static const char *operator_at(struct reader *r, int rank)
{
    blanks(r);
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (operators[i].rank == rank && take(r, operators[i].text)) return operators[i].function;
    return NULL;
}

static enum err binary(struct reader *r, int rank, struct value *out)
{
    const char *f;
    if (rank > TIGHTEST) return unary(r, out);
    TRY(binary(r, rank + 1, out));
    while ((f = operator_at(r, rank))) {
        struct value right;
        TRY(binary(r, rank + 1, &right));
        TRY(operate(r, f, *out, right, out));
    }
    return ERR_OK;
}

static enum err expression(struct reader *r, struct value *out)
{
    struct value arg[3];
    if (++r->depth > DEPTH) return nest_bad(r, "expressions are nested too deep");
    TRY(binary(r, 0, &arg[0]));
    *out = arg[0];
    if (take(r, "?")) {
        TRY(expression(r, &arg[1]));
        if (!take(r, ":")) return nest_bad(r, "\":\" is missing");
        TRY(expression(r, &arg[2]));
        TRY(nest_call(r, "where", arg, 3, out));
    }
    r->depth--;
    return ERR_OK;
}

/* ---- statements ---- */

static enum err store(struct reader *r, int array, struct value *v, const struct value *at, int n)
{
    const struct nest_array *x = &r->m->spec->array[array];
    struct nest_node node = {
        .kind = NEST_STORE, .index = array, .n_args = n + 1, .level = level_of(r, array)};
    int unused;
    if (n != x->n_indexed)
        FAIL(ERR_USAGE, "\"%s\" is stored at %d computed positions, not %d, in the body \"%s\"",
             x->name, x->n_indexed, n, r->m->spec->body);
    TRY(nest_settle(r, v, enters(r, array)));
    node.type = nest_value_type(r, v);
    node.arg[0] = v->node;
    for (int i = 0; i < n; i++) node.arg[1 + i] = at[i].node;
    return nest_add(r->m, &node, &unused);
}

static enum err store_at(struct reader *r)
{
    struct value at[NEST_INDICES], v;
    int n, array;
    TRY(array_name(r, true, &array));
    if (!r->m->spec->array[array].written) return nest_bad(r, "a store into an argument");
    TRY(positions(r, at, &n));
    if (!take(r, "=")) return nest_bad(r, "\"=\" is missing");
    TRY(expression(r, &v));
    return store(r, array, &v, at, n);
}

/* A later value of a name takes the place of an earlier one. */
static enum err remember(struct reader *r, const char *word, struct value v)
{
    if (r->n_locals == LOCALS) return nest_bad(r, "too many local names");
    strcpy(r->local[r->n_locals].name, word);
    r->local[r->n_locals++].value = v;
    return ERR_OK;
}

static enum err statement(struct reader *r)
{
    char word[NAME_SIZE];
    struct value v;
    TRY(name(r, word));
    blanks(r);
    if (!strcmp(word, "store") && *r->p == '(') return store_at(r);
    if (!take(r, "=")) return nest_bad(r, "\"=\" is missing");
    TRY(expression(r, &v));
    int array = array_of(r, word, true);
    if (array >= 0) TRY(store(r, array, &v, NULL, 0));
    return remember(r, word, v);
}

enum err nest_parse(struct nest_maker *m)
{
    struct reader *r = calloc(1, sizeof *r);
    if (!r) FAIL(ERR_NOMEM, "out of memory for a loop nest");
    r->m = m;
    r->p = m->spec->body;
    enum err err = ERR_OK;
    do {
        blanks(r);
        if (!*r->p) break;
        err = statement(r);
    } while (!err && take(r, ";"));
    blanks(r);
    if (!err && *r->p) err = nest_bad(r, "\";\" is missing");
    free(r);
    return err;
}
