/* host.c - the services that httpd's side gives to Swift (farm_abi.h), for a program without httpd: numbers and clocks as the
 * module has them, answers of which nothing is kept but the status, no keys, no log. */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../CShim/include/farm_abi.h"
#include "bench.h"

static uint32_t last_status;

uint32_t bench_status(void)
{
    return last_status;
}

uint64_t farm_host_clock(void)
{
    return bench_ns() / 1000u;
}

uint64_t farm_host_wall_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t farm_host_seed(void)
{
    return (uint64_t)getpid() * 0x9e3779b97f4a7c15u;
}

double farm_host_double(const char *text, uint32_t length)
{
    char copy[65];

    if (length > 64) {
        return HUGE_VAL;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    return strtod(copy, NULL);
}

uint32_t farm_host_number(double value, char *into)
{
    return (uint32_t)snprintf(into, 33, "%.6g", value);
}

uint32_t farm_host_time(uint64_t wall_clock, char *into)
{
    return (uint32_t)snprintf(into, 33, "%llu", (unsigned long long)wall_clock);
}

void farm_host_log(uint32_t level, uint32_t number, const char *text, uint32_t length)
{
    fprintf(stderr, "log %u, FARM%05u: %.*s\n", level, number, (int)length, text);
}

void farm_host_status(void *out, uint32_t status)
{
    (void)out;
    last_status = status;
}

void farm_host_write(void *out, const char *text, uint32_t length)
{
    (void)out, (void)text, (void)length;
}

int farm_host_process_lives(uint32_t pid)
{
    return kill((pid_t)pid, 0) == 0;
}

void farm_host_pause(uint32_t microseconds)
{
    usleep(microseconds);
}

int farm_host_mac(const char *key, uint32_t key_length, const char *text, uint32_t length, unsigned char *into)
{
    (void)key, (void)key_length, (void)text, (void)length, (void)into;
    return 0;
}

int farm_host_mac_is(const unsigned char *one, const unsigned char *other)
{
    (void)one, (void)other;
    return 0;
}

int farm_host_same_address(const char *one, uint32_t one_length, const char *other, uint32_t other_length)
{
    return one_length == other_length && !memcmp(one, other, one_length);
}

const char *farm_host_signing_key(void)
{
    return NULL;
}

uint32_t farm_host_caller(void *caller, uint32_t farm, uint32_t *member)
{
    (void)caller, (void)farm, (void)member;
    return 0;
}

const char *farm_host_caller_address(void *caller)
{
    (void)caller;
    return "127.0.0.1";
}

void farm_host_key(void *key, uint32_t farm, farm_request *request)
{
    (void)key, (void)farm, (void)request;
}

const char *farm_host_url(uint32_t member)
{
    (void)member;
    return "http://127.0.0.1";
}
