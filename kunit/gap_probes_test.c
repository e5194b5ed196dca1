// SPDX-License-Identifier: GPL-2.0
/*
 * Which kinds of events need which probes: a kind that is recorded without one of
 * them tells lies.
 */
#include <kunit/test.h>
#include <linux/minmax.h>
#include <linux/module.h>
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

#define NEEDS(kind, symbol, why)	{ GAP_KIND(kind), symbol, why }

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

/* The kinds of "request,refused"; bit 0 stands for a word that is none. */
static u64 kinds_of_words(const char *words)
{
	u64 kinds = 0;
	size_t length;

	for (; *words; words += length + (words[length] == ',')) {
		length = strcspn(words, ",");
		kinds |= BIT_ULL(max(0, event_kind_by_name(words, length)));
	}
	return kinds;
}

static void words_are_the_kinds(struct kunit *test)
{
	const struct gap_probe *gap;
	size_t group, i;

	for (group = 0; group < ARRAY_SIZE(groups); group++) {
		for (i = 0; i < groups[group]->count; i++) {
			gap = &groups[group]->probes[i];
			KUNIT_EXPECT_EQ_MSG(test, gap->kinds,
					    kinds_of_words(gap->words),
					    "%s", gap->symbol);
		}
	}
}

static struct kunit_case gap_probes_cases[] = {
	KUNIT_CASE_PARAM(probe_is_on_with_what_needs_it, need_gen_params),
	KUNIT_CASE(words_are_the_kinds),
	{}
};

static struct kunit_suite gap_probes_suite = {
	.name = "renoscope_gap_probes",
	.test_cases = gap_probes_cases,
};

kunit_test_suite(gap_probes_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: which kinds need which probes");
MODULE_LICENSE("GPL");
