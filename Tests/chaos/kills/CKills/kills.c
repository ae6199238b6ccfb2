#define _GNU_SOURCE
#include "kills.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int armed;

pid_t kills_fork(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGALRM, SIG_DFL);
        alarm(600);
    }
    return pid;
}

uint32_t *kills_shared(uint32_t count)
{
    void *at = mmap(NULL, count * sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* -- the victim ---------------------------------------------------------------------------------------------- */

void kills_offer(void)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(9);
    raise(SIGSTOP);
}

void kills_arm(int now) { armed = now; }
void kills_begin(void) { raise(SIGUSR1); }
void kills_end(void) { raise(SIGUSR2); }

/* APR's own, which these stand before: the module's code calls them by name. */
typedef int lock_function(void *mutex);

static lock_function *real(const char *name)
{
    lock_function *found = (lock_function *)dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

int apr_global_mutex_lock(void *mutex)
{
    static lock_function *lock;
    if (!lock)
        lock = real("apr_global_mutex_lock");
    if (armed)
        kills_begin();
    return lock(mutex);
}

int apr_global_mutex_unlock(void *mutex)
{
    static lock_function *unlock;
    if (!unlock)
        unlock = real("apr_global_mutex_unlock");
    int status = unlock(mutex);
    if (armed)
        kills_end();
    return status;
}

/* -- the parent ---------------------------------------------------------------------------------------------- */

/* The signal at which the victim has stopped; 0: it has ended. */
static int stopped_at(pid_t victim)
{
    int status;
    while (waitpid(victim, &status, __WALL) < 0)
        if (errno != EINTR)
            return 0;
    return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
}

int kills_run_to_mark(pid_t victim, uint32_t nth)
{
    int at = stopped_at(victim);
    for (;;) {
        if (at == 0)
            return 0;
        if (at == SIGUSR1 && nth-- == 1)
            return 1;
        if (ptrace(PTRACE_CONT, victim, NULL, NULL) != 0)
            return 0;
        at = stopped_at(victim);
    }
}

uint64_t kills_step(pid_t victim, uint64_t most)
{
    uint64_t done = 0;
    while (done < most) {
        if (ptrace(PTRACE_SINGLESTEP, victim, NULL, NULL) != 0)
            break;
        int at = stopped_at(victim);
        if (at == 0 || at == SIGUSR2)
            break;
        done++;
    }
    return done;
}

void kills_kill(pid_t victim)
{
    kill(victim, SIGKILL);
    while (waitpid(victim, NULL, __WALL) == victim || errno == EINTR)
        ;
}

static void too_long(int number)
{
    static const char words[] = "HANG: a step took too long\n";
    (void)number;
    if (write(2, words, sizeof words - 1) < 0)
        _exit(2);
    _exit(1);
}

void kills_watch(uint32_t seconds)
{
    signal(SIGALRM, too_long);
    alarm(seconds);
}
