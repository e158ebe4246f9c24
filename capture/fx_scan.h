/* fx_scan.h - tokens of the Python that FX prints, and where a statement ends.
 *
 * A statement ends at a `;` or line end outside brackets. Inside brackets it goes on over lines
 * that are indented deeper than its first, or begin with a closing bracket; so an unbalanced
 * bracket spoils one block only.
 */
#ifndef CAPTURE_FX_SCAN_H
#define CAPTURE_FX_SCAN_H

#include "store/base/span.h"

enum fx_token_kind {
    FX_END,  /* line end or end of the text; not consumed */
    FX_NAME, /* identifier with dots */
    FX_NUMBER,
    FX_STRING, /* with its quotes */
    FX_OPEN,
    FX_CLOSE,
    FX_MARK /* operator (longest run), or one of , ; : . */
};
struct fx_token {
    enum fx_token_kind kind;
    struct span text;
    uint32_t line;
};
struct fx_scan {
    const char *p, *end;
    size_t indent; /* of the first line of the statement */
    int depth;     /* open brackets */
    uint32_t line; /* of p */
};

struct fx_token fx_scan_next(struct fx_scan *s);
/* Moves to the line end that ends the statement. */
void fx_scan_skip_line(struct fx_scan *s);

#endif
