/* farm_update.c - the handlers that members and clients of the balancer talk to: farm-update and farm-balance. They read the
 * request, call, and write what comes back. */
#include "farm_form.h"

/* The longest body of an update, in bytes. */
#define UPDATE_LONGEST (1024 * 1024)

static int update_by_post(request_rec *r)
{
    farm_out out;
    char *body;
    apr_size_t length;
    int rc;

    if (r->args && *r->args) {
        return farm_text_refuse(r, HTTP_BAD_REQUEST, "a POST takes its body only; leave the query string away");
    }
    if (!farm_form_is_type(r)) {
        return farm_text_refuse(r, HTTP_UNSUPPORTED_MEDIA_TYPE,
                                "a POST is read as application/x-www-form-urlencoded; send it with that Content-Type");
    }
    if ((rc = farm_form_read(r, UPDATE_LONGEST, &body, &length)) != OK) {
        return rc;
    }
    if (length > UPDATE_LONGEST) {
        return farm_text_refuse(r, HTTP_REQUEST_ENTITY_TOO_LARGE,
                                "an update's body has at most 1048576 bytes; send it in parts");
    }
    out = farm_out_begin(r);
    farm_on_update(farm_current->engine, body, (uint32_t)length, r, &out);
    return farm_out_end(&out);
}

/* Whether the request is for this handler at all. */
static int is_for(request_rec *r, const char *handler)
{
    return r->handler && !strcmp(r->handler, handler);
}

static char *query_of(request_rec *r)
{
    return apr_pstrdup(r->pool, r->args ? r->args : "");
}

/* SetHandler farm-update. */
int farm_update_handler(request_rec *r)
{
    farm_out out;
    char *query;

    if (!is_for(r, "farm-update")) {
        return DECLINED;
    }
    farm_text_begin(r);
    if (r->header_only || (r->method_number != M_GET && r->method_number != M_POST)) {
        apr_table_setn(r->headers_out, "Allow", "GET, POST");
        return farm_text_refuse(r, HTTP_METHOD_NOT_ALLOWED, "an update is a GET or a POST");
    }
    if (!farm_current) {
        return farm_text_refuse(r, HTTP_NOT_FOUND, FARM_NO_FARMS);
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
    farm_text_begin(r);
    if (r->method_number != M_GET) {
        apr_table_setn(r->headers_out, "Allow", "GET, HEAD");
        return farm_text_refuse(r, HTTP_METHOD_NOT_ALLOWED, "asking the balancer is a GET");
    }
    if (!farm_current) {
        return farm_text_refuse(r, HTTP_NOT_FOUND, FARM_NO_FARMS);
    }
    query = query_of(r);
    out = farm_out_begin(r);
    farm_on_balance(farm_current->engine, query, (uint32_t)strlen(query), r, &out);
    return farm_out_end(&out);
}
