/* farm_directives.h - what the files of directives share. */
#ifndef FARM_DIRECTIVES_H
#define FARM_DIRECTIVES_H

#include "farm_shim.h"

/* The farm that a directive of one speaks of; NULL, and an error, outside <Farm>. */
farm_farm *farm_being_read(cmd_parms *cmd, const char **error);

/* Why a directive may not stand where it does, or NULL. */
const char *farm_wrong_place(cmd_parms *cmd);

/* farm_fallback.c */
const char *farm_redirect_line(cmd_parms *cmd, void *dummy, int argc, char *const argv[]);
const char *farm_forward_line(cmd_parms *cmd, void *dummy, const char *condition, const char *url);
/* When the configuration is complete: the farms and servers that FarmForward names. */
int farm_fallbacks_check(server_rec *s, apr_pool_t *pconf, farm_conf *conf);

/* farm_sticky.c */
const char *farm_sticky_line(cmd_parms *cmd, void *dummy, const char *word, const char *names);
const char *farm_cookie_line(cmd_parms *cmd, void *dummy, const char *name);
/* Stores the value of FarmSet samesite= in `into`, spelled for Set-Cookie. Returns 0 if the word is not a valid value. */
int farm_samesite(const char *word, const char **into);
/* When FarmCookie's name is known: the farm of that number, after all before it. */
void farm_sticky_check(server_rec *s, apr_pool_t *p, farm_conf *conf, int number);
const char *farm_check_cookie_name(apr_pool_t *p, const char *directive, const char *name);

/* farm_secret.c */
const char *farm_secret_file_line(cmd_parms *cmd, void *dummy, const char *path);

/* farm_state_file.c */
const char *farm_state_file_line(cmd_parms *cmd, void *dummy, const char *path);

/* farm_load_directives.c */
const char *farm_algorithm_line(cmd_parms *cmd, void *dummy, const char *name, const char *expression);
const char *farm_load_line(cmd_parms *cmd, void *dummy, const char *formula);
const char *farm_expect_line(cmd_parms *cmd, void *dummy, const char *time, const char *what);
const char *farm_report_line(cmd_parms *cmd, void *dummy, const char *word);

#endif
