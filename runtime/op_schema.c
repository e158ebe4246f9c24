/* op_schema.c - reads schema text with one pointer and no look back. */
#include "runtime/op_schema.h"

#include "store/base/dtype.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *text, *p;
};

static enum err bad(const struct reader *r, const char *what)
{
    FAIL(ERR_FORMAT, "schema \"%s\": %s at byte %d", r->text, what, (int)(r->p - r->text));
}

static void blanks(struct reader *r)
{
    while (*r->p == ' ') r->p++;
}

static bool take(struct reader *r, const char *word)
{
    size_t n = strlen(word);
    blanks(r);
    if (strncmp(r->p, word, n)) return false;
    r->p += n;
    return true;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':' || c == '.';
}

static enum err word(struct reader *r, char *out, size_t size)
{
    size_t n = 0;
    blanks(r);
    for (; is_word(*r->p); r->p++) {
        if (n + 1 >= size) return bad(r, "a name is too long");
        out[n++] = *r->p;
    }
    out[n] = 0;
    return n ? ERR_OK : bad(r, "a name is missing");
}

/* ---- types ---- */

static const struct {
    const char *name;
    enum op_kind kind, list;
} types[] = {
    {"Tensor", OP_TENSOR, OP_TENSORS}, {"int", OP_INT, OP_INTS},
    {"SymInt", OP_INT, OP_INTS},       {"Scalar", OP_SCALAR, OP_NONE},
    {"float", OP_REAL, OP_NONE},       {"bool", OP_BOOL, OP_INTS},
    {"ScalarType", OP_DTYPE, OP_NONE}, {"str", OP_TEXT, OP_NONE},
    {"Layout", OP_NONE, OP_NONE},      {"Device", OP_NONE, OP_NONE},
    {"Generator", OP_NONE, OP_NONE},   {"MemoryFormat", OP_NONE, OP_NONE},
};

static enum err alias(struct reader *r, struct op_param *p)
{
    if (!take(r, "(")) return ERR_OK;
    p->alias = *r->p++;
    p->written = take(r, "!");
    while (*r->p && strchr(" ->*", *r->p)) r->p++; /* (a -> *): a list of views of it */
    return take(r, ")") ? ERR_OK : bad(r, "an alias without )");
}

static enum err type(struct reader *r, struct op_param *p)
{
    char name[32];
    size_t i = 0, n = sizeof types / sizeof *types;
    TRY(word(r, name, sizeof name));
    while (i < n && strcmp(types[i].name, name)) i++;
    if (i == n) return bad(r, "an unknown type ends");
    p->kind = types[i].kind;
    TRY(alias(r, p));
    if (*r->p == '?') r->p++, p->optional = true;
    if (*r->p == '[') {
        p->truths = p->kind == OP_BOOL;
        p->kind = types[i].list;
        while (*r->p && *r->p != ']') r->p++;
        if (*r->p) r->p++;
        p->optional = p->kind == OP_NONE;
        TRY(alias(r, p));
        if (*r->p == '?') r->p++, p->optional = true;
    }
    return ERR_OK;
}

/* ---- defaults ---- */

static enum err default_ints(struct reader *r, struct op_param *p)
{
    while (!take(r, "]")) {
        char *end;
        if (p->value.n == OP_DEFAULT_INTS) return bad(r, "too many default integers");
        p->ints[p->value.n++] = strtoll(r->p, &end, 10);
        if (end == r->p) return bad(r, "an integer is missing");
        r->p = end;
        take(r, ",");
    }
    p->value.kind = OP_INTS;
    return ERR_OK;
}

static enum err default_number(struct reader *r, struct op_param *p)
{
    char *end, *end_int;
    p->value.r = strtod(r->p, &end);
    p->value.i = strtoll(r->p, &end_int, 10);
    if (end == r->p) return bad(r, "a default is missing");
    p->value.is_int = end == end_int;
    p->value.kind = p->kind;
    if (p->kind == OP_DTYPE) { /* "dtype=4" is PyTorch's number of int64 */
        if (p->value.i != 4) return bad(r, "a dtype's number that is not known");
        p->value.i = DTYPE_I64;
    }
    if (p->kind == OP_INTS) { /* int[1] dim=0 */
        p->ints[0] = p->value.i;
        p->value.n = 1;
    }
    r->p = end;
    return ERR_OK;
}

static enum err default_text(struct reader *r, struct op_param *p)
{
    char quote = *r->p++;
    size_t n = 0;
    for (; *r->p && *r->p != quote; r->p++) {
        if (n + 1 >= sizeof p->text) return bad(r, "a default text is too long");
        p->text[n++] = *r->p;
    }
    if (!*r->p) return bad(r, "a text without end");
    r->p++;
    p->value.kind = OP_TEXT;
    return ERR_OK;
}

static enum err default_value(struct reader *r, struct op_param *p)
{
    p->has_default = true;
    if (take(r, "None")) return ERR_OK;
    if (p->kind == OP_NONE) { /* contiguous_format and the like: only None may be given */
        char name[32];
        return word(r, name, sizeof name);
    }
    if (take(r, "[")) return default_ints(r, p);
    if (take(r, "True") || take(r, "False")) {
        p->value.i = r->p[-1] == 'e' && r->p[-2] == 'u';
        p->value.kind = OP_BOOL;
        return ERR_OK;
    }
    if (take(r, "Mean") || take(r, "Sum")) { /* enum at::Reduction */
        p->value.i = r->p[-1] == 'n' ? 1 : 2;
        p->value.kind = OP_INT;
        return ERR_OK;
    }
    blanks(r);
    if (p->kind == OP_NONE) { /* contiguous_format, and the like: taken as None */
        char name[32];
        return word(r, name, sizeof name);
    }
    if (*r->p == '\'' || *r->p == '"') return default_text(r, p);
    return default_number(r, p);
}

/* ---- the whole ---- */

static enum err params(struct reader *r, struct op_schema *out)
{
    bool keyword = false;
    if (!take(r, "(")) return bad(r, "( is missing");
    while (!take(r, ")")) {
        if (take(r, "*")) {
            keyword = true;
            take(r, ",");
            continue;
        }
        if (out->n_params == OP_ARGS) return bad(r, "too many arguments");
        struct op_param *p = &out->param[out->n_params++];
        *p = (struct op_param){.keyword = keyword};
        TRY(type(r, p));
        TRY(word(r, p->name, sizeof p->name));
        if (take(r, "=")) TRY(default_value(r, p));
        if (!take(r, ",") && *r->p != ')') return bad(r, ", or ) is missing");
    }
    return ERR_OK;
}

static int arg_of_alias(const struct op_schema *s, char letter)
{
    for (int i = 0; i < s->n_params; i++)
        if (letter && s->param[i].alias == letter) return i;
    return -1;
}

static enum err result(struct reader *r, struct op_schema *out)
{
    struct op_param p = {0};
    char name[32];
    if (out->n_results == OP_RESULTS) return bad(r, "too many results");
    TRY(type(r, &p));
    if (is_word(*r->p) || (*r->p == ' ' && is_word(r->p[1]))) TRY(word(r, name, sizeof name));
    if (p.kind != OP_TENSOR && p.kind != OP_TENSORS) return bad(r, "a result that is no tensor");
    int i = out->n_results++;
    out->result_list = p.kind == OP_TENSORS;
    out->result_arg[i] = p.written ? arg_of_alias(out, p.alias) : -1;
    out->result_view[i] = p.alias && !p.written;
    return ERR_OK;
}

static enum err results(struct reader *r, struct op_schema *out)
{
    if (!take(r, "->")) return bad(r, "-> is missing");
    if (!take(r, "(")) return result(r, out);
    while (!take(r, ")")) {
        TRY(result(r, out));
        if (!take(r, ",") && *r->p != ')') return bad(r, ", or ) is missing");
    }
    return ERR_OK;
}

enum err op_schema_read(const char *text, struct op_schema *out)
{
    struct reader r = {text, text};
    *out = (struct op_schema){0};
    TRY(word(&r, out->name, sizeof out->name));
    TRY(params(&r, out));
    TRY(results(&r, out));
    blanks(&r);
    return *r.p ? bad(&r, "more text follows") : ERR_OK;
}
