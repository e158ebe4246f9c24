/* divergence.c - verdicts, rows and links as parts of the divergence page show them. */
#include "web/divergence.h"

/* Classes of the mark, of a number, of a bar, of a dot in a minimap, of the letter on a bar. */
#define LOOK_SAME      "", "dim", "fsame", "g2", "tm", 1
#define LOOK_ARTEFACT  "empty", "dim", "fsame dash", "g3", "tm", 1
#define LOOK_MASKED    "good", "t-good", "fgoodf", "b2", "", 2
#define LOOK_UNKNOWN   "empty", "dim", "fsame dash", "g4", "tm", 2
#define LOOK_RECEIVER  "warn", "t-warn", "fwarnf", "b3", "", 3
#define LOOK_STRUCTURE "odd", "t-odd", "foddf", "fodd", "", 4
#define LOOK_ARGUMENT  "odd", "t-odd", "foddf", "fodd", "", 4
#define LOOK_ORIGIN    "bad", "t-bad", "fbad", "fbad", "tinv", 4
#define LOOK_INPUT     "bad", "t-bad", "fbad", "fbad", "tinv", 4

static const struct divergence_look looks[] = {
#define X(code, number, letter, name, sentence) [number] = {letter, name, sentence, LOOK_##code},
    DIFF_VERDICTS(X)
#undef X
};

/* Explained, and nothing to compare: no letter, so that what is unknown stands out. */
static const struct divergence_look inside = {
    "",
    "inside",
    "an operator of a kernel that did not store its result, or a view: what it reads agrees",
    "empty",
    "dim",
    "fsame dash",
    "g2",
    "tm",
    1};

const struct divergence_look *divergence_row_look(int64_t verdict, int64_t flags)
{
    return verdict == DIFF_UNKNOWN && flags != STORE_NULL && flags & DIFF_INSIDE
               ? &inside
               : divergence_look(verdict);
}

const struct divergence_look *divergence_look(int64_t verdict)
{
    return &looks[verdict >= 0 && verdict < DIFF_N_VERDICTS ? verdict : DIFF_UNKNOWN];
}

void divergence_mark(struct html *h, const struct divergence_look *l)
{
    html(h, "<span class=\"m %s\" title=\"%s: %s\">%s</span>", l->mark, l->word, l->sentence,
         l->letter);
}

void divergence_read_row(struct web_request *q, sqlite3_stmt *s, struct divergence_row *out)
{
    *out = (struct divergence_row){.id = web_int(s, "id"),
                                   .verdict = web_int(s, "number"),
                                   .flags = web_int(s, "flags"),
                                   .method = web_int(s, "method"),
                                   .confidence = web_int(s, "confidence"),
                                   .a = web_int(s, "a_position"),
                                   .b = web_int(s, "b_position"),
                                   .phase = web_int(s, "phase"),
                                   .scope = web_int(s, "scope"),
                                   .relative = web_real(s, "relative"),
                                   .name = web_kept(q, s, "name"),
                                   .a_name = web_kept(q, s, "a_name"),
                                   .b_name = web_kept(q, s, "b_name"),
                                   .a_args = web_kept(q, s, "a_args"),
                                   .b_args = web_kept(q, s, "b_args"),
                                   .a_kwargs = web_kept(q, s, "a_kwargs"),
                                   .b_kwargs = web_kept(q, s, "b_kwargs"),
                                   .a_output = web_kept(q, s, "a_output"),
                                   .b_output = web_kept(q, s, "b_output"),
                                   .a_kernel = web_kept(q, s, "a_kernel"),
                                   .b_kernel = web_kept(q, s, "b_kernel"),
                                   .a_hash = web_kept(q, s, "a_hash"),
                                   .b_hash = web_kept(q, s, "b_hash"),
                                   .step = web_kept(q, s, "step"),
                                   .module = web_kept(q, s, "module"),
                                   .annotation = web_kept(q, s, "annotation")};
}

const char *divergence_number(struct web_request *q, int64_t n)
{
    const char *text = arena_printf(&q->arena, "%lld", (long long)n);
    return text ? text : "0";
}

const char *divergence_link(struct web_request *q, int64_t pair)
{
    return web_here(q, "at", divergence_number(q, pair), NULL);
}

const char *divergence_phase(int64_t phase)
{
    static const char *const names[] = {"", "forward", "backward", "optimizer"};
    return phase > 0 && phase < 4 ? names[phase] : "";
}
