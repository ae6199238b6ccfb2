/* farm_header.c - one pass over the header of each request and answer for the few lines of it that concern the module.
 *
 * APR's tables keep of each name its first four letters in one word, in upper case: most lines are told by that alone. */
#include "farm_request.h"

#define BEGINNING(a, b, c, d) (((apr_uint32_t)(a) << 24 | (apr_uint32_t)(b) << 16 | (apr_uint32_t)(c) << 8 | (d)) & 0xdfdfdfdf)

#define FOREACH(entry, table) \
    const apr_array_header_t *all = apr_table_elts(table); \
    const apr_table_entry_t *entry = (const apr_table_entry_t *)all->elts, *last = entry + all->nelts; \
    for (; entry < last; entry++)

const char *farm_request_look(farm_ctx *ctx)
{
    request_rec *r = ctx->r;
    const char *joined = NULL;

    /* Of HTTP/2 only mod_http2 knows. */
    ctx->may_have_body = r->kept_body || r->proto_num >= HTTP_VERSION(2, 0);
    FOREACH (entry, r->headers_in) {
        switch (entry->key_checksum) {
        case BEGINNING('C', 'O', 'O', 'K'):
            if (!ap_cstr_casecmp(entry->key, "Cookie")) {
                joined = joined ? apr_pstrcat(r->pool, joined, "; ", entry->val, NULL) : entry->val;
            }
            break;
        case BEGINNING('C', 'O', 'N', 'T'):     /* Content-Length */
        case BEGINNING('T', 'R', 'A', 'N'):     /* Transfer-Encoding */
            ctx->may_have_body = 1;
            break;
        case BEGINNING('U', 'P', 'G', 'R'):     /* Upgrade, or Upgrade-Insecure-Requests */
            if (!ap_cstr_casecmp(entry->key, "Upgrade")) {
                ctx->may_upgrade = 1;
            }
            break;
        }
    }
    return joined;
}

/* Of a name that begins with "Cont": whether it goes on as Content-Length and Content-Location do, but not Content-Type or
 * Content-Encoding, one of which most answers have. */
static int is_content_l(const char *name)
{
    return (name[4] | 32) == 'e' && (name[5] | 32) == 'n' && (name[6] | 32) == 't' && name[7] == '-' && (name[8] | 32) == 'l';
}

unsigned int farm_header_look(request_rec *r)
{
    unsigned int found = 0;
    int lengths = 0;

    FOREACH (entry, r->headers_out) {
        switch (entry->key_checksum) {
        case BEGINNING('C', 'O', 'N', 'T'):
            if (is_content_l(entry->key)) {
                if ((entry->key[9] | 32) == 'e') {
                    lengths++;                  /* Content-Length */
                }
                else {
                    found |= FARM_HEADER_PLACES;    /* Content-Location, or Content-Language */
                }
            }
            break;
        case BEGINNING('D', 'E', 'S', 'T'):     /* Destination */
        case BEGINNING('L', 'O', 'C', 'A'):     /* Location */
        case BEGINNING('R', 'E', 'F', 'R'):     /* Refresh */
        case BEGINNING('S', 'E', 'T', '-'):     /* Set-Cookie */
        case BEGINNING('U', 'R', 'I', '\0'):
            found |= FARM_HEADER_PLACES;
            break;
        }
    }
    return lengths > 1 ? found | FARM_HEADER_LENGTHS : found;
}
