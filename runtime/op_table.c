/* op_table.c - the rows of ops.def as an array, their schemas read once. */
#include <pthread.h>
#include <string.h>

#include "runtime/ops.h"

#define ROW(id_, schema_, class_, ...)                                                             \
    [OP_ID_##id_] = {.id = #id_, .schema = schema_, .class = class_, __VA_ARGS__},
#define POINT(id, schema, types_, dtypes_, body_, grad_, tol)                                      \
    ROW(id, schema, OP_NEST, .types = OP_T_##types_, .dtypes = dtypes_, .shape = shape_broadcast,  \
        .body = body_, .oracle = oracle_##id, .grad = grad_, .tolerance = tol)
#define NEST(id, schema, types_, dtypes_, shape_, body_, grad_, tol, flags_)                       \
    ROW(id, schema, OP_NEST, .types = OP_T_##types_, .dtypes = dtypes_, .shape = shape_,           \
        .body = body_, .oracle = oracle_##id, .grad = grad_, .tolerance = tol, .flags = flags_)
#define VIEW(id, schema, shape_, grad_)                                                            \
    ROW(id, schema, OP_VIEW, .types = OP_T_OWN, .dtypes = OP_ALL, .shape = shape_, .grad = grad_)
#define OPAQUE(id, schema, types_, dtypes_, shape_, run_, grad_, tol, flags_)                      \
    ROW(id, schema, OP_OPAQUE, .types = OP_T_##types_, .dtypes = dtypes_, .shape = shape_,         \
        .run = run_, .oracle = oracle_##id, .grad = grad_, .tolerance = tol, .flags = flags_)
#define COMPOSITE(id, schema, run_) ROW(id, schema, OP_COMPOSITE, .dtypes = OP_ALL, .run = run_)
enum { OP_ALL = OP_F | OP_I | OP_B | OP_C | OP_F8 | OP_U };

static struct op ops[OP_N_IDS] = {
#include "runtime/ops.def"
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static enum err read_error;

static void read_all(void)
{
    for (int i = 0; i < OP_N_IDS && !read_error; i++)
        read_error = op_schema_read(ops[i].schema, &ops[i].s);
}

enum err op_table(const struct op **table, int *n)
{
    pthread_once(&once, read_all);
    *table = ops;
    *n = OP_N_IDS;
    if (read_error) FAIL(read_error, "a row of ops.def has a schema that cannot be read");
    return ERR_OK;
}

const struct op *op_at(enum op_id id)
{
    pthread_once(&once, read_all);
    return &ops[id];
}

const struct op *op_find(const char *name)
{
    const struct op *table;
    int n;
    if (op_table(&table, &n)) return NULL;
    for (int i = 0; i < n; i++) {
        const char *own = table[i].s.name, *plain = strstr(own, "::");
        if (!strcmp(own, name) || (plain && !strcmp(plain + 2, name))) return &table[i];
    }
    return NULL;
}
