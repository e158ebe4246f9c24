/* progress.h - one line on a terminal that says how far a long work is. */
#ifndef CAPTURE_PROGRESS_H
#define CAPTURE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool on;       /* standard error is a terminal */
    int64_t start; /* ns */
    bool drawn;
};

void progress_init(struct progress *p);
/* Draws: bar, share, rate, remaining time. total 0: not known. */
void progress_show(struct progress *p, int64_t done, int64_t total, int64_t text);
/* Wipes the line. */
void progress_clear(struct progress *p);

#endif
