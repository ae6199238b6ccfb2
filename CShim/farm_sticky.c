/* farm_sticky.c - FarmSticky: clients that stay with the member that served them. What names the member is read by Swift. */
#include "farm_directives.h"

/* A token of RFC 9110, which is what a cookie's name is. */
const char *farm_check_cookie_name(apr_pool_t *p, const char *directive, const char *name)
{
    return *name && strlen(name) <= 64 && *ap_scan_http_token(name) == '\0' ? NULL
        : apr_psprintf(p, "%s takes the name of a cookie, up to 64 letters, digits and !#$%%&'*+-.^_`|~, not '%s'", directive,
                       name);
}

const char *farm_cookie_line(cmd_parms *cmd, void *dummy, const char *name)
{
    const char *error = farm_wrong_place(cmd);

    (void)dummy;
    farm_conf_of(cmd->server)->cookie = name;
    return error ? error : farm_check_cookie_name(cmd->pool, "FarmCookie", name);
}

const char *farm_sticky_line(cmd_parms *cmd, void *dummy, const char *word, const char *names)
{
    const char *error, *bar;
    farm_farm *farm = farm_being_read(cmd, &error);

    (void)dummy;
    if (!farm) {
        return error;
    }
    if (!strcasecmp(word, "off")) {
        farm->sticky_cookie = NULL;
        farm->sets_cookie = 0;
        return names ? apr_psprintf(cmd->pool, "FarmSticky off stands alone, but '%s' follows it; take that away", names)
            : NULL;
    }
    farm->sets_cookie = 0;
    if (!strcasecmp(word, "cookie")) {
        farm->sticky_cookie = NULL;
        farm->sets_cookie = 1;
        farm->own_cookie = names;
        return names ? farm_check_cookie_name(cmd->pool, "FarmSticky cookie", names) : NULL;
    }
    if (strcasecmp(word, "route")) {
        return apr_psprintf(cmd->pool, "FarmSticky takes off, cookie [NAME] or route NAME[|PARAM], not '%s'", word);
    }
    if (!names) {
        return "FarmSticky route lacks the name of the session's cookie; write FarmSticky route JSESSIONID|jsessionid";
    }
    bar = ap_strchr_c(names, '|');
    farm->sticky_cookie = bar ? apr_pstrmemdup(cmd->pool, names, (apr_size_t)(bar - names)) : names;
    farm->sticky_parameter = bar ? bar + 1 : names;
    if (!*farm->sticky_cookie || !*farm->sticky_parameter || strpbrk(names, "=;, \t&?/\"")
        || ap_strchr_c(farm->sticky_parameter, '|')) {
        return apr_psprintf(cmd->pool, "FarmSticky route takes the name of a cookie and perhaps, after |, that of a path "
                            "parameter, as in JSESSIONID|jsessionid, not '%s'", names);
    }
    return NULL;
}

void farm_request_tie(request_rec *r, const char *cookies, farm_request *request)
{
    const char *path = r->unparsed_uri ? r->unparsed_uri : r->uri;

    farm_on_route(farm_current->engine, request, cookies, cookies ? (uint32_t)strlen(cookies) : 0, path,
                  (uint32_t)strcspn(path, "?"), r->args, r->args ? (uint32_t)strlen(r->args) : 0);
}
