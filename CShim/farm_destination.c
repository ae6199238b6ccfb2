/* farm_destination.c - who serves a request next: a member of its farm; or, when none will do, whoever the farm sends it to
 * (FarmForward), unless it sends the client away (FarmRedirect). */
#include "farm_proxy.h"
#include "farm_sections.h"

/* Forwards of one request: more are a circle. */
#define MOST_FORWARDS 4

/* Longest reason for a refusal. */
#define REASON_MOST 512

/* The client gets a status. */
static int refuse(farm_ctx *ctx, apr_uint32_t condition, int last_failure)
{
    char reason[REASON_MOST];
    apr_uint32_t length = farm_on_refused(farm_current->engine, &ctx->request, condition, reason, sizeof(reason));

    if (length) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, ctx->r, "FARM00012: farm %s cannot serve %s: %.*s", ctx->farm->key,
                      ctx->r->uri, (int)length, reason);
    }
    return condition == 0 && last_failure ? last_failure : HTTP_SERVICE_UNAVAILABLE;
}

/* The client is asked to come again. */
static int send_busy(farm_ctx *ctx, const farm_fallback *fallback)
{
    int seconds = fallback->seconds ? fallback->seconds : (int)((ctx->farm->retry + APR_USEC_PER_SEC - 1) / APR_USEC_PER_SEC);

    apr_table_setn(ctx->r->err_headers_out, "Retry-After", apr_itoa(ctx->r->pool, seconds));
    return HTTP_SERVICE_UNAVAILABLE;
}

static int is_location(const char *text)
{
    if (!text || !*text) {
        return 0;
    }
    for (; *text; text++) {
        if ((unsigned char)*text <= ' ' || *text == 0x7f) {
            return 0;
        }
    }
    return 1;
}

static int send_redirect(farm_ctx *ctx, const farm_fallback *fallback)
{
    request_rec *r = ctx->r;
    const char *error = NULL, *location = ap_expr_str_exec(r, fallback->expression, &error);

    if (error || !is_location(location)) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "FARM00022: farm %s: the URL of FarmRedirect at %s:%d %s%s; the client "
                      "gets a 503", ctx->farm->key, fallback->file, fallback->line,
                      error ? "cannot be made: " : "comes out empty, or with blanks or control characters",
                      error ? error : "");
        return HTTP_SERVICE_UNAVAILABLE;
    }
    apr_table_setn(r->headers_out, "Location", location);
    farm_on_redirected(&ctx->request);
    return fallback->status;
}

/* What a request of the farm that now serves it wants, by key and session. */
static void ask_of_farm(farm_ctx *ctx, const char *cookies)
{
    if (ctx->farm->key_expression) {
        farm_request_key(ctx->r, ctx->farm, &ctx->request);
    }
    if (ctx->farm->sticky_cookie && !(ctx->request.flags & FARM_REQUEST_NAMED)) {
        farm_request_tie(ctx->r, cookies, &ctx->request);
    }
}

/* The request becomes one to the URL that it is forwarded to, whose sections hold from now on. */
static int enter_forwarded(farm_ctx *ctx, const farm_fallback *fallback)
{
    apr_pool_t *p = ctx->r->pool;
    apr_size_t length = ctx->as_written ? strcspn(ctx->path, "?") : ctx->path_length;
    const char *url = apr_pstrcat(p, fallback->base, apr_pstrmemdup(p, ctx->path, length), NULL);
    apr_table_t *headers = ctx->r->headers_in;
    int rc = farm_sections_enter(ctx, url);

    if (fallback->farm != FARM_NONE) {
        ctx->farm_url = url;
    }
    if (ctx->cookies && ctx->r->headers_in != headers) {
        /* What was taken out of the cookies is there again. */
        ctx->cookies = farm_request_look(ctx);
    }
    return rc;
}

/* Another farm, or a server, takes the request over. OK, or the status for the client. */
static int forward(farm_ctx *ctx, const farm_fallback *fallback)
{
    const char *cookies;
    int rc;

    if (ctx->forwards == MOST_FORWARDS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, ctx->r, "FARM00017: farm %s: %s was forwarded %d times, and would be again; "
                      "look for a circle of FarmForward", ctx->farm->key, ctx->r->uri, MOST_FORWARDS);
        return HTTP_SERVICE_UNAVAILABLE;
    }
    ctx->forwards++;
    farm_on_forwarded(&ctx->request, fallback->farm);
    if (fallback->path) {
        ctx->path = fallback->path;
        ctx->path_length = strlen(ctx->path);
        ctx->as_written = 1;
        ctx->r->args = fallback->query ? apr_pstrdup(ctx->r->pool, fallback->query) : NULL;
    }
    ctx->attempts_before += ctx->request.attempts;
    ctx->request.attempts = 0;
    ctx->request.member = FARM_NONE;
    ctx->request.flags &= FARM_REQUEST_IDEMPOTENT | FARM_REQUEST_BODY_READY | FARM_REQUEST_BROKE | FARM_REQUEST_COUNTED;
    ctx->fallback = fallback;
    if ((rc = enter_forwarded(ctx, fallback)) != OK) {
        return rc;
    }
    if (fallback->farm == FARM_NONE) {
        ctx->member = fallback->server;
        ctx->member_is_server = 1;
        if (ctx->cookies) {
            farm_request_hide(ctx);
        }
        return OK;
    }
    ctx->farm = farm_current->farm_at[fallback->farm];
    ctx->request.farm = fallback->farm;
    cookies = farm_request_look(ctx);
    if (ctx->cookies) {
        /* The whole header again: the farm before may hide cookies that this farm passes on. */
        farm_request_stick(ctx, ctx->cookies);
        farm_request_hide(ctx);
    }
    ask_of_farm(ctx, cookies);
    return OK;
}

/* No member will do: what the farm does in its condition. */
static int fall_back(farm_ctx *ctx, apr_uint32_t condition, int last_failure)
{
    const farm_fallback *fallback = farm_fallback_for(ctx->farm, condition);

    farm_environment_refused(ctx, condition);
    ctx->condition = condition;
    if (!fallback) {
        return refuse(ctx, condition, last_failure);
    }
    switch (fallback->kind) {
    case FARM_FALLBACK_BUSY:
        return send_busy(ctx, fallback);
    case FARM_FALLBACK_REDIRECT:
        return send_redirect(ctx, fallback);
    case FARM_FALLBACK_FORWARD:
        break;
    }
    return forward(ctx, fallback);
}

int farm_destination_ask(farm_ctx *ctx)
{
    const char *cookies = farm_request_look(ctx);
    int instructs = ctx->moved_by || (cookies && farm_cookies_may_instruct(cookies)), rc;

    if (instructs) {
        farm_request_instruct(ctx, ctx->moved_by ? ctx->moved_by : cookies);
    }
    if (ctx->walked != ctx->farm_url) {
        if ((rc = farm_sections_enter(ctx, ctx->farm_url)) != OK) {
            return rc;
        }
        cookies = farm_request_look(ctx);
    }
    if (instructs && cookies) {
        ctx->cookies = cookies;
        farm_request_hide(ctx);
    }
    ask_of_farm(ctx, cookies);
    return OK;
}

int farm_destination_find(farm_ctx *ctx, int last_failure)
{
    int rc, looks = 0;

    /* A trial is given to no request that may leave the member waiting for its body. So one with a short body reads it
     * first while a trial is due, but not when the client waits to be told by the member to send it. */
    if (farm_body_may_be_read_ahead(ctx) && !ctx->r->expecting_100
        && farm_on_trial_due(farm_current->engine, &ctx->request, farm_host_clock())
        && (rc = farm_body_read_ahead(ctx)) != OK) {
        return rc;
    }
    while (!farm_on_choose(farm_current->engine, &ctx->request, farm_host_clock())) {
        apr_uint32_t condition = farm_on_condition(farm_current->engine, &ctx->request);

        /* A place that has become free meanwhile; and when it is gone again, the farm is full. */
        if (condition == 0 && ctx->request.attempts == 0) {
            if (looks++ < 3) {
                continue;
            }
            condition = FARM_FULL;
        }
        if (condition == FARM_DOWN && farm_body_may_be_read_ahead(ctx)
            && farm_on_trial_due(farm_current->engine, &ctx->request, farm_host_clock())) {
            if ((rc = farm_body_read_ahead(ctx)) != OK) {
                return rc;
            }
            continue;
        }
        if ((rc = fall_back(ctx, condition, last_failure)) != OK || ctx->member_is_server) {
            return rc;
        }
        looks = 0;
    }
    ctx->member = farm_current->member_at[ctx->request.member];
    return OK;
}

int farm_destination_give_up(farm_ctx *ctx, int last_failure)
{
    apr_uint32_t condition = farm_on_condition(farm_current->engine, &ctx->request);
    int rc = fall_back(ctx, condition, last_failure);

    return rc != OK || ctx->member_is_server ? rc : farm_destination_find(ctx, last_failure);
}
