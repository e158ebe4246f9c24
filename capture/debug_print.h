/* debug_print.h - DebugMode's text and its saved JSON, from any source of calls.
 *
 * A *source* gives one call after another; what it gives is valid until it is asked again. The
 * writers know nothing of where
 * calls come from: a file, the rows of a trace, a program that runs.
 */
#ifndef CAPTURE_DEBUG_PRINT_H
#define CAPTURE_DEBUG_PRINT_H

#include "capture/debug_call.h"

struct debug_source {
    /* *more is false at the end. */
    enum err (*next)(void *context, struct debug_call *out, bool *more);
    void *context;
};
/* Takes each call as it was printed; text is borrowed. */
struct debug_sink {
    enum err (*write)(void *context, struct span text);
    void *context;
};

/* State between the calls of a text; zero-initialise, release. */
struct debug_printer {
    bool hide_stacks;   /* no "# File:" lines */
    bool any;           /* a call was printed */
    struct buf summary; /* of the newest stack shown */
};
void debug_printer_release(struct debug_printer *p);

/* Appends a call as lines; each line but the first of a text begins with the newline that ends
 * the one before. */
void debug_print(struct buf *b, struct debug_printer *p, const struct debug_call *c);
/* The whole text; without_newline: it does not end in a newline. */
struct debug_text_style {
    bool hide_stacks, without_newline;
};
enum err WARN_UNUSED debug_write_text(struct debug_source *from, struct debug_text_style style,
                                      struct debug_sink *to);

/* Appends a call as an object of "logs". */
void debug_print_json(struct buf *b, const struct debug_call *c);
/* The whole file. rest: a JSON object of further members, absent none. */
enum err WARN_UNUSED debug_write_json(struct debug_source *from, struct span rest,
                                      struct debug_sink *to);

#endif
