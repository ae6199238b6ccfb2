/* farm_instruction.c - instruction cookies as they come with a request and go with an answer. What stands in them Swift
 * reads and writes. */
#include "farm_sections.h"

#include <arpa/inet.h>

#include "http_ssl.h"

/* Whether any of them can be one of ours: most are not. By default the names of all farms begin with FarmCookie's. */
int farm_cookies_may_instruct(const char *cookies)
{
    int i;

    if (strstr(cookies, farm_current->cookie)) {
        return 1;
    }
    for (i = 0; i < farm_current->farms->nelts; i++) {
        const farm_farm *farm = farm_current->farm_at[i];

        if (farm->sets_cookie && farm->names_cookie && strstr(cookies, farm->own_cookie)) {
            return 1;
        }
    }
    return 0;
}

void farm_request_instruct(farm_ctx *ctx, const char *cookies)
{
    const char *client = ctx->r->useragent_ip;
    apr_uint32_t moved_to = ctx->request.farm;

    ctx->request.farm = ctx->request.addressed;
    farm_on_instruct(farm_current->engine, &ctx->request, cookies, (uint32_t)strlen(cookies), client,
                     (uint32_t)strlen(client));
    if (ctx->moved_by && ctx->request.farm != moved_to) {
        /* The instruction has expired since it moved the request, whose sections are that farm's by now. */
        ctx->request.farm = moved_to;
        ctx->request.flags &= ~(FARM_REQUEST_INSTRUCTED | FARM_REQUEST_NAMED | FARM_REQUEST_STRICT | FARM_REQUEST_OWN);
    }
    if (ctx->request.farm != moved_to) {
        ctx->farm = farm_current->farm_at[ctx->request.farm];
        ctx->farm_url = farm_move_url(ctx, ctx->request.farm);
    }
}

void farm_request_stick(farm_ctx *ctx, const char *cookies)
{
    const char *client = ctx->r->useragent_ip;

    farm_on_stick(farm_current->engine, &ctx->request, cookies, (uint32_t)strlen(cookies), client, (uint32_t)strlen(client));
}

/* Members do not see what steers clients, unless their farm says so. */
void farm_request_hide(farm_ctx *ctx)
{
    request_rec *r = ctx->r;
    const char *cookies = ctx->cookies;
    apr_size_t length = strlen(cookies);
    char *left = apr_palloc(r->pool, length + 1);
    uint32_t count = farm_on_hide(farm_current->engine, &ctx->request, cookies, (uint32_t)length, left);

    if (count == FARM_NONE) {
        apr_table_setn(r->headers_in, "Cookie", cookies);
        return;
    }
    left[count] = '\0';
    if (count) {
        apr_table_setn(r->headers_in, "Cookie", left);
    }
    else {
        apr_table_unset(r->headers_in, "Cookie");
    }
}

/* Whether an answer sets a cookie of that name already, by the member's own word. */
static int sets(void *name, const char *header, const char *value)
{
    apr_size_t length = strlen(name);

    (void)header;
    return strncmp(value, name, length) || value[length] != '=';
}

static int is_set(request_rec *r, const char *name)
{
    return !apr_table_do(sets, (void *)name, r->headers_out, "Set-Cookie", NULL)
        || !apr_table_do(sets, (void *)name, r->err_headers_out, "Set-Cookie", NULL);
}

static int join(void *joined, const char *name, const char *value)
{
    const char **all = ((void **)joined)[1];

    (void)name;
    *all = *all ? apr_pstrcat(((void **)joined)[0], *all, ", ", value, NULL) : value;
    return 1;
}

/* Adds to Cache-Control of an answer on which a cookie is set what makes shared caches leave out the cookie, or the answer. */
static apr_status_t ties_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    request_rec *r = f->r;
    const farm_farm *farm = f->ctx;
    const char *all = NULL;
    void *joined[2] = { r->pool, (void *)&all };

    apr_table_do(join, joined, r->headers_out, "Cache-Control", NULL);
    apr_table_do(join, joined, r->err_headers_out, "Cache-Control", NULL);
    if (all && farm_on_shares_cookies(all, (uint32_t)strlen(all), farm->private_ties)) {
        apr_table_mergen(r->headers_out, "Cache-Control", farm->private_ties ? "private" : "no-cache=\"set-cookie\"");
    }
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

/* The first runs after mod_expires and before mod_cache stores the answer, the second after mod_headers. */
static ap_filter_rec_t *before_cache, *after_headers;

void farm_instruction_register(void)
{
    before_cache = ap_register_output_filter("FARM_TIES_CACHED", ties_filter, NULL, AP_FTYPE_CONTENT_SET - 2);
    after_headers = ap_register_output_filter("FARM_TIES", ties_filter, NULL, AP_FTYPE_CONTENT_SET);
}

void farm_answer_set_cookie(farm_ctx *ctx)
{
    request_rec *r = ctx->r;
    char value[FARM_SET_COOKIE_MOST];
    uint32_t length;
    int secure;

    if (ctx->member_is_server || r->status >= 500 || is_set(r, ctx->farm->own_cookie) || is_set(r, farm_current->cookie)) {
        return;
    }
    length = farm_on_set_cookie(farm_current->engine, &ctx->request, value);
    if (length) {
        /* Browsers take SameSite=None only with Secure. */
        secure = ap_ssl_conn_is_ssl(r->connection) || !strcmp(ctx->farm->samesite, "None");
        apr_table_addn(r->headers_out, "Set-Cookie",
                       apr_psprintf(r->pool, "%.*s; Path=/; Max-Age=%d; HttpOnly; SameSite=%s%s", (int)length, value,
                                    (int)apr_time_sec(ctx->farm->sticky_ttl), ctx->farm->samesite,
                                    secure ? "; Secure" : ""));
        ap_add_output_filter_handle(before_cache, ctx->farm, r, r->connection);
        ap_add_output_filter_handle(after_headers, ctx->farm, r, r->connection);
    }
}

/* An IPv4 address as 16 bytes, as IPv6 has it mapped. */
static int address_of(const char *text, uint32_t length, unsigned char *into)
{
    char copy[64];

    if (length >= sizeof(copy)) {
        return 0;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (inet_pton(AF_INET6, copy, into) == 1) {
        return 1;
    }
    memset(into, 0, 10);
    memset(into + 10, 0xff, 2);
    return inet_pton(AF_INET, copy, into + 12) == 1;
}

int farm_host_same_address(const char *one, uint32_t one_length, const char *other, uint32_t other_length)
{
    unsigned char first[16], second[16];

    return address_of(one, one_length, first) && address_of(other, other_length, second) && !memcmp(first, second, 16);
}
