/* farm_body.c - a request's body, kept as it is read, so that a request that failed can be sent again.
 *
 * An input filter above all others copies what passes, up to FARM_BODY_KEPT bytes. Reading again first gives what was
 * kept, then goes on with what has not been read yet. */
#include "farm_request.h"

typedef struct farm_body {
    apr_bucket_brigade *kept;           /* all that was read so far; NULL once it was too much */
    apr_bucket_brigade *replay;         /* what is to be read again; NULL when nothing is */
    apr_off_t length;
    int asked;                          /* somebody has read */
    int ended;                          /* the end of the body was read */
    int failed;                         /* the client went away, or what it sent was bad or late */
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
        if (APR_BUCKET_IS_METADATA(e) || !body->kept) {
            continue;
        }
        if ((rv = apr_bucket_read(e, &data, &length, APR_BLOCK_READ)) != APR_SUCCESS) {
            return rv;
        }
        body->length += (apr_off_t)length;
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

static apr_status_t body_filter(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode, apr_read_type_e block,
                                apr_off_t readbytes)
{
    farm_body *body = f->ctx;
    apr_status_t rv;

    body->asked = 1;
    if (body->replay && mode == AP_MODE_READBYTES) {
        return give_again(body, bb, readbytes);
    }
    if (body->replay) {
        /* Nothing in mod_proxy reads a body in another way; what would is not given half of it. */
        return APR_ENOTIMPL;
    }
    rv = ap_get_brigade(f->next, bb, mode, block, readbytes);
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

int farm_body_may_fit(request_rec *r)
{
    const char *length;
    apr_off_t bytes;

    if (!ap_request_has_body(r)) {
        return 1;
    }
    length = apr_table_get(r->headers_in, "Content-Length");
    return length && ap_parse_strict_length(&bytes, length) && bytes <= FARM_BODY_KEPT;
}

void farm_body_watch(farm_ctx *ctx)
{
    farm_body *body = apr_pcalloc(ctx->r->pool, sizeof(*body));

    body->kept = apr_brigade_create(ctx->r->pool, ctx->r->connection->bucket_alloc);
    ctx->body = body;
    ap_add_input_filter("FARM_BODY", body, ctx->r, ctx->r->connection);
}

int farm_body_can_resend(farm_ctx *ctx)
{
    return !ctx->body || (ctx->body->kept && !ctx->body->failed);
}

int farm_body_was_asked(farm_ctx *ctx)
{
    return ctx->body && ctx->body->asked;
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
