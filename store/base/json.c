/* json.c - a tree built from yajl's events, where json_plain.c does not manage.
 *
 * yajl gives strings that may point into its own decode buffer; those are recognised by address
 * (not inside the text) and copied. NaN and Infinity, which yajl refuses, are handled by a second
 * try on a copy of the text where numbers that no program prints stand for them.
 */
#include "store/base/json.h"
#include "store/base/json_plain.h"

#include <math.h>
#include <stdlib.h>
#include <yajl/yajl_parse.h>

enum { MAX_DEPTH = 200 };

/* Python's non-finite numbers and the JSON numbers that stand for them in the second try. */
static const struct {
    const char *python, *json;
} non_finite[] = {{"-Infinity", "-1e99999"}, {"Infinity", "1e99999"}, {"NaN", "-0e99999"}};
enum { N_NON_FINITE = sizeof non_finite / sizeof *non_finite };

struct builder {
    struct span text;
    struct arena *arena;
    struct json *stack[MAX_DEPTH]; /* open lists and objects */
    struct json *last[MAX_DEPTH];  /* newest member of each */
    int depth;
    struct json *root;
    struct span key; /* waiting for its value */
    const char *why; /* our own refusal, NULL when yajl's */
    int n_values;
};

static bool inside(const struct builder *b, const unsigned char *p)
{
    return (const char *)p >= b->text.p && (const char *)p < b->text.p + b->text.n;
}

static struct span keep(struct builder *b, const unsigned char *p, size_t n)
{
    struct span s = {(const char *)p, n};
    if (n == 0) return SPAN("");
    return inside(b, p) ? s : arena_copy(b->arena, s);
}

static const char too_many[] = "too many values";

static struct json *add(struct builder *b, enum json_type type)
{
    if (b->n_values++ == JSON_VALUES) {
        b->why = too_many;
        return NULL;
    }
    struct json *j = arena_alloc(b->arena, sizeof *j);
    if (!j) {
        b->why = "out of memory";
        return NULL;
    }
    j->type = type;
    j->key = b->key;
    b->key = SPAN_NONE;
    if (!b->depth) {
        b->root = j;
        return j;
    }
    struct json *parent = b->stack[b->depth - 1];
    if (b->last[b->depth - 1]) b->last[b->depth - 1]->next = j;
    else parent->first = j;
    b->last[b->depth - 1] = j;
    parent->n++;
    return j;
}

static int on_null(void *ctx)
{
    return add(ctx, JSON_NULL) != NULL;
}

static int on_bool(void *ctx, int value)
{
    struct json *j = add(ctx, JSON_BOOL);
    if (j) j->i = value != 0, j->r = j->i;
    return j != NULL;
}

static int on_number(void *ctx, const char *p, size_t n)
{
    struct json *j = add(ctx, JSON_INT);
    if (!j) return 0;
    j->text = keep(ctx, (const unsigned char *)p, n);
    if (span_to_i64(j->text, &j->i)) {
        j->r = (double)j->i;
        return 1;
    }
    j->type = JSON_REAL;
    for (int k = 0; k < N_NON_FINITE; k++)
        if (span_is(j->text, non_finite[k].json)) j->text = span_of(non_finite[k].python);
    char text[400];
    if (j->text.n >= sizeof text) return 1;
    memcpy(text, j->text.p, j->text.n);
    text[j->text.n] = 0;
    j->r = strtod(text, NULL);
    return 1;
}

static int on_string(void *ctx, const unsigned char *p, size_t n)
{
    struct json *j = add(ctx, JSON_STRING);
    if (!j) return 0;
    j->text = keep(ctx, p, n);
    return j->text.p != NULL;
}

static int on_key(void *ctx, const unsigned char *p, size_t n)
{
    struct builder *b = ctx;
    b->key = keep(b, p, n);
    return b->key.p != NULL;
}

static int open_member(struct builder *b, enum json_type type)
{
    if (b->depth == MAX_DEPTH) {
        b->why = "nested deeper than 200 levels";
        return 0;
    }
    struct json *j = add(b, type);
    if (!j) return 0;
    b->stack[b->depth] = j;
    b->last[b->depth] = NULL;
    b->depth++;
    return 1;
}

static int on_map(void *ctx)
{
    return open_member(ctx, JSON_OBJECT);
}
static int on_list(void *ctx)
{
    return open_member(ctx, JSON_LIST);
}

static int on_close(void *ctx)
{
    struct builder *b = ctx;
    b->depth--;
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_bool,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_map,
    .yajl_map_key = on_key,
    .yajl_end_map = on_close,
    .yajl_start_array = on_list,
    .yajl_end_array = on_close,
};

static enum err parse_once(struct span text, struct arena *arena, struct json **out)
{
    struct builder b = {.text = text, .arena = arena};
    yajl_handle h = yajl_alloc(&callbacks, NULL, &b);
    if (!h) FAIL(ERR_NOMEM, "out of memory for a JSON parser");
    yajl_config(h, yajl_dont_validate_strings, 1);
    yajl_status st = yajl_parse(h, (const unsigned char *)text.p, text.n);
    size_t at = yajl_get_bytes_consumed(h);
    if (st == yajl_status_ok) {
        st = yajl_complete_parse(h);
        at = text.n;
    }
    yajl_free(h);
    if (st == yajl_status_ok && b.root && !b.depth) {
        *out = b.root;
        return ERR_OK;
    }
    if (b.why && !strcmp(b.why, "out of memory")) FAIL(ERR_NOMEM, "out of memory for JSON text");
    if (b.why == too_many) FAIL(ERR_LIMIT, "JSON text of more than %d values", JSON_VALUES);
    if (!text.n) FAIL(ERR_FORMAT, "empty where JSON was expected");
    FAIL(ERR_FORMAT, "not valid JSON at byte %zu of %zu%s%s", at, text.n, b.why ? ": " : "",
         b.why          ? b.why
         : at >= text.n ? ": it ends too early"
                        : "");
}

/* Writes text with non-finite numbers outside strings replaced; false when there is none. */
static bool replace_non_finite(struct span text, struct buf *out)
{
    bool in_string = false, any = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (in_string && c == '\\' && i + 1 < text.n) {
            buf_putc(out, c);
            c = text.p[++i];
        } else if (c == '"') {
            in_string = !in_string;
        }
        int k = in_string || !strchr("-IN", c) || !c ? N_NON_FINITE : 0;
        while (k < N_NON_FINITE && !span_starts(span_from(text, i), non_finite[k].python)) k++;
        if (k == N_NON_FINITE) {
            buf_putc(out, c);
            continue;
        }
        buf_puts(out, non_finite[k].json);
        i += strlen(non_finite[k].python) - 1;
        any = true;
    }
    return any;
}

enum err json_parse(struct span text, struct arena *arena, struct json **out)
{
    enum err why;
    if (!text.p) text = SPAN("");
    *out = json_plain(text, arena, &why);
    if (*out) return ERR_OK;
    if (why == ERR_NOMEM) FAIL(ERR_NOMEM, "out of memory for JSON text");
    if (why == ERR_LIMIT) FAIL(ERR_LIMIT, "JSON text of more than %d values", JSON_VALUES);
    return json_by_yajl(text, arena, out);
}

enum err json_by_yajl(struct span text, struct arena *arena, struct json **out)
{
    enum err err = parse_once(text, arena, out);
    if (err != ERR_FORMAT || (!memchr(text.p, 'N', text.n) && !memchr(text.p, 'I', text.n)))
        return err;
    struct buf finite = {0};
    if (replace_non_finite(text, &finite) && !finite.failed) {
        struct span copy = arena_copy(arena, buf_text(&finite));
        err = copy.p ? parse_once(copy, arena, out)
                     : err_set(ERR_NOMEM, "out of memory for JSON text");
    }
    buf_release(&finite);
    return err;
}

const struct json *json_get(const struct json *j, const char *name)
{
    const struct json *found = NULL;
    struct span key = span_of(name);
    if (!j || j->type != JSON_OBJECT) return NULL;
    for (const struct json *m = j->first; m; m = m->next)
        if (span_eq(m->key, key)) found = m;
    return found;
}

struct span json_string(const struct json *j)
{
    return j && j->type == JSON_STRING ? j->text : SPAN_NONE;
}

int64_t json_int(const struct json *j, int64_t otherwise)
{
    return j && (j->type == JSON_INT || j->type == JSON_BOOL) ? j->i : otherwise;
}

double json_real(const struct json *j)
{
    return j && (j->type == JSON_INT || j->type == JSON_REAL) ? j->r : NAN;
}

static void print_members(struct buf *b, const struct json *j)
{
    for (const struct json *m = j->first; m; m = m->next) {
        if (m != j->first) buf_puts(b, ", ");
        if (j->type == JSON_OBJECT) {
            buf_json(b, m->key);
            buf_puts(b, ": ");
        }
        json_print(b, m);
    }
}

/* The recursion is as deep as the tree, which json_parse limits to MAX_DEPTH. */
void json_print(struct buf *b, const struct json *j)
{
    switch (j->type) {
    case JSON_NULL: buf_puts(b, "null"); break;
    case JSON_BOOL: buf_puts(b, j->i ? "true" : "false"); break;
    case JSON_INT:
    case JSON_REAL: buf_span(b, j->text); break;
    case JSON_STRING: buf_json(b, j->text); break;
    case JSON_LIST:
    case JSON_OBJECT:
        buf_putc(b, j->type == JSON_LIST ? '[' : '{');
        print_members(b, j);
        buf_putc(b, j->type == JSON_LIST ? ']' : '}');
        break;
    }
}
