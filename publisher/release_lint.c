/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a release say what the Cyber Resilience Act (Regulation (EU) 2024/2847)
 * wants to be known of it? Each rule names its place there.
 */
#include <stdio.h>

#include "agent/base/hash.h"
#include "publisher/release.h"

#define TEN_YEARS (INT64_C(3652) * 86400)

static bool has_sbom(const struct manifest *m)
{
	static const uint8_t none[HASH_SIZE];

	return !hash_equal(m->plan.sbom, none);
}

/* Annex I Part II (2) and (8): security updates apart from others, with advisories. */
static const char *class_warning(const struct manifest *m)
{
	bool names_flaws = m->advisory_count > 0 || m->cve_count > 0;

	if (m->plan.update_class == PLAN_FUNCTIONAL)
		return names_flaws ? "class functional, but it names advisories or CVEs: users who "
				     "take security updates alone will not get it"
				   : NULL;
	if (!names_flaws && !m->notes[0])
		return "a security release names no advisory, no CVE and no reason: give "
		       "--advisory, --cve or --notes";
	return NULL;
}

/* Article 13 (8) and (19): the end of support is to be known. */
static const char *support_warning(const struct manifest *m)
{
	return m->plan.support_end ? NULL
				   : "the release does not say when support ends (--support-end)";
}

/* Article 13 (9): available for ten years, or as long as support lasts. */
static const char *availability_warning(const struct manifest *m)
{
	bool short_time = m->available_until < m->plan.issued + TEN_YEARS ||
			  m->available_until < m->plan.support_end;

	return short_time ? "--available-until ends before ten years or the end of support" : NULL;
}

/* Annex I Part II (1): a bill of materials. */
static const char *sbom_warning(const struct manifest *m)
{
	return has_sbom(m) ? NULL : "the release names no bill of materials (--sbom)";
}

static const char *reason_warning(const struct manifest *m)
{
	bool idle = m->plan.update_class != PLAN_MIXED && m->inseparable_reason[0];

	return idle ? "--inseparable-reason counts for class mixed only" : NULL;
}

static const char *wave_warning(const struct manifest *m)
{
	bool partial = m->has_rollout && m->waves[m->wave_count - 1].percent < 100;

	return partial ? "the last wave is below 100 percent: some devices will never get it"
		       : NULL;
}

int release_lint(const struct manifest *m, const struct release_watcher *w, struct err *e)
{
	static const char *(*const rules[])(const struct manifest *) = {class_warning,
		support_warning, availability_warning, sbom_warning, reason_warning, wave_warning};

	if (m->plan.support_end && m->plan.support_end < m->plan.issued)
		return err_set(e, E_USAGE,
			"--support-end is in the past: a product out of support gets no release; "
			"give the date that holds now");
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const char *text = rules[i](m);
		if (text)
			w->warn(w->ctx, text);
	}
	return 0;
}
