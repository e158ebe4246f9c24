/* page_compile.c - stand-in. */
#include "web/web.h"
enum err page_compile(struct web_request *q, struct html *h) { (void)q; html(h, "<p>compile</p>"); return ERR_OK; }
