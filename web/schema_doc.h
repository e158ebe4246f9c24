/* schema_doc.h - tables, views, columns and what they mean, read from the text of
 * store/schema.sql that is compiled in. */
#ifndef WEB_SCHEMA_DOC_H
#define WEB_SCHEMA_DOC_H

#include "store/base/span.h"

/* All spans borrow the schema's text. */
struct schema_column {
    struct span name, type, comment; /* type: absent for a view */
};
struct schema_object {
    bool view;
    struct span name;
    struct span comment; /* the lines of prose above it, with their leading "-- " */
    struct span body;    /* lines of its columns */
};

/* The next table or view of a schema text; false at the end. Indices and everything else are
 * passed over. */
bool schema_next(struct span *rest, struct schema_object *out);
/* The next column of an object; *rest begins as its body. */
bool schema_column_next(struct span *rest, struct schema_column *out);
/* The first sentence of a comment, without the marks of the comment, in one line: at most n-1
 * bytes into out. */
void schema_sentence(struct span comment, char *out, size_t n);

#endif
