/* address.c - addresses put together by percent-encoding each part. */
#include "web/address.h"

#include "web/param.h"

static void begin(struct web_request *q, struct buf *b, const char *path, struct span run,
                  struct span log)
{
    buf_printf(b, "%s?", path);
    if (q->file > 0) buf_printf(b, "file=%d&", q->file);
    if (run.p) {
        buf_puts(b, "run=");
        web_encode(b, run);
        buf_putc(b, '&');
    }
    if (log.p) {
        buf_puts(b, "log=");
        web_encode(b, log);
        buf_putc(b, '&');
    }
}

static const char *keep(struct web_request *q, struct buf *b)
{
    struct span kept = arena_copy(&q->arena, buf_text(b));
    buf_release(b);
    return kept.p ? kept.p : "/";
}

const char *web_artifact_address(struct web_request *q, struct span run, struct span log,
                                 int64_t offset, int64_t line)
{
    struct buf b = {0};
    begin(q, &b, "/artifact", run, log);
    buf_printf(&b, "at=%lld", (long long)offset);
    if (line > 0) buf_printf(&b, "&line=%lld#L%lld", (long long)line, (long long)line);
    return keep(q, &b);
}

const char *web_compile_address(struct web_request *q, struct span run, struct span log,
                                struct span id, int64_t occurrence)
{
    struct buf b = {0};
    begin(q, &b, "/compile", run, log);
    buf_puts(&b, "compile_id=");
    web_encode(&b, id);
    if (occurrence > 1) buf_printf(&b, "&occurrence=%lld", (long long)occurrence);
    return keep(q, &b);
}
