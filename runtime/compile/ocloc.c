/* ocloc.c - OpenCL C to code of Intel's processors by libocloc, and what it says of registers. */
#include <dlfcn.h>
#include <elf.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/compile/gpu_build.h"

/* Sources and outputs are arrays side by side. */
typedef int invoke_function(uint32_t n_args, const char **arg, uint32_t n_sources,
                            const uint8_t **source, const uint64_t *source_size,
                            const char **source_name, uint32_t n_headers, const uint8_t **header,
                            const uint64_t *header_size, const char **header_name,
                            uint32_t *n_outputs, uint8_t ***output, uint64_t **output_size,
                            char ***output_name);
typedef int free_function(uint32_t *n_outputs, uint8_t ***output, uint64_t **output_size,
                          char ***output_name);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool tried;
    invoke_function *invoke;
    free_function *release;
} ocloc; /* guarded by `lock` */

static enum err find_library(void)
{
    if (!ocloc.tried) {
        ocloc.tried = true;
        void *library = dlopen("libocloc.so", RTLD_NOW | RTLD_LOCAL);
        if (library) *(void **)&ocloc.invoke = dlsym(library, "oclocInvoke");
        if (library) *(void **)&ocloc.release = dlsym(library, "oclocFreeOutput");
    }
    if (ocloc.invoke && ocloc.release) return ERR_OK;
    FAIL(ERR_UNSUPPORTED, "libocloc.so is not there (Debian's package intel-opencl-icd has it)");
}

struct outputs {
    uint32_t n;
    uint8_t **data;
    uint64_t *size;
    char **name;
};

/* The output whose name ends so; -1: none. */
static int find_output(const struct outputs *o, const char *ending)
{
    for (uint32_t i = 0; i < o->n; i++) {
        size_t n = strlen(o->name[i]), m = strlen(ending);
        if (n >= m && !strcmp(o->name[i] + n - m, ending)) return (int)i;
    }
    return -1;
}

/* The section of the kernels' properties, YAML, in an ELF file that is looked at with distrust. */
static enum err take_report(const struct buf *code, struct buf *out)
{
    Elf64_Ehdr h;
    Elf64_Shdr names, s;
    const char *bad = "ocloc made something that is no zebin";
    if (code->n < sizeof h) FAIL(ERR_FORMAT, "%s: %zu bytes", bad, code->n);
    memcpy(&h, code->p, sizeof h);
    uint64_t end = h.e_shoff + (uint64_t)h.e_shnum * sizeof s;
    if (memcmp(h.e_ident, ELFMAG, SELFMAG) || h.e_shentsize != sizeof s || h.e_shoff > code->n ||
        end > code->n || h.e_shstrndx >= h.e_shnum)
        FAIL(ERR_FORMAT, "%s: its header is wrong", bad);
    memcpy(&names, code->p + h.e_shoff + h.e_shstrndx * sizeof s, sizeof names);
    for (unsigned i = 0; i < h.e_shnum; i++) {
        memcpy(&s, code->p + h.e_shoff + i * sizeof s, sizeof s);
        uint64_t name = names.sh_offset + s.sh_name;
        if (name > code->n || code->n - name < sizeof ".ze_info" ||
            memcmp(code->p + name, ".ze_info", sizeof ".ze_info"))
            continue;
        if (s.sh_offset > code->n || s.sh_size > code->n - s.sh_offset) break;
        buf_put(out, code->p + s.sh_offset, s.sh_size);
        return buf_ok(out);
    }
    FAIL(ERR_FORMAT, "%s: it has no section .ze_info", bad);
}

static enum err take(const struct outputs *o, int rc, const char *device, struct gpu_built *out)
{
    int log = find_output(o, "stdout.log"), code = find_output(o, ".bin");
    if (rc || code < 0)
        FAIL(ERR_FORMAT, "ocloc for %s ended with %d: %.*s", device, rc,
             log < 0 ? 0 : (int)(o->size[log] < 800 ? o->size[log] : 800),
             log < 0 ? "" : (const char *)o->data[log]);
    buf_put(&out->code, o->data[code], o->size[code]);
    TRY(buf_ok(&out->code));
    return take_report(&out->code, &out->report);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static enum err build(const char *text, const char *device, bool f64, struct gpu_built *out)
{
    const char *options = f64 ? OCLOC_FLAGS " -DX_F64=1" : OCLOC_FLAGS;
    const char *arg[] = {"ocloc",
                         "compile",
                         "-q",
                         "-file",
                         "plumb.cl",
                         "-device",
                         device,
                         "-options",
                         options,
                         "-internal_options",
                         "-cl-intel-allow-zebin"};
    const uint8_t *source = (const uint8_t *)text;
    const char *name = "plumb.cl";
    uint64_t size = strlen(text) + 1;
    struct outputs o = {0};
    TRY(find_library());
    int rc = ocloc.invoke(sizeof arg / sizeof *arg, arg, 1, &source, &size, &name, 0, NULL, NULL,
                          NULL, &o.n, &o.data, &o.size, &o.name);
    enum err err = take(&o, rc, device, out);
    ocloc.release(&o.n, &o.data, &o.size, &o.name);
    return err;
}

enum err ocloc_build(struct span text, const char *device, bool f64, struct gpu_built *out)
{
    *out = (struct gpu_built){0};
    char *source = strndup(text.p, text.n);
    if (!source) FAIL(ERR_NOMEM, "out of memory for a text of OpenCL C");
    int64_t begin = now_ns();
    pthread_mutex_lock(&lock);
    enum err err = build(source, device, f64, out);
    pthread_mutex_unlock(&lock);
    free(source);
    out->build_ns = now_ns() - begin;
    if (err) gpu_built_release(out);
    return err;
}

/* ---- the report ---- */

/* The number behind "key:" in [p, end); `otherwise`: there is none. */
static int number_of(const char *p, const char *end, const char *key, int otherwise)
{
    const char *at = strstr(p, key);
    return at && at < end ? atoi(at + strlen(key)) : otherwise;
}

/*   - name:            pl_..._3
 *     execution_env:
 *       grf_count:     128
 *     per_thread_memory_buffers:
 *       - type: scratch   usage: single_space   size: 64
 *
 * Scratch memory is told as what is spilled: what else could lie in it (single_space), arrays that
 * are private to a work-item and indexed, is no better than spilling. A power of 2, per thread.
 */
struct code_resources ocloc_resources(const struct gpu_built *b, const char *name)
{
    struct code_resources r = {-1, -1, -1};
    const char *p = b->report.n ? b->report.p : "", *end;
    size_t n = strlen(name);
    do {
        p = strstr(p, "- name:");
        if (!p) return r;
        p += strlen("- name:");
        p += strspn(p, " ");
    } while (strncmp(p, name, n) || (p[n] != '\n' && p[n] != '\r' && p[n] != ' '));
    end = strstr(p, "\n  - name:");
    if (!end) end = b->report.p + b->report.n;
    r.registers = number_of(p, end, "grf_count:", -1);
    r.shared_bytes = number_of(p, end, "slm_size:", 0);
    const char *scratch = strstr(p, "type:            scratch");
    r.spill_bytes = scratch && scratch < end ? number_of(scratch, end, "size:", -1) : 0;
    return r;
}

bool code_needs_f64(const struct code_kernel *k)
{
    const struct nest *n = k->nest;
    for (int i = 0; i < n->n_arrays; i++)
        if (n->array[i].dtype == DTYPE_F64 || n->array[i].dtype == DTYPE_C128) return true;
    for (int i = 0; i < n->n_nodes; i++)
        if (n->node[i].type == NEST_F64 || n->node[i].type == NEST_C128) return true;
    return false;
}
