/* farm_proxy.h - what the rest of the module asks of the files that know mod_proxy's workers. */
#ifndef FARM_PROXY_H
#define FARM_PROXY_H

#include "farm_request.h"
#include "mod_proxy.h"

/* farm_proxy_parameters.c: worker parameters, with ProxyPass's ranges */

/* What is wrong with a worker parameter or a member's URL, or NULL. */
const char *farm_proxy_check_parameter(apr_pool_t *p, const char *key, const char *value);
const char *farm_proxy_check_url(apr_pool_t *p, const char *url);
/* Sets one on a worker; what is wrong with it, or NULL. */
const char *farm_proxy_set_parameter(apr_pool_t *p, proxy_worker *worker, const char *key, const char *value);
/* Makes the parameters written on a ProxyPass line those of a member's worker, which has none of its own yet. */
void farm_proxy_inherit(proxy_worker *worker, const proxy_worker *from);

/* farm_proxy_workers.c: one worker per member, virtual host, ProxyPass line and settings for TLS */

/* Prepares the virtual hosts; the parent, when the configuration is complete. */
void farm_workers_prepare(apr_pool_t *pconf, server_rec *main_server, farm_conf *conf);
/* In each child. */
apr_status_t farm_workers_child(apr_pool_t *pchild);
/* The worker for what farm_destination_find has found, made when it is first asked for; NULL when that fails, which has been
 * logged, at most once a second. A trial has a worker of its own, whose connections must be made in farm_on_connect_limit's
 * time. */
proxy_worker *farm_worker_for(farm_ctx *ctx, proxy_server_conf *conf);
/* What a worker has moved since it was last asked, in bytes. */
void farm_worker_moved(proxy_worker *worker, apr_uint64_t *bytes_in, apr_uint64_t *bytes_out);
/* Whether this host has no file or port left for a connection to the worker's member, or its pool is exhausted. */
int farm_worker_shortage(proxy_worker *worker);

/* farm_destination.c: who serves a request */

/* Lets a request say which member it wants, before the first member of a farm is chosen. OK, or the status for the client,
 * where it may not have what serves it. */
int farm_destination_ask(farm_ctx *ctx);
/* Finds the member or server for the next attempt: OK, and ctx->member is set; or the status for the client.
 * `last_failure`: of the attempt before; 0: there was none. */
int farm_destination_find(farm_ctx *ctx, int last_failure);
/* The same when the farm's own members have had their chance. */
int farm_destination_give_up(farm_ctx *ctx, int last_failure);

/* farm_evidence.c */
void farm_evidence_hooks(void);
/* Before each attempt. */
void farm_evidence_begin(farm_ctx *ctx);
apr_uint32_t farm_evidence(farm_ctx *ctx, proxy_worker *worker, int rc);

#endif
