/* cap_unit.h - what the tests of recording share: a trace of their own, and what it says. */
#ifndef TESTS_UNIT_CAP_UNIT_H
#define TESTS_UNIT_CAP_UNIT_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/cap.h"
#include "capture/cap_state.h"
#include "capture/debug_rows.h"
#include "store/db.h"
#include "tests/unit/unit.h"

static char path[64];

static inline struct cap *record(struct cap_options o)
{
    struct cap *c;
    strcpy(path, "/tmp/plumb_cap_XXXXXX");
    close(mkstemp(path));
    o.path = path;
    o.overwrite = true;
    assert_int_equal(cap_open(&o, &c), ERR_OK);
    return c;
}

static inline void finish(struct cap *c)
{
    enum err err = cap_close(c, 0);
    if (err) print_message("%s\n", err_text());
    assert_int_equal(err, ERR_OK);
}

/* A program that is killed at its end; what it recorded to is `path` then. */
static inline void run_killed(struct cap_options o, void (*program)(struct cap *))
{
    int pipes[2], status;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (!child) {
        struct cap *c = record(o);
        if (write(pipes[1], path, sizeof path) < 0) _exit(1);
        program(c);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(read(pipes[0], path, sizeof path), sizeof path);
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    close(pipes[0]);
    close(pipes[1]);
}

static inline void wait_well(pid_t child)
{
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
}

static inline int64_t ask(const char *sql)
{
    sqlite3 *db;
    int64_t n = -1;
    assert_int_equal(store_open_read(path, STORE_OPEN_DEFAULT, &db), ERR_OK);
    if (store_int(db, sql, &n)) print_message("%s\n", err_text());
    store_close(db);
    return n;
}

static inline enum err collect(void *context, struct span text)
{
    buf_span(context, text);
    return ERR_OK;
}

/* The text of a log, as plumb export prints it. */
static inline void expect_text(int64_t source, const char *expected)
{
    sqlite3 *db;
    struct debug_rows rows;
    struct buf text = {0};
    struct debug_sink sink = {collect, &text};
    assert_int_equal(store_open_read(path, STORE_OPEN_DEFAULT, &db), ERR_OK);
    assert_int_equal(debug_rows_open(&rows, db, source), ERR_OK);
    struct debug_source from = {debug_rows_next, &rows};
    enum err err = debug_write_text(&from, (struct debug_text_style){0}, &sink);
    if (err) print_message("%s\n", err_text());
    assert_int_equal(err, ERR_OK);
    assert_string_equal(text.p, expected);
    debug_rows_close(&rows);
    store_close(db);
    buf_release(&text);
    unlink(path);
}

static inline uint32_t word(struct cap *c, const char *text)
{
    return cap_word(c, span_of(text));
}

static inline uint32_t form(struct cap *c, enum dtype t, int n, int64_t a, int64_t b)
{
    struct view v;
    struct view_shape s = {.n = n, .size = {a, b}};
    assert_int_equal(view_dense(t, &s, &v), ERR_OK);
    return cap_form(c, &v);
}

static inline uint32_t use(struct cap_thread *t, uint64_t tensor, uint32_t f, enum cap_phase phase)
{
    return cap_tensor(t, &(struct cap_use){.tensor = tensor, .form = f, .phase = phase});
}

static inline void scalar(struct cap_thread *t, enum cap_scalar kind, int64_t i, uint32_t keyword)
{
    cap_scalar(t, &(struct cap_value){.kind = kind, .keyword = keyword, .i = i});
}

static inline void mlp(struct cap *c, struct cap_thread *t)
{
    uint32_t mod = word(c, "nn.Mod"), w = form(c, DTYPE_F32, 2, 16, 8),
             wt = form(c, DTYPE_F32, 2, 8, 16), b = form(c, DTYPE_F32, 1, 16, 0),
             x = form(c, DTYPE_F32, 2, 3, 8), y = form(c, DTYPE_F32, 2, 3, 16);
    cap_begin(t, CAP_MODULE, word(c, "Mlp"), mod, 0);
    cap_begin(t, CAP_MODULE, word(c, "Mlp.fc1"), mod, 0);
    cap_begin(t, CAP_OP, word(c, "aten::t"), 0, 0);
    use(t, 5, w, CAP_ARGUMENT);
    use(t, 6, wt, CAP_RESULT);
    cap_end(t);
    cap_begin(t, CAP_OP, word(c, "aten::addmm.default"), 0, 0);
    use(t, 7, b, CAP_ARGUMENT);
    use(t, 8, x, CAP_ARGUMENT);
    use(t, 6, wt, CAP_ARGUMENT);
    use(t, 9, y, CAP_RESULT);
    cap_end(t);
    cap_end(t);
    cap_end(t);
}

#endif
