/* farm_proxy_workers.c - the workers through which a child reaches the members.
 *
 * A worker is a pool of connections. A member has one for each virtual host, ProxyPass line and, where it speaks TLS, section with
 * settings for TLS by which it is reached: a timeout is its line's, and a pooled TLS connection has been verified, and shows a
 * certificate, as the SSLProxy* settings of whoever opened it say. They are made when they are first needed: a child of a farm of
 * a thousand members does not pay for pools it never uses. */
#include "farm_proxy.h"
#include "farm_sections.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apr_lib.h"
#include "apr_reslist.h"
#include "apr_thread_mutex.h"

/* A member's worker, and how much of what it has moved is accounted for already. */
typedef struct member_worker {
    proxy_worker *worker;               /* NULL until it can be used */
    apr_uint64_t counted_in, counted_out;
    proxy_worker *half_made;            /* what is there of it before */
    int is_hopeless;                    /* it cannot be made */
    apr_time_t again;                   /* when to try next to make it ready */
} member_worker;

/* The members of one farm as reached from one virtual host by one ProxyPass line. */
typedef struct site {
    const proxy_worker *line;           /* NULL: by none that mod_proxy knows (RewriteRule), or a FarmForward to a server */
    const char *name;                   /* of that line's worker: the URL it has in common */
    apr_size_t length, authority;       /* of the name, and of its scheme and host */
    apr_uint32_t members;
    /* By settings for TLS, 0 for those of the virtual host: workers by number in the farm, then those of trials. Each array is made
     * when it is first used. */
    member_worker ***pools;
} site;

/* The sites of one virtual host. */
struct farm_sites {
    apr_array_header_t **farms;         /* by number of the farm: arrays of site, of which the first has no line */
    site servers;                       /* those that FarmForward names, by number */
};

static apr_pool_t *worker_pool;
static apr_thread_mutex_t *worker_mutex;

static void prepare_site(apr_pool_t *pconf, site *at, const proxy_worker *line, apr_uint32_t members, int tls_sections)
{
    const char *path;

    memset(at, 0, sizeof(*at));
    at->members = members;
    at->pools = apr_pcalloc(pconf, sizeof(member_worker **) * (apr_size_t)(1 + tls_sections));
    if (line) {
        at->line = line;
        at->name = line->s->name_ex;
        at->length = strlen(at->name);
        path = ap_strstr_c(at->name, "://");
        path = path ? path + 3 + strcspn(path + 3, "/") : at->name + at->length;
        at->authority = (apr_size_t)(path - at->name);
    }
}

static int is_capture(const char *pattern)
{
    return pattern[0] == '$' && apr_isdigit(pattern[1]);
}

/* Whether a text begins as a pattern of ProxyPassMatch says, in which $1 is any text. Letters before `path` are those of a scheme
 * and host. */
static int matches(const char *pattern, const char *text, const char *path)
{
    const char *after = NULL, *from = NULL;

    for (;;) {
        if (is_capture(pattern)) {
            after = pattern += 2;
            from = text;
            continue;
        }
        if (*pattern == '\\' && pattern[1]) {
            pattern++;
        }
        if (!*pattern) {
            return 1;
        }
        if (*text && (*pattern == *text || (text < path && *pattern == apr_tolower(*text)))) {
            pattern++;
            text++;
        }
        else if (after && *from) {
            pattern = after;
            text = ++from;
        }
        else {
            return 0;
        }
    }
}

/* Whether requests to a farm may come by this line. */
static int may_lead_to(const proxy_worker *line, const farm_farm_config *farm)
{
    const char *host = line->s->hostname_ex;

    return line->s->is_name_matchable ? matches(host, farm->name, farm->name + farm->name_length)
        : strlen(host) == farm->name_length && !memcmp(host, farm->name, farm->name_length);
}

static farm_sites *prepare_host(apr_pool_t *pconf, server_rec *s, farm_conf *conf, int tls_sections)
{
    const proxy_server_conf *proxy = ap_get_module_config(s->module_config, &proxy_module);
    farm_sites *sites = apr_palloc(pconf, sizeof(*sites));
    apr_uint32_t farm;
    int i;

    sites->farms = apr_palloc(pconf, sizeof(apr_array_header_t *) * conf->config.farm_count);
    for (farm = 0; farm < conf->config.farm_count; farm++) {
        const farm_farm_config *its = &conf->config.farms[farm];
        apr_array_header_t *all = sites->farms[farm] = apr_array_make(pconf, 2, sizeof(site));

        prepare_site(pconf, apr_array_push(all), NULL, its->member_count, tls_sections);
        for (i = 0; i < proxy->workers->nelts; i++) {
            const proxy_worker *line = &APR_ARRAY_IDX(proxy->workers, i, proxy_worker);
            if (may_lead_to(line, its)) {
                prepare_site(pconf, apr_array_push(all), line, its->member_count, tls_sections);
            }
        }
    }
    prepare_site(pconf, &sites->servers, NULL, (apr_uint32_t)conf->servers->nelts, tls_sections);
    return sites;
}

void farm_workers_prepare(apr_pool_t *pconf, server_rec *main_server, farm_conf *conf)
{
    server_rec *s;

    for (s = main_server; s; s = s->next) {
        apr_array_header_t *tls = farm_sections_with_tls(pconf, s);

        if (s != main_server) {
            /* A virtual host has the main server's until now: none of our directives can stand in one. */
            ap_set_module_config(s->module_config, &proxy_farm_module, apr_pcalloc(pconf, sizeof(farm_conf)));
        }
        farm_conf_of(s)->tls_sections = tls;
        farm_conf_of(s)->sites = prepare_host(pconf, s, conf, tls ? tls->nelts : 0);
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

/* Whether a URL of the site's farm comes by its line. */
static int comes_by(const site *at, const char *url)
{
    if (at->line->s->is_name_matchable) {
        const char *host = ap_strstr_c(url, "://");
        return matches(at->name, url, host ? host + 3 + strcspn(host + 3, "/") : url);
    }
    return !strncmp(url, at->name, at->length)
        || (!ap_cstr_casecmpn(url, at->name, at->authority)
            && !strncmp(url + at->authority, at->name + at->authority, at->length - at->authority));
}

/* The site of a request: of the ProxyPass line that mod_proxy would find for its URL, which is the one of the longest name; and of
 * a pattern also where the URL is shorter than the pattern. */
static site *site_for(request_rec *r, apr_uint32_t farm, const char *farm_url)
{
    const apr_array_header_t *sites = farm_conf_of(r->server)->sites->farms[farm];
    site *all = (site *)sites->elts, *found = all;
    int i;

    for (i = 1; i < sites->nelts; i++) {
        if (all[i].length > found->length && comes_by(&all[i], farm_url)) {
            found = &all[i];
        }
    }
    return found;
}

static const char *define_worker(proxy_server_conf *conf, const site *at, const farm_member *member, proxy_worker **worker)
{
    const char *error = ap_proxy_define_worker(worker_pool, worker, NULL, NULL, member->url, 0);
    int i;

    if (!error) {
        PROXY_COPY_CONF_PARAMS(*worker, conf);
        if (at->line) {
            farm_proxy_inherit(*worker, at->line);
        }
        for (i = 0; i < member->parameters->nelts && !error; i++) {
            farm_parameter *one = &APR_ARRAY_IDX(member->parameters, i, farm_parameter);
            error = farm_proxy_set_parameter(worker_pool, *worker, one->key, one->value);
        }
    }
    return error;
}

/* Lets connections be made in that time at the most. */
static void limit_connecting(proxy_worker *worker, const proxy_server_conf *conf, const server_rec *s, apr_uint64_t limit)
{
    apr_interval_time_t allowed = worker->s->conn_timeout_set ? worker->s->conn_timeout
        : worker->s->timeout_set ? worker->s->timeout : conf->timeout_set ? conf->timeout : s->timeout;

    worker->s->conn_timeout = allowed < (apr_interval_time_t)limit ? allowed : (apr_interval_time_t)limit;
    worker->s->conn_timeout_set = 1;
}

/* Makes a worker, or goes on with one that is half made; under worker_mutex. What fails is kept, and tried again in a second, so
 * that requests that come meanwhile take no memory. `limit`: microseconds in which its connections must be made; 0: as its
 * parameters allow. */
static void make_worker(request_rec *r, proxy_server_conf *conf, const site *at, const farm_member *member, apr_uint64_t limit,
                        member_worker *made)
{
    apr_time_t now = apr_time_now();

    if (made->is_hopeless || now < made->again) {
        return;
    }
    if (!made->half_made) {
        const char *error = define_worker(conf, at, member, &made->half_made);
        if (error) {
            ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "FARM00010: no worker for member %s: %s", member->name, error);
            made->is_hopeless = 1;
            return;
        }
        if (limit) {
            limit_connecting(made->half_made, conf, r->server, limit);
        }
        /* The shared row alone decides whether a member may be used. */
        made->half_made->s->status |= PROXY_WORKER_IGNORE_ERRORS;
        made->half_made->context = made;
    }
    if (ap_proxy_initialize_worker(made->half_made, r->server, worker_pool) != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "FARM00011: the connection pool of member %s could not be made",
                      member->name);
        made->again = now + apr_time_from_sec(1);
        return;
    }
    __atomic_store_n(&made->worker, made->half_made, __ATOMIC_RELEASE);
}

/* The member's place in the site, made when it is first asked for; under worker_mutex. */
static member_worker *place_of(site *at, apr_uint32_t tls, apr_uint32_t local)
{
    member_worker **workers = at->pools[tls];

    if (!workers) {
        workers = apr_pcalloc(worker_pool, sizeof(member_worker *) * (2 * (apr_size_t)at->members + 1));
        __atomic_store_n(&at->pools[tls], workers, __ATOMIC_RELEASE);
    }
    if (!workers[local]) {
        __atomic_store_n(&workers[local], apr_pcalloc(worker_pool, sizeof(member_worker)), __ATOMIC_RELEASE);
    }
    return workers[local];
}

static proxy_worker *worker_of(farm_ctx *ctx, proxy_server_conf *conf, site *at, apr_uint32_t local, apr_uint64_t limit)
{
    apr_uint32_t tls = ctx->member->is_tls ? farm_sections_tls(ctx) : 0;
    member_worker **workers = __atomic_load_n(&at->pools[tls], __ATOMIC_ACQUIRE);
    member_worker *found = workers ? __atomic_load_n(&workers[local], __ATOMIC_ACQUIRE) : NULL;
    proxy_worker *worker = found ? __atomic_load_n(&found->worker, __ATOMIC_ACQUIRE) : NULL;

    if (!worker) {
        apr_thread_mutex_lock(worker_mutex);
        found = place_of(at, tls, local);
        if (!found->worker) {
            make_worker(ctx->r, conf, at, ctx->member, limit, found);
        }
        worker = found->worker;
        apr_thread_mutex_unlock(worker_mutex);
    }
    return worker;
}

proxy_worker *farm_worker_for(farm_ctx *ctx, proxy_server_conf *conf)
{
    apr_uint32_t farm = ctx->request.farm, local;
    apr_uint64_t limit;
    site *at;

    if (ctx->member_is_server) {
        return worker_of(ctx, conf, &farm_conf_of(ctx->r->server)->sites->servers, ctx->fallback->number, 0);
    }
    at = site_for(ctx->r, farm, ctx->farm_url);
    local = ctx->request.member - farm_current->config.farms[farm].first_member;
    limit = ctx->request.flags & FARM_REQUEST_TRIAL ? farm_on_connect_limit(farm_current->engine, &ctx->request) : 0;
    return worker_of(ctx, conf, at, limit ? at->members + local : local, limit);
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
