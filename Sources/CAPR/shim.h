/* apr-1-config would name this folder with -I; below /usr/include the plain path is enough, and SwiftPM takes no
 * preprocessor flags from it. APR's headers include each other by name from the same folder. */
#include <apr-1.0/apr_errno.h>
#include <apr-1.0/apr_global_mutex.h>
#include <apr-1.0/apr_pools.h>
#include <apr-1.0/apr_shm.h>
