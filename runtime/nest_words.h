/* nest_words.h - the reader of a body, between its syntax and the meaning of its words.
 */
#ifndef RUNTIME_NEST_WORDS_H
#define RUNTIME_NEST_WORDS_H

#include "runtime/nest_make.h"

enum { NAME_SIZE = 32, LOCALS = 64 };

/* A value on its way: a node, or a number that has no type yet. */
struct value {
    int node; /* -1: a number */
    double r;
    int64_t i;
    bool whole;
};
struct reader {
    struct nest_maker *m;
    const char *p;
    int depth;
    struct {
        char name[NAME_SIZE];
        struct value value;
    } local[LOCALS];
    int n_locals;
};

/* ERR_USAGE with the place. */
enum err nest_bad(const struct reader *r, const char *what);
enum nest_type nest_value_type(const struct reader *r, const struct value *v); /* of a node */
/* The value as a node of that type; only numbers change theirs. */
WARN_UNUSED enum err nest_settle(struct reader *r, struct value *v, enum nest_type type);
/* The same, or an error that says what (`who`) asks for the type. */
WARN_UNUSED enum err nest_want(struct reader *r, struct value *v, enum nest_type type,
                               const char *who);
/* Function `f` of arguments; the table's only. */
WARN_UNUSED enum err nest_call(struct reader *r, const char *f, struct value *arg, int n,
                               struct value *out);
/* Any word that is followed by arguments. */
WARN_UNUSED enum err nest_word(struct reader *r, const char *word, struct value *arg, int n,
                               struct value *out);

#endif
