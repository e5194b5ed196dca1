// SPDX-License-Identifier: GPL-2.0
/*
 * The congestion window, against the textbook.
 *
 * The algorithm under test is what TCP's core would call: the operations that
 * are registered as "renoscope". The sockets are not: each is a zeroed struct
 * tcp_sock with the few numbers that RFC 5681 speaks of. The core's own part is
 * played by three functions, each as short as the sentence that it stands for:
 *
 *	round trip	all of cwnd was sent and is acknowledged, segment by
 *			segment or by stretch ACKs that cover several
 *	timeout		ssthresh = what the algorithm says, cwnd = 1
 *			(tcp_enter_loss(), everything marked lost)
 *	recovery	ssthresh = what the algorithm says, and cwnd = ssthresh
 *			when it ends (tcp_end_cwnd_reduction())
 *
 * With that, the textbook's figure comes out one number a round trip:
 *
 *	1 2 4 8 16 | 17 18 ... 24 | timeout: 1 2 4 8 12 | 13 14
 */
#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/string.h>
#include <net/tcp.h>

#include "reno_congestion.h"

#define UNLIMITED	(~0U)

static u32 cwnd_of(const struct sock *sk)
{
	return tcp_snd_cwnd(tcp_sk(sk));
}

/* A sender that cwnd alone holds back. */
static struct sock *new_sender(struct kunit *test, u32 cwnd, u32 ssthresh)
{
	struct tcp_sock *tp = kunit_kzalloc(test, sizeof(*tp), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, tp);
	tcp_snd_cwnd_set(tp, cwnd);
	tp->snd_ssthresh = ssthresh;
	tp->snd_cwnd_clamp = UNLIMITED;
	tp->is_cwnd_limited = true;
	return (struct sock *)tp;
}

/* ---- what the core does -------------------------------------------------- */

static void acknowledge(struct sock *sk, u32 segments)
{
	reno_congestion_ops(RENO_PLAIN)->cong_avoid(sk, 0, segments);
}

/* Each ACK covers @stretch segments; the last one what is left. */
static void round_trip(struct sock *sk, u32 stretch)
{
	u32 unacknowledged = cwnd_of(sk);

	while (unacknowledged) {
		u32 segments = min(stretch, unacknowledged);

		acknowledge(sk, segments);
		unacknowledged -= segments;
	}
}

static void timeout(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);

	tp->prior_cwnd = tcp_snd_cwnd(tp);
	tp->snd_ssthresh = reno_congestion_ops(RENO_PLAIN)->ssthresh(sk);
	tcp_snd_cwnd_set(tp, 1);
	tp->snd_cwnd_cnt = 0;
}

static void fast_recovery(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);

	tp->prior_cwnd = tcp_snd_cwnd(tp);
	tp->snd_ssthresh = reno_congestion_ops(RENO_PLAIN)->ssthresh(sk);
	tcp_snd_cwnd_set(tp, tp->snd_ssthresh);
	tp->snd_cwnd_cnt = 0;
}

/* ---- the textbook's figure ----------------------------------------------- */

static const u32 stretches[] = { 1, 2, 3, 8, UNLIMITED };

static void describe_stretch(const u32 *stretch, char *name)
{
	if (*stretch == UNLIMITED)
		strscpy(name, "one ACK a round trip", KUNIT_PARAM_DESC_SIZE);
	else
		snprintf(name, KUNIT_PARAM_DESC_SIZE, "an ACK for each %u",
			 *stretch);
}

KUNIT_ARRAY_PARAM(stretch, stretches, describe_stretch);

static void expect_rounds(struct kunit *test, struct sock *sk, const u32 *cwnds,
			  size_t rounds)
{
	u32 stretch = *(const u32 *)test->param_value;
	size_t round;

	for (round = 0; round < rounds; round++) {
		KUNIT_ASSERT_EQ_MSG(test, cwnd_of(sk), cwnds[round],
				    "round %zu", round);
		if (round + 1 < rounds)
			round_trip(sk, stretch);
	}
}

static void textbook_slow_start_and_timeout(struct kunit *test)
{
	static const u32 before[] = {
		1, 2, 4, 8, 16, 17, 18, 19, 20, 21, 22, 23, 24,
	};
	static const u32 after[] = { 1, 2, 4, 8, 12, 13, 14, 15, 16 };
	struct sock *sk = new_sender(test, 1, 16);

	expect_rounds(test, sk, before, ARRAY_SIZE(before));
	timeout(sk);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, 12);
	expect_rounds(test, sk, after, ARRAY_SIZE(after));
}

static void textbook_fast_recovery(struct kunit *test)
{
	static const u32 after[] = { 12, 13, 14, 15, 16, 17, 18 };
	struct sock *sk = new_sender(test, 24, 16);

	fast_recovery(sk);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, 12);
	expect_rounds(test, sk, after, ARRAY_SIZE(after));
}

/* Additive increase, multiplicative decrease: the sawtooth. */
static void sawtooth_repeats(struct kunit *test)
{
	static const u32 tooth[] = { 8, 9, 10, 11, 12, 13, 14, 15, 16 };
	struct sock *sk = new_sender(test, 16, 8);
	unsigned int losses;

	for (losses = 0; losses < 5; losses++) {
		fast_recovery(sk);
		expect_rounds(test, sk, tooth, ARRAY_SIZE(tooth));
	}
}

/* ---- one ACK at a time --------------------------------------------------- */

/**
 * struct ack_case - what one ACK, or several alike, do to the window
 * @name: for people
 * @cwnd: window before
 * @ssthresh: threshold
 * @credit: ACKs counted already towards the next increase
 * @acks: how many ACKs
 * @stretch: segments that each of them acknowledges
 * @cwnd_after: window after
 * @credit_after: ACKs counted after
 */
struct ack_case {
	const char *name;
	u32 cwnd;
	u32 ssthresh;
	u32 credit;
	u32 acks;
	u32 stretch;
	u32 cwnd_after;
	u32 credit_after;
};

static const struct ack_case ack_cases[] = {
	/* RFC 5681 3.1: slow start adds what was acknowledged */
	{ "slow start, one ACK", 10, 100, 0, 1, 1, 11, 0 },
	{ "slow start, a round trip", 10, 100, 0, 10, 1, 20, 0 },
	{ "slow start, stretch ACKs", 10, 100, 0, 5, 2, 20, 0 },
	{ "slow start without threshold", 10, TCP_INFINITE_SSTHRESH, 0, 1, 44,
	  54, 0 },
	/* it ends exactly at ssthresh, and the rest counts further on */
	{ "one short of ssthresh", 15, 16, 0, 1, 1, 16, 0 },
	{ "exactly to ssthresh", 10, 16, 0, 1, 6, 16, 0 },
	{ "one beyond ssthresh", 10, 16, 0, 1, 7, 16, 1 },
	{ "far beyond ssthresh", 10, 16, 0, 1, 20, 16, 14 },
	{ "a window beyond ssthresh", 10, 16, 0, 1, 22, 17, 0 },
	{ "more than a window beyond it", 10, 16, 0, 1, 25, 17, 3 },
	/* RFC 5681 3.1: congestion avoidance adds one for each window */
	{ "avoidance, one ACK short", 10, 10, 0, 9, 1, 10, 9 },
	{ "avoidance, a window", 10, 10, 0, 10, 1, 11, 0 },
	{ "avoidance, and one more", 10, 10, 0, 11, 1, 11, 1 },
	{ "avoidance, two windows", 10, 10, 0, 21, 1, 12, 0 },
	{ "avoidance, stretch ACKs", 10, 10, 0, 5, 2, 11, 0 },
	{ "avoidance, stretch with remainder", 10, 10, 0, 4, 3, 11, 2 },
	{ "avoidance, two windows in one ACK", 10, 10, 0, 1, 25, 12, 5 },
	{ "avoidance at a window of one", 1, 1, 0, 1, 1, 2, 0 },
	{ "avoidance with credit", 10, 10, 9, 1, 1, 11, 0 },
	/* credit from a larger window counts once, tcp_cong_avoid_ai() */
	{ "avoidance with old credit", 10, 10, 23, 1, 1, 11, 1 },
	{ "above ssthresh as at it", 20, 10, 0, 20, 1, 21, 0 },
};

KUNIT_ARRAY_PARAM_DESC(ack, ack_cases, name);

static void acks_open_the_window(struct kunit *test)
{
	const struct ack_case *ack = test->param_value;
	struct sock *sk = new_sender(test, ack->cwnd, ack->ssthresh);
	u32 i;

	tcp_sk(sk)->snd_cwnd_cnt = ack->credit;
	for (i = 0; i < ack->acks; i++)
		acknowledge(sk, ack->stretch);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), ack->cwnd_after);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_cwnd_cnt, ack->credit_after);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, ack->ssthresh);
}

/**
 * struct limit_case - a sender that does not use what it may
 * @name: for people
 * @cwnd: window
 * @ssthresh: threshold
 * @max_packets_out: most that it had out in the last window
 * @grows: whether the window may open all the same
 */
struct limit_case {
	const char *name;
	u32 cwnd;
	u32 ssthresh;
	u32 max_packets_out;
	bool grows;
};

/* RFC 2861 and RFC 7661: a window that is not used proves nothing. */
static const struct limit_case limit_cases[] = {
	{ "avoidance, idle", 10, 10, 0, false },
	{ "avoidance, nearly full", 10, 10, 9, false },
	{ "slow start, idle", 10, 100, 0, false },
	{ "slow start, half used", 10, 100, 5, false },
	{ "slow start, more than half used", 10, 100, 6, true },
};

KUNIT_ARRAY_PARAM_DESC(limit, limit_cases, name);

static void unused_window_does_not_grow(struct kunit *test)
{
	const struct limit_case *limit = test->param_value;
	struct sock *sk = new_sender(test, limit->cwnd, limit->ssthresh);

	tcp_sk(sk)->is_cwnd_limited = false;
	tcp_sk(sk)->max_packets_out = limit->max_packets_out;
	acknowledge(sk, limit->cwnd);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk) > limit->cwnd, limit->grows);
}

struct clamp_case {
	const char *name;
	u32 cwnd;
	u32 ssthresh;
	u32 clamp;
	u32 acked;
	u32 cwnd_after;
};

static const struct clamp_case clamp_cases[] = {
	{ "slow start into the clamp", 8, 100, 10, 8, 10 },
	{ "slow start at the clamp", 10, 100, 10, 10, 10 },
	{ "slow start just below", 8, 100, 16, 8, 16 },
	{ "avoidance at the clamp", 10, 10, 10, 10, 10 },
	{ "avoidance into the clamp", 9, 9, 10, 27, 10 },
	{ "avoidance just below", 9, 9, 10, 9, 10 },
};

KUNIT_ARRAY_PARAM_DESC(clamp, clamp_cases, name);

static void clamp_is_never_passed(struct kunit *test)
{
	const struct clamp_case *clamp = test->param_value;
	struct sock *sk = new_sender(test, clamp->cwnd, clamp->ssthresh);

	tcp_sk(sk)->snd_cwnd_clamp = clamp->clamp;
	acknowledge(sk, clamp->acked);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), clamp->cwnd_after);
}

/* ---- losses -------------------------------------------------------------- */

struct loss_case {
	u32 cwnd;
	u32 ssthresh;
};

/* RFC 5681 3.1 equation 4: half, and two at least. */
static const struct loss_case loss_cases[] = {
	{ 1, 2 }, { 2, 2 }, { 3, 2 }, { 4, 2 }, { 5, 2 }, { 6, 3 }, { 7, 3 },
	{ 10, 5 }, { 16, 8 }, { 24, 12 }, { 25, 12 }, { 65535, 32767 },
	{ S32_MAX, S32_MAX / 2 },
};

static void describe_loss(const struct loss_case *loss, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "cwnd %u", loss->cwnd);
}

KUNIT_ARRAY_PARAM(loss, loss_cases, describe_loss);

static void loss_halves_the_window(struct kunit *test)
{
	const struct loss_case *loss = test->param_value;
	struct sock *sk = new_sender(test, loss->cwnd, 100);

	KUNIT_EXPECT_EQ(test, reno_congestion_ops(RENO_PLAIN)->ssthresh(sk),
			loss->ssthresh);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), loss->cwnd);
}

struct undo_case {
	const char *name;
	u32 cwnd;
	u32 prior_cwnd;
	u32 undone;
};

static const struct undo_case undo_cases[] = {
	{ "back to what it was", 12, 24, 24 },
	{ "after a timeout", 1, 24, 24 },
	{ "it has grown past that", 30, 24, 30 },
	{ "no change", 24, 24, 24 },
};

KUNIT_ARRAY_PARAM_DESC(undo, undo_cases, name);

static void spurious_loss_is_undone(struct kunit *test)
{
	const struct undo_case *undo = test->param_value;
	struct sock *sk = new_sender(test, undo->cwnd, 12);

	tcp_sk(sk)->prior_cwnd = undo->prior_cwnd;
	KUNIT_EXPECT_EQ(test, reno_congestion_ops(RENO_PLAIN)->undo_cwnd(sk),
			undo->undone);
}

/* ---- the registration ---------------------------------------------------- */

static void algorithm_is_what_it_says(struct kunit *test)
{
	const struct tcp_congestion_ops *ops = reno_congestion_ops(RENO_PLAIN);

	KUNIT_EXPECT_STREQ(test, ops->name, "renoscope");
	KUNIT_EXPECT_NOT_NULL(test, ops->owner);
	KUNIT_EXPECT_TRUE(test, ops->flags & TCP_CONG_NON_RESTRICTED);
	KUNIT_EXPECT_FALSE(test, ops->flags & TCP_CONG_NEEDS_ECN);
}

/* cong_control would switch the core's PRR off. */
static void recovery_is_left_to_the_core(struct kunit *test)
{
	const struct tcp_congestion_ops *ops = reno_congestion_ops(RENO_PLAIN);

	KUNIT_EXPECT_NULL(test, (void *)ops->cong_control);
	KUNIT_EXPECT_NOT_NULL(test, (void *)ops->cong_avoid);
}

/* The name is taken, so the module has registered it. */
static void algorithm_is_registered(struct kunit *test)
{
	struct tcp_congestion_ops *again;
	int err;

	again = kunit_kzalloc(test, sizeof(*again), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, again);
	memcpy(again, reno_congestion_ops(RENO_PLAIN), sizeof(*again));
	again->owner = THIS_MODULE;
	err = tcp_register_congestion_control(again);
	KUNIT_EXPECT_EQ(test, err, -EEXIST);
	if (!err)
		tcp_unregister_congestion_control(again);
}

static struct kunit_case reno_congestion_cases[] = {
	KUNIT_CASE_PARAM(textbook_slow_start_and_timeout, stretch_gen_params),
	KUNIT_CASE_PARAM(textbook_fast_recovery, stretch_gen_params),
	KUNIT_CASE_PARAM(sawtooth_repeats, stretch_gen_params),

	KUNIT_CASE_PARAM(acks_open_the_window, ack_gen_params),
	KUNIT_CASE_PARAM(unused_window_does_not_grow, limit_gen_params),
	KUNIT_CASE_PARAM(clamp_is_never_passed, clamp_gen_params),

	KUNIT_CASE_PARAM(loss_halves_the_window, loss_gen_params),
	KUNIT_CASE_PARAM(spurious_loss_is_undone, undo_gen_params),

	KUNIT_CASE(algorithm_is_what_it_says),
	KUNIT_CASE(recovery_is_left_to_the_core),
	KUNIT_CASE(algorithm_is_registered),
	{}
};

static struct kunit_suite reno_congestion_suite = {
	.name = "renoscope_reno_congestion",
	.test_cases = reno_congestion_cases,
};

kunit_test_suite(reno_congestion_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: the congestion window against the textbook");
MODULE_LICENSE("GPL");
