/* farm_update.c - the handlers that members and clients of the balancer talk to: farm-update and farm-balance. They read the
 * request, call, and write what comes back. */
#include "farm_shim.h"

#include "util_filter.h"

/* The longest body of an update, in bytes. */
#define UPDATE_LONGEST (1024 * 1024)

static int refuse(request_rec *r, int status, const char *why)
{
    r->status = status;
    ap_rprintf(r, "error: %s\n", why);
    return OK;
}

static int is_form(request_rec *r)
{
    static const char form[] = "application/x-www-form-urlencoded";
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    apr_size_t length = sizeof(form) - 1;

    return type && !ap_cstr_casecmpn(type, form, length) && (!type[length] || strchr("; \t", type[length]));
}

/* Reads the body, at most one byte more than may be. OK, or the status of a client that failed to send it. */
static int read_body(request_rec *r, char **body, apr_size_t *length)
{
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_size_t room = 8192;
    int ended = 0;

    *body = apr_palloc(r->pool, room);
    *length = 0;
    while (!ended) {
        apr_bucket *e;
        apr_status_t rv = ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ, HUGE_STRING_LEN);

        if (rv != APR_SUCCESS) {
            return ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
        }
        for (e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
            const char *data;
            apr_size_t count;

            if (APR_BUCKET_IS_EOS(e)) {
                ended = 1;
                break;
            }
            if (APR_BUCKET_IS_METADATA(e)) {
                continue;
            }
            if ((rv = apr_bucket_read(e, &data, &count, APR_BLOCK_READ)) != APR_SUCCESS) {
                return ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
            }
            if (*length + count > UPDATE_LONGEST) {
                *length = UPDATE_LONGEST + 1;
                return OK;
            }
            if (*length + count > room) {
                char *larger;

                while (*length + count > room) {
                    room *= 2;
                }
                larger = apr_palloc(r->pool, room);
                memcpy(larger, *body, *length);
                *body = larger;
            }
            memcpy(*body + *length, data, count);
            *length += count;
        }
        apr_brigade_cleanup(bb);
    }
    return OK;
}

static int too_large(request_rec *r)
{
    r->connection->keepalive = AP_CONN_CLOSE;
    return refuse(r, HTTP_REQUEST_ENTITY_TOO_LARGE, "an update's body has at most 1048576 bytes; send it in parts");
}

static int announces_too_much(request_rec *r)
{
    const char *announced = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t length;

    return announced && ap_parse_strict_length(&length, announced) && length > UPDATE_LONGEST;
}

static int update_by_post(request_rec *r)
{
    farm_out out;
    char *body;
    apr_size_t length;
    int rc;

    if (r->args && *r->args) {
        return refuse(r, HTTP_BAD_REQUEST, "a POST takes its body only; leave the query string away");
    }
    if (!is_form(r)) {
        return refuse(r, HTTP_UNSUPPORTED_MEDIA_TYPE,
                      "a POST is read as application/x-www-form-urlencoded; send it with that Content-Type");
    }
    if (announces_too_much(r)) {
        return too_large(r);
    }
    if ((rc = read_body(r, &body, &length)) != OK) {
        return rc;
    }
    if (length > UPDATE_LONGEST) {
        return too_large(r);
    }
    out = farm_out_begin(r);
    farm_on_update(farm_current->engine, body, (uint32_t)length, r, &out);
    return farm_out_end(&out);
}

/* Plain text that no cache keeps; whether the request is for this handler at all. */
static int is_for(request_rec *r, const char *handler)
{
    return r->handler && !strcmp(r->handler, handler);
}

static void begin(request_rec *r)
{
    ap_set_content_type(r, "text/plain; charset=us-ascii");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    /* A line that says what is wrong may say what a client sent. */
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
}

static char *query_of(request_rec *r)
{
    return apr_pstrdup(r->pool, r->args ? r->args : "");
}

static const char no_farms[] = "this server has no farm; write one with <Farm NAME> in its configuration";

/* SetHandler farm-update. */
int farm_update_handler(request_rec *r)
{
    farm_out out;
    char *query;

    if (!is_for(r, "farm-update")) {
        return DECLINED;
    }
    begin(r);
    if (r->header_only || (r->method_number != M_GET && r->method_number != M_POST)) {
        apr_table_setn(r->headers_out, "Allow", "GET, POST");
        return refuse(r, HTTP_METHOD_NOT_ALLOWED, "an update is a GET or a POST");
    }
    if (!farm_current) {
        return refuse(r, HTTP_NOT_FOUND, no_farms);
    }
    if (r->method_number == M_POST) {
        return update_by_post(r);
    }
    query = query_of(r);
    out = farm_out_begin(r);
    farm_on_update(farm_current->engine, query, (uint32_t)strlen(query), r, &out);
    return farm_out_end(&out);
}

/* SetHandler farm-balance. */
int farm_balance_handler(request_rec *r)
{
    farm_out out;
    char *query;

    if (!is_for(r, "farm-balance")) {
        return DECLINED;
    }
    begin(r);
    if (r->method_number != M_GET) {
        apr_table_setn(r->headers_out, "Allow", "GET, HEAD");
        return refuse(r, HTTP_METHOD_NOT_ALLOWED, "asking the balancer is a GET");
    }
    if (!farm_current) {
        return refuse(r, HTTP_NOT_FOUND, no_farms);
    }
    query = query_of(r);
    out = farm_out_begin(r);
    farm_on_balance(farm_current->engine, query, (uint32_t)strlen(query), r, &out);
    return farm_out_end(&out);
}
