/* kernel_decided.h - cells of tables of decisions: columns kind, fused, a, b (with a_here, b_here
 * where one side is what the page shows), together_ns, apart_ns. */
#ifndef WEB_KERNEL_DECIDED_H
#define WEB_KERNEL_DECIDED_H

#include "web/kernel.h"

void decided_cell_verdict(struct web_cell *c);  /* joined, apart */
void decided_cell_kind(struct web_cell *c);     /* into one kernel, into one launch */
void decided_cell_pair(struct web_cell *c);     /* a and b */
void decided_cell_measured(struct web_cell *c); /* time of both together, not one by one */

#endif
