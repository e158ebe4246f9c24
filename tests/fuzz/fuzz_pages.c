/* fuzz_pages.c - libFuzzer target: the pure readers behind the pages. The first byte chooses
 * one. */
#include <stdlib.h>

#include "store/base/json.h"
#include "store/base/line_diff.h"
#include "web/fusion.h"
#include "web/lines.h"
#include "web/pretty.h"
#include "web/reason.h"
#include "web/schema_doc.h"
#include "web/sql_text.h"
#include "web/timeline_pack.h"

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

/* The next line as a word of its own; NULL after the last. */
static const char *next_word(struct span *rest, struct arena *arena)
{
    struct span line;
    if (!span_next_line(rest, &line)) return NULL;
    return arena_copy(arena, line).p;
}

/* An address of the timeline: whatever it holds, the view lies in the run, and tiles are made. */
static void read_view(struct span text, unsigned seed)
{
    struct arena arena = {0};
    struct timeline t = {0};
    struct timeline_lane lane = {0};
    struct timeline_name name = {.text = SPAN("aten::mm"), .kind = 3, .colour = 1};
    struct timeline_track track = {
        .run = 1, .kind = 2, .key = "p1.t1", .lane = &lane, .n_lanes = 1};
    for (int i = 0; i < 40; i++)
        if (lane_push(&lane, &(struct lane_row){.ts = 1000 + i * 50, .dur = i, .id = (uint32_t)i}))
            abort();
    if (lane_build(&lane)) abort();
    track.first = 1000, track.last = 3000;
    t.track.p = &track, t.track.n = 1;
    t.name.p = &name, t.name.n = 1;
    struct timeline_ask ask = {0};
    ask.t0 = next_word(&text, &arena), ask.t1 = next_word(&text, &arena);
    ask.tracks = next_word(&text, &arena), ask.on = next_word(&text, &arena);
    ask.a0 = next_word(&text, &arena), ask.a1 = next_word(&text, &arena);
    struct timeline_view v;
    if (timeline_view_make(&t, 1, &ask, &arena, &v)) abort();
    if (v.t0 < v.base || v.t1 <= v.t0 || v.t1 > v.end || v.a0 > v.a1 || v.a1 > v.end) abort();
    struct timeline_pick p = timeline_pick_parse(&v, next_word(&text, &arena));
    if (p.track >= 0 && p.at >= lane.n) abort();
    struct buf out = {0};
    int64_t level = seed % 30, tile = 0;
    if (!span_to_i64(text, &tile)) tile = (int64_t)text.n;
    if (timeline_pack_tile(&v, level, tile, &out)) err_clear();
    buf_release(&out);
    lane_release(&lane);
    arena_release(&arena);
}

/* Generated code: an edge goes from a kernel to a kernel, by a value that there is. */
static void read_calls(struct span text)
{
    struct fusion f = {0};
    struct fusion_kernel *k = fusion_add_kernel(&f);
    if (!k) abort();
    *k = (struct fusion_kernel){.name = SPAN("cpp_fused_add_0"), .kind = SPAN("cpp"), .id = 7};
    if (fusion_name_kernel(&f) || fusion_read_code(&f, text)) abort();
    for (int i = 0; i < f.n_edges; i++) {
        const struct fusion_edge *e = &f.edges[i];
        if (e->value < 0 || e->value >= f.n_values || e->reader < 0 || e->reader >= f.n_kernels)
            abort();
        int writer = f.values[e->value].writer;
        if (writer < 0 || writer >= f.n_kernels) abort();
    }
    fusion_release(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    struct span text = {(const char *)data + 2, size - 2};
    switch (data[0] % 7) {
    case 0: read_reasons(text); break;
    case 1: read_json(text); break;
    case 2: read_sql(text); break;
    case 3: read_lines(text, data[1] % 16 + 1u); break;
    case 4: read_view(text, data[1]); break;
    case 5: read_calls(text); break;
    default: compare(text, text.n * data[1] / 255);
    }
    return 0;
}
