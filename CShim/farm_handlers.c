/* farm_handlers.c - the handlers: reads the request, calls, writes what comes back. */
#include "farm_shim.h"

/* Without a format, JSON. Other parameters are somebody else's. */
static int format_is_known(request_rec *r)
{
    char *state, *one, *all = r->args ? apr_pstrdup(r->pool, r->args) : NULL;

    for (one = all ? apr_strtok(all, "&", &state) : NULL; one; one = apr_strtok(NULL, "&", &state)) {
        if (!strncmp(one, "format", 6) && (one[6] == '=' || !one[6]) && strcmp(one, "format=json")) {
            return 0;
        }
    }
    return 1;
}

/* SetHandler farm-status. */
int farm_status_handler(request_rec *r)
{
    if (!r->handler || strcmp(r->handler, "farm-status")) {
        return DECLINED;
    }
    if (r->method_number != M_GET) {
        ap_allow_methods(r, REPLACE_ALLOW, "GET", "HEAD", NULL);
        return HTTP_METHOD_NOT_ALLOWED;
    }
    if (!format_is_known(r)) {
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
        farm_out out = farm_out_begin(r);
        farm_on_status_json(farm_current->engine, &out);
        return farm_out_end(&out);
    }
    else {
        ap_rputs("{\"module\":null,\"farms\":[],\"cookies\":null}", r);
    }
    return OK;
}
