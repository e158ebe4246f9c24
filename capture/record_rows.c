/* record_rows.c - what is known without looking at the program: command, folder, machine,
 * environment, how it ended. */
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "capture/record.h"
#include "store/base/clock.h"

extern char **environ;

void record_put_command(struct buf *out, char *const *argv)
{
    for (int i = 0; argv[i]; i++) {
        const char *word = argv[i];
        bool plain =
            *word &&
            strspn(word,
                   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-") ==
                strlen(word);
        buf_puts(out, i ? " " : "");
        if (!plain) buf_putc(out, '\'');
        for (const char *p = word; *p; p++) {
            if (*p == '\'') buf_puts(out, "'\\''");
            else buf_putc(out, *p);
        }
        if (!plain) buf_putc(out, '\'');
    }
}

static struct span keep(struct record_session *s, struct span text)
{
    return arena_copy(&s->run.keep, text);
}

static struct span keep_utf8(struct record_session *s, const char *text)
{
    struct buf b = {0};
    buf_utf8(&b, span_of(text));
    struct span kept = keep(s, buf_text(&b));
    buf_release(&b);
    return kept;
}

/* First line of a file that begins with `key`, behind its colon; the whole first line when key
 * is "". */
static struct span first_line(struct record_session *s, const char *path, const char *key)
{
    char line[512];
    struct span found = SPAN_NONE;
    FILE *f = fopen(path, "re");
    while (f && !found.p && fgets(line, sizeof line, f)) {
        if (strncmp(line, key, strlen(key))) continue;
        const char *colon = *key ? strchr(line, ':') : NULL;
        found = keep(s, span_trim(span_of(colon ? colon + 1 : line)));
    }
    if (f) fclose(f);
    return found;
}

static enum err add_host(struct record_session *s, struct store_batch *batch)
{
    struct utsname u;
    char kernel[sizeof u.sysname + sizeof u.release + 2] = "";
    if (uname(&u)) FAIL(ERR_IO, "the name of this machine is not known");
    snprintf(kernel, sizeof kernel, "%s %s", u.sysname, u.release);
    s->host = store_next_id(s->writer, STORE_HOST);
    struct row_host row = {
        .id = s->host,
        .name = span_of(u.nodename),
        .boot_id = first_line(s, "/proc/sys/kernel/random/boot_id", ""),
        .kernel = span_of(kernel),
        .cpu = first_line(s, "/proc/cpuinfo", "model name"),
        .n_cpus = sysconf(_SC_NPROCESSORS_ONLN),
    };
    return store_host_add(batch, &row);
}

static bool is_kept(const char *variable)
{
    size_t n = strcspn(variable, "=");
    struct span name = {variable, n};
#define ENV(text)                                                                                  \
    if (span_is(name, text)) return true;
#define PREFIX(text)                                                                               \
    if (span_starts(name, text)) return true;
#include "capture/record_env.def"
#undef ENV
#undef PREFIX
    return false;
}

static enum err add_variable(struct record_session *s, struct store_batch *batch,
                             const char *variable)
{
    if (!is_kept(variable)) return ERR_OK;
    size_t n = strcspn(variable, "=");
    struct row_run_env row = {.run = s->run.row.id, .key = keep(s, (struct span){variable, n})};
    row.value = keep_utf8(s, variable + n + (variable[n] == '='));
    return store_run_env_add(batch, &row);
}

bool record_is_set(const struct record_session *s, const char *variable)
{
    size_t n = strcspn(variable, "=") + 1;
    for (size_t i = 0; i < s->environment.n; i++)
        if (!strncmp(s->environment.p[i], variable, n)) return true;
    return false;
}

static enum err fill_start(struct record_session *s, struct store_batch *batch)
{
    struct buf command = {0};
    char *cwd = getcwd(NULL, 0);
    record_put_command(&command, s->argv);
    s->run.row.command = keep_utf8(s, command.p ? command.p : "");
    s->run.row.cwd = cwd ? keep_utf8(s, cwd) : SPAN_NONE;
    s->run.row.name = s->run.row.command;
    s->run.row.start_ts = s->start_ts = clock_real();
    s->run.dirty = true;
    buf_release(&command);
    free(cwd);
    TRY(add_host(s, batch));
    for (char **e = environ; *e; e++)
        if (!record_is_set(s, *e)) TRY(add_variable(s, batch, *e));
    for (size_t i = 0; i < s->environment.n; i++) TRY(add_variable(s, batch, s->environment.p[i]));
    return torch_run_write(&s->run, batch);
}

static enum err submit(struct record_session *s, struct store_batch *batch_take, enum err err)
{
    if (!err) return store_submit(s->writer, batch_take);
    store_batch_free(batch_take);
    return err;
}

enum err record_write_start(struct record_session *s)
{
    struct store_batch *batch = store_batch_new();
    if (!batch) FAIL(ERR_NOMEM, "out of memory for a batch");
    return submit(s, batch, fill_start(s, batch));
}

enum err record_write_end(struct record_session *s, const char *ended, int64_t code)
{
    struct store_batch *batch = store_batch_new();
    if (!batch) FAIL(ERR_NOMEM, "out of memory for a batch");
    pthread_mutex_lock(&s->run.lock);
    s->run.row.ended = span_of(ended);
    s->run.row.exit_code = code;
    s->run.row.start_ts = s->start_ts; /* records of the logs may have moved it */
    s->run.row.end_ts = clock_real();
    s->run.dirty = true;
    pthread_mutex_unlock(&s->run.lock);
    TRY(submit(s, batch, torch_run_write(&s->run, batch)));
    struct store_cell values[] = {{.kind = STORE_CELL_INT, .i = s->host},
                                  {.kind = STORE_CELL_INT, .i = s->run.row.id}};
    return store_submit_sql(s->writer, "UPDATE process SET host = ?1 WHERE run = ?2", values, 2);
}
