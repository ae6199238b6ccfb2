/* farm_sticky.c - FarmSticky: clients that stay with the member that served them. What names the member is read by Swift. */
#include "farm_directives.h"

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
        return names ? apr_psprintf(cmd->pool, "FarmSticky off stands alone, but '%s' follows it; take that away", names)
            : NULL;
    }
    if (!strcasecmp(word, "cookie")) {
        return "FarmSticky cookie is not part of this version; write FarmSticky route NAME[|PARAM] for sessions of the "
            "members' own, or off";
    }
    if (strcasecmp(word, "route")) {
        return apr_psprintf(cmd->pool, "FarmSticky takes off or route NAME[|PARAM], not '%s'", word);
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

typedef struct joined_cookies {
    apr_pool_t *p;
    const char *text;
} joined_cookies;

static int join(void *data, const char *name, const char *value)
{
    joined_cookies *cookies = data;

    (void)name;
    cookies->text = cookies->text ? apr_pstrcat(cookies->p, cookies->text, "; ", value, NULL) : value;
    return 1;
}

void farm_request_tie(request_rec *r, farm_request *request)
{
    joined_cookies cookies = { r->pool, NULL };
    const char *path = r->unparsed_uri ? r->unparsed_uri : r->uri;
    apr_size_t length = strcspn(path, "?");

    apr_table_do(join, &cookies, r->headers_in, "Cookie", NULL);
    farm_on_route(farm_current->engine, request, cookies.text, cookies.text ? (uint32_t)strlen(cookies.text) : 0, path,
                  (uint32_t)length, r->args, r->args ? (uint32_t)strlen(r->args) : 0);
}
