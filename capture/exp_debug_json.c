/* exp_debug_json.c - the writer of saved DebugMode logs, version 1. */
#include "capture/debug_print.h"
#include "store/row.h"

static void put_member(struct buf *b, const char *name, struct span text)
{
    buf_printf(b, ", \"%s\": ", name);
    if (text.p) buf_json(b, text);
    else buf_puts(b, "null");
}

static void put_value(struct buf *b, const char *name, const struct py *v)
{
    buf_printf(b, ", \"%s\": ", name);
    if (v) py_print_json(b, v);
    else buf_puts(b, "null");
}

static void put_truth(struct buf *b, const char *name, int64_t v)
{
    buf_printf(b, ", \"%s\": %s", name, v == STORE_NULL ? "null" : v ? "true" : "false");
}

static void put_hash(struct buf *b, struct py_hash hash)
{
    struct arena scratch = {0};
    struct py v = {0};
    if (py_set_hash(&v, hash, &scratch)) b->failed = true;
    else py_print_json(b, &v);
    arena_release(&scratch);
}

/* One pair of path and hash; a tuple of hashes for one tensor stands in several uses. Returns
 * the uses taken. */
static size_t put_leaf(struct buf *b, const struct debug_use *u, size_t n)
{
    size_t k = 0;
    buf_puts(b, "{\"type\": \"tuple\", \"items\": [{\"type\": \"scalar\", \"value\": ");
    buf_json(b, u->arg);
    buf_puts(b, "}, ");
    if (u->part == STORE_NULL) {
        put_hash(b, u->hash);
        k = 1;
    } else {
        buf_puts(b, "{\"type\": \"tuple\", \"items\": [");
        do {
            if (k) buf_puts(b, ", ");
            put_hash(b, u[k].hash);
            k++;
        } while (k < n && u[k].part != STORE_NULL && u[k].part > 0 && u[k].phase == u->phase);
        buf_puts(b, "]}");
    }
    buf_puts(b, "]}");
    return k;
}

static void put_leaves_of(struct buf *b, const struct debug_call *c, enum debug_phase phase,
                          const char *name)
{
    bool any = false;
    buf_printf(b, "[\"%s\", {\"type\": \"list\", \"items\": [", name);
    for (size_t i = 0; i < c->uses.n;) {
        const struct debug_use *u = &c->uses.p[i];
        if (u->phase != phase || !u->hash.kind) {
            i++;
            continue;
        }
        if (any) buf_puts(b, ", ");
        any = true;
        i += put_leaf(b, u, c->uses.n - i);
    }
    buf_puts(b, "]}]");
}

static void put_leaves(struct buf *b, const struct debug_call *c)
{
    const struct py *input = py_get(c->log, "input_hash"), *output = py_get(c->log, "hash");
    buf_puts(b, ", \"tensor_hash_leaves\": {\"type\": \"dict\", \"items\": [");
    if (input) put_leaves_of(b, c, DEBUG_ARGUMENT, "input");
    if (input && output) buf_puts(b, ", ");
    if (output) put_leaves_of(b, c, DEBUG_RESULT, "output");
    buf_puts(b, "]}");
}

static void put_fields(struct buf *b, const struct debug_call *c)
{
    switch (c->kind) {
    case DEBUG_OP:
        put_member(b, "op_name", c->name);
        put_member(b, "args_str", c->args);
        put_member(b, "kwargs_str", c->kwargs);
        if (!(c->flags & DEBUG_NO_LEAVES)) put_leaves(b, c);
        break;
    case DEBUG_REDISTRIBUTE:
        put_member(b, "arg_str", c->args);
        put_member(b, "src_placement_str", c->from);
        put_member(b, "dst_placement_str", c->to);
        put_member(b, "transform_info_str", c->transform);
        put_truth(b, "is_explicit", c->is_explicit);
        put_truth(b, "is_outer_call", c->is_outer);
        break;
    case DEBUG_OUTPUT: put_member(b, "placements_str", c->args); break;
    case DEBUG_TRITON:
        put_member(b, "kernel_name", c->name);
        put_member(b, "kwargs_str", c->kwargs);
        put_value(b, "pre_hashes", c->pre);
        put_value(b, "post_hashes", c->post);
        break;
    default: put_member(b, "tag", c->name); put_member(b, "header", c->args);
    }
}

/* Lines of a text that are no call become an annotation, which shows them; the layout has no
 * other place for them. */
static void put_text(struct buf *b, const struct debug_call *c)
{
    buf_puts(b, "{\"type\": \"annotate\", \"call_depth\": 0, \"log\": null, \"output_str\": null, "
                "\"stack_trace\": null, "
                "\"fwd_stack_trace\": null");
    put_member(b, "tag", c->rest);
    put_member(b, "header", SPAN("text"));
    buf_putc(b, '}');
}

void debug_print_json(struct buf *b, const struct debug_call *c)
{
    static const char *const types[] = {[DEBUG_OP] = "op",
                                        [DEBUG_REDISTRIBUTE] = "redistribute",
                                        [DEBUG_OUTPUT] = "output_placement",
                                        [DEBUG_TRITON] = "triton_kernel",
                                        [DEBUG_ANNOTATE] = "annotate",
                                        [DEBUG_MODULE] = "annotate"};
    if (c->rest.p && c->flags & DEBUG_REST_JSON) {
        buf_span(b, c->rest);
        return;
    }
    if (c->kind == DEBUG_TEXT) {
        put_text(b, c);
        return;
    }
    buf_printf(b, "{\"type\": \"%s\", \"call_depth\": %lld", types[c->kind], (long long)c->depth);
    put_value(b, "log", c->log);
    put_member(b, "output_str", c->output);
    put_member(b, "stack_trace", c->stack);
    put_member(b, "fwd_stack_trace", c->fwd_stack);
    put_fields(b, c);
    buf_putc(b, '}');
}

static void put_head(struct buf *b, struct span rest)
{
    buf_puts(b, "{\"format\": \"" DEBUG_FORMAT "\", \"version\": 1, ");
    if (rest.n > 2) {
        buf_span(b, (struct span){rest.p + 1, rest.n - 2});
        buf_puts(b, ", ");
    }
    buf_puts(b, "\"logs\": [");
}

enum err debug_write_json(struct debug_source *from, struct span rest, struct debug_sink *to)
{
    struct debug_call c;
    struct buf b = {0};
    bool more = true, any = false;
    enum err err = ERR_OK;
    put_head(&b, rest);
    while (!err && more) {
        err = from->next(from->context, &c, &more);
        if (err) break;
        if (more) {
            buf_puts(&b, any ? ",\n" : "\n");
            debug_print_json(&b, &c);
        } else {
            buf_puts(&b, "\n]}\n");
        }
        any = true;
        err = buf_ok(&b);
        if (!err) err = to->write(to->context, buf_text(&b));
        buf_clear(&b);
    }
    buf_release(&b);
    return err;
}
