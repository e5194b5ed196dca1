// SPDX-License-Identifier: GPL-2.0
/*
 * How much of cwnd is used, against RFC 7661.
 *
 * pipeACK is the most that was acknowledged in a round trip within the sampling
 * period, which is the longer of three round trips and a second. cwnd is validated
 * while pipeACK is at least half of it, and before anything is measured.
 */
#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/time64.h>

#include "pipe_ack.h"

#define MS(n)		((u32)(n) * USEC_PER_MSEC)
#define SHORT_RTT_US	MS(10)
#define LONG_RTT_US	MS(500)

static struct pipe_ack *new_pipe(struct kunit *test, u64 now_us)
{
	struct pipe_ack *pipe = kunit_kzalloc(test, sizeof(*pipe), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pipe);
	pipe_ack_init(pipe, now_us);
	return pipe;
}

/* ---- validated, section 4.3 ---------------------------------------------- */

struct validation_case {
	const char *name;
	u32 acked;
	u32 cwnd;
	bool validated;
};

/* pipeACK >= cwnd / 2 */
static const struct validation_case validation_cases[] = {
	{ "all of it", 10, 10, true },
	{ "half of it", 5, 10, true },
	{ "a segment less than half", 4, 10, false },
	{ "half of an odd one", 6, 11, true },
	{ "just less than half of it", 5, 11, false },
	{ "one of one", 1, 1, true },
	{ "one of two", 1, 2, true },
	{ "one of three", 1, 3, false },
	{ "more than all", 100, 10, true },
	{ "one of many", 1, U32_MAX, false },
	{ "half of the largest", BIT(31), U32_MAX, true },
	{ "less than half of the largest", BIT(31) - 1, U32_MAX, false },
	{ "the largest of the largest", U32_MAX, U32_MAX, true },
};

KUNIT_ARRAY_PARAM_DESC(validation, validation_cases, name);

static void half_of_the_window_validates_it(struct kunit *test)
{
	const struct validation_case *validation = test->param_value;
	struct pipe_ack *pipe = new_pipe(test, 0);

	pipe_ack_round(pipe, validation->acked, MS(10), SHORT_RTT_US);
	KUNIT_EXPECT_EQ(test, pipe_ack_validates(pipe, validation->cwnd),
			validation->validated);
}

/* pipeACK is undefined at the start and directly after loss recovery. */
static void nothing_measured_validates(struct kunit *test)
{
	struct pipe_ack *pipe = new_pipe(test, 12345);

	KUNIT_EXPECT_TRUE(test, pipe_ack_validates(pipe, 1));
	KUNIT_EXPECT_TRUE(test, pipe_ack_validates(pipe, U32_MAX));
	pipe_ack_round(pipe, 1, 12345, SHORT_RTT_US);
	KUNIT_EXPECT_FALSE(test, pipe_ack_validates(pipe, 10));
	pipe_ack_init(pipe, 12345);
	KUNIT_EXPECT_TRUE(test, pipe_ack_validates(pipe, 10));
}

/* In slow start each round acknowledges what the one before began with. */
static void slow_start_is_never_held_up(struct kunit *test)
{
	struct pipe_ack *pipe = new_pipe(test, 0);
	u64 now_us = 0;
	u32 cwnd;

	for (cwnd = 1; cwnd < BIT(30); cwnd *= 2) {
		KUNIT_EXPECT_TRUE_MSG(test, pipe_ack_validates(pipe, cwnd),
				      "cwnd %u", cwnd);
		now_us += SHORT_RTT_US;
		pipe_ack_round(pipe, cwnd, now_us, SHORT_RTT_US);
	}
}

/* ---- the sampling period ------------------------------------------------- */

/**
 * struct memory_case - for how long a good round is remembered
 * @name: for people
 * @srtt_us: the smoothed round trip
 * @good_at_us: when the good round ended
 * @then_us: when a poor one ended, after it
 * @remembered: the good one still counts
 */
struct memory_case {
	const char *name;
	u32 srtt_us;
	u64 good_at_us;
	u64 then_us;
	bool remembered;
};

static const struct memory_case memory_cases[] = {
	/* a second, if three round trips are less */
	{ "the next round", SHORT_RTT_US, MS(10), MS(20), true },
	{ "a second later", SHORT_RTT_US, MS(10), MS(1010), true },
	{ "just before two periods", SHORT_RTT_US, MS(10), MS(2000) - 1, true },
	{ "two periods", SHORT_RTT_US, MS(10), MS(2000), false },
	{ "an hour later", SHORT_RTT_US, MS(10), 3600 * (u64)USEC_PER_SEC,
	  false },
	{ "2^32 us later, and 10 ms", SHORT_RTT_US, MS(10),
	  BIT_ULL(32) + MS(20), false },
	{ "without a round trip", 0, MS(10), MS(2000) - 1, true },
	{ "without one, two periods", 0, MS(10), MS(2000), false },
	/* three round trips, if they are more */
	{ "500 ms, a round trip", LONG_RTT_US, MS(500), MS(1000), true },
	{ "500 ms, just before two periods", LONG_RTT_US, MS(500),
	  MS(3000) - 1, true },
	{ "500 ms, two periods", LONG_RTT_US, MS(500), MS(3000), false },
	/* a round trip that does not fit three times */
	{ "the longest round trip", U32_MAX, U32_MAX, 5 * (u64)U32_MAX, true },
	{ "two periods of it", U32_MAX, U32_MAX, 6 * (u64)U32_MAX, false },
};

KUNIT_ARRAY_PARAM_DESC(memory, memory_cases, name);

static void most_is_remembered_for_a_period(struct kunit *test)
{
	const struct memory_case *memory = test->param_value;
	struct pipe_ack *pipe = new_pipe(test, 0);

	pipe_ack_round(pipe, 100, memory->good_at_us, memory->srtt_us);
	pipe_ack_round(pipe, 1, memory->then_us, memory->srtt_us);
	KUNIT_EXPECT_EQ(test, pipe_ack_validates(pipe, 200),
			memory->remembered);
}

/* Poor rounds, one after the other: at last the good one is forgotten. */
static void poor_rounds_outlast_a_good_one(struct kunit *test)
{
	struct pipe_ack *pipe = new_pipe(test, 0);
	unsigned int rounds = 0;
	u64 now_us = MS(10);

	pipe_ack_round(pipe, 100, now_us, SHORT_RTT_US);
	while (pipe_ack_validates(pipe, 200) && rounds < 1000) {
		now_us += SHORT_RTT_US;
		pipe_ack_round(pipe, 1, now_us, SHORT_RTT_US);
		rounds++;
	}
	KUNIT_EXPECT_EQ(test, now_us, 2 * USEC_PER_SEC);
}

/* It is the most that counts, not the last, and not the sum. */
static void most_of_a_period_counts(struct kunit *test)
{
	struct pipe_ack *pipe = new_pipe(test, 0);

	pipe_ack_round(pipe, 40, MS(10), SHORT_RTT_US);
	pipe_ack_round(pipe, 50, MS(20), SHORT_RTT_US);
	pipe_ack_round(pipe, 45, MS(30), SHORT_RTT_US);
	KUNIT_EXPECT_TRUE(test, pipe_ack_validates(pipe, 100));
	KUNIT_EXPECT_FALSE(test, pipe_ack_validates(pipe, 101));
}

/* A period that has just begun does not make the one before forgotten. */
static void period_before_still_counts(struct kunit *test)
{
	struct pipe_ack *pipe = new_pipe(test, 0);

	pipe_ack_round(pipe, 50, MS(500), SHORT_RTT_US);
	pipe_ack_round(pipe, 1, MS(1000), SHORT_RTT_US);
	pipe_ack_round(pipe, 1, MS(1500), SHORT_RTT_US);
	KUNIT_EXPECT_TRUE(test, pipe_ack_validates(pipe, 100));
	pipe_ack_round(pipe, 1, MS(2000), SHORT_RTT_US);
	KUNIT_EXPECT_FALSE(test, pipe_ack_validates(pipe, 100));
}

static struct kunit_case pipe_ack_cases[] = {
	KUNIT_CASE_PARAM(half_of_the_window_validates_it,
			 validation_gen_params),
	KUNIT_CASE(nothing_measured_validates),
	KUNIT_CASE(slow_start_is_never_held_up),
	KUNIT_CASE_PARAM(most_is_remembered_for_a_period, memory_gen_params),
	KUNIT_CASE(poor_rounds_outlast_a_good_one),
	KUNIT_CASE(most_of_a_period_counts),
	KUNIT_CASE(period_before_still_counts),
	{}
};

static struct kunit_suite pipe_ack_suite = {
	.name = "renoscope_pipe_ack",
	.test_cases = pipe_ack_cases,
};

kunit_test_suite(pipe_ack_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: how much of cwnd is used, against RFC 7661");
MODULE_LICENSE("GPL");
