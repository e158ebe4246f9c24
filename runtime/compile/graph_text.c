/* graph_text.c - a graph as PyTorch prints it, so that what reads FX text reads ours.
 *
 *   variable    what a line of text names: a value, or all results of a call that has several
 *   statement   a line: a call, a result taken out of several, a constant, a view
 *
 * FX knows tensors, not versions: a tensor that was written in place keeps its variable. So a value
 * that no call gives is printed as the last variable that shows the same elements, and where the
 * call that made that one is gone, as a view of another variable of the storage.
 */
#include <string.h>

#include "capture/py.h"
#include "runtime/compile/rewrite.h"
#include "runtime/session.h"

enum statement_kind { IS_CONSTANT, IS_CALL, IS_RESULT, IS_VIEW };
struct statement {
    enum statement_kind kind;
    int node;            /* CALL, RESULT */
    int value;           /* CONSTANT, RESULT, VIEW */
    int variable;        /* that it sets */
    int base;            /* VIEW: variable */
    int *use;            /* CALL: variable per slot */
    int *freed, n_freed; /* variables used for the last time */
};
struct printer {
    const struct graph *g;
    struct buf *b;
    struct graph_text *out;
    struct arena arena;
    int n_values;
    bool *used;       /* per value: by a node or output */
    bool *defined;    /* per variable: value, or n_values + node */
    struct map shown; /* view -> the newest variable that shows its elements */
    int *base;        /* per storage: the first value of it that is a variable; n_values: none */
    int *result;      /* variable per output */
    int line;
    LIST_OF(struct statement) statement;
};

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory while printing a graph");
}

/* Several results are one variable, out of which each is taken. */
static bool has_several(const struct graph_node *n)
{
    return n->op->s.result_list || n->op->s.n_results > 1;
}

/* ---- variables ---- */

static enum err define(struct printer *p, int variable)
{
    const struct graph_value *value = p->g->value.p, *v = &value[variable];
    bool added;
    p->defined[variable] = true;
    if (variable >= p->n_values) return ERR_OK;
    int64_t *at = map_put(&p->shown, graph_view_key(v, 0), variable, &added);
    if (!at) return no_memory();
    if (value[*at].version <= v->version) *at = variable;
    if (variable < p->base[v->storage]) p->base[v->storage] = variable;
    return ERR_OK;
}

/* The variable that shows the value's elements: itself, or the newest such; GRAPH_NONE. */
static int find_variable(const struct printer *p, int value)
{
    const struct graph_value *v = &p->g->value.p[value];
    if (p->defined[value]) return value;
    const int64_t *at = map_get(&p->shown, graph_view_key(v, 0));
    return at && p->g->value.p[*at].version <= v->version ? (int)*at : GRAPH_NONE;
}

static enum err add_statement(struct printer *p, const struct statement *s)
{
    struct statement *to = LIST_PUSH(&p->statement);
    if (!to) return no_memory();
    *to = *s;
    return define(p, s->variable);
}

/* The variable of a value that is used now; a view is made where there is none. */
static enum err use_value(struct printer *p, int value, int *out)
{
    const struct graph *g = p->g;
    *out = GRAPH_NONE;
    if (value < 0 || (*out = find_variable(p, value)) >= 0) return ERR_OK;
    struct statement s = {.kind = IS_VIEW, .node = GRAPH_NONE, .value = value, .variable = value};
    s.base = p->base[g->value.p[value].storage];
    *out = value;
    return s.base < p->n_values ? add_statement(p, &s) : ERR_OK;
}

/* ---- statements ---- */

static enum err begin(struct printer *p)
{
    const struct graph *g = p->g;
    p->n_values = (int)g->value.n;
    size_t n = g->value.n + g->node.n;
    int *uses = graph_uses(g, &p->arena);
    p->used = arena_array(&p->arena, n + 1, sizeof *p->used);
    p->defined = arena_array(&p->arena, n + 1, sizeof *p->defined);
    p->result = arena_array(&p->arena, g->output.n + 1, sizeof *p->result);
    p->base = arena_array(&p->arena, g->storage.n + 1, sizeof *p->base);
    if (!uses || !p->used || !p->defined || !p->result || !p->base) return no_memory();
    for (size_t i = 0; i < g->storage.n; i++) p->base[i] = p->n_values;
    for (size_t i = 0; i < g->value.n; i++) p->used[i] = uses[i] > 0;
    for (int i = 0; i < p->n_values; i++) {
        const struct graph_value *v = &g->value.p[i];
        if (v->origin == GRAPH_MADE) continue;
        struct statement s = {.kind = IS_CONSTANT, .node = GRAPH_NONE, .value = i, .variable = i};
        if (v->origin == GRAPH_CONSTANT) TRY(add_statement(p, &s));
        else TRY(define(p, i));
    }
    return ERR_OK;
}

static enum err add_results(struct printer *p, int node)
{
    const struct graph_node *n = &p->g->node.p[node];
    for (int r = 0; r < n->n_out; r++) {
        if (n->out[r] < 0 || !p->used[n->out[r]] || p->defined[n->out[r]]) continue;
        struct statement s = {.kind = IS_RESULT, .node = node, .value = n->out[r]};
        s.variable = s.value;
        TRY(add_statement(p, &s));
    }
    return ERR_OK;
}

static enum err add_call(struct printer *p, int node)
{
    const struct graph_node *n = &p->g->node.p[node];
    struct statement s = {.kind = IS_CALL, .node = node, .variable = p->n_values + node};
    s.use = arena_array(&p->arena, (size_t)n->n_in + 1, sizeof *s.use);
    if (!s.use) return no_memory();
    for (int i = 0; i < n->n_in; i++) TRY(use_value(p, n->in[i], &s.use[i]));
    /* a call that gives one value is that value's variable, unless it gave back what it took */
    if (!has_several(n) && n->n_out == 1 && n->out[0] >= 0 && !p->defined[n->out[0]])
        s.variable = n->out[0];
    TRY(add_statement(p, &s));
    return has_several(n) ? add_results(p, node) : ERR_OK;
}

/* Variables that a statement uses, in order of its text; `i` counts. GRAPH_NONE is no variable. */
static int n_uses(const struct printer *p, const struct statement *s)
{
    return s->kind == IS_CALL ? p->g->node.p[s->node].n_in : s->kind != IS_CONSTANT;
}
static int use_at(const struct printer *p, const struct statement *s, int i)
{
    if (s->kind == IS_CALL) return s->use[i];
    return s->kind == IS_RESULT ? p->n_values + s->node : s->base;
}

/* As FX frees variables: after the last line that uses one, in the order of that line. */
static enum err find_last_uses(struct printer *p)
{
    bool *seen = arena_array(&p->arena, (size_t)p->n_values + p->g->node.n + 1, sizeof *seen);
    if (!seen) return no_memory();
    for (size_t i = 0; i < p->g->output.n; i++)
        if (p->result[i] >= 0) seen[p->result[i]] = true;
    for (size_t i = p->statement.n; i-- > 0;) {
        struct statement *s = &p->statement.p[i];
        int n = n_uses(p, s);
        s->freed = arena_array(&p->arena, (size_t)n + 1, sizeof *s->freed);
        if (!s->freed) return no_memory();
        bool unused = !seen[s->variable];
        for (int k = 0; k < n; k++) {
            int v = use_at(p, s, k);
            if (v < 0 || seen[v]) continue;
            seen[v] = true;
            s->freed[s->n_freed++] = v;
        }
        if (unused) s->freed[s->n_freed++] = s->variable;
    }
    return ERR_OK;
}

static enum err make_statements(struct printer *p)
{
    TRY(begin(p));
    for (size_t i = 0; i < p->g->node.n; i++) TRY(add_call(p, (int)i));
    for (size_t i = 0; i < p->g->output.n; i++)
        TRY(use_value(p, p->g->output.p[i].value, &p->result[i]));
    return find_last_uses(p);
}

/* ---- text ---- */

static void put_variable(struct printer *p, int variable)
{
    const struct graph *g = p->g;
    if (variable < 0) buf_puts(p->b, "None");
    else if (variable < p->n_values) buf_puts(p->b, g->value.p[variable].name);
    else if (*g->node.p[variable - p->n_values].name)
        buf_puts(p->b, g->node.p[variable - p->n_values].name);
    else buf_printf(p->b, "call_%d", variable - p->n_values);
}

static void put_int64s(struct buf *b, const int64_t *n, int count, bool truths)
{
    buf_putc(b, '[');
    for (int i = 0; i < count; i++) {
        if (i) buf_puts(b, ", ");
        if (truths) buf_puts(b, n[i] ? "True" : "False");
        else buf_printf(b, "%lld", (long long)n[i]);
    }
    buf_putc(b, ']');
}

/* f32[8, 16][16, 1]cpu */
static void put_type(struct printer *p, int value)
{
    const struct view *v = &p->g->value.p[value].view;
    buf_printf(p->b, ": \"%s", dtype_name(v->dtype));
    put_int64s(p->b, v->shape.size, v->shape.n, false);
    put_int64s(p->b, v->stride, v->shape.n, false);
    buf_printf(p->b, "%s\"", thread_self.session->backend->device);
}

static void put_value(struct buf *b, const struct op_param *param, const struct op_value *v)
{
    switch (v->kind) {
    case OP_INT: buf_printf(b, "%lld", (long long)v->i); break;
    case OP_BOOL: buf_puts(b, v->i ? "True" : "False"); break;
    case OP_INTS: put_int64s(b, v->is, v->n, param->truths); break;
    case OP_DTYPE: buf_printf(b, "torch.%s", dtype_torch_name((enum dtype)v->i)); break;
    case OP_TEXT: py_print_string(b, span_of(v->s)); break;
    case OP_REAL: py_print_real(b, v->r); break;
    case OP_SCALAR:
        if (v->is_int) buf_printf(b, "%lld", (long long)v->i);
        else py_print_real(b, v->r);
        break;
    default: buf_puts(b, "None");
    }
}

static void put_argument(struct printer *p, const struct statement *s, int i, int slot)
{
    const struct graph_node *n = &p->g->node.p[s->node];
    const struct op_value *v = &n->arg[i];
    if (v->kind == OP_TENSOR) put_variable(p, s->use[slot]);
    else if (v->kind != OP_TENSORS) put_value(p->b, &n->op->s.param[i], v);
    else {
        buf_putc(p->b, '[');
        for (int k = 0; k < v->n; k++) {
            if (k) buf_puts(p->b, ", ");
            put_variable(p, s->use[slot + k]);
        }
        buf_putc(p->b, ']');
    }
}

/* Defaults are left out: keyword ones each, positional ones from the end. */
static void put_arguments(struct printer *p, const struct statement *s)
{
    const struct graph_node *n = &p->g->node.p[s->node];
    const struct op_param *param = n->op->s.param;
    int last = -1, written = 0;
    for (int i = 0; i < n->op->s.n_params; i++)
        if (!param[i].keyword && !graph_is_default(&param[i], &n->arg[i])) last = i;
    for (int i = 0, slot = 0; i < n->op->s.n_params; i++) {
        const struct op_value *v = &n->arg[i];
        bool given = param[i].keyword ? !graph_is_default(&param[i], v) : i <= last;
        if (given) {
            if (written++) buf_puts(p->b, ", ");
            if (param[i].keyword) buf_printf(p->b, "%s = ", param[i].name);
            put_argument(p, s, i, slot);
        }
        slot += v->kind == OP_TENSORS ? v->n : v->kind == OP_TENSOR;
    }
}

/* torch.ops.aten.add.Tensor of aten::add.Tensor */
static void put_target(struct buf *b, const struct op *op)
{
    const char *name = op->s.name, *colon = strstr(name, "::");
    int space = colon ? (int)(colon - name) : 0;
    const char *rest = colon ? colon + 2 : name;
    buf_printf(b, "torch.ops.%.*s.%s%s", space, name, rest, strchr(rest, '.') ? "" : ".default");
}

static void put_view(struct printer *p, const struct statement *s)
{
    const struct view *v = &p->g->value.p[s->value].view;
    buf_puts(p->b, "torch.ops.aten.as_strided.default(");
    put_variable(p, s->base);
    buf_puts(p->b, ", ");
    put_int64s(p->b, v->shape.size, v->shape.n, false);
    buf_puts(p->b, ", ");
    put_int64s(p->b, v->stride, v->shape.n, false);
    buf_printf(p->b, ", %lld)", (long long)v->offset);
}

static void put_call(struct printer *p, const struct statement *s)
{
    put_target(p->b, p->g->node.p[s->node].op);
    buf_putc(p->b, '(');
    put_arguments(p, s);
    buf_putc(p->b, ')');
}

static void put_taken(struct printer *p, const struct statement *s)
{
    const struct graph_node *n = &p->g->node.p[s->node];
    int r = 0;
    while (n->out[r] != s->value) r++;
    put_variable(p, p->n_values + s->node);
    buf_printf(p->b, "[%d]", r);
}

static void end_line(struct printer *p)
{
    buf_putc(p->b, '\n');
    p->line++;
}

/* A name within a comment's parts: no blanks, by which the parts are told apart. */
static void put_word(struct buf *b, const char *name)
{
    size_t at = b->n;
    buf_utf8(b, span_of(name));
    for (; at < b->n; at++)
        if ((unsigned char)b->p[at] <= ' ' || b->p[at] == 127) b->p[at] = '_';
}

/* Where it was called: of a C program the stack is known to the recorder alone; the text says the
 * number of the call in the traced function, and the module that was open. */
static void put_place(struct printer *p, const struct statement *s, const char **module)
{
    if (s->kind != IS_CALL) return;
    const struct graph_node *n = &p->g->node.p[s->node];
    if (*module && !strcmp(*module, n->module)) return;
    if (*module) end_line(p);
    *module = n->module;
    if (!*n->module) {
        buf_puts(p->b, "        # No stacktrace found for following nodes");
    } else {
        buf_puts(p->b, "        # File: ");
        put_word(p->b, p->g->name);
        buf_printf(p->b, ":%d in ", (n->origin >= 0 ? n->origin : s->node) + 1);
        put_word(p->b, n->module);
        buf_printf(p->b, ", code: %s", n->op->s.name);
    }
    end_line(p);
}

static void put_statement(struct printer *p, const struct statement *s)
{
    buf_puts(p->b, "        ");
    put_variable(p, s->variable);
    if (s->variable < p->n_values) put_type(p, s->variable);
    buf_puts(p->b, " = ");
    switch (s->kind) {
    case IS_CONSTANT: buf_printf(p->b, "self.%s", p->g->value.p[s->value].name); break;
    case IS_CALL: put_call(p, s); break;
    case IS_RESULT: put_taken(p, s); break;
    case IS_VIEW: put_view(p, s); break;
    }
    if (s->n_freed) buf_puts(p->b, ";  ");
    for (int i = 0; i < s->n_freed; i++) {
        put_variable(p, s->freed[i]);
        buf_puts(p->b, i + 1 < s->n_freed ? " = " : " = None");
    }
    if (s->kind == IS_CALL) p->out->node_line[s->node] = p->line;
    if (s->kind == IS_CONSTANT || s->kind == IS_VIEW) p->out->input_line[s->value] = p->line;
    end_line(p);
}

/* An identifier, or <lambda>, of any text. */
static void put_class(struct printer *p, const char *stage)
{
    buf_puts(p->b, "class ");
    size_t at = p->b->n;
    buf_puts(p->b, *stage ? stage : "GraphModule");
    for (; at < p->b->n; at++) {
        char *c = &p->b->p[at];
        bool fits = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9') || strchr("_<>", *c);
        if (!fits) *c = '_';
    }
    buf_puts(p->b, "(torch.nn.Module):");
    end_line(p);
}

static void put_inputs(struct printer *p)
{
    buf_puts(p->b, "    def forward(self");
    for (int i = 0; i < p->n_values; i++) {
        enum graph_origin origin = p->g->value.p[i].origin;
        if (origin == GRAPH_MADE || origin == GRAPH_CONSTANT) continue;
        buf_puts(p->b, ", ");
        put_variable(p, i);
        put_type(p, i);
        p->out->input_line[i] = p->line;
    }
    buf_puts(p->b, "):");
    end_line(p);
}

static void put_return(struct printer *p)
{
    size_t n = p->g->output.n;
    buf_puts(p->b, "        return (");
    for (size_t i = 0; i < n; i++) {
        if (i) buf_puts(p->b, ", ");
        put_variable(p, p->result[i]);
    }
    buf_puts(p->b, n == 1 ? ",)" : ")");
    end_line(p);
}

static void put_graph(struct printer *p, const char *stage)
{
    const char *module = NULL;
    p->line = 1;
    put_class(p, stage);
    put_inputs(p);
    for (size_t i = 0; i < p->statement.n; i++) {
        put_place(p, &p->statement.p[i], &module);
        put_statement(p, &p->statement.p[i]);
    }
    put_return(p);
}

enum err graph_print(const struct graph *g, const char *stage, struct graph_text *out)
{
    memset(out, 0, sizeof *out);
    struct printer p = {.g = g, .b = &out->text, .out = out};
    out->node_line = calloc(g->node.n + 1, sizeof *out->node_line);
    out->input_line = calloc(g->value.n + 1, sizeof *out->input_line);
    enum err err = out->node_line && out->input_line ? make_statements(&p) : no_memory();
    if (!err) {
        put_graph(&p, stage);
        err = buf_ok(&out->text);
    }
    LIST_RELEASE(&p.statement);
    map_release(&p.shown);
    arena_release(&p.arena);
    if (err) graph_text_release(out);
    return err;
}

void graph_text_release(struct graph_text *t)
{
    buf_release(&t->text);
    free(t->node_line);
    free(t->input_line);
    memset(t, 0, sizeof *t);
}
