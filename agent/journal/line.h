/* SPDX-License-Identifier: Apache-2.0 */
/* One line of the record: sealing it with its own hash, and reading it back. Internal. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/base/hash.h"

#define LINE_VERSION 1

/* Two chains; the letter begins the names of their segments. */
enum chain_kind { CHAIN_MILESTONES, CHAIN_DETAILS };
#define CHAIN_KINDS 2

const char *chain_kind_name(enum chain_kind k);

/* What is needed of a line: the header of a segment, or a record. */
struct line {
	bool header;
	uint64_t seq; /* header: the number that its first record may have */
	uint64_t epoch;
	uint64_t segment; /* header: its number */
	enum chain_kind kind; /* header: its chain */
	uint64_t boot;
	uint64_t mono;
	int64_t wall;
	uint64_t dseq; /* milestone: last detail before it, 0 = none or not known */
	uint8_t det[HASH_SIZE];
	uint8_t prev[HASH_SIZE];
	uint8_t hash[HASH_SIZE]; /* of the stored bytes, without the newline */
};

/*
 * Ends a line: `b` holds an object without its closing brace; adds the member
 * "h", the brace and the newline. E_SIZE beyond the limit of `b`.
 */
int line_seal(struct buf *b, struct err *e);

/*
 * Reads a line (without its newline) and checks its own hash. E_JOURNAL says
 * why it is bad. *json, when wanted, is a new reference.
 */
int line_read(const uint8_t *text, size_t len, struct line *out, json_t **json, struct err *e);

/* Is `a` before `b`? By (epoch, seq), never by clock. */
bool line_is_before(const struct line *a, const struct line *b);
