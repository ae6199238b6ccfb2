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
        farm->sticky_file = cmd->directive->filename;
        farm->sticky_line = cmd->directive->line_num;
        farm->own_cookie = names;
        farm->names_cookie = names != NULL;
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

int farm_samesite(const char *word, const char **into)
{
    static const char *const words[] = { "Lax", "Strict", "None" };
    unsigned int i;

    for (i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (!strcasecmp(word, words[i])) {
            *into = words[i];
            return 1;
        }
    }
    return 0;
}

/* The name of a farm's cookie, when FarmCookie's is known; two farms of one site would overwrite each other's. */
void farm_sticky_check(server_rec *s, apr_pool_t *p, farm_conf *conf, int number)
{
    farm_farm *farm = APR_ARRAY_IDX(conf->farms, number, farm_farm *);
    int i;

    if (!farm->sets_cookie) {
        return;
    }
    if (!farm->own_cookie) {
        farm->own_cookie = apr_pstrcat(p, conf->cookie, ".", farm->key, NULL);
    }
    for (i = 0; i < number; i++) {
        const farm_farm *other = APR_ARRAY_IDX(conf->farms, i, farm_farm *);

        if (other->sets_cookie && !strcmp(other->own_cookie, farm->own_cookie)) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "FARM00055: %s:%d: the cookie of <Farm %s>, %s, has the name of that "
                         "of <Farm %s> (%s:%d), and each overwrites the other at a client of both; write FarmSticky cookie "
                         "with a name of its own, or without one", farm->sticky_file, farm->sticky_line, farm->name,
                         farm->own_cookie, other->name, other->sticky_file, other->sticky_line);
            return;
        }
    }
}

void farm_request_tie(request_rec *r, const char *cookies, farm_request *request)
{
    const char *path = r->unparsed_uri ? r->unparsed_uri : r->uri;

    farm_on_route(farm_current->engine, request, cookies, cookies ? (uint32_t)strlen(cookies) : 0, path,
                  (uint32_t)strcspn(path, "?"), r->args, r->args ? (uint32_t)strlen(r->args) : 0);
}
