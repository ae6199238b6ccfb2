/* farm_numbers.h - words, numbers and times of the configuration, read strictly: "10x" is no number. */
#ifndef FARM_NUMBERS_H
#define FARM_NUMBERS_H

#include "farm_shim.h"

/* A decimal number within the bounds; 0, and *into untouched, when it is none. */
static inline int farm_integer(const char *text, apr_int64_t least, apr_int64_t most, int *into)
{
    const char *digit = text;
    apr_int64_t value = 0;

    if (!*digit) {
        return 0;
    }
    for (; *digit; digit++) {
        if (*digit < '0' || *digit > '9' || (value = value * 10 + (*digit - '0')) > APR_INT32_MAX) {
            return 0;
        }
    }
    if (value < least || value > most) {
        return 0;
    }
    *into = (int)value;
    return 1;
}

/* One of two words, in any case of letters: 0 or 1 into *into. */
static inline int farm_word(const char *text, const char *zero, const char *one, int *into)
{
    int is_one = !strcasecmp(text, one);

    if (!is_one && strcasecmp(text, zero)) {
        return 0;
    }
    *into = is_one;
    return 1;
}

/* A time interval of httpd's, seconds where it has no unit. */
static inline int farm_interval_unit(const char *text, const char *unit, apr_interval_time_t least,
                                     apr_interval_time_t most, apr_interval_time_t *into)
{
    apr_interval_time_t value;

    if (*text < '0' || *text > '9' || ap_timeout_parameter_parse(text, &value, unit) != APR_SUCCESS || value < least
        || value > most) {
        return 0;
    }
    *into = value;
    return 1;
}

static inline int farm_interval(const char *text, apr_interval_time_t least, apr_interval_time_t most,
                                apr_interval_time_t *into)
{
    return farm_interval_unit(text, "s", least, most, into);
}

/* The key of "key=value", and the value; NULL when it is not of that form. */
static inline char *farm_split(apr_pool_t *p, const char *word, const char **value)
{
    const char *equals = ap_strchr_c(word, '=');

    if (!equals || equals == word) {
        return NULL;
    }
    *value = equals + 1;
    return apr_pstrmemdup(p, word, (apr_size_t)(equals - word));
}

#endif
