/* farm_answer.c - what comes back from a member.
 *
 * An output filter before all others sees the first of an answer before anything of it can reach the client: it holds
 * back what is no HTTP, an answer that another member shall replace, and the marks by which a handler tells that its
 * member broke off. Afterwards it only watches for an answer that is cut short. */
#include "farm_request.h"

#include "http_connection.h"

static ap_filter_rec_t *answer_handle;

/* Whether a handler tells with this brigade that the member failed it. */
static int tells_of_break(apr_bucket_brigade *bb)
{
    apr_bucket *e;

    for (e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
        if (AP_BUCKET_IS_ERROR(e) || AP_BUCKET_IS_EOC(e)) {
            return 1;
        }
    }
    return 0;
}

/* Reads on, so that the connection to the member can be used again, but not for ever. */
static apr_status_t swallow(farm_ctx *ctx, apr_bucket_brigade *bb)
{
    apr_off_t length = 0;

    apr_brigade_length(bb, 0, &length);
    apr_brigade_cleanup(bb);
    if (length > 0) {
        ctx->swallowed += length;
    }
    return ctx->swallowed > FARM_BODY_KEPT ? APR_EGENERAL : APR_SUCCESS;
}

static apr_status_t first_of_answer(ap_filter_t *f, farm_ctx *ctx, apr_bucket_brigade *bb)
{
    request_rec *r = ctx->r;

    if (APR_BRIGADE_EMPTY(bb)) {
        return APR_SUCCESS;
    }
    /* mod_proxy_http passes on what is no HTTP as an answer of HTTP/0.9; of others it notes the status line. */
    if (tells_of_break(bb) || (ctx->member->is_http && !apr_table_get(r->notes, "proxy-status"))) {
        ctx->answer = FARM_ANSWER_BROKEN;
        return swallow(ctx, bb);
    }
    if (!farm_on_answer(farm_current->engine, &ctx->request, (uint32_t)r->status, farm_body_can_resend(ctx),
                        farm_host_clock())) {
        ctx->answer = FARM_ANSWER_HELD;
        return swallow(ctx, bb);
    }
    ctx->answer = FARM_ANSWER_PASSED;
    farm_reverse_map(ctx);
    return ap_pass_brigade(f->next, bb);
}

static apr_status_t answer_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    farm_ctx *ctx = f->ctx;

    if (ctx->answer == FARM_ANSWER_PASSED) {
        if (tells_of_break(bb)) {
            ctx->answer_broke = 1;
        }
        return ap_pass_brigade(f->next, bb);
    }
    /* After the last attempt httpd's own error page comes this way. */
    if (!ctx->aside) {
        return ap_pass_brigade(f->next, bb);
    }
    return ctx->answer == FARM_ANSWER_NONE ? first_of_answer(f, ctx, bb) : swallow(ctx, bb);
}

void farm_answer_expect(farm_ctx *ctx)
{
    ctx->answer = FARM_ANSWER_NONE;
    ctx->answer_broke = 0;
    ctx->swallowed = 0;
    ctx->request.status = 0;
    if (!ctx->answer_filter) {
        ctx->answer_filter = ap_add_output_filter_handle(answer_handle, ctx, ctx->r, ctx->r->connection);
    }
}

void farm_answer_register(void)
{
    answer_handle = ap_register_output_filter("FARM_ANSWER", answer_filter, NULL, AP_FTYPE_RESOURCE - 1);
}
