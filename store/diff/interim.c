/* interim.c - equal beginnings and ends only; whoever merges align.c, origins.c or compiles.c removes
 * the parts of this file that those define, and the file with the last of them. */
#include "store/diff/align.h"
#include "store/diff/origins.h"
enum err diff_origins_load(sqlite3 *db, const struct diff_stream *s, struct diff_origins *o)
{
    (void)db;
    (void)s;
    (void)o;
    return 0;
}
