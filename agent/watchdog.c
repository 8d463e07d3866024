/* SPDX-License-Identifier: Apache-2.0 */
/* The hardware watchdog during a trial: open, write, close, in three steps of three processes. */
#include "agent/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"

#define WATCHDOG_PING '.' /* any byte but the magic one */
#define WATCHDOG_STOP 'V'

/* Opening starts the timer, or feeds it. O_NONBLOCK: a wrong path must not hang the boot. */
static int open_device(const struct config *c, const struct log *log)
{
	int fd = open(c->watchdog_device, O_WRONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == EBUSY)
		log_line(log, LOG_LEVEL_INFO, "watchdog-held device=%s by=another-program",
			c->watchdog_device);
	else if (fd < 0)
		log_line(log, LOG_LEVEL_WARN, "watchdog-missing device=%s reason=\"%s\"",
			c->watchdog_device, strerror(errno));
	return fd;
}

static void write_byte(const struct config *c, int fd, char byte, const struct log *log)
{
	if (write(fd, &byte, 1) != 1)
		log_line(log, LOG_LEVEL_WARN, "watchdog-not-written device=%s reason=\"%s\"",
			c->watchdog_device, strerror(errno));
}

/* Can the driver be stopped? Unknown counts as yes, which is what most are. */
static bool is_nowayout(const struct config *c)
{
	AUTO_BUF struct buf text = buf_make(16);
	const char *slash = strrchr(c->watchdog_device, '/');
	const char *name = slash ? slash + 1 : c->watchdog_device;
	char path[2 * CONFIG_PATH_SIZE + 64];
	struct err e = {0};

	/* /dev/watchdog is the first one by its old name. */
	snprintf(path, sizeof(path), "%s/sys/class/watchdog/%s%s/nowayout", c->root, name,
		strcmp(name, "watchdog") == 0 ? "0" : "");
	return file_read(AT_FDCWD, path, &text, &e) == 0 && buf_text(&text)[0] == '1';
}

static void set_timeout(const struct config *c, int fd, const struct log *log)
{
	int seconds = (int)c->watchdog_timeout;

	if (ioctl(fd, WDIOC_SETTIMEOUT, &seconds) < 0)
		log_line(log, LOG_LEVEL_WARN,
			"watchdog-timeout-not-set device=%s seconds=%u reason=\"%s\"",
			c->watchdog_device, c->watchdog_timeout, strerror(errno));
	else if (seconds != (int)c->watchdog_timeout)
		log_line(log, LOG_LEVEL_WARN, "watchdog-timeout device=%s wanted=%u set=%d",
			c->watchdog_device, c->watchdog_timeout, seconds);
}

static void tell_of_close(const struct config *c, int fd, bool nowayout, const struct log *log)
{
	struct watchdog_info info = {0};

	if (nowayout || ioctl(fd, WDIOC_GETSUPPORT, &info) < 0)
		return;
	if (!(info.options & WDIOF_MAGICCLOSE))
		log_line(log, LOG_LEVEL_WARN,
			"watchdog-stops device=%s reason=\"its driver stops the timer at every close: "
			"load it with nowayout=1, or let systemd feed it\"",
			c->watchdog_device);
}

void watchdog_arm(const struct config *c, const struct log *log)
{
	if (!c->watchdog_device[0])
		return;
	bool nowayout = is_nowayout(c);
	if (nowayout && !c->watchdog_leave) {
		log_line(log, LOG_LEVEL_WARN,
			"watchdog-not-armed device=%s reason=\"nowayout: nothing could stop it after "
			"the commit; set after-commit = leave and let a program feed it\"",
			c->watchdog_device);
		return;
	}
	AUTO_CLOSE int fd = open_device(c, log);
	if (fd < 0)
		return;
	set_timeout(c, fd, log);
	tell_of_close(c, fd, nowayout, log);
	write_byte(c, fd, WATCHDOG_PING, log);
	log_line(log, LOG_LEVEL_INFO, "watchdog-armed device=%s seconds=%u", c->watchdog_device,
		c->watchdog_timeout);
}

static void write_once(const struct config *c, char byte, const struct log *log)
{
	if (!c->watchdog_device[0] || (is_nowayout(c) && !c->watchdog_leave))
		return; /* it was not armed either */
	AUTO_CLOSE int fd = open_device(c, log);
	if (fd < 0)
		return;
	/* `pawl boot` may not have come so far: then this is what starts it. */
	if (byte == WATCHDOG_PING)
		set_timeout(c, fd, log);
	write_byte(c, fd, byte, log);
}

void watchdog_ping(const struct config *c, const struct log *log)
{
	write_once(c, WATCHDOG_PING, log);
}

void watchdog_finish(const struct config *c, const struct log *log)
{
	write_once(c, c->watchdog_leave ? WATCHDOG_PING : WATCHDOG_STOP, log);
	if (c->watchdog_device[0])
		log_line(log, LOG_LEVEL_INFO, "watchdog-finished device=%s after-commit=%s",
			c->watchdog_device, c->watchdog_leave ? "leave" : "close");
}
