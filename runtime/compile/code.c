/* code.c - the kernels of a compile on the CPU: built, and run launch by launch.
 *
 *   launch ─► members ─► pieces of all of them, one after another ─► shares of about equal work
 *
 * All that a launch needs beside its arguments is worked out when it is built, so that a member of
 * a combo costs little more than the call of its function. Small members go into one share; one
 * share is run by the caller. Kernels that are not built (no compiler, or the printer leaves them
 * out) are interpreted by the caller.
 */
#include <stdatomic.h>
#include <string.h>

#include "runtime/backend.h"
#include "runtime/build.h"
#include "runtime/compile/code_c.h"
#include "runtime/nest_pieces.h"
#include "runtime/pool.h"
#include "runtime/session.h"
#include "store/base/clock.h"

/* Nodes that a compiler takes about as long for as what is not nodes. */
enum { KERNEL_WORK = 10, LONG_WORK = 60, PART_WORK = 40, MOST_PARTS = 17 };

/* A kernel ready to run. */
struct ready {
    const struct nest *nest;      /* borrowed */
    const struct nest_plan *plan; /* interpreted: without the arrays' offsets; else NULL */
    struct print_kernel kernel;
    struct nest_pieces pieces;
    const int64_t *number;
};
/* Pieces in the order of members. */
struct share {
    int member;       /* of the first piece */
    int64_t piece, n; /* its number in that member; how many follow one another */
};
struct launch {
    const int *kernel; /* per member */
    int n_members, n_shares;
    const struct share *share;
    bool interprets; /* some of its kernels are interpreted */
};
struct code {
    struct arena arena;
    struct code_text text;
    struct ready *ready; /* per kernel */
    struct launch *launch;
    int64_t build_ns;
    const char *how;
    int n_texts, n_known;
    const struct backend_code *by; /* memory is a device's: `device` runs it; NULL: the host's */
    void *device;                  /* owned */
};

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for the kernels of a compile");
}

/* ---- kernels ---- */

static enum err prepare(struct code *c, const struct code_kernel *k, void *function,
                        struct ready *out)
{
    int64_t number[PRINT_NUMBERS];
    out->nest = k->nest;
    nest_pieces(k->nest, &k->shape, &out->pieces);
    if (function) {
        int n = print_c_numbers(k->nest, k->plan, &k->shape, number);
        struct span bytes = {(const char *)number, (size_t)n * sizeof *number};
        out->number = (const int64_t *)arena_copy(&c->arena, bytes).p;
        memcpy(&out->kernel.run, &function, sizeof function);
        return out->number ? ERR_OK : no_memory();
    }
    struct nest_plan *plan = arena_alloc(&c->arena, sizeof *plan);
    if (!plan) return no_memory();
    *plan = *k->plan;
    for (int i = 0; i < k->nest->n_arrays; i++) plan->lie[i].offset = 0;
    out->plan = plan;
    return ERR_OK;
}

/* ---- launches ---- */

/* Points that a piece of the kernel has, or about so. */
static int64_t piece_points(const struct code_kernel *k, const struct nest_pieces *p)
{
    return p->piece_rows * p->piece_columns * (k->shape.points ? k->shape.points : 1);
}

static bool add_piece(struct share *share, int *n, int64_t *points, int64_t more)
{
    bool fresh = !*n || *points + more > PIECE_POINTS;
    *points = fresh ? more : *points + more;
    *n += fresh;
    share[*n - 1].n++;
    return fresh;
}

/* Deals the members' pieces out to shares; counts them where `share` has room for one only. */
static enum err deal(struct code *c, const struct code_spec *s, struct launch *l)
{
    int64_t pieces = 0, points = 0;
    for (int m = 0; m < l->n_members; m++)
        if (!c->ready[l->kernel[m]].plan) pieces += c->ready[l->kernel[m]].pieces.n;
    struct share *share = arena_array(&c->arena, (size_t)pieces + 1, sizeof *share);
    if (!share) return no_memory();
    for (int m = 0; m < l->n_members; m++) {
        const struct ready *r = &c->ready[l->kernel[m]];
        int64_t more = piece_points(&s->kernel[l->kernel[m]], &r->pieces);
        l->interprets |= r->plan != NULL;
        for (int64_t i = 0; !r->plan && i < r->pieces.n; i++)
            if (add_piece(share, &l->n_shares, &points, more))
                share[l->n_shares - 1].member = m, share[l->n_shares - 1].piece = i;
    }
    l->share = share;
    return ERR_OK;
}

static enum err prepare_launch(struct code *c, const struct code_spec *s, int number)
{
    const struct code_launch *from = &s->launch[number];
    struct launch *l = &c->launch[number];
    size_t size = (size_t)from->n_kernels * sizeof *from->kernel;
    l->n_members = from->n_kernels;
    l->kernel =
        (const int *)arena_copy(&c->arena, (struct span){(const char *)from->kernel, size}).p;
    return l->kernel ? deal(c, s, l) : no_memory();
}

/* ---- building ---- */

/* What is built apart: at most a text for each processor, by texts of about equal work. Loops of
 * complex numbers are not vectorised, which is a matter of a whole text: they have their own. */
struct parts {
    int *of; /* per body; -1: interpreted */
    int n;
    struct buf text[MOST_PARTS];
    void *table[MOST_PARTS];
};

/* Work that compiling a body is, in nodes; reductions of long rows bring functions of their own. */
static int64_t work_of(const struct code_kernel *k)
{
    int64_t nodes = k->nest->n_nodes + KERNEL_WORK;
    return k->shape.length == SHAPE_LONG ? nodes + LONG_WORK : nodes;
}

/* Bodies one by one to the part that has the least so far; long rows share one. */
static void assign(const struct code_spec *s, const struct code_bodies *b, struct parts *p)
{
    int64_t total = 0, work[MOST_PARTS] = {0};
    int scalar = -1, rows = -1, n = 0;
    for (int i = 0; i < b->n; i++) {
        const struct code_kernel *k = &s->kernel[b->first[i]];
        if (p->of[i] < 0) continue;
        total += work_of(k);
        if (!print_c_is_scalar(k->nest)) n = 1;
    }
    int64_t worth = total / PART_WORK, processors = pool_processors();
    while (n && n < worth && n < processors && n < MOST_PARTS - 1) n++;
    p->n = n;
    for (int i = 0; i < b->n; i++) {
        const struct code_kernel *k = &s->kernel[b->first[i]];
        bool is_long = k->shape.length == SHAPE_LONG;
        int least = 0;
        if (p->of[i] < 0) continue;
        for (int q = 1; q < n; q++)
            if (work[q] < work[least]) least = q;
        if (print_c_is_scalar(k->nest)) least = scalar = scalar < 0 ? p->n++ : scalar;
        else if (is_long) least = rows = rows < 0 ? least : rows;
        p->of[i] = least;
        work[least] += work_of(k);
    }
}

static enum err build_texts(const struct code_spec *s, const struct code_bodies *b, struct parts *p)
{
    struct span text[MOST_PARTS];
    for (int i = 0; i < p->n; i++) {
        TRY(code_print_part(&(struct code_part){s, b, p->of, i}, &p->text[i]));
        text[i] = buf_text(&p->text[i]);
    }
    return build_kernels(text, p->n, p->table);
}

/* Bodies whose functions were built before; NULL: one that is interpreted. */
static void take_known(struct code *c, const struct code_spec *s, const struct code_bodies *b,
                       struct parts *p, void **function)
{
    c->n_texts = b->n;
    for (int i = 0; i < b->n; i++) {
        const int64_t *at = s->functions ? map_get(s->functions, b->key[i]) : NULL;
        if (!at) continue;
        function[i] = (void *)(intptr_t)*at;
        p->of[i] = -1;
        c->n_known++;
    }
}

static enum err keep_known(const struct code_spec *s, const struct code_bodies *b,
                           void *const *function)
{
    for (int i = 0; i < b->n && s->functions; i++)
        if (!map_put(s->functions, b->key[i], (int64_t)(intptr_t)function[i], NULL))
            return no_memory();
    return ERR_OK;
}

/* Functions per body; NULL where it is interpreted. */
static void build_bodies(struct code *c, const struct code_spec *s, const struct code_bodies *b,
                         struct parts *p, void **function)
{
    int left = b->n;
    if (s->interpret) {
        c->how = "interpreted: as asked";
        return;
    }
    for (int i = 0; i < b->n; i++) {
        if (!p->of[i] && code_check_c(&s->kernel[b->first[i]])) p->of[i] = -1;
        left -= p->of[i] < 0;
    }
    err_clear();
    struct build_stats before = build_stats();
    int64_t since = clock_mono();
    if (left) assign(s, b, p);
    enum err err = left ? build_texts(s, b, p) : ERR_OK;
    for (int part = 0; !err && part < p->n; part++)
        for (int i = 0, k = 0; i < b->n; i++)
            if (p->of[i] == part) function[i] = ((void **)p->table[part])[k++];
    bool built = build_stats().built != before.built;
    c->build_ns = built ? clock_mono() - since : 0;
    c->how = err     ? arena_printf(&c->arena, "interpreted: %s", err_text())
             : built ? "compiled"
             : c->n_known && c->n_known == c->n_texts ? "known"
                                                      : "from cache";
    if (err) err_clear();
    for (int i = 0; i < p->n; i++) buf_release(&p->text[i]);
}

static enum err build_all(struct code *c, const struct code_spec *s, const struct code_bodies *b)
{
    struct parts p = {.of = arena_array(&c->arena, (size_t)b->n + 1, sizeof *p.of)};
    void **function = arena_array(&c->arena, (size_t)b->n + 1, sizeof *function);
    c->ready = arena_array(&c->arena, (size_t)s->n_kernels + 1, sizeof *c->ready);
    c->launch = arena_array(&c->arena, (size_t)s->n_launches + 1, sizeof *c->launch);
    if (!p.of || !function || !c->ready || !c->launch) return no_memory();
    if (!s->interpret) take_known(c, s, b, &p, function);
    if (!s->unread || c->n_known < b->n) TRY(code_print_c(s, &c->text));
    build_bodies(c, s, b, &p, function);
    if (strncmp(c->how, "interpreted", 11)) TRY(keep_known(s, b, function));
    for (int i = 0; i < s->n_kernels; i++)
        TRY(prepare(c, &s->kernel[i], function[b->of[i]], &c->ready[i]));
    for (int i = 0; i < s->n_launches; i++) TRY(prepare_launch(c, s, i));
    return ERR_OK;
}

static enum err build_on_host(struct code *c, const struct code_spec *s)
{
    struct code_bodies b;
    enum err err = code_bodies_find(s, &b);
    if (!err) err = build_all(c, s, &b);
    code_bodies_release(&b);
    return err;
}

static enum err build_on_device(struct code *c, const struct code_spec *s)
{
    c->by = thread_self.session->backend->code;
    c->how = "compiled";
    TRY(code_print_cuda(s, &c->text));
    return c->by->build(s, &c->device);
}

enum err code_build(const struct code_spec *s, struct code **out)
{
    struct code *c = calloc(1, sizeof *c);
    if (!c) return no_memory();
    enum err err = ERR_OK;
    if (thread_self.session && thread_self.session->backend->code) err = build_on_device(c, s);
    else err = build_on_host(c, s);
    if (err) code_free(c);
    else *out = c;
    return err;
}

void code_free(struct code *c)
{
    if (!c) return;
    if (c->device) c->by->free(c->device);
    code_text_release(&c->text);
    arena_release(&c->arena);
    free(c);
}

const char *code_how(const struct code *c, int64_t *build_ns)
{
    *build_ns = c->build_ns;
    return c->how;
}

void code_texts(const struct code *c, int *n, int *known)
{
    *n = c->n_texts;
    *known = c->n_known;
}

const struct code_text *code_source(const struct code *c)
{
    return &c->text;
}

/* ---- running ---- */

struct job {
    const struct ready *ready;
    const struct launch *launch;
    const struct code_args *args;
    atomic_flag faulted;
    atomic_bool over; /* a fault is in place */
    int member;
    int64_t fault[5];
};

static void report(struct job *j, int member, const int64_t *fault)
{
    if (atomic_flag_test_and_set(&j->faulted)) return;
    j->member = member;
    memcpy(j->fault, fault, sizeof j->fault);
    atomic_store(&j->over, true);
}

static void set_call(const struct ready *r, const struct code_args *args, int64_t *fault,
                     struct print_call *call)
{
    for (int k = 0; k < r->nest->n_arrays; k++) call->base[k] = args->base[k];
    call->number = r->number;
    call->param = args->param;
    call->seed = args->seed;
    call->stream = args->stream;
    call->fault = fault;
}

/* Pieces of one member from number `i` on, at most n; returns how many. */
static int64_t run_member(const struct ready *r, const struct code_args *args, int64_t i, int64_t n,
                          int64_t *fault)
{
    struct print_call call;
    int64_t end = r->pieces.n - i < n ? r->pieces.n : i + n, begin = i;
    set_call(r, args, fault, &call);
    if (end - begin == r->pieces.n) nest_pieces_run_all(&r->pieces, &r->kernel, &call);
    else
        for (; i < end && !fault[0]; i++) nest_pieces_run(&r->pieces, &r->kernel, &call, i);
    return end - begin;
}

static void run_share(void *context, int64_t number)
{
    struct job *j = context;
    const struct share *s = &j->launch->share[number];
    int64_t fault[5] = {0}, piece = s->piece;
    if (atomic_load_explicit(&j->over, memory_order_relaxed)) return;
    struct nest_float f = nest_float_begin();
    int m = s->member;
    for (int64_t left = s->n; left && !fault[0]; m++, piece = 0) {
        const struct ready *r = &j->ready[j->launch->kernel[m]];
        if (!r->plan) left -= run_member(r, &j->args[m], piece, left, fault);
    }
    nest_float_end(f);
    if (fault[0]) report(j, m - 1, fault);
}

/* By one thread: member after member, none of them in pieces. */
static void run_alone(struct job *j)
{
    int64_t fault[5] = {0};
    struct print_call call;
    struct nest_float f = nest_float_begin();
    int m = 0;
    for (; m < j->launch->n_members && !fault[0]; m++) {
        const struct ready *r = &j->ready[j->launch->kernel[m]];
        if (r->plan) continue;
        set_call(r, &j->args[m], fault, &call);
        nest_pieces_run_all(&r->pieces, &r->kernel, &call);
    }
    nest_float_end(f);
    if (fault[0]) report(j, m - 1, fault);
}

static enum err interpret(const struct ready *r, const struct code_args *args, int threads)
{
    struct nest_run run = {.nest = r->nest, .plan = r->plan, .threads = threads};
    memcpy(run.base, args->base, sizeof run.base);
    memcpy(run.param, args->param, sizeof run.param[0] * (size_t)r->nest->n_params);
    run.seed = args->seed;
    run.stream = args->stream;
    build_count_interpreted();
    return nest_interpret(&run);
}

const char *code_language(const struct code *c)
{
    return c->by ? c->by->language : "c";
}

struct code_resources code_resources(const struct code *c, int launch)
{
    return c->by ? c->by->resources(c->device, launch) : (struct code_resources){-1, -1, -1};
}

enum err code_run(const struct code *c, int launch, const struct code_args *args, int threads)
{
    if (c->by) return c->by->run(c->device, launch, args);
    const struct launch *l = &c->launch[launch];
    struct job j = {
        .ready = c->ready, .launch = l, .args = args, .faulted = ATOMIC_FLAG_INIT, .over = false};
    for (int m = 0; l->interprets && m < l->n_members; m++) {
        const struct ready *r = &c->ready[l->kernel[m]];
        if (r->plan && r->pieces.n) TRY(interpret(r, &args[m], threads));
    }
    if (l->n_shares > 1 && threads > 1) pool_run(threads, run_share, &j, l->n_shares);
    else if (l->n_shares) run_alone(&j);
    if (!j.over) return ERR_OK;
    return nest_out_of_bounds(
        c->ready[l->kernel[j.member]].nest,
        &(struct nest_fault){(int)j.fault[1], (int)j.fault[2], j.fault[3], j.fault[4]});
}
