/* farm_form.c - bodies that are a form, and what the handlers that speak plain text say. */
#include "farm_form.h"

#include "util_filter.h"

int farm_text_refuse(request_rec *r, int status, const char *why)
{
    r->status = status;
    ap_rprintf(r, "error: %s\n", why);
    return OK;
}

void farm_text_begin(request_rec *r)
{
    ap_set_content_type(r, "text/plain; charset=us-ascii");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    /* A line that says what is wrong may say what a client sent. */
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
}

int farm_form_is_type(request_rec *r)
{
    static const char form[] = "application/x-www-form-urlencoded";
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    apr_size_t length = sizeof(form) - 1;

    return type && !ap_cstr_casecmpn(type, form, length) && (!type[length] || strchr("; \t", type[length]));
}

static int announces_too_much(request_rec *r, apr_size_t longest)
{
    const char *announced = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t length;

    return announced && ap_parse_strict_length(&length, announced) && length > (apr_off_t)longest;
}

int farm_form_read(request_rec *r, apr_size_t longest, char **body, apr_size_t *length)
{
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_size_t room = 8192;
    int ended = announces_too_much(r, longest);

    *body = apr_palloc(r->pool, room);
    *length = ended ? longest + 1 : 0;
    while (!ended) {
        apr_bucket *e;
        apr_status_t rv = ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ, HUGE_STRING_LEN);

        if (rv != APR_SUCCESS) {
            return ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
        }
        for (e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb) && !ended; e = APR_BUCKET_NEXT(e)) {
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
            if (*length + count > longest) {
                *length = longest + 1;
                ended = 1;
                break;
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
    if (*length > longest) {
        r->connection->keepalive = AP_CONN_CLOSE;
    }
    return OK;
}
