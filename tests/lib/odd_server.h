/* SPDX-License-Identifier: Apache-2.0 */
/* Starts tests/lib/odd_server.py for a unit test, and asks it what came. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "agent/base/buf.h"
#include "agent/poll/http.h"

#define ODD_UNUSED __attribute__((unused))

struct odd_server {
	pid_t pid;
	int life; /* the server ends when this pipe does */
	unsigned port;
	bool tls;
};

/* Path of a file of the source tree: below $PAWL_SOURCE, or the current folder. */
ODD_UNUSED static const char *odd_source(const char *name, char *out, size_t size)
{
	const char *top = getenv("PAWL_SOURCE");

	snprintf(out, size, "%s/%s", top ? top : ".", name);
	return out;
}

/* Makes a folder for one test program; remove it with odd_remove. */
ODD_UNUSED static void odd_make_folder(char path[64])
{
	strcpy(path, "/tmp/pawl-test-XXXXXX");
	assert_non_null(mkdtemp(path));
}

ODD_UNUSED static void odd_run(const char *const *argv)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

ODD_UNUSED static void odd_remove(const char *path)
{
	odd_run((const char *const[]){"rm", "-rf", path, NULL});
}

ODD_UNUSED static void odd_make_certs(const char *folder)
{
	char script[512];

	odd_run((const char *const[]){"python3",
		odd_source("tests/lib/odd_server.py", script, sizeof(script)), "--make-certs",
		folder, NULL});
}

ODD_UNUSED static void odd_write(const char *folder, const char *name, const void *data, size_t len)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* `cert` is the name of a pair that --make-certs made in `certs`, or NULL for plain HTTP. */
ODD_UNUSED static struct odd_server odd_start(const char *root, const char *certs, const char *cert)
{
	char script[512];
	char pem[512];
	char key[512];
	char ca[512];
	int life[2];
	int say[2];
	struct odd_server s = {.tls = cert != NULL};

	odd_source("tests/lib/odd_server.py", script, sizeof(script));
	snprintf(pem, sizeof(pem), "%s/%s.pem", certs ? certs : "", cert ? cert : "");
	snprintf(key, sizeof(key), "%s/%s.key", certs ? certs : "", cert ? cert : "");
	snprintf(ca, sizeof(ca), "%s/ca.pem", certs ? certs : "");
	assert_int_equal(pipe2(life, O_CLOEXEC), 0);
	assert_int_equal(pipe2(say, O_CLOEXEC), 0);
	s.pid = fork();
	assert_true(s.pid >= 0);
	if (s.pid == 0) {
		dup2(life[0], 0);
		dup2(say[1], 1);
		if (cert)
			execlp("python3", "python3", script, "--root", root, "--proxy", "--tls",
				pem, key, "--client-ca", ca, (char *)NULL);
		else
			execlp("python3", "python3", script, "--root", root, "--proxy",
				(char *)NULL);
		_exit(127);
	}
	close(life[0]);
	close(say[1]);
	s.life = life[1];
	FILE *f = fdopen(say[0], "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "PORT %u", &s.port), 1);
	fclose(f);
	return s;
}

ODD_UNUSED static void odd_stop(struct odd_server *s)
{
	close(s->life);
	kill(s->pid, SIGTERM);
	waitpid(s->pid, NULL, 0);
}

/* "https://127.0.0.1:PORT/path" in one of a few buffers that are used in turn. */
ODD_UNUSED static const char *odd_url(const struct odd_server *s, const char *path)
{
	static char urls[4][1024];
	static unsigned turn;
	char *url = urls[turn++ % 4];

	snprintf(url, sizeof(urls[0]), "%s://127.0.0.1:%u/%s", s->tls ? "https" : "http", s->port,
		path);
	return url;
}

/* All requests since the last odd_forget; the caller's (json_decref). */
ODD_UNUSED static json_t *odd_log(const struct odd_server *s, const char *ca_file)
{
	const struct http_options o = {.allow_http = !s->tls, .ca_file = ca_file};
	AUTO_BUF struct buf text = buf_make(1 << 20);
	struct http *h = NULL;
	struct err e = {0};

	assert_int_equal(http_open(&o, &h, &e), 0);
	if (http_get(h, odd_url(s, "log"), NULL, NULL, &text, &e) < 0)
		fail_msg("%s", e.text);
	http_close(h);
	json_t *log = json_loadb((const char *)text.data, text.len, 0, NULL);
	assert_non_null(log);
	return log;
}

/* Requests whose path has `part` in it. */
ODD_UNUSED static size_t odd_count(json_t *log, const char *part)
{
	size_t n = 0;
	size_t i;
	json_t *r;

	json_array_foreach (log, i, r)
		n += strstr(json_string_value(json_object_get(r, "path")), part) != NULL;
	return n;
}

/* Bytes of body sent for them. */
ODD_UNUSED static uint64_t odd_sent(json_t *log, const char *part)
{
	uint64_t n = 0;
	size_t i;
	json_t *r;

	json_array_foreach (log, i, r) {
		if (strstr(json_string_value(json_object_get(r, "path")), part))
			n += (uint64_t)json_integer_value(json_object_get(r, "sent"));
	}
	return n;
}

/* A field of the nth request whose path has `part` in it; NULL = not there. */
ODD_UNUSED static const char *odd_field(
	json_t *log, const char *part, size_t nth, const char *field)
{
	size_t i;
	json_t *r;

	json_array_foreach (log, i, r) {
		if (strstr(json_string_value(json_object_get(r, "path")), part) && nth-- == 0)
			return json_string_value(json_object_get(r, field));
	}
	return NULL;
}

/* How many of them came with a client certificate. */
ODD_UNUSED static size_t odd_certs(json_t *log, const char *part)
{
	size_t n = 0;
	size_t i;
	json_t *r;

	json_array_foreach (log, i, r) {
		if (strstr(json_string_value(json_object_get(r, "path")), part))
			n += json_is_true(json_object_get(r, "cert"));
	}
	return n;
}

/* Over how many connections they came. */
ODD_UNUSED static size_t odd_connections(json_t *log, const char *part)
{
	json_t *seen = json_object();
	char key[32];
	size_t i;
	json_t *r;

	json_array_foreach (log, i, r) {
		if (!strstr(json_string_value(json_object_get(r, "path")), part))
			continue;
		snprintf(key, sizeof(key), "%lld",
			(long long)json_integer_value(json_object_get(r, "connection")));
		json_object_set_new(seen, key, json_true());
	}
	size_t n = json_object_size(seen);
	json_decref(seen);
	return n;
}
