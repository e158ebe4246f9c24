/* timeline_page.h - what the pieces of the timeline's page share. */
#ifndef WEB_TIMELINE_PAGE_H
#define WEB_TIMELINE_PAGE_H

#include "web/timeline_view.h"
#include "web/web.h"

/* ns as a parameter of an address. */
const char *timeline_time(struct web_request *q, int64_t ts);
/* The view that the address asks for. */
enum err WARN_UNUSED timeline_view_of(struct web_request *q, const struct timeline *t,
                                      struct timeline_view *out);
/* "thread main", "stream 7", "memory in use". */
const char *timeline_label(struct web_request *q, const struct timeline_track *k);
/* What the kinds of event.kind are called: "launch". */
const char *timeline_kind_word(int kind);

/* timeline_draw.c: the view as SVG; of a timeline that is still read how many events per column. */
enum err WARN_UNUSED timeline_draw(struct web_request *q, struct html *h,
                                   const struct timeline_view *v, const char *label);
enum err WARN_UNUSED timeline_draw_coarse(struct web_request *q, struct html *h,
                                          struct timeline *t);
/* timeline_table.c: sums of the area, or of the view; tracks. */
enum err WARN_UNUSED timeline_put_area(struct web_request *q, struct html *h,
                                       const struct timeline_view *v);
/* The first events of a stretch, from the file: while the timeline is still read. */
enum err WARN_UNUSED timeline_put_rows(struct web_request *q, struct html *h);
enum err WARN_UNUSED timeline_put_tracks(struct web_request *q, struct html *h,
                                         const struct timeline_view *v);
/* timeline_slice.c: the drawer of what is selected. */
enum err WARN_UNUSED timeline_put_slice(struct web_request *q, const struct timeline_view *v);

#endif
