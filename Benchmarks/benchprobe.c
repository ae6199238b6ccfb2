/* benchprobe.c - one member in a process of its own, which can be stopped, killed, closed and asked what it saw.
 *
 * benchprobe ADDRESS PORT NAME SERVICE_US SECONDS LOG
 *
 * It answers each request SERVICE_US after it has come in whole, with NAME, the request's path, and the length and a hash
 * of its body. Each request is a line of LOG before it is served: method, path, microseconds of CLOCK_MONOTONIC.
 *
 * Standard input takes a word a line, and each is answered by a line:
 *   close   no longer listens; connections end, those with a request in service after its answer
 *   open    listens again
 *   counts  requests, the most in service at once since the last `forget`, in service now
 *   forget  forgets the most
 * The end of standard input ends it. */
#define _GNU_SOURCE
#include <fcntl.h>

#include "benchloop.h"

#define LINE 8192               /* requests in service at once */
#define HEAD_AND_BODY 4096

typedef struct connection {
    struct connection *next, *before;
    int fd, waits, gone;
    char text[HEAD_AND_BODY + 1];
    size_t length;
    char method[16], path[256];
    unsigned hash;
    size_t body;
} connection;

static connection all = { &all, &all, -1, 0, 0, "", 0, "", "", 0, 0 };
static struct { connection *who; uint64_t due; } served[LINE];      /* all take equally long: in the order of their ends */
static unsigned served_first, served_last, requests, busy, most;
static int listener = -1, closing, log_fd;
static uint64_t service_us;
static const char *name;
static struct sockaddr_in where;
static char a_listener, a_command;      /* what the events of these two point to */

static void open_listener(void)
{
    int on = 1;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&where, sizeof(where)) || listen(listener, 512)) {
        die("listen");
    }
    loop_watch(listener, &a_listener);
    closing = 0;
}

static void drop(connection *c)
{
    close(c->fd);
    c->next->before = c->before;
    c->before->next = c->next;
    if (c->waits) {                     /* still in the line: its end frees it, but it is no longer in service */
        c->gone = 1;
        busy--;
    } else {
        free(c);
    }
}

static void close_listener(void)
{
    if (listener < 0) {
        return;
    }
    close(listener);
    listener = -1;
    closing = 1;
    for (connection *c = all.next, *next; c != &all; c = next) {
        next = c->next;
        if (!c->waits && !c->length) {
            drop(c);
        }
    }
}

static void meet(void)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
    connection *c = fd < 0 ? NULL : calloc(1, sizeof(*c));

    if (!c) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->fd = fd;
    c->next = all.next;
    c->before = &all;
    c->next->before = all.next = c;
    loop_watch(fd, c);
}

/* Whether a whole request is there; then it is noted and in service. */
static int begin(connection *c)
{
    char *end = strstr(c->text, "\r\n\r\n"), *field, line[320];
    size_t head;
    int length;

    if (!end) {
        return 0;
    }
    head = (size_t)(end + 4 - c->text);
    field = strcasestr(c->text, "\r\nContent-Length:");
    c->body = field && field < end ? strtoul(field + 17, NULL, 10) : 0;
    if (c->length < head + c->body) {
        return 0;
    }
    if (sscanf(c->text, "%15s %255s", c->method, c->path) != 2) {
        return 0;
    }
    c->hash = 2166136261u;              /* FNV-1a */
    for (size_t at = head; at < head + c->body; at++) {
        c->hash = (c->hash ^ (unsigned char)c->text[at]) * 16777619u;
    }
    length = snprintf(line, sizeof(line), "%s %s %llu\n", c->method, c->path, (unsigned long long)now_us());
    if (write(log_fd, line, (size_t)length) != length) {
        die("log");
    }
    c->length = 0;
    c->waits = 1;
    served[served_last % LINE].who = c;
    served[served_last++ % LINE].due = now_us() + service_us;
    requests++;
    if (++busy > most) {
        most = busy;
    }
    return 1;
}

static void take(connection *c)
{
    ssize_t got = recv(c->fd, c->text + c->length, HEAD_AND_BODY - c->length, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0 || c->waits) {         /* over; nothing is to come while an answer is awaited */
        drop(c);
        return;
    }
    c->length += (size_t)got;
    c->text[c->length] = '\0';
    if (!begin(c) && c->length == HEAD_AND_BODY) {
        drop(c);
    }
}

static void end_served(void)
{
    while (served_first != served_last && served[served_first % LINE].due <= now_us()) {
        connection *c = served[served_first++ % LINE].who;
        char body[512], answer[768];
        int length;

        if (c->gone) {
            free(c);
            continue;
        }
        busy--;                         /* before the answer leaves, so that nobody can come for its place too early */
        c->waits = 0;
        length = snprintf(body, sizeof(body), "%s %s %zu %u\n", name, c->path, c->body, c->hash);
        length = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s",
                          length, body);
        if (send(c->fd, answer, (size_t)length, MSG_NOSIGNAL) < 0 || closing) {
            drop(c);
        }
    }
}

static void obey(void)
{
    static char text[256];
    static size_t length;
    ssize_t got = read(0, text + length, sizeof(text) - 1 - length);
    char *end;

    if (got <= 0) {
        exit(0);
    }
    text[length += (size_t)got] = '\0';
    while ((end = strchr(text, '\n'))) {
        *end = '\0';
        if (!strcmp(text, "close")) {
            close_listener();
        } else if (!strcmp(text, "open") && listener < 0) {
            open_listener();
        } else if (!strcmp(text, "forget")) {
            most = busy;
        }
        printf("%u %u %u\n", requests, most, busy);
        fflush(stdout);
        length -= (size_t)(end + 1 - text);
        memmove(text, end + 1, length + 1);
    }
}

int main(int count, char **words)
{
    uint64_t end;

    if (count != 7) {
        fprintf(stderr, "benchprobe ADDRESS PORT NAME SERVICE_US SECONDS LOG\n");
        return 2;
    }
    where = loop_address(words[1], atoi(words[2]));
    name = words[3];
    service_us = (uint64_t)atol(words[4]);
    end = now_us() + (uint64_t)atol(words[5]) * 1000000u;
    if ((log_fd = open(words[6], O_WRONLY | O_CREAT | O_APPEND, 0644)) < 0) {
        die(words[6]);
    }
    loop_start();
    open_listener();
    loop_watch(0, &a_command);
    puts("ready");
    fflush(stdout);
    while (now_us() < end) {
        struct epoll_event events[256];
        int found = loop_wait(events, 256, served_first != served_last ? served[served_first % LINE].due
                                                                       : now_us() + 1000000u);

        /* A connection's event may only drop that connection, so no other event of this batch is stale; `close`, which
         * drops others, comes after the batch. */
        for (int at = 0; at < found; at++) {
            if (events[at].data.ptr == &a_listener) {
                meet();
            } else if (events[at].data.ptr && events[at].data.ptr != &a_command) {
                take(events[at].data.ptr);
            }
        }
        for (int at = 0; at < found; at++) {
            if (events[at].data.ptr == &a_command) {
                obey();
            }
        }
        end_served();
    }
    return 0;
}
