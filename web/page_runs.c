/* page_runs.c - stand-in. */
#include "web/web.h"
enum err page_runs(struct web_request *q, struct html *h) { (void)q; html(h, "<p>runs</p>"); return ERR_OK; }
