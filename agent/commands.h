/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of pawl: one function each in its cmd_*.c; the table is in verbs.c. */
#pragma once

#include "agent/base/verb.h"
#include "agent/session.h"

extern const struct verb_program pawl_program;

/* Options of verbs, in the order of their cmd_*.c's enum. */
extern const struct verb_option poll_options[];
extern const struct verb_option check_options[];
extern const struct verb_option install_options[];
extern const struct verb_option status_options[];
extern const struct verb_option health_options[];
extern const struct verb_option reboot_options[];
extern const struct verb_option journal_show_options[];
extern const struct verb_option provision_options[];
extern const struct verb_option doctor_options[];

/* `ctx` is struct session_options. Contract: struct verb. */
int cmd_poll(void *ctx, int argc, char **argv, struct err *e);
int cmd_check(void *ctx, int argc, char **argv, struct err *e);
int cmd_install(void *ctx, int argc, char **argv, struct err *e);
int cmd_status(void *ctx, int argc, char **argv, struct err *e);
int cmd_boot(void *ctx, int argc, char **argv, struct err *e);
int cmd_health(void *ctx, int argc, char **argv, struct err *e);
int cmd_commit(void *ctx, int argc, char **argv, struct err *e);
int cmd_rollback(void *ctx, int argc, char **argv, struct err *e);
int cmd_reboot(void *ctx, int argc, char **argv, struct err *e);
int cmd_journal_show(void *ctx, int argc, char **argv, struct err *e);
int cmd_journal_verify(void *ctx, int argc, char **argv, struct err *e);
int cmd_doctor(void *ctx, int argc, char **argv, struct err *e);
int cmd_provision(void *ctx, int argc, char **argv, struct err *e);
int cmd_sim_boot(void *ctx, int argc, char **argv, struct err *e);
int cmd_version(void *ctx, int argc, char **argv, struct err *e);

/* E_USAGE when words are left that the verb does not take. */
int command_no_words(int rest, char **argv, struct err *e);

/*
 * A file of --offline-from (NULL = not given) can be read, or E_USAGE: with a wrong
 * name everything would be fetched, over the link that the file was to spare.
 */
int command_check_offline(const char *path, struct err *e);
