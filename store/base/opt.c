/* opt.c - parsing by table, and the two texts made from the same rows. */
#include "store/base/opt.h"

#include <stdlib.h>

/* Two options that every verb has. */
static const struct opt help_opt = {"help", 'h', NULL, "Print this help.", false};

static bool takes_value(const struct opt *o)
{
    return o->metavar && o->metavar[0] != '[';
}

static const struct opt *find_long(const struct verb *v, struct span name)
{
    if (span_is(name, help_opt.name)) return &help_opt;
    for (const struct opt *o = v->opts; o && o->name; o++)
        if (span_is(name, o->name)) return o;
    return NULL;
}

static const struct opt *find_letter(const struct verb *v, char letter)
{
    if (letter == help_opt.letter) return &help_opt;
    for (const struct opt *o = v->opts; o && o->name; o++)
        if (o->letter == letter) return o;
    return NULL;
}

static enum err unknown(const struct verb *v, const char *word)
{
    struct buf b = {0};
    for (const struct opt *o = v->opts; o && o->name; o++) buf_printf(&b, " --%s", o->name);
    enum err e = err_set(ERR_USAGE, "plumb %s does not know the option %s; it accepts%s --help",
                         v->name, word, b.p ? b.p : "");
    buf_release(&b);
    return e;
}

static enum err give(struct opt_call *call, const struct opt *o, const char *value)
{
    if (o == &help_opt) {
        call->help = true;
        return ERR_OK;
    }
    if (!o->repeat && opt_has(call, o->name))
        FAIL(ERR_USAGE, "plumb %s: --%s is given twice", call->verb->name, o->name);
    call->given[call->n_given++] = (struct opt_given){o, value};
    return ERR_OK;
}

static enum err parse_long(struct opt_call *call, char **argv, int argc, int *i)
{
    char *word = argv[*i];
    char *equals = strchr(word, '=');
    struct span name = {word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2)};
    const struct opt *o = find_long(call->verb, name);
    if (!o) return unknown(call->verb, word);
    const char *value = equals ? equals + 1 : NULL;
    if (!o->metavar && value)
        FAIL(ERR_USAGE, "--%s takes no value, but %s was given", o->name, value);
    if (takes_value(o) && !value) {
        if (*i + 1 >= argc)
            FAIL(ERR_USAGE, "--%s needs a value: --%s %s", o->name, o->name, o->metavar);
        value = argv[++*i];
    }
    return give(call, o, value);
}

/* Switches may be joined as in -abc; the first that takes a value takes the rest of the word or the
 * next word. */
static enum err parse_letters(struct opt_call *call, char **argv, int argc, int *i)
{
    for (char *p = argv[*i] + 1; *p; p++) {
        const struct opt *o = find_letter(call->verb, *p);
        if (!o) return unknown(call->verb, argv[*i]);
        if (!takes_value(o)) {
            TRY(give(call, o, NULL));
            continue;
        }
        const char *value = p[1] ? p + 1 : *i + 1 < argc ? argv[++*i] : NULL;
        if (!value) FAIL(ERR_USAGE, "-%c needs a value: -%c %s", *p, *p, o->metavar);
        return give(call, o, value);
    }
    return ERR_OK;
}

static enum err check_count(const struct opt_call *call)
{
    const struct verb *v = call->verb;
    if (call->help || (call->argc >= v->min_args && (v->max_args < 0 || call->argc <= v->max_args)))
        return ERR_OK;
    if (call->argc > v->max_args && v->max_args >= 0)
        FAIL(
            ERR_USAGE,
            "plumb %s takes no more than %d argument%s, and %s is one too many; usage: plumb %s %s",
            v->name, v->max_args, v->max_args == 1 ? "" : "s", call->argv[v->max_args], v->name,
            v->arguments);
    FAIL(ERR_USAGE, "plumb %s needs more arguments; usage: plumb %s %s", v->name, v->name,
         v->arguments);
}

enum err opt_parse(const struct verb *verb, int argc, char **argv, struct opt_call *out)
{
    *out = (struct opt_call){.verb = verb};
    out->given = calloc((size_t)argc * 2 + 1, sizeof *out->given);
    out->argv = calloc((size_t)argc + 1, sizeof *out->argv);
    if (!out->given || !out->argv) FAIL(ERR_NOMEM, "out of memory for a command line");
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        bool is_option = !only_words && argv[i][0] == '-' && argv[i][1];
        if (!is_option) {
            out->argv[out->argc++] = argv[i];
            only_words |= verb->rest;
        } else if (!strcmp(argv[i], "--")) {
            only_words = true;
        } else if (argv[i][1] == '-') {
            TRY(parse_long(out, argv, argc, &i));
        } else {
            TRY(parse_letters(out, argv, argc, &i));
        }
    }
    return check_count(out);
}

void opt_call_release(struct opt_call *call)
{
    free(call->given);
    free(call->argv);
    *call = (struct opt_call){0};
}

bool opt_has(const struct opt_call *call, const char *name)
{
    for (int i = 0; i < call->n_given; i++)
        if (!strcmp(call->given[i].opt->name, name)) return true;
    return false;
}

const char *opt_value(const struct opt_call *call, const char *name, int n)
{
    for (int i = 0; i < call->n_given; i++)
        if (!strcmp(call->given[i].opt->name, name) && n-- == 0) return call->given[i].value;
    return NULL;
}

static enum err scaled(const char *option, const char *text, const char *const units[],
                       const double scale[], const char *accepted, int64_t *out)
{
    char *end;
    double v = strtod(text, &end);
    struct span unit = span_trim(span_of(end));
    if (end == text || !(v >= 0)) goto bad;
    for (int i = 0; units[i]; i++) {
        if (!span_is(unit, units[i])) continue;
        if (v * scale[i] > 9e18) goto bad;
        *out = (int64_t)(v * scale[i] + 0.5);
        return ERR_OK;
    }
bad:
    FAIL(ERR_USAGE, "--%s %s is not understood; it accepts %s", option, text, accepted);
}

enum err opt_size(const char *option, const char *text, int64_t *out)
{
    static const char *const units[] = {"", "B", "kB", "KB", "MB", "GB", "KiB", "MiB", "GiB", NULL};
    static const double scale[] = {1, 1, 1e3, 1e3, 1e6, 1e9, 1024, 1048576, 1073741824};
    return scaled(option, text, units, scale, "sizes like 300, 25MB, 16MiB", out);
}

enum err opt_duration(const char *option, const char *text, int64_t *out_ns)
{
    static const char *const units[] = {"", "s", "ms", "us", "m", "h", NULL};
    static const double scale[] = {1e9, 1e9, 1e6, 1e3, 60e9, 3600e9};
    return scaled(option, text, units, scale, "times like 2, 250ms, 2s, 5m", out_ns);
}

enum err opt_int(const char *option, const char *text, int64_t low, int64_t high, int64_t *out)
{
    if (!span_to_i64(span_of(text), out) || *out < low || *out > high)
        FAIL(ERR_USAGE, "--%s %s is not understood; it accepts whole numbers from %lld to %lld",
             option, text, (long long)low, (long long)high);
    return ERR_OK;
}

static void option_head(struct buf *b, const struct opt *o)
{
    if (o->letter) buf_printf(b, "-%c, ", o->letter);
    buf_printf(b, "--%s", o->name);
    if (o->metavar) buf_printf(b, "%s%s", o->metavar[0] == '[' ? "" : " ", o->metavar);
}

enum { HELP_WIDTH = 79, HELP_COLUMN = 28 };

/* Writes words so that no line is wider than HELP_WIDTH, those after the first indented; lines
 * of the text stay lines. Blank
 * lines, and lines that begin with blanks, are as they are. Ends the last line. */
static void wrap(struct buf *b, const char *text, size_t column, size_t indent)
{
    bool as_is = *text == ' ';
    for (const char *word = text; *word;) {
        size_t n = as_is ? strcspn(word, "\n") : strcspn(word, " \n");
        if (word != text && word[-1] == ' ' && !as_is) {
            bool fits = column + 1 + n <= HELP_WIDTH;
            if (fits) buf_putc(b, ' ');
            else buf_printf(b, "\n%*s", (int)indent, "");
            column = fits ? column + 1 : indent;
        }
        buf_put(b, word, n);
        column += n;
        word += n;
        if (*word == '\n') {
            buf_putc(b, '\n');
            column = 0;
            as_is = word[1] == ' ';
        }
        if (*word) word++;
    }
    buf_putc(b, '\n');
}

static void help_row(struct buf *b, const struct opt *o)
{
    struct buf head = {0};
    option_head(&head, o);
    if (head.n > 24) buf_printf(b, "  %s\n%*s", head.p, HELP_COLUMN, "");
    else buf_printf(b, "  %-24s  ", head.p ? head.p : "");
    wrap(b, o->help, HELP_COLUMN, HELP_COLUMN);
    buf_release(&head);
}

void opt_help(const struct verb *v, struct buf *out)
{
    buf_printf(out, "usage: plumb %s%s%s%s\n\n", v->name,
               v->opts && v->opts->name ? " [OPTION]..." : "", *v->arguments ? " " : "",
               v->arguments);
    wrap(out, v->description, 0, 0);
    buf_puts(out, "\noptions:\n");
    for (const struct opt *o = v->opts; o && o->name; o++) help_row(out, o);
    help_row(out, &help_opt);
    if (v->examples) buf_printf(out, "\nexamples:\n%s\n", v->examples);
    buf_puts(out, "\nexit status: 0 fine, 1 found what was asked about, 2 trouble\n");
}

/* Text for man(7): backslashes doubled, a leading dot or quote protected, blank lines become
 * paragraphs. */
static void man_text(struct buf *out, const char *text)
{
    for (bool line_start = true; *text; text++) {
        if (line_start && (*text == '.' || *text == '\'')) buf_puts(out, "\\&");
        if (line_start && *text == '\n') buf_puts(out, ".PP");
        if (*text == '\\') buf_puts(out, "\\e");
        else if (*text == '-') buf_puts(out, "\\-");
        else buf_putc(out, *text);
        line_start = *text == '\n';
    }
    buf_putc(out, '\n');
}

static void man_option(struct buf *out, const struct opt *o)
{
    struct buf head = {0};
    option_head(&head, o);
    buf_puts(out, ".TP\n");
    man_text(out, head.p ? head.p : "");
    man_text(out, o->help);
    buf_release(&head);
}

void opt_man(const struct verb *v, struct buf *out)
{
    buf_printf(out, ".TH PLUMB-%s 1 \"\" \"plumb %s\" \"plumb manual\"\n.SH NAME\nplumb-%s \\- ",
               v->name, PLUMB_VERSION, v->name);
    man_text(out, v->summary);
    buf_printf(out, ".SH SYNOPSIS\n.B plumb %s\n[OPTION]...\n", v->name);
    man_text(out, v->arguments);
    buf_puts(out, ".SH DESCRIPTION\n");
    man_text(out, v->description);
    buf_puts(out, ".SH OPTIONS\n");
    for (const struct opt *o = v->opts; o && o->name; o++) man_option(out, o);
    man_option(out, &help_opt);
    if (v->examples) {
        buf_puts(out, ".SH EXAMPLES\n.nf\n");
        man_text(out, v->examples);
        buf_puts(out, ".fi\n");
    }
    buf_puts(out, ".SH EXIT STATUS\n0 fine, 1 found what was asked about (a difference, a strict "
                  "failure), 2 trouble.\n");
}
