/* farm_upgrade.c - what one version of the module leaves to the next at a graceful restart.
 *
 * At its end each configuration leaves a record in the process pool. The next one may be of other code, and its tables may
 * have another layout: then it finds no tables under its own key, makes new ones, and takes the states from the record, in
 * the text of FarmStateFile. Children of the old code go on with the old tables until they end. Until then the parent
 * keeps those mapped, since some kinds of lock end for everybody when the parent destroys them. */
#include "farm_upgrade.h"

#include "scoreboard.h"

#include "farm_built.h"
#include "farm_directives.h"
#include "farm_version.h"

#define RECORD_KEY "mod_proxy_farm-handover"
/* Of the structs below, which another version of the module reads. Raise it when one of them changes. */
#define RECORD_VERSION 1u

/* Processes of one earlier version. */
typedef struct farm_old_version {
    struct farm_old_version *next;
    apr_pool_t *tables;                 /* holds the tables that they use; NULL: they use those in force */
    apr_uint32_t *pids;
    apr_uint32_t count;
} farm_old_version;

/* It outlives the code that made it: nothing in it points to code or to a constant of this module. */
typedef struct farm_record {
    apr_uint32_t version;               /* always first */
    apr_uint32_t count;
    apr_pool_t *pool;                   /* of all that is pointed to from here, and of this struct */
    const char *key;                    /* by which its tables are found */
    const char *build;
    apr_pool_t *tables;
    char *state;                        /* what FarmStateFile would keep, without its checksum; NULL: it could not be had */
    apr_size_t state_length;
    apr_uint32_t *pids;                 /* of its children */
    farm_old_version *old;
} farm_record;

_Static_assert(sizeof(farm_old_version) == 32 && sizeof(farm_record) == 72,
               "the record has changed: raise RECORD_VERSION, and then these sizes");

static farm_record *before;             /* what the configuration before has left; NULL: nothing */
static int is_other_layout;             /* and its tables are not those in force */
static farm_old_version *old;

static const char this_build[] = FARM_VERSION " " FARM_BUILT;

void farm_upgrade_arrive(apr_pool_t *pconf, server_rec *s, const char *key)
{
    is_other_layout = 0;
    old = NULL;
    before = ap_retained_data_get(RECORD_KEY);
    if (before && before->version != RECORD_VERSION) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "FARM00032: the version of mod_proxy_farm that ran until now has left "
                     "a record that this one cannot read: states and counters begin anew, and processes of the old "
                     "version are not counted");
        before = NULL;
        /* If there are tables of this layout, they are of a time before that version's. */
        apr_pool_userdata_setn(NULL, key, NULL, ap_pglobal);
    }
    if (!before) {
        return;
    }
    old = before->old;
    is_other_layout = strcmp(before->key, key) != 0;
    if (is_other_layout) {
        /* Should that layout come back, its tables are new ones. */
        apr_pool_userdata_setn(NULL, before->key, NULL, ap_pglobal);
    }
    if (is_other_layout || strcmp(before->build, this_build)) {
        farm_old_version *version = apr_pcalloc(pconf, sizeof(*version));
        version->tables = is_other_layout ? before->tables : NULL;
        version->pids = before->pids;
        version->count = before->count;
        version->next = old;
        old = version;
    }
}

int farm_upgrade_take_state(server_rec *s, farm_conf *conf)
{
    apr_pool_t *p;
    const char *what = "it could not be had";
    uint32_t line = 0;

    if (!before || !is_other_layout) {
        return 0;
    }
    apr_pool_create(&p, NULL);
    if (before->state) {
        char *text = apr_pstrmemdup(p, before->state, before->state_length);
        what = farm_on_state_read(conf->engine, text, (uint32_t)before->state_length, &line);
    }
    if (what) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "FARM00031: the states that version %s held are not taken over%s: %s; "
                     "those of FarmStateFile or of the configuration hold", before->build,
                     line ? apr_psprintf(p, ", for line %u of their text", line) : "", what);
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "FARM00030: version %s takes over from version %s, whose tables have "
                     "another layout: administrators' states, weights, monitors' verdicts and metrics are kept, and "
                     "counters begin anew", this_build, before->build);
    }
    apr_pool_destroy(p);
    return !what;
}

apr_uint32_t farm_upgrade_old_processes(server_rec *s)
{
    farm_old_version **at = &old;
    apr_uint32_t lives = 0;

    while (*at) {
        farm_old_version *version = *at;
        apr_uint32_t i, kept = 0;

        for (i = 0; i < version->count; i++) {
            if (farm_host_process_lives(version->pids[i])) {
                version->pids[kept++] = version->pids[i];
            }
        }
        version->count = kept;
        lives += kept;
        if (kept) {
            at = &version->next;
            continue;
        }
        *at = version->next;
        if (version->tables) {
            apr_pool_destroy(version->tables);
        }
        if (!old) {
            ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "FARM00034: the last process of an earlier version of "
                         "mod_proxy_farm has ended; version %s serves alone", this_build);
        }
    }
    return lives;
}

/* The parent has seen its end: the id may be another process's from now on. */
void farm_upgrade_process_gone(apr_uint32_t pid)
{
    farm_old_version *version;
    apr_uint32_t i;

    for (version = old; version; version = version->next) {
        for (i = 0; i < version->count; i++) {
            if (version->pids[i] == pid) {
                version->pids[i] = version->pids[--version->count];
            }
        }
    }
}

static int has_pid(const apr_uint32_t *pids, apr_uint32_t count, apr_uint32_t pid)
{
    apr_uint32_t i;

    for (i = 0; i < count && pids[i] != pid; i++) {
    }
    return i < count;
}

static int is_known(const farm_record *record, apr_uint32_t pid)
{
    const farm_old_version *version;

    for (version = record->old; version; version = version->next) {
        if (has_pid(version->pids, version->count, pid)) {
            return 1;
        }
    }
    return has_pid(record->pids, record->count, pid);
}

/* The children of this version: those with a slot, and those that httpd has forked and that have claimed none yet. */
static void note_children(farm_record *record, farm_tables *tables)
{
    apr_uint32_t slots = farm_on_processes(tables, NULL, 0);
    int places = ap_scoreboard_image ? ap_scoreboard_image->global->server_limit : 0, i;
    apr_uint32_t *found = apr_palloc(record->pool, sizeof(*found) * slots);
    apr_uint32_t count = farm_on_processes(tables, found, slots), at;

    record->pids = apr_palloc(record->pool, sizeof(*record->pids) * ((apr_size_t)places + slots + 1));
    for (at = 0; at < count; at++) {
        if (!is_known(record, found[at])) {
            record->pids[record->count++] = found[at];
        }
    }
    for (i = 0; i < places; i++) {
        apr_uint32_t pid = (apr_uint32_t)ap_scoreboard_image->parent[i].pid;
        if (pid && !is_known(record, pid) && farm_host_process_lives(pid)) {
            record->pids[record->count++] = pid;
        }
    }
}

void farm_upgrade_leave(farm_conf *conf, farm_tables *tables, const char *key, apr_pool_t *pool)
{
    farm_record *last = before, *record;
    const farm_old_version *version;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    record = apr_pcalloc(p, sizeof(*record));
    record->version = RECORD_VERSION;
    record->pool = p;
    record->key = apr_pstrdup(p, key);
    record->build = apr_pstrdup(p, this_build);
    record->tables = pool;
    record->state = farm_state_text(p, conf, &record->state_length);
    for (version = old; version; version = version->next) {
        farm_old_version *copy = apr_pmemdup(p, version, sizeof(*version));
        copy->pids = apr_pmemdup(p, version->pids, sizeof(*version->pids) * version->count);
        copy->next = record->old;
        record->old = copy;
    }
    note_children(record, tables);
    /* The key is copied, and no cleanup is registered. */
    apr_pool_userdata_set(record, RECORD_KEY, NULL, ap_pglobal);
    if (last) {
        apr_pool_destroy(last->pool);
    }
    before = NULL;
    old = NULL;
}
