/* farm_fallback.c - FarmRedirect and FarmForward: what a farm does with a request in a condition in which it cannot serve
 * it. What they say is read here; farm_destination.c does it. */
#include "farm_directives.h"

#include "apr_uri.h"

#include "farm_numbers.h"

static const char *const conditions[] = { "ok", "full", "offline", "down", "any" };

/* Where the fallback for a condition is kept; NULL when the word names none. */
static farm_fallback **place_of(farm_farm *farm, const char *word)
{
    int i;

    for (i = 1; i <= FARM_ANY_CONDITION; i++) {
        if (!strcasecmp(word, conditions[i])) {
            return &farm->fallbacks[i];
        }
    }
    return NULL;
}

/* A new fallback in its place, or NULL and what is wrong. */
static farm_fallback *add(cmd_parms *cmd, farm_farm *farm, const char *condition, const char **error)
{
    farm_fallback **place = place_of(farm, condition);

    if (!place) {
        *error = apr_psprintf(cmd->pool, "%s knows no condition '%s'; write offline, down, full or any",
                              cmd->cmd->name, condition);
        return NULL;
    }
    if (*place) {
        *error = apr_psprintf(cmd->pool, "%s %s: what happens in that condition is said already by %s at %s:%d; take one "
                              "of them away", cmd->cmd->name, condition,
                              (*place)->kind == FARM_FALLBACK_FORWARD ? "FarmForward" : "FarmRedirect", (*place)->file,
                              (*place)->line);
        return NULL;
    }
    *place = apr_pcalloc(cmd->pool, sizeof(**place));
    (*place)->file = cmd->directive->filename;
    (*place)->line = cmd->directive->line_num;
    (*place)->farm = FARM_NONE;
    return *place;
}

static const char *set_busy(cmd_parms *cmd, farm_fallback *fallback, const char *status, const char *seconds)
{
    fallback->kind = FARM_FALLBACK_BUSY;
    if (!status || strcmp(status, "503")) {
        return apr_psprintf(cmd->pool, "FarmRedirect with - instead of a URL takes 503 [SECONDS], as in FarmRedirect full "
                            "- 503 5%s%s%s", status ? ", not '" : "", status ? status : "", status ? "'" : "");
    }
    if (seconds && !farm_integer(seconds, 1, 86400, &fallback->seconds)) {
        return apr_psprintf(cmd->pool, "FarmRedirect takes seconds from 1 to 86400 after 503, not '%s'", seconds);
    }
    return NULL;
}

static const char *set_redirect(cmd_parms *cmd, farm_fallback *fallback, const char *url, const char *status)
{
    const char *error = NULL;

    fallback->kind = FARM_FALLBACK_REDIRECT;
    fallback->status = HTTP_MOVED_TEMPORARILY;
    if (!*url) {
        return "FarmRedirect takes a URL, which is empty here; write one, or - 503";
    }
    if (status && (!farm_integer(status, 301, 308, &fallback->status)
                   || (fallback->status > 303 && fallback->status < 307))) {
        return apr_psprintf(cmd->pool, "FarmRedirect takes the status 301, 302, 303, 307 or 308 after its URL, not '%s'",
                            status);
    }
    fallback->url = url;
    fallback->expression = ap_expr_parse_cmd(cmd, url, AP_EXPR_FLAG_STRING_RESULT, &error, NULL);
    return error ? apr_psprintf(cmd->pool, "FarmRedirect: the expression \"%.200s\" cannot be read: %s", url, error)
        : NULL;
}

const char *farm_redirect_line(cmd_parms *cmd, void *dummy, int argc, char *const argv[])
{
    const char *error;
    farm_farm *farm = farm_being_read(cmd, &error);
    farm_fallback *fallback;

    (void)dummy;
    if (!farm) {
        return error;
    }
    if (argc < 2 || argc > (strcmp(argv[1], "-") ? 3 : 4)) {
        return "FarmRedirect takes a condition, a URL and perhaps a status, as in FarmRedirect offline "
            "http://example.com/sorry 302, or - 503 [SECONDS] instead of the URL and status";
    }
    if (!(fallback = add(cmd, farm, argv[0], &error))) {
        return error;
    }
    return strcmp(argv[1], "-") ? set_redirect(cmd, fallback, argv[1], argc > 2 ? argv[2] : NULL)
        : set_busy(cmd, fallback, argc > 2 ? argv[2] : NULL, argc > 3 ? argv[3] : NULL);
}

/* Takes the URL apart: what names the farm or server, and the path, which is used as it is written. */
const char *farm_forward_line(cmd_parms *cmd, void *dummy, const char *condition, const char *url)
{
    const char *error, *authority, *path;
    farm_farm *farm = farm_being_read(cmd, &error);
    farm_fallback *fallback;
    apr_uri_t uri;

    (void)dummy;
    if (!farm) {
        return error;
    }
    if (!(fallback = add(cmd, farm, condition, &error))) {
        return error;
    }
    fallback->kind = FARM_FALLBACK_FORWARD;
    farm->forwards = 1;
    fallback->url = url;
    authority = !ap_cstr_casecmpn(url, "unix:", 5) ? ap_strchr_c(url, '|') : url;
    authority = authority ? ap_strstr_c(authority, "://") : NULL;
    if (!authority || apr_uri_parse(cmd->temp_pool, url, &uri) != APR_SUCCESS) {
        return apr_psprintf(cmd->pool, "FarmForward takes the URL of a farm or a server, as in http://spare/ or "
                            "http://10.0.0.9:8080/, not '%s'", url);
    }
    if (ap_strchr_c(url, '#')) {
        return apr_psprintf(cmd->pool, "FarmForward '%s': what follows # is a browser's; take it away", url);
    }
    authority += 3;
    path = authority + strcspn(authority, "/?");
    if (*path == '?') {
        return apr_psprintf(cmd->pool, "FarmForward '%s' has a query and no path; write a path before the ?", url);
    }
    fallback->host = apr_pstrmemdup(cmd->pool, authority, (apr_size_t)(path - authority));
    ap_str_tolower((char *)fallback->host);
    fallback->base = apr_pstrmemdup(cmd->pool, url, (apr_size_t)(path - url));
    if (*path) {
        fallback->path = path;
        fallback->query = ap_strchr_c(path, '?');
        fallback->query = fallback->query ? fallback->query + 1 : NULL;
    }
    return NULL;
}

/* A server is reached as a member is, without a row. */
static int check_server(server_rec *s, apr_pool_t *pconf, farm_conf *conf, farm_farm *farm, farm_fallback *fallback)
{
    farm_member *server = apr_pcalloc(pconf, sizeof(*server));
    const char *error;

    if (!strpbrk(fallback->host, ".:[") && ap_cstr_casecmpn(fallback->base, "unix:", 5)
        && strcmp(fallback->host, "localhost")) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "FARM00016: %s:%d: <Farm %s> forwards to '%s', which is no farm and is "
                     "taken for a server; write the name of a farm, or a server's with its port", fallback->file,
                     fallback->line, farm->name, fallback->host);
    }
    server->url = fallback->base;
    server->name = fallback->host;
    server->parameters = apr_array_make(pconf, 1, sizeof(farm_parameter));
    if ((error = farm_member_parse_url(pconf, server, "FarmForward"))) {
        ap_log_error(APLOG_MARK, APLOG_EMERG | APLOG_STARTUP, 0, s, "FARM00020: %s:%d: %s", fallback->file,
                     fallback->line, error);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    fallback->server = server;
    fallback->number = (apr_uint32_t)conf->servers->nelts;
    APR_ARRAY_PUSH(conf->servers, farm_member *) = server;
    return OK;
}

int farm_fallbacks_check(server_rec *s, apr_pool_t *pconf, farm_conf *conf)
{
    int i, j, k;

    conf->servers = apr_array_make(pconf, 2, sizeof(farm_member *));
    for (i = 0; i < conf->farms->nelts; i++) {
        farm_farm *farm = APR_ARRAY_IDX(conf->farms, i, farm_farm *);

        for (j = 1; j <= FARM_ANY_CONDITION; j++) {
            farm_fallback *fallback = farm->fallbacks[j];
            if (!fallback || fallback->kind != FARM_FALLBACK_FORWARD) {
                continue;
            }
            for (k = 0; k < conf->farms->nelts; k++) {
                if (!strcmp(APR_ARRAY_IDX(conf->farms, k, farm_farm *)->key, fallback->host)
                    && ap_cstr_casecmpn(fallback->base, "unix:", 5)) {
                    fallback->farm = (apr_uint32_t)k;
                }
            }
            if (fallback->farm == (apr_uint32_t)i) {
                ap_log_error(APLOG_MARK, APLOG_EMERG | APLOG_STARTUP, 0, s, "FARM00021: %s:%d: FarmForward %s: <Farm %s> "
                             "forwards to itself; write another farm, or a server", fallback->file, fallback->line,
                             conditions[j], farm->name);
                return HTTP_INTERNAL_SERVER_ERROR;
            }
            if (fallback->farm == FARM_NONE && check_server(s, pconf, conf, farm, fallback) != OK) {
                return HTTP_INTERNAL_SERVER_ERROR;
            }
        }
    }
    return OK;
}

const farm_fallback *farm_fallback_for(const farm_farm *farm, apr_uint32_t condition)
{
    if (condition == 0 || condition >= FARM_ANY_CONDITION) {
        return NULL;
    }
    return farm->fallbacks[condition] ? farm->fallbacks[condition] : farm->fallbacks[FARM_ANY_CONDITION];
}
