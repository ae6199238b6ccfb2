/* farm_move.c - requests that an instruction sends to another farm (`to`).
 *
 * The farm is changed before mod_proxy looks for the <Proxy> sections of the mapped URL, so that all that follows is the serving
 * farm's from the start: sections, access, request headers, ProxyPass parameters. A subrequest is moved too, for who only asks
 * shall learn what a request would meet; but a cookie is counted when it is served, by farm_request_instruct. */
#include "farm_sections.h"

#include "mod_proxy.h"

/* Notes of a subrequest, which httpd may turn into the request itself (DirectoryIndex); what else it knew is lost then. */
#define WALKED "farm-walked"            /* the URL whose sections it has */
#define ADDRESSED "farm-addressed"      /* r->filename as mod_proxy had mapped it, when it was moved */

/* Where the host of a URL ends: a capture of ProxyPassMatch may follow it at once. */
static apr_size_t length_of_host(const char *host)
{
    return strcspn(host, "/$?#");
}

/* Returns "scheme://name" of a farm, spelled as in a ProxyPass line of the virtual host, because <Proxy> sections are matched
 * letter by letter. It prefers a line with the same scheme. Without any such line it returns the scheme it was given and the
 * name as the farm defines it. */
static const char *base_of(request_rec *r, const char *scheme, apr_size_t scheme_length, const farm_farm *farm)
{
    const proxy_server_conf *conf = ap_get_module_config(r->server->module_config, &proxy_module);
    apr_size_t name_length = strlen(farm->key);
    const char *base = NULL;
    int i;

    for (i = 0; i < conf->aliases->nelts; i++) {
        const char *url = APR_ARRAY_IDX(conf->aliases, i, struct proxy_alias).real;
        const char *host = ap_strstr_c(url, "://");

        if (!host || length_of_host(host += 3) != name_length || ap_cstr_casecmpn(host, farm->key, name_length)
            || !ap_cstr_casecmpn(url, "balancer:", 9) || !ap_cstr_casecmpn(url, "unix:", 5)) {
            continue;
        }
        if ((apr_size_t)(host - 3 - url) == scheme_length && !ap_cstr_casecmpn(url, scheme, scheme_length)) {
            return apr_pstrmemdup(r->pool, url, (apr_size_t)(host - url) + name_length);
        }
        base = base ? base : apr_pstrmemdup(r->pool, url, (apr_size_t)(host - url) + name_length);
    }
    return base ? base : apr_psprintf(r->pool, "%.*s://%s", (int)scheme_length, scheme, farm->name);
}

const char *farm_move_url(farm_ctx *ctx, apr_uint32_t farm)
{
    const char *url = ctx->mapped + 6;

    return apr_pstrcat(ctx->r->pool, base_of(ctx->r, url, strcspn(url, ":"), farm_current->farm_at[farm]), ctx->path, NULL);
}

/* Changes the farm of a request whose cookies ask for that. */
static void move(farm_ctx *ctx)
{
    request_rec *r = ctx->r;
    const char *cookies, *client = r->useragent_ip;
    apr_uint32_t farm;

    if (!farm_current->secrets || farm_current->config.farm_count < 2 || !(cookies = farm_request_look(ctx))
        || !farm_cookies_may_instruct(cookies)) {
        return;
    }
    farm = farm_on_target(farm_current->engine, &ctx->request, cookies, (uint32_t)strlen(cookies), client,
                          (uint32_t)strlen(client));
    if (farm == ctx->request.farm) {
        return;
    }
    r->filename = apr_pstrcat(r->pool, "proxy:", farm_move_url(ctx, farm), NULL);
    ctx->filename = r->filename;
    ctx->request.farm = farm;
    ctx->farm = farm_current->farm_at[farm];
    ctx->farm_url = r->filename + 6;
    ctx->moved_by = cookies;
}

/* Before mod_proxy's own. */
static int farm_map_to_storage(request_rec *r)
{
    farm_ctx *ctx;

    if (!farm_current || r->proxyreq != PROXYREQ_REVERSE || !r->filename || strncmp(r->filename, "proxy:", 6)) {
        return DECLINED;
    }
    if ((ctx = farm_ctx_begin(r, r->filename + 6)) != NULL) {
        move(ctx);
        ctx->walked = ctx->farm_url;
        if (r->main) {
            apr_table_setn(r->notes, WALKED, ctx->walked);
            if (ctx->moved_by) {
                apr_table_setn(r->notes, ADDRESSED, ctx->mapped);
            }
        }
    }
    else if (farm_conf_of(r->server)->tls_sections) {
        /* A RewriteRule may yet make it a farm's, whose members' TLS then has these sections' settings. */
        apr_table_setn(r->notes, WALKED, r->filename + 6);
    }
    return DECLINED;
}

void farm_move_recall(farm_ctx *ctx, const farm_ctx *before)
{
    const char *addressed, *walked;

    if (before) {
        walked = before->walked;
    }
    else {
        walked = apr_is_empty_table(ctx->r->notes) ? NULL : apr_table_get(ctx->r->notes, WALKED);
    }
    ctx->walked = walked;
    if (!walked || before || strcmp(walked, ctx->farm_url)) {
        return;
    }
    /* The subrequest's URL has become the request's. */
    ctx->walked = ctx->farm_url;
    ctx->canonical = 1;
    if ((addressed = apr_table_get(ctx->r->notes, ADDRESSED)) != NULL) {
        const char *path;
        apr_uint32_t farm = farm_of_url(addressed + 6, &path);
        if (farm != FARM_NONE) {
            ctx->mapped = addressed;
            ctx->origin = farm_current->farm_at[farm];
            ctx->request.addressed = farm;
            ctx->moved_by = farm_request_look(ctx);
        }
    }
}

void farm_move_hooks(void)
{
    static const char *const after[] = { "mod_proxy.c", NULL };

    ap_hook_map_to_storage(farm_map_to_storage, NULL, after, APR_HOOK_FIRST);
}
