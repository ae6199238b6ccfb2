/* farm_proxy_workers.c - the workers through which a child reaches the members.
 *
 * A worker is a pool of connections. A member has one for each virtual host and set of worker parameters it is reached
 * with, since a pooled TLS connection carries the SSLProxy* settings of whoever opened it, and a timeout those of its
 * ProxyPass line. They are made when they are first needed: a child of a farm of a thousand members does not pay for
 * pools it never uses. */
#include "farm_proxy.h"
#include "farm_sections.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apr_reslist.h"
#include "apr_thread_mutex.h"

/* A member's worker, and how much of what it has moved is accounted for already. */
typedef struct member_worker {
    proxy_worker *worker;
    apr_uint64_t counted_in, counted_out;
} member_worker;

/* The members of one farm as reached from one virtual host with one ProxyPass line's parameters. */
typedef struct site {
    const proxy_worker *line;           /* NULL: a line without parameters, or none at all */
    member_worker **workers;            /* by number in the farm, then those of trials; made when first used */
} site;

/* The sites of one virtual host. */
struct farm_sites {
    apr_array_header_t **farms;         /* by number of the farm: arrays of site, of which the first has no line */
    site servers;                       /* those that FarmForward names, by number */
};

static apr_pool_t *worker_pool;
static apr_thread_mutex_t *worker_mutex;

static void add_site(apr_pool_t *pconf, apr_array_header_t *sites, const proxy_worker *line, apr_uint32_t members)
{
    site *added = apr_array_push(sites);

    added->line = line;
    added->workers = apr_pcalloc(pconf, sizeof(member_worker *) * members * 2);
}

void farm_workers_prepare(apr_pool_t *pconf, server_rec *main_server, farm_conf *conf)
{
    server_rec *s;
    apr_uint32_t farm;
    int i;

    for (s = main_server; s; s = s->next) {
        proxy_server_conf *proxy = ap_get_module_config(s->module_config, &proxy_module);
        farm_sites *sites = apr_palloc(pconf, sizeof(*sites));

        sites->farms = apr_palloc(pconf, sizeof(apr_array_header_t *) * conf->config.farm_count);
        for (farm = 0; farm < conf->config.farm_count; farm++) {
            sites->farms[farm] = apr_array_make(pconf, 1, sizeof(site));
            add_site(pconf, sites->farms[farm], NULL, conf->config.farms[farm].member_count);
        }
        sites->servers.line = NULL;
        sites->servers.workers = apr_pcalloc(pconf, sizeof(member_worker *) * (apr_size_t)(conf->servers->nelts + 1));
        for (i = 0; i < proxy->workers->nelts; i++) {
            proxy_worker *line = &APR_ARRAY_IDX(proxy->workers, i, proxy_worker);
            const char *host = line->s->hostname_ex;

            farm = farm_on_find_farm(conf->engine, host, (uint32_t)strlen(host));
            if (farm != FARM_NONE && farm_proxy_has_parameters(line)) {
                add_site(pconf, sites->farms[farm], line, conf->config.farms[farm].member_count);
            }
        }
        if (s != main_server) {
            /* A virtual host has the main server's until now: none of our directives can stand in one. */
            ap_set_module_config(s->module_config, &proxy_farm_module, apr_pcalloc(pconf, sizeof(farm_conf)));
        }
        farm_conf_of(s)->sites = sites;
        farm_conf_of(s)->tls_sections = farm_sections_with_tls(pconf, s);
    }
}

apr_status_t farm_workers_child(apr_pool_t *pchild)
{
    apr_status_t rv = apr_pool_create(&worker_pool, pchild);

    if (rv == APR_SUCCESS) {
        apr_pool_tag(worker_pool, "proxy_farm_workers");
        rv = apr_thread_mutex_create(&worker_mutex, APR_THREAD_MUTEX_DEFAULT, pchild);
    }
    return rv;
}

/* The site of a request: that of the ProxyPass line that mod_proxy would find for its URL. */
static site *site_for(request_rec *r, proxy_server_conf *conf, apr_uint32_t farm, const char *farm_url)
{
    apr_array_header_t *sites = farm_conf_of(r->server)->sites->farms[farm];
    site *all = (site *)sites->elts;
    const proxy_worker *line;
    int i;

    if (sites->nelts > 1
        && (line = ap_proxy_get_worker_ex(r->pool, NULL, conf, farm_url, AP_PROXY_WORKER_NO_UDS)) != NULL) {
        for (i = 1; i < sites->nelts; i++) {
            if (all[i].line == line) {
                return &all[i];
            }
        }
    }
    return all;
}

/* Lets connections be made in that time at the most. */
static void limit_connecting(proxy_worker *worker, const proxy_server_conf *conf, const server_rec *s, apr_uint64_t limit)
{
    apr_interval_time_t allowed = worker->s->conn_timeout_set ? worker->s->conn_timeout
        : worker->s->timeout_set ? worker->s->timeout : conf->timeout_set ? conf->timeout : s->timeout;

    worker->s->conn_timeout = allowed < (apr_interval_time_t)limit ? allowed : (apr_interval_time_t)limit;
    worker->s->conn_timeout_set = 1;
}

/* Under worker_mutex. `limit`: microseconds in which its connections must be made; 0: as its parameters have it. */
static member_worker *make_worker(request_rec *r, proxy_server_conf *conf, const site *at, const farm_member *member,
                                  apr_uint64_t limit)
{
    member_worker *made = apr_pcalloc(worker_pool, sizeof(*made));
    const char *error = ap_proxy_define_worker(worker_pool, &made->worker, NULL, NULL, member->url, 0);
    int i;

    if (!error) {
        PROXY_COPY_CONF_PARAMS(made->worker, conf);
        if (at->line) {
            farm_proxy_inherit(made->worker, at->line);
        }
        for (i = 0; i < member->parameters->nelts && !error; i++) {
            farm_parameter *one = &APR_ARRAY_IDX(member->parameters, i, farm_parameter);
            error = farm_proxy_set_parameter(worker_pool, made->worker, one->key, one->value);
        }
    }
    if (error) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "FARM00010: no worker for member %s: %s", member->name, error);
        return NULL;
    }
    if (limit) {
        limit_connecting(made->worker, conf, r->server, limit);
    }
    /* The shared row alone decides whether a member may be used. */
    made->worker->s->status |= PROXY_WORKER_IGNORE_ERRORS;
    made->worker->context = made;
    if (ap_proxy_initialize_worker(made->worker, r->server, worker_pool) != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "FARM00011: the connection pool of member %s could not be made",
                      member->name);
        return NULL;
    }
    return made;
}

static proxy_worker *worker_of(request_rec *r, proxy_server_conf *conf, site *at, apr_uint32_t local,
                               const farm_member *member, apr_uint64_t limit)
{
    member_worker *found = __atomic_load_n(&at->workers[local], __ATOMIC_ACQUIRE);

    if (!found) {
        apr_thread_mutex_lock(worker_mutex);
        found = at->workers[local];
        if (!found && (found = make_worker(r, conf, at, member, limit)) != NULL) {
            __atomic_store_n(&at->workers[local], found, __ATOMIC_RELEASE);
        }
        apr_thread_mutex_unlock(worker_mutex);
    }
    return found ? found->worker : NULL;
}

proxy_worker *farm_worker_for(farm_ctx *ctx, proxy_server_conf *conf)
{
    apr_uint32_t farm = ctx->request.farm, local;
    const farm_farm_config *config;
    apr_uint64_t limit;

    if (ctx->member_is_server) {
        return worker_of(ctx->r, conf, &farm_conf_of(ctx->r->server)->sites->servers, ctx->fallback->number, ctx->member, 0);
    }
    config = &farm_current->config.farms[farm];
    local = ctx->request.member - config->first_member;
    limit = ctx->request.flags & FARM_REQUEST_TRIAL ? farm_on_connect_limit(farm_current->engine, &ctx->request) : 0;
    return worker_of(ctx->r, conf, site_for(ctx->r, conf, farm, ctx->farm_url), limit ? config->member_count + local : local,
                     ctx->member, limit);
}

/* The worker's own counters are plain additions by many threads, as everywhere in mod_proxy; what one thread takes from
 * them here is taken once. */
static apr_uint64_t take(apr_uint64_t now, apr_uint64_t *counted)
{
    apr_uint64_t before = __atomic_load_n(counted, __ATOMIC_RELAXED);

    if (now <= before || !__atomic_compare_exchange_n(counted, &before, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        return 0;
    }
    return now - before;
}

void farm_worker_moved(proxy_worker *worker, apr_uint64_t *bytes_in, apr_uint64_t *bytes_out)
{
    member_worker *of = worker->context;

    *bytes_in = take((apr_uint64_t)worker->s->read, &of->counted_in);
    *bytes_out = take((apr_uint64_t)worker->s->transferred, &of->counted_out);
}

/* Only after a failure: whether a connection fails for want of something that is this host's. mod_proxy does not keep
 * the reason, so it is asked again: a socket, and the beginning of a connection from it, which is closed at once. */
int farm_worker_shortage(proxy_worker *worker)
{
    apr_sockaddr_t *address = worker->cp ? worker->cp->addr : NULL;
    int fd, family = AF_INET, shortage = 0;

    if (worker->s->acquire_set && worker->cp && worker->cp->res
        && apr_reslist_acquired_count(worker->cp->res) >= (apr_uint32_t)worker->s->hmax) {
        return 1;
    }
    if (*worker->s->uds_path) {
        family = AF_UNIX;
        address = NULL;
    }
    else if (address) {
        family = address->family;
    }
    fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    }
    if (address && connect(fd, (struct sockaddr *)&address->sa, address->salen) < 0) {
        shortage = errno == EADDRNOTAVAIL || errno == EAGAIN;
    }
    close(fd);
    return shortage;
}
