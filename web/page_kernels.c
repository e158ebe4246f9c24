/* page_kernels.c - all kernels of a run: what they cost, what they need, whether they spill. */
#include "web/kernel.h"

#include <string.h>

struct sums {
    int64_t kernels, launched, launches, spill, members, idle, library, resources;
    double total_ns;
};

static int64_t known(sqlite3_stmt *s, const char *column)
{
    int64_t v = web_int(s, column);
    return v == STORE_NULL ? 0 : v;
}

static void put_chip(struct web_request *q, struct html *h, const char *name, const char *value,
                     const char *label, int64_t n)
{
    const char *now = web_param(q, name);
    bool on = now && !strcmp(now, value);
    web_chip(h, on, web_here(q, name, on ? "" : value, "kernels-table.after", "", NULL),
             span_of(label), n);
}

static enum err read_sums(struct web_request *q, struct html *chips, struct sums *sum)
{
    sqlite3_stmt *s;
    enum err err;
    *sum = (struct sums){0};
    TRY(web_query(q, "kernel_roles", &s));
    while (web_step(q, s, &err)) {
        struct span role = web_kept(q, s, "role");
        sum->kernels += known(s, "kernels"), sum->launched += known(s, "launched");
        sum->launches += known(s, "launches"), sum->total_ns += (double)known(s, "total_ns");
        sum->spill += known(s, "spill"), sum->members += known(s, "members");
        sum->idle += known(s, "idle"), sum->library += known(s, "library");
        sum->resources += known(s, "resources");
        if (role.n)
            put_chip(q, chips, "role", role.p, kernel_role_word(role, SPAN_NONE),
                     known(s, "kernels"));
    }
    return err;
}

/* Why some have no launches. */
static void put_unlaunched(struct html *h, const struct sums *s)
{
    if (s->members)
        html(h, " %n %s of combo kernels, launched with them.", s->members,
             s->members == 1 ? SPAN("is a member") : SPAN("are members"));
    if (s->library)
        html(h, " %n %s a library\xe2\x80\x99s and run as calls of their operators.", s->library,
             s->library == 1 ? SPAN("is") : SPAN("are"));
    if (s->idle)
        html(h, " %n %s never launched.", s->idle, s->idle == 1 ? SPAN("was") : SPAN("were"));
}

static void put_answer(struct html *h, const struct sums *s)
{
    html(h, "<p class=\"answer\"><b>%n kernel%s", s->kernels, s->kernels == 1 ? "" : "s");
    if (s->launches)
        html(h, "; %n launches of %n of them took %t.</b>", s->launches, s->launched, s->total_ns);
    else html(h, ".</b> Their launches were not recorded.");
    if (s->launches) put_unlaunched(h, s);
    if (s->spill)
        html(h, " <span class=\"t-warn\">%n spill%s registers.</span>", s->spill,
             s->spill == 1 ? "s" : "");
    html(h, "</p>\n");
}

static void cell_compile(struct web_cell *c)
{
    if (web_text(c->row, "compile_id").p)
        web_compile_link(c->q, c->h, web_text(c->row, "log"), web_text(c->row, "compile_id"),
                         web_int(c->row, "occurrence"), web_text(c->row, "outcome"));
}

static void cell_role(struct web_cell *c)
{
    html(c->h, "%s", kernel_role_word(web_text(c->row, "role"), web_text(c->row, "kind")));
    if (web_int(c->row, "combo") != STORE_NULL)
        html(c->h, " <span class=\"dim\">in a combo</span>");
}

static void cell_spill(struct web_cell *c)
{
    int64_t bytes = web_int(c->row, "spill_bytes");
    if (bytes > 0) html(c->h, "<b class=\"t-warn\">%n</b>", bytes);
    else html(c->h, "<span class=\"dim\">%n</span>", bytes);
}

static const struct web_column COLUMNS[] = {
    {.name = "name", .head = "Kernel", .class_ = "grow", .cell = kernel_cell_name, .filter = true},
    {.name = "compile_id",
     .head = "Compile",
     .class_ = "fit opt",
     .cell = cell_compile,
     .filter = true},
    {.name = "role", .head = "Role", .class_ = "fit opt", .cell = cell_role},
    {.name = "phase", .head = "Phase", .class_ = "fit opt", .kind = WEB_TEXT},
    {.name = "n_ops", .head = "Operators", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "nodes", .kind = WEB_HIDDEN, .filter = true},
    {.name = "launches", .head = "Launches", .kind = WEB_COUNT},
    {.name = "total_ns", .head = "Total", .kind = WEB_US},
    {.name = "total_ns", .class_ = "fit opt", .kind = WEB_BAR},
    {.name = "mean_ns", .head = "Each", .kind = WEB_US},
    {.name = "bytes", .head = "Bytes", .kind = WEB_BYTES},
    {.name = "bytes_per_ns", .head = "GB/s", .kind = WEB_RATE},
    /* Resources of a device stand last: without any their columns are cut off. */
    {.name = "registers", .head = "Registers", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "spill_bytes", .head = "Spills", .unit = "B", .class_ = "num opt", .cell = cell_spill},
    {0}};

enum { N_COLUMNS = sizeof COLUMNS / sizeof *COLUMNS, N_RESOURCES = 2 };

static void put_filters(struct web_request *q, struct html *h, const struct html *chips,
                        const struct sums *s)
{
    html(h, "<div class=\"filter\">");
    buf_span(&h->out, buf_text(&chips->out));
    if (s->launches) {
        put_chip(q, h, "launched", "1", "launched", s->launched);
        if (s->idle) put_chip(q, h, "launched", "0", "never launched", s->idle);
    }
    if (s->spill) put_chip(q, h, "spills", "1", "spilling", s->spill);
    html(h, "</div>\n");
}

enum err page_kernels(struct web_request *q, struct html *h)
{
    struct html chips = {0};
    struct sums s;
    enum err err = read_sums(q, &chips, &s);
    web_crumb(q, h, "Kernels", NULL);
    if (!err && !s.kernels) {
        web_state(h, WEB_NOT_RECORDED, "No kernels in this run.",
                  "Its logs have no output code: nothing was compiled, or by a backend that writes "
                  "none. `plumb run --compile` records kernels with all that is known of them.");
    } else if (!err) {
        struct web_column columns[N_COLUMNS];
        memcpy(columns, COLUMNS, sizeof columns);
        if (!s.resources) columns[N_COLUMNS - 1 - N_RESOURCES].name = NULL;
        put_answer(h, &s);
        web_section(q, h, "kernels", "Kernels", "by the time of their launches", "kernel_list");
        put_filters(q, h, &chips, &s);
        err = web_table(q, h,
                        &(struct web_table){.id = "kernels-table",
                                            .query = "kernel_list",
                                            .columns = columns,
                                            .own = true,
                                            .filter = true,
                                            .unit = "kernels",
                                            .none = WEB_NO_MATCH,
                                            .none_what = "No kernel is so.",
                                            .none_why = "The chips above exclude each other: "
                                                        "release one."},
                        NULL);
        web_section_end(h);
    }
    html_release(&chips);
    return err;
}
