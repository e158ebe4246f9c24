/* call_log.h - the logs of calls of a run: which one is shown, all of them, one as text. */
#ifndef WEB_CALL_LOG_H
#define WEB_CALL_LOG_H

#include "web/web.h"

/* The log that is shown. */
struct call_log {
    struct span name, thread, state, format;
    int64_t source, rank, calls, lost, n_logs, all_calls;
    bool hashed;
};
/* The log that `log` names, else the longest; name is absent when there is none such. n_logs and
 * all_calls are of the run. */
enum err WARN_UNUSED call_log_read(struct web_request *q, struct call_log *log);
/* The section with all logs of the run. */
enum err WARN_UNUSED call_log_write_all(struct web_request *q, struct html *h);
/* Answers with what `plumb export --debug-text` writes. */
enum err WARN_UNUSED call_log_send(struct web_request *q, struct html *h,
                                   const struct call_log *log);

#endif
