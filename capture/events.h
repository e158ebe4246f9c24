/* events.h - numbers of capture/events.def, and JSON values as cells of arg and compile_metric. */
#ifndef CAPTURE_EVENTS_H
#define CAPTURE_EVENTS_H

#include "capture/events.def"
#include "store/base/json.h"
#include "store/writer.h"

#define X(name, number, meaning) CAP_TRACK_##name = number,
enum cap_track_kind { CAP_TRACK_KINDS(X) };
#undef X
#define X(name, number, meaning) CAP_EVENT_##name = number,
enum cap_event_kind { CAP_EVENT_KINDS(X) };
#undef X
#define X(name, number, meaning) CAP_EVENT_FLAG_##name = number,
enum cap_event_flag { CAP_EVENT_FLAGS(X) };
#undef X
#define X(name, number, meaning) CAP_LINK_##name = number,
enum cap_link_kind { CAP_LINK_KINDS(X) };
#undef X
#define X(name, number, meaning) CAP_COPY_##name = number,
enum cap_copy_kind { CAP_COPY_KINDS(X) };
#undef X
#define X(name, number, meaning) CAP_SYNC_##name = number,
enum cap_sync_kind { CAP_SYNC_KINDS(X) };
#undef X
#define X(name, number, meaning) CAP_ARG_##name = number,
enum cap_arg_type { CAP_ARG_TYPES(X) };
#undef X

/* Type (CAP_ARG_*) of a value and its cell; strings and nested values are interned. scratch holds
 * printed JSON. */
int64_t cap_arg_cell(struct store_writer *w, const struct json *value, struct buf *scratch,
                     struct store_cell *out);

#endif
