/* farm_manager.c - the handler by which people and programs change what the administrator wants: farm-manager. */
#include "farm_form.h"
#include "farm_page.h"

#include "apr_uri.h"

/* The longest body of a change, in bytes. */
#define CHANGE_LONGEST (64 * 1024)

/* Where a browser's form came from, when that is a page of this host; else this handler's own page. */
static const char *page_of(request_rec *r)
{
    const char *referer = apr_table_get(r->headers_in, "Referer"), *host = apr_table_get(r->headers_in, "Host");
    apr_uri_t uri;

    if (referer && host && apr_uri_parse(r->pool, referer, &uri) == APR_SUCCESS && uri.hostinfo && uri.path
        && !ap_cstr_casecmp(uri.hostinfo, host) && uri.path[0] == '/' && uri.path[1] != '/'
        && uri.path[1] != '\\') {
        return apr_uri_unparse(r->pool, &uri, APR_URI_UNP_OMITSITEPART);
    }
    return r->uri;
}

static const char *who(request_rec *r)
{
    return r->user && *r->user ? r->user : r->useragent_ip;
}

static int change(request_rec *r)
{
    const char *program = apr_table_get(r->headers_in, "X-Farm-Manager"), *by = who(r), *nonce = farm_tables_nonce();
    int is_form = !program || strcmp(program, "1"), rc, made;
    apr_size_t length;
    char *body;
    farm_out out;

    if (r->args && *r->args) {
        return farm_text_refuse(r, HTTP_BAD_REQUEST, "a change stands in the body of its POST; leave the query string away");
    }
    if (!farm_form_is_type(r)) {
        return farm_text_refuse(r, HTTP_FORBIDDEN, "a change is a POST of application/x-www-form-urlencoded with the "
                                "header X-Farm-Manager: 1");
    }
    if ((rc = farm_form_read(r, CHANGE_LONGEST, &body, &length)) != OK) {
        return rc;
    }
    if (length > CHANGE_LONGEST) {
        return farm_text_refuse(r, HTTP_REQUEST_ENTITY_TOO_LARGE, "a change has at most 65536 bytes");
    }
    out = farm_out_begin(r);
    made = farm_on_manage(farm_current->engine, body, (uint32_t)length, by, (uint32_t)strlen(by), nonce,
                          (uint32_t)strlen(nonce), is_form ? FARM_MANAGE_BY_FORM : 0, &out);
    if (made && is_form) {
        r->status = HTTP_SEE_OTHER;
        apr_table_setn(r->headers_out, "Location", page_of(r));
    }
    return farm_out_end(&out);
}

/* SetHandler farm-manager. */
int farm_manager_handler(request_rec *r)
{
    if (!r->handler || strcmp(r->handler, "farm-manager")) {
        return DECLINED;
    }
    farm_text_begin(r);
    if (r->method_number == M_POST) {
        return farm_current ? change(r) : farm_text_refuse(r, HTTP_NOT_FOUND, FARM_NO_FARMS);
    }
    if (r->method_number != M_GET || (r->args && *r->args)) {
        apr_table_setn(r->headers_out, "Allow", r->method_number == M_GET ? "POST" : "GET, HEAD, POST");
        return farm_text_refuse(r, HTTP_METHOD_NOT_ALLOWED, "a change is a POST; a GET changes nothing");
    }
    return farm_current ? farm_page_answer(r, (farm_page_manager){ r->uri, 1 })
        : farm_text_refuse(r, HTTP_NOT_FOUND, FARM_NO_FARMS);
}
