/* mod_proxy_farm.c - the module record, the hooks and the phases; no logic. */
#include "farm_page.h"

#include "ap_mmn.h"
#include "http_connection.h"
#include "mpm_common.h"
#include "mod_proxy.h"
#include "scoreboard.h"
#include "util_mutex.h"

#if !AP_MODULE_MAGIC_AT_LEAST(20120211, 130)
#error "mod_proxy_farm needs httpd 2.4.59 or later: earlier ones resolve members' names once for all"
#endif

farm_conf *farm_current;

static apr_status_t forget_configuration(void *data)
{
    (void)data;
    farm_current = NULL;
    return APR_SUCCESS;
}

/* httpd unloads the module at each restart and loads the file that is there then, so statics begin at zero. Should something
 * else have kept the module in memory, they have kept their values: those that a configuration must not find are reset here.
 * Nothing that lives longer than pconf may point to code or constants of the module. */
static int farm_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    farm_current = NULL;
    farm_page_prepare();
    apr_pool_cleanup_register(pconf, NULL, forget_configuration, apr_pool_cleanup_null);
    if (farm_host_prepare(pconf) != OK
        || ap_mutex_register(pconf, FARM_MUTEX_TYPE, NULL, APR_LOCK_DEFAULT, 0) != APR_SUCCESS) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

static int farm_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    farm_conf *conf = farm_conf_of(s);

    (void)plog;
    (void)ptemp;
    /* httpd runs through its configuration once for nothing when it starts. */
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG || conf->farms->nelts == 0) {
        return OK;
    }
    if (farm_tables_start(pconf, s, conf) != OK) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    farm_current = conf;
    return OK;
}

static void farm_child_init(apr_pool_t *pchild, server_rec *s)
{
    if (farm_current) {
        farm_tables_child(pchild, s, farm_current);
    }
}

static void farm_child_status(server_rec *s, pid_t pid, ap_generation_t generation, int slot, mpm_child_status status)
{
    (void)s;
    (void)generation;
    (void)slot;
    /* A child that has only lost its place in the scoreboard lives on. */
    if (status == MPM_CHILD_EXITED) {
        farm_tables_child_gone((apr_uint32_t)pid);
    }
}

static int farm_monitor(apr_pool_t *p, server_rec *s)
{
    (void)p;
    farm_tables_sweep();
    farm_tables_tick(s);
    return DECLINED;
}

static void farm_register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_pre_config(farm_pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(farm_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(farm_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(farm_child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_status(farm_child_status, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_monitor(farm_monitor, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(farm_update_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(farm_balance_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(farm_manager_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(farm_status_handler, NULL, NULL, APR_HOOK_MIDDLE);
    farm_status_hooks();
    farm_proxy_hooks();
}

module AP_MODULE_DECLARE_DATA proxy_farm_module = {
    STANDARD20_MODULE_STUFF,
    NULL,
    NULL,
    farm_create_server_config,
    NULL,
    farm_directives,
    farm_register_hooks,
    0
};
