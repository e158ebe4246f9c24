/* param.h - the address of a request and posted forms, taken apart. Pure; outside bytes get an
 * error, never more.
 *
 * Parameters are percent-decoded, '+' is a blank (application/x-www-form-urlencoded). Refused:
 * bad escapes, NUL, more than WEB_MAX_PARAMS parameters, a path that does not begin with one
 * slash.
 */
#ifndef WEB_PARAM_H
#define WEB_PARAM_H

#include "store/base/arena.h"
#include "store/base/buf.h"

enum { WEB_MAX_PARAMS = 64, WEB_MAX_ADDRESS = 8192, WEB_MAX_BODY = 1 << 20 };

struct web_param {
    const char *name, *value; /* decoded, NUL-terminated, in the arena */
};
struct web_address {
    const char *path; /* decoded */
    struct web_param params[WEB_MAX_PARAMS];
    int n_params;
};

/* Target of a request line, "/compiles?run=x". ERR_FORMAT, ERR_LIMIT, ERR_NOMEM. */
enum err WARN_UNUSED web_address_parse(struct span target, struct arena *arena,
                                       struct web_address *out);
/* Adds the pairs of a form body. */
enum err WARN_UNUSED web_form_parse(struct span body, struct arena *arena, struct web_address *out);
/* Value of the first parameter of that name; NULL when absent. */
const char *web_address_param(const struct web_address *a, const char *name);
/* Appends text percent-encoded. */
void web_encode(struct buf *out, struct span s);
/* Writes path and parameters without the one called `without` (may be NULL). */
void web_address_print(const struct web_address *a, const char *without, struct buf *out);
/* File name for Content-Disposition: letters, digits, . _ - only, at most 80, never empty or
 * hidden. */
void web_safe_name(struct span name, struct buf *out);

#endif
