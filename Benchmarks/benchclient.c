/* benchclient.c - an open-loop client: requests come at random times of a given rate, whether or not others are answered.
 *
 * benchclient PORT RATE SECONDS WARM_SECONDS [CONNECTIONS]
 *
 * Latency counts from when a request was to be sent, so that one that found no connection free has waited as well. Those
 * of the first WARM_SECONDS are sent and not counted. One line: answered, wrong answers, unanswered 2 s after the end
 * (they count with the time they had waited), p50 and p99 in microseconds, answers by the last digit of the member, and
 * connections opened.
 *
 * CONNECTIONS are how many there may be; a request that finds none free waits. With RATE 0 it is a closed loop: on each of
 * them a request follows the answer to the last one. Its line says the same. Either sends two million requests at most. */
#include <math.h>

#include "benchloop.h"

#define CONNECTIONS 256         /* at most */
#define MOST 2000000
/* The paths come round after so many requests: a farm that chooses by their hash meets all of its members. */
#define PATHS 100000

typedef struct connection {
    int fd, busy;
    unsigned number;            /* of the request */
    char text[2048];
    size_t length;
} connection;

static connection connections[CONNECTIONS];
static uint64_t due[MOST], took[MOST];
static unsigned sent, planned, wrong, answered, opened;
static int closed_loop, many = CONNECTIONS;
static unsigned by_member[10];

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Exponential times between requests, the same ones in each run (xorshift64*, Vigna 2016). */
static void plan(uint64_t start, double rate, double seconds)
{
    uint64_t state = 0x9e3779b97f4a7c15u;
    double at = 0;

    while (planned < MOST) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        at -= log(((double)(state * 0x2545f4914f6cdd1du >> 11) + 1) / 9007199254740993.0) / rate;
        if (at >= seconds) {
            return;
        }
        due[planned++] = start + (uint64_t)(at * 1e6);
    }
}

static void open_one(connection *c, int port)
{
    if ((c->fd = loop_connect(port)) < 0) {
        die("connect");
    }
    opened++;
    c->busy = 0;
    c->length = 0;
    loop_watch(c->fd, c);
}

static void send_one(connection *c)
{
    char request[128];
    int length = snprintf(request, sizeof(request), "GET /app/%05u HTTP/1.1\r\nHost: localhost\r\n\r\n", sent % PATHS);

    c->busy = 1;
    c->number = sent++;
    if (send(c->fd, request, (size_t)length, MSG_NOSIGNAL) < 0) {
        die("send");
    }
}

/* The closed loop's: every connection that is free, until the time is over. */
static void send_next(uint64_t until, int port)
{
    for (int at = 0; at < many && sent < MOST; at++) {
        connection *c = &connections[at];

        if (c->busy || now_us() >= until) {
            continue;
        }
        if (!c->fd) {
            open_one(c, port);
        }
        due[sent] = now_us();
        planned = sent + 1;
        send_one(c);
    }
}

static void send_due(int port)
{
    unsigned at = 0;

    while (sent < planned && due[sent] <= now_us()) {
        while (at < (unsigned)many && connections[at].fd && connections[at].busy) {
            at++;
        }
        if (at == (unsigned)many) {
            return;
        }
        if (!connections[at].fd) {
            open_one(&connections[at], port);
        }
        send_one(&connections[at]);
    }
}

static void take(connection *c, int port, uint64_t counted_from)
{
    ssize_t got = recv(c->fd, c->text + c->length, sizeof(c->text) - 1 - c->length, MSG_DONTWAIT);
    char *body;
    int right;

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        wrong += (unsigned)c->busy;
        close(c->fd);
        open_one(c, port);
        return;
    }
    c->length += (size_t)got;
    c->text[c->length] = '\0';
    right = !strncmp(c->text, "HTTP/1.1 200", 12);
    body = strstr(c->text, "\r\n\r\n");
    if (!body || (right && !strchr(body + 4, '\n'))) {
        return;
    }
    c->busy = 0;
    c->length = 0;
    took[c->number] = now_us() - due[c->number];
    if (!right) {
        wrong++;
        close(c->fd);                       /* its body is of no interest */
        open_one(c, port);
    } else if (due[c->number] >= counted_from && body[4] >= '0' && body[4] <= '9') {
        by_member[body[4] - '0']++;
    }
}

int main(int count, char **words)
{
    uint64_t start, until, end, counted_from;
    unsigned first = 0, unanswered = 0;
    int port;

    if (count == 6) {
        many = atoi(words[5]);
    }
    if (count < 5 || count > 6 || many < 1 || many > CONNECTIONS) {
        fprintf(stderr, "benchclient PORT RATE SECONDS WARM_SECONDS [CONNECTIONS]\n");
        return 2;
    }
    port = atoi(words[1]);
    closed_loop = atof(words[2]) == 0;
    loop_start();
    start = now_us() + 50000;
    if (!closed_loop) {
        plan(start, atof(words[2]), atof(words[3]));
    }
    counted_from = start + (uint64_t)(atof(words[4]) * 1e6);
    until = start + (uint64_t)(atof(words[3]) * 1e6);
    end = until + 2000000u;
    while (now_us() < end) {
        struct epoll_event events[256];
        uint64_t next = !closed_loop && sent < planned && due[sent] > now_us() ? due[sent] : now_us() + 50000;
        int found = loop_wait(events, 256, next), busy = 0;

        for (int at = 0; at < found; at++) {
            if (events[at].data.ptr) {
                take(events[at].data.ptr, port, counted_from);
            }
        }
        if (closed_loop) {
            send_next(until, port);
        } else {
            send_due(port);
        }
        for (int at = 0; at < CONNECTIONS; at++) {
            busy += connections[at].busy;
        }
        if (sent == planned && !busy && (!closed_loop || now_us() >= until)) {
            break;
        }
    }
    while (first < planned && due[first] < counted_from) {
        first++;
    }
    if (first == planned) {
        fprintf(stderr, "nothing to count\n");
        return 1;
    }
    for (unsigned at = first; at < planned; at++) {
        if (!took[at]) {
            unanswered++;
            took[at] = now_us() - due[at];
        }
    }
    qsort(took + first, planned - first, sizeof(*took), by_size);
    answered = planned - first - unanswered;
    printf("%u %u %u %llu %llu", answered, wrong, unanswered, (unsigned long long)took[first + (planned - first) / 2],
           (unsigned long long)took[first + (unsigned)((double)(planned - first) * 0.99)]);
    for (int at = 0; at < 10; at++) {
        printf(" %u", by_member[at]);
    }
    printf(" %u\n", opened);
    return 0;
}
