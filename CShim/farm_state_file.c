/* farm_state_file.c - FarmStateFile: what shall survive a full stop, in a file. Written by the parent alone, and whole or
 * not at all; read once, at a full start. What stands in it Swift knows; the last line is a checksum. */
#include "farm_directives.h"

#include <unistd.h>

#include "apr_file_info.h"
#include "apr_file_io.h"
#include "apr_sha1.h"

/* Far above what the tables can hold. */
#define STATE_LONGEST (256 * 1024 * 1024)
#define FIRST_WORDS "mod_proxy_farm state "
#define SUM_LINE "sha1 "
#define SUM_LENGTH (sizeof(SUM_LINE) - 1 + 2 * APR_SHA1_DIGESTSIZE + 1)

/* What was last written, so that nothing is written while nothing changes; and whether that failed, so that the log says so
 * once. Both are the parent's, and begin anew with each configuration. */
static char last_sum[2 * APR_SHA1_DIGESTSIZE + 1];
static int has_failed;

const char *farm_state_file_line(cmd_parms *cmd, void *dummy, const char *path)
{
    farm_conf *conf = farm_conf_of(cmd->server);
    const char *error = farm_wrong_place(cmd), *directory;
    apr_finfo_t info;

    (void)dummy;
    if (error) {
        return error;
    }
    conf->state_file = ap_server_root_relative(cmd->pool, path);
    if (!*path || !conf->state_file) {
        return apr_psprintf(cmd->pool, "FarmStateFile takes the path of a file, not '%s'", path);
    }
    directory = ap_make_dirstr_parent(cmd->temp_pool, conf->state_file);
    if (apr_stat(&info, directory, APR_FINFO_TYPE, cmd->temp_pool) != APR_SUCCESS || info.filetype != APR_DIR) {
        return apr_psprintf(cmd->pool, "FarmStateFile %s: there is no directory %s; make it, or write another path", path,
                            directory);
    }
    if (apr_stat(&info, conf->state_file, APR_FINFO_TYPE, cmd->temp_pool) == APR_SUCCESS && info.filetype != APR_REG) {
        return apr_psprintf(cmd->pool, "FarmStateFile %s is no file; write the path of one, or of none", path);
    }
    return NULL;
}

static void sum_of(const char *text, apr_size_t length, char *into)
{
    unsigned char digest[APR_SHA1_DIGESTSIZE];
    apr_sha1_ctx_t sha1;

    apr_sha1_init(&sha1);
    apr_sha1_update_binary(&sha1, (const unsigned char *)text, (unsigned int)length);
    apr_sha1_final(digest, &sha1);
    ap_bin2hex(digest, APR_SHA1_DIGESTSIZE, into);
}

char *farm_state_text(apr_pool_t *p, farm_conf *conf, apr_size_t *length)
{
    apr_pool_t *ptemp;
    farm_out out = { NULL, NULL, 0, 0 };
    char *text;
    apr_status_t rv;

    apr_pool_create(&ptemp, p);
    out.bb = apr_brigade_create(ptemp, apr_bucket_alloc_create(ptemp));
    farm_on_state_write(conf->engine, &out);
    rv = apr_brigade_pflatten(out.bb, &text, length, p);
    apr_pool_destroy(ptemp);
    return rv == APR_SUCCESS ? text : NULL;
}

/* Whether a file that somebody may still need stands in the place: one that does not begin as a state file does. */
static int is_foreign(apr_pool_t *p, const char *path)
{
    char begin[sizeof(FIRST_WORDS) - 1];
    apr_size_t length = sizeof(begin);
    apr_file_t *file;

    if (apr_file_open(&file, path, APR_FOPEN_READ | APR_FOPEN_BINARY, APR_FPROT_OS_DEFAULT, p) != APR_SUCCESS) {
        return 0;
    }
    if (apr_file_read(file, begin, &length) != APR_SUCCESS) {
        length = 0;
    }
    apr_file_close(file);
    return memcmp(begin, FIRST_WORDS, length) != 0;
}

/* Writes beside the file, and puts that in its place when it is on the disk. */
static apr_status_t replace(apr_pool_t *p, const char *path, const char *text, apr_size_t length, const char *sum)
{
    const char *beside = apr_pstrcat(p, path, ".new", NULL);
    char *last = apr_pstrcat(p, SUM_LINE, sum, "\n", NULL);
    apr_file_t *file;
    apr_status_t rv;

    /* What a parent that died has left; never something that a name was pointed to. */
    apr_file_remove(beside, p);
    rv = apr_file_open(&file, beside, APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_EXCL | APR_FOPEN_BINARY,
                       APR_FPROT_UREAD | APR_FPROT_UWRITE, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if ((rv = apr_file_write_full(file, text, length, NULL)) == APR_SUCCESS
        && (rv = apr_file_write_full(file, last, strlen(last), NULL)) == APR_SUCCESS) {
        rv = apr_file_sync(file);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_file_close(file);
    }
    else {
        apr_file_close(file);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_file_rename(beside, path, p);
    }
    if (rv != APR_SUCCESS) {
        apr_file_remove(beside, p);
        return rv;
    }
    /* The new name is on the disk when its directory is; where that cannot be asked for, soon. */
    if (apr_file_open(&file, ap_make_dirstr_parent(p, path), APR_FOPEN_READ, APR_FPROT_OS_DEFAULT, p) == APR_SUCCESS) {
        apr_file_sync(file);
        apr_file_close(file);
    }
    return APR_SUCCESS;
}

void farm_state_file_write(server_rec *s, farm_conf *conf)
{
    apr_pool_t *p;
    char *text, sum[2 * APR_SHA1_DIGESTSIZE + 1];
    apr_size_t length;
    apr_status_t rv;

    if (!conf->state_file || !conf->engine) {
        return;
    }
    apr_pool_create(&p, NULL);
    if ((text = farm_state_text(p, conf, &length)) != NULL) {
        sum_of(text, length, sum);
        if (strcmp(sum, last_sum)) {
            rv = is_foreign(p, conf->state_file)
                ? apr_file_rename(conf->state_file, apr_pstrcat(p, conf->state_file, ".bad", NULL), p) : APR_SUCCESS;
            if (rv == APR_SUCCESS) {
                rv = replace(p, conf->state_file, text, length, sum);
            }
            if (rv == APR_SUCCESS) {
                memcpy(last_sum, sum, sizeof(sum));
            }
            else if (!has_failed) {
                ap_log_error(APLOG_MARK, APLOG_ERR, rv, s, "FARM00019: the state file %s cannot be written, and what is set "
                             "at run time will be lost at a full stop", conf->state_file);
            }
            has_failed = rv != APR_SUCCESS;
        }
    }
    apr_pool_destroy(p);
}

/* The text before the checksum, or NULL and what is wrong with the file. */
static char *checked(apr_pool_t *p, const char *path, apr_size_t *length, const char **what)
{
    apr_file_t *file;
    apr_finfo_t info;
    char *text, sum[2 * APR_SHA1_DIGESTSIZE + 1];
    apr_status_t rv = apr_file_open(&file, path, APR_FOPEN_READ | APR_FOPEN_BINARY, APR_FPROT_OS_DEFAULT, p);

    *what = NULL;
    if (APR_STATUS_IS_ENOENT(rv)) {
        return NULL;
    }
    if (rv != APR_SUCCESS || (rv = apr_file_info_get(&info, APR_FINFO_SIZE, file)) != APR_SUCCESS) {
        char reason[120];
        *what = apr_pstrdup(p, apr_strerror(rv, reason, sizeof(reason)));
        return NULL;
    }
    if (info.size > STATE_LONGEST) {
        *what = "it is larger than any state file";
        return NULL;
    }
    *length = (apr_size_t)info.size;
    text = apr_palloc(p, *length + 1);
    if (apr_file_read_full(file, text, *length, NULL) != APR_SUCCESS && *length > 0) {
        *what = "it cannot be read";
        return NULL;
    }
    if (*length < SUM_LENGTH || memcmp(text + *length - SUM_LENGTH, SUM_LINE, sizeof(SUM_LINE) - 1)) {
        *what = *length ? "it does not end with a checksum: it was cut short, or is no state file" : "it is empty";
        return NULL;
    }
    *length -= SUM_LENGTH;
    sum_of(text, *length, sum);
    if (memcmp(text + *length + sizeof(SUM_LINE) - 1, sum, sizeof(sum) - 1)) {
        *what = "its checksum is wrong: it was changed, or damaged";
        return NULL;
    }
    return text;
}

void farm_state_file_read(server_rec *s, farm_conf *conf)
{
    apr_pool_t *p;
    apr_size_t length = 0;
    const char *what;
    char *text;
    uint32_t line = 0;

    if (!conf->state_file) {
        return;
    }
    apr_pool_create(&p, NULL);
    text = checked(p, conf->state_file, &length, &what);
    if (text) {
        what = farm_on_state_read(conf->engine, text, (uint32_t)length, &line);
    }
    if (what) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "FARM00018: the state file %s is ignored%s: %s; the states are those of "
                     "the configuration", conf->state_file, line ? apr_psprintf(p, ", for its line %u", line) : "", what);
    }
    apr_pool_destroy(p);
}

void farm_state_file_begin(void)
{
    last_sum[0] = '\0';
    has_failed = 0;
}
