// SPDX-License-Identifier: GPL-2.0
/*
 * Why a socket in TIME-WAIT ends: what a CPU has noted, and of which socket.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <net/inet_timewait_sock.h>
#include <net/tcp.h>

#include "event_schema.h"
#include "timewait_gaps.h"

struct segment_case {
	const char *name;
	u8 flags;
	u8 substate;
	u8 ending;
};

static const struct segment_case segment_cases[] = {
	{ "RST", TCPHDR_RST, TCP_TIME_WAIT, EVENT_time_wait_ending_reset },
	{ "RST in FIN-WAIT-2", TCPHDR_RST | TCPHDR_ACK, TCP_FIN_WAIT2,
	  EVENT_time_wait_ending_reset },
	{ "SYN", TCPHDR_SYN, TCP_TIME_WAIT, EVENT_time_wait_ending_new_syn },
	{ "SYN in FIN-WAIT-2", TCPHDR_SYN, TCP_FIN_WAIT2,
	  EVENT_time_wait_ending_other },
	{ "data", TCPHDR_ACK | TCPHDR_PSH, TCP_TIME_WAIT,
	  EVENT_time_wait_ending_other },
	{ "no segment", 0, TCP_TIME_WAIT, EVENT_time_wait_ending_other },
};

static void describe_segment(const struct segment_case *segment, char *name)
{
	strscpy(name, segment->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(segment, segment_cases, describe_segment);

static struct inet_timewait_sock *new_timewait(struct kunit *test, u8 substate)
{
	struct inet_timewait_sock *tw = kunit_kzalloc(test, sizeof(*tw),
						      GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, tw);
	tw->tw_substate = substate;
	return tw;
}

static void segment_ends_the_socket_it_was_for(struct kunit *test)
{
	const struct segment_case *segment = test->param_value;
	struct inet_timewait_sock *other = new_timewait(test, segment->substate);
	struct inet_timewait_sock *tw = new_timewait(test, segment->substate);
	struct timewait_note note = { .tw = tw, .seg_flags = segment->flags };

	KUNIT_EXPECT_EQ(test, timewait_ending_by_segment(&note, tw, NULL),
			segment->ending);
	KUNIT_EXPECT_EQ(test, timewait_ending_by_segment(&note, other, NULL),
			EVENT_time_wait_ending_other);
}

/* A process that connects must not be taken for a segment seen in a softirq. */
static void segment_ends_for_its_runner_alone(struct kunit *test)
{
	struct inet_timewait_sock *tw = new_timewait(test, TCP_TIME_WAIT);
	struct timewait_note note = { .tw = tw, .seg_flags = TCPHDR_SYN };

	KUNIT_EXPECT_EQ(test, timewait_ending_by_segment(&note, tw, current),
			EVENT_time_wait_ending_other);
	note.runner = current;
	KUNIT_EXPECT_EQ(test, timewait_ending_by_segment(&note, tw, current),
			EVENT_time_wait_ending_new_syn);
	KUNIT_EXPECT_EQ(test, timewait_ending_by_segment(&note, tw, NULL),
			EVENT_time_wait_ending_other);
}

static void segment_that_spared_the_socket_is_forgotten(struct kunit *test)
{
	struct inet_timewait_sock *other = new_timewait(test, TCP_TIME_WAIT);
	struct inet_timewait_sock *tw = new_timewait(test, TCP_TIME_WAIT);
	struct timewait_note note = { .tw = tw, .seg_flags = TCPHDR_SYN };

	timewait_segment_done(&note, tw, TCP_TW_SYN);
	timewait_segment_done(&note, other, TCP_TW_SUCCESS);
	KUNIT_EXPECT_EQ(test, timewait_ending_by_segment(&note, tw, NULL),
			EVENT_time_wait_ending_new_syn);
	KUNIT_EXPECT_FALSE(test, note.reset_next);
	note.seg_flags = TCPHDR_RST;
	timewait_segment_done(&note, tw, TCP_TW_SUCCESS);
	KUNIT_EXPECT_EQ(test, timewait_ending_by_segment(&note, tw, NULL),
			EVENT_time_wait_ending_other);
}

static void segment_that_gets_a_rst_takes_the_socket_next(struct kunit *test)
{
	struct inet_timewait_sock *other = new_timewait(test, TCP_FIN_WAIT2);
	struct inet_timewait_sock *tw = new_timewait(test, TCP_FIN_WAIT2);
	struct timewait_note note = { .tw = tw, .seg_flags = TCPHDR_ACK };

	timewait_segment_done(&note, other, TCP_TW_RST);
	KUNIT_EXPECT_FALSE(test, note.reset_next);
	timewait_segment_done(&note, tw, TCP_TW_RST);
	KUNIT_EXPECT_TRUE(test, note.reset_next);
	KUNIT_EXPECT_EQ(test, note.seg_flags, 0);
}

static void note_is_of_one_socket_and_used_once(struct kunit *test)
{
	struct inet_timewait_sock *other = new_timewait(test, TCP_TIME_WAIT);
	struct inet_timewait_sock *tw = new_timewait(test, TCP_TIME_WAIT);
	struct timewait_note note = {
		.tw = tw,
		.ending = EVENT_time_wait_ending_timer,
	};

	KUNIT_EXPECT_EQ(test, timewait_noted_ending(&note, other),
			EVENT_time_wait_ending_other);
	KUNIT_EXPECT_EQ(test, timewait_noted_ending(&note, tw),
			EVENT_time_wait_ending_timer);
	KUNIT_EXPECT_EQ(test, timewait_noted_ending(&note, tw),
			EVENT_time_wait_ending_other);
}

static void living_socket_has_no_ending_noted(struct kunit *test)
{
	struct inet_timewait_sock *tw = new_timewait(test, TCP_TIME_WAIT);
	struct timewait_note note = { .tw = tw, .seg_flags = TCPHDR_RST };

	KUNIT_EXPECT_EQ(test, timewait_noted_ending(&note, tw),
			EVENT_time_wait_ending_other);
}

static struct kunit_case timewait_gaps_cases[] = {
	KUNIT_CASE_PARAM(segment_ends_the_socket_it_was_for, segment_gen_params),
	KUNIT_CASE(segment_ends_for_its_runner_alone),
	KUNIT_CASE(segment_that_spared_the_socket_is_forgotten),
	KUNIT_CASE(segment_that_gets_a_rst_takes_the_socket_next),
	KUNIT_CASE(note_is_of_one_socket_and_used_once),
	KUNIT_CASE(living_socket_has_no_ending_noted),
	{}
};

static struct kunit_suite timewait_gaps_suite = {
	.name = "renoscope_timewait_gaps",
	.test_cases = timewait_gaps_cases,
};

kunit_test_suite(timewait_gaps_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: why TIME-WAIT ends");
MODULE_LICENSE("GPL");
