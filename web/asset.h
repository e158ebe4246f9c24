/* asset.h - files of web/assets, compiled in with their gzip form. Served immutable under
 * /a/NAME?v=TAG. */
#ifndef WEB_ASSET_H
#define WEB_ASSET_H

#include <stddef.h>

struct web_asset {
    const char *name;
    const unsigned char *raw;
    size_t raw_size; /* bytes */
    const unsigned char *gzip;
    size_t gzip_size; /* bytes */
    const char *tag;  /* CRC-32 of the raw bytes, the ETag and the v= of its address */
};
extern const struct web_asset web_assets[]; /* ends with name == NULL */

/* What names the contents of an asset in its address; "0" when there is none. */
const char *web_asset_tag(const char *name);

#endif
