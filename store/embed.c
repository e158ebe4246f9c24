/* embed.c - host program: turns files into C tables that are compiled in.
 *
 *   embed schema store/schema.sql        store_schema_recorded[], store_schema_derived[]
 *   embed queries store/sql/NAME.sql...  store_queries[]
 *   embed assets web/assets/FILE...      web_assets[]: raw and gzip bytes, ETag
 *   embed python capture/NAME.py...      record_python[]
 *   embed prelude FUNCTION FILE...       FUNCTION(): the files' text in the order given, without
 *                                        their #include lines
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct bytes {
    unsigned char *p;
    size_t n;
};

static struct bytes slurp(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) perror(path), exit(2);
    struct bytes b = {malloc(1), 0};
    size_t size = 0;
    for (int c; (c = getc(f)) != EOF;) {
        if (b.n + 1 >= size) b.p = realloc(b.p, size = size ? 2 * size : 4096);
        if (!b.p) exit(2);
        b.p[b.n++] = (unsigned char)c;
    }
    b.p[b.n] = 0;
    fclose(f);
    return b;
}

/* A C array initialiser rather than a string literal: no length limit, no escapes. */
static void print_bytes(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) printf("%u,%s", p[i], i % 24 == 23 ? "\n" : "");
    puts("0");
}

static void print_text(const char *name, const unsigned char *p, size_t n)
{
    printf("const char %s[] = {\n", name);
    print_bytes(p, n);
    puts("};");
}

static void embed_schema(const char *path)
{
    struct bytes b = slurp(path);
    char *derived = strstr((char *)b.p, "-- @derived");
    if (!derived) fprintf(stderr, "%s: no line '-- @derived'\n", path), exit(2);
    size_t n = (size_t)(derived - (char *)b.p);
    puts("/* generated from store/schema.sql */\n#include \"store/db.h\"");
    print_text("store_schema_recorded", b.p, n);
    print_text("store_schema_derived", b.p + n, b.n - n);
}

static const char *base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(base(*(char *const *)a), base(*(char *const *)b));
}

static void embed_queries(int n, char **paths)
{
    puts("/* generated from store/sql */\n#include \"store/query.h\"\n");
    for (int i = 0; i < n; i++) {
        struct bytes b = slurp(paths[i]);
        char name[32];
        snprintf(name, sizeof name, "query_%d", i);
        fputs("static ", stdout);
        print_text(name, b.p, b.n);
    }
    puts("const struct store_query store_queries[] = {");
    for (int i = 0; i < n; i++) {
        struct bytes b = slurp(paths[i]);
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)(strlen(base(paths[i])) - 4), base(paths[i]));
        char head[160];
        int at = snprintf(head, sizeof head, "-- %s: ", name);
        char *end = strchr((char *)b.p, '\n');
        if (strncmp((char *)b.p, head, (size_t)at) || !end)
            fprintf(stderr, "%s:1: must begin with '%s'\n", paths[i], head), exit(2);
        printf("    {\"%s\", \"%.*s\", query_%d},\n", name, (int)(end - (char *)b.p) - at, b.p + at,
               i);
    }
    puts("    {0, 0, 0}\n};");
}

static struct bytes gzip(struct bytes in)
{
    z_stream z = {0};
    if (deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY) != Z_OK) exit(2);
    struct bytes out = {malloc(deflateBound(&z, in.n)), deflateBound(&z, in.n)};
    if (!out.p) exit(2);
    z.next_in = in.p, z.avail_in = (uInt)in.n;
    z.next_out = out.p, z.avail_out = (uInt)out.n;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END) exit(2);
    out.n = z.total_out;
    deflateEnd(&z);
    return out;
}

static void embed_assets(int n, char **paths)
{
    puts("/* generated from web/assets */\n#include \"web/asset.h\"\n");
    for (int i = 0; i < n; i++) {
        struct bytes raw = slurp(paths[i]), packed = gzip(raw);
        printf("static const unsigned char raw_%d[] = {\n", i);
        print_bytes(raw.p, raw.n);
        printf("};\nstatic const unsigned char gz_%d[] = {\n", i);
        print_bytes(packed.p, packed.n);
        puts("};");
    }
    puts("const struct web_asset web_assets[] = {");
    for (int i = 0; i < n; i++) {
        struct bytes raw = slurp(paths[i]), packed = gzip(raw);
        printf("    {\"%s\", raw_%d, %zu, gz_%d, %zu, \"%08lx\"},\n", base(paths[i]), i, raw.n, i,
               packed.n, crc32(crc32(0, NULL, 0), raw.p, (uInt)raw.n));
    }
    puts("    {0, 0, 0, 0, 0, 0}\n};");
}

static void embed_python(int n, char **paths)
{
    puts("/* generated from capture */\n#include \"capture/record.h\"\n");
    for (int i = 0; i < n; i++) {
        struct bytes b = slurp(paths[i]);
        char name[32];
        snprintf(name, sizeof name, "python_%d", i);
        fputs("static ", stdout);
        print_text(name, b.p, b.n);
    }
    puts("const struct record_file record_python[] = {");
    for (int i = 0; i < n; i++) printf("    {\"%s\", python_%d},\n", base(paths[i]), i);
    puts("    {0, 0}\n};");
}

/* The texts include nothing: what they need stands before them. */
static void embed_prelude(const char *function, int n, char **paths)
{
    printf("#include \"kernels/prelude.h\"\n\nstatic const char text[] = {\n");
    for (int i = 0; i < n; i++) {
        struct bytes b = slurp(paths[i]);
        for (char *line = (char *)b.p, *end; *line; line = end) {
            end = strchr(line, '\n');
            end = end ? end + 1 : line + strlen(line);
            if (!strncmp(line, "#include", 8)) continue;
            for (char *c = line; c < end; c++) printf("%d,", *c);
            puts("");
        }
    }
    printf("0};\n\nconst char *%s(void)\n{\n    return text;\n}\n", function);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return fprintf(stderr, "usage: embed schema|queries|assets|python|prelude FILE...\n"), 2;
    if (argc > 3 && !strcmp(argv[1], "prelude"))
        return embed_prelude(argv[2], argc - 3, argv + 3), fflush(stdout) || ferror(stdout) ? 2 : 0;
    qsort(argv + 2, (size_t)argc - 2, sizeof *argv, by_name);
    if (!strcmp(argv[1], "schema")) embed_schema(argv[2]);
    else if (!strcmp(argv[1], "queries")) embed_queries(argc - 2, argv + 2);
    else if (!strcmp(argv[1], "python")) embed_python(argc - 2, argv + 2);
    else embed_assets(argc - 2, argv + 2);
    return fflush(stdout) || ferror(stdout) ? 2 : 0;
}
