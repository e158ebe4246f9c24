/* imp_kernel.c - kernels that generated code names.
 *
 *   triton_poi_fused_relu_0 = async_compile.triton('triton_poi_fused_relu_0', '''  its own
 *   extern_kernels.addmm(arg1_1, ...)                                         a library call
 *   extern "C"  void cpp_fused_relu_0(float* in_out_ptr0,                     wrapper in C++
 *   {"triton_poi_fused_relu_0": {"autotune_cache_state": "miss", ...}}        triton_kernel_info
 * Format: torch/_inductor/codegen/wrapper.py and cpp_wrapper_cpu.py of PyTorch 2.4 to 2.13.
 */
#include "capture/torch.h"

enum { DECLARATION_MAX = 512 }; /* bytes of a line in which a C++ kernel's name is looked for */

struct naming {
    struct torch_record *r;
    struct map names; /* those of this text */
    size_t counted;   /* bytes whose line ends are counted */
    int64_t line;     /* of that place, 1-based */
};

static int64_t line_of(struct naming *n, size_t at)
{
    struct span text = n->r->payload;
    for (size_t i = n->counted; (i = span_find(text, SPAN("\n"), i)) < at; i++) n->line++;
    n->counted = at;
    return n->line;
}

static enum err add_kernel(struct naming *n, struct span name, struct span kind, size_t at)
{
    bool added;
    if (!map_put(&n->names, map_key(name), 0, &added))
        FAIL(ERR_NOMEM, "out of memory for the kernels of a text");
    if (!added) return ERR_OK;
    struct row_kernel row =
        torch_kernel_named(torch_compile_row(n->r), n->r->artifact, torch_word(n->r, name), kind);
    row.id = store_next_id(n->r->source->writer, STORE_KERNEL);
    row.line = line_of(n, at);
    TRY(store_kernel_add(n->r->source->batch, &row));
    return torch_provenance_kernel(n->r, name, &row);
}

static bool in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The identifier that ends before `end` (SPAN with n == 0 when there is none). */
static struct span name_before(struct span text, size_t end)
{
    size_t start = end;
    while (start && in_name(text.p[start - 1])) start--;
    return span_from(span_to(text, end), start);
}

static struct span name_at(struct span text, size_t start)
{
    size_t end = start;
    while (end < text.n && in_name(text.p[end])) end++;
    return span_from(span_to(text, end), start);
}

/* Kind of kernel by what compiles it: a literal. "cpp_pybinding" is cpp too. */
static struct span kind_of(struct span compiler)
{
    static const char *const kinds[] = {"cpp",   "triton", "cuda",  "rocm",
                                        "metal", "halide", "pallas"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (span_starts(compiler, kinds[i])) return span_of(kinds[i]);
    return SPAN("other");
}

static enum err name_own_kernels(struct naming *n)
{
    struct span text = n->r->payload, mark = SPAN(" = async_compile.");
    for (size_t at = 0; (at = span_find(text, mark, at)) != SIZE_MAX; at += mark.n) {
        struct span name = name_before(text, at), compiler = name_at(text, at + mark.n);
        if (name.n && compiler.n)
            TRY(add_kernel(n, name, kind_of(compiler), (size_t)(name.p - text.p)));
    }
    return ERR_OK;
}

static enum err name_extern_kernels(struct naming *n)
{
    struct span text = n->r->payload, mark = SPAN("extern_kernels.");
    n->counted = 0;
    n->line = 1;
    for (size_t at = 0; (at = span_find(text, mark, at)) != SIZE_MAX; at += mark.n) {
        struct span name = name_at(text, at + mark.n);
        struct span full = {text.p + at, mark.n + name.n};
        if (name.n) TRY(add_kernel(n, full, SPAN("extern"), at));
    }
    return ERR_OK;
}

/* `extern "C"  void name(` */
static enum err name_cpp_kernels(struct naming *n)
{
    struct span text = n->r->payload, mark = SPAN("extern \"C\"");
    for (size_t at = 0; (at = span_find(text, mark, at)) != SIZE_MAX; at += mark.n) {
        struct span line = span_to(span_from(text, at), DECLARATION_MAX);
        line = span_to(line, span_find(line, SPAN("\n"), 0));
        size_t open = span_find(line, SPAN("("), 0);
        struct span name = open == SIZE_MAX ? SPAN_NONE : name_before(line, open);
        if (span_starts(name, "cpp_") || span_starts(name, "triton_"))
            TRY(add_kernel(n, name, kind_of(span_to(name, name.p[0] == 'c' ? 3 : 6)),
                           (size_t)(name.p - text.p)));
    }
    return ERR_OK;
}

/* Kernels of the payload; is_cpp tells the wrapper of AOTInductor. */
static enum err name_kernels(struct torch_record *r, bool is_cpp)
{
    struct naming n = {.r = r, .line = 1};
    enum err err = ERR_OK;
    if (!r->has_payload) return ERR_OK;
    if (is_cpp) {
        TRY_OUT(name_cpp_kernels(&n));
    } else {
        TRY_OUT(name_own_kernels(&n));
        TRY_OUT(name_extern_kernels(&n));
    }
out:
    map_release(&n.names);
    return err;
}

enum err torch_on_output_code(struct torch_record *r)
{
    struct span name = json_string(json_get(r->meta, "name"));
    TRY(torch_provenance_text(r));
    if (r->compile) r->compile->last_code = r->artifact;
    return name_kernels(r, span_is(name, "inductor_aot_wrapper_code"));
}

/* The kernel's row again, now with its info; a row of its own when the code does not name it. */
static enum err add_info(struct torch_record *r, struct span name, int64_t info)
{
    const struct row_kernel *known = torch_find_kernel(r, name);
    struct row_kernel row =
        torch_kernel_named(torch_compile_row(r), r->artifact, torch_word(r, name), SPAN("triton"));
    if (known) row = *known;
    else row.id = store_next_id(r->source->writer, STORE_KERNEL);
    row.info = info;
    return store_kernel_add(r->source->batch, &row);
}

enum err torch_on_kernel_info(struct torch_record *r)
{
    const struct json *kernels;
    struct buf text = {0};
    enum err err = ERR_OK;
    TRY(torch_json(r, &kernels));
    for (const struct json *j = kernels && kernels->type == JSON_OBJECT ? kernels->first : NULL; j;
         j = j->next) {
        buf_clear(&text);
        json_print(&text, j);
        TRY_OUT(buf_ok(&text));
        TRY_OUT(add_info(r, j->key, torch_word(r, buf_text(&text))));
    }
out:
    buf_release(&text);
    return err;
}
