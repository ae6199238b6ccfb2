/* farm_upload.c - members that answer before they have read the whole body of a request, and close.
 *
 * A member may refuse an upload (413, 401) as soon as it has the header, and close. mod_proxy_http and mod_proxy_http2 fail
 * when they cannot write the rest, and do not look whether an answer is there. So output filters on each connection to a
 * member let such a write succeed and throw away what follows; the handler then goes on to read. When there is nothing
 * to be read, it finds the connection broken after all, and the attempt is known to have broken in the body.
 *
 * The handlers that write to a socket themselves (fcgi, scgi, uwsgi, ajp) are not concerned. */
#include "farm_request.h"

#include "http_connection.h"

/* One for each connection to a member, shared by its filters. */
typedef struct farm_link {
    int is_closed;                      /* nothing can be written to it any more */
} farm_link;

static ap_filter_rec_t *upload_handle, *wire_handle;

/* The request that this thread is sending to a member. */
static __thread farm_ctx *under_way __attribute__((tls_model("initial-exec")));

/* Whether the connection has been found closed in the attempt under way, which is to read what has come. */
static int is_refused(const conn_rec *c)
{
    return under_way && under_way->refused && under_way->sent_to == c;
}

static apr_status_t discard(conn_rec *c, apr_bucket_brigade *bb)
{
    apr_brigade_cleanup(bb);
    if (is_refused(c)) {
        return APR_SUCCESS;
    }
    c->aborted = 1;
    return APR_ECONNRESET;
}

/* A write has failed with `rv`. A member that closes before anything was written to it has not looked at the request. */
static apr_status_t failed(farm_link *link, conn_rec *c, apr_status_t rv)
{
    farm_ctx *ctx = under_way;

    if (!ctx || !ctx->body || ctx->sent_to != c || !(APR_STATUS_IS_EPIPE(rv) || APR_STATUS_IS_ECONNRESET(rv))) {
        return rv;
    }
    link->is_closed = 1;
    ctx->refused = 1;
    farm_body_refuse(ctx);
    /* httpd's filters would read nothing from a connection that is marked so. */
    c->aborted = 0;
    /* It is not used again. */
    c->keepalive = AP_CONN_CLOSE;
    return APR_SUCCESS;
}

/* The first of the connection's filters. */
static apr_status_t upload_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    farm_link *link = f->ctx;
    apr_status_t rv;

    if (link->is_closed) {
        return discard(f->c, bb);
    }
    rv = ap_pass_brigade(f->next, bb);
    if (rv != APR_SUCCESS) {
        return failed(link, f->c, rv);
    }
    if (under_way) {
        under_way->sent_to = f->c;
    }
    return rv;
}

/* Below mod_ssl's: a TLS session that has seen a write fail reads no more. */
static apr_status_t wire_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    farm_link *link = f->ctx;
    apr_status_t rv;

    if (link->is_closed) {
        return discard(f->c, bb);
    }
    rv = ap_pass_brigade(f->next, bb);
    return rv != APR_SUCCESS ? failed(link, f->c, rv) : rv;
}

static int on_new_connection(conn_rec *c, void *socket)
{
    farm_link *link;

    (void)socket;
    if (!under_way) {
        return DECLINED;
    }
    link = apr_pcalloc(c->pool, sizeof(*link));
    ap_add_output_filter_handle(upload_handle, link, NULL, c);
    if (under_way->member->is_tls) {
        ap_add_output_filter_handle(wire_handle, link, NULL, c);
    }
    return DECLINED;
}

farm_ctx *farm_upload_begin(farm_ctx *ctx)
{
    farm_ctx *outer = under_way;

    ctx->sent_to = NULL;
    ctx->refused = 0;
    under_way = ctx;
    return outer;
}

apr_off_t farm_upload_end(farm_ctx *ctx, farm_ctx *outer)
{
    under_way = outer;
    return farm_body_attempt_over(ctx);
}

void farm_upload_register(void)
{
    ap_hook_pre_connection(on_new_connection, NULL, NULL, APR_HOOK_MIDDLE);
    upload_handle = ap_register_output_filter("FARM_UPLOAD", upload_filter, NULL, AP_FTYPE_CONNECTION);
    wire_handle = ap_register_output_filter("FARM_WIRE", wire_filter, NULL, AP_FTYPE_NETWORK - 1);
}
