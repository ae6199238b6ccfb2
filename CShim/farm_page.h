/* farm_page.h - the page for people: status, and, for who may, the buttons of farm-manager. */
#ifndef FARM_PAGE_H
#define FARM_PAGE_H

#include "farm_shim.h"

/* farm-manager as a client of a page sees it. */
typedef struct farm_page_manager {
    const char *path;                   /* NULL: there is none in this virtual host */
    int is_allowed;                     /* this client may use it */
} farm_page_manager;

/* Looks for farm-manager in the <Location>s of the request's virtual host, and asks httpd whether this client may use it. */
farm_page_manager farm_page_find_manager(request_rec *r);
/* Whether a script of the page asks for what has changed. */
int farm_page_is_update(request_rec *r);
/* Hook post_perdir_config: keeps what is found out so out of the error log. */
int farm_page_quiet(request_rec *r);
/* Answers with the page, or, when a script of the page asks for it, with what changes in it. */
int farm_page_answer(request_rec *r, farm_page_manager manager);
/* Once, before a configuration is read. */
void farm_page_prepare(void);

#endif
