/* benchmembers.c - members of limited capacity: each serves so many requests at a time, for a fixed time each, and lets the
 * others wait in line. It sleeps for that time, so that the members cost the machine next to nothing. A time of 0 answers at
 * once.
 *
 * benchmembers PORT SERVICE_US SECONDS PUSH_PORT ADDRESS=SLOTS...
 *
 * The answer's body is the last digit of the member's number and a line end. With a PUSH_PORT, each tells farm-update there
 * every 100 ms which part of its slots was busy meanwhile, as member mNNNN of the farm `app`. A request for /counts is
 * answered at once by how many connections and other requests have come so far, to all members. */
#include "benchloop.h"

#define MOST_MEMBERS 1024
#define PUSH_EVERY 100000u
#define LINE 4096               /* requests in service, of all members; clients have far fewer open */
#define MOST_WAITING 409        /* at one member */

typedef struct connection {
    struct connection *next;    /* in the member's line */
    int fd, member, waits, gone;
    char text[4096];
    size_t length;
} connection;

typedef struct member {
    int listener, slots, busy, push;
    connection *first, *last;
    unsigned waiting;
    uint64_t busy_us, since;    /* slots times microseconds since the last push; when `busy` changed */
} member;

static member members[MOST_MEMBERS];
static int member_count, push_port;
static uint64_t met, asked;     /* connections and requests of all members */
static uint64_t service_us;
static struct { connection *who; uint64_t due; } served[LINE];      /* all take equally long: in the order of their ends */
static unsigned served_first, served_last;

static void set_busy(member *m, int change)
{
    uint64_t now = now_us();

    m->busy_us += (now - m->since) * (uint64_t)m->busy;
    m->since = now;
    m->busy += change;
}

static void serve(member *m)
{
    while (m->busy < m->slots && m->first) {
        served[served_last % LINE].who = m->first;
        served[served_last++ % LINE].due = now_us() + service_us;
        m->first = m->first->next;
        m->waiting--;
        set_busy(m, 1);
    }
}

static void end_served(void)
{
    while (served_first != served_last && served[served_first % LINE].due <= now_us()) {
        connection *c = served[served_first++ % LINE].who;
        char answer[128];
        int length = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%d\n", c->member % 10);
        member *m = &members[c->member];

        set_busy(m, -1);
        c->waits = 0;
        if (c->gone) {
            free(c);
        } else if (send(c->fd, answer, (size_t)length, MSG_NOSIGNAL) < 0) {
            shutdown(c->fd, SHUT_RDWR);
        }
        serve(m);
    }
}

static void tell_counts(connection *c)
{
    char answer[128], body[64];
    int length = snprintf(body, sizeof(body), "%llu %llu\n", (unsigned long long)met, (unsigned long long)asked);

    length = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", length, body);
    c->length = 0;
    if (send(c->fd, answer, (size_t)length, MSG_NOSIGNAL) < 0) {
        shutdown(c->fd, SHUT_RDWR);
    }
}

static void take(connection *c)
{
    ssize_t got = recv(c->fd, c->text + c->length, sizeof(c->text) - 1 - c->length, MSG_DONTWAIT);
    member *m = &members[c->member];

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0 || c->waits) {             /* over; nothing is to come while an answer is awaited */
        close(c->fd);
        c->gone = 1;
        if (!c->waits) {
            free(c);
        }
        return;
    }
    c->length += (size_t)got;
    c->text[c->length] = '\0';
    if (strstr(c->text, "\r\n\r\n")) {
        if (!strncmp(c->text, "GET /counts ", 12)) {
            tell_counts(c);
            return;
        }
        if (m->waiting >= MOST_WAITING) {
            shutdown(c->fd, SHUT_RDWR);     /* more than the line has room for */
            return;
        }
        asked++;
        c->length = 0;
        c->waits = 1;
        c->next = NULL;
        if (m->first) {
            m->last->next = c;
        } else {
            m->first = c;
        }
        m->last = c;
        m->waiting++;
        serve(m);
    }
}

static void meet(int number)
{
    connection *c = calloc(1, sizeof(*c));
    int on = 1;

    if (!c || (c->fd = accept(members[number].listener, NULL, NULL)) < 0) {
        free(c);
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->member = number;
    met++;
    loop_watch(c->fd, c);
}

static void push(int number, uint64_t window)
{
    member *m = &members[number];
    char text[4096];
    int length;

    set_busy(m, 0);
    if (m->push < 0) {
        m->push = loop_connect(push_port);
    }
    while (m->push >= 0 && recv(m->push, text, sizeof(text), MSG_DONTWAIT) > 0) {
        continue;                           /* how it is seen; nothing to be done about that */
    }
    length = snprintf(text, sizeof(text), "GET /farm-update?farm=app&member=m%04d&utilisation=%.4f HTTP/1.1\r\n"
                      "Host: localhost\r\n\r\n", number, (double)m->busy_us / (double)(window * (uint64_t)m->slots));
    if (m->push >= 0 && send(m->push, text, (size_t)length, MSG_NOSIGNAL) < 0) {
        close(m->push);
        m->push = -1;
    }
    m->busy_us = 0;
}

static void listen_at(member *m, char *address, int port)
{
    char *slots = strchr(address, '=');
    struct sockaddr_in where;
    int on = 1;

    if (!slots) {
        die(address);
    }
    *slots = '\0';
    m->slots = atoi(slots + 1);
    m->push = -1;
    m->since = now_us();
    where = loop_address(address, port);
    m->listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(m->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(m->listener, (struct sockaddr *)&where, sizeof(where)) || listen(m->listener, 512)) {
        die("listen");
    }
    loop_watch(m->listener, m);
}

int main(int count, char **words)
{
    uint64_t end, next_push, last_push;

    if (count < 6 || count - 5 > MOST_MEMBERS) {
        fprintf(stderr, "benchmembers PORT SERVICE_US SECONDS PUSH_PORT ADDRESS=SLOTS...\n");
        return 2;
    }
    service_us = (uint64_t)atol(words[2]);
    end = now_us() + (uint64_t)atol(words[3]) * 1000000u;
    push_port = atoi(words[4]);
    loop_start();
    for (member_count = 0; member_count < count - 5; member_count++) {
        listen_at(&members[member_count], words[5 + member_count], atoi(words[1]));
    }
    puts("ready");
    fflush(stdout);
    last_push = now_us();
    next_push = last_push + PUSH_EVERY;
    while (now_us() < end) {
        struct epoll_event events[256];
        uint64_t until = served_first != served_last ? served[served_first % LINE].due : next_push;
        int found = loop_wait(events, 256, until < next_push ? until : next_push);

        for (int at = 0; at < found; at++) {
            member *m = events[at].data.ptr;

            if (m >= members && m < members + MOST_MEMBERS) {
                meet((int)(m - members));
            } else if (m) {
                take(events[at].data.ptr);
            }
        }
        end_served();
        if (now_us() >= next_push) {
            uint64_t now = now_us();

            for (int at = 0; push_port && at < member_count; at++) {
                push(at, now - last_push);
            }
            last_push = now;
            next_push = now + PUSH_EVERY;
        }
    }
    return 0;
}
