// SPDX-License-Identifier: GPL-2.0
/*
 * The congestion window, against the textbook, the RFCs and Linux.
 *
 * The textbook's figure comes out one number a round trip:
 *
 *	1 2 4 8 16 | 17 18 ... 24 | timeout: 1 2 4 8 12 | 13 14
 */
#include <kunit/test.h>
#include <linux/inet_diag.h>
#include <linux/module.h>
#include <linux/string.h>
#include <net/tcp.h>

#include "module_parameters.h"
#include "reno_congestion.h"
#include "reno_hearing.h"
#include "reno_sender.h"

/* ---- the textbook's figure ----------------------------------------------- */

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
	struct sock *sk = new_connection(test, RENO_TEXTBOOK);

	expect_rounds(test, sk, before, ARRAY_SIZE(before));
	timeout(sk);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, 12);
	expect_rounds(test, sk, after, ARRAY_SIZE(after));
}

static void textbook_fast_recovery(struct kunit *test)
{
	static const u32 after[] = { 12, 13, 14, 15, 16, 17, 18 };
	struct sock *sk = new_sender(test, RENO_TEXTBOOK, 24, 16);

	fast_recovery(sk);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, 12);
	expect_rounds(test, sk, after, ARRAY_SIZE(after));
}

/* Additive increase, multiplicative decrease: the sawtooth. */
static void sawtooth_repeats(struct kunit *test)
{
	static const u32 tooth[] = { 8, 9, 10, 11, 12, 13, 14, 15, 16 };
	struct sock *sk = new_sender(test, RENO_PLAIN, 16, 8);
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
	/*
	 * Slow start adds what was acknowledged: RFC 5681 3.1, and of an ACK that
	 * covers several segments all of them, as Linux does and the RFC does not
	 */
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

static void expect_ack_case(struct kunit *test, const struct ack_case *ack,
			    enum reno_profile profile)
{
	struct sock *sk = new_sender(test, profile, ack->cwnd, ack->ssthresh);
	const char *name = ops_of(sk)->name;
	u32 i;

	tcp_sk(sk)->snd_cwnd_cnt = ack->credit;
	for (i = 0; i < ack->acks; i++)
		acknowledge(sk, ack->stretch);
	KUNIT_EXPECT_EQ_MSG(test, cwnd_of(sk), ack->cwnd_after, "%s", name);
	KUNIT_EXPECT_EQ_MSG(test, tcp_sk(sk)->snd_cwnd_cnt, ack->credit_after,
			    "%s", name);
	KUNIT_EXPECT_EQ_MSG(test, tcp_sk(sk)->snd_ssthresh, ack->ssthresh, "%s",
			    name);
}

/* reno_modern differs in the first slow start alone, while ssthresh is unknown. */
static void acks_open_the_window(struct kunit *test)
{
	const struct ack_case *ack = test->param_value;

	expect_ack_case(test, ack, RENO_PLAIN);
	expect_ack_case(test, ack, RENO_TEXTBOOK);
	if (ack->ssthresh < TCP_INFINITE_SSTHRESH)
		expect_ack_case(test, ack, RENO_MODERN);
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
	struct sock *sk = new_sender(test, RENO_PLAIN, limit->cwnd,
				     limit->ssthresh);

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
	struct sock *sk = new_sender(test, RENO_PLAIN, clamp->cwnd,
				     clamp->ssthresh);

	tcp_sk(sk)->snd_cwnd_clamp = clamp->clamp;
	acknowledge(sk, clamp->acked);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), clamp->cwnd_after);
}

/* ---- by how much it grows: RFC 3465, RFC 7661 ---------------------------- */

struct abc_case {
	const char *name;
	const char *limit;
	u8 ca_state;
	u32 cwnd;
	u32 ssthresh;
	u32 acked;
	u32 cwnd_after;
	u32 credit_after;
};

static const struct abc_case abc_cases[] = {
	/* RFC 3465 2.2: cwnd grows by min(N, L * SMSS) */
	{ "no limit", "0", TCP_CA_Open, 10, 100, 5, 15, 0 },
	{ "L = 1", "1", TCP_CA_Open, 10, 100, 5, 11, 0 },
	{ "L = 2", "2", TCP_CA_Open, 10, 100, 5, 12, 0 },
	{ "L = 2, one segment", "2", TCP_CA_Open, 10, 100, 1, 11, 0 },
	{ "L = 64", "64", TCP_CA_Open, 10, 1000, 100, 74, 0 },
	{ "L = 2, to ssthresh", "2", TCP_CA_Open, 99, 100, 5, 100, 1 },
	/* 2.3: after a timeout L is 1 */
	{ "L = 2 after a timeout", "2", TCP_CA_Loss, 1, 100, 5, 2, 0 },
	{ "no limit after a timeout", "0", TCP_CA_Loss, 1, 100, 5, 6, 0 },
	/* 2.1: in congestion avoidance all that is acknowledged counts */
	{ "avoidance", "2", TCP_CA_Open, 10, 10, 10, 11, 0 },
};

KUNIT_ARRAY_PARAM_DESC(abc, abc_cases, name);

static void one_ack_counts_for_so_much(struct kunit *test)
{
	const struct abc_case *abc = test->param_value;
	struct sock *sk;

	KUNIT_ASSERT_EQ(test, set_module_parameter("reno_abc_limit",
						   abc->limit), 0);
	sk = new_sender(test, RENO_PLAIN, abc->cwnd, abc->ssthresh);
	inet_csk(sk)->icsk_ca_state = abc->ca_state;
	acknowledge(sk, abc->acked);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), abc->cwnd_after);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_cwnd_cnt, abc->credit_after);
}

static struct wire *new_validated_wire(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, set_module_parameter("reno_validate", "Y"), 0);
	return new_wire(test, new_connection(test, RENO_PLAIN), MS(100), 1);
}

/* A sender that uses all of cwnd is not held up, in slow start either. */
static void validation_lets_a_full_window_grow(struct kunit *test)
{
	static const u32 cwnds[] = { 10, 20, 40, 80, 160, 320 };
	struct wire *wire = new_validated_wire(test);
	unsigned int round;

	tcp_sk(wire->sk)->is_cwnd_limited = false;	/* it does not ask */
	for (round = 0; round < ARRAY_SIZE(cwnds); round++)
		deliver_window(wire);
	expect_told_rounds(test, cwnds, ARRAY_SIZE(cwnds));
}

/* Nor if ACKs are lost, so that another covers for them. */
static void validation_does_not_mind_lost_acks(struct kunit *test)
{
	static const u32 cwnds[] = { 10, 20, 40, 80, 160, 320 };
	static const u32 stretches[] = { 4, 1, 7, 2, 9, 1 };
	struct wire *wire = new_validated_wire(test);
	unsigned int round;

	for (round = 0; round < ARRAY_SIZE(cwnds); round++) {
		wire->stretch = stretches[round];
		deliver_window(wire);
	}
	expect_told_rounds(test, cwnds, ARRAY_SIZE(cwnds));
}

/* A flight of @segments instead of what cwnd allows. */
static void send_and_deliver(struct wire *wire, u32 segments)
{
	u32 i;

	wire->newest = wire->oldest;
	for (i = 0; i < segments; i++)
		wire->delivered_then[wire->newest++ % WIRE_SEGMENTS] =
			tcp_sk(wire->sk)->delivered;
	while (segments--)
		deliver(wire, 1);
}

/* RFC 7661 4.3: not while less than half of cwnd is used. */
static void validation_holds_an_unused_window(struct kunit *test)
{
	struct wire *wire = new_validated_wire(test);
	unsigned int round;
	u32 cwnd;

	deliver_window(wire);
	deliver_window(wire);
	for (round = 0; round < 300; round++)	/* past the sampling period */
		send_and_deliver(wire, 4);
	cwnd = cwnd_of(wire->sk);
	tcp_sk(wire->sk)->is_cwnd_limited = true;
	for (round = 0; round < 50; round++)
		send_and_deliver(wire, 4);
	KUNIT_EXPECT_EQ(test, cwnd_of(wire->sk), cwnd);

	/* Half of it is enough: after a round of that it grows again. */
	send_and_deliver(wire, (cwnd + 1) / 2);
	send_and_deliver(wire, (cwnd + 1) / 2);
	KUNIT_EXPECT_GT(test, cwnd_of(wire->sk), cwnd);
}

/* Directly after a loss nothing is known, and cwnd may grow. */
static void validation_begins_anew_after_a_loss(struct kunit *test)
{
	struct wire *wire = new_validated_wire(test);
	struct sock *sk = wire->sk;
	unsigned int round;
	u32 cwnd;

	deliver_window(wire);
	deliver_window(wire);
	for (round = 0; round < 300; round++)
		send_and_deliver(wire, 2);
	cwnd = cwnd_of(sk);
	send_and_deliver(wire, 2);
	KUNIT_ASSERT_EQ(test, cwnd_of(sk), cwnd);
	fast_recovery(sk);
	cwnd = cwnd_of(sk);
	acknowledge(sk, cwnd);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), cwnd + 1);
}

/* ---- losses -------------------------------------------------------------- */

struct loss_case {
	u32 cwnd;
	u32 ssthresh;
};

/* RFC 5681 3.1 equation 4: half, though of cwnd as in Linux, and two at least. */
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
	enum reno_profile profile;

	for (profile = 0; profile < RENO_PROFILES; profile++) {
		struct sock *sk = new_sender(test, profile, loss->cwnd, 100);

		tcp_sk(sk)->lost_out = 1;
		KUNIT_EXPECT_EQ_MSG(test, ops_of(sk)->ssthresh(sk),
				    loss->ssthresh, "%s", ops_of(sk)->name);
		KUNIT_EXPECT_EQ(test, cwnd_of(sk), loss->cwnd);
	}
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
	const struct undo_case *undo_case = test->param_value;
	struct sock *sk = new_sender(test, RENO_PLAIN, undo_case->cwnd, 12);

	tcp_sk(sk)->prior_cwnd = undo_case->prior_cwnd;
	KUNIT_EXPECT_EQ(test, ops_of(sk)->undo_cwnd(sk), undo_case->undone);
	KUNIT_EXPECT_EQ(test, nth_heard(SAID_UNDO, 0).number,
			undo_case->undone);
}

/* ---- Linux's own Reno ---------------------------------------------------- */

static struct tcp_congestion_ops linux_reno = {
	.ssthresh = tcp_reno_ssthresh,
	.cong_avoid = tcp_reno_cong_avoid,
	.undo_cwnd = tcp_reno_undo_cwnd,
};

/* Numerical Recipes' generator: the same walk each time. */
static u32 next_random(u32 *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

/* What may happen to a connection next, with a bit of everything. */
static void step(struct sock *sk, u32 choice, u32 amount)
{
	struct tcp_sock *tp = tcp_sk(sk);

	if (choice < 80)
		acknowledge(sk, 1 + amount % 20);
	else if (choice < 85)
		fast_recovery(sk);
	else if (choice < 88)
		timeout(sk);
	else if (choice < 91)
		undo(sk);
	else if (choice < 94)
		enter_state(sk, TCP_CA_Open);
	else if (choice < 97)
		tp->is_cwnd_limited = !tp->is_cwnd_limited;
	else
		tcp_snd_cwnd_set(tp, max(cwnd_of(sk) / 2, 1U));
}

static const enum reno_profile linux_like[] = { RENO_PLAIN, RENO_TEXTBOOK };

static void describe_profile(const enum reno_profile *profile, char *name)
{
	strscpy(name, reno_congestion_ops(*profile)->name,
		KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(linux_like, linux_like, describe_profile);

/* Ten thousand steps side by side, and never a number apart. */
static void window_never_leaves_that_of_linux(struct kunit *test)
{
	enum reno_profile profile = *(const enum reno_profile *)test->param_value;
	struct sock *ours = new_connection(test, profile);
	struct sock *theirs = new_socket(test, profile);
	u32 seed = 5681;
	unsigned int i;

	inet_csk(theirs)->icsk_ca_ops = &linux_reno;
	tcp_snd_cwnd_set(tcp_sk(theirs), cwnd_of(ours));
	tcp_sk(theirs)->snd_ssthresh = tcp_sk(ours)->snd_ssthresh;
	for (i = 0; i < 10000; i++) {
		u32 choice = next_random(&seed) % 100;
		u32 amount = next_random(&seed);

		step(ours, choice, amount);
		step(theirs, choice, amount);
		KUNIT_ASSERT_EQ_MSG(test, cwnd_of(ours), cwnd_of(theirs),
				    "step %u, %u", i, choice);
		KUNIT_ASSERT_EQ(test, tcp_sk(ours)->snd_ssthresh,
				tcp_sk(theirs)->snd_ssthresh);
		KUNIT_ASSERT_EQ(test, tcp_sk(ours)->snd_cwnd_cnt,
				tcp_sk(theirs)->snd_cwnd_cnt);
	}
}

/* ---- the beginning ------------------------------------------------------- */

/**
 * struct beginning_case - how the algorithm comes to a connection
 * @name: for people
 * @bytes_sent: what it sent until then
 * @packets_out: what of it is in flight
 * @is_new: so it gets the initial window of the rules
 */
struct beginning_case {
	const char *name;
	u64 bytes_sent;
	u32 packets_out;
	bool is_new;
};

static const struct beginning_case beginning_cases[] = {
	{ "nothing sent", 0, 0, true },
	{ "nothing but what is in flight without data", 0, 1, true },
	{ "data in the SYN", 100, 0, false },
	{ "data in the SYN, not acknowledged", 100, 1, false },
	{ "something sent", 1, 0, false },
	{ "something in flight", 1000, 1, false },
	{ "very much sent", BIT_ULL(32), 0, false },
};

KUNIT_ARRAY_PARAM_DESC(beginning, beginning_cases, name);

static void initial_window_is_for_new_connections(struct kunit *test)
{
	const struct beginning_case *beginning = test->param_value;
	struct sock *sk = new_socket(test, RENO_TEXTBOOK);

	tcp_sk(sk)->bytes_sent = beginning->bytes_sent;
	tcp_sk(sk)->packets_out = beginning->packets_out;
	begin(sk);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), beginning->is_new ? 1 :
			TCP_INIT_CWND);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, beginning->is_new ?
			16 : TCP_INFINITE_SSTHRESH);
	expect_phase(test, 0, RENO_PHASE_NONE, RENO_SLOW_START,
		     RENO_CAUSE_BEGIN);
	KUNIT_EXPECT_EQ(test, heard_count, 1);
}

static void others_begin_as_linux_does(struct kunit *test)
{
	struct sock *plain = new_connection(test, RENO_PLAIN);
	struct sock *modern = new_connection(test, RENO_MODERN);

	KUNIT_EXPECT_EQ(test, cwnd_of(plain), TCP_INIT_CWND);
	KUNIT_EXPECT_EQ(test, cwnd_of(modern), TCP_INIT_CWND);
	KUNIT_EXPECT_EQ(test, tcp_sk(plain)->snd_ssthresh,
			TCP_INFINITE_SSTHRESH);
	KUNIT_EXPECT_EQ(test, tcp_sk(modern)->snd_ssthresh,
			TCP_INFINITE_SSTHRESH);
}

/**
 * struct switch_case - the phase that a switch of algorithms finds
 * @name: for people
 * @cwnd: window
 * @ssthresh: threshold
 * @ca_state: the core's
 * @phase: what is told
 */
struct switch_case {
	const char *name;
	u32 cwnd;
	u32 ssthresh;
	u8 ca_state;
	enum reno_phase phase;
};

static const struct switch_case switch_cases[] = {
	{ "slow start", 10, 20, TCP_CA_Open, RENO_SLOW_START },
	{ "at ssthresh", 20, 20, TCP_CA_Open, RENO_AVOIDANCE },
	{ "avoidance", 30, 20, TCP_CA_Disorder, RENO_AVOIDANCE },
	{ "in recovery, PRR below ssthresh", 10, 20, TCP_CA_Recovery,
	  RENO_AVOIDANCE },
	{ "in CWR, PRR below ssthresh", 10, 20, TCP_CA_CWR, RENO_AVOIDANCE },
	{ "after a timeout", 1, 20, TCP_CA_Loss, RENO_SLOW_START },
};

KUNIT_ARRAY_PARAM_DESC(switch, switch_cases, name);

static void switch_finds_the_phase(struct kunit *test)
{
	const struct switch_case *switch_case = test->param_value;
	struct sock *sk = new_socket(test, RENO_MODERN);

	inet_csk(sk)->icsk_ca_state = switch_case->ca_state;
	tcp_sk(sk)->bytes_sent = 1;
	tcp_sk(sk)->snd_ssthresh = switch_case->ssthresh;
	tcp_snd_cwnd_set(tcp_sk(sk), switch_case->cwnd);
	begin(sk);
	expect_phase(test, 0, RENO_PHASE_NONE, switch_case->phase,
		     RENO_CAUSE_BEGIN);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), switch_case->cwnd);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, switch_case->ssthresh);
}

#define OLD_BYTE	0xff

/* How many bytes begin() has written; its last one is no OLD_BYTE. */
static size_t bytes_used(const struct sock *sk)
{
	const u8 *state = inet_csk_ca(sk);
	size_t length = ICSK_CA_PRIV_SIZE;

	while (length && state[length - 1] == OLD_BYTE)
		length--;
	return length;
}

/* As setsockopt() does it over and over: nothing of before is left. */
static void second_init_is_as_the_first(struct kunit *test)
{
	struct sock *sk = new_connection(test, RENO_MODERN);
	struct wire *wire = new_wire(test, sk, MS(100), 1);
	u8 *first = kunit_kzalloc(test, ICSK_CA_PRIV_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, first);
	deliver_window(wire);
	memset(inet_csk_ca(sk), 0, ICSK_CA_PRIV_SIZE);
	begin(sk);
	memcpy(first, inet_csk_ca(sk), ICSK_CA_PRIV_SIZE);
	memset(inet_csk_ca(sk), OLD_BYTE, ICSK_CA_PRIV_SIZE);
	begin(sk);
	KUNIT_EXPECT_GT(test, bytes_used(sk), 0);
	KUNIT_EXPECT_MEMEQ(test, inet_csk_ca(sk), first, bytes_used(sk));
}

/* ---- before the beginning ------------------------------------------------ */

/* While the handshake goes on the core asks an algorithm that was not initialized. */
static void nothing_is_said_before_init(struct kunit *test)
{
	struct sock *sk = new_socket(test, RENO_MODERN);
	struct wire *wire = new_wire(test, sk, MS(100), 1);

	sk->sk_state = TCP_SYN_SENT;
	KUNIT_EXPECT_EQ(test, ops_of(sk)->ssthresh(sk), 5);
	lose_window(wire);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, 5);
	deliver(wire, 1);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 2);
	deliver_window(wire);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 4);
	mark(sk, true);
	KUNIT_EXPECT_EQ(test, ops_of(sk)->sndbuf_expand(sk), 2);
	ops_of(sk)->cwnd_event(sk, CA_EVENT_TX_START);
	ops_of(sk)->cwnd_event(sk, CA_EVENT_CWND_RESTART);
	tcp_sk(sk)->prior_cwnd = 10;
	KUNIT_EXPECT_EQ(test, ops_of(sk)->undo_cwnd(sk), 10);
	KUNIT_EXPECT_EQ(test, heard_count, 0);
}

/* Nor is any rule applied: HyStart++ would count 44 segments as eight. */
static void rules_wait_for_the_end_of_syn_sent(struct kunit *test)
{
	struct sock *sk = new_socket(test, RENO_MODERN);

	sk->sk_state = TCP_SYN_SENT;
	begin(sk);
	acknowledge(sk, 44);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), TCP_INIT_CWND + 44);
	KUNIT_EXPECT_EQ(test, heard_count, 0);
}

/* setsockopt() in SYN-SENT, and then tcp_init_transfer(). */
static struct sock *chosen_in_syn_sent(struct kunit *test)
{
	struct sock *sk = new_socket(test, RENO_TEXTBOOK);
	struct tcp_sock *tp = tcp_sk(sk);

	sk->sk_state = TCP_SYN_SENT;
	begin(sk);
	KUNIT_EXPECT_EQ(test, ops_of(sk)->sndbuf_expand(sk), 2);
	ops_of(sk)->cwnd_event(sk, CA_EVENT_TX_START);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), TCP_INIT_CWND);
	KUNIT_EXPECT_EQ(test, ops_of(sk)->ssthresh(sk), 5);
	KUNIT_EXPECT_EQ(test, heard_count, 0);

	sk->sk_state = TCP_ESTABLISHED;
	tp->snd_ssthresh = TCP_INFINITE_SSTHRESH;
	tcp_snd_cwnd_set(tp, TCP_INIT_CWND);
	return sk;
}

static void expect_textbook_beginning(struct kunit *test, struct sock *sk)
{
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 1);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, 16);
	expect_phase(test, 0, RENO_PHASE_NONE, RENO_SLOW_START,
		     RENO_CAUSE_BEGIN);
	KUNIT_EXPECT_EQ(test, heard_count, 1);
}

static void choice_in_syn_sent_waits_for_the_send_buffer(struct kunit *test)
{
	struct sock *sk = chosen_in_syn_sent(test);

	KUNIT_EXPECT_EQ(test, ops_of(sk)->sndbuf_expand(sk), 2);
	expect_textbook_beginning(test, sk);

	tcp_snd_cwnd_set(tcp_sk(sk), 7);
	KUNIT_EXPECT_EQ(test, ops_of(sk)->sndbuf_expand(sk), 2);
	ops_of(sk)->cwnd_event(sk, CA_EVENT_TX_START);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 7);
}

/* With SO_SNDBUF the core never asks for the send buffer. */
static void choice_in_syn_sent_waits_for_the_first_segment(struct kunit *test)
{
	struct sock *sk = chosen_in_syn_sent(test);

	ops_of(sk)->cwnd_event(sk, CA_EVENT_TX_START);
	expect_textbook_beginning(test, sk);
	tcp_snd_cwnd_set(tcp_sk(sk), 7);
	ops_of(sk)->cwnd_event(sk, CA_EVENT_TX_START);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 7);
}

/* With data in the SYN it has sent already, and keeps the window it sends with. */
static void choice_in_syn_sent_keeps_the_window_of_fast_open(struct kunit *test)
{
	struct sock *sk = chosen_in_syn_sent(test);

	tcp_sk(sk)->bytes_sent = 500;
	KUNIT_EXPECT_EQ(test, ops_of(sk)->sndbuf_expand(sk), 2);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), TCP_INIT_CWND);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, TCP_INFINITE_SSTHRESH);
	expect_phase(test, 0, RENO_PHASE_NONE, RENO_SLOW_START,
		     RENO_CAUSE_BEGIN);
	KUNIT_EXPECT_EQ(test, heard_count, 1);
}

/* ---- what a person sees -------------------------------------------------- */

static void info_is_that_of_the_connection(struct kunit *test)
{
	struct sock *sk = new_connection(test, RENO_PLAIN);
	struct wire *wire = new_wire(test, sk, MS(100), 1);
	union tcp_cc_info info;
	int attr = 0;

	deliver_window(wire);
	wire->rtt_us = MS(90);
	deliver(wire, 3);
	tcp_sk(sk)->srtt_us = MS(95) << 3;
	KUNIT_EXPECT_EQ(test, ops_of(sk)->get_info(sk, ~0U, &attr, &info),
			sizeof(struct tcpvegas_info));
	KUNIT_EXPECT_EQ(test, attr, INET_DIAG_VEGASINFO);
	KUNIT_EXPECT_EQ(test, info.vegas.tcpv_enabled, RENO_SLOW_START);
	KUNIT_EXPECT_EQ(test, info.vegas.tcpv_rttcnt, 1);
	/* What ss shows in the place of its own. */
	KUNIT_EXPECT_EQ(test, info.vegas.tcpv_rtt, MS(95));
	KUNIT_EXPECT_EQ(test, info.vegas.tcpv_minrtt, MS(100));
}

static void info_is_empty_at_first(struct kunit *test)
{
	struct sock *sk = new_sender(test, RENO_PLAIN, 10, 10);
	union tcp_cc_info info;
	int attr = 0;

	KUNIT_EXPECT_NE(test, ops_of(sk)->get_info(sk, ~0U, &attr, &info), 0);
	KUNIT_EXPECT_EQ(test, info.vegas.tcpv_enabled, RENO_AVOIDANCE);
	KUNIT_EXPECT_EQ(test, info.vegas.tcpv_rttcnt, 0);
	KUNIT_EXPECT_EQ(test, info.vegas.tcpv_rtt, 0);
	KUNIT_EXPECT_EQ(test, info.vegas.tcpv_minrtt, 0);
}

/* sock_diag names what it wants. */
static void info_is_for_those_who_ask(struct kunit *test)
{
	struct sock *sk = new_connection(test, RENO_PLAIN);
	u32 vegas = BIT(INET_DIAG_VEGASINFO - 1);
	union tcp_cc_info info;
	int attr = 0;

	KUNIT_EXPECT_EQ(test, ops_of(sk)->get_info(sk, 0, &attr, &info), 0);
	KUNIT_EXPECT_EQ(test, ops_of(sk)->get_info(sk, ~vegas, &attr, &info),
			0);
	KUNIT_EXPECT_EQ(test, attr, 0);
	KUNIT_EXPECT_NE(test, ops_of(sk)->get_info(sk, vegas, &attr, &info),
			0);
}

/* ---- the registration ---------------------------------------------------- */

struct name_case {
	enum reno_profile profile;
	const char *name;
};

static const struct name_case name_cases[] = {
	{ RENO_PLAIN, "renoscope" },
	{ RENO_TEXTBOOK, "reno_textbook" },
	{ RENO_MODERN, "reno_modern" },
};

KUNIT_ARRAY_PARAM_DESC(name, name_cases, name);

static void algorithm_is_what_it_says(struct kunit *test)
{
	const struct name_case *expected = test->param_value;
	const struct tcp_congestion_ops *ops =
		reno_congestion_ops(expected->profile);

	KUNIT_EXPECT_STREQ(test, ops->name, expected->name);
	KUNIT_EXPECT_NOT_NULL(test, ops->owner);
	KUNIT_EXPECT_TRUE(test, ops->flags & TCP_CONG_NON_RESTRICTED);
	KUNIT_EXPECT_FALSE(test, ops->flags & TCP_CONG_NEEDS_ECN);
}

/* cong_control would switch the core's PRR off. */
static void recovery_is_left_to_the_core(struct kunit *test)
{
	const struct name_case *named = test->param_value;
	const struct tcp_congestion_ops *ops =
		reno_congestion_ops(named->profile);

	KUNIT_EXPECT_NULL(test, (void *)ops->cong_control);
	KUNIT_EXPECT_NULL(test, (void *)ops->min_tso_segs);
	KUNIT_EXPECT_NOT_NULL(test, (void *)ops->cong_avoid);
}

/* The kernel calls release more than once: there must be nothing to release. */
static void nothing_is_to_be_released(struct kunit *test)
{
	const struct name_case *named = test->param_value;

	KUNIT_EXPECT_NULL(test,
			  (void *)reno_congestion_ops(named->profile)->release);
}

/* The name is taken, so the module has registered it. */
static void algorithm_is_registered(struct kunit *test)
{
	const struct name_case *named = test->param_value;
	struct tcp_congestion_ops *again;
	int err;

	again = kunit_kzalloc(test, sizeof(*again), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, again);
	memcpy(again, reno_congestion_ops(named->profile), sizeof(*again));
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

	KUNIT_CASE_PARAM(one_ack_counts_for_so_much, abc_gen_params),
	KUNIT_CASE(validation_lets_a_full_window_grow),
	KUNIT_CASE(validation_does_not_mind_lost_acks),
	KUNIT_CASE(validation_holds_an_unused_window),
	KUNIT_CASE(validation_begins_anew_after_a_loss),

	KUNIT_CASE_PARAM(loss_halves_the_window, loss_gen_params),
	KUNIT_CASE_PARAM(spurious_loss_is_undone, undo_gen_params),

	KUNIT_CASE_PARAM(window_never_leaves_that_of_linux,
			 linux_like_gen_params),

	KUNIT_CASE_PARAM(initial_window_is_for_new_connections,
			 beginning_gen_params),
	KUNIT_CASE(others_begin_as_linux_does),
	KUNIT_CASE_PARAM(switch_finds_the_phase, switch_gen_params),
	KUNIT_CASE(second_init_is_as_the_first),
	KUNIT_CASE(nothing_is_said_before_init),
	KUNIT_CASE(rules_wait_for_the_end_of_syn_sent),
	KUNIT_CASE(choice_in_syn_sent_waits_for_the_send_buffer),
	KUNIT_CASE(choice_in_syn_sent_waits_for_the_first_segment),
	KUNIT_CASE(choice_in_syn_sent_keeps_the_window_of_fast_open),

	KUNIT_CASE(info_is_that_of_the_connection),
	KUNIT_CASE(info_is_empty_at_first),
	KUNIT_CASE(info_is_for_those_who_ask),

	KUNIT_CASE_PARAM(algorithm_is_what_it_says, name_gen_params),
	KUNIT_CASE_PARAM(recovery_is_left_to_the_core, name_gen_params),
	KUNIT_CASE_PARAM(nothing_is_to_be_released, name_gen_params),
	KUNIT_CASE_PARAM(algorithm_is_registered, name_gen_params),
	{}
};

static struct kunit_suite reno_congestion_suite = {
	.name = "renoscope_reno_congestion",
	.suite_init = start_to_listen,
	.suite_exit = stop_listening,
	.init = begin_test,
	.exit = end_test,
	.test_cases = reno_congestion_cases,
};

kunit_test_suite(reno_congestion_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: the congestion window against the textbook");
MODULE_LICENSE("GPL");
