/* page_overview.c - stand-in. */
#include "web/web.h"
enum err page_overview(struct web_request *q, struct html *h) { (void)q; html(h, "<p>overview</p>"); return ERR_OK; }
