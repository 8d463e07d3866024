/* SPDX-License-Identifier: Apache-2.0 */
/* pawl.conf: the table of keys, and reading a file by it. */
#include "agent/config.h"

#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/must.h"
#include "agent/config_value.h"

struct row {
	struct config_key key;
	config_read_fn *read;
	struct config_place place;
};

#define DAY 86400
#define AT(m)                                                                                      \
	{                                                                                          \
		.offset = offsetof(struct config, m)                                               \
	}
#define TEXT(m)                                                                                    \
	{                                                                                          \
		.offset = offsetof(struct config, m), .size = sizeof(((struct config *)0)->m)      \
	}
#define NUMBER(m, least, most)                                                                     \
	{                                                                                          \
		.offset = offsetof(struct config, m), .min = (least), .max = (most)                \
	}

/* clang-format off */
static const struct row rows[] = {
	{{"device", "product", "NAME", NULL, "Product whose releases this device takes"},
		config_read_name, TEXT(product)},
	{{"device", "compatible", "TEXT", NULL,
		"Hardware; a release is taken only if it lists exactly this text"},
		config_read_text, TEXT(compatible)},
	{{"device", "channel", "NAME", "stable", "Channel that is followed"},
		config_read_name, TEXT(channel)},
	{{"repository", "url", "URL ...", "",
		"Base URLs of the repository and its mirrors, tried in order; more may follow on "
		"indented lines. Without one, only bundle files are installed"},
		config_read_urls, AT(urls)},
	{{"repository", "ca-file", "PATH", "",
		"PEM file with the authorities that may vouch for the server; empty = the system's"},
		config_read_path, TEXT(ca_file)},
	{{"repository", "client-cert", "PATH", "", "PEM certificate shown to the server"},
		config_read_path, TEXT(client_cert)},
	{{"repository", "client-key", "PATH", "", "PEM key of the client certificate"},
		config_read_path, TEXT(client_key)},
	{{"repository", "token-file", "PATH", "",
		"File whose first line is sent as bearer token, over https only"},
		config_read_path, TEXT(token_file)},
	{{"repository", "proxy", "URL", "", "HTTP proxy"}, config_read_proxy, TEXT(proxy)},
	{{"repository", "allow-http", "yes|no", "no",
		"Accept http:// URLs: what is installed is signed all the same, but others can see it"},
		config_read_yes_no, AT(allow_http)},
	{{"repository", "rate-limit", "BYTES", "0", "Bytes per second at most; 0 = no limit"},
		config_read_u64, NUMBER(rate_limit, 0, UINT64_C(1) << 40)},
	{{"repository", "connect-timeout", "SECONDS", "30", "Limit for making a connection"},
		config_read_uint, NUMBER(connect_timeout, 1, 3600)},
	{{"repository", "low-speed-bytes", "BYTES", "100",
		"A transfer slower than this, in bytes per second, is given up after low-speed-seconds"},
		config_read_uint, NUMBER(low_speed_bytes, 1, 1u << 30)},
	{{"repository", "low-speed-seconds", "SECONDS", "60", "See low-speed-bytes"},
		config_read_uint, NUMBER(low_speed_seconds, 1, DAY)},
	{{"repository", "metadata-deadline", "SECONDS", "120", "Total limit for one metadata file"},
		config_read_uint, NUMBER(metadata_deadline, 1, DAY)},
	{{"repository", "object-deadline", "SECONDS", "86400", "Total limit for one object"},
		config_read_u64, NUMBER(object_deadline, 1, 30 * DAY)},
	{{"repository", "backoff-base", "SECONDS", "60",
		"Bound of the first random wait after a failed poll; it doubles with each failure"},
		config_read_u64, NUMBER(backoff_base, 1, DAY)},
	{{"repository", "backoff-cap", "SECONDS", "86400", "Bound of every wait after failed polls"},
		config_read_u64, NUMBER(backoff_cap, 1, 30 * DAY)},
	{{"repository", "offline-expiry", "warn|refuse", "warn",
		"What happens to a local bundle whose metadata has expired"},
		config_read_expiry, AT(offline_expiry_refuse)},
	{{"policy", "auto", "security|all|notify|off", "security",
		"Which releases are installed without a person asking for it"},
		config_read_auto, AT(automatic)},
	{{"policy", "reboot", "now|never|window HH:MM-HH:MM", "now",
		"When to reboot into an installed release; the window is local time"},
		config_read_reboot, AT(reboot)},
	{{"policy", "install-attempts", "NUMBER", "3",
		"Attempts to install one release before it is left alone"},
		config_read_uint, NUMBER(install_attempts, 1, 100)},
	{{"boot", "loader", "uboot|uboot-rauc|uboot-mender|tryboot|script|sim", "uboot",
		"Boot loader, and whose variables its boot script reads"},
		config_read_loader, TEXT(loader)},
	{{"boot", "fw-env-config", "PATH", "/etc/fw_env.config",
		"Where the boot environment lies, as libubootenv reads it"},
		config_read_path, TEXT(fw_env_config)},
	{{"boot", "autoboot", "PATH", "",
		"Partition with autoboot.txt, for `loader = tryboot`; not mounted"},
		config_read_path, TEXT(autoboot)},
	{{"boot", "partition-a", "NUMBER", "",
		"Number of the partition that slot A boots from, for `tryboot` and `uboot-mender`"},
		config_read_uint, NUMBER(partition_a, 1, 255)},
	{{"boot", "partition-b", "NUMBER", "", "The same of slot B"},
		config_read_uint, NUMBER(partition_b, 1, 255)},
	{{"boot", "script", "PATH", "", "Executable that answers for `loader = script`"},
		config_read_path, TEXT(boot_script)},
	{{"boot", "reboot-command", "PATH", "",
		"Executable that reboots; empty = the reboot system call"},
		config_read_path, TEXT(reboot_command)},
	{{"boot", "root-mount", "PATH", "/", "Where the root file system of the slot is mounted"},
		config_read_path, TEXT(root_mount)},
	{{"boot", "allow-single-env", "yes|no", "no",
		"Accept a boot environment without a second copy: a power cut may then lose it"},
		config_read_yes_no, AT(allow_single_env)},
	{{"boot", "tries", "NUMBER", "3", "Boots that a new release gets to prove itself"},
		config_read_uint, NUMBER(tries, 1, BOOT_TRIES_MAX)},
	{{"health", "deadline", "SECONDS", "600",
		"Time after boot in which a new release must prove itself healthy"},
		config_read_uint, NUMBER(health_deadline, 1, DAY)},
	{{"health", "hook-timeout", "SECONDS", "60", "Limit for each hook and check"},
		config_read_uint, NUMBER(hook_timeout, 1, 3600)},
	{{"watchdog", "device", "PATH", "", "Watchdog that guards a trial, such as /dev/watchdog0"},
		config_read_path, TEXT(watchdog_device)},
	{{"watchdog", "timeout", "SECONDS", "300",
		"Longer than the boot until `pawl health`, and than hook-timeout by 10 or more"},
		config_read_uint, NUMBER(watchdog_timeout, 1, 3600)},
	{{"watchdog", "after-commit", "close|leave", "close",
		"Stop it at the commit, or leave it running for a program that feeds it from then on"},
		config_read_watchdog, AT(watchdog_leave)},
	{{"install", "keep-failed", "yes|no", "no",
		"Keep the content of a slot that failed its trial, to look into it"},
		config_read_yes_no, AT(keep_failed)},
	{{"paths", "data", "PATH", "/var/lib/pawl",
		"State, trust metadata and journal; outside the slots"},
		config_read_device, TEXT(data_dir)},
	{{"paths", "root-json", "PATH", "/usr/share/pawl/root.json", "Trusted root of the image"},
		config_read_device, TEXT(root_json)},
	{{"paths", "backstop-json", "PATH", "/usr/share/pawl/backstop.json", "Lower bounds of the image"},
		config_read_device, TEXT(backstop_json)},
	{{"paths", "hooks-image", "PATH", "/usr/lib/pawl/hooks", "Hooks that come with the image"},
		config_read_device, TEXT(hooks_image)},
	{{"paths", "hooks-local", "PATH", "/etc/pawl/hooks",
		"Hooks of the integrator; the same name overrides"},
		config_read_device, TEXT(hooks_local)},
	{{"slot A", "IMAGE", "DEVICE", NULL,
		"Partition of slot A for the image of this name; one line for each image"},
		NULL, {0}},
	{{"slot B", "IMAGE", "DEVICE", NULL,
		"Partition of slot B for the image of this name; the same names as in slot A"},
		NULL, {0}},
};
/* clang-format on */

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

/* What is known while the file is read. */
struct reading {
	struct config *c;
	const char *text; /* what is left of the file */
	unsigned line; /* number of the line that libinih has now */
	bool indented; /* that line starts with white space: it may go on with a value */
	bool seen[ROW_COUNT];
	const struct row *last; /* the key before, which an indented line may continue */
	unsigned bad_line; /* 0 = none yet */
	struct err *e;
};

const struct config_key *config_key_at(size_t index)
{
	return index < ROW_COUNT ? &rows[index].key : NULL;
}

static const struct row *find_row(const char *section, const char *key)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (rows[i].read && strcmp(rows[i].key.section, section) == 0 &&
			strcmp(rows[i].key.key, key) == 0)
			return &rows[i];
	}
	return NULL;
}

static bool section_is_known(const char *section)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (strcmp(rows[i].key.section, section) == 0)
			return true;
	}
	return false;
}

/* The slot that a section describes, or NULL. */
static struct config_slot *slot_section(struct config *c, const char *section)
{
	if (strcmp(section, "slot A") == 0)
		return &c->slots[0];
	return strcmp(section, "slot B") == 0 ? &c->slots[1] : NULL;
}

/* Adds IMAGE = DEVICE to a slot. */
static int read_part(struct config *c, struct config_slot *slot, const char *image,
	const char *device, struct err *e)
{
	struct slot_part part = {0};
	struct config_place at = {0};

	if (!manifest_name_is_valid(image))
		return err_set(e, E_CONFIG, "image name must match [a-z0-9][a-z0-9._-]{0,31}");
	for (size_t i = 0; i < slot->count; i++) {
		if (strcmp(slot->parts[i].image, image) == 0)
			return err_set(e, E_CONFIG, "is there twice");
	}
	if (slot->count == SLOT_PARTS_MAX)
		return err_set(e, E_CONFIG, "more than %d images in one slot", SLOT_PARTS_MAX);
	snprintf(part.image, sizeof(part.image), "%s", image);
	slot->parts[slot->count] = part;
	at.offset = (size_t)(slot->parts[slot->count].path - (char *)c);
	if (config_read_device(&at, device, c, e) < 0)
		return -1;
	slot->count++;
	return 0;
}

static int read_key(struct reading *r, const struct row *row, const char *value, struct err *e)
{
	size_t i = (size_t)(row - rows);
	bool continues = r->indented && r->last == row && row->read == config_read_urls;

	if (r->seen[i] && !continues)
		return err_set(e, E_CONFIG,
			r->indented
				? "the indented line below it is not a key of its own: remove the indent"
				: "is there twice");
	r->seen[i] = true;
	r->last = row;
	/* An empty value is the default where nothing is the default. */
	if (value[0] == 0 && row->key.standard && row->key.standard[0] == 0)
		return 0;
	return row->read(&row->place, value, r->c, e);
}

static int read_line(struct reading *r, const char *section, const char *key, const char *value)
{
	struct config_slot *slot = slot_section(r->c, section);
	const struct row *row = find_row(section, key);

	if (slot)
		return read_part(r->c, slot, key, value, r->e);
	if (row)
		return read_key(r, row, value, r->e);
	if (!section_is_known(section))
		return err_set(r->e, E_CONFIG, "unknown section");
	return err_set(r->e, E_CONFIG, "unknown key");
}

/* Called by libinih for each KEY = VALUE; 0 tells it of an error. */
static int on_pair(void *user, const char *section, const char *key, const char *value)
{
	struct reading *r = user;

	if (r->bad_line)
		return 0;
	if (read_line(r, section, key, value) == 0)
		return 1;
	r->bad_line = r->line;
	err_wrap(r->e, "[%.40s] %.60s", section, key);
	return 0;
}

static void *bad_text(struct reading *r, const char *why)
{
	if (!r->bad_line) {
		r->bad_line = r->line;
		err_set(r->e, E_CONFIG, "%s", why);
	}
	return NULL;
}

/* libinih tells nothing of a section without keys, and ignores what stands behind ']'. */
static bool section_line_is_good(const char *line)
{
	char name[32];
	size_t len = strcspn(++line, "]");
	const char *rest = line + len + 1;

	if (line[len] != ']' || len >= sizeof(name))
		return false;
	memcpy(name, line, len);
	name[len] = 0;
	rest += strspn(rest, " \t\r\n");
	return section_is_known(name) && (*rest == 0 || *rest == '#' || *rest == ';');
}

/*
 * Hands libinih the next line, as fgets does. Its own reading would split a
 * line that is longer than its buffer and take the rest for a line of its own.
 */
static char *next_line(char *out, int size, void *user)
{
	struct reading *r = user;
	size_t len = strcspn(r->text, "\n");

	if (r->bad_line || r->text[0] == 0)
		return NULL;
	r->line++;
	if (len + 2 > (size_t)size)
		return bad_text(r, "line is too long");
	memcpy(out, r->text, len);
	out[len] = 0;
	r->text += len + (r->text[len] == '\n');
	for (const char *p = out; *p; p++) {
		bool control = (unsigned char)*p < 0x20 && *p != '\t' && *p != '\r';
		if (control || *p == 0x7f)
			return bad_text(r, "control character");
	}
	r->indented = out[0] == ' ' || out[0] == '\t';
	if (out[0] == '[' && !section_line_is_good(out))
		return bad_text(r, "unknown or malformed section");
	return out;
}

static int set_defaults(struct config *c, struct err *e)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		const char *standard = rows[i].key.standard;
		if (standard && standard[0] && rows[i].read(&rows[i].place, standard, c, e) < 0)
			return err_wrap(e, "default of %s", rows[i].key.key);
	}
	return 0;
}

static int read_text(struct config *c, const char *text, struct reading *r, struct err *e)
{
	*r = (struct reading){.c = c, .text = text, .e = e};
	int line = ini_parse_stream(next_line, r, on_pair, r);

	/* libinih reports the first bad line; where it is not ours, it is one of syntax. */
	if (line > 0 && (r->bad_line == 0 || (unsigned)line < r->bad_line))
		return err_set(e, E_CONFIG, "%s:%d: neither [SECTION], KEY = VALUE nor a comment",
			c->file, line);
	if (r->bad_line)
		return err_wrap(e, "%s:%u", c->file, r->bad_line);
	if (line < 0)
		return err_set(e, E_NOMEM, "%s: no memory to read it", c->file);
	return 0;
}

static int check_needed(const struct config *c, const struct reading *r, struct err *e)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		const struct config_key *k = &rows[i].key;
		if (rows[i].read && !k->standard && !r->seen[i])
			return err_set(
				e, E_CONFIG, "%s: [%s] %s is missing", c->file, k->section, k->key);
	}
	return 0;
}

int config_load(const char *root, const char *file, struct config *out, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(CONFIG_FILE_MAX);
	AUTO_FREE struct config *c = calloc(1, sizeof(*c));
	struct config_place at = {.offset = offsetof(struct config, file)};
	struct reading r;

	if (!c)
		return err_set(e, E_NOMEM, "no memory for the configuration");
	snprintf(c->root, sizeof(c->root), "%s", root);
	if (strlen(root) == 0 || strlen(root) >= sizeof(c->root) ||
		(file && strlen(file) >= sizeof(c->file)))
		return err_set(e, E_CONFIG, "root or configuration file has no usable length");
	if (file)
		snprintf(c->file, sizeof(c->file), "%s", file);
	else if (config_read_path(&at, "/etc/pawl/pawl.conf", c, e) < 0)
		return -1;
	if (file_read(AT_FDCWD, c->file, &text, e) < 0) {
		e->code = E_CONFIG;
		return err_wrap(e, "configuration");
	}
	if (memchr(buf_text(&text), 0, text.len))
		return err_set(e, E_CONFIG, "%s: holds a NUL byte", c->file);
	if (set_defaults(c, e) < 0 || read_text(c, buf_text(&text), &r, e) < 0 ||
		check_needed(c, &r, e) < 0)
		return -1;
	if (config_check(c, e) < 0)
		return err_wrap(e, "%s", c->file);
	*out = *c;
	return 0;
}

const struct config_slot *config_slot_of(const struct config *c, char slot)
{
	return slot == 'A' ? &c->slots[0] : slot == 'B' ? &c->slots[1] : NULL;
}

char config_other_slot(char slot)
{
	return slot == 'A' ? 'B' : slot == 'B' ? 'A' : 0;
}
