// SPDX-License-Identifier: GPL-2.0
/*
 * The SYN-ACK timer's arithmetic against the documents that describe it.
 *
 * RFC 6298 section 5.5 doubles the timer at each expiry ("back off the timer")
 * and allows a maximum of at least 60 s; Linux takes 120 s (TCP_RTO_MAX). The
 * first wait of a SYN-ACK is 1 s (RFC 6298 section 2.1), and tcp(7) gives up
 * after tcp_synack_retries = 5 retransmits: waits of 1, 2, 4, 8, 16 s, then
 * 32 s in which nothing more is sent.
 *
 * Who retransmits matters: the timer counts a timeout and so doubles the wait
 * that follows; a duplicate SYN counts nothing and starts the same wait again.
 */
#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/time64.h>

#include "synack_backoff.h"

#define SECONDS(n)	((u32)(n) * USEC_PER_SEC)
#define MILLISECONDS(n)	((u32)(n) * USEC_PER_MSEC)
#define MAX_WAIT_US	SECONDS(120)

/* ---- a wait after so many doublings -------------------------------------- */

struct wait_case {
	const char *name;
	u32 first_wait_us;
	unsigned int doublings;
	u32 wait_us;
};

static const struct wait_case wait_cases[] = {
	/* RFC 6298 5.5 from the first wait of 2.1, as tcp(7) describes it */
	{ "1 s, first wait", SECONDS(1), 0, SECONDS(1) },
	{ "1 s doubled once", SECONDS(1), 1, SECONDS(2) },
	{ "1 s doubled twice", SECONDS(1), 2, SECONDS(4) },
	{ "1 s doubled 3 times", SECONDS(1), 3, SECONDS(8) },
	{ "1 s doubled 4 times", SECONDS(1), 4, SECONDS(16) },
	{ "1 s doubled 5 times", SECONDS(1), 5, SECONDS(32) },
	{ "1 s doubled 6 times", SECONDS(1), 6, SECONDS(64) },
	{ "1 s doubled 7 times meets the cap", SECONDS(1), 7, SECONDS(120) },
	{ "1 s doubled 8 times stays there", SECONDS(1), 8, SECONDS(120) },
	/* the old first wait of RFC 1122, still the fallback after a SYN loss */
	{ "3 s, first wait", SECONDS(3), 0, SECONDS(3) },
	{ "3 s doubled 5 times", SECONDS(3), 5, SECONDS(96) },
	{ "3 s doubled 6 times meets the cap", SECONDS(3), 6, SECONDS(120) },
	/* a child of Fast Open starts from the minimum RTO */
	{ "200 ms, first wait", MILLISECONDS(200), 0, MILLISECONDS(200) },
	{ "200 ms doubled 9 times", MILLISECONDS(200), 9, MILLISECONDS(102400) },
	{ "200 ms doubled 10 times meets the cap", MILLISECONDS(200), 10,
	  SECONDS(120) },
	/* the edges */
	{ "exactly the cap", SECONDS(120), 0, SECONDS(120) },
	{ "already above the cap", SECONDS(121), 0, SECONDS(120) },
	{ "the largest first wait", U32_MAX, 31, SECONDS(120) },
	{ "1 us doubled 26 times", 1, 26, 67108864 },
	{ "1 us doubled 27 times meets the cap", 1, 27, SECONDS(120) },
	{ "1 us doubled 31 times", 1, 31, SECONDS(120) },
	{ "1 us doubled 32 times", 1, 32, SECONDS(120) },
	{ "1 us doubled without end", 1, UINT_MAX, SECONDS(120) },
	{ "no first wait", 0, 0, 0 },
	{ "no first wait doubled 32 times", 0, 32, 0 },
	{ "no first wait doubled without end", 0, UINT_MAX, 0 },
};

KUNIT_ARRAY_PARAM_DESC(wait, wait_cases, name);

static void wait_doubles_up_to_the_cap(struct kunit *test)
{
	const struct wait_case *wait = test->param_value;

	KUNIT_EXPECT_EQ(test,
			synack_wait_us(wait->first_wait_us, wait->doublings,
				       MAX_WAIT_US),
			wait->wait_us);
}

/* ---- the wait that a retransmit begins ----------------------------------- */

struct path_case {
	const char *name;
	unsigned int num_timeout;	/* as the tracepoint sees it */
	bool by_timer;
	u32 wait_us;
};

static const struct path_case path_cases[] = {
	{ "timer, 1st timeout", 0, true, SECONDS(2) },
	{ "timer, 2nd timeout", 1, true, SECONDS(4) },
	{ "timer, 3rd timeout", 2, true, SECONDS(8) },
	{ "timer, 4th timeout", 3, true, SECONDS(16) },
	{ "timer, 5th timeout", 4, true, SECONDS(32) },
	{ "timer, 6th timeout", 5, true, SECONDS(64) },
	{ "timer, 7th timeout", 6, true, SECONDS(120) },
	{ "timer, 128th timeout", 127, true, SECONDS(120) },
	{ "duplicate SYN in the 1st wait", 0, false, SECONDS(1) },
	{ "duplicate SYN in the 2nd wait", 1, false, SECONDS(2) },
	{ "duplicate SYN in the 5th wait", 4, false, SECONDS(16) },
	{ "duplicate SYN in the 8th wait", 7, false, SECONDS(120) },
};

KUNIT_ARRAY_PARAM_DESC(path, path_cases, name);

static void retransmit_begins_a_wait(struct kunit *test)
{
	const struct path_case *path = test->param_value;

	KUNIT_EXPECT_EQ(test,
			synack_wait_after_retransmit_us(SECONDS(1),
							path->num_timeout,
							path->by_timer,
							MAX_WAIT_US),
			path->wait_us);
}

/* tcp_synack_retries = 5: the request lives 1 + 2 + 4 + 8 + 16 + 32 = 63 s. */
static void five_retries_take_63_seconds(struct kunit *test)
{
	u32 lives_us = synack_wait_us(SECONDS(1), 0, MAX_WAIT_US);
	unsigned int timeouts;

	for (timeouts = 0; timeouts < 5; timeouts++)
		lives_us += synack_wait_after_retransmit_us(SECONDS(1),
							    timeouts, true,
							    MAX_WAIT_US);
	KUNIT_EXPECT_EQ(test, lives_us, SECONDS(63));
}

/* ---- no number overflows ------------------------------------------------- */

static const u32 first_waits_us[] = {
	1, 3, MILLISECONDS(200), SECONDS(1), SECONDS(3), SECONDS(60),
	SECONDS(119), BIT(31), U32_MAX - 1, U32_MAX,
};

static void describe_first_wait(const u32 *first_wait_us, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "first wait %u us",
		 *first_wait_us);
}

KUNIT_ARRAY_PARAM(first_wait, first_waits_us, describe_first_wait);

/* What RFC 6298 says, step by step and without a shift to go wrong. */
static u64 doubled_by_the_book(u64 wait_us)
{
	return min_t(u64, 2 * wait_us, MAX_WAIT_US);
}

static void no_number_of_doublings_overflows(struct kunit *test)
{
	u32 first_wait_us = *(const u32 *)test->param_value;
	u64 expected_us = min_t(u64, first_wait_us, MAX_WAIT_US);
	unsigned int doublings;

	for (doublings = 0; doublings <= 300; doublings++) {
		KUNIT_EXPECT_EQ_MSG(test,
				    (u64)synack_wait_us(first_wait_us, doublings,
							MAX_WAIT_US),
				    expected_us, "after %u doublings", doublings);
		expected_us = doubled_by_the_book(expected_us);
	}
}

/* The cap is the caller's: 6.15 lets each socket choose its own. */
static void cap_is_the_callers(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, synack_wait_us(SECONDS(1), 3, SECONDS(5)),
			SECONDS(5));
	KUNIT_EXPECT_EQ(test, synack_wait_us(SECONDS(1), 40, U32_MAX), U32_MAX);
	KUNIT_EXPECT_EQ(test, synack_wait_us(SECONDS(1), 3, 0), 0);
}

static struct kunit_case synack_backoff_cases[] = {
	KUNIT_CASE_PARAM(wait_doubles_up_to_the_cap, wait_gen_params),
	KUNIT_CASE_PARAM(retransmit_begins_a_wait, path_gen_params),
	KUNIT_CASE(five_retries_take_63_seconds),
	KUNIT_CASE_PARAM(no_number_of_doublings_overflows,
			 first_wait_gen_params),
	KUNIT_CASE(cap_is_the_callers),
	{}
};

static struct kunit_suite synack_backoff_suite = {
	.name = "renoscope_synack_backoff",
	.test_cases = synack_backoff_cases,
};

kunit_test_suite(synack_backoff_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: the SYN-ACK timer's arithmetic");
MODULE_LICENSE("GPL");
