/* benchdrive.c - a closed-loop client: so many kept connections, on each one request after the other.
 *
 * benchdrive PORT CONNECTIONS SECONDS METHOD PAUSE_US HANG_US
 *
 * A connection waits for PAUSE_US after each request, and is opened anew where it was closed. Each request asks for a path
 * of its own, /app/NUMBER-SENT with SENT in microseconds of CLOCK_MONOTONIC; a POST has a body of its own as well. The
 * answer must be what benchprobe says to just that. A request that fails is a line `fail KIND /NUMBER-SENT TOOK_US`, where
 * KIND is a status, `closed` (no answer), `cut` (a part of one), `wrong` (200 with another body), `hang` (nothing whole
 * within HANG_US) or `connect`. Last comes `done SENT RIGHT LONGEST_US`, the longest that a right answer took. */
#define _GNU_SOURCE
#include <signal.h>

#include "benchloop.h"

#define MOST 1024
#define BODY 300

typedef struct connection {
    int fd, busy;
    uint64_t sent, not_before;
    char path[64], text[16384];
    size_t length;
    unsigned hash;
} connection;

static connection connections[MOST];
static uint64_t sent_count, right, longest, pause_us;
static int port, is_post;
static const char *method;

static void shut(connection *c)
{
    if (c->fd > 0) {
        close(c->fd);
    }
    c->fd = 0;
    c->length = 0;
}

static uint64_t over(connection *c)
{
    uint64_t now = now_us();

    c->busy = 0;
    c->not_before = now + pause_us;
    return now - c->sent;
}

static void failed(connection *c, const char *kind)
{
    printf("fail %s %s %llu\n", kind, c->path, (unsigned long long)over(c));
}

static void send_one(connection *c)
{
    char text[1024], body[BODY + 1] = "";
    int length;

    c->sent = now_us();
    snprintf(c->path, sizeof(c->path), "/%llu-%llu", (unsigned long long)++sent_count, (unsigned long long)c->sent);
    c->busy = 1;
    c->hash = 2166136261u;
    if (!c->fd) {
        if ((c->fd = loop_connect(port)) < 0) {
            c->fd = 0;
            failed(c, "connect");
            return;
        }
        loop_watch(c->fd, c);
    }
    if (is_post) {
        for (int at = 0; at < BODY; at++) {
            body[at] = (char)('a' + (sent_count * 7 + (uint64_t)at * (1 + sent_count % 5)) % 26);
            c->hash = (c->hash ^ (unsigned char)body[at]) * 16777619u;
        }
    }
    length = snprintf(text, sizeof(text), "%s /app%s HTTP/1.1\r\nHost: localhost\r\n", method, c->path);
    length += snprintf(text + length, sizeof(text) - (size_t)length, is_post ? "Content-Length: %d\r\n\r\n%s" : "\r\n",
                       BODY, body);
    if (send(c->fd, text, (size_t)length, MSG_NOSIGNAL) != length) {
        failed(c, "closed");
        shut(c);
    }
}

/* Whether the body is what a member says to this request. */
static int is_right(connection *c, const char *body)
{
    char expected[128], *rest = strchr(body, ' ');

    snprintf(expected, sizeof(expected), " %s %d %u\n", c->path, is_post ? BODY : 0, c->hash);
    return rest && !strcmp(rest, expected);
}

static void take(connection *c)
{
    ssize_t got = recv(c->fd, c->text + c->length, sizeof(c->text) - 1 - c->length, MSG_DONTWAIT);
    char *end, *field, kind[8];
    size_t head, body;

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0 || !c->busy) {
        if (c->busy) {
            failed(c, c->length ? "cut" : "closed");
        }
        shut(c);
        return;
    }
    c->length += (size_t)got;
    c->text[c->length] = '\0';
    if (!(end = strstr(c->text, "\r\n\r\n"))) {
        return;
    }
    head = (size_t)(end + 4 - c->text);
    field = strcasestr(c->text, "\r\nContent-Length:");
    body = field && field < end ? strtoul(field + 17, NULL, 10) : 0;
    if (c->length < head + body) {
        return;
    }
    snprintf(kind, sizeof(kind), "%.3s", c->text + 9);
    field = strcasestr(c->text, "\r\nConnection: close");
    if (!strcmp(kind, "200") && c->length == head + body && is_right(c, end + 4)) {
        uint64_t took = over(c);

        right++;
        longest = took > longest ? took : longest;
    } else {
        failed(c, strcmp(kind, "200") ? kind : "wrong");
    }
    c->length = 0;
    if (field && field < end) {
        shut(c);
    }
}

int main(int count, char **words)
{
    uint64_t start, until, hang_us;
    int many, busy = 0;

    if (count != 7 || (many = atoi(words[2])) < 1 || many > MOST) {
        fprintf(stderr, "benchdrive PORT CONNECTIONS SECONDS METHOD PAUSE_US HANG_US\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    port = atoi(words[1]);
    method = words[4];
    is_post = !strcmp(method, "POST");
    pause_us = (uint64_t)atol(words[5]);
    hang_us = (uint64_t)atol(words[6]);
    loop_start();
    start = now_us();
    until = start + (uint64_t)(atof(words[3]) * 1e6);
    while (now_us() < until || busy) {
        struct epoll_event events[256];
        uint64_t now = now_us(), next = now + 20000;

        busy = 0;
        for (int at = 0; at < many; at++) {
            connection *c = &connections[at];

            if (c->busy && now - c->sent > hang_us) {
                failed(c, "hang");
                shut(c);
            }
            if (!c->busy && now < until && now >= c->not_before) {
                send_one(c);
            }
            if (!c->busy && c->not_before > now && c->not_before < next) {
                next = c->not_before;
            }
            busy += c->busy;
        }
        int found = loop_wait(events, 256, next);

        for (int at = 0; at < found; at++) {
            connection *c = events[at].data.ptr;

            if (c && c->fd) {
                take(c);
            }
        }
    }
    printf("done %llu %llu %llu\n", (unsigned long long)sent_count, (unsigned long long)right, (unsigned long long)longest);
    return 0;
}
