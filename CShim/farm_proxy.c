/* farm_proxy.c - how a farm hangs in mod_proxy: it recognises a farm's URL, puts a member's in its place, and repeats
 * attempts. What is chosen, and what an attempt's end means, Swift decides. */
#include "farm_proxy.h"

#include "http_connection.h"

#include "farm_schemes.h"
#include "farm_sections.h"

/* Marks a request whose URL has been seen in the fixups and names no farm: mod_proxy may since have taken a usual port
 * off it, which makes it look as if it did. */
static farm_ctx elsewhere;

/* The farm that a URL names, and the path after its name: a host that is a farm, with no port. A balancer of
 * mod_proxy_balancer's may have a farm's name. */
apr_uint32_t farm_of_url(const char *url, const char **path)
{
    const char *host = ap_strchr_c(url, ':'), *end;
    apr_uint32_t farm;
    apr_size_t length;

    if (!host || host[1] != '/' || host[2] != '/') {
        return FARM_NONE;
    }
    if (host - url == 8 && !ap_cstr_casecmpn(url, "balancer", 8)) {
        return FARM_NONE;
    }
    host += 3;
    for (end = host; *end != '/' && *end; end++) {
        if (*end == ':' || *end == '@') {
            return FARM_NONE;
        }
        if (*end == '?' || *end == '#') {
            break;
        }
    }
    *path = end;
    length = (apr_size_t)(end - host);
    farm = __atomic_load_n(&farm_current->last_found, __ATOMIC_RELAXED);
    if (farm != FARM_NONE && farm_current->config.farms[farm].name_length == length
        && !memcmp(host, farm_current->config.farms[farm].name, length)) {
        return farm;
    }
    farm = farm_on_find_farm(farm_current->engine, host, (uint32_t)length);
    if (farm != FARM_NONE) {
        __atomic_store_n(&farm_current->last_found, farm, __ATOMIC_RELAXED);
    }
    return farm;
}

farm_ctx *farm_ctx_begin(request_rec *r, const char *url)
{
    const char *path;
    apr_uint32_t farm = farm_of_url(url, &path);
    const farm_ctx *before = farm_ctx_of(r);
    farm_ctx *ctx;

    /* A socket named beside the host says where to go: that is not the farm. */
    if (farm == FARM_NONE || (!apr_is_empty_table(r->notes) && apr_table_get(r->notes, "uds_path"))) {
        return NULL;
    }
    ctx = farm_ctx_create(r, farm_current->farm_at[farm], farm, path);
    farm_move_recall(ctx, before == &elsewhere ? NULL : before);
    return ctx;
}

/* The URL of a farm has no canonical form: that depends on the scheme of the member. It stays as mod_proxy mapped it
 * until a member is chosen. */
static int farm_canon(request_rec *r, char *url)
{
    farm_ctx *ctx;

    (void)url;
    if (!farm_current || r->proxyreq != PROXYREQ_REVERSE) {
        return DECLINED;
    }
    ctx = farm_ctx_of(r);
    if (ctx && ctx->aside) {
        return DECLINED;
    }
    if ((!ctx || ctx->filename != r->filename) && (ctx = farm_ctx_begin(r, r->filename + 6)) == NULL) {
        ap_set_module_config(r->request_config, &proxy_farm_module, &elsewhere);
        return DECLINED;
    }
    ctx->canonical = 1;
    return OK;
}

/* Makes the request one to the member or server that was found. */
static int direct(farm_ctx *ctx)
{
    request_rec *r = ctx->r;
    farm_member *member = ctx->member;
    int rc = OK;

    r->filename = apr_palloc(r->pool, member->filename_length + ctx->path_length + 1);
    memcpy(r->filename, member->filename, member->filename_length);
    memcpy(r->filename + member->filename_length, ctx->path, ctx->path_length + 1);
    if (ctx->canonical) {
        if (ctx->as_written) {
            apr_table_setn(r->notes, "proxy-nocanon", "1");
        }
        ctx->aside = 1;
        /* It may write into what it is given; it makes a new filename. */
        rc = proxy_run_canon_handler(r, r->filename + 6);
        ctx->aside = 0;
        if (rc == DECLINED) {
            rc = OK;
        }
    }
    ctx->url = r->filename + 6;
    ctx->told = 0;
    /* The CGI protocols hand it to the member. */
    if (!ctx->member->is_http) {
        farm_environment(ctx);
    }
    return rc;
}

/* The worker for the member or server that was found, to which the request is directed; or for the next one, while none can be
 * made, which is this host's shortage. OK, or the status for the client. */
static int take_worker(farm_ctx *ctx, proxy_server_conf *conf, proxy_worker **worker)
{
    int rc;

    while ((*worker = farm_worker_for(ctx, conf)) == NULL) {
        if (ctx->member_is_server || !farm_on_end(farm_current->engine, &ctx->request, FARM_SAW_SHORTAGE,
                                                  farm_body_can_resend(ctx), 0, 0)) {
            return HTTP_SERVICE_UNAVAILABLE;
        }
        if ((rc = farm_destination_find(ctx, HTTP_SERVICE_UNAVAILABLE)) != OK) {
            return rc;
        }
    }
    if ((rc = direct(ctx)) != OK) {
        farm_on_drop(farm_current->engine, &ctx->request);
    }
    return rc;
}

/* Methods that may be sent again: RFC 9110, 9.2.2, and those of WebDAV that it says the same of. */
static int is_idempotent(const request_rec *r)
{
    switch (r->method_number) {
    case M_GET:                         /* and HEAD */
    case M_PUT:
    case M_DELETE:
    case M_OPTIONS:
    case M_TRACE:
    case M_PROPFIND:
        return 1;
    default:
        return 0;
    }
}

/* The log is told what the client asked for, whatever a forward made of it. */
static int over(farm_ctx *ctx, int rc)
{
    if (ctx->as_written) {
        ctx->r->args = ctx->client_args;
    }
    farm_outcome_of_subrequest(ctx, rc);
    return rc;
}

static int farm_pre_request(proxy_worker **worker, proxy_balancer **balancer, request_rec *r, proxy_server_conf *conf,
                            char **url)
{
    farm_ctx *ctx;
    int rc;

    (void)balancer;
    if (!farm_current || r->proxyreq != PROXYREQ_REVERSE) {
        return DECLINED;
    }
    /* Without one, the URL came past the fixups and is in its final form. */
    ctx = farm_ctx_of(r);
    if (ctx == &elsewhere || ((!ctx || ctx->filename != r->filename) && (ctx = farm_ctx_begin(r, *url)) == NULL)) {
        return DECLINED;
    }
    if (is_idempotent(r)) {
        ctx->request.flags |= FARM_REQUEST_IDEMPOTENT;
    }
    farm_snapshot_take(ctx);
    if ((rc = farm_destination_ask(ctx)) != OK) {
        return over(ctx, rc);
    }
    if (!ctx->may_have_body || !ap_request_has_body(r)) {
        ctx->request.flags |= FARM_REQUEST_BODY_READY;
    }
    if ((rc = farm_destination_find(ctx, 0)) != OK || (rc = take_worker(ctx, conf, worker)) != OK) {
        return over(ctx, rc);
    }
    ctx->is_ready = 1;
    *url = ctx->url;
    return OK;
}

/* The status for a client whose last attempt ended with `rc` and nothing sent. */
static int status_of(farm_ctx *ctx, int rc)
{
    if (ctx->answer == FARM_ANSWER_HELD && ctx->request.status >= 400) {
        return (int)ctx->request.status;
    }
    if (ctx->answer == FARM_ANSWER_BROKEN || ctx->request.flags & FARM_REQUEST_SUSPECT) {
        return HTTP_BAD_GATEWAY;
    }
    if (ctx->saw & FARM_SAW_TIMEOUT) {
        return HTTP_GATEWAY_TIME_OUT;
    }
    return ap_is_HTTP_ERROR(rc) ? rc : HTTP_BAD_GATEWAY;
}

/* Whether the client may still get something else than what the last attempt came to. */
static int is_open(const farm_ctx *ctx, int rc)
{
    return ctx->answer != FARM_ANSWER_PASSED && (ctx->answer != FARM_ANSWER_NONE || ap_is_HTTP_ERROR(rc))
        && !ctx->r->connection->aborted;
}

/* When the attempts are used up, the farm's condition decides; while that is ok, the last failure. */
static int farm_decides(const farm_ctx *ctx, int rc)
{
    return is_open(ctx, rc) && ctx->request.flags & FARM_REQUEST_USED_UP
        && farm_on_condition(farm_current->engine, &ctx->request) != 0;
}

/* Ends the request as its last attempt has ended. */
static int finish(farm_ctx *ctx, int rc)
{
    if (is_open(ctx, rc)) {
        rc = status_of(ctx, rc);
        /* What the failed answer had set must not be part of httpd's own. */
        if (ctx->answer != FARM_ANSWER_NONE || ctx->member->is_http2) {
            farm_snapshot_restore(ctx);
            ctx->told = 0;
        }
    }
    farm_environment_complete(ctx);
    return rc;
}

/* An answer that ProxyErrorOverride replaces does not come through the filters. */
static void note_overridden(farm_ctx *ctx, int rc)
{
    if (ctx->answer == FARM_ANSWER_NONE && apr_table_get(ctx->r->notes, "proxy-error-override")) {
        farm_answer_take_reports(ctx);
        ctx->answer = farm_on_answer(farm_current->engine, &ctx->request, (uint32_t)rc, farm_body_can_resend(ctx),
                                     farm_host_clock()) ? FARM_ANSWER_PASSED : FARM_ANSWER_HELD;
    }
}

/* One attempt by mod_proxy's own handlers. Whether another shall follow. */
static int attempt(farm_ctx *ctx, proxy_worker *worker, proxy_server_conf *conf, const char *proxyname,
                   apr_port_t proxyport, int *rc)
{
    apr_uint64_t bytes_in, bytes_out;
    apr_off_t discarded;
    farm_ctx *outer;

    if (!ctx->body && (ctx->member->is_ajp || (ctx->may_have_body && ap_request_has_body(ctx->r)))) {
        farm_body_watch(ctx);
    }
    farm_answer_expect(ctx);
    if (ctx->member->is_http2) {
        farm_answer_guard(ctx);
    }
    farm_evidence_begin(ctx);
    outer = farm_upload_begin(ctx);
    ctx->aside = 1;
    *rc = proxy_run_scheme_handler(ctx->r, worker, conf, ctx->url, proxyname, proxyport);
    ctx->aside = 0;
    if ((discarded = farm_upload_end(ctx, outer)) > 0) {
        worker->s->transferred -= discarded;
    }
    if (ctx->member->is_http2) {
        farm_answer_unguard(ctx);
    }
    note_overridden(ctx, *rc);
    ctx->saw = *rc == DECLINED ? farm_schemes_declined(ctx) : farm_evidence(ctx, worker, *rc);
    *rc = *rc == DECLINED ? HTTP_SERVICE_UNAVAILABLE : *rc;
    farm_worker_moved(worker, &bytes_in, &bytes_out);
    return farm_on_end(farm_current->engine, &ctx->request, ctx->saw, farm_body_can_resend(ctx), bytes_in, bytes_out);
}

/* Attempts until one is the last. */
static int serve(farm_ctx *ctx, proxy_worker *worker, proxy_server_conf *conf, const char *proxyname,
                 apr_port_t proxyport)
{
    int rc, last, again;

    while ((again = attempt(ctx, worker, conf, proxyname, proxyport, &rc)) || farm_decides(ctx, rc)) {
        last = status_of(ctx, rc);
        farm_snapshot_restore(ctx);
        farm_environment(ctx);
        farm_body_rewind(ctx);
        rc = again ? farm_destination_find(ctx, last) : farm_destination_give_up(ctx, last);
        if (rc != OK || (rc = take_worker(ctx, conf, &worker)) != OK) {
            return rc;
        }
    }
    return finish(ctx, rc);
}

__attribute__((noinline))
static int serve_once(farm_ctx *ctx, proxy_worker *worker, proxy_server_conf *conf, const char *proxyname,
                      apr_port_t proxyport)
{
    /* With a ProxyRemote that failed, mod_proxy asks again without it. What has been attempted and judged is over. */
    if (ctx->is_ready) {
        ctx->outcome = serve(ctx, worker, conf, proxyname, proxyport);
        farm_answer_over(ctx);
        ctx->is_ready = 0;
        over(ctx, ctx->outcome);
    }
    return ctx->outcome;
}

/* Called twice for each attempt: the second time by ourselves, to step aside, for which it needs no stack. */
static int farm_scheme_handler(request_rec *r, proxy_worker *worker, proxy_server_conf *conf, char *url,
                               const char *proxyname, apr_port_t proxyport)
{
    farm_ctx *ctx = farm_current ? farm_ctx_of(r) : NULL;

    (void)url;
    return !ctx || ctx->aside || !ctx->member ? DECLINED : serve_once(ctx, worker, conf, proxyname, proxyport);
}

void farm_proxy_hooks(void)
{
    proxy_hook_canon_handler(farm_canon, NULL, NULL, APR_HOOK_REALLY_FIRST);
    proxy_hook_pre_request(farm_pre_request, NULL, NULL, APR_HOOK_REALLY_FIRST);
    proxy_hook_scheme_handler(farm_scheme_handler, NULL, NULL, APR_HOOK_REALLY_FIRST);
    farm_move_hooks();
    farm_sections_hooks();
    farm_evidence_hooks();
    farm_outcome_hooks();
    farm_answer_register();
    farm_body_register();
    farm_upload_register();
    farm_instruction_register();
}
