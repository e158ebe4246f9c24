/* fusion_page.h - the parts of the page of fusion, and the graph as files. */
#ifndef WEB_FUSION_PAGE_H
#define WEB_FUSION_PAGE_H

#include "web/fusion_view.h"
#include "web/web.h"

/* Address of the program of a row of fusion_phases. */
const char *fusion_program_link(struct web_request *q, sqlite3_stmt *s);
/* The selected kernel: facts, neighbours, members, what was refused. */
enum err WARN_UNUSED fusion_put_drawer(struct web_request *q, const struct fusion_view *v);

/* The drawing of a large graph, for plumb_graph.js; href: where a click leads, without sel. */
void fusion_draw_large(struct html *h, const struct fusion_view *v, const char *href,
                       const char *label);
/* The graph for Graphviz. */
void fusion_write_dot(struct buf *out, const struct fusion_view *v);
/* The drawing as a file of its own, with its colours, light and dark. */
void fusion_write_svg(struct html *h, const struct fusion_view *v);

#endif
