/* farm_abi.h - the contract between the C shim and Swift.
 *
 * farm_on_*:   C calls Swift; defined in Sources/FarmModule.
 * farm_host_*: Swift calls C; defined in CShim/farm_host.c, and by the tests for themselves.
 *
 * Nothing here knows httpd or APR. Pointers marked "config" stay valid until farm_on_engine_destroy, all others for the
 * call only. Every length is in bytes; text is not NUL-terminated unless it says so. No function throws or returns early
 * because of what a client or a member sent: sizes are checked here, and an index out of range answers "none".
 */
#ifndef FARM_ABI_H
#define FARM_ABI_H

#include <stddef.h>
#include <stdint.h>

#define FARM_NONE UINT32_MAX
#define FARM_MOST_ATTEMPTS 16

/* ---- configuration, made by the parent (config) ---- */

typedef struct farm_member_config {
    const char *name;
    const char *url;
    uint32_t name_length;
    uint32_t url_length;
    uint32_t weight;            /* 1 to 1000 */
    uint32_t tier;              /* 0 to 9 */
    uint32_t admin;             /* 0 on, 1 drain, 2 off */
    uint32_t max_inflight;      /* 0: no limit */
    uint32_t redirect;          /* farm-local: who serves what asks for this one by name, when it is not available; FARM_NONE */
    const char *route;          /* by which a sticky cookie names it */
    uint32_t route_length;
} farm_member_config;

typedef struct farm_farm_config {
    const char *name;           /* lower case */
    uint32_t name_length;
    uint32_t algorithm;         /* as farm_on_algorithm answered */
    uint32_t first_member;      /* index in farm_config.members */
    uint32_t member_count;
    uint32_t max_attempts;      /* 1 to FARM_MOST_ATTEMPTS */
    uint32_t retry_safe;        /* 1: retryon=safe, 0: retryon=connect */
    uint32_t fail_on_timeout;
    uint32_t fall;              /* at least 1 */
    uint64_t retry_us;
    uint64_t recover_us;        /* how often each member is tried while nobody is available; 0: only as retry_us says */
    uint64_t fail_on_status[10];/* bit N of the whole: status N, 0 to 639 */
    const char *load;           /* FarmLoad's formula, which farm_on_formula has found right; NULL: the mean */
    uint32_t load_length;
    uint32_t expect_ignore;     /* FarmExpectUpdate: 1 ignore, 0 out */
    uint64_t expect_us;         /* 0: off */
    uint64_t slowstart_us;      /* 0: off */
    uint32_t panic;             /* percent; 0: off */
    uint32_t eject;             /* 1: outliers are put down for a while */
    const char *sticky_cookie;  /* FarmSticky route: the cookie's name and the path parameter's; NULL: off */
    const char *sticky_parameter;
    uint32_t sticky_cookie_length;
    uint32_t sticky_parameter_length;
    const char *instruction_cookie; /* the name of the cookie of FarmSticky cookie */
    uint32_t instruction_cookie_length;
    uint32_t sets_cookie;       /* 1: FarmSticky cookie */
    uint32_t sticky_seconds;    /* lifetime of the module's own cookie */
    uint32_t passes_cookie;     /* 1: members see instruction cookies */
} farm_farm_config;

typedef struct farm_config {
    const farm_farm_config *farms;
    const farm_member_config *members;
    uint32_t farm_count;
    uint32_t member_count;
    uint32_t farm_capacity;
    uint32_t member_capacity;
    uint32_t slot_capacity;     /* children that may live at the same time, of all generations */
    uint32_t metric_capacity;
    const char *cookie;         /* FarmCookie */
    uint32_t cookie_length;
    const char *version;        /* NUL-terminated, as are the two below */
    const char *built;
    const char *mpm;
} farm_config;

/* FarmLocks */
#define FARM_LOCKS_ROW 0u
#define FARM_LOCKS_FARM 1u
#define FARM_LOCKS_ENGINE 2u

typedef struct farm_tables farm_tables;     /* the segment and its locks, as opened for one configuration */
typedef struct farm_engine farm_engine;     /* one configuration bound to rows; lives as long as pconf */

/* ---- configuration time: parent, one thread ---- */

/* Whether a name follows its grammar. */
int farm_on_farm_name(const char *name, uint32_t length);
int farm_on_member_name(const char *name, uint32_t length);
/* The number of an algorithm, or FARM_NONE. */
uint32_t farm_on_algorithm(const char *name, uint32_t length);
/* Name of an algorithm that exists, by number from 0; NULL past the last. NUL-terminated, immortal. */
const char *farm_on_algorithm_name(uint32_t number);
/* Whether an algorithm is one that wants an expression for its key. */
int farm_on_algorithm_wants_key(uint32_t number);
/* What is wrong with a FarmLoad formula; NULL when nothing is. NUL-terminated, immortal; *column counts from 1. */
const char *farm_on_formula(const char *text, uint32_t length, uint32_t *column);
/* How many different metrics the formulas of a configuration name. */
uint32_t farm_on_metric_count(const farm_config *config);

/* ---- post_config: parent, one thread ---- */

/* How many locks a block of this capacity wants. */
uint32_t farm_on_lock_count(uint32_t granularity, uint32_t farm_capacity, uint32_t member_capacity);
/* Makes the tables with their first block; `locks` are apr_global_mutex_t pointers, the array is copied. `pool` is the
 * process pool, in which the shared memory is made. NULL and an apr_status_t in *error when that fails. */
farm_tables *farm_on_tables_create(const farm_config *config, void *pool, uint32_t granularity,
                                   void *const *locks, uint32_t lock_count, int *error);
/* Opens tables that exist, for another configuration or another version of the code. Each of their blocks is handed to
 * farm_on_tables_adopt, in order; `base` is what farm_on_tables_base answered, `locks` and `lock_count` are what the block
 * was made with. 0: the block is not of this layout, and the tables are to be closed. */
farm_tables *farm_on_tables_open(uint32_t granularity);
int farm_on_tables_adopt(farm_tables *tables, void *base, void *const *locks, uint32_t lock_count);
/* Where a block begins, by its number; NULL past the last. */
void *farm_on_tables_base(farm_tables *tables, uint32_t block);
/* Frees what this process knows of the tables. Shared memory and locks stay: they are the pool's. */
void farm_on_tables_close(farm_tables *tables);
/* Whether the configuration fits into the rows there are, or another block of this capacity must be added first. `wanted`:
 * how large the block should be, so that blocks stay few. */
typedef struct farm_room {
    uint32_t farms_missing;
    uint32_t members_missing;
    uint32_t farms_wanted;
    uint32_t members_wanted;
} farm_room;
farm_room farm_on_tables_room(farm_tables *tables, const farm_config *config);
int farm_on_tables_grow(farm_tables *tables, uint32_t farm_capacity, uint32_t member_capacity, void *pool,
                        void *const *locks, uint32_t lock_count, int *error);
uint32_t farm_on_tables_granularity(farm_tables *tables);
uint32_t farm_on_tables_metrics(farm_tables *tables);
/* Binds a configuration to rows, by farm and member name; what exists keeps its counters and states. NULL when it does
 * not fit (ask farm_on_tables_room first). */
farm_engine *farm_on_engine_create(farm_tables *tables, const farm_config *config);
void farm_on_engine_destroy(farm_engine *engine);

/* ---- processes ---- */

/* What a child is to do with the farms. */
#define FARM_CHILD_OUTSIDE 0u           /* nothing: requests for them, updates and changes are refused */
#define FARM_CHILD_SERVES 1u
#define FARM_CHILD_LATE 2u              /* end, before it serves anybody: rows that it knows may be others' by now */

/* child_init: claims a slot of the ledger. `pid`: 0 when the child cannot serve, as it has no locks. One of FARM_CHILD_*. */
uint32_t farm_on_child_start(farm_engine *engine, uint32_t pid);
/* A child is gone (parent): takes what it left in flight off the members. */
void farm_on_child_gone(farm_tables *tables, uint32_t pid);
/* Slots of processes that died unseen (parent, from time to time). */
void farm_on_sweep(farm_tables *tables);
/* The processes that have a slot (parent): at most `most` of them are written to `pids`, which may be NULL when `most` is 0.
 * How many were written; with `most` 0, how many there can be. */
uint32_t farm_on_processes(farm_tables *tables, uint32_t *pids, uint32_t most);
/* How many processes of earlier versions of the module live (parent), for the status. */
void farm_on_old_processes(farm_tables *tables, uint32_t count);

/* ---- requests: any thread of a child ---- */

/* farm_request.flags */
#define FARM_REQUEST_IDEMPOTENT 1u      /* the method may be repeated (RFC 9110, 9.2.2) */
#define FARM_REQUEST_OPEN 2u            /* an attempt holds a place at a member */
#define FARM_REQUEST_TRIAL 4u
#define FARM_REQUEST_AFRESH 32u         /* it met a kept connection that was closed just then, and began afresh */
#define FARM_REQUEST_USED_UP 64u        /* another attempt would have been right, but it has had as many as it may */
#define FARM_REQUEST_COUNTED 8u         /* the farm's count of requests has it */
#define FARM_REQUEST_KEYED 128u         /* it has a key for an algorithm that wants one */
#define FARM_REQUEST_ASKED 256u         /* it only asks who would serve it: it tries no member that is down, and nothing is counted */
#define FARM_REQUEST_NAMED 512u         /* it names a member to be served by: `named` */
#define FARM_REQUEST_TIED 1024u         /* that member was chosen for it, or the one that stands in for it */
#define FARM_REQUEST_INSTRUCTED 2048u   /* an instruction holds for it */
#define FARM_REQUEST_STRICT 4096u       /* with NAMED: never another member, but the one that stands in for it */
#define FARM_REQUEST_OWN 32768u         /* with NAMED: by the module's own cookie */
#define FARM_REQUEST_MOVES 65536u       /* with OWN: that member is away, and the client is tied to the one chosen from now on */
#define FARM_REQUEST_BROKE 131072u      /* the member that it reached last broke it off, and had answered since its last failure */
#define FARM_REQUEST_BODY_READY 16384u  /* it has no body, or its body has been read and is kept: it may try a member that is down */
#define FARM_REQUEST_STRANDED 524288u   /* with TRIAL: no member of the farm was available when it was chosen */
#define FARM_REQUEST_SUSPECT 262144u    /* it broke two members in a row: it is not sent to another */

typedef struct farm_request {
    uint64_t chosen_at;         /* monotonic us */
    uint64_t key;               /* with FARM_REQUEST_KEYED */
    uint32_t farm;              /* index in farm_config.farms; set by the caller */
    uint32_t member;            /* index in farm_config.members, or FARM_NONE */
    uint32_t attempts;          /* attempts begun */
    uint32_t flags;             /* IDEMPOTENT and BODY_READY are set by the caller, the others by Swift */
    uint32_t status;            /* final status of this attempt's answer; 0: none yet */
    uint32_t named;             /* farm-local; with FARM_REQUEST_NAMED */
    uint32_t addressed;         /* the farm that the URL named; set by the caller */
    uint64_t expires;           /* Unix time in seconds of its instruction; with FARM_REQUEST_INSTRUCTED */
    uint64_t tie;               /* a hash of that cookie; with FARM_REQUEST_OWN */
    uint32_t broken;            /* bit N: attempt N failed after it had begun, and no member is charged for it yet */
    uint32_t waited;            /* attempts whose answer did not come in time */
    uint32_t ended;             /* how it ended: FARM_OUTCOME_* and 1; 0: it has not */
    uint32_t came;              /* how it came to the farm that serves it: FARM_CAME_* and 1; 0: it was addressed to it */
    uint32_t tried[FARM_MOST_ATTEMPTS];     /* farm-local; valid up to attempts */
    uint32_t causes[FARM_MOST_ATTEMPTS];    /* FARM_ERROR_* of the attempts in `broken` */
} farm_request;

/* The array, which Swift would see as a tuple. */
static inline uint32_t *farm_request_tried(farm_request *request) { return request->tried; }
static inline uint32_t *farm_request_causes(farm_request *request) { return request->causes; }

/* The farm of that name, or FARM_NONE. */
uint32_t farm_on_find_farm(const farm_engine *engine, const char *host, uint32_t length);

/* Gives a request its key, by the text that the farm's expression makes of it; an empty text gives none. */
void farm_on_key(farm_request *request, const char *text, uint32_t length);

/* Longest value of a cookie that the module sets, its name included. */
#define FARM_SET_COOKIE_MOST 896

/* Follows the instruction that holds for a request, if one of its cookies does: the farm, member and flags of the request
 * may change. `client`: its address. Any cookie that is not followed is counted by reason and logged. Before the first
 * choice. */
void farm_on_instruct(farm_engine *engine, farm_request *request, const char *cookies, uint32_t cookies_length,
                      const char *client, uint32_t client_length);
/* The farm that a request's cookies send it to, or the one that it is addressed to. Nothing is counted or noted, and the request
 * stays as it is: farm_on_instruct follows when it is served. */
uint32_t farm_on_target(farm_engine *engine, const farm_request *request, const char *cookies, uint32_t cookies_length,
                        const char *client, uint32_t client_length);
/* Looks at the cookie of the farm that a request was forwarded to: ties the request to the member that it names. */
void farm_on_stick(farm_engine *engine, farm_request *request, const char *cookies, uint32_t cookies_length,
                   const char *client, uint32_t client_length);
/* Takes instruction cookies, and those of all farms, out of a Cookie header, for members that shall not see them. `into` has
 * room for as many bytes. The new length, or FARM_NONE when it stays as it is. */
uint32_t farm_on_hide(farm_engine *engine, const farm_request *request, const char *cookies, uint32_t length, char *into);
/* The cookie that the answer of the member now open shall set, `NAME=VALUE`, or nothing: its length, at most
 * FARM_SET_COOKIE_MOST. */
uint32_t farm_on_set_cookie(farm_engine *engine, const farm_request *request, char *into);

/* Whether an answer with this Cache-Control header invites a shared cache to keep it, and a cookie that is set on it.
 * `is_private`: `private` among it keeps the answer out, whatever else it says. */
int farm_on_shares_cookies(const char *cache_control, uint32_t length, int is_private);

/* Ties a request to the member that the route of its cookie or path parameter names, where its farm asks for that and
 * there is such a member. `cookies`: the values of its Cookie headers, joined by "; " or ","; each may be NULL. */
void farm_on_route(farm_engine *engine, farm_request *request, const char *cookies, uint32_t cookies_length,
                   const char *path, uint32_t path_length, const char *query, uint32_t query_length);

/* Chooses a member for the next attempt and takes a place in flight. 1: request->member is set. 0: none will do. */
int farm_on_choose(farm_engine *engine, farm_request *request, uint64_t now);

/* Note that the farm that has the request redirects it, or forwards it: to a farm, or with FARM_NONE to a server. */
void farm_on_redirected(farm_request *request);
void farm_on_forwarded(farm_request *request, uint32_t farm);
/* The request has ended. Counts its outcome and its status, once, in the farm that it was addressed to. `status`: the one
 * that httpd's log has; `client_left`: its client has closed the connection. */
void farm_on_finished(farm_engine *engine, farm_request *request, uint32_t status, int client_left);
/* Whether a member of a request's farm waits for a trial that is due: worth reading a short body for before the choice. */
int farm_on_trial_due(farm_engine *engine, const farm_request *request, uint64_t now);

/* The condition of a request's farm now: 0 ok, 1 full, 2 offline, 3 down. Where only one member will do for it, the condition
 * of that member. */
uint32_t farm_on_condition(const farm_engine *engine, const farm_request *request);

/* Notes that a request is refused because its farm is in that condition. What the log shall say of it, into `into`; its
 * length, 0: no line now, since refusals are told at most once a second and farm. */
uint32_t farm_on_refused(farm_engine *engine, const farm_request *request, uint32_t condition, char *into, uint32_t room);

/* A final status line came from the member and nothing of it has gone to the client. 1: pass it on; 0: hold it back,
 * for the request is to be sent to another member. `may_resend`: the body, if any, can be sent again. */
int farm_on_answer(farm_engine *engine, farm_request *request, uint32_t status, int may_resend, uint64_t now);

/* How an attempt ended, as far as httpd shows it. */
#define FARM_SAW_SENT 1u                /* the member may have begun to act on the request */
#define FARM_SAW_ANSWER 2u              /* farm_on_answer was called and the answer passed on */
#define FARM_SAW_HELD 4u                /* farm_on_answer was called and the answer held back */
#define FARM_SAW_BREAK 8u               /* the connection to the member broke, or what it sent is no HTTP */
#define FARM_SAW_TIMEOUT 16u            /* waiting for the member's answer took too long */
#define FARM_SAW_CLIENT 32u             /* the client went away or sent a bad or late body */
#define FARM_SAW_SHORTAGE 64u           /* this host had no connection, file or port left */
#define FARM_SAW_STALE 256u             /* with BREAK: no byte came, and the connection had been kept from before */
#define FARM_SAW_BODY 512u              /* with BREAK: the request's body was still being written */
#define FARM_SAW_UNREACHABLE 128u       /* no connection could be made, or the name does not resolve */
#define FARM_SAW_TLS 1024u              /* with BREAK: the TLS handshake failed */
#define FARM_SAW_NO_HTTP 2048u          /* with BREAK: what it sent is no HTTP */
#define FARM_SAW_NO_HOST 4096u          /* with UNREACHABLE: its name does not resolve */
#define FARM_SAW_CONNECT_TIMEOUT 8192u  /* with UNREACHABLE: no connection was made in time */

/* Ends the attempt: accounts, gives the place back. 1: send the request to another member (farm_on_choose next); 0: the
 * request is over. `bytes_in` came from the member, `bytes_out` went to it. */
int farm_on_end(farm_engine *engine, farm_request *request, uint32_t saw, int may_resend, uint64_t bytes_in,
                uint64_t bytes_out);

/* The open attempt, a trial, has a connection to its member. Harmless for any other. */
void farm_on_connected(farm_engine *engine, farm_request *request);

/* Microseconds that the open attempt may take to connect, if it is a trial; 0: as long as the member's parameters allow. */
uint64_t farm_on_connect_limit(const farm_engine *engine, const farm_request *request);

/* Gives back what a request still holds when its memory goes; nothing is charged. Harmless when nothing is open. */
void farm_on_drop(farm_engine *engine, farm_request *request);

/* ---- what members report: any thread of a child ---- */

/* Stores an update: form-encoded text, which is written over. Answers through farm_host_status and farm_host_write with
 * `out`: all of it is stored, or nothing and a line that says why. `caller` is handed to farm_host_caller. */
void farm_on_update(farm_engine *engine, char *text, uint32_t length, void *caller, void *out);
/* Stores what the member that answered the open attempt says of its load in the header of its answer. */
void farm_on_report(farm_engine *engine, farm_request *request, const char *text, uint32_t length);

/* Which members the farms of a form-encoded query (`farm=A&farm=B`), which is written over, would choose now. Answers
 * as farm_on_update does. `key` is handed to farm_host_key. */
void farm_on_balance(farm_engine *engine, char *query, uint32_t length, void *key, void *out);

/* ---- management: any thread of a child ---- */

/* Flags of farm_on_manage. */
#define FARM_MANAGE_BY_FORM 1u          /* a browser sent it: it must hold the nonce */

/* Makes the change that a form-encoded text, which is written over, asks for: all of it, or nothing and a line that says
 * why. `by`: who asks, when the text does not say. `nonce`: what a form must hold when FARM_MANAGE_BY_FORM is set in
 * `flags`. Answers through farm_host_status and farm_host_write with `out`; 1 when the change was made. */
int farm_on_manage(farm_engine *engine, char *text, uint32_t length, const char *by, uint32_t by_length,
                   const char *nonce, uint32_t nonce_length, uint32_t flags, void *out);

/* ---- the state file: parent, one thread ---- */

/* Writes what shall survive a full stop, through farm_host_write with `out`. */
void farm_on_state_write(farm_engine *engine, void *out);
/* Takes over what was written, which is written over. NULL, or what is wrong with it, and then nothing was taken over;
 * NUL-terminated, immortal; *line counts from 1. */
const char *farm_on_state_read(farm_engine *engine, char *text, uint32_t length, uint32_t *line);
/* Ends administrators' states whose time has come. */
void farm_on_tick(farm_engine *engine);

/* ---- reading ---- */

/* Forms of the status. */
#define FARM_STATUS_JSON 0u
#define FARM_STATUS_OPENMETRICS 1u
#define FARM_STATUS_TEXT 2u
#define FARM_STATUS_PAGE 3u             /* HTML, what stands between the head and the scripts of the page for people */
#define FARM_STATUS_SECTION 4u          /* HTML, for the page of another module */

/* What the page for people lets them change. */
typedef struct farm_controls {
    const char *manager;        /* path of farm-manager, for links; NULL: none is known */
    const char *nonce;          /* what its forms must hold; NULL: no forms */
    uint32_t manager_length;
    uint32_t nonce_length;
} farm_controls;

/* The status, handed to farm_host_write with `out` in pieces. `controls`: for the page; may be NULL. */
void farm_on_status(farm_engine *engine, uint32_t format, const farm_controls *controls, void *out);

/* ---- services ---- */

#define FARM_LOG_ERROR 3u
#define FARM_LOG_WARNING 4u
#define FARM_LOG_NOTICE 5u
#define FARM_LOG_INFO 6u

/* Writes a line to the error log. The number is the message's own (docs/log-numbers.md). Any thread. */
void farm_host_log(uint32_t level, uint32_t number, const char *text, uint32_t length);
/* Microseconds of CLOCK_MONOTONIC, and since 1970. Any thread. */
uint64_t farm_host_clock(void);
uint64_t farm_host_wall_clock(void);
/* Sixty-four bits that no other process has. */
uint64_t farm_host_seed(void);
/* The double that a decimal number's text is nearest to, infinite where it is too large for one. At most 64 bytes. */
double farm_host_double(const char *text, uint32_t length);
/* A finite double in the shortest decimal form that reads back the same; returns the length, at most 32. */
uint32_t farm_host_number(double value, char *into);
/* Microseconds since 1970 as RFC 3339 in UTC with seconds; returns the length, at most 32. */
uint32_t farm_host_time(uint64_t wall_clock, char *into);
/* The MAC (HMAC-SHA256, 32 bytes) of a text with a key of FarmSecretFile, by its name. 0 when there is no
 * such key. Any thread. */
int farm_host_mac(const char *key, uint32_t key_length, const char *text, uint32_t length, unsigned char *into);
/* Whether two MACs are the same; takes the same time wherever they differ. */
int farm_host_mac_is(const unsigned char *one, const unsigned char *other);
/* Whether two texts are the same IP address, however they are written. */
int farm_host_same_address(const char *one, uint32_t one_length, const char *other, uint32_t other_length);
/* The name of the first key, or NULL. NUL-terminated (config). */
const char *farm_host_signing_key(void);
/* Whether a process of that id lives. */
int farm_host_process_lives(uint32_t pid);
/* Lets some time pass, in microseconds. Any thread, but not on the way of a request. */
void farm_host_pause(uint32_t microseconds);
/* Sets the status of an answer that is being made; before its first farm_host_write. */
void farm_host_status(void *out, uint32_t status);
/* How many members of a farm have the address that an update came from: 0, 1 or, for more, 2. *member: the last of them,
 * farm-local. */
uint32_t farm_host_caller(void *caller, uint32_t farm, uint32_t *member);
/* That address as text; NUL-terminated, valid as long as the caller. */
const char *farm_host_caller_address(void *caller);
/* Gives a request that asks for a member of a farm its key, by farm_on_key, where the farm's algorithm wants one. */
void farm_host_key(void *key, uint32_t farm, farm_request *request);
/* The URL to reach a member by, by its number in farm_config.members. NUL-terminated (config). */
const char *farm_host_url(uint32_t member);
/* Appends to an answer that is being made. */
void farm_host_write(void *out, const char *text, uint32_t length);

#endif
