/* farm_schemes.h - which of mod_proxy's modules carries the scheme of a member. */
#ifndef FARM_SCHEMES_H
#define FARM_SCHEMES_H

#include "farm_request.h"

/* Warns of members, and servers of FarmForward, that no loaded module carries. */
void farm_schemes_check(server_rec *s, apr_pool_t *p, farm_conf *conf);
/* No module has taken an attempt: what that means is returned (FARM_SAW_*), and logged at most once a second. */
apr_uint32_t farm_schemes_declined(farm_ctx *ctx);

#endif
