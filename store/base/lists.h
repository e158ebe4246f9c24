/* lists.h - the one way to declare growing arrays: LIST_PUSH over {p, n, size}. */
#ifndef STORE_BASE_LISTS_H
#define STORE_BASE_LISTS_H

#include <stdlib.h>

/* A struct with members `T *p; size_t n; size_t size;`. */
#define LIST_OF(T)                                                                                 \
    struct {                                                                                       \
        T *p;                                                                                      \
        size_t n, size;                                                                            \
    }

/* Makes room for one more item and evaluates to a pointer to it, or NULL when out of memory. */
#define LIST_PUSH(list)                                                                            \
    ((list)->n == (list)->size &&                                                                  \
             !list_grow((void **)&(list)->p, &(list)->size, sizeof *(list)->p)                     \
         ? NULL                                                                                    \
         : &(list)->p[(list)->n++])
#define LIST_RELEASE(list) (free((list)->p), (list)->p = NULL, (list)->n = (list)->size = 0)

static inline int list_grow(void **p, size_t *size, size_t item)
{
    size_t more = *size ? *size * 2 : 8;
    size_t bytes;
    if (__builtin_mul_overflow(more, item, &bytes)) return 0;
    void *fresh = realloc(*p, bytes);
    if (!fresh) return 0;
    *p = fresh;
    *size = more;
    return 1;
}

#endif
