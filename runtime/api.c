/* api.c - tensors, scopes and calls of plumb.h; sessions are in session.c, gradients in tape.c. */
#include "runtime/api.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/session.h"

#define SAME(name) _Static_assert((int)PLUMB_##name == (int)DTYPE_##name, "plumb.h and dtype.h")
#define X(id, ...) SAME(id);
DTYPES(X)
#undef X

/* The first error of a chain of calls is the one that counts. */
static _Thread_local bool pending;

const char *plumb_error(void)
{
    pending = false;
    return err_text();
}

bool api_ok(enum err err)
{
    if (err) pending = true;
    return !err;
}

static bool lacks_tensor(const struct op_value *v, int n)
{
    for (int i = 0; i < n; i++)
        if (v[i].kind == OP_TENSOR && !v[i].t) return true;
    return false;
}

static bool call(const struct op *op, const struct op_value *v, int n, struct op_results *out)
{
    if (pending && lacks_tensor(v, n)) return false;
    return api_ok(op_run(op, v, n, out));
}

struct plumb_tensor *api_one(const struct op *op, const struct op_value *v, int n)
{
    struct op_results r;
    return call(op, v, n, &r) ? r.p[0] : NULL;
}

int api_several(const struct op *op, const struct op_value *v, int n, struct plumb_tensor **out,
                int n_out)
{
    struct op_results r;
    if (!call(op, v, n, &r)) return -1;
    for (int i = 0; i < r.n && i < n_out; i++) out[i] = r.p[i];
    return r.n;
}

static struct op_value value_of(const struct plumb_value *v)
{
    switch (v->kind) {
    case PLUMB_V_TENSOR: return value_tensor(v->tensor, false);
    case PLUMB_V_TENSORS: return value_tensors(v->tensors, v->n);
    case PLUMB_V_INT: return value_int(v->i);
    case PLUMB_V_INTS: return value_ints(v->ints, v->n, false);
    case PLUMB_V_REAL: return value_real(v->r);
    case PLUMB_V_BOOL: return value_bool(v->i != 0);
    case PLUMB_V_DTYPE: return value_dtype((enum dtype)v->i);
    case PLUMB_V_TEXT: return value_text(v->text);
    default: return (struct op_value){0};
    }
}

int plumb_call(const char *name, const struct plumb_value *arg, int n_args,
               struct plumb_tensor **out, int n)
{
    struct op_value v[OP_ARGS];
    const struct op *op = op_find(name);
    if (!op) {
        api_ok(err_set(ERR_NOT_FOUND, "there is no operator %s", name));
        return -1;
    }
    if (n_args > OP_ARGS) {
        api_ok(err_set(ERR_USAGE, "%s: %d arguments were given", name, n_args));
        return -1;
    }
    for (int i = 0; i < n_args; i++) v[i] = value_of(&arg[i]);
    return api_several(op, v, n_args, out, n);
}

/* ---- tensors ---- */

static enum err make(enum dtype dtype, int n, const int64_t *size, const void *data,
                     struct plumb_tensor **out)
{
    struct view_shape shape = {.n = n};
    if (n < 0 || n > VIEW_DIMS)
        FAIL(ERR_USAGE, "a tensor of %d dimensions; 0 to %d are accepted", n, VIEW_DIMS);
    if ((int)dtype <= DTYPE_NONE || (int)dtype >= DTYPE_END)
        FAIL(ERR_USAGE, "%d is no dtype; enum plumb_dtype lists them", (int)dtype);
    for (int i = 0; i < n; i++) shape.size[i] = size[i];
    struct trace *trace = thread_self.trace; /* host data are real while tracing too */
    thread_self.trace = NULL;
    enum err err = tensor_new(dtype, &shape, out);
    thread_self.trace = trace;
    TRY(err);
    int64_t bytes = view_n_bytes(&(*out)->view);
    const struct backend *b = thread_self.session->backend;
    if (!bytes || !b->computes) return ERR_OK;
    if (data) return b->from_host((*out)->storage->p, data, bytes);
    void *zeros = calloc(1, (size_t)bytes);
    if (!zeros) FAIL(ERR_NOMEM, "out of memory for %lld bytes of zeros", (long long)bytes);
    err = b->from_host((*out)->storage->p, zeros, bytes);
    free(zeros);
    return err;
}

struct plumb_tensor *plumb_tensor(enum plumb_dtype dtype, int n, const int64_t *size,
                                  const void *data)
{
    struct plumb_tensor *t;
    return api_ok(make((enum dtype)dtype, n, size, data, &t)) ? t : NULL;
}

static enum err keep(struct plumb_tensor *t)
{
    TRY(thread_check("a kept tensor"));
    if (t->storage->fake) return trace_break(thread_self.trace, "a tensor was kept");
    if (t->frame && !thread_has_frame(&thread_self, t->frame))
        FAIL(ERR_USAGE, "a tensor is kept by the thread that made it; this one is another's");
    tensor_keep(t);
    return ERR_OK;
}

struct plumb_tensor *plumb_keep(struct plumb_tensor *t)
{
    return t && api_ok(keep(t)) ? t : NULL;
}

struct plumb_tensor *plumb_parameter(const char *name, struct plumb_tensor *t)
{
    char text[TENSOR_TEXT];
    if (!t) return NULL;
    enum dtype_kind kind = dtype_kind(t->view.dtype);
    if (kind != DTYPE_FLOAT && kind != DTYPE_COMPLEX) {
        api_ok(err_set(ERR_USAGE, "parameter %s is %s; floating and complex dtypes are accepted",
                       name ? name : "", tensor_text(t, text)));
        return NULL;
    }
    if (!plumb_keep(t)) return NULL;
    struct thread *own = &thread_self;
    if (own->inject && !api_ok(inject_parameter(own->inject, own->session->cap, name, t)))
        return NULL;
    t->requires_grad = true;
    return t;
}

enum plumb_dtype plumb_dtype(const struct plumb_tensor *t)
{
    return (enum plumb_dtype)t->view.dtype;
}
int plumb_dims(const struct plumb_tensor *t)
{
    return t->view.shape.n;
}
int64_t plumb_size(const struct plumb_tensor *t, int dim)
{
    int n = t->view.shape.n, d = dim < 0 ? dim + n : dim;
    return d >= 0 && d < n ? t->view.shape.size[d] : 1;
}
int64_t plumb_count(const struct plumb_tensor *t)
{
    return view_count(&t->view);
}

/* The tensor's elements, packed, in logical order. */
static enum err read_elements(const struct plumb_tensor *t, void *data, int64_t size)
{
    int64_t bytes = view_n_bytes(&t->view), item = (int64_t)dtype_size(t->view.dtype);
    const struct backend *b = t->storage->backend;
    struct view_walk w;
    struct view_run run;
    char *to = data;
    if (thread_self.trace) return trace_break(thread_self.trace, "values of a tensor were read");
    if (bytes != size)
        FAIL(ERR_USAGE, "a tensor of %lld bytes was to be read into %lld", (long long)bytes,
             (long long)size);
    if (!b->computes) FAIL(ERR_UNSUPPORTED, "back end %s computes no values", b->name);
    view_walk_begin(&w, &t->view, 0, view_count(&t->view));
    while (view_walk_next(&w, INT64_MAX, &run)) {
        const char *from = (const char *)t->storage->p + run.at * item;
        int64_t many = run.stride == 1 ? run.n : 1;
        for (int64_t i = 0; i < run.n; i += many, to += many * item)
            TRY(b->to_host(to, from + i * run.stride * item, many * item));
    }
    return ERR_OK;
}

int plumb_read(const struct plumb_tensor *t, void *data, int64_t size)
{
    if (!t) return -1;
    return api_ok(read_elements(t, data, size)) ? 0 : -1;
}

static enum err item(const struct plumb_tensor *t, double *out)
{
    char bytes[16], text[TENSOR_TEXT];
    double two[2];
    if (view_count(&t->view) != 1)
        FAIL(ERR_USAGE, "%s was to be read as one number; a tensor of one element is accepted",
             tensor_text(t, text));
    TRY(read_elements(t, bytes, (int64_t)dtype_size(t->view.dtype)));
    dtype_load_f64(t->view.dtype, bytes, 1, two);
    *out = two[0];
    return ERR_OK;
}

double plumb_item(const struct plumb_tensor *t)
{
    double v;
    return t && api_ok(item(t, &v)) ? v : NAN;
}

uint64_t plumb_digest(const struct plumb_tensor *t)
{
    uint64_t v = 0;
    const struct backend *b = t ? t->storage->backend : NULL;
    if (!t) return 0;
    if (!b->computes) {
        api_ok(err_set(ERR_UNSUPPORTED, "back end %s computes no values", b->name));
        return 0;
    }
    if (thread_self.trace) {
        api_ok(trace_break(thread_self.trace, "the digest of a tensor was asked for"));
        return 0;
    }
    int threads = thread_self.session ? thread_self.session->threads : 1;
    return api_ok(b->digest(&t->view, t->storage->p, threads, NULL, &v)) ? v : 0;
}

/* ---- scopes ---- */

/* What a compiled function would do at its first call only. */
static bool only_once(const char *what)
{
    struct trace *t = thread_self.trace;
    return t && api_ok(trace_break(t, "%s, which is to happen at each call", what)) == false;
}

static void scope_begin(enum cap_kind kind, const char *name, const char *header)
{
    struct thread *t = &thread_self;
    if (!t->ring || t->quiet) return;
    cap_begin(t->ring, kind, thread_word(t, name), header ? thread_word(t, header) : 0, 0);
}

static void scope_end(void)
{
    if (thread_self.ring && !thread_self.quiet) cap_end(thread_self.ring);
}

/* For what is compiled within: where in the model it is. */
static void enter_scope(struct thread *t, const char *name)
{
    size_t n = strnlen(name, SCOPE_NAME - 1);
    if (t->n_scopes < SCOPES) {
        memcpy(t->scope[t->n_scopes], name, n);
        t->scope[t->n_scopes][n] = 0;
    }
    t->n_scopes++;
}

void plumb_module_begin(const char *name)
{
    enter_scope(&thread_self, name);
    if (thread_self.trace) trace_module(thread_self.trace, name);
    if (thread_self.session && !thread_self.session->modules) return;
    scope_begin(CAP_MODULE, name, "nn.Mod");
}
void plumb_module_end(void)
{
    if (thread_self.n_scopes > 0) thread_self.n_scopes--;
    if (thread_self.trace) trace_module(thread_self.trace, NULL);
    if (thread_self.session && !thread_self.session->modules) return;
    scope_end();
}
void plumb_annotate_begin(const char *tag)
{
    scope_begin(CAP_ANNOTATE, tag, "annotate");
}
void plumb_annotate_end(void)
{
    scope_end();
}
void plumb_step_begin(int64_t step)
{
    char name[32];
    if (only_once("a step was begun")) return;
    snprintf(name, sizeof name, "step %lld", (long long)step);
    scope_begin(CAP_SPAN, name, NULL);
}
void plumb_step_end(void)
{
    scope_end();
}

void plumb_counter(const char *name, double value)
{
    struct thread *t = &thread_self;
    if (only_once("a counter was set")) return;
    if (t->ring && !t->quiet) cap_counter(t->ring, thread_word(t, name), value);
}

void plumb_remark(const char *key, double value)
{
    struct thread *t = &thread_self;
    struct cap_value v = {.kind = CAP_REAL, .r = value};
    if (only_once("a call was remarked upon")) return;
    if (t->ring && !t->quiet) cap_remark(t->ring, thread_word(t, key), &v);
}

int plumb_hook_push(const struct plumb_hook *hook)
{
    struct thread *t = &thread_self;
    if (only_once("a hook was pushed")) return -1;
    if (t->n_hooks == HOOKS) {
        api_ok(err_set(ERR_LIMIT, "%d hooks are in place already; more are not accepted", HOOKS));
        return -1;
    }
    t->hook[t->n_hooks++] = hook;
    return 0;
}

void plumb_hook_pop(void)
{
    if (thread_self.n_hooks) thread_self.n_hooks--;
}
