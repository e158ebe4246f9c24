/* progress.c - draws over its own line; nothing at all when standard error is no terminal. */
#include "capture/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/base/clock.h"

enum { BAR = 30 };

void progress_init(struct progress *p)
{
    const char *term = getenv("TERM");
    *p = (struct progress){.on = isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb")),
                           .start = clock_mono()};
}

static void print_remaining(double seconds)
{
    if (seconds < 90) fprintf(stderr, "%.0f s left", seconds);
    else if (seconds < 5400) fprintf(stderr, "%.0f min left", seconds / 60);
    else fprintf(stderr, "%.1f h left", seconds / 3600);
}

void progress_show(struct progress *p, int64_t done, int64_t total, int64_t text)
{
    double seconds = (double)(clock_mono() - p->start) / 1e9;
    if (!p->on || seconds < 0.2) return;
    p->drawn = true;
    fprintf(stderr, "\r\033[K");
    if (total > 0) {
        double share = done < total ? (double)done / (double)total : 1;
        char bar[BAR + 1];
        for (int i = 0; i < BAR; i++) bar[i] = i < share * BAR ? '#' : '.';
        bar[BAR] = 0;
        fprintf(stderr, "[%s] %3.0f %%  ", bar, share * 100);
    }
    fprintf(stderr, "%.1f MB  %.0f MB/s", (double)text / 1e6, (double)text / 1e6 / seconds);
    if (total > 0 && done > 0 && done < total) {
        fprintf(stderr, "  ");
        print_remaining(seconds * (double)(total - done) / (double)done);
    }
    fflush(stderr);
}

void progress_clear(struct progress *p)
{
    if (p->drawn) fprintf(stderr, "\r\033[K");
    p->drawn = false;
}
