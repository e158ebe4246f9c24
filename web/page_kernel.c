/* page_kernel.c - one kernel: what it computes, how often it ran, what it costs, and what was
 * decided about it. */
#include "web/kernel.h"

static void not_there(struct web_request *q, struct html *h)
{
    q->status = 404;
    q->title = SPAN("No such kernel");
    web_state(h, WEB_NO_MATCH, "There is no kernel of this number in the file.",
              "The link was made for another file, or before this one was made again. Kernels "
              "lists those of this file.");
    html(h, "<p><a href=\"%s\">All kernels of this run</a></p>", web_link(q, "/kernels", NULL));
}

/* ---- head ---- */

/* A member of a combo kernel is drawn in that. */
static const char *fusion_link(struct web_request *q, const struct kernel_shown *k)
{
    return web_link(q, "/fusion", "compile_id", k->compile_id.p, "occurrence",
                    k->occurrence > 1 ? arena_printf(&q->arena, "%lld", (long long)k->occurrence)
                                      : NULL,
                    "log", q->n_logs > 1 ? k->log.p : NULL, "phase", k->phase.p, "sel",
                    k->combo == STORE_NULL ? k->name.p : k->combo_name.p, NULL);
}

static enum err put_actions(struct web_request *q, const struct kernel_shown *k)
{
    struct html *a = &q->actions;
    sqlite3_stmt *s;
    enum err err;
    if (k->code_at != STORE_NULL && k->line != STORE_NULL)
        html(a, "<a href=\"%s&line=%d#L%d\">In the output code</a>",
             web_link_artifact(q, k->code_log, k->code_at), k->line, k->line);
    if (k->compile_id.p && k->phase.p)
        html(a, "<a href=\"%s#at\">In the fusion graph</a>", fusion_link(q, k));
    if (k->compile_id.p)
        html(a, "<a href=\"%s#kernels\">Kernels of [%s]</a>",
             web_link_compile(q, k->log, k->compile_id, k->occurrence), k->compile_id);
    if (k->launches > 0)
        html(a, "<a href=\"%s\">In the timeline</a>",
             web_link(q, "/timeline", "q", web_keep(q, k->name).p, NULL));
    TRY(web_query(q, "kernel_neighbours", &s));
    while (web_step(q, s, &err)) {
        struct span relation = web_text(s, "relation");
        bool before = span_is(relation, "previous");
        if (!before && !span_is(relation, "next")) continue;
        html(a, "<a rel=\"%s\" title=\"%s\" href=\"%s\">%s</a>",
             before ? SPAN("prev") : SPAN("next"), web_text(s, "name"),
             kernel_link(q, web_int(s, "id")), before ? SPAN("Previous") : SPAN("Next"));
    }
    return err;
}

static void put_place(struct web_request *q, struct html *h, const struct kernel_shown *k)
{
    if (k->combo != STORE_NULL) {
        html(h, "Member %n of %n of the combo kernel ", k->member + 1, k->companions);
        kernel_name(q, h, k->combo, k->combo_name);
    } else if (k->position != STORE_NULL) {
        html(h, "Kernel %n of %n", k->position + 1, k->of);
    } else {
        html(h, "One of %n kernels", k->of);
    }
    if (k->phase.p) html(h, ", %s", k->phase);
}

static void put_note(struct web_request *q, struct html *h, const struct kernel_shown *k)
{
    html(h, "<p class=\"note\">");
    put_place(q, h, k);
    if (k->compile_id.p) {
        html(h, " \xc2\xb7 compile <a href=\"%s\">[%s]</a>",
             web_link_compile(q, k->log, k->compile_id, k->occurrence), k->compile_id);
        if (k->function.p) html(h, " of <code>%f</code>", k->function);
    }
    html(h, " \xc2\xb7 %s", kernel_role_word(k->role, k->kind));
    if (k->role.p && k->kind.p && !span_eq(k->role, k->kind))
        html(h, ", %s", kernel_role_word(SPAN_NONE, k->kind));
    bool built = k->build_ns != STORE_NULL && !span_is(k->kind, "extern");
    if (built && !k->build_ns) html(h, " \xc2\xb7 built before, from the cache");
    else if (k->build_ns != STORE_NULL)
        html(h, " \xc2\xb7 its program was built in %t", k->build_ns);
    if (k->rank != STORE_NULL) html(h, " \xc2\xb7 rank %d", k->rank);
    if (k->site.p) html(h, " \xc2\xb7 launches carry <code>%s</code>", k->site);
    html(h, "</p>\n");
}

/* ---- facts ---- */

static void put_fact(struct html *h, const char *label, char verb, int64_t value)
{
    if (value == STORE_NULL) {
        html(h, "<div class=\"none\"><dt>%s</dt><dd>not recorded</dd></div>", label);
        return;
    }
    html(h, "<div><dt>%s</dt><dd>", label);
    html_number(&h->out, verb, html_of_int(value));
    html(h, "</dd></div>");
}

static void put_points(struct html *h, const struct kernel_shown *k)
{
    if (k->outer_points == STORE_NULL) return;
    html(h, "<div><dt>points</dt><dd>%n", k->outer_points);
    if (k->inner_points > 1) html(h, " <small>\xc3\x97 %n</small>", k->inner_points);
    html(h, "</dd></div>");
}

static void put_spills(struct html *h, int64_t bytes)
{
    if (bytes == STORE_NULL || !bytes) put_fact(h, "spills, bytes", 'n', bytes);
    else html(h, "<div><dt>spills, bytes</dt><dd><b class=\"t-warn\">%n</b></dd></div>", bytes);
}

/* Registers and the like belong to devices: of code for the host they stand where they are
 * known. */
static void put_resources(struct html *h, const struct kernel_shown *k)
{
    bool device = span_is(k->kind, "cuda") || span_is(k->kind, "opencl");
    if (device || k->registers != STORE_NULL) put_fact(h, "registers", 'n', k->registers);
    if (device || k->spill_bytes != STORE_NULL) put_spills(h, k->spill_bytes);
    if (device || k->shared_bytes != STORE_NULL) put_fact(h, "shared memory", 'b', k->shared_bytes);
}

/* Of PyTorch's kernels the log has nothing of this. */
static void put_facts(struct html *h, const struct kernel_shown *k)
{
    if (!k->phase.p) {
        html(h, "<p class=\"note\">Bytes, operations, registers and spills are not recorded in "
                "PyTorch\xe2\x80\x99s structured log.</p>\n");
        return;
    }
    html(h, "<dl class=\"facts\">");
    put_fact(h, "operators", 'n', k->n_ops);
    put_points(h, k);
    put_fact(h, "reads", 'b', k->bytes_read);
    put_fact(h, "writes", 'b', k->bytes_written);
    put_fact(h, "operations", 'n', k->flops);
    put_resources(h, k);
    html(h, "</dl>\n");
}

static void put_info(struct web_request *q, struct html *h, const struct kernel_shown *k)
{
    if (!k->info.n) return;
    web_section(q, h, "info", "As it was recorded", "triton_kernel_info", NULL);
    html(h, "<pre class=\"one\">%s</pre>", k->info);
    web_section_end(h);
}

static enum err put_body(struct web_request *q, struct html *h, const struct kernel_shown *k)
{
    put_note(q, h, k);
    TRY(kernel_put_answer(q, h, k));
    put_facts(h, k);
    TRY(kernel_put_around(q, h, k));
    TRY(kernel_put_parts(q, h, k));
    TRY(kernel_put_members(q, h, k));
    TRY(kernel_put_args(q, h, k));
    TRY(kernel_put_code(q, h, k));
    TRY(kernel_put_decisions(q, h, k));
    TRY(kernel_put_launches(q, h, k));
    put_info(q, h, k);
    return kernel_put_stacks(q, h);
}

enum err page_kernel(struct web_request *q, struct html *h)
{
    struct kernel_shown k;
    bool found;
    TRY(kernel_read(q, &k, &found));
    web_crumb(q, h, "Kernels", web_link(q, "/kernels", NULL));
    if (!found) {
        web_crumb(q, h, "not there", NULL);
        not_there(q, h);
        return ERR_OK;
    }
    if (k.compile_id.p)
        web_crumb(q, h, arena_printf(&q->arena, "[%.*s]", SPAN_ARG(k.compile_id)),
                  web_link_compile(q, k.log, k.compile_id, k.occurrence));
    q->title = k.name.n ? k.name : SPAN("Kernel");
    web_crumb(q, h, q->title.p, NULL);
    TRY(put_actions(q, &k));
    return put_body(q, h, &k);
}
