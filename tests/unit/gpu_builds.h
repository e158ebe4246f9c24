/* gpu_builds.h - printed kernels built for devices that are not here, each text once.
 *
 * gpu_builds_add takes the launches of a program (their texts are kept, under names made of a hash
 * of them), gpu_builds_run builds for each device what the table lacks, many in one program, and
 * writes a line for each:
 *
 *   device  hash  registers  bytes of local memory  bytes spilled  inner loops  name
 *
 * PLUMB_BUILDS names the table; a run that was stopped goes on from there. A kernel that was
 * refused has -1 registers and fails the test at the end, as one does that spills more than the
 * budget.
 */
#ifndef TESTS_GPU_BUILDS_H
#define TESTS_GPU_BUILDS_H

#include "unit.h"

#include <xxhash.h>

#include "runtime/compile/code_gpu.h"
#include "runtime/compile/gpu_build.h"
#include "store/base/map.h"

/* Bytes that a kernel may spill. Intel's builder puts a complex128 that is only moved into scratch
 * memory: 2048 bytes of a thread, its smallest piece. */
enum { GPU_SPILL_BUDGET = 0, GPU_SCRATCH_BUDGET = 2048 };

static const struct gpu_target {
    const char *name;
    bool cuda, f64;
} gpu_targets[] = {{"sm_80", true, true},
                   {"sm_90", true, true},
                   {"skl", false, true},
                   {"dg2", false, false},
                   {"pvc", false, true}};
enum {
    GPU_TARGETS = sizeof gpu_targets / sizeof *gpu_targets,
    GPU_UNITS = 16384,
    GPU_TOGETHER = 24
};

/* A launch: its text with its own names in it, and what the program called it. */
struct gpu_unit {
    char hash[17], name[120];
    char *text;
    bool inner, f64;
};
static struct {
    struct gpu_unit unit[GPU_UNITS];
    int n;
    struct map known; /* hash -> number of the unit */
    struct map built; /* device and hash -> 1 */
    FILE *table;
} gpu_builds;

static void gpu_must(enum err err)
{
    if (err) fail_msg("%s", err_text());
}

static struct map_key gpu_unit_key(const char *hash)
{
    return map_key(span_of(hash));
}
static struct map_key gpu_built_key(const char *device, const char *hash)
{
    char key[64];
    snprintf(key, sizeof key, "%s %s", device, hash);
    return map_key(span_of(key));
}

/* ---- texts ---- */

static const char gpu_no_hash[] = "0000000000000000";

/* The launch alone, under names without a hash. */
static void gpu_print_unit(const struct code_spec *s, const struct code_launch *l, struct buf *out)
{
    char(*name)[40] = calloc((size_t)l->n_kernels, sizeof *name);
    struct code_kernel *kernel = calloc((size_t)l->n_kernels, sizeof *kernel);
    int *number = calloc((size_t)l->n_kernels, sizeof *number);
    char launch_name[40];
    struct code_text text;
    for (int m = 0; m < l->n_kernels; m++) {
        kernel[m] = s->kernel[l->kernel[m]];
        kernel[m].comment = NULL;
        snprintf(name[m], sizeof name[m], "pl_%s_m%d", gpu_no_hash, m);
        kernel[m].name = name[m];
        number[m] = m;
    }
    snprintf(launch_name, sizeof launch_name, "pl_%s", gpu_no_hash);
    struct code_launch alone = {
        .name = launch_name, .kernel = number, .n_kernels = l->n_kernels, .combo = l->combo};
    struct code_spec spec = {
        .kernel = kernel, .n_kernels = l->n_kernels, .launch = &alone, .n_launches = 1};
    gpu_must(code_print_cuda(&spec, &text));
    buf_span(out, buf_text(&text.text));
    code_text_release(&text);
    free(number);
    free(kernel);
    free(name);
}

static void gpu_builds_add_launch(const struct code_spec *s, const struct code_launch *l)
{
    struct buf text = {0};
    struct gpu_unit u = {.text = NULL};
    bool added;
    /* not map_key, which is another in each process */
    gpu_print_unit(s, l, &text);
    snprintf(u.hash, sizeof u.hash, "%016llx", (unsigned long long)XXH3_64bits(text.p, text.n));
    assert_non_null(map_put(&gpu_builds.known, gpu_unit_key(u.hash), gpu_builds.n, &added));
    if (!added) {
        buf_release(&text);
        return;
    }
    assert_true(gpu_builds.n < GPU_UNITS);
    for (char *p = text.p; (p = strstr(p, gpu_no_hash)); p += 16) memcpy(p, u.hash, 16);
    u.text = text.p;
    snprintf(u.name, sizeof u.name, "%s", l->name);
    for (int m = 0; m < l->n_kernels; m++) {
        u.inner |= s->kernel[l->kernel[m]].nest->n_inner > 0;
        u.f64 |= code_needs_f64(&s->kernel[l->kernel[m]]);
    }
    gpu_builds.unit[gpu_builds.n++] = u;
}

static void gpu_builds_add(const struct code_spec *s)
{
    for (int i = 0; i < s->n_launches; i++) gpu_builds_add_launch(s, &s->launch[i]);
}

/* ---- the table ---- */

/* Of the units that are here: worst and sum. */
struct gpu_sums {
    int kernels, refused, spilling, most_registers, most_shared, most_spill;
};

static void gpu_count(struct gpu_sums *sums, struct code_resources r, bool cuda)
{
    sums->kernels++;
    sums->refused += r.registers <= 0;
    sums->spilling += r.spill_bytes > (cuda ? GPU_SPILL_BUDGET : GPU_SCRATCH_BUDGET);
    if (r.registers > sums->most_registers) sums->most_registers = r.registers;
    if (r.shared_bytes > sums->most_shared) sums->most_shared = r.shared_bytes;
    if (r.spill_bytes > sums->most_spill) sums->most_spill = r.spill_bytes;
}

/* A line of the table; false: of another program, or torn off when a run was stopped. */
struct gpu_line {
    char device[16], hash[17], kernel[120];
    struct code_resources r;
    int inner;
};
static bool gpu_read_line(const char *line, struct gpu_line *out)
{
    int n = sscanf(line, "%15s %16s %d %d %d %d %119s", out->device, out->hash, &out->r.registers,
                   &out->r.shared_bytes, &out->r.spill_bytes, &out->inner, out->kernel);
    int64_t *at = map_get(&gpu_builds.known, gpu_unit_key(out->hash));
    return n == 7 && strchr(line, '\n') && at;
}

static void gpu_sums_of(const struct gpu_target *t, const char *path, struct gpu_sums *out)
{
    char line[400];
    struct gpu_line l;
    *out = (struct gpu_sums){0};
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (!gpu_read_line(line, &l) || strcmp(l.device, t->name)) continue;
        gpu_count(out, l.r, t->cuda);
        if (l.r.registers <= 0) print_message("%s: %s was refused\n", t->name, l.kernel);
        if (l.r.spill_bytes > 0)
            print_message("%s: %s (%s) spills %d bytes\n", t->name, l.kernel, l.hash,
                          l.r.spill_bytes);
    }
    fclose(f);
}

static void gpu_builds_open(const char *path)
{
    char line[400];
    struct gpu_line l;
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (gpu_read_line(line, &l))
            map_put(&gpu_builds.built, gpu_built_key(l.device, l.hash), 1, NULL);
    if (f) fclose(f);
    gpu_builds.table = fopen(path, "a");
    if (!gpu_builds.table) fail_msg("%s cannot be written", path);
    fputc('\n', gpu_builds.table); /* the last line may have no end */
}

static void gpu_note(const struct gpu_target *t, const struct gpu_unit *u, struct code_resources r)
{
    fprintf(gpu_builds.table, "%s %s %d %d %d %d %s\n", t->name, u->hash, r.registers,
            r.shared_bytes, r.spill_bytes, u->inner, u->name);
    if (fflush(gpu_builds.table)) fail_msg("the table of builds cannot be written");
}

/* ---- building ---- */

static enum err gpu_build_units(const struct gpu_target *t, struct gpu_unit *const *unit, int n)
{
    struct buf text = {0};
    struct gpu_built b;
    char name[40];
    gpu_must(code_gpu_text(&(struct code_spec){0}, t->cuda, &text));
    for (int i = 0; i < n; i++) buf_puts(&text, unit[i]->text);
    enum err err = t->cuda ? nvrtc_build(buf_text(&text), t->name, &b)
                           : ocloc_build(buf_text(&text), t->name, t->f64, &b);
    buf_release(&text);
    if (err) return err;
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "pl_%s", unit[i]->hash);
        gpu_note(t, unit[i], t->cuda ? nvrtc_resources(&b, name) : ocloc_resources(&b, name));
    }
    gpu_built_release(&b);
    return ERR_OK;
}

/* Those of a program that is refused are tried alone. */
static void gpu_build_some(const struct gpu_target *t, struct gpu_unit *const *unit, int n)
{
    if (!gpu_build_units(t, unit, n)) return;
    err_clear();
    for (int i = 0; i < n; i++) {
        if (!gpu_build_units(t, &unit[i], 1)) continue;
        print_message("%s: %s: %s\n", t->name, unit[i]->name, err_text());
        err_clear();
        gpu_note(t, unit[i], (struct code_resources){-1, -1, -1});
    }
}

static bool gpu_builder_is_there(const struct gpu_target *t)
{
    struct gpu_built b;
    struct buf text = {0};
    gpu_must(code_gpu_text(&(struct code_spec){0}, t->cuda, &text));
    buf_puts(&text, "X_KERNEL pl_none(X_GLOBAL i64 *to)\n{\n    *to = 0;\n}\n");
    enum err err = t->cuda ? nvrtc_build(buf_text(&text), t->name, &b)
                           : ocloc_build(buf_text(&text), t->name, t->f64, &b);
    buf_release(&text);
    if (!err) gpu_built_release(&b);
    if (err) print_message("not run: %s: %s\n", t->name, err_text());
    err_clear();
    return err != ERR_UNSUPPORTED;
}

static void gpu_builds_run_for(const struct gpu_target *t)
{
    struct gpu_unit *some[GPU_TOGETHER];
    int n = 0;
    for (int i = 0; i < gpu_builds.n; i++) {
        struct gpu_unit *u = &gpu_builds.unit[i];
        if ((u->f64 && !t->f64) || map_get(&gpu_builds.built, gpu_built_key(t->name, u->hash)))
            continue;
        some[n++] = u;
        if (n == GPU_TOGETHER) gpu_build_some(t, some, n), n = 0;
    }
    if (n) gpu_build_some(t, some, n);
}

static void gpu_builds_run(void)
{
    const char *path = getenv("PLUMB_BUILDS");
    struct gpu_sums sums;
    int bad = 0;
    gpu_builds_open(path);
    print_message("%d texts\n", gpu_builds.n);
    for (int i = 0; i < GPU_TARGETS; i++) {
        const struct gpu_target *t = &gpu_targets[i];
        if (!gpu_builder_is_there(t)) continue;
        gpu_builds_run_for(t);
        gpu_sums_of(t, path, &sums);
        print_message("%s: %d built, %d refused, %d spill more than they may (at most %d bytes), "
                      "at most %d registers and %d bytes of local memory\n",
                      t->name, sums.kernels - sums.refused, sums.refused, sums.spilling,
                      sums.most_spill, sums.most_registers, sums.most_shared);
        bad += sums.refused + sums.spilling;
    }
    fclose(gpu_builds.table);
    assert_int_equal(bad, 0);
}

#endif
