/* work_gpt.c - a transformer that learns to write: two blocks, two heads, characters of a small
 * grammar.
 *
 *   x = wte[token] + wpe[position]
 *   block:  x = x + proj(attention(qkv(ln_1 x)));   x = x + down(gelu(up(ln_2 x)))
 *   loss = cross entropy of head(ln_f x) with the next character
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/work.h"

enum { BLOCKS = 2, HEADS = 2, WIDTH = 32, CONTEXT = 32, MAX_BATCH = 256, SAMPLE = 48 };
enum { VOCABULARY = 29 }; /* a to z, blank, full stop, anything else */
enum { TEXT_SIZE = 1 << 16 };

struct block {
    struct plumb_tensor *ln1, *ln1_b, *qkv, *qkv_b, *proj, *proj_b, *ln2, *ln2_b, *up, *up_b, *down,
        *down_b;
};
struct gpt {
    const struct work *w;
    struct plumb_tensor *wte, *wpe, *ln, *ln_b, *head;
    struct block block[BLOCKS];
    struct work_adamw adamw;
    struct work_function loss, next;
    char *text;
};

/* ---- characters ---- */

static int64_t code_of(char c)
{
    if (c >= 'a' && c <= 'z') return c - 'a';
    return c == ' ' ? 26 : c == '.' ? 27 : 28;
}
static char char_of(int64_t code)
{
    return code < 26 ? (char)('a' + code) : code == 26 ? ' ' : code == 27 ? '.' : '?';
}

/* ---- the model ---- */

static struct plumb_tensor *weight(struct gpt *g, const char *name, int64_t rows, int64_t columns)
{
    struct plumb_tensor *t =
        work_parameter(g->w, name, 1 / sqrt((double)columns), 2, (int64_t[]){rows, columns});
    work_adamw_add(&g->adamw, t);
    return t;
}
static struct plumb_tensor *vector(struct gpt *g, const char *name, double value, int64_t n)
{
    struct plumb_tensor *t = work_constant(g->w, name, value, 1, &n);
    work_adamw_add(&g->adamw, t);
    return t;
}

static void make_block(struct gpt *g, int i)
{
    struct block *b = &g->block[i];
    char name[32];
#define NAMED(part) (snprintf(name, sizeof name, "h.%d.%s", i, part), name)
    b->ln1 = vector(g, NAMED("ln_1.weight"), 1, WIDTH);
    b->ln1_b = vector(g, NAMED("ln_1.bias"), 0, WIDTH);
    b->qkv = weight(g, NAMED("attn.qkv.weight"), 3 * WIDTH, WIDTH);
    b->qkv_b = vector(g, NAMED("attn.qkv.bias"), 0, 3 * WIDTH);
    b->proj = weight(g, NAMED("attn.proj.weight"), WIDTH, WIDTH);
    b->proj_b = vector(g, NAMED("attn.proj.bias"), 0, WIDTH);
    b->ln2 = vector(g, NAMED("ln_2.weight"), 1, WIDTH);
    b->ln2_b = vector(g, NAMED("ln_2.bias"), 0, WIDTH);
    b->up = weight(g, NAMED("mlp.up.weight"), 4 * WIDTH, WIDTH);
    b->up_b = vector(g, NAMED("mlp.up.bias"), 0, 4 * WIDTH);
    b->down = weight(g, NAMED("mlp.down.weight"), WIDTH, 4 * WIDTH);
    b->down_b = vector(g, NAMED("mlp.down.bias"), 0, WIDTH);
#undef NAMED
}

static void make(struct gpt *g)
{
    g->wte = weight(g, "wte.weight", VOCABULARY, WIDTH);
    g->wpe = weight(g, "wpe.weight", CONTEXT, WIDTH);
    for (int i = 0; i < BLOCKS; i++) make_block(g, i);
    g->ln = vector(g, "ln_f.weight", 1, WIDTH);
    g->ln_b = vector(g, "ln_f.bias", 0, WIDTH);
    g->head = weight(g, "head.weight", VOCABULARY, WIDTH);
}

/* Scopes are named as PyTorch names modules: Gpt.h.0.attn.qkv. */
static void enter(int block, const char *part)
{
    char name[48];
    snprintf(name, sizeof name, block < 0 ? "Gpt%s%s" : "Gpt.h.%3$d%1$s%2$s", *part ? "." : "",
             part, block);
    plumb_module_begin(name);
}
#define leave plumb_module_end

static struct plumb_tensor *linear(int block, const char *name, struct plumb_tensor *x,
                                   struct plumb_tensor *w, struct plumb_tensor *b)
{
    enter(block, name);
    x = plumb_linear(x, w, b);
    leave();
    return x;
}

static struct plumb_tensor *norm(int block, const char *name, struct plumb_tensor *x,
                                 struct plumb_tensor *w, struct plumb_tensor *b)
{
    enter(block, name);
    x = plumb_layer_norm(x, (int64_t[]){WIDTH}, 1, w, b, 1e-5, true);
    leave();
    return x;
}

static struct plumb_tensor *attention(int i, const struct block *b, struct plumb_tensor *x,
                                      int64_t batch, int64_t length)
{
    struct plumb_tensor *q[3];
    enter(i, "attn");
    x = linear(i, "attn.qkv", x, b->qkv, b->qkv_b);
    x = plumb_view(x, (int64_t[]){batch, length, 3, HEADS, WIDTH / HEADS}, 5);
    x = plumb_permute(x, (int64_t[]){2, 0, 3, 1, 4}, 5);
    for (int k = 0; k < 3; k++) q[k] = plumb_select_int(x, 0, k);
    x = plumb_scaled_dot_product_attention(q[0], q[1], q[2], NULL, 0, true);
    x = plumb_permute(x, (int64_t[]){0, 2, 1, 3}, 4);
    x = plumb_reshape(x, (int64_t[]){batch, length, WIDTH}, 3);
    x = linear(i, "attn.proj", x, b->proj, b->proj_b);
    leave();
    return x;
}

static struct plumb_tensor *feed_forward(int i, const struct block *b, struct plumb_tensor *x)
{
    enter(i, "mlp");
    x = linear(i, "mlp.up", x, b->up, b->up_b);
    x = plumb_gelu(x, "tanh");
    x = linear(i, "mlp.down", x, b->down, b->down_b);
    leave();
    return x;
}

static struct plumb_tensor *block(const struct gpt *g, int i, struct plumb_tensor *x, int64_t batch,
                                  int64_t length)
{
    const struct block *b = &g->block[i];
    enter(i, "");
    struct plumb_tensor *y = norm(i, "ln_1", x, b->ln1, b->ln1_b);
    x = plumb_add(x, attention(i, b, y, batch, length));
    x = plumb_add(x, feed_forward(i, b, norm(i, "ln_2", x, b->ln2, b->ln2_b)));
    leave();
    return x;
}

/* Logits [batch, length, VOCABULARY] of tokens [batch, length]. */
static struct plumb_tensor *forward(const struct gpt *g, struct plumb_tensor *tokens)
{
    int64_t batch = plumb_size(tokens, 0), length = plumb_size(tokens, 1), place[CONTEXT];
    for (int64_t i = 0; i < length; i++) place[i] = i;
    enter(-1, "");
    enter(-1, "wte");
    struct plumb_tensor *x = plumb_embedding(g->wte, tokens, -1, false, false);
    leave();
    enter(-1, "wpe");
    struct plumb_tensor *at = plumb_tensor(PLUMB_I64, 1, &length, place);
    x = plumb_add(x, plumb_embedding(g->wpe, at, -1, false, false));
    leave();
    for (int i = 0; i < BLOCKS; i++) x = block(g, i, x, batch, length);
    x = norm(-1, "ln_f", x, g->ln, g->ln_b);
    x = linear(-1, "head", x, g->head, NULL);
    leave();
    return x;
}

/* ---- training ---- */

/* Tokens and the characters that follow them to the loss. */
static int loss_of(void *context, struct plumb_tensor *const *in, int n_in,
                   struct plumb_tensor **out, int n_out)
{
    int64_t n = plumb_count(in[1]);
    (void)n_in, (void)n_out;
    struct plumb_tensor *y = plumb_view(forward(context, in[0]), (int64_t[]){n, VOCABULARY}, 2);
    *out = plumb_cross_entropy_loss(y, in[1], NULL, PLUMB_MEAN, -100, 0);
    return *out ? 0 : -1;
}

static int step(struct work *w, struct gpt *g, int64_t i)
{
    static _Thread_local int64_t in[MAX_BATCH * CONTEXT], next[MAX_BATCH * CONTEXT];
    uint64_t state = w->seed * 7919u + (uint64_t)i;
    int64_t batch = work_batch(w, i), n = batch * CONTEXT;
    for (int64_t b = 0; b < batch; b++) {
        const char *at = g->text + work_random(&state) % (TEXT_SIZE - CONTEXT - 2);
        for (int k = 0; k < CONTEXT; k++) {
            in[b * CONTEXT + k] = code_of(at[k]);
            next[b * CONTEXT + k] = code_of(at[k + 1]);
        }
    }
    struct plumb_tensor *tokens = plumb_tensor(PLUMB_I64, 2, (int64_t[]){batch, CONTEXT}, in);
    struct plumb_tensor *label = plumb_tensor(PLUMB_I64, 1, &n, next);
    struct plumb_tensor *loss;
    if (work_call(&g->loss, (struct plumb_tensor *[]){tokens, label}, 2, &loss, 1)) return -1;
    if (plumb_backward(loss) || work_adamw_step(&g->adamw)) return -1;
    work_loss(w, i, plumb_item(loss));
    return 0;
}

/* Tokens and the place of the last one to the most likely next. */
static int next_of(void *context, struct plumb_tensor *const *in, int n_in,
                   struct plumb_tensor **out, int n_out)
{
    (void)n_in, (void)n_out;
    struct plumb_tensor *y = plumb_select_int(forward(context, in[0]), 0, 0);
    *out = plumb_argmax(plumb_index_select(y, 0, in[1]), NULL, false);
    return *out ? 0 : -1;
}

/* A place sees none behind it, so what is there does not matter: lengths are rounded up, and few
 * shapes are met. */
enum { ROUND = 8 };
static int next(const struct gpt *g, const char *text, int64_t length, int64_t *best)
{
    int64_t code[CONTEXT] = {0}, size[] = {1, (length + ROUND - 1) / ROUND * ROUND}, one = 1;
    int64_t last = length - 1;
    for (int64_t i = 0; i < length; i++) code[i] = code_of(text[i]);
    struct plumb_tensor *in[] = {plumb_tensor(PLUMB_I64, 2, size, code),
                                 plumb_tensor(PLUMB_I64, 1, &one, &last)};
    struct plumb_tensor *y;
    if (work_call(&g->next, in, 2, &y, 1)) return -1;
    return plumb_read(y, best, sizeof *best);
}

/* Writes on, always the most likely character. */
static int sample(const struct work *w, const struct gpt *g)
{
    char text[SAMPLE + 2] = "t";
    int64_t best = 0;
    plumb_no_grad_begin();
    for (int n = 1; n <= SAMPLE; n++) {
        int64_t length = n < CONTEXT ? n : CONTEXT;
        if (plumb_frame_begin()) return -1;
        int rc = next(g, text + n - length, length, &best);
        plumb_frame_end();
        if (rc) return -1;
        text[n] = char_of(best);
    }
    plumb_no_grad_end();
    if (w->progress) fprintf(w->progress, "  it writes: %s\n", text);
    return 0;
}

static int train(struct work *w, struct gpt *g)
{
    for (int64_t i = 0; i < w->steps; i++) {
        if (plumb_frame_begin()) return -1;
        plumb_step_begin(i);
        int rc = step(w, g, i);
        plumb_step_end();
        plumb_frame_end();
        if (rc) return -1;
    }
    return sample(w, g);
}

int work_gpt(struct work *w)
{
    struct gpt g = {.w = w, .text = malloc(TEXT_SIZE)};
    w->first = w->last = NAN;
    if (!g.text) return -1;
    if (w->batch > MAX_BATCH) w->batch = MAX_BATCH;
    work_text(w->seed, g.text, TEXT_SIZE);
    work_adamw_begin(w, &g.adamw, 0.003, 0.01);
    work_function(w, &g.loss, "loss", loss_of, &g);
    work_function(w, &g.next, "next", next_of, &g);
    make(&g);
    int rc = train(w, &g);
    free(g.text);
    return rc;
}
