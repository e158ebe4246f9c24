/* fusion_overlay.c - what heads of kernels show: a number as text and as one of five colours. */
#include <math.h>
#include <stdio.h>

#include "web/fusion_view.h"
#include "web/html.h"

double fusion_overlay_value(const struct fusion_kernel *k, enum fusion_overlay over)
{
    int64_t bytes =
        k->reads == STORE_NULL || k->writes == STORE_NULL ? STORE_NULL : k->reads + k->writes;
    if (over == OVER_RATE) return k->bytes_per_ns;
    int64_t n = over == OVER_TIME ? k->p50_ns : over == OVER_BYTES ? bytes : STORE_NULL;
    return n == STORE_NULL ? NAN : (double)n;
}

/* What is known of the results of its first launch. */
static void digest_text(const struct fusion_kernel *k, char text[32])
{
    if (k->nonfinite > 0) snprintf(text, 32, "NaN or infinity");
    else if (k->digests > 0)
        snprintf(text, 32, "%lld digest%s", (long long)k->digests, k->digests == 1 ? "" : "s");
    else if (k->results > 0) snprintf(text, 32, "no digest");
}

static const char *digest_class(const struct fusion_kernel *k)
{
    return k->nonfinite > 0 ? "fbadf" : k->digests > 0 ? "c2" : "box dash";
}

void fusion_overlay_text(const struct fusion_kernel *k, enum fusion_overlay over, char text[32])
{
    struct buf b = {0};
    double v = fusion_overlay_value(k, over);
    text[0] = 0;
    if (over == OVER_DTYPE) {
        size_t end = span_find(k->type, SPAN("["), 0);
        snprintf(text, 32, "%.*s", (int)(end == SIZE_MAX || end > 20 ? 0 : end), k->type.p);
        return;
    }
    if (over == OVER_DIGEST) {
        digest_text(k, text);
        return;
    }
    if (isnan(v)) return;
    if (over == OVER_RATE) snprintf(text, 32, v < 10 ? "%.2f GB/s" : "%.0f GB/s", v);
    else html_number(&b, over == OVER_TIME ? 't' : 'b', html_of_int((int64_t)v));
    if (b.p) snprintf(text, 32, "%s", b.p);
    buf_release(&b);
}

static const char *kind_class(const struct fusion_kernel *k)
{
    return span_is(k->role, "combo") ? "c5" : span_is(k->kind, "extern") ? "c6" : "c1";
}

/* Types that a network computes in, each with a colour of its own. */
static const char *type_class(struct span type)
{
    static const char *const first[] = {"f32", "bf16", "f16", "i64", "f64"};
    static const char *const class_[] = {"c1", "c2", "c3", "c4", "c5"};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        if (span_starts(type, first[i])) return class_[i];
    return "c6";
}

const char *fusion_head_class(const struct fusion_view *v, const struct fusion_kernel *k)
{
    static const char *const steps[] = {"o0", "o1", "o2", "o3", "o4"};
    enum fusion_overlay over = v->ask.overlay;
    double one = fusion_overlay_value(k, over);
    if (over == OVER_DTYPE) return type_class(k->type);
    if (over == OVER_DIGEST) return digest_class(k);
    if (!v->ask.colour) return kind_class(k);
    if (isnan(one) || v->most <= 0) return "box dash";
    int step = (int)(one / v->most * 5);
    return steps[step < 0 ? 0 : step > 4 ? 4 : step];
}
