/* farm_load_directives.c - the directives of a farm that say what its members report and what it makes of it. */
#include "farm_directives.h"

#include "farm_numbers.h"

const char *farm_algorithm_line(cmd_parms *cmd, void *dummy, const char *name, const char *expression)
{
    const char *error, *known, *list = "";
    farm_farm *farm = farm_being_read(cmd, &error);
    unsigned int i, algorithm;

    (void)dummy;
    if (!farm) {
        return error;
    }
    algorithm = farm_on_algorithm(name, (uint32_t)strlen(name));
    if (algorithm == FARM_NONE) {
        for (i = 0; (known = farm_on_algorithm_name(i)); i++) {
            list = apr_pstrcat(cmd->temp_pool, list, i ? ", " : "", known, NULL);
        }
        return apr_psprintf(cmd->pool, "FarmAlgorithm knows no '%s'; write one of %s", name, list);
    }
    farm->key_expression = NULL;
    if (farm_on_algorithm_wants_key(algorithm)) {
        if (!expression) {
            return apr_psprintf(cmd->pool, "FarmAlgorithm %s lacks the expression of its key; write FarmAlgorithm %s "
                                "\"%%{REMOTE_ADDR}\" or another expression", name, name);
        }
        farm->key_expression = ap_expr_parse_cmd(cmd, expression, AP_EXPR_FLAG_STRING_RESULT, &error, NULL);
        if (error) {
            return apr_psprintf(cmd->pool, "FarmAlgorithm %s: the expression \"%s\" cannot be read: %s", name,
                                expression, error);
        }
    }
    else if (expression) {
        return apr_psprintf(cmd->pool, "FarmAlgorithm %s takes no expression, but '%s' follows it; take that away, or "
                            "write FarmAlgorithm hash", name, expression);
    }
    farm->algorithm = algorithm;
    return NULL;
}

const char *farm_load_line(cmd_parms *cmd, void *dummy, const char *formula)
{
    const char *error;
    farm_farm *farm = farm_being_read(cmd, &error);
    uint32_t column = 0;

    (void)dummy;
    if (!farm) {
        return error;
    }
    if ((error = farm_on_formula(formula, (uint32_t)strlen(formula), &column))) {
        /* httpd cuts its messages: what is wrong goes before the formula. */
        return apr_psprintf(cmd->pool, "FarmLoad, column %u: %s: \"%.200s%s\"", (unsigned int)column, error, formula,
                            strlen(formula) > 200 ? "..." : "");
    }
    farm->load = formula;
    return NULL;
}

const char *farm_expect_line(cmd_parms *cmd, void *dummy, const char *time, const char *what)
{
    const char *error;
    farm_farm *farm = farm_being_read(cmd, &error);
    apr_interval_time_t expect = 0;
    int ignore = 0;

    (void)dummy;
    if (!farm) {
        return error;
    }
    if (strcasecmp(time, "off")) {
        if (!farm_interval(time, apr_time_from_msec(1), apr_time_from_sec(APR_INT32_MAX), &expect)) {
            return apr_psprintf(cmd->pool, "FarmExpectUpdate takes a time of 1ms or more, as in 10s, or off, not '%s'",
                                time);
        }
        if (what && !farm_word(what, "out", "ignore", &ignore)) {
            return apr_psprintf(cmd->pool, "FarmExpectUpdate takes out or ignore after its time, not '%s'", what);
        }
    }
    else if (what) {
        return apr_psprintf(cmd->pool, "FarmExpectUpdate off stands alone, but '%s' follows it; take that away", what);
    }
    farm->expect = expect;
    farm->expect_ignore = ignore;
    return NULL;
}

const char *farm_report_line(cmd_parms *cmd, void *dummy, const char *word)
{
    const char *error;
    farm_farm *farm = farm_being_read(cmd, &error);

    (void)dummy;
    if (farm && !farm_word(word, "off", "on", &farm->takes_reports)) {
        return apr_psprintf(cmd->pool, "FarmReport takes on or off, not '%s'", word);
    }
    return error;
}
