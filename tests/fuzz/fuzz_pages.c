/* fuzz_pages.c - libFuzzer target: the pure readers behind the pages. The first byte chooses
 * one. */
#include <stdlib.h>

#include "store/base/json.h"
#include "store/base/line_diff.h"
#include "web/lines.h"
#include "web/pretty.h"
#include "web/reason.h"
#include "web/schema_doc.h"
#include "web/sql_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A span that was found in a text must lie in it. */
static void inside(struct span part, struct span text)
{
    if (part.n && (part.p < text.p || part.p + part.n > text.p + text.n)) abort();
}

static void read_reasons(struct span text)
{
    struct recompile_reason r = reason_of_recompile(text, SPAN_NONE);
    inside(r.what, text);
    inside(r.loc, text);
    inside(r.file, text);
    inside(r.actual, text);
    struct complaint c = reason_of_complaint(text);
    inside(c.headline, text);
    inside(c.preface, text);
    inside(c.rest, text);
    for (int i = 0; i < c.n_hints; i++) inside(c.hints[i], text);
}

static void read_json(struct span text)
{
    struct arena arena = {0};
    struct json *before, *after;
    struct buf out = {0}, one = {0}, two = {0};
    if (!json_parse(text, &arena, &before)) {
        pretty_json(text, &out);
        if (json_parse(buf_text(&out), &arena, &after)) abort();
        json_print(&one, before);
        json_print(&two, after);
        if (!span_eq(buf_text(&one), buf_text(&two))) abort();
    }
    arena_release(&arena);
    buf_release(&out);
    buf_release(&one);
    buf_release(&two);
}

static void read_sql(struct span text)
{
    struct span rest = text, found;
    while (sql_parameter_next(&rest, &found)) inside(found, text);
    struct schema_object o;
    struct schema_column c;
    rest = text;
    while (schema_next(&rest, &o)) {
        char sentence[32];
        schema_sentence(o.comment, sentence, sizeof sentence);
        while (schema_column_next(&o.body, &c)) inside(c.name, text);
    }
}

/* The same window, however the text is cut into pieces. */
static void read_lines(struct span text, size_t piece)
{
    struct lines_window whole, parts;
    lines_begin(&whole, 2, HL_PYTHON);
    lines_begin(&parts, 2, HL_PYTHON);
    if (lines_add(&whole, text)) abort();
    for (size_t i = 0; i < text.n; i += piece)
        if (lines_add(&parts, span_to(span_from(text, i), piece))) abort();
    if (lines_end(&whole) || lines_end(&parts)) abort();
    if (whole.total != parts.total || !span_eq(buf_text(&whole.text), buf_text(&parts.text)))
        abort();
    lines_release(&whole);
    lines_release(&parts);
}

static void compare(struct span text, size_t at)
{
    struct arena arena = {0};
    struct line_diff d;
    if (!line_diff(&arena, span_to(text, at), span_from(text, at), &d))
        for (size_t i = 0; i < d.n; i++) inside(d.lines[i].text, text);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    struct span text = {(const char *)data + 2, size - 2};
    switch (data[0] % 5) {
    case 0: read_reasons(text); break;
    case 1: read_json(text); break;
    case 2: read_sql(text); break;
    case 3: read_lines(text, data[1] % 16 + 1u); break;
    default: compare(text, text.n * data[1] / 255);
    }
    return 0;
}
