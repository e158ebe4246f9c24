/* gen_schema.c - host program: reads schema.sql, prints C or Markdown made of it.
 *
 *   gen_schema h    struct row_<table> per recorded table, STORE_<TABLE> enumerators, add functions
 *   gen_schema c    their definitions: column tables and INSERT texts
 *   gen_schema md   docs/trace-format.md
 *
 * It reads the shape that schema.sql documents: one column on one line, prose in "--" lines
 * above. Anything else in the recorded part stops the build with the line number. The derived
 * part (indices and views) is read for the documentation only: a view lists its columns with
 * comments before AS.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 80, MAX_TABLES = 96, LINE = 1024 };

struct column {
    char name[64], type[16], comment[LINE];
    bool whole;     /* NOT NULL: any integer, none of which stands for NULL */
    bool reference; /* comment begins "-> ": 0 in the row is NULL in the file */
};
struct table {
    char name[64], prose[8192], heading[8192];
    bool replace; /* WITHOUT ROWID, or the id's comment says "replaces": INSERT OR REPLACE */
    int n;
    struct column column[MAX_COLUMNS];
};

static struct table tables[MAX_TABLES], views[MAX_TABLES];
static int n_tables, n_views;
static char indices[16384]; /* Markdown rows */
static char views_intro[8192];
static int line_number;
static char intro[8192]; /* prose before the first table */

static void die(const char *what)
{
    fprintf(stderr, "schema.sql:%d: %s\n", line_number, what);
    exit(2);
}

static char *trim(char *s)
{
    while (isspace((unsigned char)*s)) s++;
    char *end = s + strlen(s);
    while (end > s && isspace((unsigned char)end[-1])) *--end = 0;
    return s;
}

static void read_column(struct table *t, char *text)
{
    if (t->n == MAX_COLUMNS) die("too many columns");
    struct column *c = &t->column[t->n];
    char *comment = strstr(text, "--");
    if (!strncmp(trim(text), "PRIMARY KEY", 11)) return;
    if (!comment) die("a column needs a comment after --");
    snprintf(c->comment, sizeof c->comment, "%s", trim(comment + 2));
    if (sscanf(text, " %63[a-z0-9_] %15[A-Z]", c->name, c->type) != 2) die("expected: name TYPE");
    if (!strstr("INTEGER TEXT BLOB REAL ANY", c->type))
        die("type must be INTEGER TEXT BLOB REAL ANY");
    c->whole = strstr(text, " NOT NULL,") && strstr(text, " NOT NULL,") < comment;
    c->reference = !strncmp(c->comment, "-> ", 3);
    t->n++;
}

static void add_prose(char *prose, size_t size, const char *text)
{
    size_t n = strlen(prose);
    snprintf(prose + n, size - n, "%s\n", text);
}

static void open_table(struct table *t, const char *text, const char *prose)
{
    if (n_tables == MAX_TABLES) die("too many tables");
    if (sscanf(text, "CREATE TABLE %63[a-z0-9_] (", t->name) != 1)
        die("expected: CREATE TABLE name (");
    if (!prose[0]) die("a table needs prose above it");
    snprintf(t->prose, sizeof t->prose, "%s", prose);
}

/* Reads up to the line "-- @derived". */
static void read_recorded(FILE *in)
{
    char raw[LINE], prose[8192] = "";
    struct table *open = NULL;
    while (fgets(raw, sizeof raw, in)) {
        line_number++;
        char *s = trim(raw);
        if (open) {
            if (*s == ')') {
                open->replace =
                    strstr(s, "WITHOUT ROWID") || strstr(open->column[0].comment, "replaces");
                open = NULL;
                n_tables++;
            } else {
                read_column(open, s);
            }
        } else if (!strncmp(s, "-- @derived", 11)) {
            return;
        } else if (!strncmp(s, "-- @", 4)) {
            prose[0] = 0;
        } else if (!strncmp(s, "--", 2)) {
            add_prose(prose, sizeof prose, trim(s + 2));
        } else if (!strncmp(s, "CREATE TABLE ", 13)) {
            open_table(open = &tables[n_tables], s, prose);
            prose[0] = 0;
        } else if (!*s && prose[0]) {
            char *to = !strncmp(prose, "## ", 3) ? tables[n_tables].heading : intro;
            add_prose(to, sizeof intro, prose);
            prose[0] = 0;
        }
    }
}

static void read_view_column(struct table *t, char *text)
{
    if (t->n == MAX_COLUMNS) die("too many columns");
    struct column *c = &t->column[t->n++];
    char *comment = strstr(text, "--");
    if (!comment) die("a view's column needs a comment after --");
    snprintf(c->comment, sizeof c->comment, "%s", trim(comment + 2));
    if (sscanf(text, " %63[a-z0-9_]", c->name) != 1) die("expected: name, -- meaning");
}

static void open_view(struct table *t, const char *text, const char *prose)
{
    if (n_views == MAX_TABLES) die("too many views");
    if (sscanf(text, "CREATE VIEW %63[a-z0-9_] (", t->name) != 1)
        die("expected: CREATE VIEW name (");
    if (strncmp(prose, "One row per ", 12))
        die("the prose above a view begins with its grain: One row per ...");
    snprintf(t->prose, sizeof t->prose, "%s", prose);
}

/* "CREATE INDEX name ON table(columns) [WHERE ...];" becomes a row; prose may stand above
 * several. */
static void read_index(const char *text, const char *prose)
{
    char name[64], on[256], why[LINE];
    if (sscanf(text, "CREATE INDEX %63[a-z0-9_] ON %255[^;];", name, on) != 2)
        die("expected: CREATE INDEX name ON ...;");
    size_t n = strcspn(prose, "\n"), at = strlen(indices);
    snprintf(why, sizeof why, "%.*s", (int)n, prose);
    snprintf(indices + at, sizeof indices - at, "| `%s` | `%s` | %s |\n", name, on, why);
}

/* Reads what follows "-- @derived". */
static void read_derived(FILE *in)
{
    char raw[LINE], prose[8192] = "";
    bool used = false; /* the prose stands above something already; the next "--" begins anew */
    struct table *open = NULL;
    while (fgets(raw, sizeof raw, in)) {
        line_number++;
        char *s = trim(raw);
        if (open) {
            if (*s == ')') open = NULL, n_views++;
            else read_view_column(open, s);
        } else if (!strncmp(s, "CREATE VIEW ", 12)) {
            open_view(open = &views[n_views], s, prose);
            used = true;
        } else if (!strncmp(s, "CREATE INDEX ", 13)) {
            read_index(s, prose);
            used = true;
        } else if (!strncmp(s, "--", 2)) {
            if (used) prose[0] = 0;
            used = false;
            add_prose(prose, sizeof prose, trim(s + 2));
        } else if (!*s) {
            if (!strncmp(prose, "## Views", 8))
                snprintf(views_intro, sizeof views_intro, "%s", prose);
            used = true;
        }
    }
}

static void upper(const char *s)
{
    for (; *s; s++) putchar(toupper((unsigned char)*s));
}

static const char *c_type(const struct column *c)
{
    if (!strcmp(c->type, "INTEGER")) return "int64_t ";
    if (!strcmp(c->type, "REAL")) return "double ";
    if (!strcmp(c->type, "ANY")) return "struct store_cell ";
    return "struct span ";
}

static char kind_letter(const struct column *c)
{
    if (!strcmp(c->type, "INTEGER")) return c->reference ? 'r' : c->whole ? 'w' : 'i';
    if (!strcmp(c->type, "REAL")) return 'd';
    if (!strcmp(c->type, "ANY")) return 'a';
    return c->type[0] == 'B' ? 'b' : 't';
}

static void print_header(void)
{
    puts("/* store_rows.h - generated from store/schema.sql: one row struct and one append per "
         "table. */");
    puts("#ifndef STORE_ROWS_H\n#define STORE_ROWS_H\n\n#include \"store/row.h\"\n");
    puts("enum store_table {");
    for (int i = 0; i < n_tables; i++) {
        printf("    STORE_");
        upper(tables[i].name);
        puts(",");
    }
    puts("    STORE_N_TABLES\n};\n");
    for (int i = 0; i < n_tables; i++) {
        const struct table *t = &tables[i];
        printf("/* %s */\nstruct row_%s {\n", t->name, t->name);
        for (int c = 0; c < t->n; c++)
            printf("    %s%s; /* %s */\n", c_type(&t->column[c]), t->column[c].name,
                   t->column[c].comment);
        printf("};\n");
        printf("/* Appends a copy of the row and of the bytes its spans borrow. */\n"
               "enum err WARN_UNUSED store_%s_add(struct store_batch *batch, const struct row_%s "
               "*row);\n\n",
               t->name, t->name);
    }
    puts("#endif");
}

static void print_code(void)
{
    puts("/* generated from store/schema.sql */\n#include \"store_rows.h\"\n\n#include "
         "<stddef.h>\n");
    for (int i = 0; i < n_tables; i++) {
        const struct table *t = &tables[i];
        printf("static const struct store_column columns_%s[] = {\n", t->name);
        for (int c = 0; c < t->n; c++) {
            char to[64] = "";
            if (t->column[c].reference) sscanf(t->column[c].comment, "-> %63[a-z0-9_]", to);
            printf("    {\"%s\", '%c', offsetof(struct row_%s, %s), \"%s\"},\n", t->column[c].name,
                   kind_letter(&t->column[c]), t->name, t->column[c].name, to);
        }
        puts("};");
    }
    puts("const struct store_layout store_layouts[STORE_N_TABLES] = {");
    for (int i = 0; i < n_tables; i++) {
        const struct table *t = &tables[i];
        printf(
            "    {\"%s\", sizeof(struct row_%s), %d, columns_%s,\n     \"INSERT%s INTO %s VALUES (",
            t->name, t->name, t->n, t->name, t->replace ? " OR REPLACE" : "", t->name);
        for (int c = 0; c < t->n; c++) printf("%s?%d", c ? "," : "", c + 1);
        puts(")\"},");
    }
    puts("};\n");
    for (int i = 0; i < n_tables; i++) {
        const char *name = tables[i].name;
        printf("enum err store_%s_add(struct store_batch *batch, const struct row_%s *row)\n"
               "{\n    return store_batch_add(batch, STORE_",
               name, name);
        upper(name);
        puts(", row);\n}\n");
    }
}

static void print_cell(const char *s)
{
    for (; *s; s++) {
        if (*s == '|') putchar('\\');
        putchar(*s);
    }
}

static void print_columns(const struct table *t)
{
    for (int c = 0; c < t->n; c++) {
        printf("| `%s` | ", t->column[c].name);
        if (t->column[c].type[0]) printf("%s | ", t->column[c].type);
        print_cell(t->column[c].comment);
        puts(" |");
    }
    puts("");
}

static void print_markdown(void)
{
    printf("# The trace format\n\nGenerated from `store/schema.sql`; `make docs/trace-format.md` "
           "writes it again.\n\n%s",
           intro);
    for (int i = 0; i < n_tables; i++) {
        const struct table *t = &tables[i];
        printf("%s### %s\n\n%s\n| column | type | meaning |\n|---|---|---|\n", t->heading, t->name,
               t->prose);
        print_columns(t);
    }
    printf("%s\n", views_intro);
    for (int i = 0; i < n_views; i++) {
        printf("### %s\n\n%s\n| column | meaning |\n|---|---|\n", views[i].name, views[i].prose);
        print_columns(&views[i]);
    }
    printf("## Indices\n\nDerived as the views are.\n\n| index | on | for |\n|---|---|---|\n%s",
           indices);
}

int main(int argc, char **argv)
{
    if (argc != 3) return fprintf(stderr, "usage: gen_schema h|c|md schema.sql\n"), 2;
    FILE *in = fopen(argv[2], "r");
    if (!in) return perror(argv[2]), 2;
    read_recorded(in);
    read_derived(in);
    fclose(in);
    if (argv[1][0] == 'h') print_header();
    if (argv[1][0] == 'c') print_code();
    if (argv[1][0] == 'm') print_markdown();
    return 0;
}
