/* mod_comma.c - for test_460: what some modules do to the whole process, set a locale that writes numbers with a comma. */
#include "httpd.h"
#include "http_config.h"
#include "http_log.h"

#include <locale.h>
#include <stdlib.h>

static const char *folder;

static const char *comma(cmd_parms *cmd, void *config, const char *path)
{
    (void)cmd;
    (void)config;
    folder = path;
    setenv("LOCPATH", folder, 1);
    return setlocale(LC_NUMERIC, "de_DE.UTF-8") && localeconv()->decimal_point[0] == ',' ? NULL : "no such locale";
}

static const command_rec directives[] = {
    AP_INIT_TAKE1("Comma", comma, NULL, RSRC_CONF | EXEC_ON_READ, "the folder of the locale de_DE.UTF-8"),
    { NULL }
};

AP_DECLARE_MODULE(comma) = { STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, directives, NULL, 0 };
