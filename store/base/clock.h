/* clock.h - times in signed 64-bit nanoseconds. */
#ifndef STORE_BASE_CLOCK_H
#define STORE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_read_(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
/* CLOCK_REALTIME, ns since 1970 UTC. */
static inline int64_t clock_real(void)
{
    return clock_read_(CLOCK_REALTIME);
}
/* CLOCK_MONOTONIC, ns. */
static inline int64_t clock_mono(void)
{
    return clock_read_(CLOCK_MONOTONIC);
}
/* Days since 1970-01-01 of a Gregorian date (proleptic). Source: H. Hinnant, "chrono-Compatible
 * Low-Level Date Algorithms". */
static inline int64_t clock_days(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t yoe = year - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

#endif
