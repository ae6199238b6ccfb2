/* benchfeed.c - the members of one httpd and its clients, in one process.
 *
 * benchfeed HTTPD_PORT CLIENTS SECONDS FILE MEMBER_PORT ADDRESS...
 *
 * FILE has whole requests, each ended by a NUL byte. For each number that comes as a line of standard input the clients send
 * so many of them over kept connections, one after the other and again from the first, and a line says how they were
 * answered: `STATUS=COUNT ...`, where STATUS is 0 for a connection that was closed instead. It ends with its input, or after
 * SECONDS.
 *
 * Members answer 200 and `ok`; now and then 503, and some answers report a metric, report nonsense or close the
 * connection. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "benchloop.h"

#define MOST_REQUESTS 65536
#define ANSWER_END "\r\n0\r\n\r\n"

typedef enum what { LISTENER, MEMBER, CLIENT, INPUT } what;

typedef struct socket_end {
    what kind;
    int fd, busy;
    char text[16384];
    size_t length;              /* bytes of `text` that are in use */
    size_t left;                /* of the body, when its head has been read */
    int in_body, in_chunks, status, closes;
} socket_end;

static struct { const char *text; size_t length; } requests[MOST_REQUESTS];
static size_t request_count, next_request;
static uint64_t wanted, sent, ended, answers, by_status[600];
static int httpd_port;

static void shut(socket_end *e)
{
    close(e->fd);
    e->fd = -1;
    e->busy = 0;
    e->in_body = 0;
    e->length = 0;
}

static size_t number_after(const char *text, const char *end, const char *field)
{
    const char *found = strcasestr(text, field);

    return found && found < end ? strtoul(found + strlen(field), NULL, 10) : 0;
}

/* Whether what is in `text` now ends the message; takes it out as it comes. */
static int is_whole(socket_end *e)
{
    if (!e->in_body) {
        char *end;
        size_t head;

        e->text[e->length] = '\0';
        if (!(end = strstr(e->text, "\r\n\r\n"))) {
            return 0;
        }
        head = (size_t)(end + 4 - e->text);
        e->status = atoi(e->text + 9);
        e->left = number_after(e->text, end, "\r\nContent-Length:");
        e->in_chunks = memmem(e->text, head, "\r\nTransfer-Encoding: chunked", 28) != NULL;
        e->closes = memmem(e->text, head, "\r\nConnection: close", 19) != NULL;
        e->in_body = 1;
        e->length -= head;
        memmove(e->text, e->text + head, e->length);
    }
    if (e->in_chunks) {
        const size_t mark = sizeof(ANSWER_END) - 1;

        /* A body without a chunk is its end alone. */
        if (e->length >= mark - 2 && !memcmp(e->text + e->length - (mark - 2), &ANSWER_END[2], mark - 2)
            && (e->length == mark - 2 || (e->length >= mark && !memcmp(e->text + e->length - mark, ANSWER_END, 2)))) {
            e->left = e->length = 0;
            e->in_body = 0;
            return 1;
        }
        if (e->length > mark) {
            memmove(e->text, e->text + e->length - mark, mark);
            e->length = mark;
        }
        return 0;
    }
    if (e->length < e->left) {
        e->left -= e->length;
        e->length = 0;
        return 0;
    }
    e->length -= e->left;
    memmove(e->text, e->text + e->left, e->length);
    e->in_body = 0;
    return 1;
}

static void answer(socket_end *e)
{
    uint64_t number = ++answers;
    char text[256];
    int closes = number % 211 == 0;
    int length = snprintf(text, sizeof(text), "HTTP/1.1 %s\r\n%s%sContent-Length: 3\r\n\r\nok\n",
                          number % 1009 ? "200 OK" : "503 Service Unavailable",
                          number % 101 == 0  ? "Endpoint-Load-Metrics: JSON {\"cpu\": [nonsense\r\n"
                          : number % 13 == 0 ? "Endpoint-Load-Metrics: TEXT cpu=0.4, queue=3\r\n"
                                             : "",
                          closes ? "Connection: close\r\n" : "");

    if (send(e->fd, text, (size_t)length, MSG_NOSIGNAL) != length || closes) {
        shut(e);
    }
}

static void ask(socket_end *e)
{
    size_t at = next_request++ % request_count;

    if (e->fd < 0) {
        if ((e->fd = loop_connect(httpd_port)) < 0) {
            die("connect");
        }
        loop_watch(e->fd, e);
    }
    sent++;
    e->busy = 1;
    if (send(e->fd, requests[at].text, requests[at].length, MSG_NOSIGNAL) != (ssize_t)requests[at].length) {
        die("send");
    }
}

static void answered(socket_end *e, int status)
{
    by_status[status > 0 && status < 600 ? status : 0]++;
    ended++;
    e->busy = 0;
}

static void take(socket_end *e)
{
    ssize_t got = recv(e->fd, e->text + e->length, sizeof(e->text) - 1 - e->length, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        if (e->busy && e->kind == CLIENT) {
            answered(e, 0);
        }
        shut(e);
    } else {
        e->length += (size_t)got;
        while (e->fd >= 0 && (e->length || e->in_body) && is_whole(e)) {
            if (e->kind == MEMBER) {
                answer(e);
            } else {
                answered(e, e->status);
                if (e->closes) {
                    shut(e);
                }
            }
        }
    }
    if (e->kind == MEMBER && e->fd < 0) {
        free(e);
    }
}

static void take_connection(int listener)
{
    socket_end *e = calloc(1, sizeof(*e));
    int on = 1;

    if (!e || (e->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) < 0) {
        free(e);
        return;
    }
    e->kind = MEMBER;
    setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    loop_watch(e->fd, e);
}

static void listen_at(const char *address, int port)
{
    socket_end *e = calloc(1, sizeof(*e));
    struct sockaddr_in where = loop_address(address, port);
    int on = 1;

    e->kind = LISTENER;
    e->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(e->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(e->fd, (struct sockaddr *)&where, sizeof(where)) || listen(e->fd, 512)) {
        die(address);
    }
    loop_watch(e->fd, e);
}

static void read_requests(const char *path)
{
    struct stat about;
    int fd = open(path, O_RDONLY);
    char *text, *end;

    if (fd < 0 || fstat(fd, &about) || !(text = malloc((size_t)about.st_size + 1))
        || read(fd, text, (size_t)about.st_size) != about.st_size) {
        die(path);
    }
    close(fd);
    text[about.st_size] = '\0';
    for (end = text + about.st_size; text < end && request_count < MOST_REQUESTS; text += strlen(text) + 1) {
        requests[request_count].text = text;
        requests[request_count++].length = strlen(text);
    }
}

/* 0 when there is no more. */
static int take_input(void)
{
    char line[64];

    if (!fgets(line, sizeof(line), stdin)) {
        return 0;
    }
    wanted = strtoull(line, NULL, 10);
    sent = ended = 0;
    memset(by_status, 0, sizeof(by_status));
    return 1;
}

static void say_answers(void)
{
    for (int status = 0; status < 600; status++) {
        if (by_status[status]) {
            printf("%d=%llu ", status, (unsigned long long)by_status[status]);
        }
    }
    printf("\n");
    fflush(stdout);
    wanted = 0;
}

int main(int count, char **words)
{
    socket_end input = { .kind = INPUT, .fd = 0 }, *clients;
    int many;
    uint64_t until;

    if (count < 7 || (many = atoi(words[2])) < 1 || !(clients = calloc((size_t)many, sizeof(*clients)))) {
        fprintf(stderr, "benchfeed HTTPD_PORT CLIENTS SECONDS FILE MEMBER_PORT ADDRESS...\n");
        return 2;
    }
    httpd_port = atoi(words[1]);
    until = now_us() + (uint64_t)(atof(words[3]) * 1e6);
    read_requests(words[4]);
    loop_start();
    loop_watch(0, &input);
    for (int at = 6; at < count; at++) {
        listen_at(words[at], atoi(words[5]));
    }
    for (int at = 0; at < many; at++) {
        clients[at] = (socket_end){ .kind = CLIENT, .fd = -1 };
    }
    printf("ready\n");
    fflush(stdout);
    while (now_us() < until) {
        struct epoll_event events[256];
        int found;

        for (int at = 0; at < many && sent < wanted; at++) {
            if (!clients[at].busy) {
                ask(&clients[at]);
            }
        }
        if (wanted && ended == wanted) {
            say_answers();
        }
        found = loop_wait(events, 256, until);
        for (int at = 0; at < found; at++) {
            socket_end *e = events[at].data.ptr;

            if (e && e->kind == INPUT) {
                if (!take_input()) {
                    return 0;
                }
            } else if (e && e->kind == LISTENER) {
                take_connection(e->fd);
            } else if (e && e->fd >= 0) {
                take(e);
            }
        }
    }
    return 0;
}
