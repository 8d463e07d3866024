/* SPDX-License-Identifier: Apache-2.0 */
/* pawl.conf: one table of keys, from which parser, help, man page and doctor are made. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/plan/policy.h"
#include "partitions/boot/boot.h"
#include "partitions/slot/slot.h"

#define CONFIG_PATH_SIZE 512
#define CONFIG_URLS_MAX  8
#define CONFIG_FILE_MAX  (64 * 1024)

enum config_reboot { CONFIG_REBOOT_NOW, CONFIG_REBOOT_WINDOW, CONFIG_REBOOT_NEVER };

struct config_slot {
	struct slot_part parts[SLOT_PARTS_MAX]; /* paths already below the root prefix */
	size_t count;
};

/* Every value has a default, but for [device] product and compatible, and the slots. */
struct config {
	char root[CONFIG_PATH_SIZE]; /* prefix of all paths, "/" on a device */
	char file[CONFIG_PATH_SIZE]; /* the file that was read, for messages */

	/* [device] */
	char product[PLAN_NAME_SIZE];
	char compatible[PLAN_VERSION_SIZE];
	char channel[PLAN_NAME_SIZE];

	/* [repository] */
	char urls[CONFIG_URLS_MAX][CONFIG_PATH_SIZE];
	size_t url_count;
	char ca_file[CONFIG_PATH_SIZE];
	char client_cert[CONFIG_PATH_SIZE];
	char client_key[CONFIG_PATH_SIZE];
	char token_file[CONFIG_PATH_SIZE];
	char proxy[CONFIG_PATH_SIZE];
	bool allow_http;
	uint64_t rate_limit; /* bytes per second, 0 = none */
	unsigned connect_timeout; /* seconds */
	unsigned low_speed_bytes;
	unsigned low_speed_seconds;
	unsigned metadata_deadline;
	uint64_t object_deadline;
	uint64_t backoff_base; /* seconds */
	uint64_t backoff_cap;
	bool offline_expiry_refuse;

	/* [policy] */
	enum policy_auto automatic;
	enum config_reboot reboot;
	unsigned window_from; /* minutes after local midnight */
	unsigned window_to;
	unsigned install_attempts; /* of one release, before it is left alone */

	/* [boot] */
	char loader[16];
	char fw_env_config[CONFIG_PATH_SIZE];
	char autoboot[CONFIG_PATH_SIZE]; /* tryboot */
	unsigned partition_a; /* tryboot, uboot-mender; 0 = not given */
	unsigned partition_b;
	char boot_script[CONFIG_PATH_SIZE];
	char reboot_command[CONFIG_PATH_SIZE];
	char root_mount[CONFIG_PATH_SIZE]; /* where the slot's rootfs is mounted, default "/" */
	bool allow_single_env;
	unsigned tries;

	/* [health] */
	unsigned health_deadline; /* seconds */
	unsigned hook_timeout;

	/* [watchdog] */
	char watchdog_device[CONFIG_PATH_SIZE]; /* "" = none */
	unsigned watchdog_timeout; /* seconds */
	bool watchdog_leave; /* after the commit it runs on */

	/* [install] */
	bool keep_failed;

	/* [paths] */
	char data_dir[CONFIG_PATH_SIZE]; /* /var/lib/pawl */
	char root_json[CONFIG_PATH_SIZE]; /* /usr/share/pawl/root.json */
	char backstop_json[CONFIG_PATH_SIZE]; /* /usr/share/pawl/backstop.json */
	char hooks_image[CONFIG_PATH_SIZE]; /* /usr/lib/pawl/hooks */
	char hooks_local[CONFIG_PATH_SIZE]; /* /etc/pawl/hooks */

	/* [slot A], [slot B]: IMAGE = DEVICE */
	struct config_slot slots[2];
};

/* One row of the table; `doc` is a sentence for the man page. */
struct config_key {
	const char *section;
	const char *key;
	const char *value; /* form of the value: "yes|no", "SECONDS", "PATH" … */
	const char *standard; /* default as text, "" = none, NULL = must be given */
	const char *doc;
};

/* Rows in the order of the man page; NULL after the last. */
const struct config_key *config_key_at(size_t index);

/*
 * Reads `file` (NULL = <root>/etc/pawl/pawl.conf). Paths in it are taken below
 * `root`. E_CONFIG names file, line, section and key for what is unknown,
 * malformed, missing, given twice, or contradicts another key.
 */
int config_load(const char *root, const char *file, struct config *out, struct err *e);

/* The slots: 0 for 'A', 1 for 'B'. */
const struct config_slot *config_slot_of(const struct config *c, char slot);
char config_other_slot(char slot);
