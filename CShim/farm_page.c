/* farm_page.c - the page for people: its head, style and script, and who may have its buttons. What it says is Swift's. */
#include "farm_page.h"

#include <openssl/evp.h>

/* The files of CShim/page, as they are. */
#define ASSET(name, file) \
    __asm__(".section .rodata\n.globl " #name "\n.hidden " #name "\n" #name ":\n.incbin \"" file "\"\n" \
            ".globl " #name "_end\n.hidden " #name "_end\n" #name "_end:\n.byte 0\n.previous\n"); \
    extern const char name[], name##_end[]

ASSET(farm_page_style, "page.css");
ASSET(farm_page_script, "page.js");

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Farms</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Cg fill='%232f855a'%3E%3Crect x='1' y='9' width='4' height='6'/%3E%3Crect x='6' y='5' width='4' height='10'/%3E"
    "%3Crect x='11' y='1' width='4' height='14'/%3E%3C/g%3E%3C/svg%3E\">\n";

/* The policy names the hash of what stands between the tags, so nothing else that finds its way into the page runs. */
static char policy[512];

static const char *hash_of(const char *from, const char *to, char *into)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned int length = 0;

    if (!EVP_Digest(from, (size_t)(to - from), hash, &length, EVP_sha256(), NULL)) {
        return "";
    }
    EVP_EncodeBlock((unsigned char *)into, hash, (int)length);
    return into;
}

void farm_page_prepare(void)
{
    char style[64], script[64];

    apr_snprintf(policy, sizeof(policy), "default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; "
                 "img-src data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
                 hash_of(farm_page_style, farm_page_style_end, style),
                 hash_of(farm_page_script, farm_page_script_end, script));
}

static int is_manager(request_rec *r, const core_dir_config *section)
{
    const char *error = NULL, *handler = section->handler;

    if (section->expr_handler) {
        handler = ap_expr_str_exec(r, section->expr_handler, &error);
    }
    return !error && handler && !strcmp(handler, "farm-manager");
}

/* The path of the <Location> whose handler is farm-manager; of several, the last, as httpd merges them. A pattern is no
 * path, so LocationMatch does not count. */
static const char *manager_location(request_rec *r)
{
    core_server_config *core = ap_get_core_module_config(r->server->module_config);
    const char *path = NULL;
    int i;

    for (i = 0; core->sec_url && i < core->sec_url->nelts; i++) {
        core_dir_config *section = ap_get_core_module_config(APR_ARRAY_IDX(core->sec_url, i, ap_conf_vector_t *));

        if (section && section->d && !section->r && !section->d_is_fnmatch && is_manager(r, section)) {
            path = section->d;
        }
    }
    return path;
}

/* A note of a request that asks whether its client may use the manager. */
static const char asking[] = "farm-page-asks";

/* Whether httpd would let the client of `r` use the manager at `path`. A refusal is no fault of a client that has not asked,
 * so it is kept out of the log. */
static int is_allowed(request_rec *r, const char *path)
{
    request_rec *asked;
    int allowed;

    apr_table_setn(r->notes, asking, "");
    asked = ap_sub_req_method_uri("POST", path, r, NULL);
    allowed = asked->status == HTTP_OK && asked->handler && !strcmp(asked->handler, "farm-manager");
    ap_destroy_sub_req(asked);
    apr_table_unset(r->notes, asking);
    return allowed;
}

/* httpd gives each request the log of its Location, whatever its main request had, so this is the first chance to take it. */
int farm_page_quiet(request_rec *r)
{
    static const struct ap_logconf quiet = { NULL, APLOG_EMERG };

    if (r->main && apr_table_get(r->main->notes, asking)) {
        r->log = &quiet;
    }
    return DECLINED;
}

farm_page_manager farm_page_find_manager(request_rec *r)
{
    farm_page_manager manager = { manager_location(r), 0 };

    manager.is_allowed = manager.path && farm_current && is_allowed(r, manager.path);
    return manager;
}

static void add(farm_out *out, const char *from, const char *to)
{
    farm_host_write(out, from, (uint32_t)(to - from));
}

int farm_page_is_update(request_rec *r)
{
    return apr_table_get(r->headers_in, "X-Farm-Page") != NULL;
}

int farm_page_answer(request_rec *r, farm_page_manager manager)
{
    int is_update = farm_page_is_update(r);
    farm_controls controls = { manager.path, NULL, manager.path ? (uint32_t)strlen(manager.path) : 0, 0 };
    farm_out out;

    ap_set_content_type(r, "text/html; charset=utf-8");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_setn(r->headers_out, "Referrer-Policy", "same-origin");
    apr_table_setn(r->headers_out, "Content-Security-Policy", policy);
    if (r->header_only) {
        return OK;
    }
    if (manager.is_allowed && !is_update) {
        controls.nonce = farm_tables_nonce();
        controls.nonce_length = (uint32_t)strlen(controls.nonce);
    }
    out = farm_out_begin(r);
    out.piece = FARM_OUT_PIECE;
    if (!is_update) {
        add(&out, head, head + sizeof(head) - 1);
        farm_host_write(&out, "<style>", 7);
        add(&out, farm_page_style, farm_page_style_end);
        farm_host_write(&out, "</style>\n</head>\n<body>\n", 24);
    }
    if (farm_current) {
        farm_on_status(farm_current->engine, FARM_STATUS_PAGE, &controls, &out);
    }
    else {
        static const char none[] = "<header class=\"top\"><h1>Farms</h1></header><div id=\"tools\"></div>"
            "<main><p>This server has no farm. Write one with <code>&lt;Farm NAME&gt;</code> in its configuration.</p></main>\n";
        add(&out, none, none + sizeof(none) - 1);
    }
    if (!is_update) {
        farm_host_write(&out, "<script>", 8);
        add(&out, farm_page_script, farm_page_script_end);
        farm_host_write(&out, "</script>\n</body>\n</html>\n", 25);
    }
    return farm_out_end(&out);
}
