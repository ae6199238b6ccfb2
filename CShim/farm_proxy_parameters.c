/* farm_proxy_parameters.c - worker parameters: ProxyPass's names and ranges, on a FarmMember line and inherited from
 * a ProxyPass line. mod_proxy's own reader of them is not exported. */
#include "farm_proxy.h"

#include "farm_numbers.h"

static const char *bad(apr_pool_t *p, const char *key, const char *value, const char *wants)
{
    return apr_psprintf(p, "FarmMember %s= takes %s, not '%s'", key, wants, value);
}

static const char *set_number(apr_pool_t *p, const char *key, const char *value, int least, int most,
                              const char *wants, int *into)
{
    return farm_integer(value, least, most, into) ? NULL : bad(p, key, value, wants);
}

/* A time in microseconds, and the mark that it was set. */
#define SET_TIME(field, mark, unit, wants)                                                                      \
    do {                                                                                                        \
        if (!farm_interval_unit(value, unit, apr_time_from_msec(1), apr_time_from_sec(APR_INT32_MAX), &field)) { \
            return bad(p, key, value, wants);                                                                   \
        }                                                                                                       \
        mark = 1;                                                                                               \
        return NULL;                                                                                            \
    } while (0)

static const char *set_address_ttl(apr_pool_t *p, proxy_worker_shared *s, const char *key, const char *value)
{
    apr_interval_time_t ttl;

    if (!strcmp(value, "-1")) {
        s->address_ttl = -1;
    }
    else if (farm_interval(value, 0, apr_time_from_sec(APR_INT32_MAX), &ttl) && ttl % apr_time_from_sec(1) == 0) {
        s->address_ttl = (apr_int32_t)apr_time_sec(ttl);
    }
    else {
        return bad(p, key, value, "-1 or whole seconds");
    }
    s->address_ttl_set = 1;
    return NULL;
}

static const char *set_buffer(apr_pool_t *p, const char *key, const char *value, apr_size_t dflt, apr_size_t *into)
{
    int size;

    if (!farm_integer(value, 0, APR_INT32_MAX, &size) || (size && size < 512)) {
        return bad(p, key, value, "512 or more bytes, or 0 for the system's default");
    }
    *into = size ? (apr_size_t)size : dflt;
    return NULL;
}

static const char *set_flush(apr_pool_t *p, proxy_worker_shared *s, const char *key, const char *value)
{
    if (!strcasecmp(value, "on")) {
        s->flush_packets = flush_on;
    }
    else if (!strcasecmp(value, "off")) {
        s->flush_packets = flush_off;
    }
    else if (!strcasecmp(value, "auto")) {
        s->flush_packets = flush_auto;
    }
    else {
        return bad(p, key, value, "on, off or auto");
    }
    return NULL;
}

const char *farm_proxy_set_parameter(apr_pool_t *p, proxy_worker *worker, const char *key, const char *value)
{
    proxy_worker_shared *s = worker->s;
    const char *error = NULL;
    int number;

    if (!strcasecmp(key, "acquire")) {
        SET_TIME(s->acquire, s->acquire_set, "ms", "a time of 1ms or more, milliseconds without a unit");
    }
    if (!strcasecmp(key, "connectiontimeout")) {
        SET_TIME(s->conn_timeout, s->conn_timeout_set, "s", "a time of 1ms or more");
    }
    if (!strcasecmp(key, "ping")) {
        SET_TIME(s->ping_timeout, s->ping_timeout_set, "s", "a time of 1ms or more");
    }
    if (!strcasecmp(key, "timeout")) {
        SET_TIME(s->timeout, s->timeout_set, "s", "a time of 1ms or more");
    }
    if (!strcasecmp(key, "ttl")) {
        return farm_interval(value, apr_time_from_sec(1), apr_time_from_sec(APR_INT32_MAX), &s->ttl) ? NULL
            : bad(p, key, value, "a time of 1s or more");
    }
    if (!strcasecmp(key, "addressttl")) {
        return set_address_ttl(p, s, key, value);
    }
    if (!strcasecmp(key, "max")) {
        return set_number(p, key, value, 0, APR_INT32_MAX, "a number of connections", &s->hmax);
    }
    if (!strcasecmp(key, "min")) {
        return set_number(p, key, value, 0, APR_INT32_MAX, "a number of connections", &s->min);
    }
    if (!strcasecmp(key, "smax")) {
        return set_number(p, key, value, 0, APR_INT32_MAX, "a number of connections", &s->smax);
    }
    if (!strcasecmp(key, "disablereuse") || !strcasecmp(key, "enablereuse")) {
        if (!farm_word(value, "off", "on", &number)) {
            return bad(p, key, value, "on or off");
        }
        s->disablereuse = (*key == 'd' || *key == 'D') ? number != 0 : number == 0;
        s->disablereuse_set = 1;
        return NULL;
    }
    if (!strcasecmp(key, "keepalive")) {
        if (!farm_word(value, "off", "on", &number)) {
            return bad(p, key, value, "on or off");
        }
        s->keepalive = number != 0;
        s->keepalive_set = 1;
        return NULL;
    }
    if (!strcasecmp(key, "flushpackets")) {
        return set_flush(p, s, key, value);
    }
    if (!strcasecmp(key, "flushwait")) {
        error = set_number(p, key, value, 0, 1000, "milliseconds from 0 to 1000", &number);
        if (!error) {
            s->flush_wait = number ? number * 1000 : PROXY_FLUSH_WAIT;
        }
        return error;
    }
    if (!strcasecmp(key, "iobuffersize")) {
        error = set_buffer(p, key, value, AP_IOBUFSIZE, &s->io_buffer_size);
        s->io_buffer_size_set = !error;
        return error;
    }
    if (!strcasecmp(key, "receivebuffersize")) {
        error = set_buffer(p, key, value, 0, &s->recv_buffer_size);
        s->recv_buffer_size_set = !error;
        return error;
    }
    if (!strcasecmp(key, "responsefieldsize")) {
        error = set_number(p, key, value, 0, APR_INT32_MAX, "a number of bytes, or 0 for the default", &number);
        if (!error) {
            s->response_field_size = number ? (apr_size_t)number : HUGE_STRING_LEN;
            s->response_field_size_set = 1;
        }
        return error;
    }
    if (!strcasecmp(key, "secret")) {
        return PROXY_STRNCPY(s->secret, value) == APR_SUCCESS ? NULL
            : apr_psprintf(p, "FarmMember secret= takes at most %d bytes", (int)sizeof(s->secret) - 1);
    }
    if (!strcasecmp(key, "upgrade")) {
        return PROXY_STRNCPY(s->upgrade, strcasecmp(value, "ANY") ? value : "*") == APR_SUCCESS ? NULL
            : apr_psprintf(p, "FarmMember upgrade= takes a name of at most %d bytes", (int)sizeof(s->upgrade) - 1);
    }
    return apr_psprintf(p, "FarmMember knows no '%s'; it takes name, route, redirect, weight, tier, admin, maxinflight "
                        "and the worker parameters acquire, addressttl, connectiontimeout, disablereuse, enablereuse, flushpackets, "
                        "flushwait, iobuffersize, receivebuffersize, keepalive, max, min, ping, responsefieldsize, "
                        "secret, smax, timeout, ttl and upgrade", key);
}

const char *farm_proxy_check_parameter(apr_pool_t *p, const char *key, const char *value)
{
    proxy_worker worker;
    proxy_worker_shared shared;

    memset(&worker, 0, sizeof(worker));
    memset(&shared, 0, sizeof(shared));
    worker.s = &shared;
    return farm_proxy_set_parameter(p, &worker, key, value);
}

const char *farm_proxy_check_url(apr_pool_t *p, const char *url)
{
    proxy_worker *worker;
    const char *error = ap_proxy_define_worker(p, &worker, NULL, NULL, url, 0);

    return error ? apr_psprintf(p, "FarmMember '%s': %s", url, error) : NULL;
}

#define INHERIT(field, mark)            \
    if (from->s->mark) {                \
        worker->s->field = from->s->field; \
        worker->s->mark = 1;            \
    }

void farm_proxy_inherit(proxy_worker *worker, const proxy_worker *from)
{
    INHERIT(acquire, acquire_set)
    INHERIT(conn_timeout, conn_timeout_set)
    INHERIT(ping_timeout, ping_timeout_set)
    INHERIT(timeout, timeout_set)
    INHERIT(address_ttl, address_ttl_set)
    INHERIT(disablereuse, disablereuse_set)
    INHERIT(keepalive, keepalive_set)
    INHERIT(io_buffer_size, io_buffer_size_set)
    INHERIT(recv_buffer_size, recv_buffer_size_set)
    INHERIT(response_field_size, response_field_size_set)
    worker->s->ttl = from->s->ttl;
    worker->s->hmax = from->s->hmax;
    worker->s->min = from->s->min;
    worker->s->smax = from->s->smax;
    worker->s->flush_packets = from->s->flush_packets;
    worker->s->flush_wait = from->s->flush_wait;
    apr_cpystrn(worker->s->secret, from->s->secret, sizeof(worker->s->secret));
    apr_cpystrn(worker->s->upgrade, from->s->upgrade, sizeof(worker->s->upgrade));
    worker->section_config = from->section_config;
}
