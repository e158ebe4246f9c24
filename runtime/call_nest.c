/* call_nest.c - a loop nest that a run function makes, array by array. */
#include "runtime/call_nest.h"

void call_nest_begin(struct call_nest *n, struct op_call *c, const char *body,
                     const struct view_shape *shape, unsigned inner)
{
    n->c = c;
    n->nest = (struct op_nest){.body = body, .plan = &n->plan};
    plan_begin(&n->space, &n->plan, shape, inner);
}

static void add(struct call_nest *n, const char *name, struct plumb_tensor *t, int first)
{
    int i = n->nest.n_read + n->nest.n_written;
    n->nest.tensor[i] = t;
    n->nest.name[i] = name;
    plan_add_at(&n->space, &t->view, first);
}

void call_nest_read(struct call_nest *n, const char *name, struct plumb_tensor *t, int first)
{
    if (!t) return;
    add(n, name, t, first);
    n->nest.n_read++;
}

void call_nest_write(struct call_nest *n, const char *name, struct plumb_tensor *t, int first)
{
    if (!t) return;
    add(n, name, t, first);
    n->nest.n_written++;
}

void call_nest_number(struct call_nest *n, const char *name, const struct op_value *v)
{
    n->nest.param[n->nest.n_params] = name;
    n->nest.value[n->nest.n_params++] = *v;
}

enum err call_nest_run(struct call_nest *n)
{
    return op_nest_run(n->c, &n->nest);
}
