/* farm_sections.c - the <Proxy> sections of the configuration that hold for a request of a farm.
 *
 * mod_proxy looks for them once, in map_to_storage, by the URL that the request was mapped to. When a farm forwards the request
 * later, the sections of the new URL are taken here, as if it had been mapped to that URL from the start: the configuration is
 * merged again from the virtual host's, access is asked again, and what request headers its directives make is made again.
 * What other modules have done to the request and its answer stays. */
#include "farm_sections.h"

#include "apr_fnmatch.h"
#include "mod_proxy.h"

static proxy_server_conf *conf_of(server_rec *s)
{
    return ap_get_module_config(s->module_config, &proxy_module);
}

/* As mod_proxy's proxy_walk compares them. */
static int fits(ap_conf_vector_t *section, const char *url)
{
    const proxy_dir_conf *its = ap_get_module_config(section, &proxy_module);

    if (its->r) {
        return ap_regexec(its->r, url, 0, NULL, 0) == 0;
    }
    return its->p_is_fnmatch ? apr_fnmatch(its->p, url, 0) == APR_SUCCESS : !strncmp(url, its->p, strlen(its->p));
}

/* Sets the variables that the named groups of a <ProxyMatch> section give. */
static void set_groups(request_rec *r, const proxy_dir_conf *section, const char *url)
{
    int i, count = section->refs->nelts;
    ap_regmatch_t *groups = apr_palloc(r->pool, sizeof(*groups) * (apr_size_t)count);

    if (ap_regexec(section->r, url, (apr_size_t)count, groups, 0)) {
        return;
    }
    for (i = 0; i < count; i++) {
        const char *name = APR_ARRAY_IDX(section->refs, i, const char *);
        if (name && groups[i].rm_so >= 0) {
            apr_table_setn(r->subprocess_env, name,
                           apr_pstrmemdup(r->pool, url + groups[i].rm_so, (apr_size_t)(groups[i].rm_eo - groups[i].rm_so)));
        }
    }
}

/* Merges the sections of a URL, and then those of <Location> and <If>, as httpd does for a request mapped to it. */
static int configure(request_rec *r, const char *url)
{
    const apr_array_header_t *sections = conf_of(r->server)->sec_proxy;
    const core_dir_config *core;
    int i, rc;

    r->per_dir_config = r->server->lookup_defaults;
    for (i = 0; i < sections->nelts; i++) {
        ap_conf_vector_t *section = APR_ARRAY_IDX(sections, i, ap_conf_vector_t *);
        const proxy_dir_conf *its = ap_get_module_config(section, &proxy_module);

        if (fits(section, url)) {
            if (its->r && its->refs && its->refs->nelts) {
                set_groups(r, its, url);
            }
            r->per_dir_config = ap_merge_per_dir_configs(r->pool, r->per_dir_config, section);
        }
    }
    if ((rc = ap_location_walk(r)) != OK || (rc = ap_if_walk(r)) != OK) {
        return rc;
    }
    core = ap_get_core_module_config(r->per_dir_config);
    if (core->log) {
        r->log = core->log;
    }
    return OK;
}

/* What httpd does with the answer of one of its hooks. */
static int refused(request_rec *r, int rc)
{
    if (rc == DECLINED) {
        ap_log_rerror(APLOG_MARK, APLOG_CRIT, 0, r, "FARM00040: no module could check whether %s may be had; is a module of "
                      "authentication missing?", r->filename);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return rc;
}

/* As in ap_process_request_internal. */
static int check_user(request_rec *r)
{
    int rc = ap_run_check_user_id(r);

    if (rc != OK) {
        return refused(r, rc);
    }
    if (!r->user) {
        return refused(r, DECLINED);
    }
    rc = ap_run_auth_checker(r);
    return rc == OK ? OK : refused(r, rc);
}

/* Whether the client may have what the request's configuration guards: OK, or the status for it, as httpd would ask. */
static int check_access(request_rec *r)
{
    int any = ap_satisfies(r) == SATISFY_ANY, rc;

    r->user = NULL;
    r->ap_auth_type = NULL;
    rc = ap_run_access_checker(r);
    if (any ? rc == OK : rc != OK) {
        return rc == OK ? OK : refused(r, rc);
    }
    rc = ap_run_access_checker_ex(r);
    if (rc == DECLINED || (rc == OK && ap_run_force_authn(r) == OK)) {
        return check_user(r);
    }
    return rc;
}

/* The modules whose directives make request headers, by their hooks for fixups. */
static const char *const header_modules[] = { "mod_auth_basic.c", "mod_headers.c", NULL };

static int makes_headers(const char *module)
{
    return module && (!strcmp(module, header_modules[0]) || !strcmp(module, header_modules[1]));
}

static void make_headers(request_rec *r)
{
    apr_array_header_t *hooks = ap_hook_get_fixups();
    int i;

    for (i = 0; hooks && i < hooks->nelts; i++) {
        ap_LINK_fixups_t *hook = &APR_ARRAY_IDX(hooks, i, ap_LINK_fixups_t);
        if (makes_headers(hook->szName)) {
            hook->pFunc(r);
        }
    }
}

/* mod_headers sees to the answer's headers by a filter, which httpd has inserted before the handler, if the configuration asked
 * for one then. */
static void filter_answer(request_rec *r)
{
    apr_array_header_t *hooks = ap_hook_get_insert_filter();
    const ap_filter_t *filter;
    int i;

    for (filter = r->output_filters; filter; filter = filter->next) {
        if (!strcmp(filter->frec->name, "fixup_headers_out")) {
            return;
        }
    }
    for (i = 0; hooks && i < hooks->nelts; i++) {
        ap_LINK_insert_filter_t *hook = &APR_ARRAY_IDX(hooks, i, ap_LINK_insert_filter_t);
        if (hook->szName && !strcmp(hook->szName, "mod_headers.c")) {
            hook->pFunc(r);
        }
    }
}

/* Puts the request's headers back as they were before the sections of the first farm changed them; but those that tell of its
 * body stay, which filters change while it is read, and what mod_proxy has counted. */
static void put_headers_back(farm_ctx *ctx)
{
    static const char *const stay[] = {
        "Content-Length", "Content-Encoding", "Content-MD5", "Transfer-Encoding", "Max-Forwards", NULL
    };
    request_rec *r = ctx->r;
    apr_table_t *now = r->headers_in, *back;
    int i;

    if (!ctx->headers_in) {
        return;
    }
    back = apr_table_copy(r->pool, ctx->headers_in);
    for (i = 0; stay[i]; i++) {
        const char *value = apr_table_get(now, stay[i]);
        if (value) {
            apr_table_setn(back, stay[i], value);
        }
        else {
            apr_table_unset(back, stay[i]);
        }
    }
    r->headers_in = back;
}

/* Whether a section makes a difference between two URLs. */
static int tells_apart(ap_conf_vector_t *section, const char *one, const char *other)
{
    const proxy_dir_conf *its = ap_get_module_config(section, &proxy_module);
    int has = fits(section, one);

    return has != fits(section, other) || (has && its->r && its->refs && its->refs->nelts);
}

static int have_the_same(const apr_array_header_t *sections, const char *one, const char *other)
{
    int i;

    for (i = 0; i < sections->nelts; i++) {
        if (tells_apart(APR_ARRAY_IDX(sections, i, ap_conf_vector_t *), one, other)) {
            return 0;
        }
    }
    return 1;
}

static int has_any(const apr_array_header_t *sections, const char *url)
{
    int i;

    for (i = 0; i < sections->nelts; i++) {
        if (fits(APR_ARRAY_IDX(sections, i, ap_conf_vector_t *), url)) {
            return 1;
        }
    }
    return 0;
}

/* Where mod_proxy has walked no sections, the request's configuration is that of a file: it stays, but the sections are asked
 * whether the client may have it. */
static int ask_only(farm_ctx *ctx, const char *url)
{
    request_rec *r = ctx->r;
    ap_conf_vector_t *config = r->per_dir_config;
    const struct ap_logconf *log = r->log;
    char *filename = r->filename, *user = r->user, *type = r->ap_auth_type;
    int rc;

    if (!has_any(conf_of(r->server)->sec_proxy, url)) {
        return OK;
    }
    r->filename = apr_pstrcat(r->pool, "proxy:", url, NULL);
    if ((rc = configure(r, url)) == OK) {
        rc = check_access(r);
    }
    r->per_dir_config = config;
    r->log = log;
    r->filename = filename;
    if (!r->user) {
        r->user = user;
        r->ap_auth_type = type;
    }
    return rc;
}

int farm_sections_enter(farm_ctx *ctx, const char *url)
{
    request_rec *r = ctx->r;
    const apr_array_header_t *sections = conf_of(r->server)->sec_proxy;
    int rc;

    if (sections->nelts == 0) {
        return OK;
    }
    if (!ctx->walked) {
        return ask_only(ctx, url);
    }
    if (have_the_same(sections, ctx->walked, url)) {
        ctx->walked = url;
        return OK;
    }
    ctx->walked = url;
    r->filename = apr_pstrcat(r->pool, "proxy:", url, NULL);
    put_headers_back(ctx);
    if ((rc = configure(r, url)) != OK || (rc = check_access(r)) != OK) {
        return rc;
    }
    make_headers(r);
    filter_answer(r);
    return OK;
}

apr_array_header_t *farm_sections_with_tls(apr_pool_t *pconf, server_rec *s)
{
    static const char *const names[] = { "mod_ssl.c", "mod_tls.c", NULL };
    const apr_array_header_t *sections = conf_of(s)->sec_proxy;
    apr_array_header_t *found = NULL;
    int i, j;

    for (i = 0; i < sections->nelts; i++) {
        ap_conf_vector_t *section = APR_ARRAY_IDX(sections, i, ap_conf_vector_t *);
        for (j = 0; names[j]; j++) {
            module *its = ap_find_linked_module(names[j]);
            if (its && ap_get_module_config(section, its)) {
                found = found ? found : apr_array_make(pconf, 2, sizeof(section));
                APR_ARRAY_PUSH(found, ap_conf_vector_t *) = section;
                break;
            }
        }
    }
    return found;
}

/* mod_ssl prepares each section that has a directive of its own when httpd starts, complete with the virtual host's settings:
 * where several hold, those of the last are in force, whole. */
apr_uint32_t farm_sections_tls(const farm_ctx *ctx)
{
    const apr_array_header_t *sections = farm_conf_of(ctx->r->server)->tls_sections;
    int i;

    for (i = sections && ctx->walked ? sections->nelts : 0; i > 0; i--) {
        if (fits(APR_ARRAY_IDX(sections, i - 1, ap_conf_vector_t *), ctx->walked)) {
            return (apr_uint32_t)i;
        }
    }
    return 0;
}

/* Runs just before the directives of the sections make request headers. */
static int keep_headers(request_rec *r)
{
    farm_ctx *ctx;

    if (!farm_current || r->proxyreq != PROXYREQ_REVERSE || conf_of(r->server)->sec_proxy->nelts == 0 || !r->filename
        || strncmp(r->filename, "proxy:", 6)) {
        return DECLINED;
    }
    /* After an internal redirect that took over a subrequest, there is none yet. */
    ctx = farm_ctx_of(r) ? farm_ctx_of(r) : farm_ctx_begin(r, r->filename + 6);
    if (ctx && ctx->filename == r->filename && (ctx->farm->forwards || ctx->walked != ctx->farm_url)) {
        ctx->headers_in = apr_table_copy(r->pool, r->headers_in);
    }
    return DECLINED;
}

void farm_sections_hooks(void)
{
    ap_hook_fixups(keep_headers, NULL, header_modules, APR_HOOK_LAST);
}
