/* farm_answer.c - what comes back from a member.
 *
 * An output filter before all others sees the first of an answer before anything of it can reach the client: it holds
 * back what is no HTTP, an answer that another member shall replace, and the marks by which a handler tells that its
 * member broke off. Afterwards it only watches for an answer that is cut short. */
#include "farm_request.h"

#include "http_connection.h"

static ap_filter_rec_t *answer_handle, *drop_handle, *switch_handle;

/* Whether a handler tells with this brigade that the member failed it. A bad body of the client's comes this way too:
 * httpd's own reader of it sends the error towards the client itself. */
static int tells_of_break(farm_ctx *ctx, apr_bucket_brigade *bb)
{
    apr_bucket *e;

    for (e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
        if (AP_BUCKET_IS_ERROR(e) && ((ap_bucket_error *)e->data)->status < 500) {
            ctx->client_failed = 1;
            return 0;
        }
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

static int take_report(void *data, const char *name, const char *value)
{
    farm_ctx *ctx = data;

    (void)name;
    farm_on_report(farm_current->engine, &ctx->request, value, (uint32_t)strlen(value));
    return 1;
}

/* What the member says of its load is for this server, not for its client. */
void farm_answer_take_reports(farm_ctx *ctx)
{
    static const char header[] = "Endpoint-Load-Metrics";

    if (!ctx->farm->takes_reports || ctx->member_is_server) {
        return;
    }
    apr_table_do(take_report, ctx, ctx->r->headers_out, header, NULL);
    apr_table_unset(ctx->r->headers_out, header);
}

static int differs(void *data, const char *name, const char *value)
{
    const char **length = data;

    (void)name;
    if (*length && strcmp(*length, value)) {
        return 0;
    }
    *length = value;
    return 1;
}

/* Whether an answer has lengths that contradict each other. mod_proxy_http believes the first, so that a client may get the
 * beginning as the whole, and the rest would be taken for the next answer (RFC 9112, 6.3). */
static int contradicts_itself(request_rec *r, unsigned int header)
{
    const char *length = NULL;

    return header & FARM_HEADER_LENGTHS && !apr_table_do(differs, &length, r->headers_out, "Content-Length", NULL);
}

static apr_status_t first_of_answer(ap_filter_t *f, farm_ctx *ctx, apr_bucket_brigade *bb)
{
    request_rec *r = ctx->r;
    unsigned int header;
    int broke;

    if (APR_BRIGADE_EMPTY(bb)) {
        return APR_SUCCESS;
    }
    broke = tells_of_break(ctx, bb);
    if (ctx->client_failed) {
        return ap_pass_brigade(f->next, bb);
    }
    /* mod_proxy_http passes on what is no HTTP as an answer of HTTP/0.9. Of others it notes the status line, and reads
     * the header into a new table, which is the quicker thing to see. */
    if (broke || (ctx->member->is_http && r->headers_out == ctx->headers_before
                  && !apr_table_get(r->notes, "proxy-status"))) {
        ctx->answer = FARM_ANSWER_BROKEN;
        ctx->no_http = !broke;
        return swallow(ctx, bb);
    }
    header = farm_header_look(r);
    if (ctx->member->is_http && contradicts_itself(r, header)) {
        ctx->answer = FARM_ANSWER_BROKEN;
        ctx->no_http = 1;
        apr_brigade_cleanup(bb);
        /* So that the connection is not used again. */
        return APR_EGENERAL;
    }
    farm_answer_take_reports(ctx);
    if (!farm_on_answer(farm_current->engine, &ctx->request, (uint32_t)r->status, farm_body_can_resend(ctx),
                        farm_host_clock())) {
        ctx->answer = FARM_ANSWER_HELD;
        return swallow(ctx, bb);
    }
    ctx->answer = FARM_ANSWER_PASSED;
    farm_environment_complete(ctx);
    if (header & FARM_HEADER_PLACES) {
        farm_reverse_map(ctx);
    }
    if (ctx->farm->sets_cookie) {
        farm_answer_set_cookie(ctx);
    }
    return ap_pass_brigade(f->next, bb);
}

static apr_status_t answer_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    farm_ctx *ctx = f->ctx;

    if (ctx->answer == FARM_ANSWER_PASSED) {
        if (tells_of_break(ctx, bb)) {
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

/* A tunnel's bytes do not come through the filters of the request, but mod_proxy_http sends its 101 to the client's connection
 * first. */
static apr_status_t switch_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    farm_ctx *ctx = f->ctx;
    ap_filter_t *next = f->next;

    if (ctx->r->status == HTTP_SWITCHING_PROTOCOLS && ctx->aside) {
        farm_on_answer(farm_current->engine, &ctx->request, HTTP_SWITCHING_PROTOCOLS, 0, farm_host_clock());
        farm_answer_over(ctx);
    }
    return ap_pass_brigade(next, bb);
}

void farm_answer_over(farm_ctx *ctx)
{
    if (ctx->switch_filter) {
        ap_remove_output_filter(ctx->switch_filter);
        ctx->switch_filter = NULL;
    }
}

void farm_answer_expect(farm_ctx *ctx)
{
    ctx->answer = FARM_ANSWER_NONE;
    ctx->headers_before = ctx->r->headers_out;
    ctx->answer_broke = 0;
    ctx->no_http = 0;
    ctx->swallowed = 0;
    ctx->request.status = 0;
    if (ctx->may_upgrade && !ctx->switch_filter) {
        ctx->switch_filter = ap_add_output_filter_handle(switch_handle, ctx, NULL, ctx->r->connection);
    }
    if (!ctx->watching) {
        /* What ap_add_output_filter_handle does for a filter that comes before all others, without looking for its
         * place. */
        ap_filter_t *f = &ctx->filter;
        f->frec = answer_handle;
        f->ctx = ctx;
        f->r = ctx->r;
        f->c = ctx->r->connection;
        f->next = ctx->r->output_filters;
        ctx->r->output_filters = f;
        ctx->watching = 1;
    }
}

/* mod_proxy_http2 tells of a failure by making httpd's error page itself, past the filters that stood before. That page
 * is not for the client, who is to get another member's answer, or one page when there is none. */
static apr_status_t drop_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    (void)f;
    apr_brigade_cleanup(bb);
    return APR_SUCCESS;
}

static void on_error_page(request_rec *r)
{
    farm_ctx *ctx = farm_current ? farm_ctx_of(r) : NULL;

    if (ctx && ctx->aside && ctx->member && ctx->member->is_http2) {
        ap_add_output_filter_handle(drop_handle, ctx, r, r->connection);
    }
}

/* An ErrorDocument would be looked for too, if the request did not look like one that is an error already. */
void farm_answer_guard(farm_ctx *ctx)
{
    ctx->filters = ctx->r->output_filters;
    ctx->keepalive = ctx->r->connection->keepalive;
    ctx->r->status = HTTP_SERVICE_UNAVAILABLE;
}

void farm_answer_unguard(farm_ctx *ctx)
{
    ctx->r->output_filters = ctx->filters;
    if (ctx->answer == FARM_ANSWER_NONE) {
        ctx->r->connection->keepalive = ctx->keepalive;
        ctx->r->status = ctx->snapshot.status;
    }
}

void farm_answer_register(void)
{
    drop_handle = ap_register_output_filter("FARM_DROP", drop_filter, NULL, AP_FTYPE_RESOURCE - 1);
    ap_hook_insert_error_filter(on_error_page, NULL, NULL, APR_HOOK_REALLY_LAST);
    switch_handle = ap_register_output_filter("FARM_SWITCH", switch_filter, NULL, AP_FTYPE_CONNECTION);
    answer_handle = ap_register_output_filter("FARM_ANSWER", answer_filter, NULL, AP_FTYPE_RESOURCE - 1);
}
