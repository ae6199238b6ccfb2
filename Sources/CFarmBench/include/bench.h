/* bench.h - what farmbench needs of C: processes, shared memory, a clock, and how often a lock was waited for. */
#ifndef FARM_BENCH_H
#define FARM_BENCH_H

#include <stddef.h>
#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t bench_ns(void);

/* Microseconds of processor time that ended children of this process have used. */
uint64_t bench_children_us(void);

/* Zeroed memory that children share; it goes with the last process. NULL when there is none. */
void *bench_shared(size_t size);

/* As fork(); the child does not outlive its parent. */
int bench_fork(void);

/* Waits for a child; 1 when it ended well. */
int bench_join(int pid);

/* What apr_global_mutex_lock met in this process: how often the lock was held by another one, and how long that took. */
typedef struct bench_waits { uint64_t count; uint64_t ns; } bench_waits;
bench_waits bench_lock_waits(void);

/* The status of the answer of the last update. */
uint32_t bench_status(void);

/* Where one measurement ends and another begins: callgrind writes down its counts at calls of this. */
void bench_mark(void);

#endif
