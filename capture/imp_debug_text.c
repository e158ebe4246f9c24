/* imp_debug_text.c - DebugMode's printed text, read back.
 *
 * The text is cut into *stretches*: a call with the lines that belong to it (the summary of a
 * stack before it, the rest of a
 * result that has line breaks, the hashes of a kernel, blank lines). Each stretch is read as a
 * call and printed again; if that
 * does not give the same bytes, it is kept as lines that are no call. So every text comes back
 * as it was, understood or not.
 *
 *       # File: a.py:3 in f, code: g(x)               summary
 *       aten::mm(t: f32[2, 3], t: f32[3, 2])  ->  t: f32[2, 2]  # {'hash': 1.5}
 */
#include "capture/debug_import.h"
#include "capture/debug_print.h"

struct reader {
    struct debug_import *import;
    struct debug_printer printer; /* as whoever prints the calls later will have it */
    struct buf stack;             /* the stack shown last, as a frame */
    struct span body;             /* the text without its last newline */
    size_t line;                  /* byte where the current line begins */
};

/* ---- lines ---- */

static size_t blanks(struct span line)
{
    size_t n = 0;
    while (n < line.n && line.p[n] == ' ') n++;
    return n;
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* `aten::add.Tensor(` or `<built-in function max>(`: bytes of the name, 0 when it is none. */
static size_t op_name_size(struct span s)
{
    size_t n = 0;
    if (s.n && s.p[0] == '<') {
        n = span_find(s, SPAN(">("), 0);
        return n == SIZE_MAX ? 0 : n + 1;
    }
    while (n < s.n && (is_name_byte(s.p[n]) || s.p[n] == '.' || s.p[n] == ':')) n++;
    if (n < s.n && s.p[n] == '<') { /* f.<locals>.g */
        while (n < s.n && s.p[n] != '(' && s.p[n] != ' ') n++;
    }
    return n && n < s.n && s.p[n] == '(' ? n : 0;
}

/* `[header] tag`: bytes of the header, 0 when it is none. */
static size_t header_size(struct span s)
{
    size_t n = 1;
    if (!s.n || s.p[0] != '[') return 0;
    while (n < s.n && (is_name_byte(s.p[n]) || strchr(".-() <>:", s.p[n])) && s.p[n]) n++;
    bool letter = s.n > 1 && ((s.p[1] | 32) >= 'a' && (s.p[1] | 32) <= 'z');
    return letter && n + 1 < s.n && s.p[n] == ']' && s.p[n + 1] == ' ' ? n - 1 : 0;
}

static bool begins_call(struct span line)
{
    size_t n = blanks(line);
    struct span s = span_from(line, n);
    if (n < 2 || n % 2) return false;
    return span_starts(s, "-> output: ") || span_starts(s, "redistribute_input") ||
           header_size(s) || op_name_size(s);
}

static bool is_summary(struct span line)
{
    size_t n = blanks(line);
    return n >= 2 && n % 2 == 0 && span_starts(span_from(line, n), "# File: ");
}

/* ---- calls ---- */

/* Where keyword arguments begin, at the comma; the end when there are none. */
static size_t keywords_at(struct span s)
{
    int depth = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '(' || c == '[' || c == '{') depth++;
        else if (c == ')' || c == ']' || c == '}') depth--;
        else if (c == ',' && depth == 0 && i + 2 < s.n && s.p[i + 1] == ' ') {
            size_t n = i + 2;
            while (n < s.n && is_name_byte(s.p[n])) n++;
            if (n > i + 2 && n < s.n && s.p[n] == '=') return i;
        }
    }
    return s.n;
}

/* Takes `  # {...}` off the end. */
static void take_log(struct reader *r, struct span *s, struct debug_call *c)
{
    size_t at = span_find(*s, SPAN("  # {"), 0), next = at;
    for (int tries = 0; next != SIZE_MAX && tries < 3;
         tries++, next = span_find(*s, SPAN("  # {"), next + 1)) {
        struct py *log;
        if (py_parse(span_from(*s, next + 4), &r->import->scratch, &log)) continue;
        c->log = log;
        *s = span_to(*s, next);
        return;
    }
}

static bool read_op(struct reader *r, struct span s, struct debug_call *c)
{
    size_t n = op_name_size(s);
    if (!n) return false;
    c->kind = DEBUG_OP;
    c->name = span_to(s, n);
    s = span_from(s, n + 1);
    take_log(r, &s, c);
    size_t arrow = span_find(s, SPAN(")  ->  "), 0);
    if (arrow != SIZE_MAX) c->output = span_from(s, arrow + 1);
    else if (span_ends(s, ")")) arrow = s.n - 1;
    else return false;
    s = span_to(s, arrow);
    size_t keywords = keywords_at(s);
    c->args = span_to(s, keywords);
    c->kwargs = span_from(s, keywords);
    return true;
}

static bool read_redistribute(struct span s, struct debug_call *c)
{
    c->kind = DEBUG_REDISTRIBUTE;
    c->is_explicit = c->is_outer = 0;
    s = span_from(s, sizeof "redistribute_input" - 1);
    if (span_starts(s, " [implicit] ")) c->is_outer = 1, s = span_from(s, 12);
    else if (span_starts(s, " [explicit] ")) c->is_explicit = 1, s = span_from(s, 12);
    if (s.n < 2 || s.p[0] != '(') return false;
    size_t end = s.n;
    while (end && s.p[end - 1] != ')') end--;
    if (end < 2) return false;
    if (end < s.n) c->output = span_from(s, end);
    s = (struct span){s.p + 1, end - 2};
    size_t trace = span_find(s, SPAN(", trace: "), 0), arrow = span_find(s, SPAN(" -> "), 0);
    if (trace != SIZE_MAX) {
        c->args = span_to(s, trace);
        c->transform = span_from(s, trace + 9);
        return true;
    }
    if (arrow == SIZE_MAX) return false;
    c->to = span_from(s, arrow + 4);
    size_t comma = arrow;
    while (comma && s.p[comma] != ',') comma--;
    c->args = span_to(s, comma);
    if (comma + 2 > arrow) return false;
    c->from = (struct span){s.p + comma + 2, arrow - comma - 2};
    return comma > 0;
}

/* `{a: 1.5, b: (1.5, 2)}`: keys stand bare. */
static struct py *read_hashes(struct reader *r, struct span s)
{
    struct arena *arena = &r->import->scratch;
    struct py *dict = arena_alloc(arena, sizeof *dict), **to = dict ? &dict->first : NULL;
    if (!dict || s.n < 2 || s.p[0] != '{' || s.p[s.n - 1] != '}') return NULL;
    dict->type = PY_DICT;
    for (s = (struct span){s.p + 1, s.n - 2}; s.n; dict->n++, to = &(*to)->next) {
        size_t colon = span_find(s, SPAN(": "), 0), end = SIZE_MAX;
        struct py *key = arena_alloc(arena, sizeof *key);
        if (colon == SIZE_MAX || !key) return NULL;
        *key = (struct py){.type = PY_STRING, .text = span_to(s, colon)};
        s = span_from(s, colon + 2);
        if (s.n && s.p[0] == '(') end = span_find(s, SPAN(")"), 0);
        else end = span_find(s, SPAN(", "), 0);
        if (s.n && s.p[0] == '(' && end != SIZE_MAX) end++;
        if (py_parse(span_to(s, end), arena, to)) return NULL;
        (*to)->key = key;
        s = end >= s.n ? span_from(s, s.n) : span_from(s, end + 2);
    }
    return dict;
}

static struct py *take_hashes(struct reader *r, struct span *rest, const char *when)
{
    struct span after = *rest, line;
    if (!span_next_line(&after, &line) || !span_starts(span_trim(line), when)) return NULL;
    *rest = after;
    return read_hashes(r, span_from(span_trim(line), strlen(when)));
}

static bool read_triton(struct reader *r, struct span s, struct debug_call *c)
{
    struct span first;
    c->kind = DEBUG_TRITON;
    c->flags = span_starts(s, "[plumb] ") ? DEBUG_PLUMB : 0;
    s = span_from(s, span_find(s, SPAN(" "), 0) + 1);
    (void)span_next_line(&s, &first);
    size_t n = span_find(first, SPAN("("), 0);
    if (n == SIZE_MAX || !span_ends(first, ")")) return false;
    c->name = span_to(first, n);
    c->kwargs = (struct span){first.p + n + 1, first.n - n - 2};
    c->pre = take_hashes(r, &s, "# pre-kernel hashes: ");
    c->post = take_hashes(r, &s, "# post-kernel hashes: ");
    return true;
}

static bool read_call(struct reader *r, struct span text, struct debug_call *c)
{
    size_t n = blanks(text), header;
    struct span s = span_from(text, n);
    *c = (struct debug_call){.is_explicit = STORE_NULL, .is_outer = STORE_NULL};
    if (n < 2 || n % 2 || n / 2 - 1 > DEBUG_DEPTH_MAX) return false;
    c->depth = (int64_t)(n / 2) - 1;
    if (span_starts(s, "[triton] ") || span_starts(s, "[plumb] ")) return read_triton(r, s, c);
    if (span_starts(s, "redistribute_input")) return read_redistribute(s, c);
    if (span_starts(s, "-> output: ")) {
        c->kind = DEBUG_OUTPUT;
        c->args = span_from(s, 11);
        return true;
    }
    if (!(header = header_size(s))) return read_op(r, s, c);
    c->args = (struct span){s.p + 1, header};
    c->name = span_from(s, header + 3);
    c->kind = span_starts(c->args, "nn.Mod") ? DEBUG_MODULE : DEBUG_ANNOTATE;
    return true;
}

/* ---- stacks ---- */

static size_t find_last(struct span s, struct span what)
{
    size_t at = s.n;
    while (at && !span_starts(span_from(s, at), what.p)) at--;
    return span_starts(span_from(s, at), what.p) ? at : SIZE_MAX;
}

/* `# File: a.py:3 in f, code: g(x)` becomes the frame that would be shown so. */
static bool read_summary(struct span line, struct buf *out)
{
    struct span s = span_from(span_trim(line), sizeof "# File: " - 1), head;
    size_t code = span_find(s, SPAN(", code: "), 0);
    if (code == SIZE_MAX) return false;
    head = span_to(s, code);
    size_t in = find_last(head, SPAN(" in ")),
           colon = in == SIZE_MAX ? SIZE_MAX : find_last(span_to(head, in), SPAN(":"));
    struct debug_frame f = {.loc = span_from(s, code + 8)};
    if (colon == SIZE_MAX ||
        !span_to_i64((struct span){head.p + colon + 1, in - colon - 1}, &f.line))
        return false;
    f.file = span_to(head, colon);
    f.name = span_from(head, in + 4);
    buf_clear(out);
    debug_print_frame(out, &f);
    return true;
}

/* ---- stretches ---- */

/* Prints the call as it will be printed and compares; otherwise the printer is left as it was. */
static bool prints_as(struct reader *r, const struct debug_call *c, struct span raw)
{
    struct buf now = {0}, before = {0};
    bool any = r->printer.any;
    buf_span(&before, buf_text(&r->printer.summary));
    debug_print(&now, &r->printer, c);
    struct span printed = span_from(buf_text(&now), any);
    bool fits = !now.failed && !before.failed && span_eq(printed, raw);
    if (!fits) {
        r->printer.any = true;
        buf_clear(&r->printer.summary);
        buf_span(&r->printer.summary, buf_text(&before));
    }
    buf_release(&now);
    buf_release(&before);
    return fits;
}

static enum err put_lines(struct reader *r, struct span raw)
{
    struct debug_call c = {
        .kind = DEBUG_TEXT, .rest = raw, .is_explicit = STORE_NULL, .is_outer = STORE_NULL};
    size_t offset = (size_t)(raw.p - r->body.p);
    r->printer.any = true;
    TRY(debug_lose(
        r->import, TORCH_LOSS_malformed, (int64_t)offset,
        "the lines from byte %zu are no call that DebugMode prints; they are kept as they are",
        offset));
    return debug_put_call(r->import, &c);
}

/* A stretch with its call at byte `call`; SIZE_MAX: it has none. */
static enum err put_stretch(struct reader *r, struct span raw, size_t call)
{
    struct debug_call c;
    struct buf stack = {0};
    struct span lead = span_to(raw, call == SIZE_MAX ? 0 : call), line;
    bool good = call != SIZE_MAX, all = true;
    buf_span(&stack, buf_text(&r->stack));
    while (good && span_next_line(&lead, &line))
        if (line.n) good = is_summary(line) && read_summary(line, &stack);
    good = good && read_call(r, span_from(raw, call), &c);
    enum err err = ERR_OK;
    if (good) {
        c.stack = stack.n ? buf_text(&stack) : SPAN_NONE;
        c.flags |= stack.n ? DEBUG_STACK_SHOWN : 0;
        err = debug_find_uses(&c, &r->import->scratch, &all);
        if (!err && all && prints_as(r, &c, raw)) {
            err = debug_put_call(r->import, &c);
            buf_clear(&r->stack);
            buf_span(&r->stack, buf_text(&stack));
        } else if (!err) good = false;
        debug_uses_release(&c.uses);
    }
    if (!err && !good) {
        arena_clear(&r->import->scratch);
        err = put_lines(r, raw);
    }
    buf_release(&stack);
    return err ? err : buf_ok(&r->stack);
}

/* The line at r->line, without its newline; *next is where the one behind it begins, SIZE_MAX at
 * the end. */
static struct span line_at(const struct reader *r, size_t *next)
{
    struct span rest = span_from(r->body, r->line);
    const char *end = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;
    *next = end ? r->line + (size_t)(end - rest.p) + 1 : SIZE_MAX;
    return end ? span_to(rest, (size_t)(end - rest.p)) : rest;
}

static enum err read_stretches(struct reader *r)
{
    size_t from = 0, call = SIZE_MAX, blank = SIZE_MAX, next;
    bool summary = false; /* seen in this stretch, before its call */
    for (r->line = 0;; r->line = next) {
        struct span line = line_at(r, &next);
        bool opens = begins_call(line), tells = is_summary(line);
        if ((opens && !summary && r->line > from) || (tells && r->line > from)) {
            size_t end = tells && blank != SIZE_MAX && blank > from ? blank : r->line;
            bool has = call != SIZE_MAX;
            TRY(put_stretch(r, (struct span){r->body.p + from, end - 1 - from},
                            has ? call - from : SIZE_MAX));
            from = end;
            call = SIZE_MAX;
        }
        if (opens) call = r->line;
        summary = tells || (summary && !opens && call == SIZE_MAX);
        blank = line.n ? SIZE_MAX : r->line;
        if (next == SIZE_MAX) break;
    }
    return put_stretch(r, span_from(r->body, from), call == SIZE_MAX ? SIZE_MAX : call - from);
}

enum err debug_read_text(struct debug_import *d, struct span text)
{
    struct reader r = {.import = d, .body = text};
    d->log.format = SPAN("text");
    if (span_ends(text, "\n")) r.body.n--;
    else d->log.flags = 1;
    enum err err = r.body.n ? read_stretches(&r) : ERR_OK;
    debug_printer_release(&r.printer);
    buf_release(&r.stack);
    return err;
}
