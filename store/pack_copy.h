/* pack_copy.h - copies the recorded part of a trace into a new file, leaving out or rewriting
 * what a plan says. Private to pack. */
#ifndef STORE_PACK_COPY_H
#define STORE_PACK_COPY_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "store/base/map.h"
#include "store/redact.h"

enum { PACK_ARTIFACT_CUT = 8 /* bit of artifact.flags */ };

struct pack_plan {
    struct map cut;            /* ids of artifacts whose bytes are left out (map_key_int(id, 0)) */
    bool cut_events;           /* leave out event, arg, track and the records of events */
    struct redactor *redactor; /* NULL: words stay; borrowed */
    const atomic_bool *stop;   /* may be NULL */
};
/* ERR_CANCELLED when it is to stop. */
static inline enum err WARN_UNUSED pack_go_on(const atomic_bool *stop)
{
    if (!stop || !atomic_load_explicit(stop, memory_order_relaxed)) return ERR_OK;
    FAIL(ERR_CANCELLED, "packing was interrupted; nothing was written");
}
struct pack_copied {
    int64_t n_cut, cut_bytes;      /* artifacts left out */
    int64_t n_events, event_bytes; /* event rows and bytes of event records left out */
};

/* Makes the file at `to` (which must not exist). */
enum err WARN_UNUSED pack_copy(sqlite3 *from, const char *to, const struct pack_plan *plan,
                               struct pack_copied *out);

/* Streams: store/pack_text.c. Where an artifact or another remembered byte is after rewriting. */
struct pack_place {
    int64_t offset, stored, size;
    unsigned char md5[16];
    bool has_md5; /* md5 and size were computed anew */
    bool cut;
};
struct pack_places {
    struct map artifacts; /* map_key_int(id, 0) -> index */
    struct map
        offsets; /* map_key_int(source, old offset) -> new offset, of record starts and losses */
    struct map sizes;     /* map_key_int(source, 0) -> bytes of the new stream */
    struct pack_place *p; /* owned */
    size_t n, size;
};
void pack_places_release(struct pack_places *places);
/* Rewrites all streams into `to` and fills places. */
enum err WARN_UNUSED pack_text(sqlite3 *from, sqlite3 *to, const struct pack_plan *plan,
                               struct pack_places *places, struct pack_copied *out);

#endif
