/* mod_slow_child.c - for test_425: a child waits in child_init, before every other module, while the file exists that SlowChild
 * names. */
#include "httpd.h"
#include "http_config.h"
#include "http_log.h"

#include "apr_file_info.h"

/* The longest that it waits, in steps of 20 ms. */
#define MOST_STEPS 3000

static const char *file;

static const char *slow_child(cmd_parms *cmd, void *config, const char *path)
{
    (void)cmd;
    (void)config;
    file = path;
    return NULL;
}

static void wait_in_child(apr_pool_t *p, server_rec *s)
{
    apr_finfo_t info;
    int steps = 0;

    while (file && steps < MOST_STEPS && apr_stat(&info, file, APR_FINFO_TYPE, p) == APR_SUCCESS) {
        if (steps++ == 0) {
            ap_log_error(APLOG_MARK, APLOG_INFO, 0, s, "a slow child waits");
        }
        apr_sleep(apr_time_from_msec(20));
    }
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_child_init(wait_in_child, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

static const command_rec directives[] = {
    AP_INIT_TAKE1("SlowChild", slow_child, NULL, RSRC_CONF, "a file while which exists a new child waits"),
    { NULL }
};

AP_DECLARE_MODULE(slow_child) = {
    STANDARD20_MODULE_STUFF,
    NULL,
    NULL,
    NULL,
    NULL,
    directives,
    register_hooks,
    0
};
