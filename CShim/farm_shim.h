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
    const char *route;
    const char *redirect;               /* name of the member that stands in for it; NULL: none */
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
    int is_tls;                         /* https, wss, h2 */
} farm_member;

typedef struct farm_parameter {
    const char *key;
    const char *value;
} farm_parameter;

/* A condition of a farm, as Swift numbers them; the last is ours, for the fallback of them all. */
#define FARM_FULL 1
#define FARM_DOWN 3
#define FARM_ANY_CONDITION 4

typedef enum { FARM_FALLBACK_BUSY, FARM_FALLBACK_REDIRECT, FARM_FALLBACK_FORWARD } farm_fallback_kind;

/* What a farm does with a request that it cannot serve. */
typedef struct farm_fallback {
    farm_fallback_kind kind;
    const char *file;
    int line;
    const char *url;                    /* as written */
    int status;                         /* of a redirect */
    ap_expr_info_t *expression;
    int seconds;                        /* of Retry-After; 0: the farm's retry */
    /* of a forward */
    const char *base, *host;            /* the URL up to its path; its host and port, in lower case */
    const char *path, *query;           /* NULL: the request's own; the path with the query */
    apr_uint32_t farm;                  /* FARM_NONE: a server */
    farm_member *server;
    apr_uint32_t number;                /* of the server */
} farm_fallback;

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
    apr_interval_time_t retry, recover; /* recover: 0 is off */
    apr_uint64_t fail_on_status[10];
    apr_interval_time_t slowstart;
    int panic, eject;
    const char *sticky_cookie, *sticky_parameter;   /* of FarmSticky route; NULL: off */
    int sets_cookie;                    /* FarmSticky cookie */
    const char *own_cookie;             /* its name; NULL until farm_sticky_check gives it the usual one */
    int names_cookie;                   /* FarmSticky cookie gives it */
    const char *sticky_file;            /* where that line stands */
    int sticky_line;
    apr_interval_time_t sticky_ttl;
    const char *samesite;               /* SameSite of that cookie, spelled for Set-Cookie */
    int private_ties;                   /* FarmSet cacheties=private */
    int passes_cookie;
    farm_fallback *fallbacks[FARM_ANY_CONDITION + 1];   /* by condition */
    int forwards;                       /* one of them is a FarmForward */
    apr_hash_t *origins;                /* "scheme://host:port" -> apr_array_header_t of farm_member * */
    apr_hash_t *hosts;                  /* host -> farm_member * */
} farm_farm;

typedef struct farm_secret farm_secret; /* farm_secret.c */
typedef struct farm_sites farm_sites;   /* farm_proxy_workers.c */

/* One per virtual host. That of the main server is the configuration, since farms are visible in every virtual host;
 * of the others only `sites` and `tls_sections` are used. */
typedef struct farm_conf {
    apr_array_header_t *farms;          /* of farm_farm * */
    farm_farm *open;                    /* the <Farm> being read */
    unsigned int locks;                 /* FARM_LOCKS_* */
    int table_members, table_farms, table_metrics;  /* 0: as configured and a quarter more */
    const char *table_file;
    int table_line;
    const char *state_file;             /* NULL: none */
    const char *cookie;                 /* FarmCookie */
    apr_array_header_t *secrets;        /* of farm_secret; NULL: none */
    apr_array_header_t *servers;        /* of farm_member *: what FarmForward names beside farms */
    /* when the configuration is complete */
    farm_config config;
    farm_engine *engine;
    farm_member **member_at;            /* by number in config.members */
    farm_farm **farm_at;                /* by number in config.farms */
    apr_uint32_t last_found;            /* the farm that a URL named last: most often the next one does too */
    farm_sites *sites;                  /* the workers of this virtual host */
    apr_array_header_t *tls_sections;   /* farm_sections.c: of this virtual host; NULL: none */
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
/* Takes member->url apart; what is wrong with it, for the directive of that name, or NULL. */
const char *farm_member_parse_url(apr_pool_t *p, farm_member *member, const char *directive);

/* farm_tables.c: the segment, its locks, the engine */
int farm_tables_start(apr_pool_t *pconf, server_rec *s, farm_conf *conf);
void farm_tables_child(apr_pool_t *pchild, server_rec *s, farm_conf *conf);
void farm_tables_child_gone(apr_uint32_t pid);
void farm_tables_sweep(void);
/* What the parent does from time to time: also ends what is over, and writes the state file. */
void farm_tables_tick(server_rec *s);
/* What a browser's form must hold to change anything; the same until a full stop. */
const char *farm_tables_nonce(void);
/* How many different metrics the formulas of a configuration name. */
unsigned int farm_named_metrics(apr_pool_t *p, farm_conf *conf);

/* farm_proxy.c */
void farm_proxy_hooks(void);

/* farm_fallback.c: the one for a condition; NULL when there is none, or the condition is ok */
const farm_fallback *farm_fallback_for(const farm_farm *farm, apr_uint32_t condition);

/* farm_state_file.c: the parent */
void farm_state_file_begin(void);
void farm_state_file_read(server_rec *s, farm_conf *conf);
void farm_state_file_write(server_rec *s, farm_conf *conf);
/* The text that shall be in the file, without the checksum; NULL when it cannot be made. */
char *farm_state_text(apr_pool_t *p, farm_conf *conf, apr_size_t *length);

/* farm_status.c, farm_update.c, farm_manager.c */
int farm_status_handler(request_rec *r);
int farm_manager_handler(request_rec *r);
int farm_update_handler(request_rec *r);
int farm_balance_handler(request_rec *r);
void farm_status_hooks(void);

/* farm_host.c: an answer that is being made; `out` of the C interface points to it */
typedef struct farm_out {
    request_rec *r;
    apr_bucket_brigade *bb;
    size_t waiting;             /* written since the last piece was passed on */
    size_t piece;               /* bytes to pass on at a time; 0: all at the end, so that the status may still change */
} farm_out;
/* Of a long answer: as the core's output filter takes them before it waits for the client. */
#define FARM_OUT_PIECE 65536u
farm_out farm_out_begin(request_rec *r);
/* Sends it. Any more that is written to the request comes after. */
int farm_out_end(farm_out *out);
/* Passes on what has been written so far, of an answer that somebody else ends. */
int farm_out_pass(farm_out *out);

/* farm_host.c: before anything else is asked of it, in each configuration; the parent. OK, or an error of HTTP. */
int farm_host_prepare(apr_pool_t *pconf);

/* farm_caller.c: members by the address that an update comes from */
void farm_callers_prepare(apr_pool_t *p, farm_conf *conf);
apr_status_t farm_callers_child(apr_pool_t *pchild);

/* farm_request.c: the key of a request whose farm's algorithm wants one */
void farm_request_key(request_rec *r, const farm_farm *farm, farm_request *request);
/* farm_sticky.c: ties a request to the member that its session names, where its farm asks for that */
void farm_request_tie(request_rec *r, const char *cookies, farm_request *request);

#endif
