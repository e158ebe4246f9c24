/* torch_loss.h - the kinds of losses of an import (TORCH_LOSSES of capture/envelopes.def) as C. */
#ifndef CAPTURE_TORCH_LOSS_H
#define CAPTURE_TORCH_LOSS_H

#include <stdbool.h>

#include "capture/envelopes.def"

#define X(kind, strict, tlparse, meaning) TORCH_LOSS_##kind,
enum torch_loss_kind { TORCH_LOSSES(X) TORCH_N_LOSSES };
#undef X

struct torch_loss_rule {
    const char *kind;
    bool strict, tlparse; /* fails import --strict, --strict=tlparse */
    const char *meaning;
};
extern const struct torch_loss_rule torch_loss_rules[TORCH_N_LOSSES]; /* by kind */

#endif
