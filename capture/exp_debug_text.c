/* exp_debug_text.c - the writer of DebugMode's text: debug_string() of PyTorch 2.13, byte for byte.
 *
 * A call at depth d stands at 2 + 2 d blanks. Where the summary of the stack changes, a blank
 * line (not before the first) and
 * the summary stand before the call, at the call's indentation.
 */
#include "capture/debug_print.h"
#include "store/row.h"

void debug_printer_release(struct debug_printer *p)
{
    buf_release(&p->summary);
}

static void indent(struct buf *b, const struct debug_call *c)
{
    int64_t n = c->depth < 0 ? 0 : c->depth > DEBUG_DEPTH_MAX ? DEBUG_DEPTH_MAX : c->depth;
    for (int64_t i = 0; i <= n; i++) buf_puts(b, "  ");
}

static void put_op(struct buf *b, const struct debug_call *c)
{
    buf_span(b, c->name);
    buf_putc(b, '(');
    buf_span(b, c->args);
    buf_span(b, c->kwargs);
    buf_putc(b, ')');
    buf_span(b, c->output);
    if (!c->log || c->log->type != PY_DICT || !c->log->n) return;
    buf_puts(b, "  # ");
    py_print(b, c->log, PY_PLAIN);
}

static void put_redistribute(struct buf *b, const struct debug_call *c)
{
    buf_puts(b, "redistribute_input");
    if (c->is_outer == 1) buf_puts(b, " [implicit] ");
    else if (c->is_explicit == 1) buf_puts(b, " [explicit] ");
    buf_putc(b, '(');
    buf_span(b, c->args);
    buf_puts(b, c->transform.p ? ", trace: " : ", ");
    if (c->transform.p) buf_span(b, c->transform);
    else {
        buf_span(b, c->from);
        buf_puts(b, " -> ");
        buf_span(b, c->to);
    }
    buf_putc(b, ')');
    buf_span(b, c->output);
}

static void put_hashes(struct buf *b, const struct debug_call *c, const char *when,
                       const struct py *dict)
{
    if (!dict || dict->type != PY_DICT || !dict->n) return;
    buf_putc(b, '\n');
    indent(b, c);
    buf_printf(b, "# %s-kernel hashes: {", when);
    for (const struct py *m = dict->first; m; m = m->next) {
        if (m != dict->first) buf_puts(b, ", ");
        if (m->key->type == PY_STRING) buf_span(b, m->key->text);
        else py_print(b, m->key, PY_PLAIN);
        buf_puts(b, ": ");
        py_print(b, m, PY_PLAIN);
    }
    buf_putc(b, '}');
}

static void put_triton(struct buf *b, const struct debug_call *c)
{
    buf_puts(b, c->flags & DEBUG_PLUMB ? "[plumb] " : "[triton] ");
    buf_span(b, c->name);
    buf_putc(b, '(');
    buf_span(b, c->kwargs);
    buf_putc(b, ')');
    put_hashes(b, c, "pre", c->pre);
    put_hashes(b, c, "post", c->post);
    buf_putc(b, '\n');
}

static void put_call(struct buf *b, const struct debug_call *c)
{
    switch (c->kind) {
    case DEBUG_OP: put_op(b, c); break;
    case DEBUG_REDISTRIBUTE: put_redistribute(b, c); break;
    case DEBUG_OUTPUT:
        buf_puts(b, "-> output: ");
        buf_span(b, c->args);
        break;
    case DEBUG_TRITON: put_triton(b, c); break;
    case DEBUG_ANNOTATE:
    case DEBUG_MODULE:
        buf_putc(b, '[');
        buf_span(b, c->args);
        buf_puts(b, "] ");
        buf_span(b, c->name);
        break;
    case DEBUG_TEXT: break;
    }
}

static void put_summary(struct buf *b, struct debug_printer *p, const struct debug_call *c)
{
    struct buf now = {0};
    struct span stack = c->fwd_stack.n ? c->fwd_stack : c->stack;
    if (stack.n) debug_print_summary(&now, stack, c->flags & DEBUG_STACK_SHOWN);
    if (!now.n || span_eq(buf_text(&now), buf_text(&p->summary))) {
        buf_release(&now);
        return;
    }
    if (p->any) buf_puts(b, "\n\n");
    p->any = true;
    indent(b, c);
    buf_puts(b, "# ");
    buf_span(b, buf_text(&now));
    buf_release(&p->summary);
    p->summary = now;
}

void debug_print(struct buf *b, struct debug_printer *p, const struct debug_call *c)
{
    if (c->kind != DEBUG_TEXT && !p->hide_stacks) put_summary(b, p, c);
    if (p->any) buf_putc(b, '\n');
    p->any = true;
    if (c->kind == DEBUG_TEXT) {
        buf_span(b, c->rest);
        return;
    }
    indent(b, c);
    put_call(b, c);
}

enum err debug_write_text(struct debug_source *from, struct debug_text_style style,
                          struct debug_sink *to)
{
    struct debug_printer p = {.hide_stacks = style.hide_stacks};
    struct debug_call c;
    struct buf b = {0};
    bool more = true;
    enum err err = ERR_OK;
    while (!err && more) {
        buf_clear(&b);
        err = from->next(from->context, &c, &more);
        if (err) break;
        if (more) debug_print(&b, &p, &c);
        else if (!style.without_newline) buf_putc(&b, '\n');
        err = buf_ok(&b);
        if (!err) err = to->write(to->context, buf_text(&b));
    }
    buf_release(&b);
    debug_printer_release(&p);
    return err;
}
