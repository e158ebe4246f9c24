/* bench_cap.c - what recording costs the thread that calls, and how fast rows are written.
 *
 *     bench_cap FOLDER [EVENTS]
 *
 * The cost of records is measured in bursts that fit the ring, with the drain idle in between:
 * the best of many bursts, since the machine does other work. Writing is measured to the commit of
 * the last row, with threads that wait for room. Memory is the peak of this process.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/cap.h"
#include "store/base/clock.h"

enum { BURST = 20000, BURSTS = 30 };

static struct cap *recording;
static uint32_t op, mod, form;
static char path[4096];

static void die(const char *what)
{
    fprintf(stderr, "bench_cap: %s: %s\n", what, err_text());
    exit(1);
}

static struct cap_thread *open_trace(int64_t ring_size)
{
    struct view v;
    struct cap_options o = {
        .path = path, .overwrite = true, .wait = true, .ring_size = ring_size, .device = "cpu"};
    if (cap_open(&o, &recording)) die("open");
    if (view_dense(DTYPE_F32, &(struct view_shape){.n = 2, .size = {128, 256}}, &v)) die("view");
    op = cap_word(recording, SPAN("aten::add.Tensor"));
    mod = cap_word(recording, SPAN("nn.Mod"));
    form = cap_form(recording, &v);
    return cap_thread(recording, "main");
}

/* One call with so many tensors, digested or not. */
__attribute__((noinline)) static void call(struct cap_thread *t, int tensors, bool digests,
                                           uint64_t *number)
{
    struct cap_digest d = {.kind = CAP_PKM64, .bits = *number, .stats = true, .min = -1, .max = 1};
    cap_begin(t, CAP_OP, op, 0, 0);
    for (int i = 0; i < tensors; i++) {
        bool last = i + 1 == tensors;
        struct cap_use u = {.tensor = last ? ++*number : *number % 64 + 1,
                            .form = form,
                            .phase = last ? CAP_RESULT : CAP_ARGUMENT};
        uint32_t slot = cap_tensor(t, &u);
        if (digests) cap_digest(t, slot, 0, &d);
    }
    cap_end(t);
}

/* Begin and end of a thread that does not record. */
static double cost_off(void)
{
    enum { N = 10000000 };
    struct cap_thread *volatile none = NULL;
    int64_t start = clock_mono();
    for (int i = 0; i < N; i++) {
        struct cap_thread *t = none;
        cap_begin(t, CAP_OP, op, 0, 0);
        cap_end(t);
    }
    return (double)(clock_mono() - start) / N;
}

/* ns per call, best burst. */
static double cost(struct cap_thread *t, int tensors, bool digests)
{
    double best = 1e9;
    uint64_t number = 0;
    for (int b = 0; b < BURSTS; b++) {
        cap_begin(t, CAP_MODULE, mod, mod, 0);
        int64_t start = clock_mono();
        for (int i = 0; i < BURST; i++) call(t, tensors, digests, &number);
        double ns = (double)(clock_mono() - start) / BURST;
        cap_end(t);
        if (cap_flush(recording)) die("flush");
        if (ns < best) best = ns;
    }
    return best;
}

static void cost_of_recording(void)
{
    struct cap_thread *t = open_trace(64 << 20);
    double off = cost_off(), bare = cost(t, 0, false), four = cost(t, 4, false),
           digests = cost(t, 4, true);
    printf("off                          %6.2f ns a call          aim 2\n", off);
    printf("begin and end with parent    %6.1f ns                 aim 60\n", bare);
    printf("each tensor                  %6.1f ns                 aim 40\n", (four - bare) / 4);
    printf("each digest with statistics  %6.1f ns\n", (digests - four) / 4);
    if (cap_close(recording, 0)) die("close");
}

/* Seconds of processor time of this program's busiest thread but the calling one. */
static double busiest(void)
{
    double most = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *e; tasks && (e = readdir(tasks));) {
        char name[300];
        unsigned long user = 0, sys = 0;
        snprintf(name, sizeof name, "/proc/self/task/%s/stat", e->d_name);
        FILE *f = atoi(e->d_name) == getpid() ? NULL : fopen(name, "re");
        if (f &&
            fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                   &sys) == 2 &&
            (double)(user + sys) > most)
            most = (double)(user + sys);
        if (f) fclose(f);
    }
    if (tasks) closedir(tasks);
    return most / (double)sysconf(_SC_CLK_TCK);
}

static void writing(int64_t events)
{
    struct stat st;
    struct rusage use;
    struct cap_thread *t = open_trace(0);
    uint64_t number = 0;
    int64_t start = clock_mono();
    for (int64_t i = 0; i < events; i++) call(t, 3, i % 2, &number);
    if (cap_flush(recording)) die("flush");
    double s = (double)(clock_mono() - start) / 1e9, cpu = busiest();
    start = clock_mono();
    if (cap_close(recording, 0)) die("close");
    double end = (double)(clock_mono() - start) / 1e9;
    getrusage(RUSAGE_SELF, &use);
    printf("rows of calls                %6.2f M/s                aim 1 (%.1f M calls of 5 rows in "
           "%.1f s)\n",
           5e-6 * (double)events / s, 1e-6 * (double)events, s);
    printf("by processor time            %6.2f M/s                (of the writing thread alone)\n",
           5e-6 * (double)events / cpu);
    if (!stat(path, &st))
        printf("trace                        %6.1f MB, %.0f bytes a row with indices; closing took "
               "%.1f s\n",
               1e-6 * (double)st.st_size, (double)st.st_size / (5.0 * (double)events), end);
    printf("peak resident                %6.1f MB                 aim 200\n",
           (double)use.ru_maxrss / 1024);
}

int main(int argc, char **argv)
{
    int64_t events = argc > 2 ? atoll(argv[2]) : 10000000;
    snprintf(path, sizeof path, "%s/bench_cap.db", argc > 1 ? argv[1] : ".");
    cost_of_recording();
    writing(events);
    unlink(path);
    return 0;
}
