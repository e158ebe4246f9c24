/* page_compiles.c - stand-in. */
#include "web/web.h"
enum err page_compiles(struct web_request *q, struct html *h) { (void)q; html(h, "<p>compiles</p>"); return ERR_OK; }
