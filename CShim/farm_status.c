/* farm_status.c - the status: the handler farm-status in each of its formats, and a section of mod_status's. */
#include "farm_page.h"

#include "mod_status.h"

typedef struct farm_format {
    const char *name;
    const char *type;
    uint32_t number;
} farm_format;

/* The first is what a browser gets that asks for nothing. */
static const farm_format formats[] = {
    { "html", "text/html; charset=utf-8", FARM_STATUS_PAGE },
    { "json", "application/json", FARM_STATUS_JSON },
    { "openmetrics", "application/openmetrics-text; version=1.0.0; charset=utf-8", FARM_STATUS_OPENMETRICS },
    { "text", "text/plain; charset=utf-8", FARM_STATUS_TEXT },
};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

/* The format that a query asks for; NULL when there is none of that name, or it asks twice. Other parameters are
 * somebody else's. */
static const farm_format *format_of(request_rec *r)
{
    char *state, *one, *all = r->args ? apr_pstrdup(r->pool, r->args) : NULL;
    const farm_format *found = NULL;

    for (one = all ? apr_strtok(all, "&", &state) : NULL; one; one = apr_strtok(NULL, "&", &state)) {
        unsigned int i;

        if (strncmp(one, "format", 6) || (one[6] && one[6] != '=')) {
            continue;
        }
        for (i = 0; i < FORMATS && (!one[6] || strcmp(one + 7, formats[i].name)); i++) {
        }
        if (found || i == FORMATS) {
            return NULL;
        }
        found = &formats[i];
    }
    return found ? found : &formats[0];
}

static int write_status(request_rec *r, uint32_t format)
{
    farm_out out = farm_out_begin(r);

    out.piece = FARM_OUT_PIECE;
    farm_on_status(farm_current->engine, format, NULL, &out);
    return farm_out_end(&out);
}

/* What a server without a farm says. */
static void write_nothing(request_rec *r, uint32_t format)
{
    if (format == FARM_STATUS_JSON) {
        ap_rputs("{\"module\":null,\"farms\":[],\"cookies\":null}", r);
    }
    else if (format == FARM_STATUS_OPENMETRICS) {
        ap_rputs("# EOF\n", r);
    }
    else {
        ap_rputs("module: -\ncookies: -\n", r);
    }
}

/* SetHandler farm-status. */
int farm_status_handler(request_rec *r)
{
    const farm_format *format;

    if (!r->handler || strcmp(r->handler, "farm-status")) {
        return DECLINED;
    }
    if (r->method_number != M_GET) {
        ap_allow_methods(r, REPLACE_ALLOW, "GET", "HEAD", NULL);
        return HTTP_METHOD_NOT_ALLOWED;
    }
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    if (!(format = format_of(r))) {
        ap_set_content_type(r, "text/plain; charset=us-ascii");
        r->status = HTTP_BAD_REQUEST;
        ap_rputs("error: farm-status takes one format: ?format=html, json, openmetrics or text\n", r);
        return OK;
    }
    if (format->number == FARM_STATUS_PAGE) {
        return farm_page_answer(r, farm_page_is_update(r) ? (farm_page_manager){ NULL, 0 } : farm_page_find_manager(r));
    }
    ap_set_content_type(r, format->type);
    if (r->header_only) {
        return OK;
    }
    if (farm_current) {
        return write_status(r, format->number);
    }
    write_nothing(r, format->number);
    return OK;
}

/* What mod_status's page, or its form for machines, says of farms. */
static int status_section(request_rec *r, int flags)
{
    farm_out out;

    if (!farm_current) {
        return DECLINED;
    }
    out = farm_out_begin(r);
    farm_on_status(farm_current->engine, flags & AP_STATUS_SHORT ? FARM_STATUS_TEXT : FARM_STATUS_SECTION, NULL, &out);
    return farm_out_pass(&out);
}

void farm_status_hooks(void)
{
    ap_hook_post_perdir_config(farm_page_quiet, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ap, status_hook, status_section, NULL, NULL, APR_HOOK_MIDDLE);
}
