/* imp_debug_json.c - saved DebugMode logs: {"format": ..., "version": 1, "logs": [call, ...]}.
 *
 * The list may be long, so its calls are cut out one by one and each is parsed alone; where the
 * text breaks off, the calls
 * before that are whole. A call is printed again as it would be exported and compared with what
 * was read: when they differ as
 * JSON values (a member of a later version, say), the call is kept as it was read beside its
 * fields.
 */
#include "capture/debug_cut.h"
#include "capture/debug_import.h"
#include "capture/debug_print.h"

#include <math.h>

/* ---- one call ---- */

static struct span text_of(const struct json *j, const char *name)
{
    return json_string(json_get(j, name));
}

static int64_t truth_of(const struct json *j, const char *name)
{
    const struct json *v = json_get(j, name);
    return v && v->type == JSON_BOOL ? v->i : STORE_NULL;
}

static enum err tagged_of(const struct json *j, const char *name, struct arena *arena,
                          struct py **out)
{
    const struct json *v = json_get(j, name);
    if (!v || v->type == JSON_NULL) return ERR_OK;
    enum err err = py_from_json(v, arena, out);
    if (!err || err == ERR_NOMEM) return err;
    *out = NULL; /* no tagged value: the comparison finds it missing */
    return ERR_OK;
}

static enum err read_kind(const struct json *j, struct arena *arena, struct debug_call *c)
{
    struct span type = text_of(j, "type");
    if (span_is(type, "op")) {
        c->kind = DEBUG_OP;
        c->name = text_of(j, "op_name"), c->args = text_of(j, "args_str"),
        c->kwargs = text_of(j, "kwargs_str");
        if (!json_get(j, "tensor_hash_leaves")) c->flags |= DEBUG_NO_LEAVES;
    } else if (span_is(type, "redistribute")) {
        c->kind = DEBUG_REDISTRIBUTE;
        c->args = text_of(j, "arg_str"), c->transform = text_of(j, "transform_info_str");
        c->from = text_of(j, "src_placement_str"), c->to = text_of(j, "dst_placement_str");
        c->is_explicit = truth_of(j, "is_explicit"), c->is_outer = truth_of(j, "is_outer_call");
    } else if (span_is(type, "output_placement")) {
        c->kind = DEBUG_OUTPUT;
        c->args = text_of(j, "placements_str");
    } else if (span_is(type, "triton_kernel")) {
        c->kind = DEBUG_TRITON;
        c->name = text_of(j, "kernel_name"), c->kwargs = text_of(j, "kwargs_str");
        TRY(tagged_of(j, "pre_hashes", arena, &c->pre));
        TRY(tagged_of(j, "post_hashes", arena, &c->post));
    } else if (span_is(type, "annotate")) {
        c->name = text_of(j, "tag"), c->args = text_of(j, "header");
        c->kind = span_starts(c->args, "nn.Mod") ? DEBUG_MODULE : DEBUG_ANNOTATE;
    } else {
        FAIL(ERR_FORMAT,
             "a call has the type '%.*s': expected op, redistribute, output_placement, "
             "triton_kernel or annotate",
             (int)(type.n < 40 ? type.n : 40), type.p ? type.p : "");
    }
    return ERR_OK;
}

static bool same_number(const struct json *a, const struct json *b)
{
    if (span_eq(a->text, b->text)) return true;
    bool whole = !a->text.n || (span_find(a->text, SPAN("."), 0) == SIZE_MAX &&
                                span_find(a->text, SPAN("e"), 0) == SIZE_MAX);
    if (a->type == JSON_INT || whole) return false;
    return a->r == b->r && !signbit(a->r) == !signbit(b->r);
}

/* Equal as JSON values; objects of very many members are never taken for equal. */
static bool same(const struct json *a, const struct json *b)
{
    enum { MEMBERS = 64 };
    if (a->type != b->type || a->n != b->n) return false;
    switch (a->type) {
    case JSON_NULL: return true;
    case JSON_BOOL: return a->i == b->i;
    case JSON_INT:
    case JSON_REAL: return same_number(a, b);
    case JSON_STRING: return span_eq(a->text, b->text);
    case JSON_LIST:
        for (a = a->first, b = b->first; a; a = a->next, b = b->next)
            if (!same(a, b)) return false;
        return true;
    case JSON_OBJECT: break;
    }
    if (a->n > MEMBERS) return false;
    for (const struct json *m = a->first; m; m = m->next) {
        const struct json *other = NULL;
        for (const struct json *k = b->first; k && !other; k = k->next)
            if (span_eq(k->key, m->key)) other = k;
        if (!other || !same(m, other)) return false;
    }
    return true;
}

/* Do the frames say all of a stack? */
static bool frames_say(struct span stack)
{
    struct buf b = {0};
    struct debug_frame f;
    struct span rest = stack;
    while (rest.n && debug_next_frame(&rest, &f)) debug_print_frame(&b, &f);
    bool all = !stack.p || (stack.n && span_eq(buf_text(&b), stack));
    buf_release(&b);
    return all;
}

/* The call as it was read goes beside its fields. */
static enum err keep_whole(const struct json *j, struct arena *arena, struct debug_call *c)
{
    struct buf b = {0};
    json_print(&b, j);
    c->rest = arena_copy(arena, buf_text(&b));
    c->flags |= DEBUG_REST_JSON;
    buf_release(&b);
    if (!c->rest.p) FAIL(ERR_NOMEM, "out of memory for a call");
    return ERR_OK;
}

static enum err check_call(const struct json *j, struct arena *arena, struct debug_call *c,
                           bool all)
{
    struct buf b = {0};
    struct json *again = NULL;
    debug_print_json(&b, c);
    enum err err = buf_ok(&b);
    if (!err) err = json_parse(buf_text(&b), arena, &again);
    bool fits = !err && all && same(j, again) && frames_say(c->stack) && frames_say(c->fwd_stack);
    buf_release(&b);
    return err == ERR_NOMEM ? err : fits ? ERR_OK : keep_whole(j, arena, c);
}

enum err debug_from_json(const struct json *j, struct arena *arena, struct debug_call *out)
{
    bool all;
    struct debug_call *c = out;
    *c = (struct debug_call){.is_explicit = STORE_NULL, .is_outer = STORE_NULL};
    if (!j || j->type != JSON_OBJECT) FAIL(ERR_FORMAT, "a call is no JSON object");
    TRY(read_kind(j, arena, c));
    c->depth = json_int(json_get(j, "call_depth"), 0);
    if (c->depth < 0 || c->depth > DEBUG_DEPTH_MAX) c->depth = 0;
    c->output = text_of(j, "output_str");
    c->stack = text_of(j, "stack_trace");
    c->fwd_stack = text_of(j, "fwd_stack_trace");
    TRY(tagged_of(j, "log", arena, &c->log));
    enum err err = debug_find_uses(c, arena, &all);
    if (!err) err = check_call(j, arena, c, all);
    if (err) debug_uses_release(&c->uses);
    return err;
}

/* ---- the file ---- */

struct cutter {
    struct debug_import *import;
    struct debug_cut cut;
    struct buf rest; /* members besides format, version and logs */
};

/* A call that cannot be read is kept as it is, unless it is no JSON at all. */
static enum err read_call(struct cutter *c, struct span value, size_t offset)
{
    struct debug_import *d = c->import;
    struct json *j;
    struct debug_call call;
    enum err err = json_parse(value, &d->scratch, &j);
    if (err && err != ERR_NOMEM) {
        err = debug_lose(d, TORCH_LOSS_json, (int64_t)offset, "the call at byte %zu is no JSON: %s",
                         offset, err_text());
        arena_clear(&d->scratch);
        return err;
    }
    TRY(err);
    err = debug_from_json(j, &d->scratch, &call);
    if (err == ERR_FORMAT) {
        TRY(debug_lose(d, TORCH_LOSS_schema, (int64_t)offset, "at byte %zu: %s", offset,
                       err_text()));
        call = (struct debug_call){
            .kind = DEBUG_TEXT, .is_explicit = STORE_NULL, .is_outer = STORE_NULL};
        TRY(keep_whole(j, &d->scratch, &call));
    } else {
        TRY(err);
    }
    err = debug_put_call(d, &call);
    debug_uses_release(&call.uses);
    return err;
}

static enum err broken(struct cutter *c, const char *expected)
{
    c->import->damaged = true;
    return debug_lose(
        c->import, c->cut.at >= c->cut.text.n ? TORCH_LOSS_truncated : TORCH_LOSS_malformed,
        (int64_t)c->cut.at, "the saved log has no %s at byte %zu; what comes before is kept",
        expected, c->cut.at);
}

static enum err read_calls(struct cutter *c)
{
    if (!debug_cut_takes(&c->cut, '[')) return broken(c, "list of calls");
    if (debug_cut_takes(&c->cut, ']')) return ERR_OK;
    do {
        debug_cut_blanks(&c->cut);
        size_t offset = c->cut.at;
        struct span value = debug_cut_value(&c->cut);
        if (!value.n) {
            if (!value.p) c->cut.at = c->cut.text.n;
            return broken(c, "whole call");
        }
        TRY(read_call(c, value, offset));
    } while (debug_cut_takes(&c->cut, ','));
    return debug_cut_takes(&c->cut, ']') ? ERR_OK : broken(c, "comma or end of the calls");
}

static enum err check_version(struct span value)
{
    if (span_is(value, "1")) return ERR_OK;
    FAIL(ERR_VERSION, "the saved DebugMode log has version %.*s; this plumb reads version 1",
         (int)(value.n < 20 ? value.n : 20), value.p);
}

static enum err read_member(struct cutter *c)
{
    struct span key = debug_cut_value(&c->cut);
    if (key.n < 2 || key.p[0] != '"' || !debug_cut_takes(&c->cut, ':'))
        return broken(c, "member of the log");
    if (span_is(key, "\"logs\"")) return read_calls(c);
    struct span value = debug_cut_value(&c->cut);
    struct json *j;
    if (!value.n) return broken(c, "value of a member");
    if (span_is(key, "\"version\"")) return check_version(value);
    if (span_is(key, "\"format\"")) return ERR_OK;
    enum err err = json_parse(value, &c->import->scratch, &j);
    if (err && err != ERR_NOMEM) return broken(c, "JSON in a member");
    TRY(err);
    buf_puts(&c->rest, c->rest.n ? ", " : "{");
    buf_span(&c->rest, key);
    buf_puts(&c->rest, ": ");
    json_print(&c->rest, j);
    arena_clear(&c->import->scratch);
    return ERR_OK;
}

static enum err read_members(struct cutter *c)
{
    if (!debug_cut_takes(&c->cut, '{')) return broken(c, "object");
    if (debug_cut_takes(&c->cut, '}')) return ERR_OK;
    do {
        TRY(read_member(c));
        if (c->import->damaged) return ERR_OK;
    } while (debug_cut_takes(&c->cut, ','));
    if (!debug_cut_takes(&c->cut, '}')) return broken(c, "comma or end of the log");
    debug_cut_blanks(&c->cut);
    return c->cut.at == c->cut.text.n ? ERR_OK : broken(c, "end of the file");
}

enum err debug_read_json(struct debug_import *d, struct span text)
{
    struct cutter c = {.import = d, .cut = {.text = text}};
    d->log.format = SPAN("json");
    enum err err = read_members(&c);
    if (!err && c.rest.n) {
        buf_putc(&c.rest, '}');
        err = buf_ok(&c.rest);
        if (!err) d->log.rest = store_word(d->writer, buf_text(&c.rest));
    }
    buf_release(&c.rest);
    return err;
}
