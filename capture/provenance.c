/* provenance.c - names to lines, then each relation joins two such tables by a mapping.
 *
 * A *table* maps a name to a list of lines: nodes have one, kernels any number. Left sides are
 * visited in byte order of their names, so that the last one with links wins a line (see
 * provenance.h).
 */
#include "capture/provenance.h"

#include "store/base/map.h"

static const uint64_t max_search = (uint64_t)1 << 32; /* bytes compared in one call */

struct lines {
    uint32_t *p;
    uint32_t n;
};
struct table {
    struct map names; /* name -> index into lists */
    LIST_OF(struct lines) lists;
};
/* Lines of a text by number. */
struct index {
    struct span text;
    uint32_t *starts; /* offset of line i + 1 */
    uint32_t n;
};
struct search {
    struct arena *arena;
    struct index code;
    bool is_cpp;
    const struct provenance_texts *texts;
    uint32_t from; /* first line searched, 0-based */
    uint64_t compared;
};

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for a provenance map");
}

/* ---- lines of a text ---- */

static enum err index_lines(struct span text, struct arena *arena, struct index *out)
{
    uint32_t n = 1;
    if (text.n > PROVENANCE_MAX_TEXT)
        FAIL(ERR_LIMIT, "a text of %zu bytes: at most 1 GiB is mapped", text.n);
    for (size_t at = 0; (at = span_find(text, SPAN("\n"), at)) != SIZE_MAX; at++) n++;
    *out = (struct index){text, arena_array(arena, n, sizeof(uint32_t)), n};
    if (!out->starts) return no_memory();
    n = 1;
    for (size_t at = 0; (at = span_find(text, SPAN("\n"), at)) != SIZE_MAX; at++)
        out->starts[n++] = (uint32_t)at + 1;
    return ERR_OK;
}

static uint32_t line_at(const struct index *x, size_t offset)
{
    uint32_t low = 0, high = x->n;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (x->starts[middle] <= offset) low = middle;
        else high = middle;
    }
    return low;
}

static struct span line_text(const struct index *x, uint32_t line)
{
    size_t start = x->starts[line];
    size_t stop = line + 1 < x->n ? x->starts[line + 1] - 1 : x->text.n;
    return (struct span){x->text.p + start, stop - start};
}

static bool contains(struct span text, struct span needle)
{
    return span_find(text, needle, 0) != SIZE_MAX;
}

/* ---- nodes ---- */

static enum err table_add(struct table *t, struct span name, struct lines lines)
{
    bool added;
    int64_t *at = map_put(&t->names, map_key(name), (int64_t)t->lists.n, &added);
    if (!at) return no_memory();
    if (!added) {
        t->lists.p[*at] = lines;
        return ERR_OK;
    }
    struct lines *slot = LIST_PUSH(&t->lists);
    if (!slot) return no_memory();
    *slot = lines;
    return ERR_OK;
}

static struct lines table_find(const struct table *t, struct span name)
{
    const int64_t *at = name.p ? map_get(&t->names, map_key(name)) : NULL;
    return at ? t->lists.p[*at] : (struct lines){0};
}

static void table_release(struct table *t)
{
    map_release(&t->names);
    LIST_RELEASE(&t->lists);
}

static struct span node_name(struct span line)
{
    line = span_trim(line);
    if (!line.n || line.p[0] == '#') return SPAN_NONE;
    line = span_to(line, span_find(line, SPAN("="), 0));
    return span_trim(span_to(line, span_find(line, SPAN(":"), 0)));
}

static enum err read_nodes(struct span text, struct arena *arena, struct table *out)
{
    struct span line;
    uint32_t number = 0;
    if (text.n > PROVENANCE_MAX_TEXT)
        FAIL(ERR_LIMIT, "a graph of %zu bytes: at most 1 GiB is mapped", text.n);
    while (text.p && span_next_line(&text, &line)) {
        struct span name = node_name(line);
        number++;
        if (!name.n) continue;
        uint32_t *slot = arena_array(arena, 1, sizeof *slot);
        if (!slot) return no_memory();
        *slot = number;
        TRY(table_add(out, name, (struct lines){slot, 1}));
    }
    return ERR_OK;
}

/* ---- kernels ---- */

struct span provenance_bare_name(struct span name, bool is_cpp)
{
    size_t at = is_cpp ? name.n : 0;
    if (is_cpp)
        while (at && name.p[at - 1] != ':') at--;
    else at = span_find(name, SPAN(":"), 0);
    if (is_cpp) return at ? span_to(name, at - 1) : name;
    return span_to(name, at);
}

/* First line with "def", "call", "(args)" (Python) or "::run_impl(" (C++), else the first. */
static uint32_t search_start(const struct index *x, bool is_cpp)
{
    struct span needle = is_cpp ? SPAN("::run_impl(") : SPAN("(args)");
    for (size_t at = 0; (at = span_find(x->text, needle, at)) != SIZE_MAX;) {
        uint32_t line = line_at(x, at);
        struct span text = line_text(x, line);
        if (is_cpp || (contains(text, SPAN("def")) && contains(text, SPAN("call")))) return line;
        at = x->starts[line] + text.n;
    }
    return 0;
}

uint32_t provenance_code_line(struct span code, bool is_cpp)
{
    uint32_t line = 1;
    struct span text;
    if (is_cpp) {
        while (span_next_line(&code, &text) && (!text.n || span_is(text, "\r"))) line++;
        return line;
    }
    size_t at = span_find(code, SPAN("# AOT ID:"), 0);
    for (size_t i = 0; at != SIZE_MAX && (i = span_find(code, SPAN("\n"), i)) < at; i++) line++;
    return line;
}

/* Offset of the needle at or after line `from`; SIZE_MAX when there is none. */
static size_t find_from(struct search *s, struct span needle, uint32_t from)
{
    if (from >= s->code.n || !needle.n) return SIZE_MAX;
    size_t at = span_find(s->code.text, needle, s->code.starts[from]);
    s->compared += (at == SIZE_MAX ? s->code.text.n : at) - s->code.starts[from];
    return at;
}

/* Line of the handle's comment, or UINT32_MAX. */
static uint32_t handle_line(struct search *s, struct span name)
{
    for (uint32_t from = s->from; from < s->code.n;) {
        size_t at = find_from(s, name, from);
        if (at == SIZE_MAX) return UINT32_MAX;
        uint32_t line = line_at(&s->code, at);
        size_t start = s->code.starts[line];
        if (s->is_cpp || memchr(s->code.text.p + start, '#', at - start)) return line;
        from = line + 1;
    }
    return UINT32_MAX;
}

/* The first line after the handle's that has the bare name, or UINT32_MAX. */
static uint32_t line_below(struct search *s, struct span bare, uint32_t handle)
{
    for (uint32_t from = handle + 1; from < s->code.n;) {
        size_t at = find_from(s, bare, from);
        if (at == SIZE_MAX) return UINT32_MAX;
        uint32_t line = line_at(&s->code, at);
        struct span after = span_from(s->code.text, at + bare.n);
        if (!s->is_cpp || !span_starts(after, "_xnumel =")) return line;
        from = line + 1;
    }
    return UINT32_MAX;
}

static enum err all_lines(struct search *s, struct span bare, struct lines *out)
{
    LIST_OF(uint32_t) found = {0};
    for (uint32_t from = s->from; from < s->code.n;) {
        size_t at = find_from(s, bare, from);
        if (at == SIZE_MAX) break;
        uint32_t line = line_at(&s->code, at);
        uint32_t *slot = LIST_PUSH(&found);
        if (!slot) break;
        *slot = line + 1;
        from = line + 1;
    }
    uint32_t *copy = arena_array(s->arena, found.n + 1, sizeof *copy);
    if (copy && found.n) memcpy(copy, found.p, found.n * sizeof *copy);
    *out = (struct lines){copy, (uint32_t)found.n};
    LIST_RELEASE(&found);
    return copy ? ERR_OK : no_memory();
}

static enum err one_line(struct search *s, uint32_t line, struct lines *out)
{
    out->p = arena_array(s->arena, 1, sizeof *out->p);
    if (!out->p) return no_memory();
    out->p[0] = line;
    out->n = 1;
    return ERR_OK;
}

static enum err find_kernel(struct search *s, struct span name, struct lines *out)
{
    struct span bare = provenance_bare_name(name, s->is_cpp);
    int64_t told = s->texts->line_of ? s->texts->line_of(s->texts->context, bare) : -1;
    *out = (struct lines){0};
    if (told >= 0) return told && told <= s->code.n ? one_line(s, (uint32_t)told, out) : ERR_OK;
    uint32_t line = UINT32_MAX;
    if (s->compared > max_search)
        FAIL(ERR_LIMIT, "the kernels of a provenance map were not all looked for: too many names "
                        "for code of this length");
    if (bare.n < name.n) line = handle_line(s, name);
    if (line != UINT32_MAX) line = line_below(s, bare, line);
    return line == UINT32_MAX ? all_lines(s, bare, out) : one_line(s, line + 1, out);
}

static enum err read_kernels(struct search *s, const struct json *kernels, struct table *out)
{
    if (!kernels || kernels->type != JSON_OBJECT || !s->code.text.p) return ERR_OK;
    for (const struct json *j = kernels->first; j; j = j->next) {
        struct lines lines;
        TRY(find_kernel(s, j->key, &lines));
        TRY(table_add(out, j->key, lines));
    }
    return ERR_OK;
}

/* ---- relations ---- */

/* A left line and the name that leads to it. */
struct left {
    uint32_t line;
    uint32_t order; /* of the name */
    const struct json *names;
};

static int by_key(const void *a, const void *b)
{
    struct span x = (*(const struct json *const *)a)->key,
                y = (*(const struct json *const *)b)->key;
    int c = memcmp(x.p ? x.p : "", y.p ? y.p : "", x.n < y.n ? x.n : y.n);
    return c ? c : (x.n > y.n) - (x.n < y.n);
}

static int by_line(const void *a, const void *b)
{
    const struct left *x = a, *y = b;
    if (x->line != y->line) return x->line < y->line ? -1 : 1;
    return (x->order < y->order) - (x->order > y->order); /* the last name first */
}

static size_t count_links(const struct json *names, const struct table *right)
{
    size_t n = 0;
    for (const struct json *j = names->type == JSON_LIST ? names->first : NULL; j; j = j->next)
        n += table_find(right, json_string(j)).n;
    return n;
}

static enum err add_links(enum provenance_relation relation, const struct left *left,
                          const struct table *right, struct provenance_links *out)
{
    uint32_t position = 0;
    for (const struct json *j = left->names->first; j; j = j->next) {
        struct lines lines = table_find(right, json_string(j));
        for (uint32_t i = 0; i < lines.n; i++) {
            if (out->n >= PROVENANCE_MAX_LINKS)
                FAIL(ERR_LIMIT, "a provenance map has more than %d links", PROVENANCE_MAX_LINKS);
            struct provenance_link *slot = LIST_PUSH(out);
            if (!slot) return no_memory();
            *slot = (struct provenance_link){relation, left->line, position++, lines.p[i]};
        }
    }
    return ERR_OK;
}

/* All (line, name) pairs of the relation's left side that have links, ordered by line. */
static enum err collect_left(const struct json *mapping, const struct table *from,
                             const struct table *to, struct arena *arena, struct left **out,
                             size_t *n)
{
    size_t n_lines = 0, i = 0;
    uint64_t work = 0;
    const struct json **keys = arena_array(arena, mapping->n + 1, sizeof *keys);
    if (!keys) return no_memory();
    for (const struct json *j = mapping->first; j; j = j->next) {
        keys[i++] = j;
        n_lines += table_find(from, j->key).n;
        work += (uint64_t)table_find(from, j->key).n * j->n;
    }
    if (n_lines > PROVENANCE_MAX_LINKS || work > max_search)
        FAIL(ERR_LIMIT, "a provenance map has more than %d lines, or too many names for them",
             PROVENANCE_MAX_LINKS);
    qsort(keys, i, sizeof *keys, by_key);
    *out = arena_array(arena, n_lines + 1, sizeof **out);
    if (!*out) return no_memory();
    for (size_t k = 0; k < i; k++) {
        struct lines lines = table_find(from, keys[k]->key);
        if (!lines.n || !count_links(keys[k], to)) continue;
        for (uint32_t l = 0; l < lines.n; l++)
            (*out)[(*n)++] = (struct left){lines.p[l], (uint32_t)k, keys[k]};
    }
    qsort(*out, *n, sizeof **out, by_line);
    return ERR_OK;
}

static enum err relate(enum provenance_relation relation, const struct json *mapping,
                       const struct table *from, const struct table *to, struct arena *arena,
                       struct provenance_links *out)
{
    struct left *left = NULL;
    size_t n = 0;
    if (!mapping || mapping->type != JSON_OBJECT) return ERR_OK;
    TRY(collect_left(mapping, from, to, arena, &left, &n));
    for (size_t i = 0; i < n; i++)
        if (!i || left[i].line != left[i - 1].line) TRY(add_links(relation, &left[i], to, out));
    return ERR_OK;
}

enum err provenance_read(const struct provenance_texts *texts, const struct json *mappings,
                         struct arena *arena, struct provenance_links *out)
{
    struct table pre = {0}, post = {0}, code = {0};
    struct search search = {.arena = arena, .is_cpp = texts->is_cpp, .texts = texts};
    const struct json *kernels = json_get(mappings, "cppCodeToPost");
    enum provenance_relation code_to_post =
        texts->is_cpp ? PROVENANCE_CPP_CODE_TO_POST : PROVENANCE_PY_CODE_TO_POST;
    enum err err = ERR_OK;
    TRY_OUT(read_nodes(texts->pre, arena, &pre));
    TRY_OUT(read_nodes(texts->post, arena, &post));
    if (texts->code.p) {
        TRY_OUT(index_lines(texts->code, arena, &search.code));
        search.from = search_start(&search.code, texts->is_cpp);
        TRY_OUT(read_kernels(&search, kernels, &code));
    }
    TRY_OUT(
        relate(PROVENANCE_PRE_TO_POST, json_get(mappings, "preToPost"), &pre, &post, arena, out));
    TRY_OUT(
        relate(PROVENANCE_POST_TO_PRE, json_get(mappings, "postToPre"), &post, &pre, arena, out));
    TRY_OUT(relate(code_to_post, kernels, &code, &post, arena, out));
    TRY_OUT(
        relate(code_to_post + 1, json_get(mappings, "postToCppCode"), &post, &code, arena, out));
out:
    table_release(&pre);
    table_release(&post);
    table_release(&code);
    return err;
}
