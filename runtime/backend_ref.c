/* backend_ref.c - every operator by its oracle, one rounding at the end: slow, and what all else
 * is compared with. */
#include "runtime/backend_host.h"
#include "runtime/session.h"

static const struct plumb_tensor *member(const struct op_value *v, int i)
{
    return v->kind == OP_TENSOR ? v->t : v->ts[i];
}

/* Into arrays from a[*n] on. */
static enum err load_tensors(const struct op_value *v, struct oracle_array *a, int *n)
{
    int count = v->kind == OP_TENSORS ? v->n : v->kind == OP_TENSOR;
    for (int i = 0; i < count; i++) {
        const struct plumb_tensor *t = member(v, i);
        struct oracle_array *to = &a[(*n)++];
        if (!t) continue;
        if (!oracle_array_init(to, t->view.dtype, &t->view.shape))
            FAIL(ERR_NOMEM, "out of memory for an oracle");
        oracle_load(to, &t->view, t->storage->p);
    }
    return ERR_OK;
}

static void set_value(const struct op_value *v, struct oracle_array *a, struct oracle_value *to)
{
    *to = (struct oracle_value){.a = a, .n = v->n, .is = v->is, .i = v->i, .r = v->r, .s = v->s};
    switch (v->kind) {
    case OP_TENSOR: to->kind = ORACLE_TENSOR; break;
    case OP_TENSORS: to->kind = ORACLE_TENSORS; break;
    case OP_INTS: to->kind = ORACLE_INTS; break;
    case OP_REAL:
    case OP_SCALAR: to->kind = ORACLE_REAL; break;
    case OP_TEXT: to->kind = ORACLE_TEXT; break;
    case OP_NONE: to->kind = ORACLE_NONE; break;
    default: to->kind = ORACLE_INT; break;
    }
    if (to->kind == ORACLE_REAL && v->is_int) to->r = (long double)v->i;
}

static enum err take_arguments(struct op_call *c, struct oracle_array *a,
                               struct oracle_value *value)
{
    int n = 0;
    for (int i = 0; i < c->op->s.n_params; i++) {
        set_value(&c->arg[i], &a[n], &value[i]);
        TRY(load_tensors(&c->arg[i], a, &n));
    }
    return ERR_OK;
}

static enum err take_results(struct op_call *c, struct oracle_array *out)
{
    for (int i = 0; i < c->n_results; i++) {
        const struct plumb_tensor *t = c->result[i];
        if (!t) continue;
        if (!oracle_array_init(&out[i], t->view.dtype, &t->view.shape))
            FAIL(ERR_NOMEM, "out of memory for an oracle");
        if (!c->op->s.result_list && c->op->s.result_arg[i] >= 0)
            oracle_load(&out[i], &t->view, t->storage->p);
    }
    return ERR_OK;
}

bool ref_is_written_only(const struct op_call *c, int arg)
{
    if (!c->op->s.param[arg].written || c->writes_nothing) return false;
    for (int r = 0; r < c->op->s.n_results; r++)
        if (!c->op->s.result_list && c->op->s.result_arg[r] == arg) return false;
    return true;
}

static void store_written(const struct op_value *v, const struct oracle_value *from)
{
    int n = v->kind == OP_TENSORS ? v->n : v->kind == OP_TENSOR;
    for (int k = 0; k < n; k++)
        oracle_store(&from->a[k], &member(v, k)->view, member(v, k)->storage->p);
}

enum err ref_evaluate(struct op_call *c, struct ref_values *out)
{
    int n_in = op_slot(c, c->op->s.n_params), n = n_in + c->n_results;
    struct oracle_array *a = calloc((size_t)n + 1, sizeof *a);
    *out = (struct ref_values){.array = a, .n_arrays = n, .out = a + n_in};
    if (!a) FAIL(ERR_NOMEM, "out of memory for an oracle");
    TRY(take_arguments(c, a, out->value));
    TRY(take_results(c, out->out));
    struct oracle_call call = {.arg = out->value,
                               .n_args = c->op->s.n_params,
                               .out = out->out,
                               .n_out = c->n_results,
                               .in = a,
                               .n_in = n_in,
                               .compute = c->compute,
                               .seed = c->seed,
                               .stream = c->stream};
    c->op->oracle(&call);
    if (call.failed) FAIL(ERR_NOMEM, "%s: out of memory for the oracle", c->op->s.name);
    if (call.outside_arg)
        return op_fail(c, call.outside_arg - 1,
                       "index %lld is out of range; 0 to %lld are accepted",
                       (long long)call.outside, (long long)call.outside_size - 1);
    return ERR_OK;
}

void ref_values_release(struct ref_values *v)
{
    for (int i = 0; v->array && i < v->n_arrays; i++) oracle_array_release(&v->array[i]);
    free(v->array);
    v->array = NULL;
}

static void store_all(const struct op_call *c, const struct ref_values *v)
{
    for (int i = 0; i < c->n_results; i++)
        if (c->result[i]) oracle_store(&v->out[i], &c->result[i]->view, c->result[i]->storage->p);
    for (int i = 0; i < c->op->s.n_params; i++)
        if (ref_is_written_only(c, i)) store_written(&c->arg[i], &v->value[i]);
}

static enum err ref_run(struct op_call *c)
{
    struct ref_values v;
    enum err err = ref_evaluate(c, &v);
    if (!err) store_all(c, &v);
    ref_values_release(&v);
    return err;
}

const struct backend backend_ref = {
    .name = "ref",
    .device = "cpu",
    .computes = true,
    .start = host_sync,
    .alloc = host_alloc,
    .free = host_free,
    .run_nest = nest_interpret,
    .run_oracle = ref_run,
    .digest = host_digest,
    .to_host = host_copy,
    .from_host = host_copy,
    .sync = host_sync,
    .now = host_now,
};
