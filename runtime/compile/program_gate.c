/* program_gate.c - times of combos and of their members, on memory of the plan's sizes.
 *
 *   combos of the rules ─► code with a launch for each, and one for each member
 *      └► times from the cache, else ROUNDS of: the combo, then its members one after the other
 *
 * The best round counts, of the combo and of the members as a whole. A sample is as many runs as
 * take SAMPLE_NS, so that the clock is nothing to it; members are timed one by one as they follow
 * each other, because a member that is run again and again would find its data where the others
 * have taken their place. Values are set anew each round: what is written in place would run into
 * numbers that a processor is slow with.
 */
#include "runtime/compile/program_gate.h"

#include <stdio.h>
#include <string.h>

#include "runtime/build.h"
#include "runtime/pool.h"
#include "store/base/clock.h"

enum { ROUNDS = 5, MOST_RUNS = 16 };
static const int64_t SAMPLE_NS = 10000, PROGRAM_NS = 30000000; /* a program takes no longer */
static const int64_t COMBO_BYTES = 32 << 20; /* elements far apart may lie in more: not measured */

/* The memory of a buffer that the members of a combo touch. */
struct part {
    int64_t low, high; /* bytes from the buffer's first element */
    struct storage *storage;
    bool real; /* holds reals, or complex numbers */
};
struct gate {
    struct program *p;
    const struct program_gate *times;
    struct part *part;      /* per lowered.buffer; the other ones' storages are NULL */
    struct code_args *args; /* per member of the combo that is measured */
    double *round;          /* per member, ns */
    int64_t end_ns;         /* CLOCK_MONOTONIC */
};

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for measuring combined kernels");
}

/* ---- launches to measure ---- */

static enum err add_launch(struct code_spec *s, struct code_launch *to, const char *name,
                           const int *kernel, int n, const struct combo_group *combo)
{
    if (!name) return no_memory();
    to[s->n_launches++] =
        (struct code_launch){.name = name, .kernel = kernel, .n_kernels = n, .combo = combo};
    return ERR_OK;
}

/* Of each combo itself, then its members. */
static enum err list_launches(const struct program *p, struct code_spec *s, const int *number)
{
    size_t n = 0;
    for (size_t i = 0; i < p->combined.group.n; i++)
        n += 1 + (size_t)p->combined.group.p[i].n_members;
    struct code_launch *to = arena_array(p->arena, n + 1, sizeof *to);
    if (!to) return no_memory();
    s->launch = to;
    for (size_t i = 0; i < p->combined.group.n; i++) {
        const struct combo_group *g = &p->combined.group.p[i];
        int *kernel = arena_array(p->arena, (size_t)g->n_members, sizeof *kernel);
        if (!kernel) return no_memory();
        for (int m = 0; m < g->n_members; m++) kernel[m] = number[g->member[m].kernel];
        TRY(add_launch(s, to, arena_printf(p->arena, "pl_combo_fused_%d", (int)i), kernel,
                       g->n_members, g));
        for (int m = 0; m < g->n_members; m++)
            TRY(add_launch(s, to, s->kernel[kernel[m]].name, &kernel[m], 1, NULL));
    }
    return ERR_OK;
}

/* ---- memory ---- */

static void widen(struct part *part, const struct lower_use *u)
{
    int64_t first, end;
    view_extent(&u->view, &first, &end);
    if (first == end) return;
    bool none = part->low == part->high;
    if (none || first < part->low) part->low = first;
    if (none || end > part->high) part->high = end;
    part->real |= dtype_kind(u->view.dtype) >= DTYPE_FLOAT8;
}

/* Bytes that are a small positive number in every type of reals, and no NaN; ones, which are a
 * truth value too, in the others. */
static enum err fill(const struct part *part)
{
    const struct backend *b = thread_self.session->backend;
    int64_t size = part->high - part->low;
    if (!b->run_opaque) {
        memset(part->storage->p, part->real ? 0x3c : 1, (size_t)size);
        return ERR_OK;
    }
    char *host = malloc((size_t)size);
    if (!host) return no_memory();
    memset(host, part->real ? 0x3c : 1, (size_t)size);
    enum err err = b->from_host(part->storage->p, host, size);
    free(host);
    return err;
}

static enum err fill_all(const struct gate *t)
{
    for (size_t i = 0; i < t->p->lowered.buffer.n; i++)
        if (t->part[i].storage && t->part[i].high > t->part[i].low) TRY(fill(&t->part[i]));
    return ERR_OK;
}

/* What is to be had of each buffer; in all, bytes. */
static int64_t find_parts(struct gate *t, const struct combo_group *c)
{
    int64_t before = 0, after = 0;
    for (int m = 0; m < c->n_members; m++) {
        const struct fuse_group *g = &t->p->fused.group.p[c->member[m].kernel];
        for (int i = 0; i < g->n_uses; i++) {
            struct part *part = &t->part[g->use[i].buffer];
            before += part->high - part->low;
            widen(part, &g->use[i]);
            after += part->high - part->low;
        }
    }
    return after - before;
}

static enum err take_memory(struct gate *t, const struct combo_group *c)
{
    const struct program *p = t->p;
    for (int m = 0; m < c->n_members; m++) {
        const struct fuse_group *g = &p->fused.group.p[c->member[m].kernel];
        struct code_args *a = &t->args[m];
        *a = (struct code_args){.param = g->param, .seed = thread_self.session->seed};
        for (int i = 0; i < g->n_uses; i++) {
            struct part *part = &t->part[g->use[i].buffer];
            int64_t size = part->high - part->low;
            if (!part->storage)
                TRY(storage_new(thread_self.session->backend, size, &part->storage));
            a->base[i] = (char *)part->storage->p - part->low +
                         g->plan.lie[i].offset * (int64_t)dtype_size(g->nest->array[i].dtype);
        }
    }
    return ERR_OK;
}

static void give_memory(struct gate *t, const struct combo_group *c)
{
    for (int m = 0; m < c->n_members; m++) {
        const struct fuse_group *g = &t->p->fused.group.p[c->member[m].kernel];
        for (int i = 0; i < g->n_uses; i++) {
            struct part *part = &t->part[g->use[i].buffer];
            storage_release(part->storage);
            *part = (struct part){0};
        }
    }
}

/* ---- measuring ---- */

static enum err run(const struct gate *t, int launch, int member)
{
    return code_run(t->p->code, launch, &t->args[member], thread_self.session->threads);
}

/* Of the members apart; the sum. */
static enum err run_apart(struct gate *t, int launch, int n, int runs, double *sum)
{
    memset(t->round, 0, (size_t)n * sizeof *t->round);
    *sum = 0;
    for (int r = 0; r < runs; r++)
        for (int m = 0; m < n; m++) {
            int64_t since = clock_mono();
            TRY(run(t, launch + 1 + m, m));
            t->round[m] += (double)(clock_mono() - since) / runs;
        }
    for (int m = 0; m < n; m++) *sum += t->round[m];
    return ERR_OK;
}

static enum err run_together(struct gate *t, int launch, int runs, double *ns)
{
    int64_t since = clock_mono();
    for (int r = 0; r < runs; r++) TRY(run(t, launch, 0));
    *ns = (double)(clock_mono() - since) / runs;
    return ERR_OK;
}

static enum err measure_round(struct gate *t, const struct combo_group *c, int launch,
                              double *apart)
{
    double *together = &t->times->together[c->member[0].kernel], ns, sum;
    TRY(fill_all(t));
    TRY(run_together(t, launch, 1, &ns));
    TRY(run_apart(t, launch, c->n_members, 1, &sum));
    double least = ns < sum ? ns : sum;
    int runs =
        least * MOST_RUNS > (double)SAMPLE_NS ? 1 + (int)((double)SAMPLE_NS / least) : MOST_RUNS;
    TRY(run_together(t, launch, runs, &ns));
    TRY(run_apart(t, launch, c->n_members, runs, &sum));
    if (!*together || ns < *together) *together = ns;
    if (*apart && sum >= *apart) return ERR_OK;
    *apart = sum;
    for (int m = 0; m < c->n_members; m++) t->times->alone[c->member[m].kernel] = t->round[m];
    return ERR_OK;
}

static enum err measure_combo(struct gate *t, const struct combo_group *c, int launch)
{
    double apart = 0;
    bool small = find_parts(t, c) <= COMBO_BYTES;
    enum err err = small ? take_memory(t, c) : ERR_OK;
    for (int i = 0; !err && small && i < ROUNDS && (!i || clock_mono() < t->end_ns); i++)
        err = measure_round(t, c, launch, &apart);
    give_memory(t, c);
    return err;
}

static enum err measure_all(struct gate *t)
{
    const struct program *p = t->p;
    struct arena *a = p->arena;
    size_t most = 0;
    for (size_t i = 0; i < p->combined.group.n; i++)
        if ((size_t)p->combined.group.p[i].n_members > most)
            most = (size_t)p->combined.group.p[i].n_members;
    t->part = arena_array(a, p->lowered.buffer.n + 1, sizeof *t->part);
    t->args = arena_array(a, most + 1, sizeof *t->args);
    t->round = arena_array(a, most + 1, sizeof *t->round);
    if (!t->part || !t->args || !t->round) return no_memory();
    t->end_ns = clock_mono() + PROGRAM_NS;
    for (size_t i = 0, launch = 0; i < p->combined.group.n && clock_mono() < t->end_ns; i++) {
        TRY(measure_combo(t, &p->combined.group.p[i], (int)launch));
        launch += 1 + (size_t)p->combined.group.p[i].n_members;
    }
    return ERR_OK;
}

/* ---- what the cache keeps ---- */

/* All that times may hang on: the members' loops, how arrays lie, which memory they share. */
static enum err key_of(const struct program *p, struct buf *out)
{
    for (size_t i = 0; i < p->combined.group.n; i++) {
        const struct combo_group *c = &p->combined.group.p[i];
        buf_printf(out, "combo of %d\n", c->n_members);
        for (int m = 0; m < c->n_members; m++) {
            const struct fuse_group *g = &p->fused.group.p[c->member[m].kernel];
            nest_text(g->nest, out);
            buf_put(out, g->plan.size, sizeof g->plan.size);
            for (int k = 0; k < g->nest->n_arrays; k++) {
                buf_put(out, &g->plan.lie[k].stride, sizeof g->plan.lie[k].stride);
                buf_put(out, &g->plan.lie[k].offset, sizeof g->plan.lie[k].offset);
                buf_put(out, &g->use[k].buffer, sizeof g->use[k].buffer);
            }
        }
    }
    return buf_ok(out);
}

/* In order of the combos: together, then the members. */
static void list_times(const struct program *p, const struct program_gate *g, double **to)
{
    size_t n = 0;
    for (size_t i = 0; i < p->combined.group.n; i++) {
        const struct combo_group *c = &p->combined.group.p[i];
        to[n++] = &g->together[c->member[0].kernel];
        for (int m = 0; m < c->n_members; m++) to[n++] = &g->alone[c->member[m].kernel];
    }
}

static enum err make_times(void *context, struct span key, struct buf *out)
{
    struct gate *t = context;
    double **time = arena_array(t->p->arena, 2 * t->p->fused.group.n + 1, sizeof *time);
    (void)key;
    if (!time) return no_memory();
    TRY(measure_all(t));
    list_times(t->p, t->times, time);
    for (size_t i = 0; time[i]; i++) buf_put(out, time[i], sizeof *time[i]);
    return buf_ok(out);
}

static enum err find_times(struct program *p, const struct program_gate *g)
{
    struct gate t = {.p = p, .times = g};
    struct buf key = {0}, times = {0};
    char how[160];
    const struct plumb *s = thread_self.session;
    snprintf(how, sizeof how, "times of combos 1, %s, %s, %d threads of %d", s->backend->name,
             build_isa(), s->threads, pool_processors());
    double **time = arena_array(p->arena, 2 * p->fused.group.n + 1, sizeof *time);
    enum err err = time ? key_of(p, &key) : no_memory();
    if (!err) err = build_bytes(buf_text(&key), &(struct build_maker){make_times, &t, how}, &times);
    if (!err) list_times(p, g, time);
    for (size_t i = 0; !err && time[i] && (i + 1) * sizeof *time[i] <= times.n; i++)
        memcpy(time[i], times.p + i * sizeof *time[i], sizeof *time[i]);
    buf_release(&key);
    buf_release(&times);
    return err;
}

/* ---- the gate ---- */

enum err program_gate_measure(struct program *p, struct code_spec *s, const int *number,
                              struct program_gate *out)
{
    int64_t since = clock_mono(), ns;
    size_t n = p->fused.group.n + 1;
    *out = (struct program_gate){arena_array(p->arena, n, sizeof *out->alone),
                                 arena_array(p->arena, n, sizeof *out->together), false, 0};
    if (!out->alone || !out->together) return no_memory();
    TRY(list_launches(p, s, number));
    TRY(code_build(s, &p->code));
    out->build_ns = clock_mono() - since;
    out->measured = strncmp(code_how(p->code, &ns), "interpreted", 11) != 0;
    return out->measured ? find_times(p, out) : ERR_OK;
}

double program_gate_time(void *context, const int *group, int n)
{
    const struct program_gate *g = context;
    return n > 1 ? g->together[group[0]] : g->alone[group[0]];
}
