/* farm_handlers.c - the handlers: reads the request, calls, writes what comes back. */
#include "farm_shim.h"

/* SetHandler farm-status. */
int farm_status_handler(request_rec *r)
{
    if (!r->handler || strcmp(r->handler, "farm-status")) {
        return DECLINED;
    }
    r->allowed |= AP_METHOD_BIT << M_GET;
    if (r->method_number != M_GET) {
        return HTTP_METHOD_NOT_ALLOWED;
    }
    if (r->args && *r->args && strcmp(r->args, "format=json")) {
        ap_set_content_type(r, "text/plain; charset=us-ascii");
        r->status = HTTP_BAD_REQUEST;
        ap_rputs("error: farm-status takes ?format=json\n", r);
        return OK;
    }
    ap_set_content_type(r, "application/json");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    if (r->header_only) {
        return OK;
    }
    if (farm_current) {
        farm_on_status_json(farm_current->engine, r);
    }
    else {
        ap_rputs("{\"module\":null,\"farms\":[],\"cookies\":null}", r);
    }
    return OK;
}
