/* farm_reverse.c - a header of an answer that names a member becomes one that names the farm, and then what
 * ProxyPassReverse makes of it. mod_proxy maps only the URL that stands in its directive. */
#include "farm_request.h"

#include "apr_lib.h"
#include "apr_uri.h"
#include "mod_proxy.h"

/* "scheme://host:port" of a URL in lower case, with the port that goes without saying; NULL when it has no such form.
 * *rest is what follows. */
static const char *origin_of(apr_pool_t *p, const char *url, const char **rest, const char **host)
{
    const char *colon = ap_strstr_c(url, "://");
    const char *authority, *end, *port = NULL, *at;
    char *origin, *scheme;

    if (!colon || colon == url) {
        return NULL;
    }
    authority = colon + 3;
    for (end = authority; *end && *end != '/' && *end != '?' && *end != '#'; end++) {
        if (*end == '@') {
            authority = end + 1;
        }
    }
    if (end == authority) {
        return NULL;
    }
    for (at = authority; at < end; at++) {
        if (*at == ']') {
            port = NULL;
        }
        else if (*at == ':') {
            port = at;
        }
    }
    scheme = apr_pstrmemdup(p, url, (apr_size_t)(colon - url));
    ap_str_tolower(scheme);
    if (port) {
        origin = apr_psprintf(p, "%s://%.*s", scheme, (int)(end - authority), authority);
    }
    else {
        origin = apr_psprintf(p, "%s://%.*s:%d", scheme, (int)(end - authority), authority,
                              ap_proxy_port_of_scheme(scheme));
    }
    ap_str_tolower(origin);
    if (host) {
        *host = apr_pstrmemdup(p, authority, (apr_size_t)((port ? port : end) - authority));
        ap_str_tolower((char *)*host);
    }
    *rest = end;
    return origin;
}

void farm_reverse_index(apr_pool_t *p, farm_farm *farm)
{
    int i;

    farm->origins = apr_hash_make(p);
    farm->hosts = apr_hash_make(p);
    for (i = 0; i < farm->members->nelts; i++) {
        farm_member *member = APR_ARRAY_IDX(farm->members, i, farm_member *);
        const char *path, *host, *origin = origin_of(p, member->mapped, &path, &host);
        apr_array_header_t *same;

        if (!origin) {
            continue;
        }
        if (!(same = apr_hash_get(farm->origins, origin, APR_HASH_KEY_STRING))) {
            same = apr_array_make(p, 1, sizeof(farm_member *));
            apr_hash_set(farm->origins, origin, APR_HASH_KEY_STRING, same);
        }
        APR_ARRAY_PUSH(same, farm_member *) = member;
        apr_hash_set(farm->hosts, host, APR_HASH_KEY_STRING, member);
    }
}

/* The part of a path that follows a member's own; NULL when it does not lie below it. */
static const char *below(const char *path, const farm_member *member)
{
    const char *own = ap_strstr_c(member->mapped, "://") + 3;
    apr_size_t length;

    own = ap_strchr_c(own, '/');
    length = own ? strlen(own) : 0;
    if (length && strncmp(path, own, length)) {
        return NULL;
    }
    path += length;
    return !*path || *path == '/' || *path == '?' || *path == '#' ? path : NULL;
}

/* The farm's URL for one that names a member of it, with the longest own path where several share an origin; the URL
 * itself when it names the farm; NULL when it names neither. */
static const char *farm_url(farm_ctx *ctx, const char *url)
{
    apr_pool_t *p = ctx->r->pool;
    const char *path, *host, *rest, *best = NULL, *origin = origin_of(p, url, &path, &host);
    apr_array_header_t *same;
    const char *scheme_end = ap_strstr_c(ctx->mapped + 6, "://");
    int i;

    if (!origin || !scheme_end) {
        return NULL;
    }
    if (!strcmp(host, ctx->origin->key)) {
        return url;
    }
    if (ctx->member_is_server) {
        const char *own = origin_of(p, ctx->member->mapped, &rest, NULL);
        best = own && !strcmp(own, origin) ? path : NULL;
    }
    else if (!strcmp(host, ctx->farm->key)) {
        best = path;
    }
    else if ((same = apr_hash_get(ctx->farm->origins, origin, APR_HASH_KEY_STRING)) != NULL) {
        for (i = 0; i < same->nelts; i++) {
            rest = below(path, APR_ARRAY_IDX(same, i, farm_member *));
            if (rest && (!best || rest > best)) {
                best = rest;
            }
        }
    }
    if (!best) {
        return NULL;
    }
    return apr_psprintf(p, "%.*s://%s%s%s", (int)(scheme_end - (ctx->mapped + 6)), ctx->mapped + 6, ctx->origin->key,
                        *best == '/' ? "" : "/", best);
}

/* A URL as the client may know it; NULL when it is not to be changed. */
static const char *mapped_url(farm_ctx *ctx, const char *url)
{
    proxy_dir_conf *dconf = ap_get_module_config(ctx->r->per_dir_config, &proxy_module);
    const char *ours = farm_url(ctx, url);
    const char *mapped;

    if (!ours) {
        return NULL;
    }
    mapped = ap_proxy_location_reverse_map(ctx->r, dconf, ours);
    return mapped == ours ? NULL : mapped;
}

/* Refresh: 5; url=http://... , with or without quotes. mod_proxy leaves it alone. */
static const char *mapped_refresh(farm_ctx *ctx, const char *value)
{
    apr_pool_t *p = ctx->r->pool;
    const char *at, *url, *end, *mapped;
    char quote;

    for (at = value; *at && *at != ';' && *at != ','; at++) {
    }
    while (*at == ';' || *at == ',' || apr_isspace(*at)) {
        at++;
    }
    if (ap_cstr_casecmpn(at, "url", 3) == 0) {
        for (url = at + 3; apr_isspace(*url); url++) {
        }
        if (*url == '=') {
            for (at = url + 1; apr_isspace(*at); at++) {
            }
        }
    }
    quote = *at == '"' || *at == '\'' ? *at++ : '\0';
    end = quote ? ap_strchr_c(at, quote) : NULL;
    if (!end) {
        end = at + strlen(at);
    }
    url = apr_pstrmemdup(p, at, (apr_size_t)(end - at));
    mapped = mapped_url(ctx, url);
    return mapped ? apr_psprintf(p, "%.*s%s%s", (int)(at - value), value, mapped, end) : NULL;
}

/* The domain that ProxyPassReverseCookieDomain gives for the farm; NULL when it gives none. */
static const char *cookie_domain(farm_ctx *ctx)
{
    proxy_dir_conf *dconf = ap_get_module_config(ctx->r->per_dir_config, &proxy_module);
    proxy_req_conf *rconf = ap_get_module_config(ctx->r->request_config, &proxy_module);
    apr_array_header_t *domains = dconf->interpolate_env == 1 && rconf ? rconf->cookie_domains : dconf->cookie_domains;
    int i;

    for (i = 0; i < domains->nelts; i++) {
        struct proxy_alias *one = &APR_ARRAY_IDX(domains, i, struct proxy_alias);
        if (!strcasecmp(one->fake, ctx->origin->key)) {
            return one->real;
        }
    }
    return NULL;
}

/* A cookie whose Domain is a member's host gets the one that stands for the farm. Its Path has been mapped already. */
static const char *mapped_cookie(farm_ctx *ctx, const char *cookie)
{
    const char *domain = cookie_domain(ctx), *at = cookie, *value, *end;
    char *host;

    if (!domain) {
        return NULL;
    }

    while ((at = ap_strchr_c(at, ';')) != NULL) {
        for (at++; apr_isspace(*at); at++) {
        }
        if (ap_cstr_casecmpn(at, "domain=", 7)) {
            continue;
        }
        value = at + 7;
        for (end = value; *end && *end != ';' && !apr_isspace(*end); end++) {
        }
        host = apr_pstrmemdup(ctx->r->pool, *value == '.' ? value + 1 : value,
                              (apr_size_t)(end - value) - (*value == '.'));
        ap_str_tolower(host);
        if (ctx->member_is_server ? ctx->member->host && !strcmp(host, ctx->member->host)
            : apr_hash_get(ctx->farm->hosts, host, APR_HASH_KEY_STRING) != NULL) {
            return apr_psprintf(ctx->r->pool, "%.*s%s%s", (int)(value - cookie), cookie, domain, end);
        }
    }
    return NULL;
}

/* What a header of the answer becomes; NULL when it stays as it is. farm_header_look knows these names too. */
static const char *mapped_value(farm_ctx *ctx, const char *name, const char *value)
{
    switch (*name | 0x20) {
    case 'c':
        return ap_cstr_casecmp(name, "Content-Location") ? NULL : mapped_url(ctx, value);
    case 'd':
        return ap_cstr_casecmp(name, "Destination") ? NULL : mapped_url(ctx, value);
    case 'l':
        return ap_cstr_casecmp(name, "Location") ? NULL : mapped_url(ctx, value);
    case 'r':
        return ap_cstr_casecmp(name, "Refresh") ? NULL : mapped_refresh(ctx, value);
    case 's':
        return ap_cstr_casecmp(name, "Set-Cookie") ? NULL : mapped_cookie(ctx, value);
    case 'u':
        return ap_cstr_casecmp(name, "URI") ? NULL : mapped_url(ctx, value);
    default:
        return NULL;
    }
}

void farm_reverse_map(farm_ctx *ctx)
{
    const apr_array_header_t *headers = apr_table_elts(ctx->r->headers_out);
    apr_table_entry_t *entry = (apr_table_entry_t *)headers->elts;
    const char *mapped;
    int i;

    for (i = 0; i < headers->nelts; i++) {
        if (entry[i].key && (mapped = mapped_value(ctx, entry[i].key, entry[i].val)) != NULL) {
            entry[i].val = (char *)mapped;
        }
    }
}
