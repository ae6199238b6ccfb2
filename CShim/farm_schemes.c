/* farm_schemes.c - which of mod_proxy's modules carries the scheme of a member. */
#include "farm_schemes.h"

#include "http_ssl.h"

/* Those that carry a scheme: any of them does. */
static const struct { const char *scheme; const char *modules[2]; int is_tls; } carriers[] = {
    { "http", { "proxy_http", NULL }, 0 },
    { "https", { "proxy_http", NULL }, 1 },
    { "h2c", { "proxy_http2", NULL }, 0 },
    { "h2", { "proxy_http2", NULL }, 1 },
    { "ws", { "proxy_http", "proxy_wstunnel" }, 0 },
    { "wss", { "proxy_http", "proxy_wstunnel" }, 1 },
    { "ajp", { "proxy_ajp", NULL }, 0 },
    { "fcgi", { "proxy_fcgi", NULL }, 0 },
    { "scgi", { "proxy_scgi", NULL }, 0 },
    { "uwsgi", { "proxy_uwsgi", NULL }, 0 },
};

static int is_loaded(apr_pool_t *p, const char *module)
{
    return module && ap_find_linked_module(apr_pstrcat(p, "mod_", module, ".c", NULL));
}

/* Whether some module makes TLS connections: asked before httpd has looked for it, and afterwards. */
static int has_tls(void)
{
    return ap_find_linked_module("mod_ssl.c") || ap_find_linked_module("mod_tls.c") || ap_ssl_has_outgoing_handlers();
}

/* The module without which nobody carries the scheme of a member, as LoadModule writes it less "_module"; NULL: none is missing. */
static const char *missing_for(apr_pool_t *p, const farm_member *member)
{
    apr_size_t i, length = strcspn(member->mapped, ":");

    for (i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
        if (strlen(carriers[i].scheme) != length || memcmp(carriers[i].scheme, member->mapped, length)) {
            continue;
        }
        if (!is_loaded(p, carriers[i].modules[0]) && !is_loaded(p, carriers[i].modules[1])) {
            return carriers[i].modules[0];
        }
        return carriers[i].is_tls && !has_tls() ? "ssl" : NULL;
    }
    return NULL;
}

static void warn(server_rec *s, apr_pool_t *p, const char *directive, const char *file, int line, const farm_member *member,
                 const char *module)
{
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "FARM00041: %s:%d: %s '%s': no module that carries %.*s is loaded, so requests "
                 "pass it over; write LoadModule %s_module modules/mod_%s.so%s", file, line, directive, member->url,
                 (int)strcspn(member->mapped, ":"), member->mapped, module, module,
                 apr_psprintf(p, ", or a2enmod %s", module));
}

/* One line for each farm and scheme will do. */
static int is_told(const farm_farm *farm, int at)
{
    const farm_member *member = APR_ARRAY_IDX(farm->members, at, farm_member *);
    apr_size_t length = strcspn(member->mapped, ":") + 1;
    int i;

    for (i = 0; i < at; i++) {
        if (!strncmp(APR_ARRAY_IDX(farm->members, i, farm_member *)->mapped, member->mapped, length)) {
            return 1;
        }
    }
    return 0;
}

void farm_schemes_check(server_rec *s, apr_pool_t *p, farm_conf *conf)
{
    const char *module;
    int i, j;

    for (i = 0; i < conf->farms->nelts; i++) {
        const farm_farm *farm = APR_ARRAY_IDX(conf->farms, i, farm_farm *);

        for (j = 0; j < farm->members->nelts; j++) {
            const farm_member *member = APR_ARRAY_IDX(farm->members, j, farm_member *);
            if (!is_told(farm, j) && (module = missing_for(p, member)) != NULL) {
                warn(s, p, "FarmMember", member->file, member->line, member, module);
            }
        }
        for (j = 1; j <= FARM_ANY_CONDITION; j++) {
            const farm_fallback *fallback = farm->fallbacks[j];
            if (fallback && fallback->server && (module = missing_for(p, fallback->server)) != NULL) {
                warn(s, p, "FarmForward", fallback->file, fallback->line, fallback->server, module);
            }
        }
    }
}

/* Requests that find it out at the same moment all say so: once a second is enough. */
static apr_uint32_t last_told;

apr_uint32_t farm_schemes_declined(farm_ctx *ctx)
{
    const farm_member *member = ctx->member;
    apr_uint32_t now = (apr_uint32_t)apr_time_sec(apr_time_now()), told = __atomic_load_n(&last_told, __ATOMIC_RELAXED);
    const char *module;

    if (told != now && __atomic_compare_exchange_n(&last_told, &told, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        module = missing_for(ctx->r->pool, member);
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, ctx->r, "FARM00042: farm %s: %s %s is passed over: no loaded module carries its "
                      "scheme (%.*s)%s%s", ctx->farm->key, ctx->member_is_server ? "the server" : "member", member->name,
                      (int)strcspn(member->mapped, ":"), member->mapped, module ? "; load mod_" : "", module ? module : "");
    }
    return FARM_SAW_SHORTAGE;
}
