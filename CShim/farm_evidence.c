/* farm_evidence.c - how an attempt ended, as far as mod_proxy's handlers let it be seen: their status, the notes and
 * variables they leave, what came through the filters. No judgement: Swift makes it. */
#include "farm_proxy.h"

#include "http_connection.h"

/* What the attempt of this thread has come to. The pool does not tell whether it gave a new connection or a kept one, but a
 * new connection runs this hook, on the thread that makes it. */
static __thread struct {
    int made_connection;
    farm_request *trial;                /* of the attempt, when it is a trial that has not connected yet; else NULL */
} attempt __attribute__((tls_model("initial-exec")));

static int on_new_connection(conn_rec *c, void *socket)
{
    (void)c;
    (void)socket;
    attempt.made_connection = 1;
    if (attempt.trial) {
        farm_on_connected(farm_current->engine, attempt.trial);
        attempt.trial = NULL;
    }
    return DECLINED;
}

void farm_evidence_hooks(void)
{
    ap_hook_pre_connection(on_new_connection, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

void farm_evidence_begin(farm_ctx *ctx)
{
    attempt.made_connection = 0;
    attempt.trial = ctx->request.flags & FARM_REQUEST_TRIAL ? &ctx->request : NULL;
}

/* A member closes a kept connection when it likes, also just when a request is on its way. */
static apr_uint32_t stale(farm_ctx *ctx)
{
    return ctx->member->is_http && !attempt.made_connection && !apr_table_get(ctx->r->notes, "proxy-status") ? FARM_SAW_STALE : 0;
}

/* Whether the body was still on its way when the connection broke. mod_proxy_http writes all of it before it reads, unless
 * the client waits to be told to go on; a write that failed is known. The other handlers write and read by turns. */
static apr_uint32_t in_body(farm_ctx *ctx)
{
    return ctx->refused || (!(ctx->member->is_http && ctx->sent_to) && farm_body_is_unfinished(ctx)) ? FARM_SAW_BODY : 0;
}

static apr_uint32_t broke(farm_ctx *ctx)
{
    apr_uint32_t was_stale = stale(ctx);

    /* A kept connection that takes nothing was closed before the request. */
    return FARM_SAW_BREAK | FARM_SAW_SENT | was_stale | (was_stale && !ctx->sent_to ? 0 : in_body(ctx));
}

/* Whether the member may have begun to act on the request. */
static int was_sent(farm_ctx *ctx)
{
    request_rec *r = ctx->r;

    if (ctx->member->is_ajp) {
        /* mod_proxy_ajp reads the body, also an empty one, after it has sent the header; but not a chunked one. */
        return farm_body_was_asked(ctx) || apr_table_get(r->headers_in, "Transfer-Encoding") != NULL;
    }
    /* mod_proxy_http and mod_proxy_http2 note the port when they have written the request; the handlers that speak
     * CGI make its variables when they are about to. */
    return apr_table_get(r->notes, "proxy-source-port") != NULL
        || (!ctx->member->is_http && !ctx->member->is_http2
            && apr_table_get(r->subprocess_env, "GATEWAY_INTERFACE") != NULL);
}

/* The reason that mod_proxy gives on its error page. */
static int reason_is(request_rec *r, const char *text)
{
    const char *note = apr_table_get(r->notes, "error-notes");
    const char *reason = note ? ap_strstr_c(note, "<strong>") : NULL;

    return reason && !strncmp(reason + 8, text, strlen(text));
}

/* Whether the attempt took about as long as making a connection may take. mod_proxy does not keep why a connection failed. */
static apr_uint32_t connect_timed_out(farm_ctx *ctx, const proxy_worker *worker)
{
    server_rec *s = ctx->r->server;
    const proxy_server_conf *conf = ap_get_module_config(s->module_config, &proxy_module);
    apr_interval_time_t limit = worker->s->conn_timeout_set ? worker->s->conn_timeout
        : worker->s->timeout_set ? worker->s->timeout : conf->timeout_set ? conf->timeout : s->timeout;

    return farm_host_clock() - ctx->request.chosen_at >= (apr_uint64_t)limit / 10 * 9 ? FARM_SAW_CONNECT_TIMEOUT : 0;
}

/* Nothing came from the member, and the handler says `rc`. */
static apr_uint32_t without_answer(farm_ctx *ctx, proxy_worker *worker, int rc)
{
    request_rec *r = ctx->r;
    apr_uint32_t sent = was_sent(ctx) ? FARM_SAW_SENT : 0;

    if (r->connection->aborted || farm_body_failed(ctx)) {
        return FARM_SAW_CLIENT | sent;
    }
    if (apr_table_get(r->notes, "proxy_timedout") || rc == HTTP_GATEWAY_TIME_OUT) {
        return FARM_SAW_TIMEOUT | FARM_SAW_SENT;
    }
    switch (rc) {
    case HTTP_SERVICE_UNAVAILABLE:
        if (sent) {
            return broke(ctx);
        }
        if ((ctx->member->is_http && !farm_body_was_prefetched(ctx)) || farm_worker_shortage(worker)) {
            return FARM_SAW_SHORTAGE;
        }
        return FARM_SAW_UNREACHABLE | connect_timed_out(ctx, worker);
    case HTTP_INTERNAL_SERVER_ERROR:
        if (reason_is(r, "DNS lookup failure")) {
            return FARM_SAW_UNREACHABLE | FARM_SAW_NO_HOST;
        }
        if (reason_is(r, "Error during SSL Handshake")) {
            return FARM_SAW_BREAK | FARM_SAW_TLS;
        }
        /* mod_proxy_ajp says so of any failure after a request that may not be repeated was sent. */
        return sent && !ctx->member->is_http ? broke(ctx) : 0;
    case HTTP_BAD_GATEWAY:
        if (reason_is(r, "DNS lookup failure")) {
            return FARM_SAW_UNREACHABLE | FARM_SAW_NO_HOST;
        }
        /* Without a port noted, writing the request broke off: the member may have had some of it. */
        return broke(ctx);
    case OK:
    case DONE:
    case SUSPENDED:
        /* A tunnel: its bytes do not come through the filters. */
        return FARM_SAW_ANSWER;
    default:
        return sent;
    }
}

apr_uint32_t farm_evidence(farm_ctx *ctx, proxy_worker *worker, int rc)
{
    request_rec *r = ctx->r;

    if (ctx->client_failed) {
        return FARM_SAW_CLIENT | FARM_SAW_SENT;
    }
    if (ctx->answer == FARM_ANSWER_PASSED && rc == OK && !ctx->answer_broke && !r->connection->aborted) {
        return FARM_SAW_ANSWER | FARM_SAW_SENT;
    }
    switch (ctx->answer) {
    case FARM_ANSWER_PASSED:
        /* mod_proxy_fcgi marks no broken answer; it only says that something in the middle of one went wrong. */
        return FARM_SAW_ANSWER | FARM_SAW_SENT
            | (ctx->answer_broke || rc == AP_FILTER_ERROR ? FARM_SAW_BREAK | in_body(ctx) : 0)
            | (r->connection->aborted ? FARM_SAW_CLIENT : 0);
    case FARM_ANSWER_HELD:
        return FARM_SAW_HELD | FARM_SAW_SENT;
    case FARM_ANSWER_BROKEN:
        return (ctx->no_http ? FARM_SAW_BREAK | FARM_SAW_SENT | FARM_SAW_NO_HTTP
                : ctx->swallowed ? FARM_SAW_BREAK | FARM_SAW_SENT : broke(ctx))
            | (r->connection->aborted ? FARM_SAW_CLIENT : 0);
    case FARM_ANSWER_NONE:
        break;
    }
    return without_answer(ctx, worker, rc);
}
