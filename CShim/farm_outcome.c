/* farm_outcome.c - the end of each request, as httpd's access log sees it. Swift decides what the outcome is. */
#include "farm_request.h"

static void finish(farm_ctx *ctx, int status)
{
    farm_on_finished(farm_current->engine, &ctx->request, (uint32_t)status, ctx->r->connection->aborted);
}

/* Called once for a request of a client, with all that internal redirects have made of it: each of them may have been a
 * farm's. mod_log_config's %>s logs the status of the last one. */
static int on_log(request_rec *r)
{
    request_rec *last = r;

    if (!farm_current) {
        return DECLINED;
    }
    while (last->next) {
        last = last->next;
    }
    for (; r; r = r->next) {
        farm_ctx *ctx = farm_ctx_of(r);

        if (ctx && ctx->request.flags & FARM_REQUEST_COUNTED) {
            finish(ctx, last->status);
        }
    }
    return DECLINED;
}

void farm_outcome_of_subrequest(farm_ctx *ctx, int rc)
{
    if (ctx->r->main && farm_current) {
        finish(ctx, ap_is_HTTP_ERROR(rc) || ap_is_HTTP_REDIRECT(rc) ? rc : ctx->r->status);
    }
}

void farm_outcome_hooks(void)
{
    ap_hook_log_transaction(on_log, NULL, NULL, APR_HOOK_REALLY_FIRST);
}
