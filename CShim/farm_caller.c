/* farm_caller.c - which member of a farm an update comes from, by the caller's address.
 *
 * A member whose URL has an address is known by it. Names are looked up when somebody asks, and kept for a while: the
 * answer of a resolver may change, and asking it is slow. */
#include "farm_shim.h"

#include "apr_network_io.h"
#include "apr_thread_mutex.h"

/* How long a looked-up name is believed. */
#define ADDRESSES_KEPT apr_time_from_sec(30)

typedef struct farm_addresses {
    apr_sockaddr_t *list;               /* NULL: the name does not resolve */
    apr_pool_t *pool;                   /* of what is looked up, in the child; NULL: an address, which stays */
    apr_time_t until;
} farm_addresses;

static apr_pool_t *caller_pool;
static apr_thread_mutex_t *caller_mutex;

static int is_address(const char *host)
{
    return ap_strchr_c(host, ':') || strspn(host, "0123456789.") == strlen(host);
}

void farm_callers_prepare(apr_pool_t *p, farm_conf *conf)
{
    apr_uint32_t i;

    for (i = 0; i < conf->config.member_count; i++) {
        farm_member *member = conf->member_at[i];

        member->addresses = NULL;
        if (member->host) {
            member->addresses = apr_pcalloc(p, sizeof(farm_addresses));
            if (is_address(member->host)) {
                apr_sockaddr_info_get(&member->addresses->list, member->host, APR_UNSPEC, 0, 0, p);
            }
        }
    }
}

apr_status_t farm_callers_child(apr_pool_t *pchild)
{
    apr_status_t rv = apr_pool_create(&caller_pool, pchild);

    return rv == APR_SUCCESS ? apr_thread_mutex_create(&caller_mutex, APR_THREAD_MUTEX_DEFAULT, pchild) : rv;
}

/* Looks a name up where that was too long ago. Under caller_mutex. */
static void look_up(const farm_member *member)
{
    farm_addresses *known = member->addresses;

    if (is_address(member->host) || apr_time_now() < known->until) {
        return;
    }
    if (!known->pool) {
        apr_pool_create(&known->pool, caller_pool);
    }
    apr_pool_clear(known->pool);
    known->list = NULL;
    if (apr_sockaddr_info_get(&known->list, member->host, APR_UNSPEC, 0, 0, known->pool) != APR_SUCCESS) {
        known->list = NULL;
    }
    known->until = apr_time_now() + ADDRESSES_KEPT;
}

static int has_address(const farm_member *member, apr_sockaddr_t *address)
{
    apr_sockaddr_t *one;

    if (!member->addresses) {
        return 0;
    }
    look_up(member);
    for (one = member->addresses->list; one; one = one->next) {
        if (apr_sockaddr_equal(one, address)) {
            return 1;
        }
    }
    return 0;
}

const char *farm_host_caller_address(void *caller)
{
    return ((request_rec *)caller)->useragent_ip;
}

uint32_t farm_host_caller(void *caller, uint32_t farm, uint32_t *found)
{
    request_rec *r = caller;
    const farm_farm_config *config = &farm_current->config.farms[farm];
    uint32_t count = 0, local;

    apr_thread_mutex_lock(caller_mutex);
    for (local = 0; local < config->member_count && count < 2; local++) {
        if (has_address(farm_current->member_at[config->first_member + local], r->useragent_addr)) {
            *found = local;
            count++;
        }
    }
    apr_thread_mutex_unlock(caller_mutex);
    return count;
}
