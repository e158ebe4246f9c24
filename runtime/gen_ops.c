/* gen_ops.c - host program: prints plumb_ops.h and plumb_ops.c, a C function per operator, from
 * ops.def.
 *
 *   gen_ops h    declarations        gen_ops c    definitions
 *
 * A function is named plumb_<id>, lowercased, without a trailing _tensor. It takes the arguments
 * of the schema in order, but for
 * those after "*" that have a default; of these ScalarType and str arguments stay. Layout,
 * Device, Generator and MemoryFormat are left out.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "runtime/op_schema.h"

enum { OP_F, OP_I, OP_B, OP_C, OP_F8, OP_U };
static const struct {
    const char *id, *schema;
} rows[] = {
#define POINT(id, schema, ...)     {#id, schema},
#define NEST(id, schema, ...)      {#id, schema},
#define VIEW(id, schema, ...)      {#id, schema},
#define OPAQUE(id, schema, ...)    {#id, schema},
#define COMPOSITE(id, schema, ...) {#id, schema},
#include "runtime/ops.def"
};

static bool full; /* printing the function that takes all */

static bool is_passed(const struct op_param *p)
{
    if (p->kind == OP_NONE) return false;
    return full || !p->keyword || !p->has_default || p->kind == OP_DTYPE || p->kind == OP_TEXT;
}

static void print_name(const char *id)
{
    size_t n = strlen(id), tail = strlen("_Tensor");
    if (n > tail && !strcmp(id + n - tail, "_Tensor")) n -= tail;
    printf("plumb_");
    for (size_t i = 0; i < n; i++) putchar(tolower((unsigned char)id[i]));
    if (full) printf("_full");
}

static bool leaves_out(const struct op_schema *s)
{
    for (int i = 0; i < s->n_params; i++)
        if (s->param[i].kind != OP_NONE && !is_passed(&s->param[i])) return true;
    return false;
}

static void print_parameter(const struct op_param *p)
{
    const char *c = p->optional ? "const " : "", *star = p->optional ? "*" : "";
    switch (p->kind) {
    case OP_TENSOR: printf("struct plumb_tensor *%s", p->name); break;
    case OP_TENSORS: printf("struct plumb_tensor *const *%s, int n_%s", p->name, p->name); break;
    case OP_INT: printf("%sint64_t %s%s", c, star, p->name); break;
    case OP_INTS: printf("const int64_t *%s, int n_%s", p->name, p->name); break;
    case OP_SCALAR:
    case OP_REAL: printf("%sdouble %s%s", c, star, p->name); break;
    case OP_BOOL: printf("%sbool %s%s", c, star, p->name); break;
    case OP_DTYPE: printf("enum plumb_dtype %s", p->name); break;
    default: printf("const char *%s", p->name); break;
    }
}

static void print_head(const char *id, const struct op_schema *s)
{
    int n = 0;
    bool one = s->n_results == 1 && !s->result_list;
    printf(one ? "struct plumb_tensor *" : "int ");
    print_name(id);
    putchar('(');
    for (int i = 0; i < s->n_params; i++) {
        if (!is_passed(&s->param[i])) continue;
        if (n++) printf(", ");
        print_parameter(&s->param[i]);
    }
    if (!one && s->n_results) printf("%sstruct plumb_tensor **results", n++ ? ", " : "");
    if (s->result_list) printf(", int n");
    printf(n ? ")" : "void)");
}

static void print_value(const struct op_param *p)
{
    const char *v = p->name;
    switch (p->kind) {
    case OP_TENSOR: printf("value_tensor(%s, %d)", v, p->optional); break;
    case OP_TENSORS: printf("value_tensors(%s, n_%s)", v, v); break;
    case OP_INT: printf(p->optional ? "value_int_maybe(%s)" : "value_int(%s)", v); break;
    case OP_INTS: printf("value_ints(%s, n_%s, %d)", v, v, p->optional); break;
    case OP_SCALAR: printf(p->optional ? "value_scalar_maybe(%s)" : "value_scalar(%s)", v); break;
    case OP_REAL: printf(p->optional ? "value_real_maybe(%s)" : "value_real(%s)", v); break;
    case OP_BOOL: printf(p->optional ? "value_bool_maybe(%s)" : "value_bool(%s)", v); break;
    case OP_DTYPE: printf("value_dtype((enum dtype)%s)", v); break;
    default: printf("value_text(%s)", v); break;
    }
}

static void print_definition(const char *id, const struct op_schema *s)
{
    bool one = s->n_results == 1 && !s->result_list;
    print_head(id, s);
    printf("\n{\n    const struct op_value v[] = {");
    for (int i = 0; i < s->n_params; i++) {
        if (i) printf(", ");
        if (is_passed(&s->param[i])) print_value(&s->param[i]);
        else printf("{0}");
    }
    printf("%s};\n", s->n_params ? "" : "{0}");
    if (one) printf("    return api_one(op_at(OP_ID_%s), v, %d);\n}\n", id, s->n_params);
    else
        printf("    return api_several(op_at(OP_ID_%s), v, %d, %s, %s);\n}\n", id, s->n_params,
               s->n_results ? "results" : "NULL", s->result_list ? "n" : "OP_RESULTS");
}

static void print_one(const char *id, const struct op_schema *s, bool header)
{
    if (!header) {
        print_definition(id, s);
        return;
    }
    printf("PLUMB_API ");
    print_head(id, s);
    puts(";");
}

int main(int argc, char **argv)
{
    bool header = argc > 1 && !strcmp(argv[1], "h");
    puts("/* plumb_ops - a function per operator; made from runtime/ops.def. */");
    puts(header ? "#ifndef PLUMB_OPS_H\n#define PLUMB_OPS_H\n" : "#include \"runtime/api.h\"\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct op_schema s;
        if (op_schema_read(rows[i].schema, &s)) {
            fprintf(stderr, "ops.def: %s: %s\n", rows[i].id, err_text());
            return 1;
        }
        if (header) printf("/* %s */\n", rows[i].schema);
        bool both = leaves_out(&s);
        print_one(rows[i].id, &s, header);
        full = true;
        if (both) print_one(rows[i].id, &s, header);
        full = false;
    }
    if (header) puts("\n#endif");
    return 0;
}
