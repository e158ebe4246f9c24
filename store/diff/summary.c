/* summary.c - counts the pairs of a comparison by what is called and by where they stand. */
#include "store/diff/summary.h"

enum err diff_summarise(struct store_writer *w)
{
    TRY(store_submit_sql(w,
                         "INSERT INTO pair_kind SELECT lane, a_text, b_text, verdict, flags, "
                         "method, count(*), min(id) FROM pair GROUP BY 1, 2, 3, 4, 5, 6",
                         NULL, 0));
    return store_submit_sql(w,
                            "INSERT INTO pair_place SELECT lane, scope, "
                            "iif(verdict = 3 AND flags & 32, 0, verdict), count(*), min(id) "
                            "FROM pair GROUP BY 1, 2, 3",
                            NULL, 0);
}
