/* farm_table.h - the shared-memory tables of mod_proxy_farm.
 *
 * The one definition of every row, for C and for Swift. Only fixed-width integers, doubles and floats as bits, and
 * offsets stand here: no pointer, no bit-field. docs/table-layout.md draws the segment. A field that several processes
 * touch is read and written through the atomic helpers at the end of this file and through nothing else; they are
 * lock-free and therefore valid between processes that map the segment at different addresses.
 *
 * Any change of a size, an offset or a meaning raises FARM_TABLE_MAJOR (old and new processes must not share rows), and so
 * does a change of what farm_tables.c retains over configurations: the next version finds both by this number;
 * a new field in named padding raises FARM_TABLE_MINOR.
 */
#ifndef FARM_TABLE_H
#define FARM_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define FARM_TABLE_MAGIC 0x314d524146595850ULL
#define FARM_TABLE_MAJOR 6
#define FARM_TABLE_MINOR 0

#define FARM_LINE 64
#define FARM_NAME_MAX 63
#define FARM_LATENCY_BUCKETS 88
#define FARM_METRIC_NAME_MAX 32
#define FARM_BY_MAX 63
#define FARM_REASON_MAX 191

/* farm_row.use and member_row.use */
#define FARM_ROW_FREE 0u
#define FARM_ROW_USED 1u
#define FARM_ROW_RETIRED 2u

/* farm_member_row.status: admin in the low two bits, then one bit a cause of "down". */
#define FARM_ADMIN_MASK 0x3u
#define FARM_ADMIN_ON 0u
#define FARM_ADMIN_DRAIN 1u
#define FARM_ADMIN_OFF 2u
#define FARM_DOWN_BY_FAILURES 0x10u
#define FARM_DOWN_BY_MONITOR 0x20u
/* Beside FARM_DOWN_BY_FAILURES: it stood out from its farm, and comes back in the same way. */
#define FARM_DOWN_AS_OUTLIER 0x40u
/* Beside FARM_DOWN_BY_MONITOR: somebody set it by farm-manager. */
#define FARM_DOWN_BY_MANAGER 0x80u

/* What failed, in a member's last_error. FARM_ERROR_STATUS has the status in the high half of the word. */
#define FARM_ERROR_NONE 0u
#define FARM_ERROR_REFUSED 1u
#define FARM_ERROR_CONNECT_TIMEOUT 2u
#define FARM_ERROR_UNKNOWN_HOST 3u
#define FARM_ERROR_TLS 4u
#define FARM_ERROR_CLOSED 5u            /* it closed or reset the connection before it answered */
#define FARM_ERROR_NO_HTTP 6u
#define FARM_ERROR_CUT 7u               /* it cut its answer short */
#define FARM_ERROR_STATUS 8u
#define FARM_ERROR_TIMEOUT 9u           /* its answer did not come in time */
#define FARM_ERROR_BODY 10u             /* it closed the connection while the request's body was being written */
#define FARM_ERROR_STALE 11u            /* a kept connection was closed just as the request was sent */

/* First thing in a block. Written by the parent, before a process that uses the block is forked; afterwards only three
 * fields of the first block change: config_generation and old_processes, by the parent, and metric_count, under the lock of
 * the metrics' names. */
typedef struct farm_block_header {
    uint64_t magic;
    uint32_t major;
    uint32_t minor;
    uint64_t size;              /* bytes of the whole block */
    uint64_t started_us;        /* wall clock of the full start, microseconds since 1970 */
    uint32_t farm_capacity;
    uint32_t member_capacity;
    uint32_t slot_capacity;
    uint32_t block_number;      /* 0 for the block of the full start */
    uint32_t config_generation; /* counts configurations; 1 for the first */
    uint32_t metric_capacity;   /* names of metrics, and values of each member; the same in all blocks */
    uint32_t metric_count;      /* names in use; first block only; never goes down */
    uint32_t old_processes;     /* children of earlier versions of the module that live; first block only */
    /* line 1: instruction cookies by what became of them (FARM_COOKIE_*); first block only */
    uint64_t cookies[8];
} farm_block_header;

/* What became of an instruction cookie. */
#define FARM_COOKIE_ACCEPTED 0u
#define FARM_COOKIE_BAD_MAC 1u
#define FARM_COOKIE_EXPIRED 2u
#define FARM_COOKIE_MALFORMED 3u
#define FARM_COOKIE_UNKNOWN_KEY 4u
#define FARM_COOKIE_UNKNOWN_TARGET 5u
#define FARM_COOKIE_OTHER_CLIENT 6u
#define FARM_COOKIE_RESULTS 7u

/* Who set the administrator's state of a farm or member, and why. Written under the lock of the row it is part of, and read
 * between two equal even numbers of that row's sequence. */
typedef struct farm_admin_note {
    uint64_t since_us;          /* wall clock of the change */
    uint64_t until_us;          /* wall clock at which it ends and `on` returns; 0: by another change only */
    uint32_t writing;           /* 1 while it is being changed: what a dead writer left is not to be believed */
    uint32_t inflight;          /* requests in flight at the change, and 1; 0: not known */
    uint32_t clients;           /* clients that were tied to it, and 1; 0: not known */
    uint32_t reserved[9];
    char     by[FARM_LINE];     /* NUL-terminated UTF-8; empty: the configuration */
    char     reason[3 * FARM_LINE];     /* the same; empty: none was given */
} farm_admin_note;

/* How a request of a client ended. Each request has one outcome, in the farm that it was addressed to. */
#define FARM_OUTCOME_SERVED 0u          /* a member's final status, and the whole answer */
#define FARM_OUTCOME_FAILED 1u          /* no member answered, or the answer was cut short */
#define FARM_OUTCOME_REFUSED 2u         /* no member was tried */
#define FARM_OUTCOME_REDIRECTED 3u
#define FARM_OUTCOME_FORWARDED 4u
#define FARM_OUTCOME_ABORTED 5u         /* the client left first */
#define FARM_OUTCOMES 6u
/* Classes of the status that a client got: 1xx (101 only) to 5xx. */
#define FARM_CLASSES 5u
/* How a request that was addressed to another farm came to the one that served it. */
#define FARM_CAME_TO 0u                 /* an instruction's `to` */
#define FARM_CAME_FORWARD 1u
#define FARM_CAME_SPLIT 2u
#define FARM_CAME_HAND_ON 3u
#define FARM_CAME 4u

/* One farm. */
typedef struct farm_farm_row {
    /* line 0: identity, written by the parent */
    char     name[FARM_LINE];   /* NUL-terminated, lower case */
    /* line 1: read by every choice, written when something about a member changes */
    uint64_t generation;        /* low half: reports of load; high half: every other change that a choice must see */
    uint32_t use;
    uint32_t retired_in;        /* config_generation in which the configuration no longer had it */
    uint32_t admin;             /* FARM_ADMIN_*, of the farm as a whole; under the farms' lock, published last */
    uint32_t sequence;          /* odd while a holder of the lock is writing admin and its note */
    uint32_t writer;            /* pid of that holder */
    uint32_t created_in;        /* config_generation that first had it, since the row was free */
    uint64_t judged_at;         /* monotonic us at which outliers were last looked for */
    uint8_t  line1_reserved[24];
    /* line 2: written by every request */
    uint64_t cursor;            /* round robin's ticket, of the first tier that is available */
    uint64_t requests;          /* requests of clients */
    uint64_t failovers;         /* attempts after the first */
    uint64_t refused_before;    /* requests that had been refused when the condition in condition_seen began */
    uint64_t line2_reserved;
    uint32_t inflight;          /* over all members, two's complement; kept while counts_inflight is 1 */
    uint32_t counts_inflight;   /* 1: its algorithm asks for the one above; written by the parent */
    uint64_t second_cursor;     /* the ticket of the second tier that is available */
    uint64_t further_cursor;    /* that of all tiers after it */
    /* lines 3 to 6: requests that have ended, by outcome and class of status; see farm_row_ended */
    uint64_t ended[FARM_OUTCOMES * FARM_CLASSES];
    uint64_t suspects;          /* requests that broke two members in a row and were stopped */
    uint64_t handed_on;         /* requests that a member handed to another */
    /* line 7: written when something is moved here, held back or told */
    uint64_t came[FARM_CAME];   /* requests addressed to other farms that this one served, by how they came */
    uint64_t retries_held_back; /* attempts that the retry budget did not allow */
    uint32_t refused_untold;    /* refused requests that no line in the log has told yet */
    uint32_t refused_told_ms;   /* monotonic ms of the last line that told of refusals */
    uint64_t condition_told;    /* the condition that the log told last, and since when; see ConditionWatch */
    uint64_t condition_seen;    /* the condition that was seen last, and since when */
    /* lines 8 to 12 */
    farm_admin_note note;
} farm_farm_row;

/* One member of one farm. */
typedef struct farm_member_row {
    /* line 0: read by every choice, written by changes of state under the row's lock, published last */
    uint32_t status;
    uint32_t weight;            /* 1 to 1000 */
    uint32_t tier;              /* 0 to 9 */
    uint32_t max_inflight;      /* 0: no limit */
    uint64_t retry_at;          /* monotonic us; when the next trial of a member that failures put down may begin */
    uint32_t failing;           /* 1: it has failed, and has not completed an answer since */
    uint32_t failed_trials;     /* since it went down */
    uint64_t status_since_us;   /* wall clock of the last change of health */
    uint64_t available_since;   /* monotonic us at which it became available again; 0: it was from the start */
    uint32_t sequence;          /* odd while a holder of the lock is writing this row */
    uint32_t writer;            /* pid of that holder */
    uint32_t configured_weight; /* what the configuration said: a changed value there replaces the one above */
    uint32_t configured_admin;
    /* line 1: written by every request */
    uint32_t inflight;          /* two's complement; the sum of the ledger */
    uint32_t usual_inflight;    /* float bits: other requests in flight when the answers came that latency averages */
    uint64_t requests;          /* attempts */
    uint64_t errors;            /* attempts that failed */
    uint64_t bytes_in;          /* from the member */
    uint64_t bytes_out;         /* to the member */
    uint64_t latency;           /* high half: float bits of the moving average in us; low half: its time in ms, monotonic */
    uint64_t failure_ratio;     /* high half: float bits, 0 to 1; low half: its time in ms, monotonic */
    uint64_t latency_sum;       /* us, of all answers that the buckets count */
    /* line 2 and following: latencies */
    uint64_t latency_buckets[FARM_LATENCY_BUCKETS];
    /* then: identity, written by the parent */
    char     name[FARM_LINE];
    uint32_t use;
    uint32_t farm;              /* index of its farm's row */
    uint32_t retired_in;
    uint32_t ejections;         /* times it was put down as an outlier, not long after one another */
    uint64_t failed_outcomes;   /* attempts that failed, and answers that are an error */
    uint64_t judged_requests;   /* requests and failed_outcomes when outliers were last looked for */
    uint64_t judged_failures;
    uint32_t recent_requests;   /* those since, and what is left of those before */
    uint32_t recent_failures;
    uint32_t created_in;        /* config_generation that first had it, since the row was free */
    uint32_t reserved[3];
    /* line 15: what it reports of itself, written under the row's lock, each word read alone */
    uint64_t updated_us;        /* monotonic us of its last update; 0: never */
    uint64_t known_since_us;    /* monotonic us at which it was first configured */
    uint64_t load;              /* see FARM_UNKNOWN_BITS */
    uint64_t updates;           /* updates and reports that were stored */
    uint64_t bad_reports;       /* reports in the header of an answer that could not be read */
    uint64_t traffic_base;      /* bytes credited when it joined late, so that `traffic` does not flood it */
    uint8_t  reports_reserved[16];
    /* line 16: its failures; written under the row's lock, but for tried_at */
    uint64_t tried_at;          /* when its last trial began: monotonic us, times 4; 1 more until that trial has connected, and
                                 * 2 more when no member was available then */
    uint64_t failing_since;     /* monotonic us of the first failure after its last complete answer; 0: none */
    uint64_t doubted_at;        /* monotonic us of the last doubtful failure */
    uint64_t last_error_at;     /* wall clock of its last error; 0: none */
    uint32_t fails;             /* certain failures in a row */
    uint32_t doubts;            /* doubtful failures in a row */
    uint32_t last_error;        /* what failed: FARM_ERROR_*, with a status in the high half */
    uint32_t fresh_told;        /* 1: the log has told that it no longer reports; written by the parent */
    uint64_t switched_at;       /* monotonic us of its last 101; 0: none */
    uint64_t failures_reserved;
    /* lines 17 to 21 */
    farm_admin_note note;
} farm_member_row;

/* The name of one metric. Written once, under the lock of the names; valid below header.metric_count. */
typedef struct farm_metric_row {
    char     name[40];          /* NUL-terminated, at most FARM_METRIC_NAME_MAX bytes */
    uint32_t hash;
    uint32_t length;
    uint8_t  reserved[16];
} farm_metric_row;

/* Clients that are tied to a member by instructions, counted by what they are: eight sketches of HyperLogLog, each for
 * instructions that die within one span of time. Any process writes and reads any word at any time. */
#define FARM_TIED_SPANS 8u
#define FARM_TIED_REGISTERS 4096u
typedef struct farm_tied_row {
    uint64_t until;             /* Unix time in seconds at which the last one dies */
    uint32_t width;             /* of a span, in seconds; written by the parent */
    uint32_t reserved;
    uint64_t ends[FARM_TIED_SPANS];     /* number of the span that each sketch is for, and 1; 0: none */
    uint8_t  padding[48];
    uint8_t  registers[FARM_TIED_SPANS * FARM_TIED_REGISTERS];
} farm_tied_row;

/* How a farm or member stood some seconds apart: for the rates and charts of the status. Counters are their low halves.
 * Written by the parent, a sample before the count that holds it; any process reads. */
#define FARM_HISTORY_SAMPLES 62u
typedef struct farm_history_sample {
    uint32_t at_ms;             /* monotonic */
    uint32_t requests;
    uint32_t failures;          /* a member's errors, a farm's failovers */
    uint32_t inflight;
} farm_history_sample;
typedef struct farm_history_row {
    uint32_t count;             /* samples taken; the last one stands at (count - 1) % FARM_HISTORY_SAMPLES */
    uint32_t reserved[7];
    farm_history_sample samples[FARM_HISTORY_SAMPLES];
} farm_history_row;

/* One live child of httpd, of any generation. */
typedef struct farm_slot_row {
    uint32_t pid;               /* 0: free */
    uint32_t config_generation;
    uint8_t  reserved[56];
} farm_slot_row;

_Static_assert(sizeof(farm_block_header) == 2 * FARM_LINE, "header is two lines");
_Static_assert(offsetof(farm_block_header, cookies) == FARM_LINE, "counters of cookies have their own line");
_Static_assert(sizeof(farm_admin_note) == 5 * FARM_LINE, "note is five lines");
_Static_assert(offsetof(farm_farm_row, ended) == 3 * FARM_LINE, "outcomes begin a line");
_Static_assert(offsetof(farm_farm_row, came) == 7 * FARM_LINE, "what is moved or told has its own line");
_Static_assert(offsetof(farm_farm_row, note) == 8 * FARM_LINE, "the note begins a line");
_Static_assert(sizeof(farm_farm_row) == 13 * FARM_LINE, "farm row is thirteen lines");
_Static_assert(offsetof(farm_farm_row, generation) == FARM_LINE, "generation has its own line");
_Static_assert(offsetof(farm_farm_row, cursor) == 2 * FARM_LINE, "counters have their own line");
_Static_assert(offsetof(farm_member_row, inflight) == FARM_LINE, "per-request counters have their own line");
_Static_assert(offsetof(farm_member_row, latency_buckets) == 2 * FARM_LINE, "latencies begin a line");
_Static_assert(offsetof(farm_member_row, updated_us) == 15 * FARM_LINE, "reports have their own line");
_Static_assert(offsetof(farm_member_row, tried_at) == 16 * FARM_LINE, "failures have their own line");
_Static_assert(offsetof(farm_member_row, note) == 17 * FARM_LINE, "the note begins a line");
_Static_assert(sizeof(farm_member_row) == 22 * FARM_LINE, "member row is twenty-two lines");
_Static_assert(sizeof(farm_metric_row) == FARM_LINE, "metric row is one line");
_Static_assert(sizeof(farm_tied_row) == 2 * FARM_LINE + FARM_TIED_SPANS * FARM_TIED_REGISTERS, "registers begin a line");
_Static_assert(sizeof(farm_history_row) == 16 * FARM_LINE, "history row is sixteen lines");
_Static_assert(sizeof(farm_slot_row) == FARM_LINE, "slot row is one line");

/* Arrays, which Swift would see as tuples. */
static inline uint64_t *farm_block_cookies(farm_block_header *header) { return header->cookies; }
static inline char *farm_row_name(farm_farm_row *row) { return row->name; }
static inline uint64_t *farm_row_came(farm_farm_row *row) { return row->came; }
/* Requests that have ended: FARM_CLASSES counters for each outcome, in the order of FARM_OUTCOME_*. */
static inline uint64_t *farm_row_ended(farm_farm_row *row) { return row->ended; }
static inline char *farm_member_row_name(farm_member_row *row) { return row->name; }
static inline uint64_t *farm_member_row_buckets(farm_member_row *row) { return row->latency_buckets; }
static inline uint64_t *farm_tied_row_ends(farm_tied_row *row) { return row->ends; }
static inline uint8_t *farm_tied_row_registers(farm_tied_row *row) { return row->registers; }
static inline farm_history_sample *farm_history_row_samples(farm_history_row *row) { return row->samples; }
static inline char *farm_note_by(farm_admin_note *note) { return note->by; }
static inline char *farm_note_reason(farm_admin_note *note) { return note->reason; }
static inline farm_admin_note *farm_row_note(farm_farm_row *row) { return &row->note; }
static inline farm_admin_note *farm_member_row_note(farm_member_row *row) { return &row->note; }
static inline char *farm_metric_row_name(farm_metric_row *row) { return row->name; }

/* A double that may be unknown, as one word: its bits, less those of the one NaN that means "unknown", so that a word of
 * fresh memory is an unknown one. */
#define FARM_UNKNOWN_BITS 0x7ff8000000000000ULL

/* Atomics. `get` and `add` are relaxed: each word stands alone. `read` acquires and `publish` releases: what was
 * written before a publish is seen by whoever reads the published value. */
static inline uint32_t farm_get32(const uint32_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }
static inline uint8_t farm_get8(const uint8_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }
static inline void farm_set8(uint8_t *at, uint8_t v) { __atomic_store_n(at, v, __ATOMIC_RELAXED); }
static inline uint64_t farm_get64(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }
static inline void farm_set32(uint32_t *at, uint32_t v) { __atomic_store_n(at, v, __ATOMIC_RELAXED); }
static inline void farm_set64(uint64_t *at, uint64_t v) { __atomic_store_n(at, v, __ATOMIC_RELAXED); }
static inline uint32_t farm_read32(const uint32_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
static inline uint64_t farm_read64(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
static inline void farm_publish32(uint32_t *at, uint32_t v) { __atomic_store_n(at, v, __ATOMIC_RELEASE); }
static inline void farm_publish64(uint64_t *at, uint64_t v) { __atomic_store_n(at, v, __ATOMIC_RELEASE); }
/* Both return the value before. */
static inline uint32_t farm_add32(uint32_t *at, uint32_t v) { return __atomic_fetch_add(at, v, __ATOMIC_RELAXED); }
static inline uint64_t farm_add64(uint64_t *at, uint64_t v) { return __atomic_fetch_add(at, v, __ATOMIC_RELAXED); }
/* 1 when `at` held `old` and now holds `new_value`. */
static inline int farm_swap32(uint32_t *at, uint32_t old, uint32_t new_value)
{
    return __atomic_compare_exchange_n(at, &old, new_value, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}
static inline int farm_swap64(uint64_t *at, uint64_t old, uint64_t new_value)
{
    return __atomic_compare_exchange_n(at, &old, new_value, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}
/* Adds, and what was written before is seen by whoever reads the sum and acquires. */
static inline uint64_t farm_add64_publish(uint64_t *at, uint64_t v) { return __atomic_fetch_add(at, v, __ATOMIC_RELEASE); }
/* Reads before it are done before reads and writes after it, and writes likewise. */
static inline void farm_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

#endif
