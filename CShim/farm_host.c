/* farm_host.c - services to Swift: the log, the clocks, random bits, numbers and times as text. */
#include "farm_shim.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "apr_general.h"

/* ap_log_error is variadic, which Swift cannot call. */
void farm_host_log(uint32_t level, uint32_t number, const char *text, uint32_t length)
{
    ap_log_error(APLOG_MARK, (int)level, 0, ap_server_conf, "FARM%05u: %.*s", (unsigned int)number, (int)length, text);
}

static uint64_t clock_us(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t farm_host_clock(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

uint64_t farm_host_wall_clock(void)
{
    return clock_us(CLOCK_REALTIME);
}

uint64_t farm_host_seed(void)
{
    uint64_t seed;

    if (apr_generate_random_bytes((unsigned char *)&seed, sizeof(seed)) != APR_SUCCESS) {
        seed = clock_us(CLOCK_REALTIME) * 0x9e3779b97f4a7c15u ^ (uint64_t)getpid() << 40;
    }
    return seed;
}

/* Seventeen digits always read back the same; most numbers need fewer. */
uint32_t farm_host_number(double value, char *into)
{
    char text[40];
    int digits;

    for (digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    return (uint32_t)(apr_cpystrn(into, text, 32) - into);
}

uint32_t farm_host_time(uint64_t wall_clock, char *into)
{
    struct tm parts;
    time_t seconds = (time_t)(wall_clock / 1000000u);

    if (!gmtime_r(&seconds, &parts)) {
        return 0;
    }
    return (uint32_t)strftime(into, 32, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

int farm_host_process_lives(uint32_t pid)
{
    return kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}

void farm_host_pause(uint32_t microseconds)
{
    apr_sleep((apr_interval_time_t)microseconds);
}

void farm_host_write(void *out, const char *text, uint32_t length)
{
    ap_rwrite(text, (int)length, (request_rec *)out);
}
