/* test_combo_random.c - combining holds its rules on random lists of kernels. */
#include "tests/unit/combo.h"

#include <time.h>

static uint64_t seed;
static int draw(int n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int)((seed >> 33) % (uint64_t)n);
}
static bool rarely(int one_in)
{
    return draw(one_in) == 0;
}

static struct combo_kernel draw_kernel(const int *arrays)
{
    static const int64_t sizes[] = {1, 3, 64, 100, 512, 1024, 4096, 5000, 60000000};
    static const int64_t rows[] = {0, 0, 0, 16, 300, 1024, 2048, 4000};
    struct combo_kernel k = {.n_dims = rarely(20)  ? 3
                                       : rarely(4) ? 2
                                                   : 1,
                             .level = draw(3),
                             .device = rarely(10),
                             .stream = rarely(10),
                             .is_extern = rarely(20),
                             .is_nop = rarely(40),
                             .is_foreach = rarely(4),
                             .scatters = rarely(30),
                             .indirect = rarely(30),
                             .dynamic = rarely(5),
                             .n_args = 1 + draw(rarely(10) ? 120 : 10),
                             .own_ns = draw(52000),
                             .registers = rarely(2) ? 0 : 16 + draw(100),
                             .spills = rarely(30),
                             .threads = 32 << draw(6),
                             .body = (uint64_t)draw(5)};
    k.x = sizes[draw(rarely(10) ? 9 : 8)];
    k.y = k.n_dims > 1 ? 1 + draw(4) : 1;
    k.reduced = rows[draw(8)];
    k.reduced_dims = k.reduced ? 1 + rarely(20) : 0;
    k.persistent = k.reduced && k.reduced <= 1024;
    k.inner = k.reduced && !rarely(3);
    k.reads = arrays + draw(40);
    k.n_reads = draw(4);
    return k;
}

/* The rules once more, in the plainest words: why a kernel stays alone, why two stay apart. */
static bool out_for(const struct combo_kernel *k, const struct combo_options *o,
                    enum combo_reason r)
{
    switch (r) {
    case COMBO_OFF: return o->off;
    case COMBO_NOP: return k->is_nop;
    case COMBO_EXTERN: return k->is_extern;
    case COMBO_SCATTER: return k->scatters;
    case COMBO_INDIRECT: return k->indirect;
    case COMBO_SPILLS: return k->spills > 0;
    case COMBO_POINTWISE_ONLY: return o->pointwise_only && k->reduced > 0;
    case COMBO_TILES: return k->n_dims == 3 || k->reduced_dims == 2;
    case COMBO_DYNAMIC: return o->static_lists && k->is_foreach && k->dynamic;
    case COMBO_LARGE: return k->n_dims == 1 && !k->reduced && k->x > 51200000;
    case COMBO_RUNTIME: return k->own_ns > 50000;
    default: return false;
    }
}
static bool apart_for(const struct combo_kernel *a, const struct combo_kernel *b,
                      const struct combo_options *o, enum combo_reason r)
{
    bool reductions = a->reduced && b->reduced;
    switch (r) {
    case COMBO_LEVEL: return a->level != b->level;
    case COMBO_DEVICE: return a->device != b->device || a->stream != b->stream;
    case COMBO_LIST: return a->is_foreach != b->is_foreach;
    case COMBO_DIMS: return a->n_dims != b->n_dims;
    case COMBO_MIXED: return !a->reduced != !b->reduced && !o->mixed_pointwise_reduction;
    case COMBO_LONG: return reductions && (a->reduced > 2048) != (b->reduced > 2048);
    case COMBO_PERSISTENT: return reductions && a->persistent != b->persistent;
    case COMBO_HINT: return reductions && a->inner != b->inner;
    case COMBO_SIZES:
        return a->n_dims == 2 && a->y != b->y &&
               (a->is_foreach ? o->mixed_sizes < 2 : o->mixed_sizes == 0);
    case COMBO_RATIO: return !a->is_foreach && (a->x > 8 * b->x || b->x > 8 * a->x);
    default: return false;
    }
}

static int occupancy(const struct combo_kernel *k, const struct combo_options *o)
{
    return k->registers ? combo_occupancy(&o->device, k->registers, 0, k->threads) : 0;
}
static bool legal_occupancy(const struct combo_kernel *k, const struct combo_group *g,
                            const struct combo_options *o)
{
    int worst = -1, registers = 0, threads = 0;
    for (int i = 0; i < g->n_members; i++) {
        const struct combo_kernel *m = &k[g->member[i].kernel];
        int own = occupancy(m, o);
        if (!own) return true;
        if (worst < 0 || own < worst) worst = own;
        if (m->registers > registers) registers = m->registers;
        if (m->threads > threads) threads = m->threads;
    }
    return combo_occupancy(&o->device, registers, 0, threads) >= worst;
}

static void check_group(const struct combo_kernel *k, const struct combo_group *g,
                        const struct combo_options *o)
{
    bool list = k[g->member[0].kernel].is_foreach;
    int n_args = 0;
    int64_t next = 0, most = 0, needed = 0;
    assert_true(g->n_members >= 2 && g->n_paths <= g->n_members);
    assert_true(list || g->n_members <= (o->max_members ? o->max_members : 8));
    for (int i = 0; i < g->n_members; i++) {
        const struct combo_member *m = &g->member[i];
        const struct combo_kernel *a = &k[m->kernel];
        n_args += a->n_args;
        for (int r = 0; r < COMBO_N_REASONS; r++) {
            assert_false(out_for(a, o, r));
            for (int j = 0; j < i; j++) assert_false(apart_for(a, &k[g->member[j].kernel], o, r));
        }
        if (i) assert_true(combo_points(a) <= combo_points(&k[g->member[i - 1].kernel]));
        assert_true(m->blocks > 0 && m->path >= 0 && m->path < g->n_paths);
        assert_true(m->x_blocks * m->block.x >= a->x && (m->x_blocks - 1) * m->block.x < a->x);
        if (g->dispatch == COMBO_FLAT) assert_true(m->blocks / m->x_blocks * m->block.y >= a->y);
        else assert_true(m->blocks == m->x_blocks && g->y_blocks * m->block.y >= a->y);
        if (g->dispatch != COMBO_ROUND_ROBIN) assert_int_equal(m->first, next);
        next += m->blocks, needed += m->blocks;
        if (m->blocks > most) most = m->blocks;
    }
    assert_int_equal(g->n_args, n_args);
    assert_true(n_args <= 250);
    assert_true(legal_occupancy(k, g, o));
    bool robin = g->dispatch == COMBO_ROUND_ROBIN;
    assert_int_equal(g->blocks, robin ? most * g->n_members : next);
    if (robin) assert_true((double)needed > 0.8 * (double)g->blocks);
}

/* What was refused is refused for a reason that holds. */
static void check_decision(const struct combo_kernel *k, const struct combined *c,
                           const struct combo_decision *d, const struct combo_options *o)
{
    assert_int_equal(d->combined, d->reason == COMBO_COMBINED);
    if (d->combined) {
        assert_true(together(c, d->a, d->b));
        return;
    }
    if (d->b < 0) {
        assert_int_equal(group_of(c, d->a), -1);
        assert_true(d->reason == COMBO_ALONE || out_for(&k[d->a], o, d->reason));
        return;
    }
    assert_false(together(c, d->a, d->b));
    int g = group_of(c, d->a);
    const struct combo_group *group = g < 0 ? NULL : &c->group.p[g];
    if (d->reason == COMBO_MEMBERS) {
        assert_true(group && group->n_members == (o->max_members ? o->max_members : 8));
    } else if (d->reason == COMBO_ARGS) {
        assert_true((group ? group->n_args : k[d->a].n_args) + k[d->b].n_args > 250);
    } else if (d->reason == COMBO_OCCUPANCY) {
        assert_true(k[d->b].registers != 0 && o->device.threads != 0);
    } else {
        assert_true(apart_for(&k[d->a], &k[d->b], o, d->reason));
    }
}

static void check(const struct combo_kernel *k, int n, const struct combo_options *o)
{
    struct formed f, again;
    form(&f, k, n, o);
    int *times = calloc((size_t)n + 1, sizeof *times),
        *spoken = calloc((size_t)n + 1, sizeof *spoken);
    assert_true(times && spoken);
    for (size_t g = 0; g < f.c.group.n; g++) {
        check_group(k, &f.c.group.p[g], o);
        for (int i = 0; i < f.c.group.p[g].n_members; i++) times[f.c.group.p[g].member[i].kernel]++;
    }
    for (size_t i = 0; i < f.c.decision.n; i++) {
        const struct combo_decision *d = &f.c.decision.p[i];
        check_decision(k, &f.c, d, o);
        spoken[d->a]++;
        if (d->b >= 0) spoken[d->b]++;
    }
    for (int i = 0; i < n; i++) assert_true(times[i] <= 1 && spoken[i] >= 1);
    form(&again, k, n, o);
    assert_int_equal(f.c.decision.n, again.c.decision.n);
    assert_int_equal(f.c.group.n, again.c.group.n);
    for (size_t i = 0; i < f.c.decision.n; i++) {
        const struct combo_decision *p = &f.c.decision.p[i], *q = &again.c.decision.p[i];
        assert_true(p->a == q->a && p->b == q->b && p->reason == q->reason);
    }
    free(times);
    free(spoken);
    done(&f);
    done(&again);
}

static void test_random_lists(void **state)
{
    (void)state;
    int arrays[64];
    for (int i = 0; i < 64; i++) arrays[i] = (i * 7) % 64;
    for (int round = 0; round < 2000; round++) {
        seed = (uint64_t)round * 1000003;
        struct combo_kernel k[60];
        int n = draw(round % 10 ? 20 : 61);
        for (int i = 0; i < n; i++) k[i] = draw_kernel(arrays);
        struct combo_options o = {.off = rarely(50),
                                  .max_members = rarely(2) ? 0 : 2 + draw(20),
                                  .mixed_sizes = draw(3),
                                  .pointwise_only = rarely(10),
                                  .mixed_pointwise_reduction = rarely(3),
                                  .static_lists = rarely(3),
                                  .per_member_blocks = rarely(3)};
        if (rarely(2))
            o.device = (struct combo_device){.registers = 65536, .threads = 2048, .blocks = 32};
        check(k, n, &o);
    }
}

static void test_none(void **state)
{
    (void)state;
    struct combo_options o = options();
    struct formed f;
    form(&f, NULL, 0, &o);
    assert_int_equal(f.c.group.n + f.c.decision.n, 0);
    done(&f);
}

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SLOWER = 20 };
#else
enum { SLOWER = 1 };
#endif

static void test_ten_thousand_are_fast(void **state)
{
    (void)state;
    enum { N = 10000 };
    int *arrays = malloc(64 * sizeof *arrays);
    struct combo_kernel *k = calloc(N, sizeof *k);
    assert_true(arrays && k);
    for (int i = 0; i < 64; i++) arrays[i] = i;
    seed = 1;
    for (int i = 0; i < N; i++) {
        k[i] = draw_kernel(arrays);
        if (i % 2) k[i].level = i / 4;
    }
    struct combo_options o = options();
    double best = 1e9;
    for (int round = 0; round < 5; round++) {
        struct timespec a, b;
        struct formed f;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
        form(&f, k, N, &o);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
        double ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
        if (ms < best) best = ms;
        done(&f);
    }
    print_message("%d kernels in %.1f ms\n", N, best);
    assert_true(best < 50 * SLOWER);
    free(k);
    free(arrays);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_lists),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_ten_thousand_are_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
