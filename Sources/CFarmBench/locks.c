/* locks.c - counts waits for locks: the tables' calls of apr_global_mutex_lock come here, since the program's own symbol goes
 * before the library's. A lock that is free costs one attempt here as there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

#include <apr-1.0/apr_errno.h>
#include <apr-1.0/apr_global_mutex.h>

#include "bench.h"

static bench_waits waits;

bench_waits bench_lock_waits(void)
{
    return waits;
}

apr_status_t apr_global_mutex_lock(apr_global_mutex_t *mutex)
{
    static apr_status_t (*library)(apr_global_mutex_t *);
    apr_status_t status = apr_global_mutex_trylock(mutex);
    uint64_t began;

    if (!APR_STATUS_IS_EBUSY(status)) {
        return status;
    }
    if (!library) {
        *(void **)&library = dlsym(RTLD_NEXT, "apr_global_mutex_lock");
        if (!library) {
            abort();
        }
    }
    began = bench_ns();
    status = library(mutex);
    waits.count++;
    waits.ns += bench_ns() - began;
    return status;
}
