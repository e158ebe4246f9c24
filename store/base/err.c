/* err.c - the per-thread chain of causes. A fixed buffer: an error path must not allocate. */
#include "store/base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char chain[ERR_TEXT];

const char *err_name(enum err code)
{
    static const char *const names[] = {"OK",
#define X(code, meaning) #code,
                                        ERR_CODES(X)
#undef X
    };
    size_t n = sizeof names / sizeof *names;
    return (size_t)code < n ? names[code] : "UNKNOWN";
}

static int tracing(void)
{
    static int on = -1;
    if (on < 0) on = getenv("PLUMB_TRACE_ERRORS") != NULL;
    return on;
}

enum err err_set_at(enum err code, const char *file, int line, const char *fmt, ...)
{
    char text[sizeof chain];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    memcpy(chain, text, sizeof chain);
    if (tracing()) fprintf(stderr, "%s:%d: %s: %s\n", file, line, err_name(code), chain);
    return code;
}

enum err err_wrap(enum err code, const char *fmt, ...)
{
    char text[2 * sizeof chain];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof chain, fmt, ap);
    va_end(ap);
    size_t used = n < 0 ? 0 : (size_t)n < sizeof chain ? (size_t)n : sizeof chain - 1;
    snprintf(text + used, sizeof text - used, "%s", chain);
    memcpy(chain, text, sizeof chain - 1);
    chain[sizeof chain - 1] = 0;
    return code;
}

void err_note(enum err code, const char *file, int line)
{
    if (tracing()) fprintf(stderr, "  through %s:%d (%s)\n", file, line, err_name(code));
}

const char *err_text(void)
{
    return chain;
}
void err_clear(void)
{
    chain[0] = 0;
}

void err_require_failed(const char *id, const char *cond, const char *file, int line)
{
    fprintf(stderr, "plumb: broken precondition %s: %s (%s:%d)\n", id, cond, file, line);
    abort();
}
