/* SPDX-License-Identifier: Apache-2.0 */
/* The trial of a boot loader that tries once and forgets, kept in a small file. */
#include "partitions/boot/tryboot_trial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/must.h"
#include "partitions/boot/boot.h"
#include "partitions/boot/facts.h"

/* "trial=B tries=3\n" */
static int parse(const char *text, size_t len, struct tryboot_trial *out)
{
	static const char form[] = "trial=X tries=N\n";
	struct tryboot_trial t;

	if (len != sizeof(form) - 1 || memcmp(text, form, 6) != 0 ||
		memcmp(text + 7, form + 7, 7) != 0 || text[15] != '\n')
		return -1;
	const char slot[2] = {text[6], 0};
	const char tries[2] = {text[14], 0};
	if (facts_read_slot(slot, &t.slot) < 0 || facts_read_tries(tries, &t.tries) < 0 ||
		t.slot == 0)
		return -1;
	*out = t;
	return 0;
}

int tryboot_trial_read(const char *dir, struct tryboot_trial *out, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(64);
	char path[512];

	*out = (struct tryboot_trial){0};
	if (file_join(path, sizeof(path), dir, TRYBOOT_TRIAL_FILE, e) < 0)
		return -1;
	if (file_read(AT_FDCWD, path, &text, e) < 0) {
		if (e->code == E_NOTFOUND)
			return 0;
		e->code = E_BOOTENV;
		return -1;
	}
	if (!MUST("boot.tryboot.trial-form", parse(buf_text(&text), text.len, out) == 0))
		return err_set(e, E_BOOTENV,
			"%s has another form than \"trial=B tries=3\"; remove it", path);
	return 0;
}

int tryboot_trial_store(const char *dir, const struct tryboot_trial *t, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	char text[32];

	if (file_open_dir(dir, &fd, e) < 0) {
		e->code = E_BOOTENV;
		return err_wrap(e, "keeping the trial");
	}
	int len = snprintf(text, sizeof(text), "trial=%c tries=%u\n", t->slot, t->tries);
	int rc = t->slot ? file_replace(fd, TRYBOOT_TRIAL_FILE, text, (size_t)len, 0644, e)
			 : file_remove(fd, TRYBOOT_TRIAL_FILE, e);
	if (rc == 0)
		return 0;
	e->code = E_BOOTENV;
	return err_wrap(e, "keeping the trial in %s", dir);
}
