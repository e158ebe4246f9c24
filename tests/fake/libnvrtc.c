/* libnvrtc.c - in place of NVRTC: "cubins" are libraries for the CPU, of the same text behind the
 * prelude of cuda_host.h; the report is made up. For tests without a device, with libcuda.c.
 */
#include "../unit/cuda_host.h"

struct program {
    char *text, log[1 << 16], *code;
    size_t code_size;
};
typedef struct program *program;

int nvrtcVersion(int *major, int *minor)
{
    *major = 0, *minor = 1;
    return 0;
}
const char *nvrtcGetErrorString(int e)
{
    return e ? "the text was refused" : "none";
}
int nvrtcCreateProgram(program *p, const char *text, const char *name, int n,
                       const char *const *headers, const char *const *names)
{
    (void)name, (void)n, (void)headers, (void)names;
    *p = calloc(1, sizeof **p);
    if (*p) (*p)->text = strdup(text);
    return !*p;
}

/* Behind the text: how many arguments each kernel takes. */
static size_t add_counts(const char *text, FILE *f, char *log)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, "\nX_KERNEL ")); n++) {
        char name[300];
        int args = 1;
        p += strlen("\nX_KERNEL ");
        snprintf(name, sizeof name, "%.*s", (int)strcspn(p, "("), p);
        for (; *p != ')'; p++) args += *p == ',';
        fprintf(f, "extern \"C\" { int host_args_%s = %d; }\n", name, args);
        log += sprintf(log,
                       "ptxas info : Compiling entry function '%s' for 'sm_00'\n"
                       "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
                       "ptxas info : Used 8 registers, 16 bytes smem\n",
                       name);
    }
    return n;
}

static int take_file(program p, const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f) return 6;
    fseek(f, 0, SEEK_END);
    p->code_size = (size_t)ftell(f);
    rewind(f);
    p->code = malloc(p->code_size);
    bool fine = p->code && fread(p->code, 1, p->code_size, f) == p->code_size;
    fclose(f);
    return fine ? 0 : 6;
}

int nvrtcCompileProgram(program p, int n, const char *const *option)
{
    char folder[] = "/tmp/plumb-fake-XXXXXX", name[100], command[600];
    (void)n, (void)option;
    if (!mkdtemp(folder)) return 6;
    snprintf(name, sizeof name, "%s/text.cc", folder);
    FILE *f = fopen(name, "w");
    if (!f) return 6;
    fprintf(f, "%s%s", cuda_host_prelude, p->text);
    add_counts(p->text, f, p->log);
    fclose(f);
    snprintf(command, sizeof command, "cd %s && " CUDA_HOST_CC " -o text.so text.cc", folder);
    snprintf(name, sizeof name, "%s/text.so", folder);
    int bad = system(command) ? 6 : take_file(p, name);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) ? 6 : bad;
}

int nvrtcGetProgramLogSize(program p, size_t *n)
{
    *n = strlen(p->log) + 1;
    return 0;
}
int nvrtcGetProgramLog(program p, char *out)
{
    strcpy(out, p->log);
    return 0;
}
int nvrtcGetCUBINSize(program p, size_t *n)
{
    *n = p->code_size;
    return 0;
}
int nvrtcGetCUBIN(program p, char *out)
{
    memcpy(out, p->code, p->code_size);
    return 0;
}
int nvrtcDestroyProgram(program *p)
{
    free((*p)->text);
    free((*p)->code);
    free(*p);
    return 0;
}
