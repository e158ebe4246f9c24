/* record_folder.c - the private folders into which an observed program writes. */
#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture/record.h"

enum err record_make_folder(char *path, size_t size)
{
    const char *place = getenv("TMPDIR");
    if (!place || !*place) place = "/tmp";
    snprintf(path, size, "%s/plumb-record-XXXXXX", place);
    if (mkdtemp(path)) return ERR_OK;
    int why = errno;
    path[0] = 0;
    FAIL(why == ENOSPC ? ERR_FULL : ERR_IO, "no folder for logs can be made in %s: %s", place,
         strerror(why));
}

void record_remove_folder(const char *path)
{
    char *roots[] = {(char *)path, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!tree) return;
    for (FTSENT *e; (e = fts_read(tree));) {
        if (e->fts_info == FTS_DP) rmdir(e->fts_accpath);
        else if (e->fts_info != FTS_D) unlink(e->fts_accpath);
    }
    fts_close(tree);
}
