/* tensor.c - storage and tensors. */
#include "runtime/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A checked build wants to see each struct end. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
static const bool keeps_spares = false;
#else
static const bool keeps_spares = true;
#endif

static void *spare_take(struct spare *s, size_t size)
{
    return s->n ? memset(s->p[--s->n], 0, size) : calloc(1, size);
}
static void spare_give(struct spare *s, void *p)
{
    if (keeps_spares && thread_self.session && s->n < SPARES) s->p[s->n++] = p;
    else free(p);
}
void tensor_spares_free(void)
{
    struct spare *s[] = {&thread_self.tensors, &thread_self.storages};
    for (int i = 0; i < 2; i++)
        while (s[i]->n) free(s[i]->p[--s[i]->n]);
}

enum err storage_new(const struct backend *backend, int64_t size, struct storage **out)
{
    struct storage *s = spare_take(&thread_self.storages, sizeof *s);
    if (!s) FAIL(ERR_NOMEM, "out of memory for a tensor");
    *s = (struct storage){.backend = backend, .size = size};
    atomic_init(&s->refs, 1);
    s->fake = thread_self.trace || thread_self.collect;
    enum err err = size && !s->fake ? backend->alloc(size, &s->p) : ERR_OK;
    if (err) {
        free(s);
        return err;
    }
    if (thread_self.ring && !thread_self.quiet && !s->fake)
        cap_alloc(thread_self.ring, (uint64_t)(uintptr_t)s->p, size);
    *out = s;
    return ERR_OK;
}

void storage_retain(struct storage *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void storage_release(struct storage *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
    if (s->size && !s->fake) {
        if (thread_self.ring && !thread_self.quiet)
            cap_alloc(thread_self.ring, (uint64_t)(uintptr_t)s->p, -s->size);
        s->backend->free(s->p, s->size);
    }
    spare_give(&thread_self.storages, s);
}

void tensor_end(struct plumb_tensor *t)
{
    storage_release(t->storage);
    spare_give(&thread_self.tensors, t);
}

uint64_t tensor_number(void)
{
    static atomic_uint_fast64_t newest;
    return atomic_fetch_add_explicit(&newest, 1, memory_order_relaxed) + 1;
}

static struct plumb_tensor *tensor_add(void)
{
    struct frame *f = thread_self.frame;
    struct plumb_tensor *t = f ? spare_take(&thread_self.tensors, sizeof *t) : NULL;
    if (!t) return NULL;
    t->number = tensor_number();
    t->frame = f;
    t->maker = thread_self.serial;
    t->next = f->tensors;
    f->tensors = t;
    return t;
}

enum err tensor_new(enum dtype dtype, const struct view_shape *shape, struct plumb_tensor **out)
{
    struct view view;
    struct storage *s;
    TRY(thread_check("a tensor"));
    TRY(view_dense(dtype, shape, &view));
    TRY(storage_new(thread_self.session->backend, view_n_bytes(&view), &s));
    struct plumb_tensor *t = tensor_add();
    if (!t) {
        storage_release(s);
        FAIL(ERR_NOMEM, "out of memory for a tensor");
    }
    t->view = view;
    t->storage = s;
    *out = t;
    return ERR_OK;
}

enum err tensor_of(struct storage *s, const struct view *view, struct plumb_tensor **out)
{
    TRY(thread_check("a view"));
    TRY(view_check_storage(view, s->size));
    struct plumb_tensor *t = tensor_add();
    if (!t) FAIL(ERR_NOMEM, "out of memory for a view");
    t->view = *view;
    t->storage = s;
    storage_retain(s);
    *out = t;
    return ERR_OK;
}

enum err tensor_view(const struct plumb_tensor *of, const struct view *view,
                     struct plumb_tensor **out)
{
    TRY(tensor_of(of->storage, view, out));
    (*out)->uninitialised = of->uninitialised;
    return ERR_OK;
}

/* Takes t off the list that it is in. The session's list is guarded by its lock. */
static void unlink_from(struct plumb_tensor **list, struct plumb_tensor *t)
{
    while (*list && *list != t) list = &(*list)->next;
    if (*list) *list = t->next;
}

void tensor_keep(struct plumb_tensor *t)
{
    struct plumb *s = thread_self.session;
    if (!t->frame) return;
    unlink_from(&t->frame->tensors, t);
    t->frame = NULL;
    if (t->made_by) t->requires_grad = false;
    t->made_by = NULL;
    pthread_mutex_lock(&s->lock);
    t->next = s->kept;
    s->kept = t;
    pthread_mutex_unlock(&s->lock);
}

void tensor_give(struct plumb_tensor *t, struct frame *f)
{
    struct plumb *s = thread_self.session;
    pthread_mutex_lock(&s->lock);
    unlink_from(&s->kept, t);
    pthread_mutex_unlock(&s->lock);
    t->frame = f;
    t->next = f->tensors;
    f->tensors = t;
}

void tensor_free(struct plumb_tensor *t)
{
    struct plumb *s = thread_self.session;
    if (!t) return;
    if (t->frame) {
        unlink_from(&t->frame->tensors, t);
    } else {
        pthread_mutex_lock(&s->lock);
        unlink_from(&s->kept, t);
        pthread_mutex_unlock(&s->lock);
    }
    tensor_end(t);
}

char *tensor_text(const struct plumb_tensor *t, char out[TENSOR_TEXT])
{
    char shape[VIEW_TEXT], stride[VIEW_TEXT];
    const char *dtype = dtype_name(t->view.dtype);
    view_shape_text(&t->view.shape, shape);
    if (view_is_contiguous(&t->view)) {
        snprintf(out, TENSOR_TEXT, "%s%s", dtype, shape);
        return out;
    }
    struct view_shape strides = {.n = t->view.shape.n};
    memcpy(strides.size, t->view.stride, sizeof strides.size);
    view_shape_text(&strides, stride);
    snprintf(out, TENSOR_TEXT, "%s%s with strides %s", dtype, shape, stride);
    return out;
}
