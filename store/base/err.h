/* err.h - error codes, the per-thread chain of causes, and checks for callers' bugs.
 *
 * A fallible function returns `enum err`. The place that fails first calls FAIL(...), which
 * starts the chain with a sentence: what was wrong, where, and what would be accepted. Callers
 * forward with TRY(...), or add a clause of their own with err_wrap. Only plumb.c prints the chain.
 *
 * Threads: the chain is thread-local. A worker that fails copies err_text() for its joiner.
 */
#ifndef STORE_BASE_ERR_H
#define STORE_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define WARN_UNUSED       __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* code, meaning */
#define ERR_CODES(X)                                                                               \
    X(NOMEM, "out of memory")                                                                      \
    X(IO, "input or output failed")                                                                \
    X(FULL, "no space left")                                                                       \
    X(FORMAT, "bytes are not in the expected format")                                              \
    X(VERSION, "written by another version of the format")                                         \
    X(SQL, "SQLite refused")                                                                       \
    X(USAGE, "the command line is wrong")                                                          \
    X(NOT_FOUND, "there is no such thing")                                                         \
    X(EXISTS, "it is there already")                                                               \
    X(LIMIT, "a limit was reached")                                                                \
    X(CANCELLED, "cancelled")                                                                      \
    X(REFUSED, "refused for safety")                                                               \
    X(UNSUPPORTED, "not available on this machine or in this build")

enum err {
    ERR_OK = 0,
#define X(code, meaning) ERR_##code,
    ERR_CODES(X)
#undef X
};

/* The constant name of a code, "NOMEM" for ERR_NOMEM, "OK" for 0. Borrowed, static. */
const char *err_name(enum err code);

/* Starts a new chain with a formatted sentence and returns `code`. Use FAIL or err_set. */
enum err err_set_at(enum err code, const char *file, int line, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Puts a clause before the chain ("reading a.log: " + rest) and returns `code`. */
enum err err_wrap(enum err code, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Notes that an error passed here (kept for `PLUMB_TRACE_ERRORS=1`); used by TRY. */
void err_note(enum err code, const char *file, int line);

enum { ERR_TEXT = 4096 }; /* bytes that any chain fits in, with its end */
/* The chain of this thread as one sentence; "" when none. Borrowed until the next err_set. */
const char *err_text(void);
void err_clear(void);

#define err_set(code, ...) err_set_at((code), __FILE__, __LINE__, __VA_ARGS__)
#define FAIL(code, ...)    return err_set_at((code), __FILE__, __LINE__, __VA_ARGS__)
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        enum err try_err_ = (expr);                                                                \
        if (try_err_) {                                                                            \
            err_note(try_err_, __FILE__, __LINE__);                                                \
            return try_err_;                                                                       \
        }                                                                                          \
    } while (0)
/* Forwards to the label `out`, with the code in the local variable `err`. */
#define TRY_OUT(expr)                                                                              \
    do {                                                                                           \
        err = (expr);                                                                              \
        if (err) {                                                                                 \
            err_note(err, __FILE__, __LINE__);                                                     \
            goto out;                                                                              \
        }                                                                                          \
    } while (0)

/* A caller's bug: prints `id` and the condition, then aborts. Never for outside bytes. */
#define REQUIRE(id, cond)                                                                          \
    do {                                                                                           \
        if (!(cond)) err_require_failed(id, #cond, __FILE__, __LINE__);                            \
    } while (0)
_Noreturn void err_require_failed(const char *id, const char *cond, const char *file, int line);

#endif
