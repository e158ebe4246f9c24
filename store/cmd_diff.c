/* cmd_diff.c - plumb diff: where two runs part. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/opt.h"
#include "store/diff/compiles.h"
#include "store/diff/diff.h"

static const struct opt options[] = {
    {"output", 'o', "FILE", "write the comparison: pairs, verdicts, views; plumb serve shows it",
     false},
    {"overwrite", 0, NULL, "replace FILE if it exists", false},
    {"json", 0, NULL, "print the answer as one JSON object", false},
    {"fail-on", 0, "KINDS",
     "exit with 1 only for these, a list of origin, input, argument, structure, unhashed (default: "
     "all but unhashed)",
     false},
    {"hash", 0, "KIND", "compare by this kind of digest only: bits, sha256, hash_tensor, norm",
     false},
    {"pairs", 0, "FILE", "calls that belong together: a line for each, its place in A and in B",
     false},
    {"compiles", 0, NULL, "compare what was compiled instead of what was called", false},
    {0},
};

struct word {
    const char *name;
    unsigned bit;
};
static const struct word fail_words[] = {
    {"origin", 1u << DIFF_ORIGIN},     {"input", 1u << DIFF_INPUT},
    {"argument", 1u << DIFF_ARGUMENT}, {"structure", 1u << DIFF_STRUCTURE},
    {"unhashed", DIFF_FAIL_UNHASHED},  {NULL, 0}};
static const struct word hash_words[] = {{"bits", DIFF_PKM64},
                                         {"sha256", DIFF_SHA256},
                                         {"hash_tensor", DIFF_HASH_TENSOR},
                                         {"norm", DIFF_NORM},
                                         {NULL, 0}};
enum {
    DEFAULT_FAIL = 1 << DIFF_ORIGIN | 1 << DIFF_INPUT | 1 << DIFF_ARGUMENT | 1 << DIFF_STRUCTURE
};

/* A comma-separated list of words into their bits. */
static enum err read_words(const char *option, const char *text, const struct word *words,
                           unsigned *out)
{
    *out = 0;
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ",");
        const struct word *w = words;
        while (w->name && (strlen(w->name) != n || memcmp(w->name, p, n))) w++;
        if (!w->name) {
            char list[128] = "";
            for (w = words; w->name; w++)
                snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? ", " : "",
                         w->name);
            FAIL(ERR_USAGE, "--%s %.*s is not known; it accepts %s", option, (int)n, p, list);
        }
        *out |= w->bit;
        p += n + (p[n] == ',');
    }
    if (!*out) FAIL(ERR_USAGE, "--%s names nothing", option);
    return ERR_OK;
}

static enum err read_options(const struct opt_call *call, struct diff_options *out)
{
    const char *fail = opt_value(call, "fail-on", 0), *hash = opt_value(call, "hash", 0);
    unsigned bits;
    *out = (struct diff_options){.fail_on = DEFAULT_FAIL,
                                 .pairs_file = opt_value(call, "pairs", 0),
                                 .all = opt_has(call, "output")};
    if (fail) TRY(read_words("fail-on", fail, fail_words, &out->fail_on));
    if (!hash) return ERR_OK;
    if (strchr(hash, ',')) FAIL(ERR_USAGE, "--hash accepts one kind");
    TRY(read_words("hash", hash, hash_words, &bits));
    out->hash = (enum diff_hash)bits;
    return ERR_OK;
}

/* ---- output ---- */

static enum err print(const struct buf *b)
{
    TRY(buf_ok(b));
    if (fwrite(b->p ? b->p : "", 1, b->n, stdout) != b->n)
        FAIL(ERR_IO, "standard output cannot be written");
    return ERR_OK;
}

/* Without back-ticks and terminal escapes. */
static void plain(struct buf *to, const struct buf *from)
{
    struct buf b = {0};
    for (size_t i = 0; i < from->n; i++)
        if (from->p[i] != '`') buf_putc(&b, from->p[i]);
    buf_terminal(to, buf_text(&b));
    buf_release(&b);
}

static void put_counts(struct buf *b, const struct diff_comparison *c)
{
    buf_puts(b, "\n  ");
    for (int v = 0, n = 0; v < DIFF_N_VERDICTS; v++) {
        uint64_t counted = c->n[v] - (v == DIFF_UNKNOWN ? c->n_inside : 0);
        if (counted)
            buf_printf(b, "%s%llu %s", n++ ? " · " : "", (unsigned long long)counted,
                       diff_verdict_name(v));
    }
    if (c->n_inside)
        buf_printf(b, " · %llu inside kernels, or views", (unsigned long long)c->n_inside);
    if (c->alone[0] || c->alone[1])
        buf_printf(b, " · only in A %llu, only in B %llu", (unsigned long long)c->alone[0],
                   (unsigned long long)c->alone[1]);
    buf_puts(b, "\n");
}

static enum err tell(struct diff_comparison *c, bool json)
{
    struct buf text = {0}, out = {0};
    if (json) diff_json(c, &out);
    else {
        diff_sentence(c, &text);
        plain(&out, &text);
        put_counts(&out, c);
        buf_clear(&text);
        diff_notes(c, &text);
        plain(&out, &text);
    }
    enum err err = buf_ok(&text);
    if (!err) err = print(&out);
    buf_release(&text);
    buf_release(&out);
    return err;
}

/* ---- the two kinds of comparison ---- */

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static enum err write_file(const struct opt_call *call, struct diff_comparison *c)
{
    const char *path = opt_value(call, "output", 0);
    if (!path) return ERR_OK;
    for (int k = 0; k < 2; k++)
        if (same_file(path, c->side[k].file))
            FAIL(ERR_USAGE, "%s is one of the runs that are compared; -o names another file", path);
    if (opt_has(call, "overwrite") && unlink(path) && errno != ENOENT)
        FAIL(ERR_IO, "%s: %s", path, strerror(errno));
    return diff_write(c, path);
}

static enum err compare_calls(const struct opt_call *call, int *exit_code)
{
    struct diff_options how;
    struct diff_comparison c;
    TRY(read_options(call, &how));
    TRY(diff_compare(call->argv[0], call->argv[1], &how, &c));
    enum err err = write_file(call, &c);
    if (!err) err = tell(&c, opt_has(call, "json"));
    if (!err && opt_has(call, "output") && !opt_has(call, "json"))
        fprintf(stderr, "plumb diff: %s\n", opt_value(call, "output", 0));
    *exit_code = diff_exit_code(&c, how.fail_on);
    diff_comparison_release(&c);
    return err;
}

static enum err compare_compiles(const struct opt_call *call, int *exit_code)
{
    struct diff_side side[2] = {{0}};
    sqlite3 *db[2] = {NULL, NULL};
    struct diff_compiles result;
    struct buf out = {0}, shown = {0};
    enum err err = ERR_OK;
    for (int k = 0; k < 2; k++) {
        TRY_OUT(diff_side_parse(call->argv[k], &side[k]));
        TRY_OUT(store_open_read(side[k].file, STORE_OPEN_DEFAULT, &db[k]));
    }
    bool json = opt_has(call, "json");
    TRY_OUT(diff_compiles(db[0], &side[0], db[1], &side[1], json, &out, &result));
    if (!json) buf_terminal(&shown, buf_text(&out));
    TRY_OUT(print(json ? &out : &shown));
    *exit_code = result.different;
out:
    for (int k = 0; k < 2; k++) {
        store_close(db[k]);
        diff_side_release(&side[k]);
    }
    buf_release(&out);
    buf_release(&shown);
    return err;
}

static enum err run(const struct opt_call *call, int *exit_code)
{
    if (!opt_has(call, "compiles")) return compare_calls(call, exit_code);
    static const char *const other[] = {"output", "fail-on", "hash", "pairs", NULL};
    for (int i = 0; other[i]; i++)
        if (opt_has(call, other[i]))
            FAIL(ERR_USAGE, "--%s compares calls; --compiles has no use for it", other[i]);
    return compare_compiles(call, exit_code);
}

const struct verb verb_diff = {
    .name = "diff",
    .arguments = "A[#RUN[@RANK]] B[#RUN[@RANK]]",
    .summary = "say where two runs part, and which call made the difference",
    .description =
        "Aligns the calls of two recorded runs, compares the digests of their tensors, and says in "
        "one sentence where they part: at a tensor from outside (input), at an argument that is no "
        "tensor (argument), at an operator that makes different results of equal tensors (origin), "
        "or where one run calls what the other does not (structure). Calls that only read a "
        "difference are receivers.\n\n"
        "Of a compiled run each kernel is compared as the operators that it stands for, with an "
        "eager run or with one that was fused otherwise; the sentence names the kernel.\n\n"
        "A and B are traces, or runs or ranks within them; A and B may be the same file. With -o "
        "the comparison is a file of its own: plumb serve shows it, plumb sql reads its views "
        "divergence, first_difference and first_origin.\n\n"
        "With --compiles, frames and compiles of two traces are matched, and graphs, "
        "guards, breaks, kernels, caches and metrics compared.",
    .examples = "plumb diff yesterday.db today.db\n"
                "plumb diff trainer.db sampler.db -o cmp.db\n"
                "plumb diff eager.db compiled.db\n"
                "plumb diff job.db#train@0 job.db#train@3 --json\n"
                "plumb diff a.db b.db --fail-on origin,structure\n"
                "plumb diff --compiles nightly.db today.db",
    .opts = options,
    .min_args = 2,
    .max_args = 2,
    .run = run,
};
