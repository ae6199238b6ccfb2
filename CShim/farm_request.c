/* farm_request.c - the state of one request: what it was before the first attempt, and what the log is told of it. */
#include "farm_request.h"

farm_ctx *farm_ctx_create(request_rec *r, farm_farm *farm, apr_uint32_t number, const char *path)
{
    farm_ctx *ctx = apr_palloc(r->pool, sizeof(*ctx));

    memset(ctx, 0, offsetof(farm_ctx, request.tried));
    ctx->r = r;
    ctx->farm = farm;
    ctx->origin = farm;
    ctx->farm_url = r->filename + 6;
    ctx->client_args = r->args;
    ctx->request.farm = number;
    ctx->request.addressed = number;
    ctx->request.member = FARM_NONE;
    ctx->mapped = r->filename;
    ctx->filename = r->filename;
    ctx->path = path;
    ctx->path_length = strlen(path);
    ap_set_module_config(r->request_config, &proxy_farm_module, ctx);
    return ctx;
}

void farm_request_key(request_rec *r, const farm_farm *farm, farm_request *request)
{
    const char *error = NULL, *key;

    key = ap_expr_str_exec(r, farm->key_expression, &error);
    if (error) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "FARM00015: farm %s: the key's expression failed, and the request "
                      "has none: %s", farm->key, error);
    }
    else if (key) {
        farm_on_key(request, key, (uint32_t)strlen(key));
    }
}

static apr_table_t *copy_of(request_rec *r, const apr_table_t *table)
{
    return apr_is_empty_table(table) ? NULL : apr_table_copy(r->pool, table);
}

/* A failed attempt may change any of these. Most tables are empty here, and an empty one costs nothing to remember. */
void farm_snapshot_take(farm_ctx *ctx)
{
    request_rec *r = ctx->r;
    farm_snapshot *was = &ctx->snapshot;

    was->status = r->status;
    was->status_line = r->status_line;
    was->headers_out = copy_of(r, r->headers_out);
    was->err_headers_out = copy_of(r, r->err_headers_out);
    was->notes = copy_of(r, r->notes);
    was->subprocess_env = copy_of(r, r->subprocess_env);
    was->content_type = r->content_type;
    was->content_encoding = r->content_encoding;
    was->path_info = r->path_info;
    was->no_cache = r->no_cache;
    was->no_local_copy = r->no_local_copy;
    was->sent_bodyct = (int)r->sent_bodyct;
}

/* A fresh copy each time: a later attempt may fail too. */
static apr_table_t *restored(request_rec *r, const apr_table_t *table)
{
    return table ? apr_table_copy(r->pool, table) : apr_table_make(r->pool, 8);
}

void farm_snapshot_restore(farm_ctx *ctx)
{
    request_rec *r = ctx->r;
    const farm_snapshot *was = &ctx->snapshot;

    r->status = was->status;
    r->status_line = was->status_line;
    r->headers_out = restored(r, was->headers_out);
    r->err_headers_out = restored(r, was->err_headers_out);
    r->notes = restored(r, was->notes);
    r->subprocess_env = restored(r, was->subprocess_env);
    /* ap_set_content_type would compare with what is there. */
    r->content_type = was->content_type;
    r->content_encoding = was->content_encoding;
    r->path_info = was->path_info;
    r->no_cache = was->no_cache;
    r->no_local_copy = was->no_local_copy;
    r->sent_bodyct = was->sent_bodyct;
    apr_table_clear(r->trailers_out);
}

static const char *const attempt_numbers[FARM_MOST_ATTEMPTS + 1] = {
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"
};

static const char *const conditions[] = { "ok", "full", "offline", "down" };

static const char *attempts_of(const farm_ctx *ctx)
{
    apr_uint32_t attempts = ctx->attempts_before + ctx->request.attempts;

    return attempts <= FARM_MOST_ATTEMPTS ? attempt_numbers[attempts] : apr_itoa(ctx->r->pool, (int)attempts);
}

/* What most requests are told: logs read FARM_MEMBER and FARM_REASON most, and apr_table_get passes over each entry whose
 * name begins alike. */
void farm_environment_prepare(apr_pool_t *p, farm_farm *farm, farm_member *member, const char *name)
{
    apr_table_t *env = member->environment = apr_table_make(p, 10);

    if (name) {
        apr_table_setn(env, "FARM_MEMBER", name);
    }
    apr_table_setn(env, "FARM_REASON", "algorithm");
    apr_table_setn(env, "FARM_NAME", farm->key);
    apr_table_setn(env, "FARM_URL", member->url);
    apr_table_setn(env, "FARM_ATTEMPTS", attempt_numbers[1]);
    apr_table_setn(env, "FARM_CONDITION", conditions[0]);
    apr_table_setn(env, "BALANCER_NAME", farm->balancer_name);
    apr_table_setn(env, "BALANCER_WORKER_NAME", member->mapped);
    if (name) {
        apr_table_setn(env, "BALANCER_WORKER_ROUTE", member->route);
    }
}

static int set_one(void *env, const char *name, const char *value)
{
    apr_table_setn(env, name, value);
    return 1;
}

/* An empty table, the usual case, is replaced whole. */
void farm_environment(farm_ctx *ctx)
{
    request_rec *r = ctx->r;

    ctx->told = 1;
    if (apr_is_empty_table(r->subprocess_env)) {
        r->subprocess_env = apr_table_copy(r->pool, ctx->member->environment);
    }
    else {
        apr_table_do(set_one, r->subprocess_env, ctx->member->environment, NULL);
    }
    if (ctx->forwards) {
        apr_table_setn(r->subprocess_env, "FARM_REASON", "forward");
    }
    else if (ctx->request.attempts > 1) {
        apr_table_setn(r->subprocess_env, "FARM_REASON", "failover");
    }
    else if (ctx->request.flags & FARM_REQUEST_INSTRUCTED
             && (ctx->request.flags & FARM_REQUEST_TIED || !(ctx->request.flags & FARM_REQUEST_NAMED))) {
        apr_table_setn(r->subprocess_env, "FARM_REASON", "instruction");
    }
    else if (ctx->request.flags & FARM_REQUEST_TIED) {
        apr_table_setn(r->subprocess_env, "FARM_REASON", "sticky");
    }
    if (ctx->forwards || ctx->request.attempts > 1) {
        apr_table_setn(r->subprocess_env, "FARM_ATTEMPTS", attempts_of(ctx));
    }
    if (ctx->member_is_server) {
        apr_table_setn(r->subprocess_env, "FARM_CONDITION", conditions[ctx->condition & 3]);
    }
}

void farm_environment_refused(farm_ctx *ctx, apr_uint32_t condition)
{
    apr_table_t *env = ctx->r->subprocess_env;

    apr_table_setn(env, "FARM_NAME", ctx->farm->key);
    apr_table_setn(env, "FARM_ATTEMPTS", attempts_of(ctx));
    apr_table_setn(env, "FARM_CONDITION", conditions[condition & 3]);
    apr_table_setn(env, "BALANCER_NAME", ctx->farm->balancer_name);
}
