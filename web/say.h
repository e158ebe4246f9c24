/* say.h - the texts of reason.h as markup. */
#ifndef WEB_SAY_H
#define WEB_SAY_H

#include "web/web.h"

/* Headline, explanation, hints; the rest and stacks behind a fold. Nothing of the text is left
 * out. */
void say_complaint(struct html *h, struct span text);
/* A stack as stack_text writes it, folded when it is long; nothing when absent. title: "User
 * stack". */
void say_stack(struct html *h, const char *title, struct span text);

#endif
