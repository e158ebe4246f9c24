/* code.h - lines of text as a numbered, coloured list; each number is the link to its line. */
#ifndef WEB_CODE_H
#define WEB_CODE_H

#include "web/lines.h"
#include "web/web.h"

/* A name written at the end of a line. */
struct code_remark {
    int64_t line;     /* 1-based */
    const char *href; /* borrowed */
    struct span text; /* borrowed */
};
/* Lines that are closed until somebody opens them (or a link leads into them). */
struct code_fold {
    int64_t first, last;
};
struct code_view {
    const struct lines_window *window; /* text, numbers, and the tokenizer's state before them */
    int64_t hit;                       /* line that is meant, 0 none */
    const struct code_remark *remarks; /* ascending by line */
    size_t n_remarks;
    struct code_fold folds[2]; /* ascending */
    int n_folds;
};

/* <div class="code"><ol>...</ol></div> */
void code_write(struct html *h, const struct code_view *view);
/* One line in colours, without number. */
void code_line(struct html *h, struct hl_state *state, struct span line);

#endif
