/* farm_tables.c - from the configuration as parsed to tables, locks and an engine, at each start and restart. */
#include "farm_shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "util_mutex.h"

#include "farm_built.h"
#include "farm_proxy.h"
#include "farm_upgrade.h"
#include "farm_version.h"

/* The number of all that outlives a configuration: the rows in shared memory, and the structs below. Another version of the
 * module finds them by a key that has this number in it, so it never reads what it does not understand. Raise
 * FARM_TABLE_MAJOR when any of them changes. A test builds the module with another number. */
#ifndef FARM_LAYOUT
#define FARM_LAYOUT FARM_TABLE_MAJOR
#endif
#define RETAINED_KEY "mod_proxy_farm-" APR_STRINGIFY(FARM_LAYOUT)

/* One block of the tables. The locks are apr_global_mutex_t pointers. */
typedef struct farm_block {
    void *base;
    void **locks;
    apr_uint32_t lock_count;
} farm_block;

/* What outlives a configuration. It may outlive this code too: nothing in it points to code or to a constant of this
 * module. Swift's own structs are not kept: the tables are opened anew in each configuration. */
typedef struct farm_retained {
    apr_pool_t *pool;                   /* of this struct, the blocks and the locks */
    apr_array_header_t *blocks;         /* of farm_block */
    apr_uint32_t granularity;
    char nonce[33];
} farm_retained;

_Static_assert(sizeof(farm_retained) == 56 && sizeof(farm_block) == 24,
               "what is retained has changed: raise FARM_TABLE_MAJOR, and then these sizes");

static farm_retained *retained;
static farm_tables *tables;             /* those of the configuration in force; NULL: there are none */
static pid_t parent;                    /* who made them */

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
static void **make_locks(server_rec *s, apr_pool_t *pool, apr_uint32_t granularity, apr_uint32_t count, int is_last_try)
{
    void **locks = apr_palloc(pool, sizeof(void *) * count);
    apr_uint32_t i;
    apr_status_t rv;

    for (i = 0; i < count; i++) {
        apr_global_mutex_t *lock;
        /* Tables of another layout, which old children use, have locks of their own beside these. */
        const char *instance = apr_psprintf(pool, "%.8s-%d-%u", retained->nonce, retained->blocks->nelts, (unsigned int)i);

        rv = ap_global_mutex_create(&lock, NULL, FARM_MUTEX_TYPE, instance, s, pool, 0);
        if (rv != APR_SUCCESS) {
            struct rlimit files = { 0, 0 };
            if (!is_last_try) {
                return NULL;
            }
            getrlimit(RLIMIT_NOFILE, &files);
            ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s, "FARM00004: FarmLocks %s wants %u locks and the mechanism "
                         "gave %u (open files allowed: %lu); write 'Mutex pthread " FARM_MUTEX_TYPE "' for one that "
                         "needs no files, or 'FarmLocks farm' or 'FarmLocks engine' for fewer locks",
                         lock_words[granularity], (unsigned int)count, (unsigned int)i, (unsigned long)files.rlim_cur);
            return NULL;
        }
        locks[i] = lock;
    }
    return locks;
}

/* Keeps a block that the tables have got. */
static void keep_block(void **locks, apr_uint32_t count)
{
    farm_block *block = apr_array_push(retained->blocks);

    block->base = farm_on_tables_base(tables, (apr_uint32_t)retained->blocks->nelts - 1);
    block->locks = locks;
    block->lock_count = count;
}

static int make_tables(server_rec *s, farm_conf *conf)
{
    const farm_config *config = &conf->config;
    apr_uint32_t count = farm_on_lock_count(conf->locks, config->farm_capacity, config->member_capacity);
    void **locks = make_locks(s, retained->pool, conf->locks, count, 1);
    int error = 0;

    if (!locks) {
        return 0;
    }
    tables = farm_on_tables_create(config, retained->pool, conf->locks, locks, count, &error);
    if (!tables) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, error, s, "FARM00005: no shared memory for %u members in %u farms",
                     (unsigned int)config->member_capacity, (unsigned int)config->farm_capacity);
        return 0;
    }
    retained->granularity = conf->locks;
    keep_block(locks, count);
    return 1;
}

/* Another block of this size. On the last try a line in the log says why there is none. */
static int add_block(server_rec *s, apr_uint32_t farms, apr_uint32_t members, int is_last_try)
{
    apr_uint32_t count = farm_on_lock_count(retained->granularity, farms, members);
    apr_pool_t *pool;
    void **locks;
    int error = 0;

    apr_pool_create(&pool, retained->pool);
    locks = make_locks(s, pool, retained->granularity, count, is_last_try);
    if (locks && farm_on_tables_grow(tables, farms, members, pool, locks, count, &error)) {
        keep_block(locks, count);
        return 1;
    }
    if (locks && is_last_try) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, error, s, "FARM00007: no shared memory for %u more members in %u more "
                     "farms; stop httpd and start it again", (unsigned int)members, (unsigned int)farms);
    }
    apr_pool_destroy(pool);
    return 0;
}

/* Rows never move: a configuration that needs more of them gets another block. */
static int make_room(server_rec *s, farm_conf *conf)
{
    farm_room room = farm_on_tables_room(tables, &conf->config);
    apr_uint32_t granularity = retained->granularity;

    if (granularity != conf->locks) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "FARM00006: FarmLocks %s takes effect when httpd is stopped and "
                     "started; until then it stays %s", lock_words[conf->locks], lock_words[granularity]);
    }
    if (conf->table_metrics && farm_on_tables_metrics(tables) != (apr_uint32_t)conf->table_metrics) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "FARM00014: FarmTable metrics=%d takes effect when httpd is stopped "
                     "and started; until then there is room for %u", conf->table_metrics,
                     (unsigned int)farm_on_tables_metrics(tables));
    }
    if (!room.farms_missing && !room.members_missing) {
        return 1;
    }
    return add_block(s, room.farms_wanted, room.members_wanted, 0)
        || add_block(s, with_room(room.farms_missing, 4), with_room(room.members_missing, 16), 1);
}

/* The tables of the configuration before; NULL when this code may not touch them. */
static farm_tables *open_tables(void)
{
    farm_tables *opened = farm_on_tables_open(retained->granularity);
    int i;

    for (i = 0; i < retained->blocks->nelts; i++) {
        const farm_block *block = &APR_ARRAY_IDX(retained->blocks, i, farm_block);
        if (!farm_on_tables_adopt(opened, block->base, block->locks, block->lock_count)) {
            farm_on_tables_close(opened);
            return NULL;
        }
    }
    return opened;
}

/* In a pool of its own beside the process pool, which is destroyed before it: what uses the tables is in that one. */
static void begin_retained(void)
{
    apr_pool_t *pool;

    apr_pool_create(&pool, NULL);
    retained = apr_pcalloc(pool, sizeof(*retained));
    retained->pool = pool;
    retained->blocks = apr_array_make(pool, 4, sizeof(farm_block));
    apr_snprintf(retained->nonce, sizeof(retained->nonce), "%016" APR_UINT64_T_HEX_FMT "%016" APR_UINT64_T_HEX_FMT,
                 farm_host_seed(), farm_host_seed());
    /* The key is copied, and no cleanup is registered. */
    apr_pool_userdata_set(retained, RETAINED_KEY, NULL, ap_pglobal);
}

/* The last act of a configuration, at a stop or restart. A child that ends by itself goes through this too; it may have lost
 * what is retained by then. */
static apr_status_t leave(void *data)
{
    if (parent == getpid()) {
        farm_state_file_write(ap_server_conf, data);
        farm_upgrade_leave(data, tables, RETAINED_KEY, retained->pool);
    }
    return APR_SUCCESS;
}

static apr_status_t destroy_engine(void *data)
{
    farm_on_engine_destroy(data);
    return APR_SUCCESS;
}

static apr_status_t close_tables(void *data)
{
    (void)data;
    farm_on_tables_close(tables);
    tables = NULL;
    return APR_SUCCESS;
}

int farm_tables_start(apr_pool_t *pconf, server_rec *s, farm_conf *conf)
{
    int is_first;

    describe(pconf, conf);
    parent = getpid();
    farm_upgrade_arrive(pconf, s, RETAINED_KEY);
    retained = ap_retained_data_get(RETAINED_KEY);
    if (retained && !(tables = open_tables())) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "FARM00033: the tables of the configuration before are not of this "
                     "version's layout, though they are named so; new ones are made, and counters begin anew");
        retained = NULL;
    }
    is_first = !retained;
    if (is_first) {
        begin_retained();
    }
    else {
        farm_on_sweep(tables);
    }
    if (!(is_first ? make_tables(s, conf) : make_room(s, conf))) {
        return !OK;
    }
    apr_pool_cleanup_register(pconf, NULL, close_tables, apr_pool_cleanup_null);
    conf->engine = farm_on_engine_create(tables, &conf->config);
    if (!conf->engine) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "FARM00008: the farms do not fit into their tables");
        return !OK;
    }
    apr_pool_cleanup_register(pconf, conf->engine, destroy_engine, apr_pool_cleanup_null);
    farm_state_file_begin();
    if (is_first) {
        if (!farm_upgrade_take_state(s, conf)) {
            farm_state_file_read(s, conf);
        }
        farm_on_tick(conf->engine);
    }
    farm_on_old_processes(tables, farm_upgrade_old_processes(s));
    apr_pool_cleanup_register(pconf, conf, leave, apr_pool_cleanup_null);
    farm_workers_prepare(pconf, s, conf);
    farm_callers_prepare(pconf, conf);
    return OK;
}

/* Whether this child can lock rows, which it must to write them. */
static int has_locks(apr_pool_t *pchild, server_rec *s)
{
    apr_uint32_t at;
    int i;

    for (i = 0; i < retained->blocks->nelts; i++) {
        const farm_block *block = &APR_ARRAY_IDX(retained->blocks, i, farm_block);
        for (at = 0; at < block->lock_count; at++) {
            apr_global_mutex_t *lock = block->locks[at];
            apr_status_t rv = apr_global_mutex_child_init(&lock, apr_global_mutex_lockfile(lock), pchild);
            if (rv != APR_SUCCESS) {
                ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s, "FARM00009: this child cannot use the locks of type "
                             FARM_MUTEX_TYPE);
                return 0;
            }
        }
    }
    return 1;
}

void farm_tables_child(apr_pool_t *pchild, server_rec *s, farm_conf *conf)
{
    apr_status_t rv = farm_workers_child(pchild);
    uint32_t pid;

    /* A child without locks or a slot chooses no member, but it needs these all the same: a farm's FarmForward may name a
     * server, which it reaches through a worker. */
    if (rv == APR_SUCCESS) {
        rv = farm_callers_child(pchild);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s, "FARM00035: this child cannot make what it needs to serve farms: it "
                     "ends, and another is started");
        exit(APEXIT_CHILDSICK);
    }
    pid = has_locks(pchild, s) ? (uint32_t)getpid() : 0;
    if (farm_on_child_start(conf->engine, pid) == FARM_CHILD_LATE) {
        /* It has accepted no connection yet, so that nobody misses it: the way on which httpd's own children end. */
        exit(0);
    }
}

/* httpd tells of a child's end in the parent alone; a child that inherited the hook must not act. */
void farm_tables_child_gone(apr_uint32_t pid)
{
    if (tables && parent == getpid()) {
        farm_on_child_gone(tables, pid);
        farm_upgrade_process_gone(pid);
    }
}

void farm_tables_sweep(void)
{
    if (tables && parent == getpid()) {
        farm_on_sweep(tables);
        farm_on_old_processes(tables, farm_upgrade_old_processes(ap_server_conf));
    }
}

void farm_tables_tick(server_rec *s)
{
    if (farm_current && parent == getpid()) {
        farm_on_tick(farm_current->engine);
        farm_state_file_write(s, farm_current);
    }
}

const char *farm_tables_nonce(void)
{
    return retained->nonce;
}
