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
    apr_pool_t *pool;                   /* of what was looked up, in the child */
    apr_time_t until;
} farm_addresses;

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
    return apr_thread_mutex_create(&caller_mutex, APR_THREAD_MUTEX_DEFAULT, pchild);
}

/* Whether a name is to be looked up, by whoever asks: until that is done, the others go by what is known. */
static int wants_look_up(const farm_member *member)
{
    farm_addresses *known = member->addresses;
    int wants = 0;

    if (known && !is_address(member->host)) {
        apr_thread_mutex_lock(caller_mutex);
        if (!known->pool || apr_time_now() >= known->until) {
            known->until = apr_time_now() + ADDRESSES_KEPT;
            wants = 1;
        }
        apr_thread_mutex_unlock(caller_mutex);
    }
    return wants;
}

/* Without the mutex, for a resolver may take its time. */
static void look_up(const farm_member *member)
{
    farm_addresses *known = member->addresses;
    apr_sockaddr_t *list = NULL;
    apr_pool_t *fresh, *old;

    if (apr_pool_create(&fresh, NULL) != APR_SUCCESS) {
        return;
    }
    if (apr_sockaddr_info_get(&list, member->host, APR_UNSPEC, 0, 0, fresh) != APR_SUCCESS) {
        list = NULL;
    }
    apr_thread_mutex_lock(caller_mutex);
    old = known->pool;
    known->pool = fresh;
    known->list = list;
    apr_thread_mutex_unlock(caller_mutex);
    if (old) {
        apr_pool_destroy(old);
    }
}

/* Under caller_mutex. */
static int has_address(const farm_member *member, apr_sockaddr_t *address)
{
    apr_sockaddr_t *one;

    for (one = member->addresses ? member->addresses->list : NULL; one; one = one->next) {
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

    for (local = 0; local < config->member_count; local++) {
        if (wants_look_up(farm_current->member_at[config->first_member + local])) {
            look_up(farm_current->member_at[config->first_member + local]);
        }
    }
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
