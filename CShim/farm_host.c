/* farm_host.c - services to Swift: the log, the clocks, random bits, numbers and times as text. */
#include "farm_shim.h"

#include "util_filter.h"

#include <locale.h>
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

/* Numbers are written and read with a point, whatever locale another module may have set. */
static locale_t c_locale;

static apr_status_t forget_locale(void *data)
{
    (void)data;
    if (c_locale) {
        freelocale(c_locale);
    }
    c_locale = (locale_t)0;
    return APR_SUCCESS;
}

/* Also while directives are read, which is before farm_host_prepare. */
static locale_t numbers_locale(void)
{
    if (!c_locale) {
        c_locale = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    }
    return c_locale;
}

int farm_host_prepare(apr_pool_t *pconf)
{
    apr_pool_cleanup_register(pconf, NULL, forget_locale, apr_pool_cleanup_null);
    return numbers_locale() ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

double farm_host_double(const char *text, uint32_t length)
{
    locale_t locale = numbers_locale();
    char copy[65];

    if (length > 64 || !locale) {
        return HUGE_VAL;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    return strtod_l(copy, NULL, locale);
}

/* Most numbers that people and machines push have four decimals at the most: quicker than printing and reading back. */
static uint32_t short_number(double value, char *into)
{
    double scaled = nearbyint(fabs(value) * 10000);
    char digits[24], *out = into;
    uint64_t whole;
    int count = 0, decimals = 4;

    if (!(scaled < 1e14) || scaled / 10000 != fabs(value)) {
        return 0;
    }
    whole = (uint64_t)scaled;
    if (value < 0) {
        *out++ = '-';
    }
    while (decimals > 0 && whole % 10 == 0) {
        whole /= 10;
        decimals--;
    }
    do {
        digits[count++] = (char)('0' + whole % 10);
        whole /= 10;
        if (count == decimals) {
            digits[count++] = '.';
            if (!whole) {
                digits[count++] = '0';
            }
        }
    } while (whole || count < decimals);
    while (count) {
        *out++ = digits[--count];
    }
    return (uint32_t)(out - into);
}

/* Seventeen digits always read back the same; most numbers need fewer. */
uint32_t farm_host_number(double value, char *into)
{
    char text[40];
    int digits = (int)short_number(value, into);
    locale_t before;

    if (digits) {
        return (uint32_t)digits;
    }
    before = uselocale(c_locale);
    for (digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    uselocale(before);
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

farm_out farm_out_begin(request_rec *r)
{
    farm_out out = { r, apr_brigade_create(r->pool, r->connection->bucket_alloc), 0, 0 };

    return out;
}

/* Written to the socket at once: event would otherwise look for the next request first, which nobody sends before the
 * answer is there, and the connection would go round by the listener. */
int farm_out_end(farm_out *out)
{
    apr_bucket_alloc_t *alloc = out->r->connection->bucket_alloc;

    APR_BRIGADE_INSERT_TAIL(out->bb, apr_bucket_flush_create(alloc));
    APR_BRIGADE_INSERT_TAIL(out->bb, apr_bucket_eos_create(alloc));
    ap_pass_brigade(out->r->output_filters, out->bb);
    return OK;
}

int farm_out_pass(farm_out *out)
{
    ap_pass_brigade(out->r->output_filters, out->bb);
    return OK;
}

void farm_host_status(void *out, uint32_t status)
{
    ((farm_out *)out)->r->status = (int)status;
}

void farm_host_key(void *key, uint32_t farm, farm_request *request)
{
    const farm_farm *of = farm_current->farm_at[farm];

    if (of->key_expression) {
        farm_request_key(key, of, request);
    }
}

const char *farm_host_url(uint32_t member)
{
    return farm_current->member_at[member]->reach;
}

void farm_host_write(void *out, const char *text, uint32_t length)
{
    farm_out *to = out;

    apr_brigade_write(to->bb, NULL, NULL, text, length);
    to->waiting += length;
    if (to->piece && to->waiting >= to->piece) {
        /* Whether the client still listens shows at the end. */
        ap_pass_brigade(to->r->output_filters, to->bb);
        apr_brigade_cleanup(to->bb);
        to->waiting = 0;
    }
}
