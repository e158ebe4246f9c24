/* combo.c - horizontal fusion: independent kernels that become one launch.
 *
 *   kernels ─ alone? ─► candidates ─► classes ─► bands ─► clusters ─► groups ─ measured? ─► out
 *
 * Alone: what a rule keeps out whatever the others are. A *class* is what may stand together at
 * all, the columns of `class_of`. A *band* of a class has sizes within the ratio. In a band those
 * that share arrays, directly or through others, are a *cluster* and stand beside each other. Then
 * groups are filled in that order until one is full. Where Inductor takes eights of a level and
 * sorts each into classes, here classes are filled: the limits are the same, the launches fewer.
 *
 *   rule                                        where            Inductor 2.10 has it
 *   one level, device, stream                   class            yes
 *   no extern kernel, nothing, 3-D, (r0, r1)    alone            yes
 *   list operators apart, any number of members class, filled    yes
 *   as many tiling dimensions                   class            yes
 *   reductions apart from pointwise             class            yes, a knob later
 *   rows above 2048 points apart                class            yes
 *   1-D pointwise above 51.2 million alone      alone            yes
 *   equal y where sizes are not mixed           class            yes
 *   arguments, members                          filled           yes
 *   persistent rows apart, inner and outer      class            proposed
 *   no indirection, scatter, spills             alone            proposed
 *   own time up to a limit                      alone            proposed
 *   x within a ratio (not of list operators)    band             proposed
 *   occupancy                                   filled           no
 *   shared arrays side by side                  cluster          no
 *
 * Each list operator's kernels are many, small and of one body: for them a range of blocks is as
 * good whatever its length, so the ratio is not asked of them.
 * Time: n log n of n kernels.
 */
#include "runtime/compile/combo_place.h"

#include <math.h>

enum { LONG_ROW = 2048, LARGE = 51200000, OPEN = 4 };

static const struct {
    const char *word, *text;
} reasons[] = {
#define X(id, word, text) {word, text},
    COMBO_REASONS(X)
#undef X
};
const char *combo_reason_word(enum combo_reason r)
{
    return reasons[r].word;
}
const char *combo_reason_text(enum combo_reason r)
{
    return reasons[r].text;
}

/* A group that is being filled; its kernels are chained in former.next. */
struct open_group {
    int head, last, n, n_args;
    int registers, shared_bytes, threads, worst; /* of the union; fewest blocks of one alone */
};
struct former {
    const struct combo_kernel *kernel;
    struct combo_options o;
    struct arena *arena;
    struct combined *out;
    int *candidate, n_candidates; /* sorted by class, then largest x */
    int *next, *cluster, *sorted; /* per kernel; -1 ends a chain */
    struct open_group open[OPEN]; /* oldest first */
    int n_open;
};

static enum err decide(struct former *f, struct combo_decision d)
{
    struct combo_decision *to = LIST_PUSH(&f->out->decision);
    if (!to) FAIL(ERR_NOMEM, "combo: no memory for a decision");
    *to = d;
    return ERR_OK;
}

static enum err refuse(struct former *f, int a, int b, enum combo_reason reason)
{
    return decide(f, (struct combo_decision){.a = a, .b = b, .reason = reason});
}

/* ---- alone ---------------------------------------------------------------------------------- */

static enum combo_reason alone(const struct combo_kernel *k, const struct combo_options *o)
{
    if (o->off) return COMBO_OFF;
    if (k->is_nop || !k->x || !k->y) return COMBO_NOP;
    if (k->is_extern) return COMBO_EXTERN;
    if (k->scatters) return COMBO_SCATTER;
    if (k->indirect) return COMBO_INDIRECT;
    if (k->spills > 0) return COMBO_SPILLS;
    if (k->reduced && o->pointwise_only) return COMBO_POINTWISE_ONLY;
    if (k->n_dims > 2 || k->reduced_dims > 1) return COMBO_TILES;
    if (k->is_foreach && k->dynamic && o->static_lists) return COMBO_DYNAMIC;
    if (!k->reduced && k->n_dims == 1 && k->x > LARGE) return COMBO_LARGE;
    if (k->own_ns > o->own_ns) return COMBO_RUNTIME;
    return COMBO_COMBINED;
}

/* ---- classes -------------------------------------------------------------------------------- */

enum { CLASS = 10 };
static const enum combo_reason class_reason[CLASS] = {
    COMBO_LEVEL, COMBO_DEVICE, COMBO_DEVICE,     COMBO_LIST, COMBO_DIMS,
    COMBO_MIXED, COMBO_LONG,   COMBO_PERSISTENT, COMBO_HINT, COMBO_SIZES};

static void class_of(const struct former *f, int kernel, int64_t *out)
{
    const struct combo_kernel *k = &f->kernel[kernel];
    bool one_y = k->n_dims == 2 && !combo_mixes(k, &f->o);
    int64_t c[CLASS] = {k->level,
                        k->device,
                        k->stream,
                        k->is_foreach,
                        k->n_dims,
                        k->reduced > 0,
                        k->reduced > LONG_ROW,
                        k->reduced && k->persistent,
                        k->reduced && !k->inner,
                        one_y ? k->y : 0};
    memcpy(out, c, sizeof c);
}

/* The first column in which two classes differ; CLASS: equal. Where kinds may be mixed, pointwise
 * kernels are at home in any class of reductions. */
static int class_differs(const struct former *f, int a, int b)
{
    enum { KIND = 5, Y = 9 };
    int64_t p[CLASS], q[CLASS];
    class_of(f, a, p);
    class_of(f, b, q);
    bool mix = f->o.mixed_pointwise_reduction && p[KIND] != q[KIND];
    for (int i = 0; i < CLASS; i++)
        if (p[i] != q[i] && !(mix && i >= KIND && i < Y)) return i;
    return CLASS;
}

static int by_class(const void *a, const void *b, void *former)
{
    int m = *(const int *)a, n = *(const int *)b;
    int64_t p[CLASS], q[CLASS];
    class_of(former, m, p);
    class_of(former, n, q);
    for (int i = 0; i < CLASS; i++)
        if (p[i] != q[i]) return (p[i] > q[i]) - (p[i] < q[i]);
    return (m > n) - (m < n);
}

static int by_x(const void *a, const void *b, void *former)
{
    const struct former *f = former;
    int m = *(const int *)a, n = *(const int *)b;
    int64_t p = f->kernel[m].x, q = f->kernel[n].x;
    return p != q ? (p < q) - (p > q) : (m > n) - (m < n);
}

/* ---- clusters ------------------------------------------------------------------------------- */

/* A reading of an array by the kernel at a place of its band. */
struct reading {
    int array, place;
};

static int by_array(const void *a, const void *b)
{
    const struct reading *r = a, *s = b;
    return r->array != s->array ? (r->array > s->array) - (r->array < s->array)
                                : (r->place > s->place) - (r->place < s->place);
}

static int root(int *cluster, int i)
{
    while (cluster[i] != i) i = cluster[i] = cluster[cluster[i]];
    return i;
}

/* cluster[place] becomes the first place of its cluster. */
static enum err find_clusters(struct former *f, const int *band, int n)
{
    size_t n_readings = 0;
    for (int i = 0; i < n; i++) {
        f->cluster[i] = i;
        n_readings += (size_t)f->kernel[band[i]].n_reads;
    }
    if (!n_readings) return ERR_OK;
    struct reading *r = malloc(n_readings * sizeof *r);
    if (!r) FAIL(ERR_NOMEM, "combo: no memory for the arrays of %d kernels", n);
    size_t at = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < f->kernel[band[i]].n_reads; j++)
            r[at++] = (struct reading){f->kernel[band[i]].reads[j], i};
    qsort(r, n_readings, sizeof *r, by_array);
    for (size_t i = 1; i < n_readings; i++) {
        if (r[i].array != r[i - 1].array) continue;
        int a = root(f->cluster, r[i - 1].place), b = root(f->cluster, r[i].place);
        if (a < b) f->cluster[b] = a;
        if (b < a) f->cluster[a] = b;
    }
    free(r);
    return ERR_OK;
}

/* Puts clusters one after the other, each where its first kernel stood. */
static enum err sort_clusters(struct former *f, int *band, int n)
{
    TRY(find_clusters(f, band, n));
    int *count = f->sorted; /* per place: room before its cluster */
    memset(count, 0, (size_t)n * sizeof *count);
    for (int i = 0; i < n; i++) count[root(f->cluster, i)]++;
    for (int i = 0, before = 0; i < n; i++) {
        int here = count[i];
        count[i] = before;
        before += here;
    }
    int *to = f->sorted + n;
    for (int i = 0; i < n; i++) to[count[root(f->cluster, i)]++] = band[i];
    memcpy(band, to, (size_t)n * sizeof *band);
    return ERR_OK;
}

static bool reads(const struct combo_kernel *k, int array)
{
    for (int i = 0; i < k->n_reads; i++)
        if (k->reads[i] == array) return true;
    return false;
}

static double shared(const struct combo_kernel *a, const struct combo_kernel *b)
{
    int fewer = a->n_reads < b->n_reads ? a->n_reads : b->n_reads, both = 0;
    for (int i = 0; i < a->n_reads; i++) both += reads(b, a->reads[i]);
    return fewer ? (double)both / fewer : 0;
}

/* ---- groups --------------------------------------------------------------------------------- */

static int larger(int a, int b)
{
    return a > b ? a : b;
}

/* What one kernel needs; `worst` 0 where nothing is known. */
static struct open_group needs(const struct former *f, int kernel)
{
    const struct combo_kernel *k = &f->kernel[kernel];
    struct open_group g = {kernel,
                           kernel,
                           1,
                           k->n_args,
                           k->registers,
                           k->shared_bytes,
                           k->threads ? k->threads : combo_threads(combo_own_block(k)),
                           0};
    if (k->registers || k->shared_bytes)
        g.worst = combo_occupancy(&f->o.device, g.registers, g.shared_bytes, g.threads);
    return g;
}

static struct open_group joined(const struct open_group *a, const struct open_group *b)
{
    struct open_group g = *a;
    g.last = b->last;
    g.n += b->n;
    g.n_args += b->n_args;
    g.registers = larger(a->registers, b->registers);
    g.shared_bytes = larger(a->shared_bytes, b->shared_bytes);
    g.threads = larger(a->threads, b->threads);
    g.worst = a->worst < b->worst ? a->worst : b->worst;
    return g;
}

static enum combo_reason may_join(const struct former *f, const struct open_group *g,
                                  const struct open_group *one)
{
    bool list = f->kernel[g->head].is_foreach;
    if (!list && g->n >= f->o.max_members) return COMBO_MEMBERS;
    struct open_group both = joined(g, one);
    if (both.n_args > f->o.max_args) return COMBO_ARGS;
    if (both.worst &&
        combo_occupancy(&f->o.device, both.registers, both.shared_bytes, both.threads) < both.worst)
        return COMBO_OCCUPANCY;
    return COMBO_COMBINED;
}

/* The verdict of the clock on a group, 3.2.4 of the rules: together faster than one by one, or too
 * short to tell. A kernel that spills takes for ever. */
static enum combo_reason measured(const struct former *f, const struct combo_group *g,
                                  const int *kernels, double *alone_ns, double *together_ns,
                                  double *apart_ns)
{
    double sum = 0;
    *together_ns = f->o.clock.ns(f->o.clock.context, kernels, g->n_members);
    for (int i = 0; i < g->n_members; i++) {
        alone_ns[i] = f->o.clock.ns(f->o.clock.context, &kernels[i], 1);
        sum += alone_ns[i];
    }
    *apart_ns = sum;
    if (isinf(*together_ns)) return COMBO_SPILLS;
    double small = f->o.small_ns;
    if (*together_ns < sum || *together_ns < small || sum < small) return COMBO_COMBINED;
    return COMBO_SLOWER;
}

static enum err finish(struct former *f, const struct open_group *open)
{
    if (open->n == 1) return refuse(f, open->head, -1, COMBO_ALONE);
    size_t n = (size_t)open->n;
    struct combo_group g = {.n_members = open->n};
    g.member = arena_array(f->arena, n, sizeof *g.member);
    int *kernels = arena_array(f->arena, n, sizeof *kernels);
    double *alone_ns = arena_array(f->arena, n, sizeof *alone_ns), together_ns = 0, apart_ns = 0;
    if (!g.member || !kernels || !alone_ns) FAIL(ERR_NOMEM, "combo: no memory for a group");
    for (int i = 0, k = open->head; k >= 0; k = f->next[k]) g.member[i++].kernel = k;
    combo_place(f->kernel, &f->o, &g);
    for (size_t i = 0; i < n; i++) kernels[i] = g.member[i].kernel;
    enum combo_reason reason = COMBO_COMBINED;
    if (f->o.measure) reason = measured(f, &g, kernels, alone_ns, &together_ns, &apart_ns);
    if (reason == COMBO_COMBINED) {
        struct combo_group *to = LIST_PUSH(&f->out->group);
        if (!to) FAIL(ERR_NOMEM, "combo: no memory for a group");
        *to = g;
    }
    for (size_t i = 1; i < n; i++)
        TRY(decide(f, (struct combo_decision){
                          .a = kernels[0],
                          .b = kernels[i],
                          .combined = reason == COMBO_COMBINED,
                          .reason = reason,
                          .a_ns = alone_ns[0],
                          .b_ns = alone_ns[i],
                          .together_ns = together_ns,
                          .apart_ns = apart_ns,
                          .score = shared(&f->kernel[kernels[0]], &f->kernel[kernels[i]])}));
    return ERR_OK;
}

/* Ends the open group `at`. */
static enum err shut(struct former *f, int at)
{
    struct open_group g = f->open[at];
    f->n_open--;
    memmove(&f->open[at], &f->open[at + 1], (size_t)(f->n_open - at) * sizeof *f->open);
    return finish(f, &g);
}

/* Into the first open group that takes it, else into one of its own. A group is full when a kernel
 * is one too many; one that does not fit its registers leaves it open for others. */
static enum err put(struct former *f, int kernel)
{
    struct open_group one = needs(f, kernel);
    f->next[kernel] = -1;
    for (int i = 0; i < f->n_open;) {
        struct open_group *g = &f->open[i];
        enum combo_reason reason = may_join(f, g, &one);
        if (reason == COMBO_COMBINED) {
            f->next[g->last] = kernel;
            *g = joined(g, &one);
            return ERR_OK;
        }
        TRY(refuse(f, g->head, kernel, reason));
        if (reason == COMBO_OCCUPANCY) i++;
        else TRY(shut(f, i));
    }
    if (f->n_open == OPEN) TRY(shut(f, 0));
    f->open[f->n_open++] = one;
    return ERR_OK;
}

static enum err form_band(struct former *f, int *band, int n)
{
    TRY(sort_clusters(f, band, n));
    for (int i = 0; i < n; i++) TRY(put(f, band[i]));
    while (f->n_open) TRY(shut(f, 0));
    return ERR_OK;
}

static enum err form_class(struct former *f, int *run, int n)
{
    qsort_r(run, (size_t)n, sizeof *run, by_x, f);
    for (int from = 0, to; from < n; from = to) {
        double least = (double)f->kernel[run[from]].x / f->o.ratio;
        bool any = f->kernel[run[from]].is_foreach;
        for (to = from + 1; to < n; to++)
            if (!any && (double)f->kernel[run[to]].x < least) break;
        int next = to < n ? run[to] : -1, head = run[from];
        TRY(form_band(f, &run[from], to - from));
        if (next >= 0) TRY(refuse(f, head, next, COMBO_RATIO));
    }
    return ERR_OK;
}

/* Runs of one class; pointwise kernels stand before the reductions that take them. Between two runs
 * the column in which they differ is the reason. */
static enum err form_classes(struct former *f)
{
    int *c = f->candidate;
    for (int from = 0, to; from < f->n_candidates; from = to) {
        int differs = CLASS;
        for (to = from + 1; to < f->n_candidates; to++) {
            differs = class_differs(f, c[to - 1], c[to]);
            if (differs < CLASS) break;
        }
        int before = c[to - 1];
        TRY(form_class(f, &c[from], to - from));
        if (to < f->n_candidates) TRY(refuse(f, before, c[to], class_reason[differs]));
    }
    return ERR_OK;
}

static struct combo_options with_defaults(struct combo_options o)
{
    if (!o.max_args) o.max_args = 250;
    if (!o.max_members) o.max_members = 8;
    if (!(o.ratio > 0)) o.ratio = 8;
    if (!(o.small_ns > 0)) o.small_ns = 300000;
    if (!(o.own_ns > 0)) o.own_ns = o.device.launch_ns ? 10.0 * (double)o.device.launch_ns : 50000;
    return o;
}

enum err combo_form(const struct combo_kernel *kernel, int n, const struct combo_options *o,
                    struct arena *arena, struct combined *out)
{
    memset(out, 0, sizeof *out);
    if (o->measure && o->deterministic)
        FAIL(ERR_REFUSED, "combining by measured times was asked for in a compile that promises "
                          "the same bits each run; turn it off or take determinism off");
    REQUIRE("combo:time", !o->measure || o->clock.ns);
    struct former f = {.kernel = kernel, .o = with_defaults(*o), .arena = arena, .out = out};
    f.candidate = arena_array(arena, (size_t)n + 1, sizeof *f.candidate);
    f.next = arena_array(arena, (size_t)n + 1, sizeof *f.next);
    f.cluster = arena_array(arena, (size_t)n + 1, sizeof *f.cluster);
    f.sorted = arena_array(arena, 2 * (size_t)n + 1, sizeof *f.sorted);
    if (!f.candidate || !f.next || !f.cluster || !f.sorted)
        FAIL(ERR_NOMEM, "combo: no memory for %d kernels", n);
    for (int i = 0; i < n; i++) {
        enum combo_reason reason = alone(&kernel[i], &f.o);
        if (reason == COMBO_COMBINED) f.candidate[f.n_candidates++] = i;
        else TRY(refuse(&f, i, -1, reason));
    }
    qsort_r(f.candidate, (size_t)f.n_candidates, sizeof *f.candidate, by_class, &f);
    return form_classes(&f);
}

void combo_release(struct combined *c)
{
    LIST_RELEASE(&c->group);
    LIST_RELEASE(&c->decision);
}
