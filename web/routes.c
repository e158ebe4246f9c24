/* routes.c - the table of pages, expanded from routes.def. */
#include "web/web.h"

const struct web_page web_pages[] = {
#define PAGE(path, parent, section, label, key, title, methods, function)                          \
    {path, parent, section, label, key, title, methods, function},
#include "web/routes.def"
#undef PAGE
    {0},
};
