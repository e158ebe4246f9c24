/* calls.h - rows of recorded calls as the pages show them. */
#ifndef WEB_CALLS_H
#define WEB_CALLS_H

#include "web/web.h"

/* A row of call_rows, call_filter or call; spans live as long as the request. */
struct calls_row {
    int64_t position, event, parent, kind; /* kind: event.kind; parent STORE_NULL: none */
    int64_t hashes;                        /* uses with a hash */
    int64_t nonfinite; /* NaN or infinity: 1 an argument has one, 2 a result, 3 both */
    int64_t stack, flags, ts, dur;
    struct span name, args, kwargs, output, rest, placements, hashes_in, hashes_out;
    struct span step; /* that it stands in directly, absent none */
};
void calls_read(struct web_request *q, sqlite3_stmt *s, struct calls_row *out);

/* At most n bytes, cut between characters. */
struct span calls_head(struct span s, size_t n);
/* The name as DebugMode shows it: aten::mm, [nn.Mod] Net.a, redistribute_input; at most what a
 * table needs of a long one. */
void calls_name(struct html *h, const struct calls_row *c);
/* What stands between its brackets, what it gave: at most SHOWN bytes, the whole as title. */
void calls_arguments(struct html *h, const struct calls_row *c);
void calls_result(struct html *h, const struct calls_row *c);
/* A digest by its first 8 digits, a norm in 7, all of it as title; a dash for none. `differs`: in
 * the colour of it. */
void calls_hash(struct html *h, struct span hash, bool differs);
/* Hashes, each by its first digits, the whole as title. n: how many at most. */
void calls_hashes(struct html *h, struct span hashes, int n);
/* A NaN or an infinity was read or made; nothing otherwise. */
void calls_nonfinite_mark(struct html *h, int64_t nonfinite);

/* Address of a call of the log that is shown. */
const char *calls_link(struct web_request *q, struct span log, int64_t position);
/* A number of a tensor in 6 digits, with all that it takes to read it back as title. */
void calls_number(struct html *h, double v);

#endif
