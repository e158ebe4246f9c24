/* diff.c - the comparison from two names of runs to verdicts: opens, loads, makes lanes, judges. */
#include "store/diff/diff.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/diff/judge.h"
#include "store/diff/origins.h"
#include "store/diff/unfold.h"

enum { LINE_SIZE = 256 };

/* ---- loading ---- */

struct loading {
    struct diff_side *side;
    sqlite3 *db;
    struct diff_logs logs;
    enum err err;
    char *why; /* owned: the error's text, which belongs to the other thread */
};

static void *load(void *context)
{
    struct loading *l = context;
    l->err = store_open_read(l->side->file, STORE_OPEN_NO_VIEWS, &l->db);
    if (!l->err) l->err = diff_load(l->db, l->side, &l->logs);
    if (l->err) l->why = strdup(err_text());
    return NULL;
}

/* Both sides at once; without a second thread one after the other. */
static enum err load_both(struct diff_comparison *c)
{
    struct loading l[2] = {{.side = &c->side[0]}, {.side = &c->side[1]}};
    pthread_t other;
    bool threaded = !pthread_create(&other, NULL, load, &l[1]);
    load(&l[0]);
    if (threaded) pthread_join(other, NULL);
    else load(&l[1]);
    enum err err = ERR_OK;
    for (int k = 0; k < 2; k++) {
        c->db[k] = l[k].db;
        c->logs[k] = l[k].logs;
        if (l[k].err && !err) err = err_set(l[k].err, "%s", l[k].why ? l[k].why : "out of memory");
        free(l[k].why);
    }
    return err;
}

/* ---- lanes ---- */

static enum err put_lane(struct diff_comparison *c, struct diff_stream *a, struct diff_stream *b)
{
    struct diff_lane *lane = LIST_PUSH(&c->lane);
    if (!lane) FAIL(ERR_NOMEM, "out of memory for lanes");
    *lane = (struct diff_lane){.a = a, .b = b};
    return ERR_OK;
}

static bool belongs(const struct diff_stream *a, const struct diff_stream *b, int strictness)
{
    if (strictness == 2) return a->rank == b->rank && span_eq(a->log, b->log);
    return strictness == 1 ? a->rank == b->rank : true;
}

/* Logs of equal rank and name first, then of equal rank, then in their order. */
static enum err make_lanes(struct diff_comparison *c)
{
    size_t n = c->logs[0].stream.n, m = c->logs[1].stream.n;
    struct diff_stream *a = c->logs[0].stream.p, *b = c->logs[1].stream.p;
    bool *used = calloc(n + m + 1, sizeof *used), *used_b = used + n;
    size_t *partner = calloc(n + 1, sizeof *partner); /* one more than its number; 0 none */
    enum err err = ERR_OK;
    if (!used || !partner) TRY_OUT(err_set(ERR_NOMEM, "out of memory for %zu logs", n + m));
    for (int strictness = 2; strictness >= 0; strictness--)
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < m && !used[i]; k++)
                if (!used_b[k] && belongs(&a[i], &b[k], strictness)) {
                    used[i] = used_b[k] = true;
                    partner[i] = k + 1;
                }
    for (size_t i = 0; i < n; i++)
        TRY_OUT(put_lane(c, &a[i], partner[i] ? &b[partner[i] - 1] : NULL));
    for (size_t k = 0; k < m; k++)
        if (!used_b[k]) TRY_OUT(put_lane(c, NULL, &b[k]));
out:
    free(used);
    free(partner);
    return err;
}

/* ---- pairs by hand ---- */

struct manual {
    LIST_OF(struct diff_manual) pair;
};

static void skip_line(FILE *f)
{
    for (int c = getc(f); c != EOF && c != '\n'; c = getc(f)) {
    }
}

/* "154 155": two numbers without sign and nothing else. */
static bool read_pair(const char *line, struct diff_manual *out)
{
    uint32_t *number[2] = {&out->a, &out->b};
    for (int k = 0; k < 2; k++) {
        char *end;
        line += strspn(line, " \t");
        if (*line < '0' || *line > '9') return false;
        unsigned long n = strtoul(line, &end, 10);
        if (n >= DIFF_NONE || (*end && !strchr(" \t\r", *end))) return false;
        *number[k] = (uint32_t)n;
        line = end;
    }
    return !line[strspn(line, " \t\r")];
}

static enum err read_manual(const char *path, struct manual *out)
{
    char line[LINE_SIZE];
    enum err err = ERR_OK;
    if (!path) return ERR_OK;
    FILE *f = fopen(path, "re");
    if (!f) FAIL(ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    for (int n = 1; fgets(line, sizeof line, f); n++) {
        struct diff_manual pair;
        bool whole = strchr(line, '\n') || feof(f);
        char *comment = strchr(line, '#');
        if (!whole && comment) skip_line(f);
        line[strcspn(line, "#\n")] = 0;
        if (!line[strspn(line, " \t\r")] && (whole || comment)) continue;
        if (!read_pair(line, &pair) || (!whole && !comment))
            TRY_OUT(err_set(ERR_FORMAT,
                            "%s:%d: a line is the place of a call in A's log and of the one in "
                            "B's that belongs to it, as in \"154 155\"",
                            path, n));
        struct diff_manual *to = LIST_PUSH(&out->pair);
        if (!to) TRY_OUT(err_set(ERR_NOMEM, "out of memory for pairs by hand"));
        *to = pair;
    }
    if (ferror(f)) TRY_OUT(err_set(ERR_IO, "%s: %s", path, strerror(errno)));
out:
    fclose(f);
    return err;
}

/* ---- judging ---- */

/* A log that the other run does not have is compared with an empty one. */
static enum err stand_in(struct diff_comparison *c, struct diff_stream **out)
{
    struct diff_stream **to = LIST_PUSH(&c->empty);
    if (!to) FAIL(ERR_NOMEM, "out of memory for a log");
    *out = *to = calloc(1, sizeof **to);
    if (!*out) FAIL(ERR_NOMEM, "out of memory for a log");
    return diff_stream_init(*out);
}

/* Operator by operator, unless both runs call the same kernels. */
static enum err unfold_lane(const struct diff_comparison *c, struct diff_stream *a,
                            struct diff_stream *b)
{
    struct diff_stream *s[2] = {a, b};
    if (!a->n_calls || !b->n_calls || diff_same_kernels(a, b)) return ERR_OK;
    for (int k = 0; k < 2; k++) {
        bool can;
        TRY(diff_can_unfold(c->db[k], s[k], &can));
        if (can) TRY(diff_unfold(c->db[k], s[k]));
    }
    return ERR_OK;
}

static enum err judge_lane(struct diff_comparison *c, struct diff_lane *lane,
                           const struct diff_options *options, const struct manual *manual)
{
    struct diff_stream *a = lane->a, *b = lane->b;
    struct diff_origins origins[2] = {0};
    struct diff_verdict_options how = {.hash = options->hash, .all = options->all};
    enum err err = ERR_OK;
    if (!a) TRY(stand_in(c, &a));
    if (!b) TRY(stand_in(c, &b));
    TRY(diff_join(a, b));
    TRY(unfold_lane(c, a, b));
    for (int k = 0; k < 2; k++) TRY_OUT(diff_origins_load(c->db[k], k ? b : a, &origins[k]));
    struct diff_align_options align = {
        .origins = {origins[0].p, origins[1].p},
        .n_origins = {(uint32_t)origins[0].n, (uint32_t)origins[1].n},
        .manual = manual->pair.p,
        .n_manual = (uint32_t)manual->pair.n};
    TRY_OUT(diff_align(a, b, &align, &lane->pairs));
    if (a->kernel || b->kernel) TRY_OUT(diff_unfold_paths(a, b, &lane->pairs));
    TRY_OUT(diff_judge(a, b, &lane->pairs, &how, &lane->verdicts));
out:
    for (int k = 0; k < 2; k++) LIST_RELEASE(&origins[k]);
    return err;
}

/* ---- the answer ---- */

/* The number in "step 12"; 0 without one. */
static long step_of(const struct diff_lane *lane, uint32_t pair)
{
    const struct diff_pair *p = &lane->pairs.pair.p[pair];
    const struct diff_stream *s = p->a != DIFF_NONE ? lane->a : lane->b;
    struct span step =
        diff_span(s->words, s->scopes.p[s->scope[p->a != DIFF_NONE ? p->a : p->b]].step);
    long number = 0;
    for (size_t i = 0; i < step.n; i++)
        if (step.p[i] >= '0' && step.p[i] <= '9' && number < 100000000)
            number = number * 10 + (step.p[i] - '0');
    return number;
}

/* Is a pair of one lane before one of another: by step, then by place. */
static bool is_before(const struct diff_lane *x, uint32_t a, const struct diff_lane *y, uint32_t b)
{
    long s = step_of(x, a), t = step_of(y, b);
    return s != t ? s < t : a < b;
}

static bool parts(const struct diff_lane *lane)
{
    return lane->verdicts.first != DIFF_NONE;
}

enum diff_hash diff_strongest_of(const struct diff_comparison *c)
{
    if (c->first_lane >= 0) return c->lane.p[c->first_lane].verdicts.hash;
    return diff_strongest(c->common);
}

static void add_up(struct diff_comparison *c)
{
    c->first_lane = c->origin_lane = -1;
    for (size_t i = 0; i < c->lane.n; i++) {
        const struct diff_lane *lane = &c->lane.p[i];
        const struct diff_verdicts *v = &lane->verdicts;
        for (int k = 0; k < DIFF_N_VERDICTS; k++) c->n[k] += v->n[k];
        for (int k = 0; k < 2; k++) c->alone[k] += v->alone[k];
        c->n_unhashed += v->n_unhashed;
        for (size_t k = 0; k < lane->pairs.pair.n; k++) {
            const struct diff_pair *p = &lane->pairs.pair.p[k];
            c->n_argument_origins += p->verdict == DIFF_ORIGIN && p->flags & DIFF_ARGUMENT_DIFFERS;
            bool lone = p->a == DIFF_NONE || p->b == DIFF_NONE;
            c->n_fused += lone && p->method == DIFF_BY_FUSION;
        }
        c->common |= v->common;
        c->n_compared += v->n_compared;
        const struct diff_lane *first = c->first_lane < 0 ? NULL : &c->lane.p[c->first_lane];
        if (parts(lane) && (!first || is_before(lane, v->first, first, first->verdicts.first)))
            c->first_lane = (int)i;
        const struct diff_lane *origin = c->origin_lane < 0 ? NULL : &c->lane.p[c->origin_lane];
        if (v->origin != DIFF_NONE &&
            (!origin || is_before(lane, v->origin, origin, origin->verdicts.origin)))
            c->origin_lane = (int)i;
    }
    if (c->first_lane >= 0) {
        c->answer = DIFF_ANSWER_DIFFERENT;
        c->before = c->lane.p[c->first_lane].verdicts.before;
    } else {
        /* Nothing differs; but was anything compared? */
        bool told = c->n[DIFF_SAME] > 0 && c->n_compared > 0;
        c->answer = told ? DIFF_ANSWER_SAME : DIFF_ANSWER_NOT_COMPARABLE;
    }
}

static enum err compare(struct diff_comparison *c, const struct diff_options *options,
                        const struct manual *manual)
{
    TRY(load_both(c));
    TRY(make_lanes(c));
    if (manual->pair.n && c->lane.n != 1)
        FAIL(ERR_USAGE, "pairs by hand name places of one log; these runs have %zu: name a rank",
             c->lane.n);
    for (size_t i = 0; i < c->lane.n; i++) {
        struct diff_lane *lane = &c->lane.p[i];
        TRY(judge_lane(c, lane, options, manual));
    }
    add_up(c);
    return ERR_OK;
}

enum err diff_compare(const char *a, const char *b, const struct diff_options *options,
                      struct diff_comparison *out)
{
    struct manual manual = {0};
    enum err err = ERR_OK;
    *out = (struct diff_comparison){.first_lane = -1, .origin_lane = -1};
    TRY_OUT(diff_side_parse(a, &out->side[0]));
    TRY_OUT(diff_side_parse(b, &out->side[1]));
    TRY_OUT(read_manual(options->pairs_file, &manual));
    TRY_OUT(compare(out, options, &manual));
out:
    LIST_RELEASE(&manual.pair);
    if (err) diff_comparison_release(out);
    return err;
}

void diff_comparison_release(struct diff_comparison *c)
{
    for (size_t i = 0; i < c->lane.n; i++) {
        diff_pairs_release(&c->lane.p[i].pairs);
        diff_verdicts_release(&c->lane.p[i].verdicts);
    }
    LIST_RELEASE(&c->lane);
    diff_logs_release(&c->logs[1]); /* B's streams borrow words of A's */
    for (size_t i = 0; i < c->empty.n; i++)
        if (c->empty.p[i] && !c->empty.p[i]->owns_words) diff_stream_release(c->empty.p[i]);
    diff_logs_release(&c->logs[0]);
    for (size_t i = 0; i < c->empty.n; i++) {
        if (c->empty.p[i] && c->empty.p[i]->owns_words) diff_stream_release(c->empty.p[i]);
        free(c->empty.p[i]);
    }
    LIST_RELEASE(&c->empty);
    for (int k = 0; k < 2; k++) {
        store_close(c->db[k]);
        diff_side_release(&c->side[k]);
    }
    arena_release(&c->arena);
    *c = (struct diff_comparison){0};
}
