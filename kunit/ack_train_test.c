// SPDX-License-Identifier: GPL-2.0
/*
 * The train of ACKs: its length, its breaks, and what cannot be told.
 */
#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/module.h>

#include "ack_train.h"

#define MS(n)	((u32)(n) * 1000)

/**
 * struct train_case - ACKs at equal distances
 * @name: for people
 * @rtt_us: the shortest round trip
 * @apart_us: from one ACK to the next
 * @paced: segments leave paced
 * @fills_after: the ACK, counted from 1 behind the one that began the round, with
 *		 which the train is long enough; 0 for never
 */
struct train_case {
	const char *name;
	u32 rtt_us;
	u32 apart_us;
	bool paced;
	unsigned int fills_after;
};

static const struct train_case train_cases[] = {
	{ "half of 40 ms, an ACK each ms", MS(40), MS(1), false, 20 },
	{ "half of 41 ms: cut", MS(41), MS(1), false, 21 },
	{ "paced, all of 40 ms", MS(40), MS(1), true, 40 },
	/* a gap is 2 ms, or an eighth of a round trip */
	{ "2 ms apart", MS(10), MS(2), false, 3 },
	{ "a us more", MS(10), MS(2) + 1, false, 0 },
	{ "where an eighth is 2 ms", MS(16), MS(2), false, 4 },
	{ "an eighth of 80 ms apart", MS(80), MS(10), false, 4 },
	{ "a us more than an eighth", MS(80), MS(10) + 1, false, 0 },
	/* a break must be shorter than what is to be told */
	{ "4 ms: half of it is a gap", MS(4), 100, false, 0 },
	{ "a little longer", MS(4) + 2, 100, false, 21 },
	{ "no round trip at all", 0, 0, false, 0 },
	{ "the longest that can be told", U32_MAX - 1, MS(1), false, 0 },
};

KUNIT_ARRAY_PARAM_DESC(train, train_cases, name);

/* Returns the number of the ACK that fills, or 0. */
static unsigned int run_train(struct ack_train *train, u32 began_us,
			      const struct train_case *how)
{
	unsigned int ack;

	ack_train_begin(train, began_us);
	for (ack = 1; ack <= 100; ack++)
		if (ack_train_fills(train, began_us + ack * how->apart_us,
				    how->rtt_us, how->paced))
			return ack;
	return 0;
}

static void train_fills_half_a_round_trip(struct kunit *test)
{
	const struct train_case *how = test->param_value;
	struct ack_train train;

	KUNIT_EXPECT_EQ(test, run_train(&train, MS(77), how),
			how->fills_after);
}

/* The low half of a clock: it may begin anew in the midst of a train. */
static void clock_may_wrap(struct kunit *test)
{
	const struct train_case *how = test->param_value;
	struct ack_train train;

	KUNIT_EXPECT_EQ(test, run_train(&train, U32_MAX - MS(5), how),
			how->fills_after);
}

/* What comes behind a break belongs to no train, however close together. */
static void train_stays_broken(struct kunit *test)
{
	struct ack_train train;
	u32 now_us;

	ack_train_begin(&train, 0);
	KUNIT_EXPECT_FALSE(test, ack_train_fills(&train, MS(1), MS(40), false));
	for (now_us = MS(10); now_us < MS(100); now_us += MS(1))
		KUNIT_EXPECT_FALSE(test, ack_train_fills(&train, now_us, MS(40),
							 false));
}

static void next_round_begins_anew(struct kunit *test)
{
	struct ack_train train;

	ack_train_begin(&train, 0);
	KUNIT_EXPECT_FALSE(test, ack_train_fills(&train, MS(30), MS(10), false));
	ack_train_begin(&train, MS(40));
	KUNIT_EXPECT_FALSE(test, ack_train_fills(&train, MS(42), MS(10), false));
	KUNIT_EXPECT_FALSE(test, ack_train_fills(&train, MS(44), MS(10), false));
	KUNIT_EXPECT_TRUE(test, ack_train_fills(&train, MS(45), MS(10), false));
}

static struct kunit_case ack_train_cases[] = {
	KUNIT_CASE_PARAM(train_fills_half_a_round_trip, train_gen_params),
	KUNIT_CASE_PARAM(clock_may_wrap, train_gen_params),
	KUNIT_CASE(train_stays_broken),
	KUNIT_CASE(next_round_begins_anew),
	{}
};

static struct kunit_suite ack_train_suite = {
	.name = "renoscope_ack_train",
	.test_cases = ack_train_cases,
};

kunit_test_suite(ack_train_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: the train of ACKs");
MODULE_LICENSE("GPL");
