/* test_digest.c - PKM64: bits and places count, layouts and splits do not; PyTorch's hashes. */
#include "tests/unit/vectors.h"

#include <math.h>

#include "kernels/digest.h"
#include "kernels/digest_mix.h"

#define SHAPE(...)                                                                                 \
    (&(struct view_shape){sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), {__VA_ARGS__}})

static uint32_t seed = 1;
static uint32_t number(void)
{
    return seed = seed * 1664525u + 1013904223u;
}
static int64_t below(int64_t n)
{
    return (int64_t)(number() >> 8) % n;
}
static void fill(void *p, size_t n)
{
    for (size_t k = 0; k < n; k++) ((uint8_t *)p)[k] = (uint8_t)(number() >> 24);
}

static struct view dense(enum dtype t, const struct view_shape *shape)
{
    struct view v;
    assert_int_equal(view_dense(t, shape, &v), ERR_OK);
    return v;
}
static uint64_t of_range(const struct view *v, const void *p, enum digest_isa isa)
{
    struct digest d;
    digest_range(v, p, 0, view_count(v), (struct digest_how){isa, false}, &d);
    return digest_finish(&d, v);
}
static uint64_t of_flat(enum dtype t, const void *p, int64_t n)
{
    struct view v = dense(t, SHAPE(n));
    return digest_view(&v, p, NULL);
}

/* Computed by a few lines of Python from the definition. */
static void has_the_values_of_the_definition(void **state)
{
    (void)state;
    const float f[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    const uint16_t h[5] = {0x3f80, 0xbf80, 0, 0x8000, 0x7fc0};
    const double z[4] = {1, 2, 3, -0.0}, one = 1.5;
    const uint8_t b[3] = {1, 0, 1};
    const struct view_shape none = {0, {0}};
    struct view v = dense(DTYPE_F32, SHAPE(2, 5)), empty = dense(DTYPE_F32, SHAPE(0, 3)),
                scalar = dense(DTYPE_F64, &none);
    assert_true(digest_view(&v, f, NULL) == 0x6b1df7d3ea0f7935);
    assert_true(of_flat(DTYPE_BF16, h, 5) == 0x981eb940b10db49d);
    assert_true(of_flat(DTYPE_B8, b, 3) == 0xb82601e3f32f6402);
    assert_true(digest_view(&empty, NULL, NULL) == 0x69a483a407761fec);
    assert_true(digest_view(&scalar, &one, NULL) == 0xc2559cf826577cbb);
    assert_true(of_flat(DTYPE_C128, z, 2) == 0x4030d77f4dc39bf8);
}

static void every_instruction_set_agrees(void **state)
{
    (void)state;
    static char p[5000];
    fill(p, sizeof p);
    for (int isa = 0; isa < DIGEST_N_ISA; isa++) {
        if (!digest_isa_present((enum digest_isa)isa)) {
            print_message("%s: not on this machine, its form was not run\n",
                          digest_isa_name((enum digest_isa)isa));
            continue;
        }
        for (size_t n = 0; n < 200; n++)
            for (uint64_t first = 0; first < 3; first++) {
                uint64_t at = first * 0x80000001u, want = 0, word;
                for (size_t i = 0; i < n; i++) {
                    memcpy(&word, p + first + 8 * i, 8);
                    want += digest_mix64(word ^ (at + i + 1) * DIGEST_PHI);
                }
                assert_true(digest_mix((enum digest_isa)isa, p + first, n, at) == want);
            }
    }
    assert_true(digest_isa_present(digest_isa_best()));
    assert_string_equal(digest_isa_name(DIGEST_AVX2), "avx2");
}

/* A whole view from random ranges, neighbours merged in random order. */
static uint64_t of_split(const struct view *v, const void *p, int parts, enum digest_isa isa)
{
    struct digest d[20];
    int64_t n = view_count(v), cut[21] = {0};
    for (int k = 1; k < parts; k++) cut[k] = below(n + 1);
    for (int k = 1; k < parts; k++)
        for (int j = k; j > 1 && cut[j] < cut[j - 1]; j--) {
            int64_t t = cut[j];
            cut[j] = cut[j - 1];
            cut[j - 1] = t;
        }
    cut[parts] = n;
    for (int k = 0; k < parts; k++)
        digest_range(v, p, cut[k], cut[k + 1] - cut[k], (struct digest_how){isa, k % 2}, &d[k]);
    for (; parts > 1; parts--) {
        int k = (int)below(parts - 1);
        digest_merge(&d[k], &d[k + 1]);
        memmove(&d[k + 1], &d[k + 2], (size_t)(parts - k - 2) * sizeof *d);
    }
    return digest_finish(&d[0], v);
}

static void splits_do_not_matter(void **state)
{
    (void)state;
    static char p[16 * 3000];
    fill(p, sizeof p);
    for (int t = 1; t < DTYPE_END; t++)
        for (int round = 0; round < 60; round++) {
            struct view v =
                dense((enum dtype)t, SHAPE(round < 30 ? 1 + below(30) : 1 + below(3000)));
            uint64_t want = of_range(&v, p, DIGEST_PORTABLE);
            for (int isa = 0; isa < DIGEST_N_ISA; isa++)
                if (digest_isa_present((enum digest_isa)isa))
                    assert_true(of_split(&v, p, 1 + (int)below(20), (enum digest_isa)isa) == want);
        }
}

/* Every element at random places, then the same elements packed: equal in digest and statistics. */
static void check_layout(const struct view *v, const char *storage)
{
    static char packed[1 << 16];
    int64_t n = view_count(v);
    size_t size = dtype_size(v->dtype);
    struct view flat = dense(v->dtype, &v->shape);
    struct digest_stats a, b;
    assert_true((size_t)n * size <= sizeof packed);
    for (int64_t k = 0; k < n; k++)
        memcpy(packed + (size_t)k * size, storage + (size_t)view_at(v, k) * size, size);
    assert_true(digest_view(v, storage, &a) == digest_view(&flat, packed, &b));
    assert_memory_equal(&a, &b, sizeof a);
    if (n) assert_true(of_split(v, storage, 7, digest_isa_best()) == digest_view(v, storage, NULL));
}

static void layouts_do_not_matter(void **state)
{
    (void)state;
    static char storage[16 * 4096];
    struct view v, w;
    fill(storage, sizeof storage);
    for (int t = 1; t < DTYPE_END; t++) {
        v = dense((enum dtype)t, SHAPE(7, 9, 11));
        assert_int_equal(view_permute(&v, (const int[]){2, 0, 1}, 3, &w), ERR_OK);
        check_layout(&w, storage);
        assert_int_equal(view_slice(&v, 2, 1, 10, 3, &w), ERR_OK);
        check_layout(&w, storage);
        assert_int_equal(view_slice(&v, 1, 2, 4, 1, &w), ERR_OK);
        w.offset += 5;
        check_layout(&w, storage);
        assert_int_equal(view_select(&v, 1, 4, &w), ERR_OK);
        check_layout(&w, storage);
        assert_int_equal(view_expand(&w, SHAPE(3, 7, 11), &w), ERR_OK);
        check_layout(&w, storage);
        assert_int_equal(
            view_strided((enum dtype)t, SHAPE(2, 1500), (const int64_t[]){1501, 1}, 3, &w), ERR_OK);
        check_layout(&w, storage);
        assert_int_equal(view_strided((enum dtype)t, SHAPE(5, 0), (const int64_t[]){1, 1}, 3, &w),
                         ERR_OK);
        check_layout(&w, storage);
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* No two of the tensor and its 8 * n neighbours share a digest. */
static void check_bits(enum dtype t, uint8_t *p, size_t n)
{
    size_t bits = 8 * n;
    uint64_t *all = malloc((bits + 1) * sizeof *all);
    int64_t elements = (int64_t)(n / dtype_size(t));
    all[bits] = of_flat(t, p, elements);
    for (size_t k = 0; k < bits; k++) {
        p[k / 8] ^= (uint8_t)(1u << k % 8);
        all[k] = of_flat(t, p, elements);
        p[k / 8] ^= (uint8_t)(1u << k % 8);
    }
    qsort(all, bits + 1, sizeof *all, by_value);
    for (size_t k = 0; k < bits; k++) assert_true(all[k] != all[k + 1]);
    free(all);
}

static void one_flipped_bit_is_seen(void **state)
{
    (void)state;
    static uint8_t p[1104];
    fill(p, sizeof p);
    check_bits(DTYPE_F32, p, 1100);
    check_bits(DTYPE_F16, p, 1102);
    check_bits(DTYPE_U8, p, 1101);
    check_bits(DTYPE_C128, p, 1104);
    memset(p, 0, sizeof p);
    check_bits(DTYPE_F32, p, 1100);
}

/* All digests of a list differ. */
static void assert_distinct(uint64_t *all, size_t n)
{
    qsort(all, n, sizeof *all, by_value);
    for (size_t k = 1; k < n; k++) assert_true(all[k] != all[k - 1]);
}

static void order_repeats_and_shape_are_seen(void **state)
{
    (void)state;
    float x[24], y[24], both[48];
    struct view rows = dense(DTYPE_F32, SHAPE(4, 6)), turned;
    for (int k = 0; k < 24; k++) x[k] = (float)k;
    uint64_t all[16];
    size_t n = 0;
    all[n++] = digest_view(&rows, x, NULL);
    memcpy(y, x, sizeof y);
    y[3] = x[4], y[4] = x[3];
    all[n++] = digest_view(&rows, y, NULL); /* neighbours swapped */
    memcpy(y, x + 6, 24), memcpy(y + 6, x, 24), memcpy(y + 12, x + 12, 48);
    all[n++] = digest_view(&rows, y, NULL); /* rows swapped */
    for (int k = 0; k < 24; k++) y[k] = x[23 - k];
    all[n++] = digest_view(&rows, y, NULL); /* reversed */
    assert_int_equal(view_permute(&rows, (const int[]){1, 0}, 2, &turned), ERR_OK);
    all[n++] = digest_view(&turned, x, NULL); /* transposed */
    all[n++] = of_flat(DTYPE_F32, x, 24);     /* of another shape */
    all[n++] = of_flat(DTYPE_I32, x, 24);     /* of another dtype */
    all[n++] = of_flat(DTYPE_F32, x, 23);     /* shorter */
    memcpy(both, x, sizeof x), memcpy(both + 24, x, sizeof x);
    all[n++] = of_flat(DTYPE_F32, both, 48); /* twice */
    memcpy(both, y, sizeof y);
    all[n++] = of_flat(DTYPE_F32, both, 48); /* two joined */
    for (int k = 0; k < 24; k++) y[k] = 1;
    all[n++] = of_flat(DTYPE_F32, y, 24); /* equal elements, which cancel in a xor */
    for (int k = 0; k < 24; k++) y[k] = 2;
    all[n++] = of_flat(DTYPE_F32, y, 24);
    assert_distinct(all, n);
    n = 0;
    float zero[2] = {0.0f, -0.0f};
    all[n++] = of_flat(DTYPE_F32, &zero[0], 1);
    all[n++] = of_flat(DTYPE_F32, &zero[1], 1);
    uint16_t padded[4] = {1, 0, 0, 0};
    for (int k = 0; k < 4; k++)
        all[n++] = of_flat(DTYPE_F16, padded, k + 1); /* zeros that fill a word */
    struct view a = dense(DTYPE_F32, SHAPE(0, 3)), b = dense(DTYPE_F32, SHAPE(3, 0)),
                c = dense(DTYPE_F16, SHAPE(0, 3));
    all[n++] = digest_view(&a, NULL, NULL);
    all[n++] = digest_view(&b, NULL, NULL);
    all[n++] = digest_view(&c, NULL, NULL);
    assert_distinct(all, n);
}

/* The same statistics, one number after another. */
static void check_stats(const struct digest_stats *s, const double *x, int n)
{
    int64_t n_nan = 0, n_inf = 0;
    double min = INFINITY, max = -INFINITY, sum = 0, sum_abs = 0, squares = 0;
    for (int k = 0; k < n; k++) {
        n_nan += isnan(x[k]) != 0;
        n_inf += isinf(x[k]) != 0;
        if (x[k] < min) min = x[k];
        if (x[k] > max) max = x[k];
        if (!isfinite(x[k])) continue;
        sum += x[k], sum_abs += fabs(x[k]), squares += x[k] * x[k];
    }
    assert_true(s->n == n && s->n_nan == n_nan && s->n_inf == n_inf && s->min == min &&
                s->max == max);
    assert_true(!signbit(s->min) || s->min != 0);
    assert_true(fabs(s->sum - sum) <= 1e-12 * sum_abs &&
                fabs(s->sum_abs - sum_abs) <= 1e-12 * sum_abs);
    assert_true(fabs(digest_l2(s) - sqrt(squares)) <= 1e-12 * sqrt(squares));
}

static void statistics_are_right(void **state)
{
    (void)state;
    enum { N = 3000 };
    static char p[16 * N];
    static double x[2 * N], small[N];
    for (int k = 0; k < N; k++)
        small[k] = k % 97 == 5   ? NAN
                   : k % 89 == 7 ? -INFINITY
                   : k % 61 == 8 ? -0.0
                                 : (double)below(2000) / 8 - 100;
    for (int t = 1; t < DTYPE_END; t++)
        for (int n = 1; n <= N; n = n < 40 ? n + 1 : n * 3) {
            struct view v = dense((enum dtype)t, SHAPE(n));
            struct digest_stats want, got;
            dtype_cast(DTYPE_F64, small, (enum dtype)t, p, (size_t)n);
            dtype_load_f64((enum dtype)t, p, (size_t)n, x);
            digest_view(&v, p, &want);
            check_stats(&want, x, dtype_kind((enum dtype)t) == DTYPE_COMPLEX ? 2 * n : n);
            for (int isa = 0; isa < DIGEST_N_ISA; isa++) {
                struct digest d;
                if (!digest_isa_present((enum digest_isa)isa)) continue;
                digest_range(&v, p, 0, n, (struct digest_how){(enum digest_isa)isa, true}, &d);
                got = d.stats;
                assert_memory_equal(&got, &want, sizeof got);
            }
        }
}

static void statistics_merge(void **state)
{
    (void)state;
    double x[100];
    struct view v = dense(DTYPE_F64, SHAPE(100));
    struct digest d, next;
    struct digest_how how = {digest_isa_best(), true};
    for (int k = 0; k < 100; k++) x[k] = k - 40;
    x[17] = NAN, x[60] = INFINITY;
    digest_range(&v, x, 0, 33, how, &d);
    digest_range(&v, x, 33, 67, how, &next);
    digest_merge(&d, &next);
    check_stats(&d.stats, x, 100);
    assert_true(digest_finish(&d, &v) == digest_view(&v, x, NULL));
    for (int k = 0; k < 100; k++) x[k] = -0.0;
    digest_range(&v, x, 0, 100, how, &d);
    assert_true(!signbit(d.stats.min) && !signbit(d.stats.max));
    digest_range(&v, x, 0, 5, how, &d);
    assert_true(!signbit(d.stats.min) && !signbit(d.stats.max));
    digest_range(&v, x, 0, 0, how, &d);
    assert_true(d.stats.n == 0 && d.stats.min == INFINITY && d.stats.max == -INFINITY);
}

static uint8_t base64_digit(char c)
{
    const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(digits, c);
    assert_true(at && c);
    return (uint8_t)(at - digits);
}
static size_t base64(struct span text, uint8_t *out)
{
    size_t n = 0;
    uint32_t bits = 0;
    int have = 0;
    for (size_t k = 0; k < text.n && text.p[k] != '='; k++) {
        bits = bits << 6 | base64_digit(text.p[k]);
        have += 6;
        if (have < 8) continue;
        have -= 8;
        out[n++] = (uint8_t)(bits >> have);
    }
    return n;
}

static uint64_t bits_of(const struct json *j, const char *name)
{
    struct span s = json_string(json_get(j, name));
    assert_non_null(s.p);
    return strtoull(s.p, NULL, 16);
}
static int integers(const struct json *list, int64_t *out)
{
    int n = 0;
    for (const struct json *j = list->first; j; j = j->next) out[n++] = j->i;
    return n;
}

/* A conjugated or negated view, written out: a dense copy with signs turned. */
static void resolve(struct view *v, const uint8_t *storage, bool conjugate, uint8_t *out)
{
    struct view made = dense(v->dtype, &v->shape);
    size_t size = dtype_size(v->dtype);
    for (int64_t k = 0; k < view_count(v); k++) {
        memcpy(out + (size_t)k * size, storage + (size_t)view_at(v, k) * size, size);
        out[((size_t)k + 1) * size - 1] ^=
            0x80; /* the sign of a real number, or of the imaginary part */
    }
    assert_true(conjugate == (dtype_kind(v->dtype) == DTYPE_COMPLEX));
    *v = made;
}

static void check_bits_of_norm(const struct json *want, double got, const char *name)
{
    uint64_t bits, expected = bits_of(want, "bits");
    double w;
    memcpy(&bits, &got, 8);
    memcpy(&w, &expected, 8);
    if (isnan(w) ? !isnan(got) : bits != expected) fail_msg("norm of %s: %a, not %a", name, got, w);
}

/* False where the dtype is not ours. */
static bool check_vector(const struct json *j)
{
    static uint8_t storage[1 << 16], resolved[1 << 16];
    char name[200];
    struct view v;
    struct view_shape shape;
    int64_t stride[VIEW_DIMS];
    enum dtype t;
    if (dtype_find(json_string(json_get(j, "dtype")), &t)) return false;
    snprintf(name, sizeof name, "%.*s", SPAN_ARG(json_string(json_get(j, "name"))));
    struct span text = json_string(json_get(j, "storage"));
    assert_true(text.n < sizeof storage);
    size_t n = base64(text, storage);
    const uint8_t *p = storage;
    shape.n = integers(json_get(j, "shape"), shape.size);
    integers(json_get(j, "strides"), stride);
    assert_int_equal(view_strided(t, &shape, stride, json_int(json_get(j, "offset"), 0), &v),
                     ERR_OK);
    assert_int_equal(view_check_storage(&v, (int64_t)n), ERR_OK);
    bool conjugate = json_int(json_get(j, "conj"), 0), negate = json_int(json_get(j, "neg"), 0);
    if (conjugate || negate) resolve(&v, storage, conjugate, resolved), p = resolved;
    check_bits_of_norm(json_get(j, "norm"), digest_norm(&v, p, 1), name);
    const struct json * xor = json_get(j, "hash_tensor");
    if (xor&&bits_of(xor, "hex") != digest_hash_tensor(&v, p, 0, view_count(&v)))
        fail_msg("hash_tensor of %s", name);
    return true;
}

static void hashes_of_small_tensors_as_pytorch_answered(void **state)
{
    (void)state;
    struct arena arena = {0};
    size_t size;
    int ours = 0, others = 0;
    char *text = vectors_read("debug_mode/hash_vectors.json", &size);
    if (!text) skip();
    for (const struct json *j = json_get(vectors_json(text, size, &arena), "tensors")->first; j;
         j = j->next)
        check_vector(j) ? ours++ : others++;
    print_message("%d tensors; %d of dtypes that plumb has not\n", ours, others);
    assert_true(ours == 296 && others == 19);
    arena_release(&arena);
    free(text);
}

static void check_large(const struct json *j, const uint32_t *x)
{
    int64_t n = json_int(json_get(j, "n"), 0), half = n / 2;
    struct view v = dense(DTYPE_F32, SHAPE(n));
    char name[40];
    for (int threads = 1; threads <= 4; threads++) {
        snprintf(name, sizeof name, "%d", threads);
        const struct json *want = json_get(json_get(j, "norm_by_threads"), name);
        check_bits_of_norm(want, digest_norm(&v, x, threads), "a large tensor");
    }
    uint64_t want = strtoull(json_string(json_get(j, "hash_tensor")).p, NULL, 16);
    assert_true(digest_hash_tensor(&v, x, 0, n) == want);
    assert_true((digest_hash_tensor(&v, x, 0, half) ^ digest_hash_tensor(&v, x, half, n - half)) ==
                want);
}

static void hashes_of_large_tensors_as_pytorch_answered(void **state)
{
    (void)state;
    enum { N = 200001 };
    struct arena arena = {0};
    size_t size;
    int n = 0;
    char *text = vectors_read("debug_mode/hash_large.json", &size);
    if (!text) skip();
    uint32_t *x = malloc(N * sizeof *x);
    for (uint64_t i = 0; i < N; i++) x[i] = (uint32_t)(i * 2654435761u) & 0xbfffffff;
    for (const struct json *j = json_get(vectors_json(text, size, &arena), "tensors")->first; j;
         j = j->next, n++)
        check_large(j, x);
    assert_int_equal(n, 11);
    free(x);
    arena_release(&arena);
    free(text);
}

static void norm_is_cut_by_threads(void **state)
{
    (void)state;
    enum { N = 100000 };
    float *x = malloc(N * sizeof *x);
    struct view v = dense(DTYPE_F32, SHAPE(N));
    for (int k = 0; k < N; k++)
        x[k] = ldexpf((float)(number() >> 8), (int)below(60)); /* sums are rounded */
    for (int threads = 1; threads < 6; threads++) {
        int chunks = threads < 4 ? threads : 4, size = (N + chunks - 1) / chunks;
        double sum = 0;
        for (int at = 0; at < N; at += size) {
            double part = 0;
            for (int k = at; k < N && k < at + size; k++) part += (double)x[k];
            sum += part;
        }
        assert_true(digest_norm(&v, x, threads) == sum);
    }
    assert_true(digest_norm(&v, x, 1) != digest_norm(&v, x, 2));
    free(x);
}

/* What needs no file: the rules of both hashes on numbers that show them. */
static void hashes_follow_their_rules(void **state)
{
    (void)state;
    const int64_t wide[2] = {(1 << 24) + 1, -3};
    const float even[2] = {1, 1}, minus_zero = -0.0f, pair[2] = {3, -4}, mixed[2] = {INFINITY, NAN};
    struct view v = dense(DTYPE_I64, SHAPE(2)), two = dense(DTYPE_F32, SHAPE(2)),
                one = dense(DTYPE_F32, SHAPE(1));
    struct view z = dense(DTYPE_C64, SHAPE(1)), empty = dense(DTYPE_F32, SHAPE(0));
    assert_true(digest_norm(&v, wide, 1) == 16777216.0 + 3);
    assert_true(digest_hash_tensor(&v, wide, 0, 2) == (16777217ull ^ (uint64_t)-3));
    assert_true(digest_hash_tensor(&two, even, 0, 2) == 0);
    assert_true(digest_hash_tensor(&one, &minus_zero, 0, 1) == 1ull << 63);
    assert_true(digest_norm(&z, pair, 1) == 5 && digest_norm(&z, mixed, 1) == INFINITY);
    assert_true(digest_norm(&empty, NULL, 3) == 0 && digest_hash_tensor(&empty, NULL, 0, 0) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_values_of_the_definition),
        cmocka_unit_test(every_instruction_set_agrees),
        cmocka_unit_test(splits_do_not_matter),
        cmocka_unit_test(layouts_do_not_matter),
        cmocka_unit_test(one_flipped_bit_is_seen),
        cmocka_unit_test(order_repeats_and_shape_are_seen),
        cmocka_unit_test(statistics_are_right),
        cmocka_unit_test(statistics_merge),
        cmocka_unit_test(hashes_of_small_tensors_as_pytorch_answered),
        cmocka_unit_test(hashes_of_large_tensors_as_pytorch_answered),
        cmocka_unit_test(norm_is_cut_by_threads),
        cmocka_unit_test(hashes_follow_their_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
