/* farm_secret.c - FarmSecretFile: the keys of instruction cookies, and the MACs that are made with them. */
#include "farm_directives.h"

#include <pthread.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "apr_file_info.h"
#include "apr_file_io.h"
#include "apr_lib.h"

#define KEY_SHORTEST 32
#define KEY_LONGEST 256
#define MAC_LENGTH 32

/* A file of keys is short; what is longer is something else. */
#define FILE_LONGEST (256 * 1024)

struct farm_secret {
    const char *name;
    apr_size_t name_length;
    EVP_MAC_CTX *mac;                   /* with the key in it; copied for each use */
};

static const char *check_name(apr_pool_t *p, const char *name, int line)
{
    apr_size_t length = strlen(name);
    const char *at;

    for (at = name; *at && (apr_isalnum(*at) || *at == '_' || *at == '-'); at++) {
    }
    return length >= 1 && length <= 16 && !*at ? NULL
        : apr_psprintf(p, "its line %d does not begin with the name of a key, 1 to 16 letters, digits, '_' and '-', and a "
                       "colon", line);
}

static const char *check_key(apr_pool_t *p, const char *key, int line)
{
    apr_size_t length = strlen(key);
    const char *at;

    for (at = key; *at > ' ' && *at < 0x7f; at++) {
    }
    if (*at) {
        return apr_psprintf(p, "the key of its line %d has a blank, or a byte that is not printable ASCII", line);
    }
    return length >= KEY_SHORTEST && length <= KEY_LONGEST ? NULL
        : apr_psprintf(p, "the key of its line %d has %d characters; write %d to %d, as from: openssl rand -base64 48",
                       line, (int)length, KEY_SHORTEST, KEY_LONGEST);
}

static apr_status_t free_mac(void *mac)
{
    EVP_MAC_CTX_free(mac);
    return APR_SUCCESS;
}

static EVP_MAC_CTX *mac_with(apr_pool_t *p, const char *key)
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    OSSL_PARAM params[2] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
                             OSSL_PARAM_construct_end() };

    EVP_MAC_free(hmac);
    if (!mac || !EVP_MAC_init(mac, (const unsigned char *)key, strlen(key), params)) {
        EVP_MAC_CTX_free(mac);
        return NULL;
    }
    apr_pool_cleanup_register(p, mac, free_mac, apr_pool_cleanup_null);
    return mac;
}

static const char *add_line(apr_pool_t *p, apr_array_header_t *secrets, char *text, int line)
{
    char *colon = strchr(text, ':'), *key;
    farm_secret *secret;
    const char *error;
    int i;

    if (!colon) {
        return apr_psprintf(p, "its line %d has no colon; write NAME:KEY", line);
    }
    *colon = '\0';
    key = colon + 1;
    if ((error = check_name(p, text, line)) || (error = check_key(p, key, line))) {
        return error;
    }
    for (i = 0; i < secrets->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(secrets, i, farm_secret).name, text)) {
            return apr_psprintf(p, "the key %s stands in it twice, again in line %d; give one another name", text, line);
        }
    }
    secret = apr_array_push(secrets);
    secret->name = apr_pstrdup(p, text);
    secret->name_length = strlen(text);
    secret->mac = mac_with(p, key);
    return secret->mac ? NULL : "libcrypto gives no HMAC-SHA256";
}

static const char *read_keys(apr_pool_t *p, apr_pool_t *ptemp, const char *path, apr_array_header_t *secrets)
{
    apr_file_t *file;
    apr_finfo_t info;
    apr_size_t length;
    apr_status_t rv = apr_file_open(&file, path, APR_FOPEN_READ | APR_FOPEN_BINARY, APR_FPROT_OS_DEFAULT, ptemp);
    char reason[120], *text, *line, *end;
    const char *error = NULL;
    int number = 0;

    if (rv == APR_SUCCESS) {
        rv = apr_file_info_get(&info, APR_FINFO_SIZE | APR_FINFO_PROT | APR_FINFO_TYPE, file);
    }
    if (rv != APR_SUCCESS) {
        return apr_psprintf(p, "it cannot be read: %s", apr_strerror(rv, reason, sizeof(reason)));
    }
    if (info.filetype != APR_REG || info.size > FILE_LONGEST) {
        return "it is no file of keys; write one NAME:KEY a line";
    }
    if (info.protection & (APR_FPROT_WREAD | APR_FPROT_WWRITE)) {
        return "everybody on this machine may read or write it; say chmod o= to it";
    }
    length = (apr_size_t)info.size;
    text = apr_palloc(ptemp, length + 1);
    if (length && (rv = apr_file_read_full(file, text, length, &length)) != APR_SUCCESS) {
        return apr_psprintf(p, "it cannot be read: %s", apr_strerror(rv, reason, sizeof(reason)));
    }
    text[length] = '\0';
    for (line = text; !error && line < text + length; line = end + 1) {
        number++;
        end = memchr(line, '\n', (apr_size_t)(text + length - line));
        if (!end) {
            end = text + length;
        }
        if (memchr(line, '\0', (apr_size_t)(end - line))) {
            error = apr_psprintf(p, "its line %d holds a NUL", number);
            break;
        }
        *end = '\0';
        if (end > line && end[-1] == '\r') {
            end[-1] = '\0';
        }
        if (*line && *line != '#' && strspn(line, " \t") < strlen(line)) {
            error = add_line(p, secrets, line, number);
        }
    }
    OPENSSL_cleanse(text, length);
    if (!error && secrets->nelts == 0) {
        error = "it holds no key; write NAME:KEY, with a key as from: openssl rand -base64 48";
    }
    return error;
}

const char *farm_secret_file_line(cmd_parms *cmd, void *dummy, const char *path)
{
    farm_conf *conf = farm_conf_of(cmd->server);
    const char *error = farm_wrong_place(cmd), *file = ap_server_root_relative(cmd->pool, path);

    (void)dummy;
    if (error) {
        return error;
    }
    conf->secrets = apr_array_make(cmd->pool, 2, sizeof(farm_secret));
    if (!*path || !file) {
        return apr_psprintf(cmd->pool, "FarmSecretFile takes the path of a file, not '%s'", path);
    }
    error = read_keys(cmd->pool, cmd->temp_pool, file, conf->secrets);
    return error ? apr_psprintf(cmd->pool, "FarmSecretFile %s: %s", path, error) : NULL;
}

#define KEPT_MACS 4

typedef struct kept_mac { const farm_secret *of; EVP_MAC_CTX *mac; } kept_mac;

static pthread_key_t kept_key;
static int has_kept_key;

static void forget_macs(void *macs)
{
    kept_mac *kept = macs;

    for (int i = 0; i < KEPT_MACS; i++) {
        EVP_MAC_CTX_free(kept[i].mac);
        kept[i] = (kept_mac){ NULL, NULL };
    }
}

static void make_kept_key(void)
{
    has_kept_key = !pthread_key_create(&kept_key, forget_macs);
}

/* A context of this thread's own for a key, so that none is made for each cookie. It lives as long as the thread: those of
 * mod_http2 come and go. A child has one configuration. */
static EVP_MAC_CTX *mac_of_thread(const farm_secret *secret)
{
    static __thread kept_mac kept[KEPT_MACS] __attribute__((tls_model("initial-exec")));
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int i;

    for (i = 0; i < KEPT_MACS && kept[i].of; i++) {
        if (kept[i].of == secret) {
            return kept[i].mac;
        }
    }
    if (i == KEPT_MACS) {
        /* Few have more keys than that; the last place goes round. */
        EVP_MAC_CTX_free(kept[--i].mac);
    }
    kept[i].mac = EVP_MAC_CTX_dup(secret->mac);
    kept[i].of = kept[i].mac ? secret : NULL;
    pthread_once(&once, make_kept_key);
    if (has_kept_key) {
        pthread_setspecific(kept_key, kept);
    }
    return kept[i].mac;
}

int farm_host_mac(const char *key, uint32_t key_length, const char *text, uint32_t length, unsigned char *into)
{
    const apr_array_header_t *secrets = farm_current->secrets;
    size_t made = 0;
    int i;

    for (i = 0; secrets && i < secrets->nelts; i++) {
        const farm_secret *secret = &APR_ARRAY_IDX(secrets, i, farm_secret);

        if (secret->name_length == key_length && !memcmp(secret->name, key, key_length)) {
            EVP_MAC_CTX *mac = mac_of_thread(secret);

            /* Without a key: begins anew with the one it has. */
            return mac && EVP_MAC_init(mac, NULL, 0, NULL) && EVP_MAC_update(mac, (const unsigned char *)text, length)
                && EVP_MAC_final(mac, into, &made, MAC_LENGTH) && made == MAC_LENGTH;
        }
    }
    return 0;
}

int farm_host_mac_is(const unsigned char *one, const unsigned char *other)
{
    return CRYPTO_memcmp(one, other, MAC_LENGTH) == 0;
}

const char *farm_host_signing_key(void)
{
    const apr_array_header_t *secrets = farm_current->secrets;

    return secrets ? APR_ARRAY_IDX(secrets, 0, farm_secret).name : NULL;
}
