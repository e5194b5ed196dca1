// SPDX-License-Identifier: GPL-2.0
/*
 * HyStart++ against RFC 9406, sentence by sentence.
 *
 * The file under test keeps no clock and no window. So a round here is a number of
 * round trips and the end, and what the RFC says of rounds becomes a table of them.
 * All times are in microseconds, as in the code; the tables write milliseconds where
 * the RFC does.
 */
#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/module.h>

#include "hystart_pp.h"

#define MS(n)	((u32)(n) * 1000)
#define FULL	HYSTART_N_RTT_SAMPLE

static struct hystart_pp *new_hystart(struct kunit *test)
{
	struct hystart_pp *hystart = kunit_kzalloc(test, sizeof(*hystart),
						   GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, hystart);
	hystart_pp_init(hystart);
	return hystart;
}

/* Round trips that are all alike. Returns how often the phase changed. */
static unsigned int measure(struct hystart_pp *hystart, unsigned int samples,
			    u32 rtt_us)
{
	unsigned int changes = 0;

	while (samples--)
		changes += hystart_pp_sample(hystart, rtt_us);
	return changes;
}

/* A round of @rtt_us is over, and one of @grown_us has its eight samples. */
static void enter_css(struct kunit *test, struct hystart_pp *hystart,
		      u32 rtt_us, u32 grown_us)
{
	measure(hystart, FULL, rtt_us);
	KUNIT_ASSERT_FALSE(test, hystart_pp_round(hystart));
	KUNIT_ASSERT_EQ(test, measure(hystart, FULL, grown_us), 1);
	KUNIT_ASSERT_EQ(test, hystart->phase, HYSTART_CSS);
}

/* ---- the constants, section 4.3 ------------------------------------------ */

static void constants_are_those_of_the_rfc(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, HYSTART_MIN_RTT_THRESH_US, MS(4));
	KUNIT_EXPECT_EQ(test, HYSTART_MAX_RTT_THRESH_US, MS(16));
	KUNIT_EXPECT_EQ(test, HYSTART_MIN_RTT_DIVISOR, 8);
	KUNIT_EXPECT_EQ(test, HYSTART_N_RTT_SAMPLE, 8);
	KUNIT_EXPECT_EQ(test, HYSTART_CSS_GROWTH_DIVISOR, 4);
	KUNIT_EXPECT_EQ(test, HYSTART_CSS_ROUNDS, 5);
	KUNIT_EXPECT_EQ(test, HYSTART_L_SEGMENTS, 8);
}

/* Section 4.2: the variables are infinite, there is no sample. */
static void connection_begins_in_slow_start(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_SLOW_START);
	KUNIT_EXPECT_EQ(test, hystart->last_min_rtt_us, HYSTART_NO_RTT_US);
	KUNIT_EXPECT_EQ(test, hystart->round_min_rtt_us, HYSTART_NO_RTT_US);
	KUNIT_EXPECT_EQ(test, hystart->css_baseline_us, HYSTART_NO_RTT_US);
	KUNIT_EXPECT_EQ(test, hystart->samples, 0);
}

/* ---- RttThresh, section 4.2 ---------------------------------------------- */

struct threshold_case {
	const char *name;
	u32 last_us;
	u32 threshold_us;
};

/* max(MIN_RTT_THRESH, min(lastRoundMinRTT / MIN_RTT_DIVISOR, MAX_RTT_THRESH)) */
static const struct threshold_case threshold_cases[] = {
	{ "no time at all", 0, MS(4) },
	{ "1 us", 1, MS(4) },
	{ "10 ms", MS(10), MS(4) },
	{ "just below an eighth of 4 ms", MS(32) - 1, MS(4) },
	{ "32 ms, where an eighth is 4 ms", MS(32), MS(4) },
	{ "just above: eighths are cut", MS(32) + 7, MS(4) },
	{ "an eighth above", MS(32) + 8, MS(4) + 1 },
	{ "64 ms, an eighth", MS(64), MS(8) },
	{ "100 ms, an eighth", MS(100), 12500 },
	{ "just below an eighth of 16 ms", MS(128) - 1, MS(16) - 1 },
	{ "128 ms, where an eighth is 16 ms", MS(128), MS(16) },
	{ "200 ms", MS(200), MS(16) },
	{ "a minute", MS(60000), MS(16) },
	{ "the longest", U32_MAX - 1, MS(16) },
};

KUNIT_ARRAY_PARAM_DESC(threshold, threshold_cases, name);

static void threshold_is_an_eighth_within_bounds(struct kunit *test)
{
	const struct threshold_case *threshold = test->param_value;

	KUNIT_EXPECT_EQ(test, hystart_pp_threshold_us(threshold->last_us),
			threshold->threshold_us);
}

/**
 * struct entry_case - whether a round leads into conservative slow start
 * @name: for people
 * @last_us: the shortest round trip of the round before
 * @rtt_us: every round trip of this round
 * @samples: how many of them
 * @enters: it does
 */
struct entry_case {
	const char *name;
	u32 last_us;
	u32 rtt_us;
	unsigned int samples;
	bool enters;
};

static const struct entry_case entry_cases[] = {
	/* rttSampleCount >= N_RTT_SAMPLE */
	{ "seven samples are not enough", MS(100), MS(200), 7, false },
	{ "eight are", MS(100), MS(200), 8, true },
	{ "more are, too", MS(100), MS(200), 100, true },
	{ "none", MS(100), MS(200), 0, false },
	/* currentRoundMinRTT >= lastRoundMinRTT + RttThresh */
	{ "10 ms, one us short", MS(10), MS(14) - 1, 8, false },
	{ "10 ms, exactly", MS(10), MS(14), 8, true },
	{ "64 ms, one us short", MS(64), MS(72) - 1, 8, false },
	{ "64 ms, exactly", MS(64), MS(72), 8, true },
	{ "200 ms, one us short", MS(200), MS(216) - 1, 8, false },
	{ "200 ms, exactly", MS(200), MS(216), 8, true },
	{ "as before", MS(50), MS(50), 8, false },
	{ "shorter than before", MS(50), MS(1), 8, false },
	/* the ends of the numbers */
	{ "from 1 us", 1, MS(4) + 1, 8, true },
	{ "the longest that can be told", U32_MAX - 1 - MS(16), U32_MAX - 1, 8,
	  true },
	{ "a threshold past all numbers", U32_MAX - MS(16), U32_MAX - 1, 8,
	  false },
	{ "the last number, and no wrap", U32_MAX - 1, MS(100), 8, false },
};

KUNIT_ARRAY_PARAM_DESC(entry, entry_cases, name);

static void delay_that_grows_leads_into_css(struct kunit *test)
{
	const struct entry_case *entry = test->param_value;
	struct hystart_pp *hystart = new_hystart(test);

	measure(hystart, FULL, entry->last_us);
	KUNIT_ASSERT_FALSE(test, hystart_pp_round(hystart));
	KUNIT_EXPECT_EQ(test,
			measure(hystart, entry->samples, entry->rtt_us),
			entry->enters);
	KUNIT_EXPECT_EQ(test, hystart->phase, entry->enters ? HYSTART_CSS :
			HYSTART_SLOW_START);
	KUNIT_EXPECT_EQ(test, hystart->css_baseline_us, entry->enters ?
			entry->rtt_us : HYSTART_NO_RTT_US);
}

/* lastRoundMinRTT != infinity: the first round has none before it. */
static void first_round_never_leads_into_css(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	KUNIT_EXPECT_EQ(test, measure(hystart, 1000, MS(1000)), 0);
	KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_SLOW_START);
}

/* Nor does a round after one in which nothing was measured. */
static void round_without_samples_breaks_the_comparison(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	measure(hystart, FULL, MS(10));
	hystart_pp_round(hystart);
	hystart_pp_round(hystart);
	KUNIT_EXPECT_EQ(test, hystart->last_min_rtt_us, HYSTART_NO_RTT_US);
	KUNIT_EXPECT_EQ(test, measure(hystart, FULL, MS(1000)), 0);
}

/* It is the minimum that counts: one short round trip among long ones. */
static void one_short_round_trip_keeps_slow_start(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	measure(hystart, FULL, MS(10));
	hystart_pp_round(hystart);
	measure(hystart, 3, MS(100));
	measure(hystart, 1, MS(11));
	KUNIT_EXPECT_EQ(test, measure(hystart, 50, MS(100)), 0);
	KUNIT_EXPECT_EQ(test, hystart->round_min_rtt_us, MS(11));
}

/* The minimum of a round with few samples serves the next all the same. */
static void short_round_still_is_the_last(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	measure(hystart, 1, MS(10));
	hystart_pp_round(hystart);
	KUNIT_EXPECT_EQ(test, hystart->last_min_rtt_us, MS(10));
	KUNIT_EXPECT_EQ(test, measure(hystart, FULL, MS(14)), 1);
}

/* rttSampleCount = 0 at the start of each round. */
static void samples_are_counted_anew_in_each_round(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	measure(hystart, 7, MS(10));
	hystart_pp_round(hystart);
	KUNIT_EXPECT_EQ(test, hystart->samples, 0);
	KUNIT_EXPECT_EQ(test, measure(hystart, 7, MS(100)), 0);
	KUNIT_EXPECT_EQ(test, measure(hystart, 1, MS(100)), 1);
}

/* The count is a byte. */
static void many_samples_do_not_wrap(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	measure(hystart, FULL, MS(10));
	hystart_pp_round(hystart);
	measure(hystart, 1000, MS(10));
	KUNIT_EXPECT_EQ(test, hystart->samples, HYSTART_N_RTT_SAMPLE);
}

/* ---- conservative slow start, section 4.2 -------------------------------- */

/* currentRoundMinRTT < cssBaselineMinRtt: it was jitter. */
static void shorter_round_trip_leads_back(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	enter_css(test, hystart, MS(10), MS(20));
	KUNIT_EXPECT_FALSE(test, hystart_pp_round(hystart));
	KUNIT_EXPECT_EQ(test, measure(hystart, FULL, MS(20) - 1), 1);
	KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_SLOW_START);
	KUNIT_EXPECT_EQ(test, hystart->css_baseline_us, HYSTART_NO_RTT_US);
}

/* As long as the baseline is not shorter. */
static void equal_round_trip_stays(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	enter_css(test, hystart, MS(10), MS(20));
	KUNIT_EXPECT_FALSE(test, hystart_pp_round(hystart));
	KUNIT_EXPECT_EQ(test, measure(hystart, 100, MS(20)), 0);
	KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_CSS);
}

/* "For CSS rounds where at least N_RTT_SAMPLE RTT samples have been obtained" */
static void seven_samples_do_not_lead_back(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	enter_css(test, hystart, MS(10), MS(20));
	KUNIT_EXPECT_FALSE(test, hystart_pp_round(hystart));
	KUNIT_EXPECT_EQ(test, measure(hystart, 7, MS(10)), 0);
	KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_CSS);
	KUNIT_EXPECT_EQ(test, measure(hystart, 1, MS(10)), 1);
	KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_SLOW_START);
}

/* The round of the entry has its eight samples, so one more may lead back. */
static void round_of_the_entry_may_lead_back(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	enter_css(test, hystart, MS(10), MS(20));
	KUNIT_EXPECT_EQ(test, measure(hystart, 1, MS(11)), 1);
	KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_SLOW_START);
}

/* "resume slow start including HyStart++" */
static void it_can_be_entered_again(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	enter_css(test, hystart, MS(10), MS(20));
	hystart_pp_round(hystart);
	measure(hystart, FULL, MS(10));
	hystart_pp_round(hystart);
	KUNIT_EXPECT_EQ(test, measure(hystart, FULL, MS(30)), 1);
	KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_CSS);
	KUNIT_EXPECT_EQ(test, hystart->css_baseline_us, MS(30));
	KUNIT_EXPECT_EQ(test, hystart->css_rounds, 0);
}

/*
 * "that partial round counts towards the limit": entered in the midst of a round, the
 * end of this very round is the first of five.
 */
static void five_rounds_end_it(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);
	unsigned int round;

	enter_css(test, hystart, MS(10), MS(20));
	for (round = 1; round < HYSTART_CSS_ROUNDS; round++) {
		KUNIT_EXPECT_FALSE_MSG(test, hystart_pp_round(hystart),
				       "round %u", round);
		KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_CSS);
		measure(hystart, FULL, MS(20));
	}
	KUNIT_EXPECT_TRUE(test, hystart_pp_round(hystart));
	KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_DONE);
	KUNIT_EXPECT_FALSE(test, hystart_pp_round(hystart));
}

/* Rounds without any sample count as well: they are rounds. */
static void silent_rounds_end_it(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);
	unsigned int rounds = 1;

	enter_css(test, hystart, MS(10), MS(20));
	while (!hystart_pp_round(hystart) && rounds < 100)
		rounds++;
	KUNIT_EXPECT_EQ(test, rounds, HYSTART_CSS_ROUNDS);
}

static void rounds_begin_at_zero_when_it_is_entered_again(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);
	unsigned int round;

	enter_css(test, hystart, MS(10), MS(20));
	for (round = 1; round < HYSTART_CSS_ROUNDS; round++)
		hystart_pp_round(hystart);
	measure(hystart, FULL, MS(10));
	KUNIT_ASSERT_EQ(test, hystart->phase, HYSTART_SLOW_START);
	hystart_pp_round(hystart);
	KUNIT_ASSERT_EQ(test, measure(hystart, FULL, MS(20)), 1);
	for (round = 1; round < HYSTART_CSS_ROUNDS; round++)
		KUNIT_EXPECT_FALSE(test, hystart_pp_round(hystart));
	KUNIT_EXPECT_TRUE(test, hystart_pp_round(hystart));
}

/* Slow start itself lasts as many rounds as it may. */
static void slow_start_has_no_last_round(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);
	unsigned int round;

	for (round = 0; round < 1000; round++) {
		KUNIT_ASSERT_EQ(test, measure(hystart, FULL, MS(10)), 0);
		KUNIT_ASSERT_FALSE(test, hystart_pp_round(hystart));
	}
}

/* ---- on suspicion, which the RFC does not have --------------------------- */

/* Two rounds of @rtt_us; in the second it is suspected that the path is full. */
static void suspect(struct kunit *test, struct hystart_pp *hystart, u32 rtt_us)
{
	measure(hystart, FULL, rtt_us);
	KUNIT_ASSERT_FALSE(test, hystart_pp_round(hystart));
	measure(hystart, FULL, rtt_us);
	KUNIT_ASSERT_TRUE(test, hystart_pp_suspect(hystart));
	KUNIT_ASSERT_EQ(test, hystart->phase, HYSTART_CSS);
}

/* Each round is of @rtt_us. Returns in the how manyth's end the phase changed. */
static unsigned int rounds_to_a_change(struct hystart_pp *hystart, u32 rtt_us)
{
	unsigned int round;

	for (round = 1; round < 100; round++) {
		if (measure(hystart, FULL, rtt_us))
			return 0;
		if (hystart_pp_round(hystart))
			return round;
	}
	return round;
}

struct suspicion_case {
	const char *name;
	u32 rtt_us;
	u32 later_us;
	enum hystart_phase phase;
};

static const struct suspicion_case suspicion_cases[] = {
	{ "an eighth longer", MS(80), MS(90), HYSTART_DONE },
	{ "almost", MS(80), MS(90) - 1, HYSTART_SLOW_START },
	{ "4 ms longer", MS(10), MS(14), HYSTART_DONE },
	{ "as before", MS(80), MS(80), HYSTART_SLOW_START },
	{ "shorter", MS(80), MS(40), HYSTART_SLOW_START },
	{ "past all numbers", U32_MAX - 1, U32_MAX - 1, HYSTART_SLOW_START },
};

KUNIT_ARRAY_PARAM_DESC(suspicion, suspicion_cases, name);

static void suspicion_must_be_confirmed(struct kunit *test)
{
	const struct suspicion_case *suspicion = test->param_value;
	struct hystart_pp *hystart = new_hystart(test);

	suspect(test, hystart, suspicion->rtt_us);
	KUNIT_EXPECT_EQ(test, rounds_to_a_change(hystart, suspicion->later_us),
			HYSTART_CSS_ROUNDS);
	KUNIT_EXPECT_EQ(test, hystart->phase, suspicion->phase);
}

/* A round without a round trip confirms nothing. */
static void silence_confirms_nothing(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	suspect(test, hystart, MS(80));
	while (!hystart_pp_round(hystart))
		;
	KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_SLOW_START);
}

/* The shortest that is known, though the round's own are longer. */
static void suspicion_is_held_against_the_shortest(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	KUNIT_EXPECT_EQ(test, hystart_pp_rtt_us(hystart), HYSTART_NO_RTT_US);
	measure(hystart, FULL, MS(80));
	KUNIT_EXPECT_EQ(test, hystart_pp_rtt_us(hystart), MS(80));
	hystart_pp_round(hystart);
	measure(hystart, FULL, MS(85));
	KUNIT_EXPECT_EQ(test, hystart_pp_rtt_us(hystart), MS(80));
	KUNIT_ASSERT_TRUE(test, hystart_pp_suspect(hystart));
	rounds_to_a_change(hystart, MS(90));
	KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_DONE);
}

static void suspicion_takes_eight_samples(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	measure(hystart, FULL - 1, MS(80));
	KUNIT_EXPECT_FALSE(test, hystart_pp_suspect(hystart));
	measure(hystart, 1, MS(80));
	KUNIT_EXPECT_TRUE(test, hystart_pp_suspect(hystart));
	KUNIT_EXPECT_FALSE(test, hystart_pp_suspect(hystart));
}

/* It was wrong once, so there is no second; the RFC's own way stays. */
static void suspicion_is_had_once(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	suspect(test, hystart, MS(80));
	rounds_to_a_change(hystart, MS(80));
	measure(hystart, FULL, MS(80));
	KUNIT_EXPECT_FALSE(test, hystart_pp_suspect(hystart));
	KUNIT_EXPECT_FALSE(test, hystart_pp_round(hystart));
	KUNIT_EXPECT_EQ(test, measure(hystart, FULL, MS(90)), 1);
	KUNIT_EXPECT_EQ(test, measure(hystart, 1, MS(89)), 1);
	KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_SLOW_START);
}

/* Nor when a loss came between that was none. */
static void undone_loss_ends_a_suspicion(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	suspect(test, hystart, MS(80));
	hystart_pp_stop(hystart);
	KUNIT_EXPECT_FALSE(test, hystart_pp_suspect(hystart));
	hystart_pp_resume(hystart);
	KUNIT_EXPECT_FALSE(test, hystart_pp_suspect(hystart));
	hystart_pp_round(hystart);
	KUNIT_EXPECT_EQ(test, measure(hystart, FULL, MS(90)), 1);
	KUNIT_EXPECT_EQ(test, measure(hystart, 1, MS(80)), 1);
}

/* ---- the end, sections 4.2 and 4.3 --------------------------------------- */

/* It is for the first slow start alone; rounds are measured all the same. */
static void loss_ends_it_for_good(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);
	unsigned int round;

	measure(hystart, FULL, MS(10));
	hystart_pp_round(hystart);
	hystart_pp_stop(hystart);
	for (round = 1; round < 20; round++) {
		KUNIT_EXPECT_EQ(test, measure(hystart, 20, round * MS(100)), 0);
		KUNIT_EXPECT_FALSE(test, hystart_pp_round(hystart));
		KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_DONE);
		KUNIT_EXPECT_EQ(test, hystart->last_min_rtt_us,
				round * MS(100));
	}
}

static void loss_ends_conservative_slow_start(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);
	unsigned int round;

	enter_css(test, hystart, MS(10), MS(20));
	hystart_pp_stop(hystart);
	for (round = 0; round < 10; round++)
		KUNIT_EXPECT_FALSE(test, hystart_pp_round(hystart));
	KUNIT_EXPECT_EQ(test, measure(hystart, 20, MS(1)), 0);
	KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_DONE);
}

/* The loss was none: what the last round has measured still counts. */
static void undone_loss_lets_it_go_on(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	measure(hystart, FULL, MS(10));
	hystart_pp_round(hystart);
	hystart_pp_stop(hystart);
	measure(hystart, 7, MS(20));
	hystart_pp_resume(hystart);
	KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_SLOW_START);
	KUNIT_EXPECT_EQ(test, measure(hystart, 1, MS(20)), 1);
	KUNIT_EXPECT_EQ(test, hystart->phase, HYSTART_CSS);
}

/* ---- growth, section 4.2 ------------------------------------------------- */

/**
 * struct growth_case - what ACKs that are alike add to cwnd
 * @name: for people
 * @css: in conservative slow start
 * @paced: L is infinite
 * @acks: how many ACKs
 * @acked: segments that each of them acknowledges
 * @grown: by how much cwnd grows in all
 * @credit: what is left over
 */
struct growth_case {
	const char *name;
	bool css;
	bool paced;
	unsigned int acks;
	u32 acked;
	u32 grown;
	u32 credit;
};

static const struct growth_case growth_cases[] = {
	/* cwnd = cwnd + min(N, L * SMSS), L = 8 */
	{ "slow start, one segment", false, false, 1, 1, 1, 0 },
	{ "slow start, two", false, false, 1, 2, 2, 0 },
	{ "slow start, seven", false, false, 1, 7, 7, 0 },
	{ "slow start, eight", false, false, 1, 8, 8, 0 },
	{ "slow start, nine count for eight", false, false, 1, 9, 8, 0 },
	{ "slow start, 44 count for eight", false, false, 3, 44, 24, 0 },
	{ "slow start, all there are", false, false, 1, U32_MAX, 8, 0 },
	{ "slow start, nothing", false, false, 1, 0, 0, 0 },
	/* "L = infinity if paced" */
	{ "paced, nine", false, true, 1, 9, 9, 0 },
	{ "paced, 44", false, true, 3, 44, 132, 0 },
	{ "paced, all there are", false, true, 1, U32_MAX, U32_MAX, 0 },
	/* cwnd = cwnd + min(N, L * SMSS) / CSS_GROWTH_DIVISOR */
	{ "CSS, one segment is a quarter", true, false, 1, 1, 0, 1 },
	{ "CSS, three quarters", true, false, 3, 1, 0, 3 },
	{ "CSS, four quarters", true, false, 4, 1, 1, 0 },
	{ "CSS, 100 segments one by one", true, false, 100, 1, 25, 0 },
	{ "CSS, 101 one by one", true, false, 101, 1, 25, 1 },
	{ "CSS, by threes", true, false, 5, 3, 3, 3 },
	{ "CSS, stretch ACKs of two", true, false, 50, 2, 25, 0 },
	{ "CSS, seven at once", true, false, 1, 7, 1, 3 },
	{ "CSS, eight at once", true, false, 1, 8, 2, 0 },
	{ "CSS, 44 count for eight", true, false, 3, 44, 6, 0 },
	{ "CSS, nothing", true, false, 10, 0, 0, 0 },
	{ "CSS paced, 44", true, true, 1, 44, 11, 0 },
	{ "CSS paced, 45 twice", true, true, 2, 45, 22, 2 },
	{ "CSS paced, 47 four times", true, true, 4, 47, 47, 0 },
	{ "CSS paced, all there are", true, true, 1, U32_MAX, U32_MAX / 4, 3 },
};

KUNIT_ARRAY_PARAM_DESC(growth, growth_cases, name);

static void window_grows_as_the_phase_says(struct kunit *test)
{
	const struct growth_case *growth = test->param_value;
	struct hystart_pp *hystart = new_hystart(test);
	unsigned int ack;
	u32 grown = 0;

	if (growth->css)
		enter_css(test, hystart, MS(10), MS(20));
	for (ack = 0; ack < growth->acks; ack++)
		grown += hystart_pp_growth(hystart, growth->acked,
					   growth->paced);
	KUNIT_EXPECT_EQ(test, grown, growth->grown);
	KUNIT_EXPECT_EQ(test, hystart->credit, growth->credit);
}

/* What is left over of the largest ACK meets what was left over before. */
static void remainders_do_not_overflow(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	enter_css(test, hystart, MS(10), MS(20));
	KUNIT_EXPECT_EQ(test, hystart_pp_growth(hystart, 3, true), 0);
	KUNIT_EXPECT_EQ(test, hystart_pp_growth(hystart, U32_MAX, true),
			U32_MAX / 4 + 1);
	KUNIT_EXPECT_EQ(test, hystart->credit, 2);
}

/* A remainder of one stay in conservative slow start is not for the next. */
static void remainder_is_forgotten_with_the_phase(struct kunit *test)
{
	struct hystart_pp *hystart = new_hystart(test);

	enter_css(test, hystart, MS(10), MS(20));
	hystart_pp_growth(hystart, 3, false);
	hystart_pp_round(hystart);
	measure(hystart, FULL, MS(10));
	KUNIT_EXPECT_EQ(test, hystart_pp_growth(hystart, 1, false), 1);
	hystart_pp_round(hystart);
	measure(hystart, FULL, MS(20));
	KUNIT_ASSERT_EQ(test, hystart->phase, HYSTART_CSS);
	KUNIT_EXPECT_EQ(test, hystart_pp_growth(hystart, 1, false), 0);
}

static struct kunit_case hystart_pp_cases[] = {
	KUNIT_CASE(constants_are_those_of_the_rfc),
	KUNIT_CASE(connection_begins_in_slow_start),

	KUNIT_CASE_PARAM(threshold_is_an_eighth_within_bounds,
			 threshold_gen_params),
	KUNIT_CASE_PARAM(delay_that_grows_leads_into_css, entry_gen_params),
	KUNIT_CASE(first_round_never_leads_into_css),
	KUNIT_CASE(round_without_samples_breaks_the_comparison),
	KUNIT_CASE(one_short_round_trip_keeps_slow_start),
	KUNIT_CASE(short_round_still_is_the_last),
	KUNIT_CASE(samples_are_counted_anew_in_each_round),
	KUNIT_CASE(many_samples_do_not_wrap),

	KUNIT_CASE(shorter_round_trip_leads_back),
	KUNIT_CASE(equal_round_trip_stays),
	KUNIT_CASE(seven_samples_do_not_lead_back),
	KUNIT_CASE(round_of_the_entry_may_lead_back),
	KUNIT_CASE(it_can_be_entered_again),
	KUNIT_CASE(five_rounds_end_it),
	KUNIT_CASE(silent_rounds_end_it),
	KUNIT_CASE(rounds_begin_at_zero_when_it_is_entered_again),
	KUNIT_CASE(slow_start_has_no_last_round),

	KUNIT_CASE_PARAM(suspicion_must_be_confirmed, suspicion_gen_params),
	KUNIT_CASE(silence_confirms_nothing),
	KUNIT_CASE(suspicion_is_held_against_the_shortest),
	KUNIT_CASE(suspicion_takes_eight_samples),
	KUNIT_CASE(suspicion_is_had_once),
	KUNIT_CASE(undone_loss_ends_a_suspicion),

	KUNIT_CASE(loss_ends_it_for_good),
	KUNIT_CASE(loss_ends_conservative_slow_start),
	KUNIT_CASE(undone_loss_lets_it_go_on),

	KUNIT_CASE_PARAM(window_grows_as_the_phase_says, growth_gen_params),
	KUNIT_CASE(remainders_do_not_overflow),
	KUNIT_CASE(remainder_is_forgotten_with_the_phase),
	{}
};

static struct kunit_suite hystart_pp_suite = {
	.name = "renoscope_hystart_pp",
	.test_cases = hystart_pp_cases,
};

kunit_test_suite(hystart_pp_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: HyStart++ against RFC 9406");
MODULE_LICENSE("GPL");
