/* SPDX-License-Identifier: Apache-2.0 */
/* pawl.conf: keys that contradict each other. */
#include <string.h>

#include "agent/base/must.h"
#include "agent/config_value.h"

#define WATCHDOG_SLACK 10 /* seconds: the pause between two rounds of checks, and some more */

static int check_repository(const struct config *c, struct err *e)
{
	bool credentials = c->token_file[0] || c->client_cert[0];

	if ((c->client_cert[0] == 0) != (c->client_key[0] == 0))
		return err_set(e, E_CONFIG,
			"[repository] client-cert and client-key must be given together");
	if (c->backoff_cap < c->backoff_base)
		return err_set(e, E_CONFIG, "[repository] backoff-cap is below backoff-base");
	for (size_t i = 0; i < c->url_count; i++) {
		bool https = strncmp(c->urls[i], "https://", 8) == 0;
		if (!MUST("config.http", https || c->allow_http))
			return err_set(e, E_CONFIG,
				"[repository] url: %.200s needs allow-http = yes", c->urls[i]);
		/* CVE-2019-3462 class: what goes over http can be read and changed on the way. */
		if (!MUST("config.http-credentials", https || !credentials))
			return err_set(e, E_CONFIG,
				"[repository] url: %.200s: a token or client certificate must not go "
				"over http",
				c->urls[i]);
	}
	return 0;
}

static int check_boot(const struct config *c, struct err *e)
{
	if (strcmp(c->loader, "script") == 0 && c->boot_script[0] == 0)
		return err_set(e, E_CONFIG, "[boot] loader = script needs script = PATH");
	bool tryboot = strcmp(c->loader, "tryboot") == 0;
	bool numbers = tryboot || strcmp(c->loader, "uboot-mender") == 0;
	if (tryboot && c->autoboot[0] == 0)
		return err_set(e, E_CONFIG, "[boot] loader = tryboot needs autoboot = PARTITION");
	if (numbers &&
		(c->partition_a == 0 || c->partition_b == 0 || c->partition_a == c->partition_b))
		return err_set(e, E_CONFIG,
			"[boot] loader = %s needs partition-a and partition-b, two numbers that differ",
			c->loader);
	return 0;
}

/* It is fed after each check, so that one that takes all of its time must not reset the machine. */
static int check_watchdog(const struct config *c, struct err *e)
{
#ifndef CONFIG_WATCHDOG
	if (c->watchdog_device[0])
		return err_set(
			e, E_CONFIG, "[watchdog] device: this agent is built without a watchdog");
#endif
	if (c->watchdog_device[0] && c->watchdog_timeout < c->hook_timeout + WATCHDOG_SLACK)
		return err_set(e, E_CONFIG,
			"[watchdog] timeout is %u; with [health] hook-timeout = %u it must be %u or more",
			c->watchdog_timeout, c->hook_timeout, c->hook_timeout + WATCHDOG_SLACK);
	return 0;
}

static bool slot_has_image(const struct config_slot *s, const char *image)
{
	for (size_t i = 0; i < s->count; i++) {
		if (strcmp(s->parts[i].image, image) == 0)
			return true;
	}
	return false;
}

/* How often a device is named in a slot. */
static size_t count_device(const struct config_slot *s, const char *path)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += strcmp(s->parts[i].path, path) == 0;
	return n;
}

static int check_slot(const struct config *c, size_t index, struct err *e)
{
	const struct config_slot *s = &c->slots[index];
	const struct config_slot *other = &c->slots[1 - index];
	char name = index == 0 ? 'A' : 'B';

	if (s->count == 0)
		return err_set(e, E_CONFIG, "[slot %c] names no image", name);
	for (size_t i = 0; i < s->count; i++) {
		const struct slot_part *p = &s->parts[i];
		if (!slot_has_image(other, p->image))
			return err_set(e, E_CONFIG,
				"[slot %c] %s: the other slot has no such image", name, p->image);
		/* remote-os 68: an update was written over the system that ran. */
		size_t n = count_device(s, p->path) + count_device(other, p->path);
		if (!MUST("config.device-twice", n == 1))
			return err_set(e, E_CONFIG, "[slot %c] %s: %s is named twice", name,
				p->image, p->path);
	}
	return 0;
}

int config_check(const struct config *c, struct err *e)
{
	if (check_repository(c, e) < 0 || check_boot(c, e) < 0 || check_watchdog(c, e) < 0 ||
		check_slot(c, 0, e) < 0)
		return -1;
	return check_slot(c, 1, e);
}
