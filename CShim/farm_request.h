/* farm_request.h - one request of a client that a farm serves, from its mapping to its end. Lives in the request's
 * pool; used by the request's thread only. */
#ifndef FARM_REQUEST_H
#define FARM_REQUEST_H

#include "farm_shim.h"
#include "util_filter.h"

/* What stood in a request_rec before the first attempt. */
typedef struct farm_snapshot {
    int status;
    const char *status_line;
    apr_table_t *headers_out;           /* NULL: was empty */
    apr_table_t *err_headers_out;
    apr_table_t *notes;
    apr_table_t *subprocess_env;
    const char *content_type;
    const char *content_encoding;
    char *path_info;
    int no_cache, no_local_copy, sent_bodyct;
} farm_snapshot;

typedef enum {
    FARM_ANSWER_NONE,                   /* nothing has come from the member */
    FARM_ANSWER_PASSED,                 /* its final status has gone on towards the client */
    FARM_ANSWER_HELD,                   /* its answer is swallowed, for another member shall answer */
    FARM_ANSWER_BROKEN                  /* the connection broke, or it was no HTTP, before anything went on */
} farm_answer;

typedef struct farm_ctx {
    request_rec *r;
    farm_farm *farm;                    /* the one that serves: after a forward another than the URL named */
    const farm_farm *origin;            /* the one that the URL named */
    const char *farm_url;               /* by which the farm that serves is asked for */
    const char *walked;                 /* the URL whose <Proxy> sections the request has; NULL: none were looked for */
    const char *moved_by;               /* its cookies, when they have sent it to another farm than the URL named */
    apr_table_t *headers_in;            /* r->headers_in before those sections changed them; NULL: not kept */
    const char *cookies;                /* of the client, joined; NULL: none, or none of ours */
    int may_have_body;                  /* as far as the request's header says */
    char *client_args;                  /* r->args as they came */
    int forwards;
    const struct farm_fallback *fallback;   /* by which it was forwarded last */
    int member_is_server;               /* what serves is no member but the server of that fallback */
    int as_written;                     /* the path is the administrator's, to be used as it stands */
    apr_uint32_t attempts_before;       /* at members of farms that forwarded it */
    apr_uint32_t condition;             /* of the farm that could not serve it, when it did */
    int is_ready;                       /* the scheme handler has something to do */
    const char *mapped;                 /* r->filename as mod_proxy mapped it: "proxy:scheme://NAME/..." */
    const char *filename;               /* r->filename as it is until a member is chosen: another one after a move */
    const char *path;                   /* the part of it after the farm's name */
    apr_size_t path_length;
    int canonical;                      /* each member's URL is still to be brought into its scheme's canonical form */
    int aside;                          /* mod_proxy's own handlers are at work: ours step aside */
    farm_member *member;                /* who serves, or served last */
    int told;                           /* the environment names that member */
    char *url;
    int outcome;                        /* what the handler returned when the attempts were over */
    /* the answer of the attempt under way */
    farm_answer answer;
    apr_table_t *headers_before;        /* r->headers_out as the attempt began */
    int client_failed;                  /* httpd found the body that the client sends bad */
    int no_http;                        /* what the member sent is no HTTP */
    apr_uint32_t saw;                   /* FARM_SAW_* of the attempt that ended last */
    int may_upgrade;                    /* the client asks for another protocol */
    ap_filter_t *switch_filter;         /* in its place while an attempt may be answered with 101; else NULL */
    int answer_broke;                   /* the member cut it short after something had gone on */
    apr_off_t swallowed;
    int watching;                       /* the filter is in its place */
    ap_filter_t *filters;               /* of mod_proxy_http2's members: what an error page of its replaces */
    ap_conn_keepalive_e keepalive;
    /* the body */
    struct farm_body *body;             /* NULL: not watched */
    int was_read_ahead;                 /* the body was read before a member was chosen, as far as it can be kept */
    conn_rec *sent_to;                  /* where something of the request went in the attempt under way */
    int refused;                        /* the member closed while the request was being written there */
    farm_request request;
    /* What follows request.tried is not cleared when the context is made. */
    farm_snapshot snapshot;
    ap_filter_t filter;
} farm_ctx;

/* farm_request.c */
/* `name`: the member's; NULL for a server, which is none. */
void farm_environment_prepare(apr_pool_t *p, farm_farm *farm, farm_member *member, const char *name);
/* Asked by every hook, of every proxied request. */
static inline farm_ctx *farm_ctx_of(request_rec *r)
{
    return ap_get_module_config(r->request_config, &proxy_farm_module);
}
farm_ctx *farm_ctx_create(request_rec *r, farm_farm *farm, apr_uint32_t number, const char *path);
/* farm_proxy.c: the farm that a URL names, or FARM_NONE, and the path after its name; and a context for a request to a URL,
 * NULL when that is no farm's. */
apr_uint32_t farm_of_url(const char *url, const char **path);
farm_ctx *farm_ctx_begin(request_rec *r, const char *url);
void farm_snapshot_take(farm_ctx *ctx);
void farm_snapshot_restore(farm_ctx *ctx);
/* Tells logs and expressions who serves. An HTTP member's handler asks for variables of its own in it, which takes longer
 * when ours are there: for those it waits until the answer comes. */
void farm_environment(farm_ctx *ctx);
/* The same unless it has been told. */
static inline void farm_environment_complete(farm_ctx *ctx)
{
    if (!ctx->told) {
        farm_environment(ctx);
    }
}
void farm_environment_refused(farm_ctx *ctx, apr_uint32_t condition);

/* farm_outcome.c: each request is counted once, when it has ended */
void farm_outcome_hooks(void);
/* The handler has returned `rc` for good: a subrequest ends with that, since httpd logs no subrequest. */
void farm_outcome_of_subrequest(farm_ctx *ctx, int rc);

/* farm_instruction.c: instruction cookies */
void farm_instruction_register(void);

/* Whether any of them may be one that a farm knows: a quick look, which most requests end with. */
int farm_cookies_may_instruct(const char *cookies);
/* Follows the instruction that holds for the request, and counts its cookies; its farm may be another one then. */
void farm_request_instruct(farm_ctx *ctx, const char *cookies);
/* Ties a request that was forwarded to a farm to the member that the client's cookie of that farm names. */
void farm_request_stick(farm_ctx *ctx, const char *cookies);
/* Takes them out of what members see. */
void farm_request_hide(farm_ctx *ctx);
/* Sets the module's own on the answer, where it is due. */
void farm_answer_set_cookie(farm_ctx *ctx);

/* farm_body.c: keeps what was read of a request's body, so that it can be read again */
void farm_body_register(void);
/* Whether it makes sense to read the body before a member is chosen: it was not tried yet, and as far as the request's header
 * says the body is short enough to be kept. */
int farm_body_may_be_read_ahead(farm_ctx *ctx);
/* Reads the body as far as it can be kept, waiting for the client; when that is all of it, the request gets
 * FARM_REQUEST_BODY_READY. OK, or the status for a client that does not send what it promised. */
int farm_body_read_ahead(farm_ctx *ctx);
void farm_body_watch(farm_ctx *ctx);
void farm_body_rewind(farm_ctx *ctx);
int farm_body_can_resend(farm_ctx *ctx);
int farm_body_was_asked(farm_ctx *ctx);
int farm_body_failed(farm_ctx *ctx);
/* Whether some of it was read and its end was not. */
int farm_body_is_unfinished(farm_ctx *ctx);
/* The member takes no more of it: whoever reads it in this attempt is at its end. */
void farm_body_refuse(farm_ctx *ctx);
/* How many bytes that are not the client's were read in the attempt that is over. */
apr_off_t farm_body_attempt_over(farm_ctx *ctx);
/* Whether mod_proxy_http got as far as reading the body, which it does when it has a connection from the pool. */
int farm_body_was_prefetched(farm_ctx *ctx);

/* farm_upload.c: members that answer and close while the body is still being written */
void farm_upload_register(void);
/* Around each attempt. `outer`: what the first has returned. The second tells how many bytes mod_proxy has counted as sent
 * that were none of the client's and were thrown away. */
farm_ctx *farm_upload_begin(farm_ctx *ctx);
apr_off_t farm_upload_end(farm_ctx *ctx, farm_ctx *outer);

/* farm_answer.c: what comes back from the member */
void farm_answer_register(void);
void farm_answer_expect(farm_ctx *ctx);
/* When the attempts are over, or the member has answered 101. */
void farm_answer_over(farm_ctx *ctx);
void farm_answer_take_reports(farm_ctx *ctx);
/* Around an attempt at a member of mod_proxy_http2's, which sends error pages by itself. */
void farm_answer_guard(farm_ctx *ctx);
void farm_answer_unguard(farm_ctx *ctx);

/* farm_reverse.c: a member's URLs in the answer's header become the farm's */
void farm_reverse_index(apr_pool_t *p, farm_farm *farm);
void farm_reverse_map(farm_ctx *ctx);

/* farm_header.c: one pass over the header of each request and answer */

/* Looks through a request's header: whether it may have a body is noted, its cookies are returned, joined; NULL: none. */
const char *farm_request_look(farm_ctx *ctx);

/* What stands in an answer's header that needs a closer look. */
#define FARM_HEADER_LENGTHS 1u          /* more than one Content-Length */
#define FARM_HEADER_PLACES 2u           /* one that may name a member */
unsigned int farm_header_look(request_rec *r);

#endif
