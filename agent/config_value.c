/* SPDX-License-Identifier: Apache-2.0 */
/* Values of pawl.conf: one strict reader for each form. */
#include "agent/config_value.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/file.h"

static void *place_of(const struct config_place *p, struct config *c)
{
	return (char *)c + p->offset;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_plain_ascii(const char *text)
{
	for (; *text; text++) {
		if (*text <= 0x20 || *text >= 0x7f)
			return false;
	}
	return true;
}

int config_read_text(
	const struct config_place *p, const char *text, struct config *c, struct err *e)
{
	size_t len = strlen(text);

	if (len == 0 || len >= p->size)
		return err_set(e, E_CONFIG, "must have 1 to %zu bytes, not %zu", p->size - 1, len);
	memcpy(place_of(p, c), text, len + 1);
	return 0;
}

int config_read_name(
	const struct config_place *p, const char *text, struct config *c, struct err *e)
{
	if (!manifest_name_is_valid(text))
		return err_set(e, E_CONFIG, "\"%.40s\" must match [a-z0-9][a-z0-9._-]{0,31}", text);
	return config_read_text(p, text, c, e);
}

/* "." and ".." could lead out of the root prefix, and one device would have many names. */
static bool path_is_plain(const char *path)
{
	if (path[0] != '/')
		return false;
	if (path[1] == 0)
		return true;
	for (const char *part = path; part; part = strchr(part + 1, '/')) {
		size_t len = strcspn(part + 1, "/");
		bool dots = (len == 1 && part[1] == '.') ||
			    (len == 2 && part[1] == '.' && part[2] == '.');
		if (len == 0 || dots)
			return false;
	}
	return true;
}

int config_read_path(
	const struct config_place *p, const char *text, struct config *c, struct err *e)
{
	char *out = place_of(p, c);

	if (text[0] == 0) {
		out[0] = 0;
		return 0;
	}
	if (!path_is_plain(text))
		return err_set(e, E_CONFIG,
			"\"%.80s\" must be an absolute path without empty, \".\" or \"..\" parts",
			text);
	return file_join(out, CONFIG_PATH_SIZE, c->root, text, e);
}

int config_read_device(
	const struct config_place *p, const char *text, struct config *c, struct err *e)
{
	if (text[0] == 0 || strcmp(text, "/") == 0)
		return err_set(e, E_CONFIG, "must name a device or file");
	return config_read_path(p, text, c, e);
}

int config_read_yes_no(
	const struct config_place *p, const char *text, struct config *c, struct err *e)
{
	bool yes = strcmp(text, "yes") == 0;

	if (!yes && strcmp(text, "no") != 0)
		return err_set(e, E_CONFIG, "\"%.40s\" must be yes or no", text);
	*(bool *)place_of(p, c) = yes;
	return 0;
}

/* Digits only: strtoul takes "-1", " 7" and "0x7" as well. */
static int read_number(const struct config_place *p, const char *text, uint64_t *out, struct err *e)
{
	uint64_t n = 0;
	bool good = text[0] != 0 && strlen(text) <= 18;

	for (const char *t = text; good && *t; t++) {
		good = is_digit(*t);
		n = n * 10 + (uint64_t)(*t - '0');
	}
	if (!good || n < p->min || n > p->max)
		return err_set(e, E_CONFIG,
			"\"%.40s\" must be a number from %" PRIu64 " to %" PRIu64, text, p->min,
			p->max);
	*out = n;
	return 0;
}

int config_read_uint(
	const struct config_place *p, const char *text, struct config *c, struct err *e)
{
	uint64_t n;

	if (read_number(p, text, &n, e) < 0)
		return -1;
	*(unsigned *)place_of(p, c) = (unsigned)n;
	return 0;
}

int config_read_u64(const struct config_place *p, const char *text, struct config *c, struct err *e)
{
	return read_number(p, text, place_of(p, c), e);
}

/* Host of a URL starts behind "://"; NULL where there is none. */
static const char *url_host(const char *url)
{
	if (strncmp(url, "https://", 8) == 0)
		return url + 8;
	return strncmp(url, "http://", 7) == 0 ? url + 7 : NULL;
}

static int check_url(const char *url, struct err *e)
{
	const char *host = url_host(url);

	if (!host || strcspn(host, "/:") == 0 || !is_plain_ascii(url))
		return err_set(e, E_CONFIG, "\"%.80s\" must start with https://HOST", url);
	if (strpbrk(host, "?#"))
		return err_set(e, E_CONFIG, "\"%.80s\" must not have a query or fragment", url);
	/* A password in a URL ends up in logs; there is token-file. */
	if (memchr(host, '@', strcspn(host, "/")))
		return err_set(e, E_CONFIG, "URL must not hold a user name or password");
	return 0;
}

static int add_url(struct config *c, const char *url, size_t len, struct err *e)
{
	if (c->url_count >= CONFIG_URLS_MAX)
		return err_set(e, E_CONFIG, "more than %d URLs", CONFIG_URLS_MAX);
	if (len >= CONFIG_PATH_SIZE)
		return err_set(e, E_CONFIG, "URL of more than %d bytes", CONFIG_PATH_SIZE - 1);
	char *out = c->urls[c->url_count];
	memcpy(out, url, len);
	out[len] = 0;
	if (check_url(out, e) < 0)
		return -1;
	while (len > 0 && out[len - 1] == '/')
		out[--len] = 0;
	c->url_count++;
	return 0;
}

int config_read_urls(
	const struct config_place *p, const char *text, struct config *c, struct err *e)
{
	(void)p;
	for (;;) {
		text += strspn(text, " \t");
		size_t len = strcspn(text, " \t");
		if (len == 0)
			return 0;
		if (add_url(c, text, len, e) < 0)
			return -1;
		text += len;
	}
}

int config_read_proxy(
	const struct config_place *p, const char *text, struct config *c, struct err *e)
{
	if (check_url(text, e) < 0)
		return -1;
	return config_read_text(p, text, c, e);
}

/* Index of `text` among `count` words; E_CONFIG lists them. */
static int read_word(
	const char *text, const char *const *words, size_t count, size_t *out, struct err *e)
{
	char all[120] = "";
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(text, words[i]) == 0) {
			*out = i;
			return 0;
		}
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", i ? ", " : "", words[i]);
	}
	return err_set(e, E_CONFIG, "\"%.40s\" must be one of: %s", text, all);
}

int config_read_auto(
	const struct config_place *p, const char *text, struct config *c, struct err *e)
{
	static const char *const words[] = {"security", "all", "notify", "off"};
	size_t i;

	(void)p;
	if (read_word(text, words, 4, &i, e) < 0)
		return -1;
	c->automatic = (enum policy_auto)i;
	return 0;
}

int config_read_expiry(
	const struct config_place *p, const char *text, struct config *c, struct err *e)
{
	static const char *const words[] = {"warn", "refuse"};
	size_t i;

	(void)p;
	if (read_word(text, words, 2, &i, e) < 0)
		return -1;
	c->offline_expiry_refuse = i == 1;
	return 0;
}

int config_read_watchdog(
	const struct config_place *p, const char *text, struct config *c, struct err *e)
{
	static const char *const words[] = {"close", "leave"};
	size_t i;

	(void)p;
	if (read_word(text, words, 2, &i, e) < 0)
		return -1;
	c->watchdog_leave = i == 1;
	return 0;
}

int config_read_loader(
	const struct config_place *p, const char *text, struct config *c, struct err *e)
{
	static const char *const words[] = {
		"uboot", "uboot-rauc", "uboot-mender", "tryboot", "script", "sim"};
	size_t i;

	if (read_word(text, words, sizeof(words) / sizeof(words[0]), &i, e) < 0)
		return -1;
	return config_read_text(p, text, c, e);
}

/* "HH:MM" into minutes after midnight; false for anything else. */
static bool read_clock(const char *t, unsigned *minutes)
{
	if (!is_digit(t[0]) || !is_digit(t[1]) || t[2] != ':' || !is_digit(t[3]) || !is_digit(t[4]))
		return false;
	unsigned hour = (unsigned)((t[0] - '0') * 10 + (t[1] - '0'));
	unsigned minute = (unsigned)((t[3] - '0') * 10 + (t[4] - '0'));
	*minutes = hour * 60 + minute;
	return hour < 24 && minute < 60;
}

int config_read_reboot(
	const struct config_place *p, const char *text, struct config *c, struct err *e)
{
	static const char form[] = "window HH:MM-HH:MM";
	unsigned from = 0;
	unsigned to = 0;

	(void)p;
	if (strcmp(text, "now") == 0 || strcmp(text, "never") == 0) {
		c->reboot = text[2] == 'w' ? CONFIG_REBOOT_NOW : CONFIG_REBOOT_NEVER;
		return 0;
	}
	bool good = strlen(text) == sizeof(form) - 1 && strncmp(text, form, 7) == 0 &&
		    read_clock(text + 7, &from) && text[12] == '-' && read_clock(text + 13, &to);
	if (!good || from == to)
		return err_set(e, E_CONFIG, "\"%.40s\" must be now, never or %s", text, form);
	c->reboot = CONFIG_REBOOT_WINDOW;
	c->window_from = from;
	c->window_to = to;
	return 0;
}
