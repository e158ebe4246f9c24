/* imp_break.c - graph breaks and reasons for recompiling, which PyTorch writes as prose.
 *
 *   Graph break in user code at /home/user/a.py:16
 *   Graph Break Reason: Encountered graph break when attempting to trace CALL: f(x, y):
 *                                           (a first line that ends in ':' introduces the reason)
 *   Failed to trace builtin operator
 *     Explanation: ...
 *   User code traceback:
 *     File "/home/user/a.py", line 34, in <module>
 *       torch.compile(broken)(x)
 *
 *   2/0: power == 2                                       # y = x**power  # a.py:20 in by_scalar
 *   User stack trace: ...                       one reason as text, several as a JSON list of texts
 *
 * Format: torch/_dynamo/exc.py, symbolic_convert.py and guards.py of PyTorch 2.3 to 2.13; until
 * 2024 the key dynamo_graph_break_reason, later an artifact of that name.
 */
#include "capture/torch.h"

/* ---- graph breaks ---- */

/* The place behind "user code at ": "path:line". */
static void read_place(struct span line, struct row_graph_break *row)
{
    size_t at = span_find(line, SPAN(" user code at "), 0);
    if (at == SIZE_MAX) return;
    struct span place = span_trim(span_from(line, at + strlen(" user code at ")));
    size_t colon = place.n;
    while (colon && place.p[colon - 1] != ':') colon--;
    int64_t number = 0;
    if (!colon || !span_to_i64(span_from(place, colon), &number)) return;
    row->file = span_to(place, colon - 1);
    row->line = number;
}

/* `  File "path", line 12, in name`; false for any other line. */
static bool read_file_line(struct span line, struct span *file, int64_t *number, struct span *name)
{
    line = span_trim(line);
    if (!span_starts(line, "File \"")) return false;
    line = span_from(line, strlen("File \""));
    size_t quote = span_find(line, SPAN("\", line "), 0);
    if (quote == SIZE_MAX) return false;
    *file = span_to(line, quote);
    line = span_from(line, quote + strlen("\", line "));
    size_t comma = span_find(line, SPAN(", in "), 0);
    *name = comma == SIZE_MAX ? SPAN_NONE : span_from(line, comma + strlen(", in "));
    return span_to_i64(span_to(line, comma), number);
}

static bool only_marks(struct span line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] != '^' && line.p[i] != '~' && line.p[i] != ' ') return false;
    return line.n != 0;
}

/* Reads the frames below "User code traceback:" up to the first blank line, outermost first. */
static int64_t read_traceback(const struct torch_record *r, struct span rest)
{
    int64_t stack = 0, number = 0;
    struct span line, file, name;
    bool have = span_next_line(&rest, &line);
    while (have && read_file_line(line, &file, &number, &name)) {
        struct span loc = SPAN_NONE;
        while ((have = span_next_line(&rest, &line))) {
            struct span code = span_trim(line), f, n;
            int64_t at;
            if (!code.n || read_file_line(line, &f, &at, &n)) break;
            if (!loc.p && !only_marks(code)) loc = code;
        }
        stack = store_frame(r->source->writer, stack, torch_word(r, file), number,
                            torch_word(r, name), torch_word(r, loc));
    }
    return stack;
}

/* The first line that says something: an introduction ending in ':' is passed over. */
static struct span headline(struct span rest)
{
    struct span line, first = SPAN_NONE;
    while (span_next_line(&rest, &line)) {
        line = span_trim(line);
        if (!line.n) continue;
        if (!first.p) first = line;
        if (!span_ends(line, ":")) return span_starts(line, "Explanation:") ? first : line;
    }
    return first;
}

static struct span after_label(struct span text)
{
    static const char *const labels[] = {"Graph Break Reason:", "Reason:"};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        size_t at = span_find(text, span_of(labels[i]), 0);
        if (at != SIZE_MAX) return span_from(text, at + strlen(labels[i]));
    }
    return text;
}

/* The text up to PyTorch's own frames, which are most of it. */
static struct span without_traceback(struct span text)
{
    if (!text.p) return text;
    return span_to(text, span_find(text, SPAN("\nTraceback (most recent call last):"), 0));
}

enum err torch_on_graph_break(struct torch_record *r)
{
    struct span text = r->has_payload ? r->payload : json_string(json_get(r->meta, "reason"));
    struct row_graph_break row = {.id = store_next_id(r->source->writer, STORE_GRAPH_BREAK),
                                  .source = r->source->row.id,
                                  .compile = torch_compile_row(r),
                                  .attempt = r->attempt,
                                  .detail = without_traceback(text),
                                  .line = STORE_NULL,
                                  .artifact = r->artifact};
    struct span rest = text, first = SPAN_NONE;
    if (text.p && span_next_line(&rest, &first)) read_place(first, &row);
    if (text.p) row.reason = headline(row.file.p ? after_label(rest) : after_label(text));
    size_t at = text.p ? span_find(text, SPAN("User code traceback:\n"), 0) : SIZE_MAX;
    if (at != SIZE_MAX)
        row.stack = read_traceback(r, span_from(text, at + strlen("User code traceback:\n")));
    if (!row.stack) row.stack = torch_stack(r, json_get(r->meta, "user_stack"));
    if (!row.stack) row.stack = torch_stack(r, json_get(r->meta, "stack"));
    return store_graph_break_add(r->source->batch, &row);
}

/* ---- recompiles ---- */

/* Length of a compile id before ": " ("0/1", "!0/1/0"), 0 when the text does not begin with one. */
static size_t id_length(struct span text)
{
    size_t n = 0;
    bool slash = false;
    for (; n < text.n &&
           (text.p[n] == '!' || text.p[n] == '/' || (text.p[n] >= '0' && text.p[n] <= '9'));
         n++)
        slash |= text.p[n] == '/' || text.p[n] == '!';
    return slash && n + 1 < text.n && text.p[n] == ':' && text.p[n + 1] == ' ' ? n : 0;
}

/* Appends one reason. text begins at the id and ends before the next reason. */
static enum err add_reason(struct torch_record *r, struct span text, int64_t *position)
{
    struct row_recompile row = {
        .compile = torch_compile_row(r), .position = *position, .artifact = r->artifact};
    size_t id = id_length(text);
    if (id) row.previous = span_to(text, id);
    struct span reason = id ? span_from(text, id + 2) : text;
    reason = span_to(reason, span_find(reason, SPAN("\nUser stack trace:"), 0));
    size_t comment = span_find(reason, SPAN("  # "), 0);
    if (comment != SIZE_MAX) row.origin = span_trim(span_from(reason, comment + strlen("  # ")));
    row.reason = span_trim(span_to(reason, comment));
    if (!row.reason.n && !row.previous.p) return ERR_OK;
    ++*position;
    return store_recompile_add(r->source->batch, &row);
}

/* A text may hold several reasons, each beginning on a line of its own with an id. */
static enum err add_reasons(struct torch_record *r, struct span text, int64_t *position)
{
    struct span rest = text, line;
    const char *start = text.p;
    while (span_next_line(&rest, &line)) {
        if (line.p == start || !id_length(line)) continue;
        TRY(add_reason(r, (struct span){start, (size_t)(line.p - start)}, position));
        start = line.p;
    }
    return add_reason(r, (struct span){start, (size_t)(text.p + text.n - start)}, position);
}

enum err torch_on_recompile(struct torch_record *r)
{
    int64_t position = 0;
    if (!r->has_payload || !r->compile) return ERR_OK;
    struct span text = span_trim(r->payload);
    const struct json *list = r->content;
    struct json *parsed = NULL;
    if (!text.n) return ERR_OK;
    if (text.p[0] != '[' && text.p[0] != '"') return add_reasons(r, r->payload, &position);
    if (!list) TRY(json_parse(text, r->arena, &parsed));
    if (!list) list = parsed;
    if (list->type == JSON_STRING) return add_reasons(r, list->text, &position);
    for (const struct json *j = list->type == JSON_LIST ? list->first : NULL; j; j = j->next)
        if (json_string(j).p) TRY(add_reasons(r, json_string(j), &position));
    return ERR_OK;
}
