/* farm_tables.c - from the configuration as parsed to tables, locks and an engine, at each start and restart. */
#include "farm_shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "util_mutex.h"

#include "farm_proxy.h"
#include "farm_version.h"

/* What outlives a configuration: in the process pool, found again by name. */
typedef struct farm_retained {
    farm_tables *tables;
    apr_array_header_t *locks;          /* of apr_global_mutex_t * */
    pid_t parent;
    char nonce[33];
} farm_retained;

#define RETAINED_KEY "mod_proxy_farm"

static farm_retained *retained;

/* Rows for what is configured and a quarter more, so that a few additions need no new block. */
static apr_uint32_t with_room(apr_uint32_t count, apr_uint32_t least)
{
    apr_uint32_t room = count + (count + 3) / 4;

    return room < least ? least : room;
}

unsigned int farm_named_metrics(apr_pool_t *p, farm_conf *conf)
{
    farm_farm_config *farms = apr_pcalloc(p, sizeof(*farms) * (apr_size_t)(conf->farms->nelts + 1));
    farm_config config = { .farms = farms, .farm_count = (uint32_t)conf->farms->nelts };
    int i;

    for (i = 0; i < conf->farms->nelts; i++) {
        farms[i].load = APR_ARRAY_IDX(conf->farms, i, farm_farm *)->load;
        farms[i].load_length = farms[i].load ? (uint32_t)strlen(farms[i].load) : 0;
    }
    return farm_on_metric_count(&config);
}

/* The number of a member within its farm; FARM_NONE without a name. */
static apr_uint32_t number_of(const farm_farm *farm, const char *name)
{
    int i;

    for (i = 0; name && i < farm->members->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(farm->members, i, farm_member *)->name, name)) {
            return (apr_uint32_t)i;
        }
    }
    return FARM_NONE;
}

static void describe(apr_pool_t *pconf, farm_conf *conf)
{
    farm_farm_config *farms = apr_pcalloc(pconf, sizeof(*farms) * (apr_size_t)conf->farms->nelts);
    farm_member_config *members;
    int i, j, limit, count = 0, next = 0;

    for (i = 0; i < conf->farms->nelts; i++) {
        count += APR_ARRAY_IDX(conf->farms, i, farm_farm *)->members->nelts;
    }
    members = apr_pcalloc(pconf, sizeof(*members) * (apr_size_t)(count + 1));
    conf->farm_at = apr_pcalloc(pconf, sizeof(farm_farm *) * (apr_size_t)conf->farms->nelts);
    conf->member_at = apr_pcalloc(pconf, sizeof(farm_member *) * (apr_size_t)(count + 1));
    for (i = 0; i < conf->farms->nelts; i++) {
        farm_farm *farm = conf->farm_at[i] = APR_ARRAY_IDX(conf->farms, i, farm_farm *);
        farms[i].name = farm->key;
        farms[i].name_length = (uint32_t)strlen(farm->key);
        farms[i].algorithm = farm->algorithm;
        farms[i].first_member = (uint32_t)next;
        farms[i].member_count = (uint32_t)farm->members->nelts;
        farms[i].max_attempts = (uint32_t)farm->max_attempts;
        farms[i].retry_safe = (uint32_t)farm->retry_safe;
        farms[i].fail_on_timeout = (uint32_t)farm->fail_on_timeout;
        farms[i].fall = (uint32_t)farm->fall;
        farms[i].retry_us = (uint64_t)farm->retry;
        farms[i].recover_us = (uint64_t)farm->recover;
        memcpy(farms[i].fail_on_status, farm->fail_on_status, sizeof(farms[i].fail_on_status));
        farms[i].load = farm->load;
        farms[i].load_length = farm->load ? (uint32_t)strlen(farm->load) : 0;
        farms[i].expect_us = (uint64_t)farm->expect;
        farms[i].expect_ignore = (uint32_t)farm->expect_ignore;
        farms[i].slowstart_us = (uint64_t)farm->slowstart;
        farms[i].panic = (uint32_t)farm->panic;
        farms[i].eject = (uint32_t)farm->eject;
        farms[i].sticky_cookie = farm->sticky_cookie;
        farms[i].sticky_cookie_length = farm->sticky_cookie ? (uint32_t)strlen(farm->sticky_cookie) : 0;
        farms[i].sticky_parameter = farm->sticky_parameter;
        farms[i].sticky_parameter_length = farm->sticky_cookie ? (uint32_t)strlen(farm->sticky_parameter) : 0;
        farms[i].instruction_cookie = farm->own_cookie;
        farms[i].instruction_cookie_length = farm->own_cookie ? (uint32_t)strlen(farm->own_cookie) : 0;
        farms[i].sets_cookie = (uint32_t)farm->sets_cookie;
        farms[i].sticky_seconds = (uint32_t)apr_time_sec(farm->sticky_ttl);
        farms[i].passes_cookie = (uint32_t)farm->passes_cookie;
        for (j = 0; j < farm->members->nelts; j++, next++) {
            farm_member *member = conf->member_at[next] = APR_ARRAY_IDX(farm->members, j, farm_member *);
            members[next].name = member->name;
            members[next].name_length = (uint32_t)strlen(member->name);
            members[next].url = member->url;
            members[next].url_length = (uint32_t)strlen(member->url);
            members[next].weight = (uint32_t)member->weight;
            members[next].tier = (uint32_t)member->tier;
            members[next].admin = (uint32_t)member->admin;
            members[next].max_inflight = (uint32_t)member->max_inflight;
            members[next].redirect = number_of(farm, member->redirect);
            members[next].route = member->route;
            members[next].route_length = (uint32_t)strlen(member->route);
            farm_environment_prepare(pconf, farm, member, member->name);
        }
        for (j = 1; j <= FARM_ANY_CONDITION; j++) {
            if (farm->fallbacks[j] && farm->fallbacks[j]->server) {
                farm_environment_prepare(pconf, farm, farm->fallbacks[j]->server, NULL);
            }
        }
        farm_reverse_index(pconf, farm);
    }
    conf->config.farms = farms;
    conf->config.members = members;
    conf->config.farm_count = (uint32_t)conf->farms->nelts;
    conf->config.member_count = (uint32_t)count;
    conf->config.farm_capacity = conf->table_farms ? (uint32_t)conf->table_farms
        : with_room((uint32_t)conf->farms->nelts, 4);
    conf->config.member_capacity = conf->table_members ? (uint32_t)conf->table_members : with_room((uint32_t)count, 16);
    conf->config.metric_capacity = conf->table_metrics ? (uint32_t)conf->table_metrics
        : with_room(farm_on_metric_count(&conf->config), 16);
    if (conf->config.metric_capacity > 1024) {
        conf->config.metric_capacity = 1024;
    }
    /* Children of the generation before live on beside the new ones until their last request has ended. */
    if (ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &limit) != APR_SUCCESS || limit < 1) {
        limit = 256;
    }
    conf->config.slot_capacity = (uint32_t)limit * 2 + 8;
    conf->config.cookie = conf->cookie;
    conf->config.cookie_length = (uint32_t)strlen(conf->cookie);
    conf->config.version = FARM_VERSION;
    conf->config.built = FARM_BUILT;
    conf->config.mpm = ap_show_mpm();
    conf->last_found = FARM_NONE;
}

static const char *const lock_words[] = { "row", "farm", "engine" };

/* The locks of one block, made by httpd's rules for the type proxy-farm; NULL, and a line in the log that says how many
 * could be had and what to do, when the mechanism does not give so many. */
static void **make_locks(server_rec *s, apr_pool_t *ptemp, apr_uint32_t granularity, apr_uint32_t count)
{
    apr_pool_t *process = s->process->pool;
    void **locks = apr_palloc(ptemp, sizeof(void *) * count);
    apr_uint32_t i;
    apr_status_t rv;

    for (i = 0; i < count; i++) {
        apr_global_mutex_t *lock;
        const char *instance = apr_psprintf(process, "%d-%u", retained->locks->nelts, (unsigned int)i);

        rv = ap_global_mutex_create(&lock, NULL, FARM_MUTEX_TYPE, instance, s, process, 0);
        if (rv != APR_SUCCESS) {
            struct rlimit files = { 0, 0 };
            getrlimit(RLIMIT_NOFILE, &files);
            ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s, "FARM00004: FarmLocks %s wants %u locks and the mechanism "
                         "gave %u (open files allowed: %lu); write 'Mutex pthread " FARM_MUTEX_TYPE "' for one that "
                         "needs no files, or 'FarmLocks farm' or 'FarmLocks engine' for fewer locks",
                         lock_words[granularity], (unsigned int)count, (unsigned int)i, (unsigned long)files.rlim_cur);
            return NULL;
        }
        locks[i] = lock;
    }
    for (i = 0; i < count; i++) {
        APR_ARRAY_PUSH(retained->locks, apr_global_mutex_t *) = locks[i];
    }
    return locks;
}

static int make_tables(server_rec *s, apr_pool_t *ptemp, farm_conf *conf)
{
    const farm_config *config = &conf->config;
    apr_uint32_t count = farm_on_lock_count(conf->locks, config->farm_capacity, config->member_capacity);
    void **locks = make_locks(s, ptemp, conf->locks, count);
    int error = 0;

    if (!locks) {
        return 0;
    }
    retained->tables = farm_on_tables_create(config, s->process->pool, conf->locks, locks, count, &error);
    if (!retained->tables) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, error, s, "FARM00005: no shared memory for %u members in %u farms",
                     (unsigned int)config->member_capacity, (unsigned int)config->farm_capacity);
    }
    return retained->tables != NULL;
}

/* Rows never move: a configuration that needs more of them gets another block. */
static int make_room(server_rec *s, apr_pool_t *ptemp, farm_conf *conf)
{
    farm_room room = farm_on_tables_room(retained->tables, &conf->config);
    apr_uint32_t granularity = farm_on_tables_granularity(retained->tables);
    apr_uint32_t farms, members, count;
    void **locks;
    int error = 0;

    if (granularity != conf->locks) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "FARM00006: FarmLocks %s takes effect when httpd is stopped and "
                     "started; until then it stays %s", lock_words[conf->locks], lock_words[granularity]);
    }
    if (conf->table_metrics && farm_on_tables_metrics(retained->tables) != (apr_uint32_t)conf->table_metrics) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "FARM00014: FarmTable metrics=%d takes effect when httpd is stopped "
                     "and started; until then there is room for %u", conf->table_metrics,
                     (unsigned int)farm_on_tables_metrics(retained->tables));
    }
    if (!room.farms_missing && !room.members_missing) {
        return 1;
    }
    farms = with_room(room.farms_missing, 4);
    members = with_room(room.members_missing, 16);
    count = farm_on_lock_count(granularity, farms, members);
    if (!(locks = make_locks(s, ptemp, granularity, count))) {
        return 0;
    }
    if (!farm_on_tables_grow(retained->tables, farms, members, s->process->pool, locks, count, &error)) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, error, s, "FARM00007: no shared memory for %u more members in %u more "
                     "farms; stop httpd and start it again", (unsigned int)members, (unsigned int)farms);
        return 0;
    }
    return 1;
}

/* A configuration's last word, at a stop or restart. A child that ends by itself goes through this too. */
static apr_status_t write_last_state(void *data)
{
    if (retained->parent == getpid()) {
        farm_state_file_write(ap_server_conf, data);
    }
    return APR_SUCCESS;
}

static apr_status_t destroy_engine(void *data)
{
    farm_on_engine_destroy(data);
    return APR_SUCCESS;
}

int farm_tables_start(apr_pool_t *pconf, server_rec *s, farm_conf *conf)
{
    apr_pool_t *ptemp;
    int ready, is_first;

    apr_pool_create(&ptemp, pconf);
    describe(pconf, conf);
    retained = ap_retained_data_get(RETAINED_KEY);
    if (!retained) {
        retained = ap_retained_data_create(RETAINED_KEY, sizeof(*retained));
        retained->locks = apr_array_make(s->process->pool, 16, sizeof(apr_global_mutex_t *));
        apr_snprintf(retained->nonce, sizeof(retained->nonce), "%016" APR_UINT64_T_HEX_FMT "%016" APR_UINT64_T_HEX_FMT,
                     farm_host_seed(), farm_host_seed());
    }
    retained->parent = getpid();
    is_first = !retained->tables;
    if (retained->tables) {
        farm_on_sweep(retained->tables);
    }
    ready = retained->tables ? make_room(s, ptemp, conf) : make_tables(s, ptemp, conf);
    apr_pool_destroy(ptemp);
    if (!ready) {
        return !OK;
    }
    conf->engine = farm_on_engine_create(retained->tables, &conf->config);
    if (!conf->engine) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "FARM00008: the farms do not fit into their tables");
        return !OK;
    }
    apr_pool_cleanup_register(pconf, conf->engine, destroy_engine, apr_pool_cleanup_null);
    farm_state_file_begin();
    if (is_first) {
        farm_state_file_read(s, conf);
        farm_on_tick(conf->engine);
    }
    apr_pool_cleanup_register(pconf, conf, write_last_state, apr_pool_cleanup_null);
    farm_workers_prepare(pconf, s, conf);
    farm_callers_prepare(pconf, conf);
    return OK;
}

/* Whether this child has all that it needs besides a slot. */
static int can_serve(apr_pool_t *pchild, server_rec *s)
{
    int i;

    for (i = 0; i < retained->locks->nelts; i++) {
        apr_global_mutex_t **lock = &APR_ARRAY_IDX(retained->locks, i, apr_global_mutex_t *);
        apr_status_t rv = apr_global_mutex_child_init(lock, apr_global_mutex_lockfile(*lock), pchild);
        if (rv != APR_SUCCESS) {
            ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s, "FARM00009: this child cannot use the locks of type "
                         FARM_MUTEX_TYPE);
            return 0;
        }
    }
    return farm_workers_child(pchild) == APR_SUCCESS && farm_callers_child(pchild) == APR_SUCCESS;
}

void farm_tables_child(apr_pool_t *pchild, server_rec *s, farm_conf *conf)
{
    uint32_t pid = can_serve(pchild, s) ? (uint32_t)getpid() : 0;

    if (farm_on_child_start(conf->engine, pid) == FARM_CHILD_LATE) {
        /* It has accepted no connection yet, so that nobody misses it: the way on which httpd's own children end. */
        exit(0);
    }
}

/* httpd tells of a child's end in the parent alone; a child that inherited the hook must not act. */
void farm_tables_child_gone(apr_uint32_t pid)
{
    if (retained && retained->tables && retained->parent == getpid()) {
        farm_on_child_gone(retained->tables, pid);
    }
}

void farm_tables_sweep(void)
{
    if (retained && retained->tables && retained->parent == getpid()) {
        farm_on_sweep(retained->tables);
    }
}

void farm_tables_tick(server_rec *s)
{
    if (farm_current && retained && retained->parent == getpid()) {
        farm_on_tick(farm_current->engine);
        farm_state_file_write(s, farm_current);
    }
}

const char *farm_tables_nonce(void)
{
    return retained->nonce;
}
