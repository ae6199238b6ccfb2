/* farm_body.c - a request's body, kept as it is read, so that a request that failed can be sent again.
 *
 * An input filter above all others copies what passes, up to FARM_BODY_KEPT bytes. Reading again first gives what was
 * kept, then goes on with what has not been read yet. A longer body passes without being collected. */
#include "farm_request.h"

typedef struct farm_body {
    apr_bucket_brigade *kept;           /* all that was read so far; NULL once it was too much */
    apr_bucket_brigade *replay;         /* what is to be read again; NULL when nothing is */
    apr_off_t length;
    int asked;                          /* somebody has read */
    int ended;                          /* the end of the body was read */
    int failed;                         /* the client went away, or what it sent was bad or late */
    int is_reading;                     /* the filters below are being asked */
    int refused;                        /* the member of this attempt takes no more of it */
    apr_off_t promised;                 /* with `refused`: what it is still to be given, as its Content-Length says */
    apr_off_t padded;                   /* and what it was given of that, none of it the client's */
} farm_body;

static const char *const handler_bodies[] = { "proxy-req-input", "proxy-fcgi-input", NULL };

static void forget(farm_body *body)
{
    apr_brigade_destroy(body->kept);
    body->kept = NULL;
}

/* Copies what passes. A bucket that cannot be read without waiting does not come here: the caller asked for READBYTES. */
static apr_status_t keep(farm_body *body, apr_bucket_brigade *bb)
{
    apr_bucket *e;

    for (e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
        const char *data;
        apr_size_t length;
        apr_status_t rv;

        if (APR_BUCKET_IS_EOS(e)) {
            body->ended = 1;
            continue;
        }
        if (APR_BUCKET_IS_METADATA(e)) {
            continue;
        }
        if (!body->kept && e->length != (apr_size_t)-1) {
            body->length += (apr_off_t)e->length;
            continue;
        }
        if ((rv = apr_bucket_read(e, &data, &length, APR_BLOCK_READ)) != APR_SUCCESS) {
            return rv;
        }
        body->length += (apr_off_t)length;
        if (!body->kept) {
            continue;
        }
        if (body->length > FARM_BODY_KEPT) {
            forget(body);
        }
        else if ((rv = apr_brigade_write(body->kept, NULL, NULL, data, length)) != APR_SUCCESS) {
            return rv;
        }
    }
    return APR_SUCCESS;
}

/* Gives again what was kept, at most `wanted` bytes of it. */
static apr_status_t give_again(farm_body *body, apr_bucket_brigade *bb, apr_off_t wanted)
{
    apr_bucket *end;
    apr_status_t rv = apr_brigade_partition(body->replay, wanted, &end);
    apr_bucket_brigade *rest;

    if (rv != APR_SUCCESS && rv != APR_INCOMPLETE) {
        return rv;
    }
    rest = apr_brigade_split(body->replay, end);
    APR_BRIGADE_CONCAT(bb, body->replay);
    apr_brigade_destroy(body->replay);
    body->replay = rest;
    if (APR_BRIGADE_EMPTY(rest)) {
        apr_brigade_destroy(rest);
        body->replay = NULL;
        if (body->ended) {
            APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(bb->bucket_alloc));
        }
    }
    return APR_SUCCESS;
}

/* mod_proxy_http streams a body with the client's Content-Length only while no filter of the request's own could change it,
 * which it tells by the first filter being one of the protocol. This filter changes nothing: when none but the protocol's
 * come after it, it is made the first of them. Another that takes itself away, as mod_deflate's does when a body is not
 * compressed, is gone after its first call. */
static void join_protocol(ap_filter_t *f)
{
    request_rec *r = f->r;

    if (r->input_filters == f && f->next == r->proto_input_filters) {
        r->proto_input_filters = f;
    }
}

/* What a handler gets that must write the body to its end before it reads the answer: as many bytes as it has promised,
 * which farm_upload.c throws away. The rest of the client's body stays unread, for httpd to discard after the answer. */
static apr_status_t pad(farm_body *body, apr_bucket_brigade *bb)
{
    static const char nothing[8192];
    int pieces = 64;

    while (body->promised > 0 && pieces-- > 0) {
        apr_size_t length = body->promised < (apr_off_t)sizeof(nothing) ? (apr_size_t)body->promised : sizeof(nothing);
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_immortal_create(nothing, length, bb->bucket_alloc));
        body->promised -= (apr_off_t)length;
        body->padded += (apr_off_t)length;
    }
    if (body->promised <= 0) {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(bb->bucket_alloc));
    }
    return APR_SUCCESS;
}

static apr_status_t body_filter(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode, apr_read_type_e block,
                                apr_off_t readbytes)
{
    farm_body *body = f->ctx;
    apr_status_t rv;

    if (body->is_reading) {
        /* httpd's reader of chunks reads the trailers by the first filter of the protocol. */
        return ap_get_brigade(f->next, bb, mode, block, readbytes);
    }
    body->asked = 1;
    if (body->refused) {
        return mode == AP_MODE_READBYTES ? pad(body, bb) : APR_ENOTIMPL;
    }
    if (body->replay && mode == AP_MODE_READBYTES) {
        return give_again(body, bb, readbytes);
    }
    if (body->replay) {
        /* Nothing in mod_proxy reads a body in another way; what would is not given half of it. */
        return APR_ENOTIMPL;
    }
    body->is_reading = 1;
    rv = ap_get_brigade(f->next, bb, mode, block, readbytes);
    body->is_reading = 0;
    join_protocol(f);
    if (rv != APR_SUCCESS) {
        if (!APR_STATUS_IS_EAGAIN(rv)) {
            body->failed = 1;
        }
        return rv;
    }
    if (mode == AP_MODE_READBYTES) {
        return keep(body, bb);
    }
    if (body->kept && mode != AP_MODE_SPECULATIVE && mode != AP_MODE_INIT) {
        forget(body);
    }
    return APR_SUCCESS;
}

void farm_body_watch(farm_ctx *ctx)
{
    farm_body *body = apr_pcalloc(ctx->r->pool, sizeof(*body));

    body->kept = apr_brigade_create(ctx->r->pool, ctx->r->connection->bucket_alloc);
    ctx->body = body;
    join_protocol(ap_add_input_filter("FARM_BODY", body, ctx->r, ctx->r->connection));
}

int farm_body_may_be_read_ahead(farm_ctx *ctx)
{
    request_rec *r = ctx->r;
    const char *length;
    apr_off_t bytes;

    if (ctx->request.flags & FARM_REQUEST_BODY_READY || ctx->was_read_ahead || (ctx->body && !ctx->body->kept)) {
        return 0;
    }
    length = apr_table_get(r->headers_in, "Content-Length");
    return !length || (ap_parse_strict_length(&bytes, length) && bytes <= FARM_BODY_KEPT);
}

int farm_body_read_ahead(farm_ctx *ctx)
{
    request_rec *r = ctx->r;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_status_t rv = APR_SUCCESS;
    farm_body *body;

    ctx->was_read_ahead = 1;
    if (!ctx->body) {
        farm_body_watch(ctx);
    }
    body = ctx->body;
    while (rv == APR_SUCCESS && (body->replay || (!body->ended && body->length < FARM_BODY_KEPT))) {
        /* No more than can be kept. */
        rv = ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ,
                            body->replay ? FARM_BODY_KEPT : FARM_BODY_KEPT - body->length);
        apr_brigade_cleanup(bb);
    }
    if (rv != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, rv, r, "FARM00050: farm %s: the body of %s did not come", ctx->farm->key, r->uri);
        return ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
    }
    farm_body_rewind(ctx);
    return OK;
}

void farm_body_refuse(farm_ctx *ctx)
{
    farm_body *body = ctx->body;
    request_rec *r = ctx->r;
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t all;

    body->refused = 1;
    body->promised = 0;
    if (ctx->member->is_http && !body->ended && length && !apr_table_get(r->headers_in, "Transfer-Encoding")
        && r->input_filters == r->proto_input_filters && ap_parse_strict_length(&all, length)) {
        body->promised = all - body->length;
    }
}

apr_off_t farm_body_attempt_over(farm_ctx *ctx)
{
    farm_body *body = ctx->body;
    apr_off_t padded = body ? body->padded : 0;

    if (body) {
        body->refused = 0;
        body->padded = 0;
    }
    return padded;
}

int farm_body_can_resend(farm_ctx *ctx)
{
    return !ctx->body || (ctx->body->kept && !ctx->body->failed);
}

int farm_body_was_asked(farm_ctx *ctx)
{
    return ctx->body && ctx->body->asked;
}

int farm_body_is_unfinished(farm_ctx *ctx)
{
    return ctx->body && ctx->body->length > 0 && !ctx->body->ended;
}

int farm_body_failed(farm_ctx *ctx)
{
    return ctx->body && ctx->body->failed;
}

int farm_body_was_prefetched(farm_ctx *ctx)
{
    void *read_ahead = NULL;

    apr_pool_userdata_get(&read_ahead, handler_bodies[0], ctx->r->pool);
    return read_ahead != NULL;
}

/* The next reader begins at the beginning. Handlers keep what they had read ahead under names of their own; that is part
 * of what is given again, so they are made to forget it. */
void farm_body_rewind(farm_ctx *ctx)
{
    farm_body *body = ctx->body;
    int i;

    if (body && !body->kept) {
        return;
    }
    for (i = 0; handler_bodies[i]; i++) {
        apr_pool_userdata_setn(NULL, handler_bodies[i], NULL, ctx->r->pool);
    }
    if (!body) {
        return;
    }
    body->asked = 0;
    if (body->ended) {
        ctx->request.flags |= FARM_REQUEST_BODY_READY;
    }
    if (body->length == 0 && !body->ended) {
        return;
    }
    body->replay = apr_brigade_create(ctx->r->pool, ctx->r->connection->bucket_alloc);
    if (body->length > 0) {
        apr_bucket *e;
        for (e = APR_BRIGADE_FIRST(body->kept); e != APR_BRIGADE_SENTINEL(body->kept); e = APR_BUCKET_NEXT(e)) {
            apr_bucket *copy;
            if (apr_bucket_copy(e, &copy) == APR_SUCCESS) {
                APR_BRIGADE_INSERT_TAIL(body->replay, copy);
            }
        }
    }
}

void farm_body_register(void)
{
    /* Above what decodes a body: what is kept is what the member was sent. */
    ap_register_input_filter("FARM_BODY", body_filter, NULL, AP_FTYPE_RESOURCE - 1);
}
