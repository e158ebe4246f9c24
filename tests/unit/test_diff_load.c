/* test_diff_load.c - logs of calls out of traces that are written here row by row. */
#include "unit.h"

#include <unistd.h>

#include "store/base/buf.h"
#include "store/diff/load.h"

static char path[256];

/* A closed trace with these rows. */
static void make(const char *sql)
{
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/t.db", unit_folder());
    unlink(path);
    assert_int_equal(store_create(path, &db), ERR_OK);
    if (store_exec(db, sql)) fail_msg("%s", err_text());
    assert_int_equal(store_finish(db, "closed"), ERR_OK);
}

static enum err load_side(const char *run, int64_t rank, struct diff_logs *out)
{
    sqlite3 *db;
    struct diff_side side = {.file = path, .run = (char *)run, .rank = rank};
    if (store_open_read(path, STORE_OPEN_DEFAULT, &db)) fail_msg("%s", err_text());
    enum err err = diff_load(db, &side, out);
    store_close(db);
    return err;
}

static struct diff_stream *load(struct diff_logs *logs)
{
    if (load_side(NULL, -1, logs)) fail_msg("%s", err_text());
    assert_int_equal(logs->stream.n, 1);
    return &logs->stream.p[0];
}

static void expect_error(const char *run, int64_t rank, const char *part)
{
    struct diff_logs logs;
    assert_int_equal(load_side(run, rank, &logs), ERR_NOT_FOUND);
    if (!strstr(err_text(), part)) fail_msg("'%s' lacks '%s'", err_text(), part);
    assert_int_equal(logs.stream.n, 0);
}

static bool is(const struct diff_stream *s, uint32_t word, const char *text)
{
    return span_is(diff_span(s->words, word), text);
}

/* A call as "NAME(args) < scope < scope": keys of scopes from the inside, kinds as letters. */
static void expect_call(const struct diff_stream *s, uint32_t i, const char *want)
{
    struct buf b = {0};
    const struct diff_text *t = diff_call_text(s, i);
    buf_span(&b, diff_span(s->words, t->name));
    buf_printf(&b, "(%.*s)", SPAN_ARG(diff_span(s->words, t->args)));
    for (uint32_t k = s->scope[i]; k; k = s->scopes.p[k].parent)
        buf_printf(&b, " %c:%.*s", "lsmac"[s->scopes.p[k].kind],
                   SPAN_ARG(diff_span(s->words, s->scopes.p[k].key)));
    assert_string_equal(b.p, want);
    buf_release(&b);
}

#define LOG                                                                                        \
    "INSERT INTO run(id, name) VALUES (1, 'train');"                                               \
    "INSERT INTO source_file(id, run, name) VALUES (1, 1, 'main');"
#define WORDS                                                                                      \
    "INSERT INTO string(id, text) VALUES (1, 'aten::mm'), (2, 't$1: f32[2], t$2: f32[2]'),"        \
    " (3, ', a=1'), (4, '  ->  t$3: f32[2]'), (5, 'nn.Mod'), (6, 'Net.up'), (7, 'step 0'),"        \
    " (8, '[0][0]'), (9, ''), (10, 'f32'), (11, '[2, 3]'), (12, '[3, 1]'), (13, 'step 1'),"        \
    " (14, 'Optimizer.step#SGD.step'), (15, 'record function'), (16, 'aten::ones_like'),"          \
    " (17, 't: f32[]'), (18, 'annotate'), (19, 'a note'), (20, 'aten::_foreach_add_'),"            \
    " (21, 'redistribute'), (22, 'S(0)'), (23, 'R'), (24, 'span');"

static void test_one_run(void **unused)
{
    (void)unused;
    make(LOG WORDS
         "INSERT INTO call_log(source, format, calls) VALUES (1, 'live', 3);"
         "INSERT INTO event(id, kind, name, parent) VALUES (1, 13, 7, NULL), (2, 8, 6, 1),"
         " (3, 3, 1, 2), (4, 10, 1, 3), (5, 3, 1, 3), (6, 9, 19, 1), (7, 13, 13, NULL), (8, 3, 1, "
         "7);"
         "INSERT INTO call(event, source, position, depth, args, kwargs, output) VALUES"
         " (2, 1, 0, 1, 5, NULL, NULL), (3, 1, 1, 2, 2, 3, 4), (5, 1, 2, 3, 2, 3, NULL),"
         " (6, 1, 3, 1, NULL, NULL, NULL), (8, 1, 4, 1, 2, 3, 4);"
         "INSERT INTO tensor_use(event, position, phase, arg, tensor, dtype, shape, stride,"
         " hash_kind, digest, part, version) VALUES"
         " (2, 0, 1, 9, 5, 10, 11, 12, 4, 7, NULL, NULL),"
         " (3, 0, 1, 9, 5, 10, 11, 12, 4, -7, NULL, 0), (3, 1, 0, 8, 6, 10, 11, NULL, NULL, 0,"
         " NULL, 3), (8, 0, 1, 9, NULL, 10, 11, 12, 1, 99, 0, NULL),"
         " (8, 1, 1, 9, NULL, 10, 11, 12, 2, 98, 1, NULL), (9, 0, 1, 9, 1, 10, 11, 12, 4, 1, NULL,"
         " 0);");
    struct diff_logs logs;
    struct diff_stream *s = load(&logs);
    assert_true(span_is(logs.run, "train"));
    assert_true(span_is(s->log, "main"));
    assert_true(span_is(s->file, path));
    assert_int_equal(s->rank, -1);
    assert_int_equal(s->n_calls, 3);
    assert_int_equal(s->n_lines, 2);
    expect_call(s, 0, "aten::mm(t: f32[2], t: f32[2]) m:up s:step 0");
    expect_call(s, 1, "aten::mm(t: f32[2], t: f32[2]) c:aten::mm m:up s:step 0");
    expect_call(s, 2, "aten::mm(t: f32[2], t: f32[2]) s:step 1");
    assert_int_equal(s->scopes.p[s->scope[1]].call, 0);
    assert_int_equal(s->position[2], 4);
    assert_int_equal(s->event[2], 8);
    assert_true(is(s, s->scopes.p[s->scope[1]].step, "step 0"));
    assert_true(is(s, s->scopes.p[s->scope[0]].module, "Net.up"));
    assert_int_equal(s->n_uses, 4);
    assert_int_equal(s->first_use[1], 2);
    assert_int_equal(s->first_use[2], 2);
    assert_int_equal(s->digest[0], -7);
    assert_int_equal(s->tensor[1], 6);
    assert_int_equal(s->tensor[2], (uint32_t)DIFF_NONE);
    assert_int_equal(s->version[1], 3);
    assert_int_equal(s->hashes, 1 << DIFF_PKM64 | 1 << DIFF_NORM | 1 << DIFF_HASH_TENSOR);
    assert_int_equal(s->n_hashed, 2);
    assert_int_equal(s->n_arguments, 0);
    const struct diff_form *f = diff_use_form(s, 0);
    assert_true(is(s, f->path, "") && is(s, f->dtype, "f32") && is(s, f->shape, "[2, 3]"));
    assert_true(is(s, f->stride, "[3, 1]"));
    assert_int_equal(f->elements, 6);
    assert_int_equal(f->phase, 1);
    assert_int_equal(f->part, -1);
    assert_int_equal(diff_use_form(s, 1)->hash, DIFF_NO_HASH);
    assert_int_equal(diff_use_form(s, 1)->stride, (uint32_t)DIFF_NONE);
    assert_int_equal(diff_use_form(s, 3)->part, 1);
    diff_logs_release(&logs);
}

/* A log without steps: optimizer ranges end them, and only what is two steps deeper is in one. */
static void test_derived_steps(void **unused)
{
    (void)unused;
    make(LOG WORDS
         "INSERT INTO call_log(source, format, calls) VALUES (1, 'json', 12);"
         "INSERT INTO event(id, kind, name, parent) VALUES (1, 8, 6, NULL), (2, 3, 1, 1),"
         " (3, 3, 1, NULL), (4, 3, 16, NULL), (5, 3, 1, NULL), (6, 7, 14, NULL), (7, 3, 1, 6),"
         " (8, 3, 1, 6), (9, 7, 19, NULL), (10, 3, 16, 9), (11, 7, 14, NULL), (12, 8, 6, 11),"
         " (13, 3, 1, 12);"
         "INSERT INTO call(event, source, position, depth, args) VALUES (1, 1, 0, 1, 5),"
         " (2, 1, 1, 2, 2), (3, 1, 2, 1, 2), (4, 1, 3, 1, 17), (5, 1, 4, 1, 2), (6, 1, 5, 0, 15),"
         " (7, 1, 6, 2, 2), (8, 1, 7, 1, 2), (9, 1, 8, 0, 18), (10, 1, 9, 1, 17),"
         " (11, 1, 10, 0, 15), (12, 1, 11, 1, 5), (13, 1, 12, 2, 2);");
    struct diff_logs logs;
    struct diff_stream *s = load(&logs);
    static const struct {
        const char *step;
        int phase;
        const char *call;
    } want[] = {
        {"step 1", DIFF_FORWARD, "aten::mm(t: f32[2], t: f32[2]) m:up s:step 1"},
        {"step 1", DIFF_FORWARD, "aten::mm(t: f32[2], t: f32[2]) l:step 1 s:step 1"},
        {"step 1", DIFF_BACKWARD, "aten::ones_like(t: f32[]) l:step 1 s:step 1"},
        {"step 1", DIFF_BACKWARD, "aten::mm(t: f32[2], t: f32[2]) l:step 1 s:step 1"},
        {"step 1", DIFF_OPTIMIZER,
         "aten::mm(t: f32[2], t: f32[2]) a:Optimizer.step#SGD.step s:step 1"},
        {"step 2", DIFF_PHASE_NONE, "aten::mm(t: f32[2], t: f32[2]) s:step 2"},
        {"step 2", DIFF_BACKWARD, "aten::ones_like(t: f32[]) l:step 2 s:step 2"},
        {"step 3", DIFF_FORWARD, "aten::mm(t: f32[2], t: f32[2]) m:up s:step 3"},
    };
    assert_int_equal(s->n_calls, 8);
    for (uint32_t i = 0; i < 8; i++) {
        const struct diff_scope *scope = &s->scopes.p[s->scope[i]];
        expect_call(s, i, want[i].call);
        assert_true(is(s, scope->step, want[i].step));
        assert_int_equal(scope->phase, want[i].phase);
        assert_int_equal(scope->inferred, 1);
    }
    assert_int_equal(s->n_lines, 5);
    for (size_t i = 1; i < s->scopes.n; i++) assert_true(s->scopes.p[i].parent < i);
    diff_logs_release(&logs);
}

/* Steps are there; phases follow from the operators. */
static void test_derived_phases(void **unused)
{
    (void)unused;
    make(LOG WORDS
         "INSERT INTO call_log(source, format, calls) VALUES (1, 'live', 6);"
         "INSERT INTO stack(id) VALUES (1), (2);"
         "INSERT INTO event(id, kind, name, parent) VALUES (1, 13, 7, NULL), (2, 3, 1, 1),"
         " (3, 8, 6, 1), (4, 3, 1, 3), (5, 3, 1, 1), (6, 3, 1, 1), (7, 3, 1, 1), (8, 3, 20, 1),"
         " (9, 13, 13, NULL), (10, 3, 1, 9);"
         "INSERT INTO call(event, source, position, depth, args, stack, fwd_stack) VALUES"
         " (2, 1, 0, 1, 2, 1, 1), (3, 1, 1, 1, 5, NULL, NULL), (4, 1, 2, 2, 2, 1, NULL),"
         " (5, 1, 3, 1, 2, 1, NULL), (6, 1, 4, 1, 2, 1, 2), (7, 1, 5, 1, 2, NULL, NULL),"
         " (8, 1, 6, 1, 2, NULL, NULL), (10, 1, 7, 1, 2, NULL, NULL);");
    struct diff_logs logs;
    struct diff_stream *s = load(&logs);
    static const int phases[] = {DIFF_PHASE_NONE, DIFF_FORWARD,   DIFF_FORWARD,   DIFF_BACKWARD,
                                 DIFF_BACKWARD,   DIFF_OPTIMIZER, DIFF_PHASE_NONE};
    static const int inferred[] = {0, 0, 1, 1, 1, 1, 0};
    assert_int_equal(s->n_calls, 7);
    for (uint32_t i = 0; i < 7; i++) {
        assert_int_equal(s->scopes.p[s->scope[i]].phase, phases[i]);
        assert_int_equal(s->scopes.p[s->scope[i]].inferred, inferred[i]);
    }
    assert_int_equal(s->scope[3], s->scope[4]);
    expect_call(s, 3, "aten::mm(t: f32[2], t: f32[2]) l:step 0 s:step 0");
    diff_logs_release(&logs);
}

/* Two threads whose lines take turns, ranks, and a redistribution. */
static void test_several_logs(void **unused)
{
    (void)unused;
    make(WORDS
         "INSERT INTO run(id, name) VALUES (1, 'one'), (2, 'two');"
         "INSERT INTO process(id, run, rank) VALUES (1, 1, 1), (2, 1, 0);"
         "INSERT INTO source_file(id, run, process, name) VALUES (7, 1, 1, 'main'),"
         " (8, 1, 2, 'main'), (9, 1, 2, 'loader'), (10, 2, NULL, 'other'), (11, 2, NULL, 'none');"
         "INSERT INTO call_log(source, format, calls) VALUES (7, 'live', 2), (8, 'live', 2),"
         " (9, 'live', 1), (10, 'live', 1);"
         "INSERT INTO event(id, kind, name, parent) VALUES (1, 13, 7, NULL), (2, 13, 13, NULL),"
         " (3, 3, 1, 1), (4, 3, 1, 2), (5, 4, NULL, 1), (6, 3, 16, 2), (7, 3, 1, NULL),"
         " (8, 3, 1, 99);"
         "INSERT INTO redistribute(event, from_placement, to_placement) VALUES (5, 22, 23);"
         "INSERT INTO call(event, source, position, depth, args) VALUES (3, 7, 0, 1, 2),"
         " (4, 8, 0, 1, 2), (5, 7, 1, 1, 17), (6, 8, 1, 1, 17), (7, 9, 0, 1, 2), (8, 10, 0, 1, 2);"
         "INSERT INTO tensor_use(event, position, phase, arg, dtype, shape, hash_kind, digest)"
         " VALUES (3, 0, 1, 9, 10, 11, 4, 3), (4, 0, 1, 9, 10, 11, 4, 4), (6, 0, 1, 9, 10, 11, 4,"
         " 6), (8, 0, 1, 9, 10, 11, 4, 8);");
    struct diff_logs logs;
    if (load_side("one", -1, &logs)) fail_msg("%s", err_text());
    assert_int_equal(logs.stream.n, 3);
    const struct diff_stream *s = logs.stream.p;
    assert_true(span_is(s[0].log, "loader") && span_is(s[1].log, "main"));
    assert_int_equal(s[0].rank, 0);
    assert_int_equal(s[1].rank, 0);
    assert_int_equal(s[2].rank, 1);
    expect_call(&s[0], 0, "aten::mm(t: f32[2], t: f32[2])");
    expect_call(&s[1], 0, "aten::mm(t: f32[2], t: f32[2]) s:step 1");
    assert_int_equal(s[1].n_uses, 2);
    assert_int_equal(s[1].digest[1], 6);
    assert_int_equal(s[2].n_uses, 1);
    expect_call(&s[2], 1, "redistribute_input(t: f32[], S(0) -> R) s:step 0");
    diff_logs_release(&logs);
    if (load_side("one", 1, &logs)) fail_msg("%s", err_text());
    assert_int_equal(logs.stream.n, 1);
    assert_int_equal(logs.stream.p[0].source, 7);
    diff_logs_release(&logs);
    if (load_side("2", -1, &logs)) fail_msg("%s", err_text());
    assert_int_equal(logs.stream.n, 1);
    expect_call(&logs.stream.p[0], 0, "aten::mm(t: f32[2], t: f32[2])");
    assert_int_equal(logs.stream.p[0].digest[0], 8);
    diff_logs_release(&logs);
    expect_error(NULL, -1, "one, two");
    expect_error("three", -1, "no run three with calls; it has one, two");
    expect_error("one", 5, "there are ranks 0, 1");
    expect_error("two", 0, "its logs have no rank");
}

static void test_none(void **unused)
{
    (void)unused;
    make(LOG);
    expect_error(NULL, -1, "no calls were recorded");
    make(LOG "INSERT INTO call_log(source, format, calls) VALUES (1, 'text', 0);");
    struct diff_logs logs;
    assert_int_equal(load(&logs)->n_calls, 0);
    diff_logs_release(&logs);
}

/* Chains that end nowhere or in themselves, unknown words, hashes and phases, numbers too large. */
static void test_hostile(void **unused)
{
    (void)unused;
    make(LOG WORDS
         "INSERT INTO call_log(source, format, calls) VALUES (1, 'json', -5);"
         "INSERT INTO event(id, kind, name, parent) VALUES (1, 8, 6, 2), (2, 8, 6, 1),"
         " (3, 3, 999, 2), (4, 3, -1, 4), (5, 77, 1, 3), (6, 3, 1, 700), (7, 7, 14, 7);"
         "INSERT INTO call(event, source, position, depth, args) VALUES (1, 1, 0, 1, 5),"
         " (2, 1, 1, 1, 5), (3, 1, 7, 1, 1 << 40), (4, 1, 3, 1, 2), (5, 1, 4, 1, 2),"
         " (6, 1, 5, 1, 2), (7, 1, 6, 0, 15), (900, 1, 8, 0, 15);"
         "INSERT INTO tensor_use(event, position, phase, arg, dtype, shape, hash_kind, digest,"
         " part) VALUES (3, 0, 9, 9, 10, 10, 77, 3, 4000), (3, 1, -1, -9, 10, 11, -4, 3, -5);");
    struct diff_logs logs;
    struct diff_stream *s = load(&logs);
    assert_int_equal(s->n_calls, 3);
    assert_int_equal(s->n_uses, 2);
    assert_int_equal(s->hashes, 0);
    assert_int_equal(diff_use_form(s, 0)->elements, -1);
    diff_logs_release(&logs);
    make(LOG WORDS "INSERT INTO call_log(source, format, calls) VALUES (1, 'json', 1);"
                   "INSERT INTO event(id, kind, name) VALUES (1, 3, 1);"
                   "INSERT INTO call(event, source, position, args) VALUES (1, 1, 1 << 32, 2);");
    assert_int_equal(load_side(NULL, -1, &logs), ERR_LIMIT);
    make(LOG WORDS "INSERT INTO call_log(source, format, calls) VALUES (1, 'json', 1);"
                   "INSERT INTO event(id, kind, name) VALUES (1, 3, 1);"
                   "INSERT INTO call(event, source, position, args) VALUES (1, 1, -1, 2);");
    assert_int_equal(load_side(NULL, -1, &logs), ERR_LIMIT);
}

/* A log that says it has four milliards of calls gets no room for them. */
static void test_boast(void **unused)
{
    (void)unused;
    make(LOG WORDS "INSERT INTO call_log(source, format, calls) VALUES (1, 'json', 4294967290);"
                   "INSERT INTO event(id, kind, name) VALUES (1, 3, 1);"
                   "INSERT INTO call(event, source, position, args) VALUES (1, 1, 0, 2);");
    struct diff_logs logs;
    struct diff_stream *s = load(&logs);
    assert_int_equal(s->n_calls, 1);
    assert_true(s->size_calls < 1000 * 1000);
    diff_logs_release(&logs);
}

/* Lines that enclose nothing and lie in themselves; a parent that is an operator, but no call. */
static void test_circles(void **unused)
{
    (void)unused;
    make(LOG WORDS
         "INSERT INTO call_log(source, format, calls) VALUES (1, 'text', 3);"
         "INSERT INTO event(id, kind, name, parent) VALUES (1, 7, 24, 1), (2, 3, 1, 1),"
         " (3, 7, 24, 4), (4, 7, 24, 3), (5, 3, 1, 4), (6, 3, 16, NULL), (7, 3, 1, 6);"
         "INSERT INTO call(event, source, position, depth, args) VALUES (1, 1, 0, 0, 18),"
         " (2, 1, 1, 1, 2), (3, 1, 2, 0, 18), (4, 1, 3, 0, 18), (5, 1, 4, 1, 2), (7, 1, 5, 1, 2);");
    struct diff_logs logs;
    struct diff_stream *s = load(&logs);
    assert_int_equal(s->n_calls, 3);
    expect_call(s, 2, "aten::mm(t: f32[2], t: f32[2]) c:aten::ones_like");
    assert_int_equal(s->scopes.p[s->scope[2]].call, (uint32_t)DIFF_NONE);
    diff_logs_release(&logs);
}

static void expect_side(const char *text, const char *file, const char *run, int64_t rank)
{
    struct diff_side side;
    if (diff_side_parse(text, &side)) fail_msg("%s: %s", text, err_text());
    assert_string_equal(side.file, file);
    if (run) assert_string_equal(side.run, run);
    else assert_null(side.run);
    assert_int_equal(side.rank, rank);
    diff_side_release(&side);
}

static void test_sides(void **unused)
{
    (void)unused;
    char with_mark[300], text[320];
    struct diff_side side;
    expect_side("a.db", "a.db", NULL, -1);
    expect_side("a.db#train", "a.db", "train", -1);
    expect_side("a.db#train@3", "a.db", "train", 3);
    expect_side("a.db#@3", "a.db", NULL, 3);
    expect_side("a.db#me@home", "a.db", "me@home", -1);
    expect_side("a#b#2", "a#b", "2", -1);
    snprintf(with_mark, sizeof with_mark, "%s/x#1.db", unit_folder());
    FILE *f = fopen(with_mark, "we");
    assert_non_null(f);
    fclose(f);
    expect_side(with_mark, with_mark, NULL, -1);
    snprintf(text, sizeof text, "%s#r#2", with_mark);
    expect_side(text, with_mark, "r#2", -1);
    unlink(with_mark);
    assert_int_equal(diff_side_parse("", &side), ERR_USAGE);
    assert_int_equal(diff_side_parse("#x", &side), ERR_USAGE);
    assert_int_equal(diff_side_parse("a.db#", &side), ERR_USAGE);
}

static int leave(void **unused)
{
    (void)unused;
    unlink(path);
    return rmdir(unit_folder());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_run),        cmocka_unit_test(test_derived_steps),
        cmocka_unit_test(test_derived_phases), cmocka_unit_test(test_several_logs),
        cmocka_unit_test(test_none),           cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_circles),        cmocka_unit_test(test_boast),
        cmocka_unit_test(test_sides),
    };
    return cmocka_run_group_tests(tests, NULL, leave);
}
