/* farm_directives.h - what the files of directives share. */
#ifndef FARM_DIRECTIVES_H
#define FARM_DIRECTIVES_H

#include "farm_shim.h"

/* The farm that a directive of one speaks of; NULL, and an error, outside <Farm>. */
farm_farm *farm_being_read(cmd_parms *cmd, const char **error);

/* farm_load_directives.c */
const char *farm_algorithm_line(cmd_parms *cmd, void *dummy, const char *name, const char *expression);
const char *farm_load_line(cmd_parms *cmd, void *dummy, const char *formula);
const char *farm_expect_line(cmd_parms *cmd, void *dummy, const char *time, const char *what);
const char *farm_report_line(cmd_parms *cmd, void *dummy, const char *word);

#endif
