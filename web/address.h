/* address.h - links to places of other runs of the same file. */
#ifndef WEB_ADDRESS_H
#define WEB_ADDRESS_H

#include "web/web.h"

/* Like web_link_artifact, of any run of the file; line 0: no line. Unescaped. */
const char *web_artifact_address(struct web_request *q, struct span run, struct span log,
                                 int64_t offset, int64_t line);
/* Like web_link_compile, of any run of the file. */
const char *web_compile_address(struct web_request *q, struct span run, struct span log,
                                struct span id, int64_t occurrence);

#endif
