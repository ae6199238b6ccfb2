/* What the program of killed writers needs of Linux and Swift does not have: fork, ptrace, and marks where a lock is taken and
 * given back. x86-64 and arm64. */
#ifndef KILLS_H
#define KILLS_H

#include <stdint.h>
#include <sys/types.h>

/* Forks; the child dies with its parent. */
pid_t kills_fork(void);

/* Words that all processes share, zero at first. The first says when the others are to end. */
uint32_t *kills_shared(uint32_t count);

/* In a victim: lets the parent trace it, and stops until the parent goes on. */
void kills_offer(void);
/* In a victim: from now on each lock taken and given back is a mark. 0: no longer. */
void kills_arm(int armed);
/* In a victim: the same marks by hand, around what has no lock. */
void kills_begin(void);
void kills_end(void);

/* In the parent. Runs the victim up to the mark at which a lock is about to be taken, for the nth time; 1, or 0 when the victim
 * has ended before. */
int kills_run_to_mark(pid_t victim, uint32_t nth);
/* Lets it do at most so many instructions, and no more than up to the mark at which the lock has been given back. How many it
 * did. */
uint64_t kills_step(pid_t victim, uint64_t most);
/* Kills a victim that is stopped, or that has ended by itself. */
void kills_kill(pid_t victim);

/* Ends the program with status 1 and these words when it is not called again within so many seconds. */
void kills_watch(uint32_t seconds);

#endif
