/* sqlfn.h - SQL functions of plumb: registered in every connection, and built as
 * build/plumb_sqlite.so.
 *
 *   artifact_text(id)   content of an artifact, TEXT
 *   stack_text(id)      frames, innermost last, a line each: "  File "f", line n, in name\n    loc"
 *   word(id)            text of a string row
 *   regexp(pattern, x)  PCRE2 search with a match limit; used by the REGEXP operator
 *   hex64(i)            16 lower-case hex digits of a signed 64-bit integer
 *   hash_value(k, d)    the number that tensor_use.hash_kind and digest stand for; text for NaN
 * and from 2^63 on
 *   layer_name(text)    a module with the numbers of layers as *: h.11.mlp is h.*.mlp
 */
#ifndef STORE_SQLFN_H
#define STORE_SQLFN_H

#include "store/sqlite.h"

#include "store/base/err.h"

enum err WARN_UNUSED store_functions_register(sqlite3 *db);

#endif
