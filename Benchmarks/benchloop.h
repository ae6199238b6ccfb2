/* benchloop.h - what the members and the client of a benchmark share: time, and an epoll with one timer. */
#ifndef BENCHLOOP_H
#define BENCHLOOP_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int loop_epoll, loop_timer;

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

static inline uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static inline void loop_watch(int fd, void *what)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

    if (epoll_ctl(loop_epoll, EPOLL_CTL_ADD, fd, &event)) {
        die("epoll_ctl");
    }
}

/* An event without a pointer is the timer's. */
static inline void loop_start(void)
{
    loop_epoll = epoll_create1(0);
    loop_timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    if (loop_epoll < 0 || loop_timer < 0) {
        die("epoll");
    }
    loop_watch(loop_timer, NULL);
}

/* Events until that time, in microseconds of the monotonic clock; epoll's own timeout knows milliseconds only. */
static inline int loop_wait(struct epoll_event *events, int most, uint64_t until)
{
    struct itimerspec at = { .it_value = { .tv_sec = until / 1000000u, .tv_nsec = until % 1000000u * 1000u } };
    int count;

    if (timerfd_settime(loop_timer, TFD_TIMER_ABSTIME, &at, NULL)) {
        die("timerfd_settime");
    }
    count = epoll_wait(loop_epoll, events, most, 1000);
    return count < 0 ? 0 : count;
}

static inline struct sockaddr_in loop_address(const char *address, int port)
{
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

    if (inet_pton(AF_INET, address, &where.sin_addr) != 1) {
        die(address);
    }
    return where;
}

/* A connection to 127.0.0.1; -1 when there is none to be had. */
static inline int loop_connect(int port)
{
    struct sockaddr_in where = loop_address("127.0.0.1", port);
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&where, sizeof(where))) {
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

#endif
