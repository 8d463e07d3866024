/* SPDX-License-Identifier: Apache-2.0 */
/* Writing one record as its line. */
#include "agent/journal/record.h"

#include <string.h>

#include "agent/base/json.h"
#include "agent/journal/event.h"
#include "agent/journal/privacy.h"

static int add_fields(
	const struct record_stamp *s, const struct journal_record *r, struct buf *b, struct err *e)
{
	return buf_printf(b, e,
		"{\"v\":%d,\"seq\":%llu,\"epoch\":%llu,\"boot\":%llu,\"mono\":%llu,\"wall\":%lld,"
		"\"clk\":\"%s\",\"dev\":\"%s\",\"prod\":\"%s\",\"ag\":\"%s\",\"cat\":\"%s\","
		"\"evt\":\"%s\",\"txn\":%llu,\"out\":\"%s\",\"rc\":\"%s\",\"act\":\"%s\"",
		LINE_VERSION, (unsigned long long)s->seq, (unsigned long long)s->epoch,
		(unsigned long long)s->boot, (unsigned long long)s->mono, (long long)s->wall,
		s->synchronised ? "sync" : "free", s->device, s->product, PAWL_VERSION,
		journal_event_category(r->event), journal_event_name(r->event),
		(unsigned long long)r->txn, journal_outcome_name(r->outcome), err_name(r->rc),
		journal_actor_name(r->actor));
}

static int add_links(const struct record_stamp *s, struct buf *b, struct err *e)
{
	char hex[HASH_HEX_SIZE];

	hash_to_hex(s->prev, hex);
	if (buf_printf(b, e, ",\"prev\":\"%s\"", hex) < 0)
		return -1;
	if (!s->details)
		return 0;
	/* 0: there is none, or they cannot be read just now. */
	if (!s->details->usable || s->details->head.seq == 0)
		return buf_add_text(b, ",\"dseq\":0", e);
	hash_to_hex(s->details->head.hash, hex);
	return buf_printf(b, e, ",\"dseq\":%llu,\"det\":\"%s\"",
		(unsigned long long)s->details->head.seq, hex);
}

static int build(const struct record_stamp *s, const struct journal_record *r, const json_t *data,
	struct buf *b, struct err *e)
{
	buf_clear(b);
	if (add_fields(s, r, b, e) < 0 || add_links(s, b, e) < 0)
		return -1;
	if (json_object_size(data) > 0) {
		AUTO_FREE char *text = json_dumps(data, JSON_COMPACT);
		if (!text)
			return err_set(e, E_NOMEM, "no memory for a record");
		if (buf_printf(b, e, ",\"data\":%s", text) < 0)
			return -1;
	}
	return line_seal(b, e);
}

int record_build(const struct record_stamp *s, const struct journal_record *r, struct buf *out,
	struct err *e)
{
	JSON_AUTO json_t *data = privacy_filter(r->data, s->log);
	AUTO_BUF struct buf b = buf_make(JOURNAL_RECORD_MAX);

	if (build(s, r, data, &b, e) < 0) {
		if (e->code != E_SIZE)
			return -1;
		JSON_AUTO json_t *instead = json_pack("{s:i}", "oversize", 1);
		log_line(s->log, LOG_LEVEL_WARN, "journal.oversize event=%s",
			journal_event_name(r->event));
		if (build(s, r, instead, &b, e) < 0)
			return -1;
	}
	buf_clear(out);
	return buf_add(out, b.data, b.len, e);
}
