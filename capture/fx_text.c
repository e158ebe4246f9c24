/* fx_text.c - one pass over lines: comments set the frame, class and def begin graphs.
 *
 * Invariants: (1) nodes of a graph are contiguous, since submodules are printed after their
 * parent's code; (2) an argument is a node of the same graph that came before; (3) names are looked
 * up by scope (graph), so nothing is cleared between the graphs of a text; (4) every statement
 * moves forward, none recurses.
 */
#include "capture/fx_text.h"

#include "capture/fx_scan.h"

enum { NAMES_KEPT = 1 << 12 };

struct reader {
    struct fx_text *out;
    struct fx_scan scan;
    uint32_t frame;      /* frame of the nodes that follow, 0 none */
    bool outside;        /* behind the code of an exported program */
    bool has_def;        /* the graph's signature was read */
    bool only_signature; /* no statement of the graph was read yet */
    bool is_tree;        /* flat inputs replaced the signature's */
};

static enum err out_of_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory while reading an FX graph");
}

static struct fx_graph *graph_of(struct reader *r)
{
    return r->out->graphs.n ? &r->out->graphs.p[r->out->graphs.n - 1] : NULL;
}

static struct map_key scoped(const struct reader *r, struct span name)
{
    struct map_key k = map_key(name);
    k.lo += r->out->scope; /* the half that chooses the slot */
    if (!k.lo && !k.hi) k.lo = 1;
    return k;
}

/* Index of the node of that name in this graph, or -1. */
static int64_t find(const struct reader *r, struct span name)
{
    const int64_t *at = map_get(&r->out->names, scoped(r, name));
    return at ? *at : -1;
}

static enum err name_node(struct reader *r, struct span name, int64_t node)
{
    int64_t *at = map_put(&r->out->names, scoped(r, name), node, NULL);
    if (!at) return out_of_memory();
    *at = node;
    return ERR_OK;
}

static void unread(struct reader *r)
{
    struct fx_graph *g = graph_of(r);
    if (g) g->n_unread++;
}

static enum err add_node(struct reader *r, struct fx_node node)
{
    struct fx_node *slot = LIST_PUSH(&r->out->nodes);
    if (!slot) return out_of_memory();
    *slot = node;
    graph_of(r)->n_nodes++;
    return name_node(r, node.name, (int64_t)r->out->nodes.n - 1);
}

static enum err add_arg(struct reader *r, int64_t node)
{
    if (node < 0) return ERR_OK;
    uint32_t *slot = LIST_PUSH(&r->out->args);
    if (!slot) return out_of_memory();
    *slot = (uint32_t)node;
    return ERR_OK;
}

static enum err begin_graph(struct reader *r, struct span module, uint32_t line)
{
    struct fx_graph *g = LIST_PUSH(&r->out->graphs);
    if (!g) return out_of_memory();
    *g = (struct fx_graph){.module = module, .line = line, .first_node = (uint32_t)r->out->nodes.n};
    r->out->scope += 0x9e3779b97f4a7c15u;
    r->frame = 0;
    r->outside = r->has_def = r->is_tree = false;
    r->only_signature = true;
    return ERR_OK;
}

/* ---- expressions ---- */

static bool is_mark(struct fx_token t, const char *text)
{
    return t.kind == FX_MARK && span_is(t.text, text);
}
static bool ends(struct fx_token t)
{
    return t.kind == FX_END || is_mark(t, ";");
}
static bool opens(struct fx_token t, char bracket)
{
    return t.kind == FX_OPEN && t.text.p[0] == bracket;
}
static bool touches(struct fx_token a, struct fx_token b)
{
    return a.text.p + a.text.n == b.text.p;
}

/* A name is an argument unless it is dotted, called, a keyword's name or a string's prefix. */
static bool is_argument(struct fx_token name, struct fx_token next)
{
    if (memchr(name.text.p, '.', name.text.n)) return false;
    if (next.kind == FX_STRING) return !touches(name, next);
    if (opens(next, '(') && touches(name, next)) return false;
    return !(next.kind == FX_MARK && next.text.p[0] == '=' && !span_starts(next.text, "=="));
}

/* Reads the rest of a statement from token t on; nodes named in it become arguments. */
static enum err read_arguments(struct reader *r, struct fx_token t)
{
    while (!(t.kind == FX_END || (is_mark(t, ";") && r->scan.depth == 0))) {
        struct fx_token next = fx_scan_next(&r->scan);
        if (t.kind == FX_NAME && is_argument(t, next)) TRY(add_arg(r, find(r, t.text)));
        t = next;
    }
    return ERR_OK;
}

static const struct {
    const char *mark, *target;
} operators[] = {
    {"+", "operator.add"},       {"-", "operator.sub"},       {"*", "operator.mul"},
    {"/", "operator.truediv"},   {"//", "operator.floordiv"}, {"%", "operator.mod"},
    {"**", "operator.pow"},      {"@", "operator.matmul"},    {"<<", "operator.lshift"},
    {">>", "operator.rshift"},   {"&", "operator.and_"},      {"|", "operator.or_"},
    {"^", "operator.xor"},       {"==", "operator.eq"},       {"!=", "operator.ne"},
    {"<", "operator.lt"},        {"<=", "operator.le"},       {">", "operator.gt"},
    {">=", "operator.ge"},       {"+=", "operator.iadd"},     {"-=", "operator.isub"},
    {"*=", "operator.imul"},     {"/=", "operator.itruediv"}, {"//=", "operator.ifloordiv"},
    {"%=", "operator.imod"},     {"**=", "operator.ipow"},    {"@=", "operator.imatmul"},
    {"<<=", "operator.ilshift"}, {">>=", "operator.irshift"}, {"&=", "operator.iand"},
    {"|=", "operator.ior"},      {"^=", "operator.ixor"},
};

static struct span operator_target(struct fx_token t)
{
    for (size_t i = 0; t.kind == FX_MARK && i < sizeof operators / sizeof *operators; i++)
        if (span_is(t.text, operators[i].mark)) return span_of(operators[i].target);
    return SPAN_NONE;
}

/* A call, subscript, operator or attribute behind `head`, a name that may be a node's. */
static enum err read_name_expression(struct reader *r, struct fx_token head, struct fx_node *node)
{
    struct fx_token next = fx_scan_next(&r->scan);
    const char *dot = memchr(head.text.p, '.', head.text.n);
    struct span first = dot ? span_to(head.text, (size_t)(dot - head.text.p)) : head.text;
    int64_t known = find(r, first);
    struct span operator_name = operator_target(next);
    TRY(add_arg(r, known));
    if (dot && span_is(first, "self")) {
        node->op = opens(next, '(') ? FX_CALL_MODULE : FX_GET_ATTR;
        node->target = span_from(head.text, first.n + 1);
    } else if (dot && known >= 0 && opens(next, '(')) {
        node->op = FX_CALL_METHOD;
        node->target = span_from(head.text, first.n + 1);
    } else if (dot && known >= 0 && ends(next)) {
        node->target = SPAN("getattr");
    } else if (opens(next, '(')) {
        node->target = head.text;
    } else if (opens(next, '[')) {
        node->target = SPAN("operator.getitem");
    } else if (operator_name.p && !dot) {
        node->target = operator_name;
    } else if (span_is(head.text, "not")) {
        node->target = SPAN("operator.not_");
    }
    return read_arguments(r, next);
}

/* getattr(getattr(self.a, "0"), "b").c, alone or called: names that are no identifiers. */
static enum err read_getattr(struct reader *r, struct fx_token head, struct fx_node *node)
{
    struct fx_token t = fx_scan_next(&r->scan);
    while (t.kind != FX_END && r->scan.depth > 0) t = fx_scan_next(&r->scan);
    const char *stop = t.text.p + t.text.n;
    t = fx_scan_next(&r->scan);
    while (t.text.p == stop && (t.kind == FX_NAME || is_mark(t, "."))) {
        stop = t.text.p + t.text.n;
        t = fx_scan_next(&r->scan);
    }
    node->op = opens(t, '(') ? FX_CALL_MODULE : FX_GET_ATTR;
    node->target = (struct span){head.text.p, (size_t)(stop - head.text.p)};
    return read_arguments(r, t);
}

/* An operator whose left side is a number, string or bracket, or one before a single value. */
static enum err read_value_expression(struct reader *r, struct fx_token t, struct fx_node *node)
{
    bool negative = is_mark(t, "-");
    if (negative || is_mark(t, "~") || is_mark(t, "+")) {
        const char *name = negative             ? "operator.neg"
                           : t.text.p[0] == '~' ? "operator.invert"
                                                : "operator.pos";
        t = fx_scan_next(&r->scan);
        if (t.kind != FX_NUMBER) {
            node->target = span_of(name);
            return read_arguments(r, t);
        }
    }
    while (t.kind != FX_END && !(r->scan.depth == 0 && (is_mark(t, ";") || operator_target(t).p))) {
        struct fx_token next = fx_scan_next(&r->scan);
        if (t.kind == FX_NAME && is_argument(t, next)) TRY(add_arg(r, find(r, t.text)));
        t = next;
    }
    node->target = operator_target(t);
    return read_arguments(r, t);
}

/* The right side of `name = ...`. target stays absent when it is no known form. */
static enum err read_expression(struct reader *r, struct fx_node *node)
{
    struct fx_token t = fx_scan_next(&r->scan);
    node->op = FX_CALL_FUNCTION;
    node->first_arg = (uint32_t)r->out->args.n;
    if (t.kind == FX_NAME && span_is(t.text, "getattr")) TRY(read_getattr(r, t, node));
    else if (t.kind == FX_NAME) TRY(read_name_expression(r, t, node));
    else TRY(read_value_expression(r, t, node));
    node->n_args = (uint32_t)r->out->args.n - node->first_arg;
    return ERR_OK;
}

/* ---- statements ---- */

/* Dynamo names an input by a second line: `l_x_ = L_x_`. */
static bool renames_input(struct reader *r, const struct fx_node *node)
{
    if (node->target.p || node->n_args != 1) return false;
    uint32_t index = r->out->args.p[node->first_arg];
    return r->out->nodes.p[index].op == FX_PLACEHOLDER;
}

static enum err finish_assignment(struct reader *r, struct fx_node *node)
{
    TRY(read_expression(r, node));
    if (node->target.p) return add_node(r, *node);
    if (!renames_input(r, node)) {
        unread(r);
        r->out->args.n = node->first_arg;
        return ERR_OK;
    }
    uint32_t index = r->out->args.p[node->first_arg];
    r->out->args.n = node->first_arg;
    r->out->nodes.p[index].name = node->name;
    return name_node(r, node->name, index);
}

/* The signature named the trees that the flat inputs come in: these are no nodes. */
static void drop_signature(struct reader *r)
{
    struct fx_graph *g = graph_of(r);
    if (!r->only_signature || r->is_tree) return;
    r->is_tree = true;
    r->out->nodes.n = g->first_node;
    g->n_nodes = 0;
    r->out->scope += 0x9e3779b97f4a7c15u;
}

static enum err add_input(struct reader *r, struct fx_token name, struct span type)
{
    return add_node(r, (struct fx_node){.name = name.text,
                                        .target = name.text,
                                        .type = type,
                                        .op = FX_PLACEHOLDER,
                                        .line = name.line,
                                        .first_arg = (uint32_t)r->out->args.n});
}

/* Reads a type up to one of the marks that end it; *t is that mark, or the end. */
static struct span read_type(struct reader *r, int depth, struct fx_token *t)
{
    struct fx_token first = fx_scan_next(&r->scan), last = first;
    *t = first;
    while (
        t->kind != FX_END && !(t->kind == FX_CLOSE && r->scan.depth < depth) &&
        !(r->scan.depth == depth && (is_mark(*t, "=") || is_mark(*t, ";") || is_mark(*t, ",")))) {
        last = *t;
        *t = fx_scan_next(&r->scan);
    }
    if (t->text.p == first.text.p) return SPAN_NONE;
    size_t n = (size_t)(last.text.p + last.text.n - first.text.p);
    if (first.kind == FX_STRING && last.text.p == first.text.p)
        return n >= 2 ? (struct span){first.text.p + 1, n - 2} : SPAN_NONE;
    return (struct span){first.text.p, n};
}

/* `a, b, = fx_pytree.tree_flatten_spec([...], spec)`: those not yet declared are inputs. */
static enum err read_flatten(struct reader *r, struct fx_token first)
{
    struct fx_scan start = r->scan;
    struct fx_token t = first;
    while (t.kind == FX_NAME || is_mark(t, ",")) t = fx_scan_next(&r->scan);
    struct fx_token source = is_mark(t, "=") ? fx_scan_next(&r->scan) : t;
    if (!span_starts(source.text, "fx_pytree.")) {
        unread(r);
        return read_arguments(r, source.kind == FX_END ? source
                                                       : (struct fx_token){.kind = FX_NUMBER});
    }
    drop_signature(r);
    r->scan = start;
    for (t = first; !is_mark(t, "="); t = fx_scan_next(&r->scan))
        if (t.kind == FX_NAME && find(r, t.text) < 0) TRY(add_input(r, t, SPAN_NONE));
    size_t n_args = r->out->args.n;
    TRY(read_arguments(r, t));
    r->out->args.n = n_args;
    return ERR_OK;
}

static enum err read_output(struct reader *r, struct fx_token head)
{
    struct fx_node node = {.name = SPAN("output"),
                           .target = SPAN("output"),
                           .op = FX_OUTPUT,
                           .line = head.line,
                           .first_arg = (uint32_t)r->out->args.n};
    TRY(read_arguments(r, fx_scan_next(&r->scan)));
    node.n_args = (uint32_t)r->out->args.n - node.first_arg;
    return add_node(r, node);
}

/* `a += b;  name = a`: the value in place, then its name. */
static enum err read_in_place(struct reader *r, struct fx_token head, struct fx_token mark)
{
    struct fx_node node = {.op = FX_CALL_FUNCTION,
                           .target = operator_target(mark),
                           .line = head.line,
                           .frame = r->frame,
                           .first_arg = (uint32_t)r->out->args.n};
    TRY(add_arg(r, find(r, head.text)));
    TRY(read_arguments(r, fx_scan_next(&r->scan)));
    node.n_args = (uint32_t)r->out->args.n - node.first_arg;
    struct fx_token name = fx_scan_next(&r->scan);
    if (name.kind == FX_NAME) node.name = name.text;
    if (node.name.p) return add_node(r, node);
    unread(r);
    return ERR_OK;
}

static enum err read_annotated(struct reader *r, struct fx_token head)
{
    struct fx_token t;
    struct span type = read_type(r, 0, &t);
    if (is_mark(t, "=")) {
        struct fx_node node = {
            .name = head.text, .type = type, .line = head.line, .frame = r->frame};
        r->only_signature = false;
        return finish_assignment(r, &node);
    }
    drop_signature(r);
    TRY(add_input(r, head, type));
    if (!is_mark(t, ";")) return ERR_OK;
    t = fx_scan_next(&r->scan);
    while (t.kind == FX_NAME &&
           is_mark(fx_scan_next(&r->scan), ":")) { /* older: several on a line */
        struct fx_token name = t;
        type = read_type(r, 0, &t);
        TRY(add_input(r, name, type));
        if (is_mark(t, ";")) t = fx_scan_next(&r->scan);
    }
    return ERR_OK;
}

static enum err read_statement(struct reader *r)
{
    struct fx_token head = fx_scan_next(&r->scan);
    if (head.kind == FX_NAME && span_is(head.text, "return")) return read_output(r, head);
    struct fx_token next = fx_scan_next(&r->scan);
    if (head.kind == FX_NAME && is_mark(next, ":")) return read_annotated(r, head);
    if (head.kind == FX_NAME && is_mark(next, ",")) return read_flatten(r, head);
    r->only_signature = false;
    if (head.kind == FX_NAME && is_mark(next, "=")) {
        struct fx_node node = {.name = head.text, .line = head.line, .frame = r->frame};
        return finish_assignment(r, &node);
    }
    if (head.kind == FX_NAME && span_ends(next.text, "=") && operator_target(next).p)
        return read_in_place(r, head, next);
    unread(r);
    size_t n_args = r->out->args.n;
    TRY(read_arguments(r, next));
    r->out->args.n = n_args;
    return ERR_OK;
}

/* `def forward(self, x: "f32[8]", *rest):` over one or several lines. */
static enum err read_signature(struct reader *r)
{
    fx_scan_next(&r->scan);
    struct fx_token t = fx_scan_next(&r->scan);
    if (!graph_of(r) || r->has_def || r->outside) TRY(begin_graph(r, SPAN_NONE, t.line));
    r->has_def = true;
    while (t.kind != FX_END && !opens(t, '(')) t = fx_scan_next(&r->scan);
    if (t.kind != FX_END) t = fx_scan_next(&r->scan);
    while (t.kind != FX_END && r->scan.depth >= 1) {
        struct fx_token name = t;
        t = fx_scan_next(&r->scan);
        if (name.kind != FX_NAME || r->scan.depth > 1) continue;
        struct span type = is_mark(t, ":") ? read_type(r, 1, &t) : SPAN_NONE;
        if (!span_is(name.text, "self")) TRY(add_input(r, name, type));
        while (t.kind != FX_END && r->scan.depth >= 1 && !is_mark(t, ","))
            t = fx_scan_next(&r->scan);
    }
    return ERR_OK;
}

static enum err read_class(struct reader *r, struct span line)
{
    struct span name = span_from(line, strlen("class "));
    size_t stop = span_find(name, SPAN("("), 0);
    if (stop == SIZE_MAX || !span_ends(line, "):")) return ERR_OK; /* a class of another language */
    return begin_graph(r, span_to(name, stop), r->scan.line);
}

/* ---- lines ---- */

static size_t find_last(struct span text, struct span needle)
{
    size_t last = SIZE_MAX;
    for (size_t at = 0; (at = span_find(text, needle, at)) != SIZE_MAX; at++) last = at;
    return last;
}

/* `File: path:line in name, code: text`; older logs have no `in name`. */
static enum err read_frame(struct reader *r, struct span text)
{
    struct fx_frame f = {0};
    size_t code = span_find(text, SPAN(", code: "), 0);
    if (code != SIZE_MAX) f.code = span_from(text, code + strlen(", code: "));
    struct span place = span_to(text, code);
    size_t in = find_last(place, SPAN(" in "));
    if (in != SIZE_MAX) f.name = span_from(place, in + strlen(" in "));
    place = span_to(place, in);
    size_t colon = find_last(place, SPAN(":"));
    f.file = span_to(place, colon);
    if (colon == SIZE_MAX || !span_to_i64(span_from(place, colon + 1), &f.line)) {
        f.file = place;
        f.line = 0;
    }
    struct fx_frame *slot = LIST_PUSH(&r->out->frames);
    if (!slot) return out_of_memory();
    *slot = f;
    r->frame = (uint32_t)r->out->frames.n;
    return ERR_OK;
}

static enum err read_comment(struct reader *r, struct span line)
{
    size_t at = span_starts(line, "# File: ") ? 2 : SIZE_MAX;
    if (at == SIZE_MAX && span_starts(line, "# Annotation:"))
        at = span_find(line, SPAN("File: "), 0);
    if (at != SIZE_MAX) return read_frame(r, span_from(line, at + strlen("File: ")));
    if (span_find(line, SPAN("No stacktrace found"), 0) != SIZE_MAX) r->frame = 0;
    return ERR_OK;
}

static enum err read_line(struct reader *r, struct span line)
{
    if (!line.n) return ERR_OK;
    if (line.p[0] == '#') return read_comment(r, line);
    if (span_starts(line, "class ")) return read_class(r, line);
    if (span_starts(line, "def forward(")) return read_signature(r);
    if (span_starts(line, "Graph signature:") || span_starts(line, "Range constraints:"))
        r->outside = true;
    if (!graph_of(r) || r->outside) return ERR_OK;
    return read_statement(r);
}

/* The whole line from the scanner's place, trimmed; sets the indentation. */
static struct span begin_line(struct fx_scan *s)
{
    const char *nl = memchr(s->p, '\n', (size_t)(s->end - s->p));
    struct span raw = {s->p, (size_t)((nl ? nl : s->end) - s->p)};
    struct span line = span_trim(raw);
    s->depth = 0;
    s->indent = line.n ? (size_t)(line.p - raw.p) : 0;
    return line;
}

static void clear(struct fx_text *t)
{
    t->graphs.n = t->nodes.n = t->args.n = t->frames.n = 0;
    if (t->names.size > 4 * NAMES_KEPT) map_release(&t->names);
    else if (t->names.n > NAMES_KEPT) map_clear(&t->names);
}

enum err fx_text_read(struct span text, struct fx_text *out)
{
    clear(out);
    if (text.n > (size_t)1 << 30)
        FAIL(ERR_LIMIT, "an FX graph of %zu bytes: at most 1 GiB is read", text.n);
    if (!text.n) return ERR_OK;
    struct reader r = {.out = out, .scan = {.p = text.p, .end = text.p + text.n, .line = 1}};
    while (r.scan.p < r.scan.end) {
        struct span line = begin_line(&r.scan);
        TRY(read_line(&r, line));
        fx_scan_skip_line(&r.scan);
        if (r.scan.p < r.scan.end) r.scan.p++;
        r.scan.line++;
    }
    return ERR_OK;
}

void fx_text_release(struct fx_text *t)
{
    LIST_RELEASE(&t->graphs);
    LIST_RELEASE(&t->nodes);
    LIST_RELEASE(&t->args);
    LIST_RELEASE(&t->frames);
    map_release(&t->names);
}
