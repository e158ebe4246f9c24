/* kernel.c - the kernel that is shown, names of kernels and operators, cells of their tables. */
#include "web/kernel.h"

#include <string.h>

static void read_numbers(sqlite3_stmt *s, struct kernel_shown *k)
{
    const struct {
        const char *column;
        int64_t *to;
    } numbers[] = {{"id", &k->id},
                   {"position", &k->position},
                   {"of", &k->of},
                   {"line", &k->line},
                   {"last_line", &k->last_line},
                   {"combo", &k->combo},
                   {"member", &k->member},
                   {"combined", &k->combined},
                   {"companions", &k->companions},
                   {"first_block", &k->first_block},
                   {"blocks", &k->blocks},
                   {"n_ops", &k->n_ops},
                   {"recomputed", &k->recomputed},
                   {"outer_points", &k->outer_points},
                   {"inner_points", &k->inner_points},
                   {"bytes_read", &k->bytes_read},
                   {"bytes_written", &k->bytes_written},
                   {"flops", &k->flops},
                   {"registers", &k->registers},
                   {"shared_bytes", &k->shared_bytes},
                   {"spill_bytes", &k->spill_bytes},
                   {"build_ns", &k->build_ns},
                   {"launches", &k->launches},
                   {"ended", &k->ended},
                   {"total_ns", &k->total_ns},
                   {"mean_ns", &k->mean_ns},
                   {"least_ns", &k->least_ns},
                   {"longest_ns", &k->longest_ns},
                   {"launches_recorded", &k->launches_recorded},
                   {"sharers", &k->sharers},
                   {"occurrence", &k->occurrence},
                   {"rank", &k->rank},
                   {"code_at", &k->code_at}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i].to = web_int(s, numbers[i].column);
    k->bytes_per_ns = web_real(s, "bytes_per_ns");
    k->code = (struct lines_place){web_int(s, "code_source"), k->code_at, web_int(s, "code_stored"),
                                   web_int(s, "code_indented") == 1, web_int(s, "code_crlf") == 1};
}

enum err kernel_read(struct web_request *q, struct kernel_shown *k, bool *found)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "kernel", &s));
    *found = web_step(q, s, &err);
    if (!*found) return err;
    *k = (struct kernel_shown){
        .name = web_kept(q, s, "name"),
        .kind = web_kept(q, s, "kind"),
        .role = web_kept(q, s, "role"),
        .phase = web_kept(q, s, "phase"),
        .info = web_kept(q, s, "info"),
        .site = web_kept(q, s, "site"),
        .combo_name = web_kept(q, s, "combo_name"),
        .code_name = web_kept(q, s, "code_name"),
        .code_log = web_kept(q, s, "code_log"),
        .compile_id = web_kept(q, s, "compile_id"),
        .outcome = web_kept(q, s, "outcome"),
        .function = web_kept(q, s, "function"),
        .log = web_kept(q, s, "log"),
        .run = web_kept(q, s, "run"),
    };
    read_numbers(s, k);
    sqlite3_reset(s);
    return ERR_OK;
}

const char *kernel_link(struct web_request *q, int64_t id)
{
    return web_link(q, "/kernel", "id", arena_printf(&q->arena, "%lld", (long long)id), NULL);
}

void kernel_name(struct web_request *q, struct html *h, int64_t id, struct span name)
{
    struct span shown = name.n ? name : SPAN("without a name");
    if (id == STORE_NULL) html(h, "<code>%l</code>", shown);
    else html(h, "<a class=\"k\" href=\"%s\">%l</a>", kernel_link(q, id), shown);
}

const char *kernel_role_word(struct span role, struct span kind)
{
    static const struct {
        const char *is, *word;
    } words[] = {{"pointwise", "pointwise"},
                 {"reduction", "reduction"},
                 {"persistent", "persistent reduction"},
                 {"combo", "combo"},
                 {"extern", "library"},
                 {"cpp", "C++"},
                 {"triton", "Triton"},
                 {"c", "C"},
                 {"cuda", "CUDA C"},
                 {"opencl", "OpenCL C"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_is(role.n ? role : kind, words[i].is)) return words[i].word;
    return "other";
}

struct span kernel_op_word(struct span op)
{
    size_t colon = span_find(op, SPAN("::"), 0);
    struct span s = colon == SIZE_MAX ? op : span_from(op, colon + 2);
    if (span_starts(s, "torch.ops.")) {
        s = span_from(s, strlen("torch.ops."));
        size_t space = span_find(s, SPAN("."), 0);
        if (space != SIZE_MAX) s = span_from(s, space + 1);
    }
    size_t dot = span_find(s, SPAN("."), 0);
    s = dot == SIZE_MAX || !dot ? s : span_to(s, dot);
    while (s.n > 1 && s.p[0] == '_') s = span_from(s, 1);
    return s;
}

void kernel_cell_name(struct web_cell *c)
{
    kernel_name(c->q, c->h, web_int(c->row, "id"), web_text(c->row, "name"));
}
