/* reason.h - reads the texts in which PyTorch says why: recompile reasons, break reasons,
 * failures.
 *
 * Formats: torch/_dynamo/guards.cpp and guards.py (recompiles), torch/_dynamo/exc.py (graph
 * breaks and failures) of PyTorch 2.4 to 2.13. Any other text is given back whole as its headline
 * and the rest. All spans borrow the text.
 */
#ifndef WEB_REASON_H
#define WEB_REASON_H

#include "store/base/span.h"

/* "name == 'a'", and its origin "return x + len(name)  # a.py:29 in by_name"; or both in one text
 * with "  # " between and "User stack trace:" behind. */
struct recompile_reason {
    struct span what;     /* the failed guard without its comment, one line */
    struct span subject;  /* what was guarded: name, x.size()[0], grad_mode; absent: not told */
    struct span property; /* size, dtype, requires_grad, ==; absent: not told */
    struct span place;    /* "at index 0"; empty: none */
    struct span expected; /* compiled for; absent: not told */
    struct span actual;   /* called with; absent: not told */
    struct span loc;      /* the user's line of source, absent: not told */
    struct span file;     /* its file, absent: not told */
    int64_t line;         /* its number, 0 unknown */
};
/* origin: absent when there is none, or when it stands in the text. */
struct recompile_reason reason_of_recompile(struct span text, struct span origin);

enum { REASON_HINTS = 8 };
/* "Headline\n  Explanation: ...\n  Hint: ...\n\n  Developer debug context: ...\n\n For more
 * details ... visit: URL" */
struct complaint {
    struct span preface;     /* lines before the headline; empty: none */
    struct span headline;    /* the line before the explanation, else the first */
    struct span explanation; /* absent: none */
    struct span hints[REASON_HINTS];
    int n_hints;
    struct span context; /* developer debug context, absent: none */
    struct span url;     /* page of PyTorch that explains it; shown, not linked. absent: none */
    struct span rest;    /* what follows: stacks; empty: nothing */
};
struct complaint reason_of_complaint(struct span text);

#endif
