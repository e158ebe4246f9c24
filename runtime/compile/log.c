/* log.c - what a compile tells the recorder. */
#include "runtime/compile/log.h"
void compile_log_start(struct compile_log *l)
{
    (void)l;
}
void compile_log_recompile(struct compile_log *l, int p, const char *r)
{
    (void)l;
    (void)p;
    (void)r;
}
void compile_log_break(struct compile_log *l, const char *r)
{
    (void)l;
    (void)r;
}
void compile_log_graph(struct compile_log *l, const char *s, const struct graph *g)
{
    (void)l;
    (void)s;
    (void)g;
}
void compile_log_pass(struct compile_log *l, const char *a, const char *b, const struct graph *g,
                      const struct pass_result *r)
{
    (void)l;
    (void)a;
    (void)b;
    (void)g;
    (void)r;
}
void compile_log_partition(struct compile_log *l, const struct graph *j,
                           const struct joint_split *s)
{
    (void)l;
    (void)j;
    (void)s;
}
void compile_log_program(struct compile_log *l, const char *p, const struct program *q)
{
    (void)l;
    (void)p;
    (void)q;
}
void compile_log_guards(struct compile_log *l)
{
    (void)l;
}
void compile_log_cache(struct compile_log *l, const char *c, bool h, const char *k)
{
    (void)l;
    (void)c;
    (void)h;
    (void)k;
}
void compile_log_failure(struct compile_log *l, const char *t, const char *r)
{
    (void)l;
    (void)t;
    (void)r;
}
void compile_log_end(struct compile_log *l)
{
    (void)l;
}
