/* farm_shim.h - what the C files of the module share: the configuration as parsed, and the state of one request. */
#ifndef FARM_SHIM_H
#define FARM_SHIM_H

#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "http_main.h"
#include "http_protocol.h"
#include "http_request.h"
#include "ap_expr.h"
#include "ap_mpm.h"
#include "apr_hash.h"
#include "apr_strings.h"
#include "apr_tables.h"

#include "farm_abi.h"

/* httpd logs a module's lines under its own name, so that LogLevel can be set for it alone. */
extern module AP_MODULE_DECLARE_DATA proxy_farm_module;
APLOG_USE_MODULE(proxy_farm);

#define FARM_MUTEX_TYPE "proxy-farm"

/* Bytes of a request's body that are kept so that it can be sent again, and of a held answer that are read to keep the
 * connection to its member. */
#define FARM_BODY_KEPT (64 * 1024)

typedef struct farm_member {
    const char *url;                    /* as configured */
    const char *name;
    int weight, tier, admin, max_inflight;
    apr_array_header_t *parameters;     /* of farm_parameter: worker parameters, in order */
    const char *file;
    int line;
    /* derived when the configuration is complete */
    const char *mapped;                 /* scheme://host[:port]/path without a last slash; goes where "scheme://farm" stood */
    const char *filename;               /* "proxy:" and the same, as r->filename begins */
    apr_size_t filename_length;
    const char *host;                   /* NULL: a unix socket's member */
    const char *reach;                  /* the URL to reach it by, for who asks */
    struct farm_addresses *addresses;   /* farm_caller.c */
    apr_table_t *environment;           /* of a request that it serves at the first attempt */
    int is_ajp;
    int is_http;                        /* http, https, ws, wss: carried by mod_proxy_http */
    int is_http2;
} farm_member;

typedef struct farm_parameter {
    const char *key;
    const char *value;
} farm_parameter;

typedef struct farm_farm {
    const char *name;                   /* as written */
    const char *key;                    /* lower case */
    const char *balancer_name;          /* balancer://NAME, for logs made for mod_proxy_balancer */
    const char *file;
    int line;
    apr_array_header_t *members;        /* of farm_member * */
    unsigned int algorithm;
    ap_expr_info_t *key_expression;     /* of FarmAlgorithm hash; NULL: none */
    const char *load;                   /* FarmLoad's formula; NULL: the mean of all metrics */
    apr_interval_time_t expect;         /* FarmExpectUpdate; 0: off */
    int expect_ignore, takes_reports;
    int max_attempts, retry_safe, fall, fail_on_timeout;
    apr_interval_time_t retry;
    apr_uint64_t fail_on_status[10];
    apr_hash_t *origins;                /* "scheme://host:port" -> apr_array_header_t of farm_member * */
    apr_hash_t *hosts;                  /* host -> farm_member * */
} farm_farm;

typedef struct farm_sites farm_sites;   /* farm_proxy_workers.c */

/* One per virtual host. That of the main server is the configuration, since farms are visible in every virtual host;
 * of the others only `sites` is used. */
typedef struct farm_conf {
    apr_array_header_t *farms;          /* of farm_farm * */
    farm_farm *open;                    /* the <Farm> being read */
    unsigned int locks;                 /* FARM_LOCKS_* */
    int table_members, table_farms, table_metrics;  /* 0: as configured and a quarter more */
    const char *table_file;
    int table_line;
    /* when the configuration is complete */
    farm_config config;
    farm_engine *engine;
    farm_member **member_at;            /* by number in config.members */
    farm_farm **farm_at;                /* by number in config.farms */
    apr_uint32_t last_found;            /* the farm that a URL named last: most often the next one does too */
    farm_sites *sites;                  /* the workers of this virtual host */
} farm_conf;

/* The configuration in force; NULL until there is a farm. */
extern farm_conf *farm_current;

/* farm_directives.c */
extern const command_rec farm_directives[];
farm_conf *farm_conf_of(server_rec *s);
void *farm_create_server_config(apr_pool_t *p, server_rec *s);
int farm_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);

/* farm_member_parameters.c: the words of a FarmMember line */
const char *farm_member_parse(apr_pool_t *p, farm_farm *farm, farm_member *member, const char *words);

/* farm_tables.c: the segment, its locks, the engine */
int farm_tables_start(apr_pool_t *pconf, server_rec *s, farm_conf *conf);
int farm_tables_child(apr_pool_t *pchild, server_rec *s, farm_conf *conf);
void farm_tables_child_gone(apr_uint32_t pid);
void farm_tables_sweep(void);
/* How many different metrics the formulas of a configuration name. */
unsigned int farm_named_metrics(apr_pool_t *p, farm_conf *conf);

/* farm_proxy.c */
void farm_proxy_hooks(void);

/* farm_handlers.c */
int farm_status_handler(request_rec *r);
int farm_update_handler(request_rec *r);
int farm_balance_handler(request_rec *r);

/* farm_host.c: an answer that is being made; `out` of the C interface points to it */
typedef struct farm_out {
    request_rec *r;
    apr_bucket_brigade *bb;
} farm_out;
farm_out farm_out_begin(request_rec *r);
/* Sends it. Any more that is written to the request comes after. */
int farm_out_end(farm_out *out);

/* farm_host.c: before anything else is asked of it; the parent */
void farm_host_prepare(void);

/* farm_caller.c: members by the address that an update comes from */
void farm_callers_prepare(apr_pool_t *p, farm_conf *conf);
apr_status_t farm_callers_child(apr_pool_t *pchild);

/* farm_request.c: the key of a request, where its farm's algorithm wants one */
void farm_request_key(request_rec *r, farm_farm *farm, farm_request *request);

#endif
