/* farm_upgrade.h - what one version of the module leaves to the next at a graceful restart. All of it in the parent. */
#ifndef FARM_UPGRADE_H
#define FARM_UPGRADE_H

#include "farm_shim.h"

/* Looks at what the configuration before has left. `key`: by which this version finds its tables. */
void farm_upgrade_arrive(apr_pool_t *pconf, server_rec *s, const char *key);
/* Takes over the states that another layout's tables held; 1 when there were any. After farm_upgrade_arrive. */
int farm_upgrade_take_state(server_rec *s, farm_conf *conf);
/* How many processes of earlier versions live. When none of a version does, what it used is released. */
apr_uint32_t farm_upgrade_old_processes(server_rec *s);
/* A child has ended. */
void farm_upgrade_process_gone(apr_uint32_t pid);
/* Leaves everything to the configuration that comes next. `pool` holds the tables in force. */
void farm_upgrade_leave(farm_conf *conf, farm_tables *tables, const char *key, apr_pool_t *pool);

#endif
