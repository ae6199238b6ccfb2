/* farm_sections.h - the <Proxy> sections of the configuration that hold for a request of a farm. */
#ifndef FARM_SECTIONS_H
#define FARM_SECTIONS_H

#include "farm_request.h"

/* Remembers what the sections of the first farm may change of a request, for farm_sections_enter. */
void farm_sections_hooks(void);

/* The URL under which the request is served from now on is another one than mod_proxy walked its sections for, or it walked
 * none. OK, and the sections of that URL hold: or the status for the client, where its sections refuse the request.
 * `url`: without "proxy:"; in the request's pool. */
int farm_sections_enter(farm_ctx *ctx, const char *url);

/* The sections of a virtual host that have settings for TLS; NULL when none has. The parent, when the configuration is
 * complete. */
apr_array_header_t *farm_sections_with_tls(apr_pool_t *pconf, server_rec *s);
/* Which settings for TLS are in force for a request: 0 for those of the virtual host, else the number of the section that
 * has them, from 1 on. */
apr_uint32_t farm_sections_tls(const farm_ctx *ctx);

/* farm_move.c: requests that an instruction sends to another farm */

void farm_move_hooks(void);
/* What an earlier URL of the same request, or the subrequest it was made from, has left for its context. */
void farm_move_recall(farm_ctx *ctx, const farm_ctx *before);
/* The URL of the request at another farm. */
const char *farm_move_url(farm_ctx *ctx, apr_uint32_t farm);

#endif
