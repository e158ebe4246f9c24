/* fusion_code.c - the calls that generated code has to its kernels, and the buffers between them.
 *
 *   cpp_fused_add_0 = async_compile.cpp_pybinding(['const float*', 'float*'], r'''
 *   extern "C"  void  kernel(const float* in_ptr0, float* out_ptr0)  reads, writes
 *   def call(self, args):
 *       primals_1, primals_2 = args                                     inputs
 *       buf0 = empty_strided_cpu((4, 16), (16, 1), torch.float32)       256 bytes, not yet written
 *       cpp_fused_add_0(primals_1, buf0)                                a call: makes a value
 *       # Topologically Sorted Source Nodes: [y], Original ATen: [aten.addmm]
 *       extern_kernels.addmm(primals_2, reinterpret_tensor(buf0, (16, 4), (1, 16), 0), out=buf1)
 *       buf2 = buf1; del buf1  # reuse                                  the same value so far
 *       buf3 = torch.ops.aten.sort.default(buf2)                        a library's call
 *
 * What names a buffer shows a *value*; writing through the name makes a new one. Lines of any other
 * form are passed over, so code that this does not know loses edges and never gains wrong ones.
 * Format: torch/_inductor/codegen/wrapper.py, cpp.py and triton.py of PyTorch 2.4 to 2.13.
 */
#include "web/fusion.h"

#include <stdio.h>
#include <string.h>

enum { ARGS_MAX = 64, MEMBERS_MAX = 64 };
enum access { PASSED, READ = 1, WRITTEN = 2, BOTH = 3 };

struct definition {
    int kernel;          /* of those that the code defines, -1 none */
    int first_op, n_ops; /* of the graph fragment above it, in order */
    int n_args;
    uint8_t access[ARGS_MAX];
};
struct shown {
    int value;         /* what the name shows; -1 an input, -2 not yet written */
    int64_t bytes;     /* STORE_NULL not known */
    struct span input; /* name of the input */
};
struct code {
    struct fusion *f;
    const struct fusion_kernel *defined; /* kernels of the file's rows */
    int n_defined;
    struct map definitions; /* name -> index */
    struct definition *list;
    int n_list;
    struct map names; /* name -> index of shown */
    struct shown *shown;
    int n_shown, s_shown;
    struct span members; /* "aten.add, aten.mm" of the comment before the call */
    int *first_call;     /* per defined kernel, -1 */
};

/* ---- words ---- */

static bool in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The word at the beginning of s; n 0 when there is none. */
static struct span word(struct span s)
{
    size_t n = 0;
    while (n < s.n && in_word(s.p[n])) n++;
    return span_to(s, n);
}

/* The next argument at depth 0 of a list that begins behind its parenthesis; false at its end. */
static bool next_argument(struct span *rest, struct span *out)
{
    int depth = 0;
    size_t i = 0;
    if (!rest->n) return false;
    for (; i < rest->n; i++) {
        char c = rest->p[i];
        if (c == '(' || c == '[' || c == '{') depth++;
        else if ((c == ')' || c == ']' || c == '}') && !depth--) break;
        else if (c == ',' && !depth) break;
    }
    *out = span_trim(span_to(*rest, i));
    *rest = i < rest->n && rest->p[i] == ',' ? span_from(*rest, i + 1) : SPAN_NONE;
    return out->n > 0;
}

static struct shown *find_shown(struct code *c, struct span name)
{
    const int64_t *at = name.n ? map_get(&c->names, map_key(name)) : NULL;
    return at ? &c->shown[*at] : NULL;
}

static enum err set_shown(struct code *c, struct span name, struct shown what)
{
    bool added;
    int64_t *at = map_put(&c->names, map_key(name), c->n_shown, &added);
    if (at && added && c->n_shown == c->s_shown) {
        int size = c->s_shown ? 2 * c->s_shown : 256;
        struct shown *grown = arena_array(&c->f->arena, (size_t)size, sizeof *grown);
        if (grown && c->n_shown) memcpy(grown, c->shown, (size_t)c->n_shown * sizeof *grown);
        if (!grown) at = NULL;
        else c->shown = grown, c->s_shown = size;
    }
    if (!at) FAIL(ERR_NOMEM, "out of memory for the calls of generated code");
    c->n_shown += added;
    c->shown[*at] = what;
    return ERR_OK;
}

/* ---- bytes ---- */

static int type_size(struct span type)
{
    static const struct {
        const char *name;
        int size;
    } types[] = {{"float32", 4}, {"float64", 8}, {"float16", 2},   {"bfloat16", 2},
                 {"int64", 8},   {"int32", 4},   {"int16", 2},     {"int8", 1},
                 {"uint8", 1},   {"bool", 1},    {"complex64", 8}, {"complex128", 16}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (span_is(type, types[i].name)) return types[i].size;
    return span_starts(type, "float8") ? 1 : 0;
}

/* Bytes of `empty_strided_cpu((4, 16), (16, 1), torch.float32)`, from behind the parenthesis. */
static int64_t sized_bytes(struct span rest)
{
    struct span shape, one, type = SPAN_NONE;
    size_t dtype = span_find(rest, SPAN("torch."), 0);
    int64_t n = 1, extent;
    if (dtype != SIZE_MAX) type = word(span_from(rest, dtype + 6));
    if (!next_argument(&rest, &shape) || shape.p[0] != '(') return STORE_NULL;
    shape = span_from(shape, 1);
    while (next_argument(&shape, &one))
        if (!span_to_i64(one, &extent) || __builtin_mul_overflow(n, extent, &n)) return STORE_NULL;
    int size = type_size(type);
    return size && n >= 0 && !__builtin_mul_overflow(n, size, &n) ? n : STORE_NULL;
}

/* ---- definitions ---- */

static struct span parameter_name(struct span argument)
{
    size_t end = span_find(argument, SPAN(":"), 0); /* XBLOCK : tl.constexpr */
    struct span name = span_trim(end == SIZE_MAX ? argument : span_to(argument, end));
    size_t start = name.n;
    while (start && in_word(name.p[start - 1])) start--;
    return span_from(name, start);
}

/* A buffer that is given in and out is read when the kernel uses what was in it: not when another
 * name of it is written, nor when its first use is a store. */
static bool is_read(struct span body, struct span name)
{
    char alias[64];
    int n = snprintf(alias, sizeof alias, " = %.*s;", SPAN_ARG(span_to(name, 40)));
    size_t at = span_find(body, (struct span){alias, (size_t)n}, 0), start = at;
    if (at != SIZE_MAX) {
        while (start && in_word(body.p[start - 1])) start--;
        if (span_starts(span_from(body, start), "out_ptr")) return false;
    }
    at = span_find(body, name, 0);
    return at == SIZE_MAX || !span_ends(span_to(body, at), "store(");
}

static enum access access_of(struct span argument, struct span body)
{
    struct span name = parameter_name(argument);
    if (span_starts(name, "in_out_ptr")) return is_read(body, name) ? BOTH : WRITTEN;
    return span_starts(name, "out_ptr") ? WRITTEN : span_starts(name, "in_ptr") ? READ : PASSED;
}

/* Where the parameters of a kernel's own text begin. */
static size_t parameters_at(struct span text, struct span name, bool triton)
{
    char mark[256];
    if (!triton) {
        size_t at = span_find(text, SPAN("extern \"C\""), 0);
        return at == SIZE_MAX ? at : span_find(text, SPAN("("), at);
    }
    if (name.n + 6 > sizeof mark) return SIZE_MAX;
    int n = snprintf(mark, sizeof mark, "def %.*s(", SPAN_ARG(name));
    size_t at = span_find(text, (struct span){mark, (size_t)n}, 0);
    if (at == SIZE_MAX) at = span_find(text, SPAN("def triton_("), 0), n = 12;
    return at == SIZE_MAX ? at : at + (size_t)n - 1;
}

static int defined_kernel(const struct code *c, struct span name)
{
    for (int i = 0; i < c->n_defined; i++)
        if (span_eq(c->defined[i].name, name)) return i;
    return -1;
}

/* `#   %add : [num_users=1] = call_function[target=torch.ops.aten.add.Tensor](args = ...)` */
static enum err read_fragment_line(struct fusion *f, struct definition *d, struct span line)
{
    struct span target = SPAN("[target="), node;
    size_t name = span_find(line, SPAN("%"), 0), at = span_find(line, target, 0);
    if (name == SIZE_MAX || at == SIZE_MAX || d->n_ops == MEMBERS_MAX) return ERR_OK;
    node = word(span_from(line, name + 1));
    struct span op = span_from(line, at + target.n);
    op = span_to(op, span_find(op, SPAN("]"), 0));
    struct fusion_op *o;
    if (!d->n_ops) d->first_op = f->n_ops;
    FUSION_ADD(o, op, f);
    *o = (struct fusion_op){.node = arena_copy(&f->arena, node),
                            .op = arena_copy(&f->arena, op),
                            .lane = -1,
                            .also = -1,
                            .position = d->n_ops++};
    return ERR_OK;
}

/* The graph fragment in the comment above a definition: its members in order. */
static enum err read_fragment(struct fusion *f, struct definition *d, struct span before)
{
    size_t start = before.n;
    for (;;) {
        size_t line = start ? start - 1 : 0;
        while (line && before.p[line - 1] != '\n') line--;
        if (line >= before.n || before.p[line] != '#' || line == start) break;
        start = line;
    }
    struct span comment = span_from(before, start), line;
    while (span_next_line(&comment, &line)) TRY(read_fragment_line(f, d, line));
    return ERR_OK;
}

static enum err read_definition(struct code *c, struct span text, size_t mark)
{
    size_t start = mark, end = span_find(text, SPAN("\n''')"), mark);
    while (start && in_word(text.p[start - 1])) start--;
    struct span name = span_from(span_to(text, mark), start), body = span_from(text, mark), one;
    if (end != SIZE_MAX) body = span_to(body, end - mark);
    struct definition *d = &c->list[c->n_list];
    *d = (struct definition){.kernel = defined_kernel(c, name)};
    size_t open = parameters_at(body, name, span_starts(body, " = async_compile.triton("));
    struct span rest = open == SIZE_MAX ? SPAN_NONE : span_from(body, open + 1);
    struct span inside = span_from(rest, span_find(rest, SPAN(")"), 0));
    while (d->n_args < ARGS_MAX && next_argument(&rest, &one))
        d->access[d->n_args++] = (uint8_t)access_of(one, inside);
    TRY(read_fragment(c->f, d, span_to(text, start)));
    if (!map_put(&c->definitions, map_key(name), c->n_list++, NULL))
        FAIL(ERR_NOMEM, "out of memory for the kernels of generated code");
    return ERR_OK;
}

static enum err read_definitions(struct code *c, struct span text)
{
    struct span mark = SPAN(" = async_compile.");
    int n = 0;
    for (size_t at = 0; (at = span_find(text, mark, at)) != SIZE_MAX; at += mark.n) n++;
    c->list = arena_array(&c->f->arena, (size_t)n + 1, sizeof *c->list);
    if (!c->list) FAIL(ERR_NOMEM, "out of memory for the kernels of generated code");
    for (size_t at = 0; (at = span_find(text, mark, at)) != SIZE_MAX; at += mark.n)
        TRY(read_definition(c, text, at));
    return ERR_OK;
}

/* ---- one call ---- */

static enum err add_call(struct code *c, struct span name, int defined, bool library)
{
    struct fusion *f = c->f;
    struct fusion_kernel *k;
    FUSION_ADD(k, kernel, f);
    *k = (struct fusion_kernel){.id = STORE_NULL, .line = STORE_NULL};
    if (defined >= 0) *k = c->defined[defined];
    if (!k->name.n) k->name = arena_copy(&f->arena, name);
    if (library) k->kind = SPAN("extern"), k->n_ops = 0;
    if (!k->role.n || span_eq(k->role, k->kind))
        k->role = span_starts(name, "triton_for_") ? SPAN("combo") : k->kind;
    k->reads = k->writes = 0;
    k->launches = k->p50_ns = k->results = k->digests = k->nonfinite = STORE_NULL;
    k->bytes_per_ns = __builtin_nan("");
    /* One row of the file stands for all calls of a kernel. */
    int64_t id = k->id;
    k->id = STORE_NULL;
    enum err err = fusion_name_kernel(f);
    k->id = id;
    if (defined >= 0 && c->first_call[defined] < 0) c->first_call[defined] = f->n_kernels - 1;
    return err;
}

/* Members of a library's call as the comment before it names them. */
static enum err add_members(struct code *c)
{
    struct fusion *f = c->f;
    struct fusion_kernel *k = &f->kernels[f->n_kernels - 1];
    struct span rest = c->members, one;
    k->first_op = f->n_ops;
    while (k->n_ops < MEMBERS_MAX && next_argument(&rest, &one)) {
        struct fusion_op *op;
        FUSION_ADD(op, op, f);
        struct span name = arena_copy(&f->arena, one);
        *op = (struct fusion_op){
            .node = name, .op = name, .lane = -1, .also = -1, .position = k->n_ops++};
    }
    return ERR_OK;
}

static void add_bytes(int64_t *sum, int64_t bytes)
{
    if (bytes == STORE_NULL || __builtin_add_overflow(*sum, bytes, sum)) *sum = STORE_NULL;
}

static enum err read_by(struct code *c, int kernel, struct span name)
{
    struct fusion *f = c->f;
    struct fusion_kernel *k = &f->kernels[kernel];
    const struct shown *s = find_shown(c, name);
    if (!s || s->value == -2) return ERR_OK;
    if (s->value >= 0) {
        for (int i = f->n_edges - 1; i >= 0 && f->edges[i].reader == kernel; i--)
            if (f->edges[i].value == s->value) return ERR_OK;
        struct fusion_edge *e;
        FUSION_ADD(e, edge, f);
        *e = (struct fusion_edge){s->value, kernel};
        if (k->reads != STORE_NULL) add_bytes(&k->reads, s->bytes);
        return ERR_OK;
    }
    for (int i = k->first_input; i < k->first_input + k->n_inputs; i++)
        if (span_eq(f->inputs[i].name, s->input)) return ERR_OK;
    struct fusion_input *in;
    FUSION_ADD(in, input, f);
    *in = (struct fusion_input){s->input, s->bytes};
    if (!k->n_inputs++) k->first_input = f->n_inputs - 1;
    if (s->bytes != STORE_NULL) k->input_bytes += s->bytes;
    if (k->reads != STORE_NULL) add_bytes(&k->reads, s->bytes);
    return ERR_OK;
}

static enum err written_by(struct code *c, int kernel, struct span name)
{
    struct fusion *f = c->f;
    const struct shown *s = find_shown(c, name);
    struct fusion_value *v;
    int64_t bytes = s ? s->bytes : STORE_NULL;
    FUSION_ADD(v, value, f);
    *v = (struct fusion_value){arena_copy(&f->arena, name), kernel, bytes};
    f->kernels[kernel].n_makes++;
    if (f->kernels[kernel].writes != STORE_NULL) add_bytes(&f->kernels[kernel].writes, bytes);
    return set_shown(c, name, (struct shown){f->n_values - 1, bytes, SPAN_NONE});
}

/* All names of buffers in an expression are read. */
static enum err read_names(struct code *c, int kernel, struct span s)
{
    for (size_t i = 0; i < s.n;) {
        struct span w = word(span_from(s, i));
        if (w.n && (!i || s.p[i - 1] != '.')) TRY(read_by(c, kernel, w));
        i += w.n ? w.n : 1;
    }
    return ERR_OK;
}

/* name(a, b) or name.run(a, b, stream=s) of a kernel that the code defines. */
static enum err own_call(struct code *c, struct span name, const struct definition *d,
                         struct span arguments)
{
    struct span one;
    TRY(add_call(c, name, d->kernel, false));
    int kernel = c->f->n_kernels - 1;
    if (d->n_ops) {
        c->f->kernels[kernel].first_op = d->first_op;
        c->f->kernels[kernel].n_ops = d->n_ops;
        c->f->has_order = true;
    }
    struct span rest = arguments;
    for (int i = 0; next_argument(&rest, &one); i++)
        if (i >= d->n_args || d->access[i] & READ) TRY(read_names(c, kernel, one));
    rest = arguments;
    for (int i = 0; i < d->n_args && next_argument(&rest, &one); i++)
        if (d->access[i] & WRITTEN && find_shown(c, word(one)) && word(one).n == one.n)
            TRY(written_by(c, kernel, one));
    return ERR_OK;
}

/* A library's: reads all but `out=`, which it writes, as what its result is given to. */
static enum err library_call(struct code *c, struct span name, struct span result,
                             struct span arguments)
{
    struct span one, rest = arguments, out = result;
    TRY(add_call(c, name, defined_kernel(c, name), true));
    TRY(add_members(c));
    int kernel = c->f->n_kernels - 1;
    while (next_argument(&rest, &one)) {
        if (span_starts(one, "out=")) out = word(span_from(one, 4));
        else TRY(read_names(c, kernel, one));
    }
    return out.n ? written_by(c, kernel, out) : ERR_OK;
}

/* ---- lines ---- */

static enum err read_inputs(struct code *c, struct span list)
{
    struct span one;
    while (next_argument(&list, &one)) {
        const struct shown *s = find_shown(c, one);
        if (word(one).n == one.n)
            TRY(set_shown(
                c, one,
                (struct shown){-1, s ? s->bytes : STORE_NULL, arena_copy(&c->f->arena, one)}));
    }
    return ERR_OK;
}

/* name = ...: a buffer, another name of one, or the result of a call. */
static enum err read_assignment(struct code *c, struct span name, struct span right)
{
    struct span what = word(right);
    size_t open = span_find(right, SPAN("("), 0);
    if (span_starts(right, "empty_strided"))
        return set_shown(c, name,
                         (struct shown){-2, sized_bytes(span_from(right, open + 1)), SPAN_NONE});
    if (span_starts(right, "reinterpret_tensor(")) what = word(span_from(right, open + 1));
    const struct shown *s = find_shown(c, what);
    if (s) return set_shown(c, name, *s);
    if (open == SIZE_MAX) return ERR_OK;
    if (!span_starts(right, "torch.ops.") && !span_starts(right, "extern_kernels.")) return ERR_OK;
    TRY(set_shown(c, name, (struct shown){-2, STORE_NULL, SPAN_NONE}));
    return library_call(c, span_to(right, open), name, span_from(right, open + 1));
}

static enum err read_line(struct code *c, struct span line)
{
    static const char *const comment = "Original ATen: [";
    struct span name = word(line), after = span_from(line, name.n);
    if (line.p[0] == '#') {
        size_t at = span_find(line, span_of(comment), 0);
        if (at != SIZE_MAX) c->members = span_from(line, at + strlen(comment));
        return ERR_OK;
    }
    if (span_starts(after, " = ")) return read_assignment(c, name, span_from(after, 3));
    size_t open = span_find(line, SPAN("("), 0);
    if (!name.n || open == SIZE_MAX) return ERR_OK;
    struct span arguments = span_from(line, open + 1);
    const int64_t *d = map_get(&c->definitions, map_key(name));
    enum err err = ERR_OK;
    if (d && (span_starts(after, "(") || span_starts(after, ".run(")))
        err = own_call(c, name, &c->list[*d], arguments);
    else if (span_is(name, "extern_kernels"))
        err = library_call(c, span_to(line, open), SPAN_NONE, arguments);
    else return ERR_OK;
    c->members = SPAN_NONE;
    return err;
}

/* Sizes of the inputs stand in the code's own benchmark. */
static enum err read_sizes(struct code *c, struct span text)
{
    struct span line;
    while (span_next_line(&text, &line)) {
        line = span_trim(line);
        struct span name = word(line), mark = SPAN(" = rand_strided(");
        if (name.n && span_starts(span_from(line, name.n), mark.p))
            TRY(set_shown(
                c, name,
                (struct shown){-2, sized_bytes(span_from(line, name.n + mark.n)), SPAN_NONE}));
    }
    return ERR_OK;
}

static enum err read_calls(struct code *c, struct span text)
{
    struct span line, inputs = SPAN(" = args");
    size_t at = span_find(text, SPAN("def call("), 0);
    if (at == SIZE_MAX) return ERR_OK;
    TRY(read_sizes(c, span_from(text, at)));
    text = span_from(text, at);
    span_next_line(&text, &line);
    while (span_next_line(&text, &line)) {
        if (line.n && line.p[0] != ' ') break;
        line = span_trim(line);
        if (!line.n) continue;
        if (span_starts(line, "return ") || span_starts(line, "def ")) break;
        if (span_ends(line, inputs.p)) TRY(read_inputs(c, span_to(line, line.n - inputs.n)));
        else TRY(read_line(c, line));
    }
    return ERR_OK;
}

/* ---- all ---- */

/* The kernels of the file give way to their calls. */
static enum err take_definitions(struct code *c)
{
    struct fusion *f = c->f;
    c->defined = f->kernels;
    c->n_defined = f->n_kernels;
    c->first_call = arena_array(&f->arena, (size_t)f->n_kernels + 1, sizeof *c->first_call);
    if (!c->first_call) FAIL(ERR_NOMEM, "out of memory for the calls of generated code");
    for (int i = 0; i < f->n_kernels; i++) c->first_call[i] = -1;
    f->kernels = NULL;
    f->n_kernels = f->s_kernels = 0;
    map_clear(&f->by_name);
    return ERR_OK;
}

/* Values that no kernel reads. */
static enum err tell_kept(struct fusion *f)
{
    bool *read = arena_array(&f->arena, (size_t)f->n_values + 1, sizeof *read);
    if (!read) FAIL(ERR_NOMEM, "out of memory for the calls of generated code");
    for (int i = 0; i < f->n_edges; i++) read[f->edges[i].value] = true;
    for (int i = 0; i < f->n_values; i++)
        if (!read[i]) f->kernels[f->values[i].writer].n_kept++;
    return ERR_OK;
}

enum err fusion_read_code(struct fusion *f, struct span text)
{
    struct code c = {.f = f};
    int n_ops = f->n_ops, n_defined = f->n_kernels, s_defined = f->s_kernels;
    enum err err = take_definitions(&c);
    if (!err) err = read_definitions(&c, text);
    if (!err) err = read_calls(&c, text);
    for (int i = 0; i < n_ops; i++)
        if (f->ops[i].also >= 0) f->ops[i].also = c.first_call[f->ops[i].also];
    if (!err && !f->n_kernels) { /* code of a form that has no such calls */
        f->kernels = (struct fusion_kernel *)c.defined;
        f->n_kernels = n_defined, f->s_kernels = s_defined;
    } else if (!err) {
        f->has_calls = true;
        err = tell_kept(f);
    }
    map_release(&c.names);
    map_release(&c.definitions);
    return err;
}
