/* plumb.h - the public interface of libplumb. Everything else in the library is hidden. */
#ifndef PLUMB_H
#define PLUMB_H

#ifdef __cplusplus
extern "C" {
#endif

#define PLUMB_API __attribute__((visibility("default")))

/* "0.1.0"; static. */
PLUMB_API const char *plumb_version(void);

/* Runs a verb as the command line does: argv[0] is the verb ("import", "sql", ...). Prints as
 * the program does. Returns the
 * exit status: 0 fine, 1 found what was asked about, 2 trouble. */
PLUMB_API int plumb_main(int argc, char **argv);

#ifdef __cplusplus
}
#endif

#endif
