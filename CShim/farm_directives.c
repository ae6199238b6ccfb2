/* farm_directives.c - the directives, and what they say when something is wrong. */
#include "farm_directives.h"

#include "farm_numbers.h"
#include "farm_schemes.h"

farm_conf *farm_conf_of(server_rec *s)
{
    return ap_get_module_config(s->module_config, &proxy_farm_module);
}

void *farm_create_server_config(apr_pool_t *p, server_rec *s)
{
    farm_conf *conf = apr_pcalloc(p, sizeof(*conf));

    (void)s;
    conf->farms = apr_array_make(p, 4, sizeof(farm_farm *));
    conf->locks = FARM_LOCKS_ROW;
    conf->cookie = "farm";
    return conf;
}

const char *farm_wrong_place(cmd_parms *cmd)
{
    if (ap_check_cmd_context(cmd, NOT_IN_VIRTUALHOST | NOT_IN_DIR_CONTEXT | NOT_IN_HTACCESS | NOT_IN_PROXY)) {
        return apr_psprintf(cmd->pool, "%s belongs in the server configuration, outside <VirtualHost>, <Directory>, "
                            "<Location> and <Proxy>; a farm is visible in every virtual host", cmd->cmd->name);
    }
    return NULL;
}

farm_farm *farm_being_read(cmd_parms *cmd, const char **error)
{
    farm_conf *conf = farm_conf_of(cmd->server);

    if ((*error = farm_wrong_place(cmd))) {
        return NULL;
    }
    if (!conf->open) {
        *error = apr_psprintf(cmd->pool, "%s belongs between <Farm NAME> and </Farm>", cmd->cmd->name);
    }
    return conf->open;
}

static farm_farm *find_farm(farm_conf *conf, const char *key)
{
    int i;

    for (i = 0; i < conf->farms->nelts; i++) {
        farm_farm *farm = APR_ARRAY_IDX(conf->farms, i, farm_farm *);
        if (strcmp(farm->key, key) == 0) {
            return farm;
        }
    }
    return NULL;
}

static const char *const farm_words[] = {
    "FarmMember", "FarmAlgorithm", "FarmLoad", "FarmExpectUpdate", "FarmReport", "FarmRedirect", "FarmForward",
    "FarmSticky", "FarmSet", NULL
};

static const char *check_contents(cmd_parms *cmd)
{
    const ap_directive_t *line;
    int i;

    for (line = cmd->directive->first_child; line; line = line->next) {
        for (i = 0; farm_words[i] && strcasecmp(farm_words[i], line->directive); i++) {
        }
        if (!farm_words[i]) {
            return apr_psprintf(cmd->pool, "%s (%s:%d) is no directive of a farm; <Farm> takes FarmMember, "
                                "FarmAlgorithm, FarmLoad, FarmExpectUpdate, FarmReport, FarmRedirect, FarmForward, "
                                "FarmSticky and FarmSet", line->directive, line->filename, line->line_num);
        }
    }
    return NULL;
}

static const char *farm_section(cmd_parms *cmd, void *dummy, const char *arg)
{
    farm_conf *conf = farm_conf_of(cmd->server);
    const char *end = ap_strrchr_c(arg, '>');
    const char *error = farm_wrong_place(cmd);
    const char *name;
    farm_farm *farm, *known;

    (void)dummy;
    if (error) {
        return error;
    }
    if (!end) {
        return "<Farm NAME> lacks its closing '>'";
    }
    arg = apr_pstrmemdup(cmd->temp_pool, arg, (apr_size_t)(end - arg));
    name = ap_getword_conf(cmd->pool, &arg);
    if (*arg || !farm_on_farm_name(name, (uint32_t)strlen(name))) {
        return apr_psprintf(cmd->pool, "<Farm> takes one name of 1 to 63 letters, digits, '_' and '-' "
                            "([A-Za-z0-9_-]), not '%s%s%s'", name, *arg ? " " : "", arg);
    }
    farm = apr_pcalloc(cmd->pool, sizeof(*farm));
    farm->name = name;
    farm->key = apr_pstrdup(cmd->pool, name);
    ap_str_tolower((char *)farm->key);
    if ((known = find_farm(conf, farm->key))) {
        return apr_psprintf(cmd->pool, "<Farm %s> is defined already at %s:%d; names of farms are the same in any "
                            "case of letters: write another name, or put the members there", name, known->file,
                            known->line);
    }
    if ((error = check_contents(cmd))) {
        return error;
    }
    farm->balancer_name = apr_pstrcat(cmd->pool, "balancer://", farm->key, NULL);
    farm->file = cmd->directive->filename;
    farm->line = cmd->directive->line_num;
    farm->members = apr_array_make(cmd->pool, 4, sizeof(farm_member *));
    farm->algorithm = farm_on_algorithm("adaptive", 8);
    farm->max_attempts = 3;
    farm->retry_safe = 1;
    farm->fall = 1;
    farm->retry = apr_time_from_sec(10);
    farm->recover = apr_time_from_msec(250);
    farm->sticky_ttl = apr_time_from_sec(3600);
    farm->samesite = "Lax";
    APR_ARRAY_PUSH(conf->farms, farm_farm *) = farm;

    conf->open = farm;
    error = ap_walk_config(cmd->directive->first_child, cmd, cmd->context);
    conf->open = NULL;
    return error;
}

static const char *farm_member_line(cmd_parms *cmd, void *dummy, const char *args)
{
    const char *error;
    farm_farm *farm = farm_being_read(cmd, &error);
    farm_member *member;

    (void)dummy;
    if (!farm) {
        return error;
    }
    member = apr_pcalloc(cmd->pool, sizeof(*member));
    member->file = cmd->directive->filename;
    member->line = cmd->directive->line_num;
    error = farm_member_parse(cmd->pool, farm, member, args);
    if (!error) {
        APR_ARRAY_PUSH(farm->members, farm_member *) = member;
    }
    return error;
}

/* Strictly: a hole between two commas is a mistake. */
static const char *set_statuses(apr_pool_t *p, farm_farm *farm, const char *value)
{
    apr_uint64_t statuses[10] = { 0 };
    const char *word = value, *comma;
    int status;

    do {
        comma = ap_strchr_c(word, ',');
        if (!farm_integer(comma ? apr_pstrmemdup(p, word, (apr_size_t)(comma - word)) : word, 100, 599, &status)) {
            return apr_psprintf(p, "FarmSet failonstatus= takes statuses from 100 to 599 with commas between them, as in "
                                "failonstatus=502,503, not '%s'", value);
        }
        statuses[status / 64] |= APR_UINT64_C(1) << (status % 64);
        word = comma ? comma + 1 : NULL;
    } while (word);
    memcpy(farm->fail_on_status, statuses, sizeof(statuses));
    return NULL;
}

static const char *farm_set_one(cmd_parms *cmd, void *dummy, const char *word)
{
    const char *error, *value;
    farm_farm *farm = farm_being_read(cmd, &error);
    char *key;
    apr_pool_t *p = cmd->pool;

    (void)dummy;
    if (!farm) {
        return error;
    }
    if (!(key = farm_split(p, word, &value))) {
        return apr_psprintf(p, "FarmSet takes key=value, not '%s'", word);
    }
    if (!strcasecmp(key, "maxattempts")) {
        return farm_integer(value, 1, FARM_MOST_ATTEMPTS, &farm->max_attempts) ? NULL : apr_psprintf(p,
            "FarmSet maxattempts= takes a number from 1 to %d, not '%s'", FARM_MOST_ATTEMPTS, value);
    }
    if (!strcasecmp(key, "retryon")) {
        return farm_word(value, "connect", "safe", &farm->retry_safe) ? NULL : apr_psprintf(p,
            "FarmSet retryon= takes connect or safe, not '%s'", value);
    }
    if (!strcasecmp(key, "fall")) {
        return farm_integer(value, 1, 1000000, &farm->fall) ? NULL : apr_psprintf(p,
            "FarmSet fall= takes a number of failures from 1 to 1000000, not '%s'", value);
    }
    if (!strcasecmp(key, "retry")) {
        return farm_interval(value, apr_time_from_msec(1), apr_time_from_sec(86400), &farm->retry) ? NULL :
            apr_psprintf(p, "FarmSet retry= takes a time from 1ms to 24h, as in retry=10s, not '%s'", value);
    }
    if (!strcasecmp(key, "recover")) {
        if (!strcasecmp(value, "off")) {
            farm->recover = 0;
            return NULL;
        }
        return farm_interval(value, apr_time_from_msec(10), apr_time_from_sec(3600), &farm->recover) ? NULL :
            apr_psprintf(p, "FarmSet recover= takes a time from 10ms to 1h, as in recover=250ms, or off, not '%s'", value);
    }
    if (!strcasecmp(key, "failontimeout")) {
        return farm_word(value, "off", "on", &farm->fail_on_timeout) ? NULL : apr_psprintf(p,
            "FarmSet failontimeout= takes on or off, not '%s'", value);
    }
    if (!strcasecmp(key, "failonstatus")) {
        return set_statuses(p, farm, value);
    }
    if (!strcasecmp(key, "slowstart")) {
        return farm_interval(value, 0, apr_time_from_sec(3600), &farm->slowstart) ? NULL : apr_psprintf(p,
            "FarmSet slowstart= takes a time up to 1h, as in slowstart=30s, or 0 for none, not '%s'", value);
    }
    if (!strcasecmp(key, "panic")) {
        return farm_integer(value, 0, 100, &farm->panic) ? NULL : apr_psprintf(p,
            "FarmSet panic= takes a percentage from 0 to 100, not '%s'", value);
    }
    if (!strcasecmp(key, "eject")) {
        return farm_word(value, "off", "on", &farm->eject) ? NULL : apr_psprintf(p,
            "FarmSet eject= takes on or off, not '%s'", value);
    }
    if (!strcasecmp(key, "stickyttl")) {
        return farm_interval(value, apr_time_from_sec(10), apr_time_from_sec(10 * 365 * 86400), &farm->sticky_ttl) ? NULL :
            apr_psprintf(p, "FarmSet stickyttl= takes a time from 10s on, as in stickyttl=1h, not '%s'", value);
    }
    if (!strcasecmp(key, "passcookie")) {
        return farm_word(value, "off", "on", &farm->passes_cookie) ? NULL : apr_psprintf(p,
            "FarmSet passcookie= takes on or off, not '%s'", value);
    }
    if (!strcasecmp(key, "samesite")) {
        return farm_samesite(value, &farm->samesite) ? NULL : apr_psprintf(p,
            "FarmSet samesite= takes lax, strict or none, not '%s'", value);
    }
    if (!strcasecmp(key, "cacheties")) {
        return farm_word(value, "no-cache", "private", &farm->private_ties) ? NULL : apr_psprintf(p,
            "FarmSet cacheties= takes no-cache or private, not '%s'", value);
    }
    return apr_psprintf(p, "FarmSet knows no '%s'; it takes maxattempts, retryon, fall, retry, recover, failonstatus, "
                        "failontimeout, slowstart, panic, eject, stickyttl, samesite, passcookie and cacheties", key);
}

static const char *farm_locks(cmd_parms *cmd, void *dummy, const char *word)
{
    farm_conf *conf = farm_conf_of(cmd->server);
    const char *error = farm_wrong_place(cmd);

    (void)dummy;
    if (error) {
        return error;
    }
    if (!strcasecmp(word, "row")) {
        conf->locks = FARM_LOCKS_ROW;
    }
    else if (!strcasecmp(word, "farm")) {
        conf->locks = FARM_LOCKS_FARM;
    }
    else if (!strcasecmp(word, "engine")) {
        conf->locks = FARM_LOCKS_ENGINE;
    }
    else {
        return apr_psprintf(cmd->pool, "FarmLocks takes engine, farm or row, not '%s'", word);
    }
    return NULL;
}

static const char *farm_table_one(cmd_parms *cmd, void *dummy, const char *word)
{
    farm_conf *conf = farm_conf_of(cmd->server);
    const char *value, *error = farm_wrong_place(cmd);
    char *key;

    (void)dummy;
    if (error) {
        return error;
    }
    conf->table_file = cmd->directive->filename;
    conf->table_line = cmd->directive->line_num;
    if (!(key = farm_split(cmd->pool, word, &value))) {
        return apr_psprintf(cmd->pool, "FarmTable takes members=N, farms=N and metrics=N, not '%s'", word);
    }
    if (!strcasecmp(key, "members")) {
        return farm_integer(value, 1, 65536, &conf->table_members) ? NULL : apr_psprintf(cmd->pool,
            "FarmTable members= takes a number from 1 to 65536, not '%s'", value);
    }
    if (!strcasecmp(key, "farms")) {
        return farm_integer(value, 1, 4096, &conf->table_farms) ? NULL : apr_psprintf(cmd->pool,
            "FarmTable farms= takes a number from 1 to 4096, not '%s'", value);
    }
    if (!strcasecmp(key, "metrics")) {
        return farm_integer(value, 1, 1024, &conf->table_metrics) ? NULL : apr_psprintf(cmd->pool,
            "FarmTable metrics= takes a number from 1 to 1024, not '%s'", value);
    }
    return apr_psprintf(cmd->pool, "FarmTable knows no '%s'; it takes members=N, farms=N and metrics=N", key);
}

const command_rec farm_directives[] = {
    AP_INIT_RAW_ARGS("<Farm", farm_section, NULL, RSRC_CONF, "a pool of members: <Farm NAME> ... </Farm>"),
    AP_INIT_RAW_ARGS("FarmMember", farm_member_line, NULL, RSRC_CONF, "URL [key=value ...]: a member of the farm"),
    AP_INIT_TAKE12("FarmAlgorithm", farm_algorithm_line, NULL, RSRC_CONF,
                   "how a member is chosen; default adaptive; hash takes an expression"),
    AP_INIT_TAKE1("FarmLoad", farm_load_line, NULL, RSRC_CONF, "a formula that makes one load of a member's metrics"),
    AP_INIT_TAKE12("FarmExpectUpdate", farm_expect_line, NULL, RSRC_CONF,
                   "TIME [out|ignore], or off: how old a member's last update may be"),
    AP_INIT_TAKE1("FarmReport", farm_report_line, NULL, RSRC_CONF,
                  "on or off: whether loads are taken from the header of answers"),
    AP_INIT_TAKE_ARGV("FarmRedirect", farm_redirect_line, NULL, RSRC_CONF,
                      "offline, down, full or any, URL [STATUS], or - 503 [SECONDS]: where clients are sent then"),
    AP_INIT_TAKE2("FarmForward", farm_forward_line, NULL, RSRC_CONF,
                  "offline, down, full or any, URL: the farm or server that serves requests then"),
    AP_INIT_TAKE12("FarmSticky", farm_sticky_line, NULL, RSRC_CONF,
                   "off, cookie [NAME], or route NAME[|PARAM]: clients stay with the member that served them"),
    AP_INIT_ITERATE("FarmSet", farm_set_one, NULL, RSRC_CONF, "key=value ...: how the farm treats failures"),
    AP_INIT_TAKE1("FarmLocks", farm_locks, NULL, RSRC_CONF, "engine, farm or row: how fine the locks are"),
    AP_INIT_ITERATE("FarmTable", farm_table_one, NULL, RSRC_CONF, "members=N farms=N metrics=N: capacity of the tables"),
    AP_INIT_TAKE1("FarmSecretFile", farm_secret_file_line, NULL, RSRC_CONF, "the file with the keys of instruction cookies"),
    AP_INIT_TAKE1("FarmCookie", farm_cookie_line, NULL, RSRC_CONF, "the name of the instruction cookie; default farm"),
    AP_INIT_TAKE1("FarmStateFile", farm_state_file_line, NULL, RSRC_CONF,
                  "the file in which what is set at run time survives a full stop"),
    { .name = NULL }
};

static int farm_check_metrics(server_rec *s, apr_pool_t *p, farm_conf *conf)
{
    unsigned int named = farm_named_metrics(p, conf);

    if (named > (conf->table_metrics ? (unsigned int)conf->table_metrics : 1024u)) {
        if (!conf->table_metrics) {
            ap_log_error(APLOG_MARK, APLOG_EMERG | APLOG_STARTUP, 0, s, "FARM00013: the FarmLoad formulas name %u metrics, "
                         "and tables have room for 1024 at the most; name fewer", named);
            return HTTP_INTERNAL_SERVER_ERROR;
        }
        ap_log_error(APLOG_MARK, APLOG_EMERG | APLOG_STARTUP, 0, s, "FARM00013: %s:%d: FarmTable metrics=%d is too small "
                     "for the %u metrics that FarmLoad formulas name; write metrics=%u or more (1024 at the most)",
                     conf->table_file, conf->table_line, conf->table_metrics, named, named);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

/* The members that stand in for others. */
static int check_redirects(server_rec *s, const farm_farm *farm)
{
    int i, j;

    for (i = 0; i < farm->members->nelts; i++) {
        const farm_member *member = APR_ARRAY_IDX(farm->members, i, farm_member *);

        for (j = 0; member->redirect && j < farm->members->nelts; j++) {
            if (!strcmp(APR_ARRAY_IDX(farm->members, j, farm_member *)->name, member->redirect)) {
                break;
            }
        }
        if (member->redirect && (j == farm->members->nelts || j == i)) {
            ap_log_error(APLOG_MARK, APLOG_EMERG | APLOG_STARTUP, 0, s, "FARM00023: %s:%d: FarmMember redirect=%s: %s; write "
                         "the name of another member of <Farm %s>", member->file, member->line, member->redirect,
                         j == i ? "a member cannot stand in for itself" : "the farm has no such member", farm->name);
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    return OK;
}

/* What can be said only of the whole configuration; runs for configtest too. */
int farm_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    farm_conf *conf = farm_conf_of(s);
    int i, members = 0;

    (void)plog;
    for (i = 0; i < conf->farms->nelts; i++) {
        farm_farm *farm = APR_ARRAY_IDX(conf->farms, i, farm_farm *);
        members += farm->members->nelts;
        if (farm->sets_cookie && !conf->secrets) {
            ap_log_error(APLOG_MARK, APLOG_EMERG | APLOG_STARTUP, 0, s, "FARM00024: %s:%d: <Farm %s> has FarmSticky cookie, "
                         "which needs a key; write FarmSecretFile with the path of a file of NAME:KEY lines", farm->file,
                         farm->line, farm->name);
            return HTTP_INTERNAL_SERVER_ERROR;
        }
        farm_sticky_check(s, pconf, conf, i);
        if (check_redirects(s, farm) != OK) {
            return HTTP_INTERNAL_SERVER_ERROR;
        }
        if (farm->members->nelts == 0) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "FARM00001: %s:%d: <Farm %s> has no "
                         "members and is down; give it a FarmMember", farm->file, farm->line, farm->name);
        }
    }
    if (conf->table_members && members > conf->table_members) {
        ap_log_error(APLOG_MARK, APLOG_EMERG | APLOG_STARTUP, 0, s, "FARM00002: %s:%d: FarmTable members=%d is too "
                     "small for the %d members that are configured; write members=%d or more", conf->table_file,
                     conf->table_line, conf->table_members, members, members);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (conf->table_farms && conf->farms->nelts > conf->table_farms) {
        ap_log_error(APLOG_MARK, APLOG_EMERG | APLOG_STARTUP, 0, s, "FARM00003: %s:%d: FarmTable farms=%d is too "
                     "small for the %d farms that are configured; write farms=%d or more", conf->table_file,
                     conf->table_line, conf->table_farms, conf->farms->nelts, conf->farms->nelts);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (farm_fallbacks_check(s, pconf, conf) != OK) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    farm_schemes_check(s, ptemp, conf);
    return farm_check_metrics(s, ptemp, conf);
}
