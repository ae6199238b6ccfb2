/* farm_form.h - bodies that are a form, and what the handlers that speak plain text say. */
#ifndef FARM_FORM_H
#define FARM_FORM_H

#include "farm_shim.h"

/* What a handler says where there is nothing to ask about. */
#define FARM_NO_FARMS "this server has no farm; write one with <Farm NAME> in its configuration"

/* Makes the answer plain text that no cache keeps. */
void farm_text_begin(request_rec *r);
/* Answers with a status and one line that says why; OK. */
int farm_text_refuse(request_rec *r, int status, const char *why);
/* Whether the body is announced as a form. */
int farm_form_is_type(request_rec *r);
/* Reads the body, at most `longest` bytes of it: *length is larger when there is more. OK, or the status of a client that
 * failed to send it. */
int farm_form_read(request_rec *r, apr_size_t longest, char **body, apr_size_t *length);

#endif
