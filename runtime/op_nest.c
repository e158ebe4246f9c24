/* op_nest.c - from a body and tensors to a built nest, which is kept for the next call of its kind.
 *
 * Nests are built once per (body, dtypes, loops, scalars' types) and never freed: there are as
 * many as a program has
 * kinds of calls. Each thread looks in a map of its own; only building takes the lock.
 */
#include "runtime/session.h"

struct kept_nest {
    struct nest nest;
    struct arena arena;
};
/* All that a nest's text depends on besides its body. */
struct kind {
    const struct op *op; /* names of arrays and scalars are its */
    const char *body;
    uint8_t dtype[NEST_ARRAYS], own[NEST_ARRAYS], outer[NEST_ARRAYS], n_indexed[NEST_ARRAYS];
    uint8_t param[NEST_PARAMS];
    uint8_t n_read, n_written, n_params, n_outer, n_inner, compute, flags;
};

static pthread_mutex_t building = PTHREAD_MUTEX_INITIALIZER;
static struct map all; /* kind -> struct kept_nest *; guarded by `building` */
static _Thread_local struct map own;

static enum nest_type param_type(const struct op_value *v, enum dtype compute)
{
    if (v->kind == OP_INT) return NEST_I64;
    if (v->kind == OP_BOOL) return NEST_B;
    return nest_type_of(compute);
}

/* Whether an array is the same all along the inner loops. */
static bool is_outer(const struct nest_plan *p, int array)
{
    for (int d = p->n_outer; d < p->n_outer + p->n_inner; d++)
        if (p->lie[array].stride[d]) return false;
    return true;
}

static bool moves(const struct op_call *c)
{
    return c->op->flags & OP_MOVES;
}

/* PyTorch casts what is promoted to the common dtype first, but for tensors without dimensions,
 * which count as numbers. */
static bool rounds(const struct op_call *c, const struct op_nest *n, int i, enum dtype compute)
{
    enum op_types rule = c->op->types;
    bool promotes = rule == OP_T_PROMOTE || rule == OP_T_FLOAT || rule == OP_T_COMPARE;
    const struct view *v = &n->tensor[i]->view;
    return promotes && i < n->n_read && v->shape.n && v->dtype != compute && !n->plan->own[i] &&
           (compute == DTYPE_F16 || compute == DTYPE_BF16);
}

static void kind_of(const struct op_call *c, const struct op_nest *n, enum dtype compute,
                    struct kind *k)
{
    memset(k, 0, sizeof *k); /* padding takes part in the hash */
    k->op = c->op;
    k->body = n->body;
    for (int i = 0; i < n->n_read + n->n_written; i++) {
        k->dtype[i] = (uint8_t)n->tensor[i]->view.dtype;
        k->own[i] = (uint8_t)(n->plan->own[i] | rounds(c, n, i, compute) << 1);
        k->outer[i] = is_outer(n->plan, i);
        k->n_indexed[i] = (uint8_t)n->plan->n_indexed[i];
    }
    for (int i = 0; i < n->n_params; i++) k->param[i] = (uint8_t)param_type(&n->value[i], compute);
    k->n_read = (uint8_t)n->n_read;
    k->n_written = (uint8_t)n->n_written;
    k->n_params = (uint8_t)n->n_params;
    k->n_outer = (uint8_t)n->plan->n_outer;
    k->n_inner = (uint8_t)n->plan->n_inner;
    k->compute = (uint8_t)compute;
    k->flags = (uint8_t)(n->serial | c->exact << 1 | moves(c) << 2);
}

static enum err build(const struct op_call *c, const struct op_nest *n, enum dtype compute,
                      struct kept_nest **out)
{
    struct nest_spec spec = {.body = n->body,
                             .compute = compute,
                             .n_arrays = n->n_read + n->n_written,
                             .n_params = n->n_params,
                             .n_outer = n->plan->n_outer,
                             .n_inner = n->plan->n_inner,
                             .serial = n->serial,
                             .exact = c->exact};
    for (int i = 0; i < spec.n_arrays; i++) {
        spec.array[i] = (struct nest_array){.name = n->name[i],
                                            .dtype = n->tensor[i]->view.dtype,
                                            .written = i >= n->n_read,
                                            .moves = moves(c),
                                            .rounds = rounds(c, n, i, compute),
                                            .n_indexed = n->plan->n_indexed[i]};
        spec.own[i] = n->plan->own[i];
        spec.outer[i] = is_outer(n->plan, i);
    }
    for (int i = 0; i < n->n_params; i++) {
        spec.param[i] = n->param[i];
        spec.param_type[i] = param_type(&n->value[i], compute);
    }
    struct kept_nest *k = calloc(1, sizeof *k);
    if (!k) FAIL(ERR_NOMEM, "out of memory for a loop nest");
    enum err err = nest_build(&spec, &k->arena, &k->nest);
    if (!err) err = nest_verify(&k->nest);
    if (err) {
        arena_release(&k->arena);
        free(k);
        return err_wrap(err, "%s: ", c->op->s.name);
    }
    *out = k;
    return ERR_OK;
}

static enum err find(const struct op_call *c, const struct op_nest *n, enum dtype compute,
                     const struct nest **out)
{
    struct kind kind;
    struct kept_nest *kept = NULL;
    kind_of(c, n, compute, &kind);
    struct map_key key = map_key((struct span){(const char *)&kind, sizeof kind});
    int64_t *at = map_get(&own, key);
    if (!at) {
        enum err err = ERR_OK;
        pthread_mutex_lock(&building);
        int64_t *shared = map_get(&all, key);
        if (shared) kept = (struct kept_nest *)(intptr_t)*shared;
        else err = build(c, n, compute, &kept);
        if (!err && !shared) map_put(&all, key, (int64_t)(intptr_t)kept, NULL);
        pthread_mutex_unlock(&building);
        TRY(err);
        at = map_put(&own, key, (int64_t)(intptr_t)kept, NULL);
        if (!at) FAIL(ERR_NOMEM, "out of memory for a loop nest");
    }
    *out = &((struct kept_nest *)(intptr_t)*at)->nest;
    return ERR_OK;
}

/* A number as the integer that the compute dtype makes of it: modulo 2^bits, as PyTorch does. */
static int64_t whole_number(const struct op_value *v, enum dtype compute)
{
    int64_t i = v->i, back = 0;
    unsigned char bytes[8];
    if (v->kind == OP_INT || v->kind == OP_BOOL) return i;
    if (!v->is_int && compute == DTYPE_B8) return v->r != 0;
    if (!v->is_int) dtype_cast(DTYPE_F64, &v->r, DTYPE_I64, &i, 1);
    if (!dtype_is_integer(compute) && compute != DTYPE_B8) return i;
    dtype_cast(DTYPE_I64, &i, compute, bytes, 1);
    dtype_load_i64(compute, bytes, 1, &back);
    return back;
}

static void set_param(const struct nest *nest, int i, const struct op_value *v, enum dtype compute,
                      struct nest_run *run)
{
    bool whole = nest->param_type[i] == NEST_I64 || nest->param_type[i] == NEST_U64 ||
                 nest->param_type[i] == NEST_B;
    bool is_int = v->kind == OP_INT || v->kind == OP_BOOL || (v->kind == OP_SCALAR && v->is_int);
    if (whole) run->param[i].i = whole_number(v, compute);
    else run->param[i].r = is_int ? (double)v->i : v->r;
}

static void record_launch(struct thread *t, const struct op_call *c, const struct nest_run *run)
{
    struct cap_launch l = {.kernel = thread_word(t, c->op->s.name),
                           .variant = thread_word(t, t->session->backend->name),
                           .items = 1,
                           .threads = run->threads};
    for (int i = 0; i < run->plan->n_outer + run->plan->n_inner; i++) l.items *= run->plan->size[i];
    for (int i = 0; i < run->nest->n_arrays; i++) {
        const struct nest_array *a = &run->nest->array[i];
        int64_t n = (int64_t)dtype_size(a->dtype);
        for (int d = 0; d < run->plan->n_outer + run->plan->n_inner; d++)
            if (run->plan->lie[i].stride[d]) n *= run->plan->size[d];
        *(a->written ? &l.bytes_written : &l.bytes_read) += n;
    }
    cap_launch_begin(t->ring, &l);
}

enum err op_nest_run(struct op_call *c, const struct op_nest *n)
{
    struct thread *t = &thread_self;
    struct nest_run run = {.plan = n->plan, .seed = c->seed, .stream = c->stream};
    enum dtype compute = n->compute ? n->compute : c->compute;
    run.threads = c->threads;
    TRY(find(c, n, compute, &run.nest));
    for (int i = 0; i < n->n_read + n->n_written; i++) run.base[i] = op_data(n->tensor[i]);
    for (int i = 0; i < n->n_params; i++) set_param(run.nest, i, &n->value[i], compute, &run);
    if (t->collect) return t->collect->take(t->collect, c, n, &run);
    bool recorded = t->ring && !t->quiet;
    if (recorded) record_launch(t, c, &run);
    enum err err = t->session->backend->run_nest(&run);
    if (recorded) cap_end(t->ring);
    return err ? err_wrap(err, "%s: ", c->op->s.name) : ERR_OK;
}

void op_nest_thread_end(void)
{
    map_release(&own);
    own = (struct map){0};
}
