// SPDX-License-Identifier: GPL-2.0
/*
 * Which kinds of events need which probes: a kind that is recorded without one of
 * them tells lies. And what `stats` says of a probe.
 */
#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "event_schema.h"
#include "gap_probes.h"
#include "handshake_gaps.h"
#include "receive_gaps.h"
#include "sender_gaps.h"
#include "timewait_gaps.h"

static const struct gap_group * const groups[] = {
	&handshake_gaps,
	&timewait_gaps,
	&sender_gaps,
	&receive_gaps,
};

/**
 * struct need - a kind, and a probe without which it is not told truly
 * @kind: the kind's bit
 * @symbol: the probe
 * @why: what the probe knows
 */
struct need {
	u64 kind;
	const char *symbol;
	const char *why;
};

#define NEEDS(kind, symbol, why)	{ EVENT_KIND_BIT(kind), symbol, why }

static const struct need needs[] = {
	NEEDS(refused, "tcp_conn_request", "the SYN"),
	NEEDS(refused, "inet_csk_reqsk_queue_hash_add", "it was taken"),
	NEEDS(refused, "tcp_make_synack", "it was answered"),
	NEEDS(completed, "inet_csk_complete_hashdance", "of a request"),
	NEEDS(completed, "inet_csk_reqsk_queue_add", "of cookies"),
	NEEDS(completed, "tcp_check_req", "not to tell twice"),
	NEEDS(request_end, "tcp_conn_request", "freed unused"),
	NEEDS(request_end, "inet_csk_reqsk_queue_hash_add", "was queued"),
	NEEDS(request_end, "tcp_check_req", "a segment ends it"),
	NEEDS(request_end, "reqsk_timer_handler", "its timer ends it"),
	NEEDS(request_end, "inet_csk_complete_hashdance", "it moved on"),
	NEEDS(request_end, "reqsk_fastopen_remove", "Fast Open"),
	NEEDS(request_end, "cookie_v4_check", "a cookie"),
	NEEDS(request_end, "cookie_v6_check", "a cookie, IPv6"),
	NEEDS(request_end, "tcp_v4_reqsk_destructor", "the end"),
	NEEDS(request_end, "tcp_v6_reqsk_destructor", "the end, IPv6"),
	NEEDS(time_wait_end, "tcp_timewait_state_process", "a segment ends it"),
	NEEDS(time_wait_end, "tw_timer_handler", "its timer ends it"),
	NEEDS(time_wait_end, "inet_twsk_deschedule_put", "ended early"),
	NEEDS(time_wait_end, "tcp_twsk_destructor", "the end"),
};

static void describe_need(const struct need *need, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%s: %s", need->symbol, need->why);
}

KUNIT_ARRAY_PARAM(need, needs, describe_need);

static const struct gap_probe *gap_by_symbol(const char *symbol)
{
	size_t group, i;

	for (group = 0; group < ARRAY_SIZE(groups); group++)
		for (i = 0; i < groups[group]->count; i++)
			if (!strcmp(groups[group]->probes[i].symbol, symbol))
				return &groups[group]->probes[i];
	return NULL;
}

static void probe_is_on_with_what_needs_it(struct kunit *test)
{
	const struct need *need = test->param_value;
	const struct gap_probe *gap = gap_by_symbol(need->symbol);

	KUNIT_ASSERT_NOT_NULL(test, gap);
	KUNIT_EXPECT_EQ(test, gap->kinds & need->kind, need->kind);
}

static void every_probe_is_for_kinds_that_probes_see(struct kunit *test)
{
	const struct gap_probe *gap;
	size_t group, i;

	for (group = 0; group < ARRAY_SIZE(groups); group++) {
		for (i = 0; i < groups[group]->count; i++) {
			gap = &groups[group]->probes[i];
			KUNIT_EXPECT_NE_MSG(test, gap->kinds, 0, "%s",
					    gap->symbol);
			KUNIT_EXPECT_EQ_MSG(test, gap->kinds & ~EVENT_KINDS_PROBED,
					    0, "%s", gap->symbol);
		}
	}
}

/* ---- what stats says ----------------------------------------------------- */

/*
 * Recordings compare how many calls a probe missed when they begin and when they
 * end, so the count stands there whatever has become of the probe meanwhile.
 */
#define TEXT_BYTES	128

struct status_case {
	const char *name;
	struct gap_probe gap;
	const char *all_off;
	const char *text;
};

static const struct status_case status_cases[] = {
	{ "attached", { .attached = true }, NULL, "attached\n" },
	{ "off", { }, NULL, "off\n" },
	{ "no such function", { .error = -ENOENT }, NULL,
	  "missing: this kernel has no such function\n" },
	{ "another error", { .error = -EINVAL }, NULL,
	  "missing: attaching failed with error -22\n" },
	{ "switched off with all", { .attached = true }, "kprobes are",
	  "missing: kprobes are switched off on this machine\n" },
	{ "switched off with all that ftrace calls", { .attached = true }, "ftrace is",
	  "missing: ftrace is switched off on this machine\n" },
	{ "attached, with misses of each sort",
	  { .attached = true, .missed = 1,
	    .probe = { .kp.nmissed = 2, .nmissed = 4 } }, NULL,
	  "attached, missed 7 calls\n" },
	{ "off, with misses", { .missed = 1, .probe.nmissed = 4 }, NULL,
	  "off, missed 5 calls\n" },
	{ "not attached again, with misses", { .missed = 3, .error = -EINVAL }, NULL,
	  "missing: attaching failed with error -22, missed 3 calls\n" },
	{ "switched off with all, with misses",
	  { .attached = true, .probe.kp.nmissed = 2 }, "kprobes are",
	  "missing: kprobes are switched off on this machine, missed 2 calls\n" },
};

static void describe_status(const struct status_case *status, char *name)
{
	strscpy(name, status->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(status, status_cases, describe_status);

static void status_tells_what_was_missed(struct kunit *test)
{
	const struct status_case *status = test->param_value;
	struct seq_file *file = kunit_kzalloc(test, sizeof(*file), GFP_KERNEL);
	char *text = kunit_kzalloc(test, TEXT_BYTES, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, file);
	KUNIT_ASSERT_NOT_NULL(test, text);
	file->buf = text;
	file->size = TEXT_BYTES - 1;
	gap_probe_show_status(file, &status->gap, status->all_off);
	KUNIT_EXPECT_STREQ(test, text, status->text);
}

static struct kunit_case gap_probes_cases[] = {
	KUNIT_CASE_PARAM(probe_is_on_with_what_needs_it, need_gen_params),
	KUNIT_CASE(every_probe_is_for_kinds_that_probes_see),
	KUNIT_CASE_PARAM(status_tells_what_was_missed, status_gen_params),
	{}
};

static struct kunit_suite gap_probes_suite = {
	.name = "renoscope_gap_probes",
	.test_cases = gap_probes_cases,
};

kunit_test_suite(gap_probes_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: which kinds need which probes, and what stats says of them");
MODULE_LICENSE("GPL");
