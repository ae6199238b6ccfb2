/* farm_member_parameters.c - the words of a FarmMember line. */
#include "farm_shim.h"

#include "apr_uri.h"
#include "mod_proxy.h"

#include "farm_numbers.h"
#include "farm_proxy.h"

static const char *const schemes[] = {
    "http", "https", "h2", "h2c", "ws", "wss", "ajp", "fcgi", "scgi", "uwsgi", NULL
};

static const char *check_scheme(apr_pool_t *p, const char *scheme, const char *directive)
{
    const char *list = "";
    int i;

    for (i = 0; schemes[i]; i++) {
        if (!strcmp(schemes[i], scheme)) {
            return NULL;
        }
        list = apr_pstrcat(p, list, i ? ", " : "", schemes[i], NULL);
    }
    return apr_psprintf(p, "%s cannot use the scheme '%s'; write one of %s", directive, scheme, list);
}

/* Takes the URL apart. A path in it goes before the request's. */
const char *farm_member_parse_url(apr_pool_t *p, farm_member *member, const char *directive)
{
    const char *url = member->url, *error, *path;
    apr_uri_t uri;
    int is_unix = !ap_cstr_casecmpn(url, "unix:", 5);
    apr_size_t length;
    int port;

    if (is_unix) {
        const char *bar = ap_strchr_c(url, '|');
        if (!bar || bar == url + 5) {
            return apr_psprintf(p, "%s '%s' lacks a part; write unix:/path/of.sock|http://host/", directive, url);
        }
        url = bar + 1;
    }
    if (apr_uri_parse(p, url, &uri) != APR_SUCCESS || !uri.scheme || !*uri.scheme) {
        return apr_psprintf(p, "%s takes a whole URL, as in http://10.0.0.11:8080/, not '%s'", directive, member->url);
    }
    ap_str_tolower(uri.scheme);
    if ((error = check_scheme(p, uri.scheme, directive))) {
        return error;
    }
    if (!uri.hostname || !*uri.hostname) {
        if (!is_unix) {
            return apr_psprintf(p, "%s '%s' lacks a host; write scheme://host:port/", directive, member->url);
        }
        uri.hostname = uri.hostinfo = apr_pstrdup(p, "localhost");
    }
    if (uri.user || uri.password || uri.query || uri.fragment) {
        return apr_psprintf(p, "%s '%s' has more than scheme, host, port and path; write scheme://host:port/path "
                            "(for a password, set a header with RequestHeader)", directive, member->url);
    }
    if (uri.port_str && !farm_integer(uri.port_str, 1, 65535, &port)) {
        return apr_psprintf(p, "%s '%s' has no valid port; write a number from 1 to 65535 or none", directive,
                            member->url);
    }
    if (!is_unix && !uri.port && !ap_proxy_port_of_scheme(uri.scheme)) {
        return apr_psprintf(p, "%s '%s' lacks its port, for %s has no usual one", directive, member->url, uri.scheme);
    }
    path = uri.path ? uri.path : "";
    length = strlen(path);
    while (length > 0 && path[length - 1] == '/') {
        length--;
    }
    ap_str_tolower(uri.hostinfo);
    member->mapped = apr_psprintf(p, "%s://%s%.*s", uri.scheme, uri.hostinfo, (int)length, path);
    member->filename = apr_pstrcat(p, "proxy:", member->mapped, NULL);
    member->filename_length = strlen(member->filename);
    member->host = is_unix ? NULL : uri.hostname;
    member->reach = is_unix ? member->url : member->mapped;
    member->is_ajp = !strcmp(uri.scheme, "ajp");
    member->is_http2 = uri.scheme[0] == 'h' && uri.scheme[1] == '2';
    member->is_http = (uri.scheme[0] == 'h' && !member->is_http2) || uri.scheme[0] == 'w';
    member->is_tls = !strcmp(uri.scheme, "https") || !strcmp(uri.scheme, "wss") || !strcmp(uri.scheme, "h2");
    if (!is_unix && !ap_strchr_c(uri.hostname, ':')) {
        member->name = apr_psprintf(p, "%s:%d", uri.hostname,
                                    uri.port ? uri.port : ap_proxy_port_of_scheme(uri.scheme));
    }
    return farm_proxy_check_url(p, member->url);
}

static const char *set_name(apr_pool_t *p, farm_member *member, const char *value)
{
    if (!farm_on_member_name(value, (uint32_t)strlen(value))) {
        return apr_psprintf(p, "FarmMember name= takes 1 to 63 letters, digits and '_.:-' ([A-Za-z0-9_.:-]), not '%s'",
                            value);
    }
    member->name = value;
    return NULL;
}

static const char *set_admin(apr_pool_t *p, farm_member *member, const char *value)
{
    static const char *const states[] = { "on", "drain", "off" };
    int i;

    for (i = 0; i < 3; i++) {
        if (!strcasecmp(value, states[i])) {
            member->admin = i;
            return NULL;
        }
    }
    return apr_psprintf(p, "FarmMember admin= takes on, drain or off, not '%s'", value);
}

/* Words of BalancerMember that mean something else here. */
static const char *other_name(apr_pool_t *p, const char *key)
{
    static const struct { const char *theirs, *ours; } names[] = {
        { "loadfactor", "weight=" }, { "lbset", "tier=" }, { "status", "admin=" }, { "retry", "FarmSet retry=" },
    };
    apr_size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!strcasecmp(key, names[i].theirs)) {
            return apr_psprintf(p, "FarmMember has no %s=; write %s instead", key, names[i].ours);
        }
    }
    return NULL;
}

static const char *set_one(apr_pool_t *p, farm_member *member, const char *key, const char *value)
{
    farm_parameter *parameter;
    const char *error;

    if (!strcasecmp(key, "name")) {
        return set_name(p, member, value);
    }
    if (!strcasecmp(key, "route")) {
        member->route = value;
        return *value && !strpbrk(value, ".;,& \t\"") ? NULL : apr_psprintf(p,
            "FarmMember route= takes what follows the last dot of a session's cookie, without a dot itself, not '%s'", value);
    }
    if (!strcasecmp(key, "redirect")) {
        member->redirect = value;
        return farm_on_member_name(value, (uint32_t)strlen(value)) ? NULL : apr_psprintf(p,
            "FarmMember redirect= takes the name of another member, not '%s'", value);
    }
    if (!strcasecmp(key, "admin")) {
        return set_admin(p, member, value);
    }
    if (!strcasecmp(key, "weight")) {
        return farm_integer(value, 1, 1000, &member->weight) ? NULL : apr_psprintf(p,
            "FarmMember weight= takes a number from 1 to 1000, not '%s'", value);
    }
    if (!strcasecmp(key, "tier")) {
        return farm_integer(value, 0, 9, &member->tier) ? NULL : apr_psprintf(p,
            "FarmMember tier= takes a number from 0 to 9, not '%s'", value);
    }
    if (!strcasecmp(key, "maxinflight")) {
        return farm_integer(value, 0, 1000000, &member->max_inflight) ? NULL : apr_psprintf(p,
            "FarmMember maxinflight= takes a number from 1 to 1000000, or 0 for no limit, not '%s'", value);
    }
    if ((error = other_name(p, key)) || (error = farm_proxy_check_parameter(p, key, value))) {
        return error;
    }
    parameter = apr_array_push(member->parameters);
    parameter->key = key;
    parameter->value = value;
    return NULL;
}

const char *farm_member_parse(apr_pool_t *p, farm_farm *farm, farm_member *member, const char *words)
{
    const char *error, *word, *value;
    char *key;
    int i;

    member->weight = 1;
    member->parameters = apr_array_make(p, 2, sizeof(farm_parameter));
    member->url = ap_getword_conf(p, &words);
    if (!*member->url) {
        return "FarmMember lacks its URL; write FarmMember http://10.0.0.11:8080/";
    }
    if ((error = farm_member_parse_url(p, member, "FarmMember"))) {
        return error;
    }
    while (*words) {
        word = ap_getword_conf(p, &words);
        if (!(key = farm_split(p, word, &value))) {
            return apr_psprintf(p, "FarmMember takes key=value after its URL, not '%s'", word);
        }
        if ((error = set_one(p, member, key, value))) {
            return error;
        }
    }
    if (!member->name || !farm_on_member_name(member->name, (uint32_t)strlen(member->name))) {
        return apr_psprintf(p, "FarmMember '%s' needs a name=, of 1 to 63 letters, digits and '_.:-', since its URL "
                            "gives none", member->url);
    }
    if (!member->route) {
        member->route = member->name;
    }
    for (i = 0; i < farm->members->nelts; i++) {
        farm_member *other = APR_ARRAY_IDX(farm->members, i, farm_member *);
        if (!strcmp(other->route, member->route) && strcmp(other->name, member->name)) {
            return apr_psprintf(p, "FarmMember '%s': the farm has a member of the route '%s' already, at %s:%d; give one "
                                "of them another route=", member->url, member->route, other->file, other->line);
        }
        if (!strcmp(other->name, member->name)) {
            return apr_psprintf(p, "FarmMember '%s': the farm has a member of the name '%s' already, at %s:%d; give one "
                                "of them another name=", member->url, member->name, other->file, other->line);
        }
    }
    return NULL;
}
