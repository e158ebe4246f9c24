/* cmd_search.c - plumb search: a word or an expression in all texts and names of a trace. */
#include <stdio.h>
#include <unistd.h>

#include "store/db.h"
#include "store/search.h"
#include "store/verbs.h"

enum { LIMIT_DEFAULT = 100 };

static const struct opt options[] = {
    {"regex", 'e', NULL, "PATTERN is a PCRE2 expression, else a word (any substring)", false},
    {"ignore-case", 'i', NULL, "take upper and lower case letters as equal", false},
    {"kind", 'k', "K",
     "only artifacts of this key or name, or `record` (headers, events), or `word` (interned "
     "names)",
     false},
    {"limit", 'n', "N", "hits in text, and as many in names (default 100; 0: all)", false},
    {"format", 'f', "FORMAT", "text, csv, json, jsonl or markdown (default text)", false},
    {"threads", 't', "N", "threads (default: one per processor)", false},
    {0},
};

struct output {
    struct buf line;
    int64_t n;
    bool colour;
    enum err (*print)(struct output *o, const struct search_hit *hit);
    const char *before, *after;
};

static const char *where_name(const struct search_hit *hit)
{
    static const char *const names[] = {"artifact", "record", "word"};
    return names[hit->where];
}

static enum err flush(struct output *o)
{
    TRY(buf_ok(&o->line));
    if (fwrite(o->line.p, 1, o->line.n, stdout) != o->line.n || fflush(stdout))
        FAIL(ERR_IO, "standard output cannot be written");
    buf_clear(&o->line);
    return ERR_OK;
}

static void put_marked(struct output *o, const struct search_hit *hit)
{
    struct span e = hit->excerpt;
    buf_terminal(&o->line, span_to(e, hit->match_at));
    if (o->colour) buf_puts(&o->line, "\033[1;31m");
    buf_terminal(&o->line, span_to(span_from(e, hit->match_at), hit->match_n));
    if (o->colour) buf_puts(&o->line, "\033[0m");
    buf_terminal(&o->line, span_from(e, hit->match_at + hit->match_n));
}

/* [0/1] name:line: excerpt */
static enum err print_text(struct output *o, const struct search_hit *hit)
{
    struct buf *b = &o->line;
    if (hit->compile_id.n) {
        buf_putc(b, '[');
        buf_terminal(b, hit->compile_id);
        buf_puts(b, "] ");
    }
    buf_terminal(b, hit->name);
    if (hit->where == SEARCH_IN_RECORD && !span_eq(hit->name, hit->kind)) {
        buf_puts(b, " (");
        buf_terminal(b, hit->kind);
        buf_putc(b, ')');
    }
    if (hit->line) buf_printf(b, ":%lld", (long long)hit->line);
    if (hit->n_uses > 1) buf_printf(b, " (%lld times)", (long long)hit->n_uses);
    buf_puts(b, ": ");
    put_marked(o, hit);
    buf_putc(b, '\n');
    return flush(o);
}

static void put_json_text(struct buf *b, const char *key, struct span text)
{
    buf_printf(b, ", \"%s\": ", key);
    if (text.p) buf_json(b, text);
    else buf_puts(b, "null");
}

static void put_json_int(struct buf *b, const char *key, int64_t value, bool known)
{
    buf_printf(b, ", \"%s\": ", key);
    if (known) buf_printf(b, "%lld", (long long)value);
    else buf_puts(b, "null");
}

static void put_object(struct buf *b, const struct search_hit *hit)
{
    buf_printf(b, "{\"where\": \"%s\"", where_name(hit));
    put_json_text(b, "compile_id", hit->compile_id.n ? hit->compile_id : SPAN_NONE);
    put_json_text(b, "kind", hit->kind);
    put_json_text(b, "name", hit->name);
    put_json_int(b, "line", hit->line, hit->where != SEARCH_IN_WORD);
    put_json_text(b, "excerpt", hit->excerpt);
    put_json_int(b, "compile", hit->compile, hit->compile > 0);
    put_json_int(b, "artifact", hit->artifact, hit->artifact > 0);
    put_json_int(b, "source", hit->source, hit->source > 0);
    put_json_int(b, "offset", hit->offset, hit->source > 0);
    put_json_int(b, "word", hit->word, hit->word > 0);
    put_json_int(b, "uses", hit->n_uses, hit->word > 0);
    buf_putc(b, '}');
}

static enum err print_jsonl(struct output *o, const struct search_hit *hit)
{
    put_object(&o->line, hit);
    buf_putc(&o->line, '\n');
    return flush(o);
}

static enum err print_json(struct output *o, const struct search_hit *hit)
{
    buf_puts(&o->line, o->n ? ",\n " : "");
    put_object(&o->line, hit);
    return flush(o);
}

static void put_csv(struct buf *b, struct span text)
{
    buf_putc(b, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"') buf_putc(b, '"');
        buf_putc(b, text.p[i]);
    }
    buf_putc(b, '"');
}

static enum err print_csv(struct output *o, const struct search_hit *hit)
{
    struct buf *b = &o->line;
    buf_printf(b, "%s,", where_name(hit));
    put_csv(b, hit->compile_id);
    buf_putc(b, ',');
    put_csv(b, hit->kind);
    buf_putc(b, ',');
    put_csv(b, hit->name);
    buf_printf(b, ",%lld,", (long long)hit->line);
    put_csv(b, hit->excerpt);
    buf_printf(b, ",%lld,%lld\r\n", (long long)hit->compile, (long long)hit->artifact);
    return flush(o);
}

static void put_cell(struct buf *b, struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        size_t end = i;
        while (end < text.n && text.p[end] != '|' && text.p[end] != '\n') end++;
        buf_terminal(b, (struct span){text.p + i, end - i});
        if (end < text.n) buf_puts(b, text.p[end] == '|' ? "\\|" : " ");
        i = end;
    }
}

static enum err print_markdown(struct output *o, const struct search_hit *hit)
{
    struct buf *b = &o->line;
    buf_puts(b, "| ");
    put_cell(b, hit->compile_id);
    buf_puts(b, " | ");
    put_cell(b, hit->name);
    buf_printf(b, " | %lld | ", (long long)hit->line);
    put_cell(b, hit->excerpt);
    buf_puts(b, " |\n");
    return flush(o);
}

static const struct {
    const char *name, *before, *after;
    enum err (*print)(struct output *o, const struct search_hit *hit);
} formats[] = {
    {"text", "", "", print_text},
    {"csv", "where,compile_id,kind,name,line,excerpt,compile,artifact\r\n", "", print_csv},
    {"json", "[", "]\n", print_json},
    {"jsonl", "", "", print_jsonl},
    {"markdown", "| compile id | name | line | excerpt |\n|---|---|---|---|\n", "", print_markdown},
};

static enum err choose_format(const char *name, struct output *o)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(name, formats[i].name)) continue;
        o->print = formats[i].print;
        o->before = formats[i].before;
        o->after = formats[i].after;
        return ERR_OK;
    }
    FAIL(ERR_USAGE, "--format %s is not known; text, csv, json, jsonl and markdown are", name);
}

static enum err on_hit(void *context, const struct search_hit *hit)
{
    struct output *o = context;
    TRY(o->print(o, hit));
    o->n++;
    return ERR_OK;
}

static enum err read_request(const struct opt_call *call, struct search_request *r)
{
    int64_t limit = LIMIT_DEFAULT, threads = 0;
    if (opt_has(call, "limit"))
        TRY(opt_int("--limit", opt_value(call, "limit", 0), 0, INT64_MAX / 2, &limit));
    if (opt_has(call, "threads"))
        TRY(opt_int("--threads", opt_value(call, "threads", 0), 0, 16, &threads));
    r->pattern = span_of(call->argv[1]);
    r->flags = (opt_has(call, "regex") ? MATCH_REGEX : 0) |
               (opt_has(call, "ignore-case") ? MATCH_IGNORE_CASE : 0);
    r->kind = opt_value(call, "kind", 0);
    r->limit = limit;
    r->n_threads = (int)threads;
    return ERR_OK;
}

static void say_end(const struct search_result *result, int64_t limit)
{
    if (result->limited)
        fprintf(stderr, "plumb search: stopped after %lld hits; --limit 0 shows all\n",
                (long long)limit);
    if (result->n_skipped)
        fprintf(stderr,
                "plumb search: at %lld places the expression cost too much and was given up\n",
                (long long)result->n_skipped);
    if (!result->n_hits)
        fprintf(stderr, "plumb search: nothing found in %.1f MB of text\n",
                (double)result->n_bytes / 1e6);
}

static enum err run(const struct opt_call *call, int *exit_code)
{
    struct output o = {.colour = isatty(STDOUT_FILENO)};
    struct search_request request = {.hit = on_hit, .context = &o};
    struct search_result result;
    sqlite3 *db;
    const char *format = opt_value(call, "format", 0);
    TRY(read_request(call, &request));
    TRY(choose_format(format ? format : "text", &o));
    TRY(store_open_read(call->argv[0], STORE_OPEN_NO_VIEWS, &db));
    fputs(o.before, stdout);
    enum err err = search_run(db, &request, &result);
    fputs(o.after, stdout);
    if (!err && fflush(stdout)) err = err_set(ERR_IO, "standard output cannot be written");
    if (!err) say_end(&result, request.limit);
    buf_release(&o.line);
    store_close(db);
    *exit_code = 0;
    return err;
}

const struct verb verb_search = {
    .name = "search",
    .arguments = "FILE PATTERN",
    .summary = "find a word or an expression in all texts and names of a trace",
    .description = "Looks for PATTERN in every text that was recorded (graphs, generated code, "
                   "guards, headers of records, events) and "
                   "in every name (kernels, operators, files, metrics). Each line that matches is "
                   "one hit, shown with the id of "
                   "its compile, the name of the artifact or record and the line in it. A match "
                   "lies within one line.\n\n"
                   "PATTERN is a word, any substring, or with --regex a PCRE2 expression. Exit "
                   "code 0 also when nothing was found.",
    .examples = "plumb search run.db triton_poi_fused\n"
                "plumb search run.db --regex 'aten\\.(mm|addmm)' --kind aot_forward_graph\n"
                "plumb search run.db -i graphbreak --format jsonl",
    .opts = options,
    .min_args = 2,
    .max_args = 2,
    .run = run,
};
