/* cmd_graph.c - plumb graph: the fusion graph of a program as a drawing or for Graphviz. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/db.h"
#include "store/query.h"
#include "store/verbs.h"
#include "web/fusion_page.h"

static const struct opt options[] = {
    {"compile", 'c', "ID", "the compile, as [0/1] or 0/1 (default: the only one)", false},
    {"phase", 'p', "PHASE", "forward, backward or inference (default: the first it has)", false},
    {"occurrence", 0, "N", "which of the compiles of this id in its log (default 1)", false},
    {"log", 0, "LOG", "the log, by its name, where several have the id", false},
    {"run", 0, "RUN", "the run, by its name", false},
    {"format", 'f', "FORMAT", "svg or dot (default svg)", false},
    {"output", 'o', "FILE", "file to write (default: standard output)", false},
    {"every-layer", 0, NULL, "draw layers that are alike each for itself", false},
    {"fold", 0, NULL, "kernels without their members", false},
    {"around", 0, "KERNEL", "only what is near to this kernel", false},
    {"steps", 0, "N", "with --around: how many edges away (1 to 9, default 1)", false},
    {0},
};

/* "0/1" of "[0/1]". */
static const char *compile_id(const char *given, char text[64])
{
    if (!given || *given != '[') return given;
    snprintf(text, 64, "%s", given + 1);
    text[strcspn(text, "]")] = 0;
    return text;
}

/* The only compile of the file that has kernels; an error that names them when there are more. */
static enum err only_compile(sqlite3 *db, char text[64])
{
    struct buf all = {0};
    sqlite3_stmt *s = NULL;
    int n = 0, rc = SQLITE_DONE;
    TRY(store_query_prepare(db, "fusion_phases", &s));
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *id = (const char *)sqlite3_column_text(s, 0);
        if (!id || !strcmp(id, text)) continue;
        snprintf(text, 64, "%s", id);
        if (n++ < 12) buf_printf(&all, "%s%s", n > 1 ? ", " : "", text);
    }
    enum err err = rc == SQLITE_DONE ? ERR_OK : store_sql_error(db, rc, "reading the compiles");
    sqlite3_finalize(s);
    if (!err && !n) err = err_set(ERR_NOT_FOUND, "the trace holds no kernels");
    if (!err && n > 1)
        err = err_set(ERR_USAGE, "%d compiles have kernels: choose one with --compile: %s%s", n,
                      all.p ? all.p : "", n > 12 ? ", ..." : "");
    buf_release(&all);
    return err;
}

static enum err write_to(const char *path, const struct buf *b)
{
    FILE *f = !path || !strcmp(path, "-") ? stdout : fopen(path, "we");
    if (!f) FAIL(ERR_IO, "%s cannot be written: %s", path, strerror(errno));
    bool bad = fwrite(b->p, 1, b->n, f) != b->n;
    bad |= f == stdout ? fflush(f) : fclose(f);
    if (bad)
        FAIL(ERR_IO, "%s cannot be written: %s", path ? path : "standard output", strerror(errno));
    return ERR_OK;
}

static enum err read_ask(const struct opt_call *call, const struct fusion *f,
                         struct fusion_ask *ask)
{
    const char *around = opt_value(call, "around", 0);
    int64_t steps = 1;
    *ask = (struct fusion_ask){.all_layers = opt_has(call, "every-layer"),
                               .folded = opt_has(call, "fold"),
                               .selected = -1};
    if (opt_has(call, "steps")) TRY(opt_int("--steps", opt_value(call, "steps", 0), 1, 9, &steps));
    if (!around) return ERR_OK;
    ask->selected = fusion_find(f, around);
    ask->hops = (int)steps;
    if (ask->selected < 0)
        FAIL(ERR_NOT_FOUND,
             "the program launches no kernel %s; plumb sql --named fusion_kernels lists them",
             around);
    return ERR_OK;
}

static enum err write_graph(const struct opt_call *call, struct fusion *f, bool dot)
{
    struct fusion_ask ask;
    struct fusion_view view;
    struct html h = {0};
    TRY(read_ask(call, f, &ask));
    TRY(fusion_view_make(f, &ask, &view));
    if (dot) fusion_write_dot(&h.out, &view);
    else fusion_write_svg(&h, &view);
    enum err err = html_ok(&h);
    if (!err) err = write_to(opt_value(call, "output", 0), &h.out);
    html_release(&h);
    if (!err && view.layout.n_cut)
        fprintf(stderr,
                "plumb graph: %d edges are not drawn: they lead against the order of the program, "
                "or too far\n",
                view.layout.n_cut);
    if (!err && view.layers.copies)
        fprintf(stderr,
                "plumb graph: %d layers are alike and drawn once; --every-layer draws each\n",
                view.layers.copies);
    return err;
}

static enum err read_and_write(const struct opt_call *call, sqlite3 *db, struct text_reader *text,
                               bool dot)
{
    char id[64] = "";
    struct fusion f;
    struct fusion_of of = {.compile_id = compile_id(opt_value(call, "compile", 0), id),
                           .occurrence = opt_value(call, "occurrence", 0),
                           .log = opt_value(call, "log", 0),
                           .run = opt_value(call, "run", 0),
                           .phase = opt_value(call, "phase", 0)};
    if (!of.compile_id) {
        TRY(only_compile(db, id));
        of.compile_id = id;
    }
    enum err err = fusion_read(db, text, &of, &f);
    if (!err && !f.n_kernels)
        err =
            err_set(ERR_NOT_FOUND,
                    "compile %s has no kernels%s%s; plumb sql --named fusion_phases lists what has",
                    of.compile_id, of.phase ? " in phase " : "", of.phase ? of.phase : "");
    if (!err) err = write_graph(call, &f, dot);
    fusion_release(&f);
    return err;
}

static enum err run(const struct opt_call *call, int *exit_code)
{
    const char *format = opt_value(call, "format", 0);
    bool dot = format && !strcmp(format, "dot");
    struct text_reader *text = NULL;
    sqlite3 *db;
    if (format && !dot && strcmp(format, "svg") != 0)
        FAIL(ERR_USAGE, "--format %s: svg and dot are known", format);
    TRY(store_open_read(call->argv[0], 0, &db));
    enum err err = text_reader_new(db, &text);
    if (!err) err = read_and_write(call, db, text, dot);
    text_reader_free(text);
    store_close(db);
    *exit_code = 0;
    return err;
}

const struct verb verb_graph = {
    .name = "graph",
    .arguments = "FILE",
    .summary = "draw the kernels of a compile and the values between them",
    .description = "Writes the fusion graph of one compile and phase: kernels as boxes with their "
                   "operators in order, the values "
                   "between them with their bytes, combo kernels with lanes side by side. Layers "
                   "that are alike are drawn once. "
                   "The drawing is an SVG that needs nothing else; --format dot is for Graphviz. "
                   "Of PyTorch's compiles the calls are read from the text of the generated code.",
    .examples = "plumb graph run.db --compile 1/0 --phase backward -o backward.svg\n"
                "plumb graph run.db --compile 0/0 --format dot | dot -Tpdf -o fusion.pdf",
    .opts = options,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
