/* farm_instruction.c - instruction cookies as they come with a request and go with an answer. What stands in them Swift
 * reads and writes. */
#include "farm_sections.h"

#include <arpa/inet.h>

#include "http_ssl.h"

/* Whether any of them can be one of ours: most are not. */
int farm_cookies_may_instruct(const farm_farm *farm, const char *cookies)
{
    return strstr(cookies, farm_current->cookie) || (farm->own_cookie && strstr(cookies, farm->own_cookie));
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
        ctx->request.flags &= ~(FARM_REQUEST_INSTRUCTED | FARM_REQUEST_NAMED | FARM_REQUEST_STRICT | FARM_REQUEST_PLAIN);
    }
    if (ctx->request.farm != moved_to) {
        ctx->farm = farm_current->farm_at[ctx->request.farm];
        ctx->farm_url = farm_move_url(ctx, ctx->request.farm);
    }
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

void farm_answer_set_cookie(farm_ctx *ctx)
{
    request_rec *r = ctx->r;
    const char *name = ctx->farm->own_cookie ? ctx->farm->own_cookie : farm_current->cookie;
    char value[FARM_SET_COOKIE_MOST];
    uint32_t length;

    if (ctx->member_is_server || r->status >= 500
        || !apr_table_do(sets, (void *)name, r->headers_out, "Set-Cookie", NULL)
        || !apr_table_do(sets, (void *)name, r->err_headers_out, "Set-Cookie", NULL)) {
        return;
    }
    length = farm_on_set_cookie(farm_current->engine, &ctx->request, value);
    if (length) {
        apr_table_addn(r->headers_out, "Set-Cookie",
                       apr_psprintf(r->pool, "%.*s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%s", (int)length, value,
                                    (int)apr_time_sec(ctx->farm->sticky_ttl),
                                    ap_ssl_conn_is_ssl(r->connection) ? "; Secure" : ""));
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
