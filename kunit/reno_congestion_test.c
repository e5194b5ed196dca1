// SPDX-License-Identifier: GPL-2.0
/*
 * The congestion window, against the textbook, the RFCs and Linux.
 *
 * The algorithms under test are what TCP's core would call: the operations that are
 * registered. The sockets are not: each is a zeroed struct tcp_sock with the few
 * numbers that RFC 5681 speaks of. The core's own part is played by short functions,
 * each after the sentence that it stands for:
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
 *
 * Where round trips are measured, struct wire plays the network: it remembers what
 * was sent, and how much had been delivered then, as the core does with each segment.
 * What the algorithms say of themselves is heard at their own tracepoints.
 */
#include <kunit/test.h>
#include <linux/inet_diag.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/string.h>
#include <net/net_namespace.h>
#include <net/tcp.h>

#include "module_parameters.h"
#include "reno_congestion.h"
#include "reno_trace.h"

#define UNLIMITED	(~0U)
#define MSS		1448
#define MS(n)		((u32)(n) * 1000)

static u32 cwnd_of(const struct sock *sk)
{
	return tcp_snd_cwnd(tcp_sk(sk));
}

static const struct tcp_congestion_ops *ops_of(const struct sock *sk)
{
	return inet_csk(sk)->icsk_ca_ops;
}

/* A socket as tcp_init_transfer() leaves it to the algorithm: cwnd is Linux's. */
static struct sock *new_socket(struct kunit *test, enum reno_profile profile)
{
	struct tcp_sock *tp = kunit_kzalloc(test, sizeof(*tp), GFP_KERNEL);
	struct sock *sk = (struct sock *)tp;

	KUNIT_ASSERT_NOT_NULL(test, tp);
	sk->sk_family = AF_INET;
	sk->sk_state = TCP_ESTABLISHED;
	sock_net_set(sk, &init_net);
	inet_csk(sk)->icsk_ca_ops = reno_congestion_ops(profile);
	inet_csk(sk)->icsk_pending = ICSK_TIME_RETRANS;
	tp->mss_cache = MSS;
	tp->delivered = 1;		/* the SYN */
	tp->snd_ssthresh = TCP_INFINITE_SSTHRESH;
	tp->snd_cwnd_clamp = UNLIMITED;
	tp->reordering = 3;
	tp->is_cwnd_limited = true;
	tcp_snd_cwnd_set(tp, TCP_INIT_CWND);
	return sk;
}

/* tcp_init_congestion_control() */
static void begin(struct sock *sk)
{
	tcp_sk(sk)->prior_ssthresh = 0;
	ops_of(sk)->init(sk);
}

static struct sock *new_connection(struct kunit *test,
				   enum reno_profile profile)
{
	struct sock *sk = new_socket(test, profile);

	begin(sk);
	return sk;
}

/* Under way already, so that its window stays; and cwnd alone holds it back. */
static struct sock *new_sender(struct kunit *test, enum reno_profile profile,
			       u32 cwnd, u32 ssthresh)
{
	struct sock *sk = new_socket(test, profile);

	tcp_snd_cwnd_set(tcp_sk(sk), cwnd);
	tcp_sk(sk)->snd_ssthresh = ssthresh;
	tcp_sk(sk)->bytes_sent = 1;
	begin(sk);
	return sk;
}

/* ---- what the core does -------------------------------------------------- */

static void acknowledge(struct sock *sk, u32 segments)
{
	ops_of(sk)->cong_avoid(sk, 0, segments);
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

static void enter_state(struct sock *sk, u8 state)
{
	if (ops_of(sk)->set_state)
		ops_of(sk)->set_state(sk, state);
	inet_csk(sk)->icsk_ca_state = state;
}

/* All is lost but for @still_in_flight. The retransmit is sent afterwards. */
static void partial_timeout(struct sock *sk, u32 still_in_flight)
{
	struct inet_connection_sock *icsk = inet_csk(sk);
	struct tcp_sock *tp = tcp_sk(sk);

	icsk->icsk_pending = 0;
	tp->lost_out = cwnd_of(sk) - min(cwnd_of(sk), still_in_flight);
	if (icsk->icsk_ca_state <= TCP_CA_Disorder) {
		tp->prior_ssthresh = tcp_current_ssthresh(sk);
		tp->prior_cwnd = tcp_snd_cwnd(tp);
		tp->snd_ssthresh = ops_of(sk)->ssthresh(sk);
	}
	tcp_snd_cwnd_set(tp, still_in_flight + 1);
	tp->snd_cwnd_cnt = 0;
	enter_state(sk, TCP_CA_Loss);
	icsk->icsk_pending = ICSK_TIME_RETRANS;
	tp->lost_out = 0;
}

static void timeout(struct sock *sk)
{
	partial_timeout(sk, 0);
}

/* tcp_init_cwnd_reduction(), called for whatever reason there is */
static void reduce(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);

	tp->snd_cwnd_cnt = 0;
	tp->prior_cwnd = tcp_snd_cwnd(tp);
	tp->snd_ssthresh = ops_of(sk)->ssthresh(sk);
}

static void enter_recovery(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);

	tp->lost_out = 1;
	tp->prior_ssthresh = tcp_current_ssthresh(sk);
	reduce(sk);
	enter_state(sk, TCP_CA_Recovery);
	tp->lost_out = 0;
}

static void fast_recovery(struct sock *sk)
{
	enter_recovery(sk);
	tcp_snd_cwnd_set(tcp_sk(sk), tcp_sk(sk)->snd_ssthresh);
	enter_state(sk, TCP_CA_Open);
}

/* tcp_undo_cwnd_reduction() */
static void undo(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);

	if (tp->prior_ssthresh) {
		tcp_snd_cwnd_set(tp, ops_of(sk)->undo_cwnd(sk));
		if (tp->prior_ssthresh > tp->snd_ssthresh)
			tp->snd_ssthresh = tp->prior_ssthresh;
	}
	enter_state(sk, TCP_CA_Open);
}

static void mark(struct sock *sk, bool ece)
{
	u32 flags = CA_ACK_SLOWPATH | CA_ACK_WIN_UPDATE;

	ops_of(sk)->in_ack_event(sk, ece ? flags | CA_ACK_ECE : flags);
}

/* ---- a network ----------------------------------------------------------- */

#define WIRE_SEGMENTS	4096

/**
 * struct wire - a sender's segments on their way, and when they come back
 * @sk: the sender, which always has more to send
 * @rtt_us: how long each takes; 0 to have none measured
 * @stretch: segments that an ACK covers
 * @apart_us: from one ACK to the next; 0 if a window's come evenly all the time
 * @delivered_then: for each segment on its way, what was delivered when it was sent
 * @oldest: the next to be acknowledged
 * @newest: the next to be sent
 */
struct wire {
	struct sock *sk;
	u32 rtt_us;
	u32 stretch;
	u32 apart_us;
	u32 delivered_then[WIRE_SEGMENTS];
	u32 oldest;
	u32 newest;
};

static void send_what_may_be_sent(struct wire *wire)
{
	while (wire->newest - wire->oldest < cwnd_of(wire->sk))
		wire->delivered_then[wire->newest++ % WIRE_SEGMENTS] =
			tcp_sk(wire->sk)->delivered;
}

static struct wire *new_wire(struct kunit *test, struct sock *sk, u32 rtt_us,
			     u32 stretch)
{
	struct wire *wire = kunit_kzalloc(test, sizeof(*wire), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, wire);
	wire->sk = sk;
	wire->rtt_us = rtt_us;
	wire->stretch = stretch;
	send_what_may_be_sent(wire);
	return wire;
}

/* tcp_clean_rtx_queue() and what tcp_ack() calls after it. */
static void deliver(struct wire *wire, u32 segments)
{
	struct tcp_sock *tp = tcp_sk(wire->sk);
	struct ack_sample sample = {
		.pkts_acked = segments,
		.rtt_us = wire->rtt_us ? wire->rtt_us : -1,
	};

	wire->oldest += segments;
	tp->delivered += segments;
	tp->tcp_mstamp += wire->apart_us ?:
			  wire->rtt_us / max(cwnd_of(wire->sk), 1U);
	sample.in_flight = tp->mss_cache * (tp->delivered -
		wire->delivered_then[(wire->oldest - 1) % WIRE_SEGMENTS]);
	ops_of(wire->sk)->pkts_acked(wire->sk, &sample);
	mark(wire->sk, false);
	if (!tcp_in_cwnd_reduction(wire->sk))
		acknowledge(wire->sk, segments);
	send_what_may_be_sent(wire);
}

/* What is on its way now is acknowledged; what that lets go is not yet. */
static void deliver_window(struct wire *wire)
{
	u32 left = wire->newest - wire->oldest;

	while (left) {
		u32 segments = min(wire->stretch, left);

		deliver(wire, segments);
		left -= segments;
	}
}

/* As a bottleneck sends it on: one after the other, then there is a rest. */
static void deliver_train(struct wire *wire)
{
	deliver_window(wire);
	tcp_sk(wire->sk)->tcp_mstamp += wire->rtt_us;
}

/* Nothing of it arrives. The timer sends the first again. */
static void lose_window(struct wire *wire)
{
	wire->oldest = wire->newest;
	timeout(wire->sk);
	send_what_may_be_sent(wire);
}

/* ---- what the algorithms say --------------------------------------------- */

enum said_what { SAID_PHASE = 1, SAID_ROUND, SAID_REDUCTION, SAID_UNDO,
		 SAID_RESTART };

/**
 * struct said - one thing that was said
 * @what: &enum said_what
 * @before: phase or cwnd that was before
 * @number: phase, segments acknowledged in a round, ssthresh or cwnd
 * @cause: &enum reno_cause
 * @rtt_us: a round's shortest round trip
 * @cwnd: the socket's at that time
 */
struct said {
	u32 what;
	u32 before;
	u32 number;
	u32 cause;
	u32 rtt_us;
	u32 cwnd;
};

#define MANY_SAID	256

static struct said heard[MANY_SAID];
static unsigned int heard_count;

static void hear(const struct sock *sk, struct said said)
{
	if (heard_count >= MANY_SAID)
		return;
	said.cwnd = cwnd_of(sk);
	heard[heard_count++] = said;
}

static void hear_phase(void *data, const struct sock *sk,
		       enum reno_phase before, enum reno_phase phase,
		       enum reno_cause cause)
{
	struct said said = { .what = SAID_PHASE, .before = before,
			     .number = phase, .cause = cause };

	hear(sk, said);
}

static void hear_round(void *data, const struct sock *sk, u32 cwnd_before,
		       u32 acked_segments, u32 min_rtt_us)
{
	struct said said = { .what = SAID_ROUND, .before = cwnd_before,
			     .number = acked_segments, .rtt_us = min_rtt_us };

	hear(sk, said);
}

static void hear_reduction(void *data, const struct sock *sk, u32 ssthresh,
			   enum reno_cause cause)
{
	struct said said = { .what = SAID_REDUCTION, .number = ssthresh,
			     .cause = cause };

	hear(sk, said);
}

static void hear_undo(void *data, const struct sock *sk, u32 cwnd)
{
	hear(sk, (struct said){ .what = SAID_UNDO, .number = cwnd });
}

static void hear_restart(void *data, const struct sock *sk)
{
	hear(sk, (struct said){ .what = SAID_RESTART });
}

static void forget_what_was_heard(void)
{
	heard_count = 0;
}

static unsigned int count_heard(enum said_what what)
{
	unsigned int count = 0;
	unsigned int i;

	for (i = 0; i < heard_count; i++)
		count += heard[i].what == what;
	return count;
}

/* The n-th of its sort, from 0; all zero if there are not so many. */
static struct said nth_heard(enum said_what what, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < heard_count; i++)
		if (heard[i].what == what && !n--)
			return heard[i];
	return (struct said){};
}

static void expect_phase(struct kunit *test, unsigned int n,
			 enum reno_phase before, enum reno_phase phase,
			 enum reno_cause cause)
{
	struct said said = nth_heard(SAID_PHASE, n);

	KUNIT_EXPECT_EQ_MSG(test, said.before, before, "phase %u", n);
	KUNIT_EXPECT_EQ_MSG(test, said.number, phase, "phase %u", n);
	KUNIT_EXPECT_EQ_MSG(test, said.cause, cause, "phase %u", n);
}

static void expect_reduction(struct kunit *test, unsigned int n, u32 ssthresh,
			     enum reno_cause cause)
{
	struct said said = nth_heard(SAID_REDUCTION, n);

	KUNIT_EXPECT_EQ_MSG(test, said.number, ssthresh, "reduction %u", n);
	KUNIT_EXPECT_EQ_MSG(test, said.cause, cause, "reduction %u", n);
}

/* cwnd at the beginning of each round, as it was told. */
static void expect_told_rounds(struct kunit *test, const u32 *cwnds,
			       unsigned int count)
{
	unsigned int n;

	KUNIT_EXPECT_EQ(test, count_heard(SAID_ROUND), count);
	for (n = 0; n < count; n++)
		KUNIT_EXPECT_EQ_MSG(test, nth_heard(SAID_ROUND, n).cwnd,
				    cwnds[n], "round %u", n);
}

static int start_to_listen(struct kunit_suite *suite)
{
	int err = register_trace_told_reno_phase(hear_phase, NULL) ?:
		register_trace_told_reno_round(hear_round, NULL) ?:
		register_trace_told_reno_reduction(hear_reduction, NULL) ?:
		register_trace_told_reno_undo(hear_undo, NULL) ?:
		register_trace_told_reno_restart(hear_restart, NULL);

	return err;
}

static void stop_listening(struct kunit_suite *suite)
{
	unregister_trace_told_reno_phase(hear_phase, NULL);
	unregister_trace_told_reno_round(hear_round, NULL);
	unregister_trace_told_reno_reduction(hear_reduction, NULL);
	unregister_trace_told_reno_undo(hear_undo, NULL);
	unregister_trace_told_reno_restart(hear_restart, NULL);
	tracepoint_synchronize_unregister();
}

static int begin_test(struct kunit *test)
{
	forget_what_was_heard();
	return 0;
}

static void end_test(struct kunit *test)
{
	restore_reno_parameters();
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
	memset(inet_csk_ca(sk), 0xff, ICSK_CA_PRIV_SIZE);
	begin(sk);
	/* As much as the algorithms use of it. */
	KUNIT_EXPECT_EQ(test, memcmp(first, inet_csk_ca(sk), 88), 0);
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

/* ---- rounds -------------------------------------------------------------- */

static void textbook_rounds_are_told(struct kunit *test)
{
	static const u32 cwnds[] = {
		1, 2, 4, 8, 16, 17, 18, 19, 20, 21, 22, 23,
		/* 24, all lost */
		1, 2, 4, 8, 12, 13, 14,
	};
	struct sock *sk = new_connection(test, RENO_TEXTBOOK);
	struct wire *wire = new_wire(test, sk, MS(100),
				     *(const u32 *)test->param_value);
	unsigned int round;

	for (round = 0; round < 12; round++)
		deliver_window(wire);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 24);
	lose_window(wire);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, 12);
	for (round = 0; round < 7; round++)
		deliver_window(wire);
	expect_told_rounds(test, cwnds, ARRAY_SIZE(cwnds));

	expect_phase(test, 0, RENO_PHASE_NONE, RENO_SLOW_START,
		     RENO_CAUSE_BEGIN);
	expect_phase(test, 1, RENO_SLOW_START, RENO_AVOIDANCE,
		     RENO_CAUSE_SSTHRESH);
	expect_phase(test, 2, RENO_AVOIDANCE, RENO_SLOW_START, RENO_CAUSE_RTO);
	expect_phase(test, 3, RENO_SLOW_START, RENO_AVOIDANCE,
		     RENO_CAUSE_SSTHRESH);
	KUNIT_EXPECT_EQ(test, count_heard(SAID_PHASE), 4);
	expect_reduction(test, 0, 12, RENO_CAUSE_RTO);
	KUNIT_EXPECT_EQ(test, count_heard(SAID_REDUCTION), 1);
}

/* What is told of a round is of that round alone. */
static void round_tells_what_it_was(struct kunit *test)
{
	struct sock *sk = new_connection(test, RENO_PLAIN);
	struct wire *wire = new_wire(test, sk, MS(100), 1);
	struct said said;

	deliver_window(wire);
	wire->rtt_us = MS(50);
	deliver(wire, 1);
	wire->rtt_us = MS(70);
	deliver(wire, 1);
	wire->rtt_us = MS(60);
	deliver(wire, 18);
	wire->rtt_us = 0;
	deliver(wire, 1);

	/* The first begins with the connection, and ends at once. */
	said = nth_heard(SAID_ROUND, 0);
	KUNIT_EXPECT_EQ(test, said.before, 10);
	KUNIT_EXPECT_EQ(test, said.number, 0);
	KUNIT_EXPECT_EQ(test, said.rtt_us, 0);
	said = nth_heard(SAID_ROUND, 1);
	KUNIT_EXPECT_EQ(test, said.before, 10);
	KUNIT_EXPECT_EQ(test, said.number, 10);
	KUNIT_EXPECT_EQ(test, said.rtt_us, MS(100));
	KUNIT_EXPECT_EQ(test, said.cwnd, 20);
	said = nth_heard(SAID_ROUND, 2);
	KUNIT_EXPECT_EQ(test, said.before, 20);
	KUNIT_EXPECT_EQ(test, said.number, 20);
	KUNIT_EXPECT_EQ(test, said.rtt_us, MS(50));
	KUNIT_EXPECT_EQ(test, said.cwnd, 40);
	KUNIT_EXPECT_EQ(test, count_heard(SAID_ROUND), 3);

	/* And the next has no round trip measured. */
	deliver(wire, 39);
	deliver(wire, 1);
	KUNIT_EXPECT_EQ(test, nth_heard(SAID_ROUND, 3).rtt_us, 0);
}

/* Round trips that were not measured, or make no sense. */
static void round_trip_of_nothing_does_not_count(struct kunit *test)
{
	struct sock *sk = new_connection(test, RENO_PLAIN);
	struct ack_sample sample = { .pkts_acked = 1, .rtt_us = -1 };
	union tcp_cc_info info;
	int attr;

	tcp_sk(sk)->delivered++;
	sample.in_flight = MSS;
	ops_of(sk)->pkts_acked(sk, &sample);
	sample.rtt_us = 0;
	ops_of(sk)->pkts_acked(sk, &sample);
	sample.rtt_us = S32_MIN;
	ops_of(sk)->pkts_acked(sk, &sample);
	ops_of(sk)->get_info(sk, ~0U, &attr, &info);
	KUNIT_EXPECT_EQ(test, info.vegas.tcpv_rttcnt, 0);
	sample.rtt_us = 1;
	ops_of(sk)->pkts_acked(sk, &sample);
	ops_of(sk)->get_info(sk, ~0U, &attr, &info);
	KUNIT_EXPECT_EQ(test, info.vegas.tcpv_rttcnt, 1);
}

/*
 * A sample that speaks of no segment (a duplicate ACK) holds the product of all that
 * ever was delivered, in 32 bits: it ends no round, whatever is left of the product.
 */
static void sample_of_no_segment_ends_no_round(struct kunit *test)
{
	static const u32 delivered[] = { 2, 1000, 2966175, 2966176, U32_MAX };
	struct sock *sk = new_connection(test, RENO_PLAIN);
	struct tcp_sock *tp = tcp_sk(sk);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(delivered); i++) {
		struct ack_sample sample = { .rtt_us = -1 };

		tp->delivered = delivered[i];
		sample.in_flight = tp->mss_cache * tp->delivered;
		ops_of(sk)->pkts_acked(sk, &sample);
		KUNIT_EXPECT_EQ_MSG(test, count_heard(SAID_ROUND), 0,
				    "%u delivered", delivered[i]);
	}
}

/* What its ACKs delivered, however many segments each of them covers. */
static void round_counts_its_own_acks(struct kunit *test)
{
	static const u32 delivered[] = { 0, 10, 20, 40 };
	static const u32 stretches[] = { 7, 1, 13, 3 };
	struct wire *wire = new_wire(test, new_connection(test, RENO_PLAIN),
				     MS(100), 1);
	unsigned int round;

	for (round = 0; round < ARRAY_SIZE(delivered); round++) {
		wire->stretch = stretches[round];
		deliver_window(wire);
		KUNIT_EXPECT_EQ_MSG(test, nth_heard(SAID_ROUND, round).number,
				    delivered[round], "round %u", round);
	}
}

/* By Fast Open: data goes out before even the SYN-ACK was acknowledged. */
static void first_round_may_begin_with_nothing_delivered(struct kunit *test)
{
	static const u32 cwnds[] = { 10, 20, 40 };
	struct sock *sk = new_socket(test, RENO_PLAIN);
	struct ack_sample none = { .rtt_us = -1 };
	struct wire *wire;
	unsigned int round;

	tcp_sk(sk)->delivered = 0;
	begin(sk);
	wire = new_wire(test, sk, MS(100), 1);
	ops_of(sk)->pkts_acked(sk, &none);
	KUNIT_EXPECT_EQ(test, count_heard(SAID_ROUND), 0);
	for (round = 0; round < ARRAY_SIZE(cwnds); round++)
		deliver_window(wire);
	expect_told_rounds(test, cwnds, ARRAY_SIZE(cwnds));
}

/* The count of delivered segments is 32 bits wide, and it wraps. */
static void rounds_go_on_past_the_wrap(struct kunit *test)
{
	static const u32 cwnds[] = { 10, 20, 40, 80 };
	struct sock *sk = new_socket(test, RENO_PLAIN);
	struct wire *wire;
	unsigned int round;

	tcp_sk(sk)->delivered = U32_MAX - 20;
	begin(sk);
	wire = new_wire(test, sk, MS(100), 1);
	for (round = 0; round < ARRAY_SIZE(cwnds); round++)
		deliver_window(wire);
	expect_told_rounds(test, cwnds, ARRAY_SIZE(cwnds));
}

/* ---- HyStart++, RFC 9406 section 4.2, through the operations ------------- */

/* With nothing that the RFC does not have. */
static struct sock *new_hystart_connection(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, set_module_parameter("reno_hystart", "Y"), 0);
	return new_connection(test, RENO_PLAIN);
}

static void hystart_leaves_slow_start_by_delay(struct kunit *test)
{
	static const u32 cwnds[] = { 10, 20, 40, 55, 69, 86, 107, 134 };
	struct sock *sk = new_hystart_connection(test);
	struct wire *wire = new_wire(test, sk, MS(100), 1);
	unsigned int round;

	deliver_window(wire);
	deliver_window(wire);
	/* An eighth of 100 ms is 12.5 ms: 113 ms are too long. */
	wire->rtt_us = MS(113);
	for (round = 2; round < ARRAY_SIZE(cwnds); round++)
		deliver_window(wire);

	/* Seven ACKs of the third round double, the rest and five rounds not. */
	expect_told_rounds(test, cwnds, ARRAY_SIZE(cwnds));
	expect_phase(test, 1, RENO_SLOW_START, RENO_CSS, RENO_CAUSE_DELAY);
	KUNIT_EXPECT_EQ(test, nth_heard(SAID_PHASE, 1).cwnd, 47);
	expect_phase(test, 2, RENO_CSS, RENO_AVOIDANCE,
		     RENO_CAUSE_CSS_ROUNDS);
	expect_reduction(test, 0, 134, RENO_CAUSE_CSS_ROUNDS);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, 134);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 135);
	KUNIT_EXPECT_EQ(test, count_heard(SAID_PHASE), 3);
	KUNIT_EXPECT_EQ(test, count_heard(SAID_REDUCTION), 1);
}

static void hystart_returns_when_it_was_jitter(struct kunit *test)
{
	static const u32 cwnds[] = { 10, 20, 40, 55, 105 };
	struct sock *sk = new_hystart_connection(test);
	struct wire *wire = new_wire(test, sk, MS(100), 1);

	deliver_window(wire);
	deliver_window(wire);
	wire->rtt_us = MS(113);
	deliver_window(wire);
	wire->rtt_us = MS(100);
	deliver_window(wire);
	deliver_window(wire);
	/* Seven ACKs, and one left over, are a quarter; the other 48 double. */
	expect_told_rounds(test, cwnds, ARRAY_SIZE(cwnds));
	expect_phase(test, 1, RENO_SLOW_START, RENO_CSS, RENO_CAUSE_DELAY);
	expect_phase(test, 2, RENO_CSS, RENO_SLOW_START, RENO_CAUSE_JITTER);
	KUNIT_EXPECT_EQ(test, count_heard(SAID_PHASE), 3);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, TCP_INFINITE_SSTHRESH);
}

/* Only where the rules have it. */
static void others_do_not_mind_delay(struct kunit *test)
{
	static const u32 cwnds[] = { 10, 20, 40, 80, 160 };
	struct sock *sk = new_connection(test, RENO_PLAIN);
	struct wire *wire = new_wire(test, sk, MS(100), 1);
	unsigned int round;

	for (round = 0; round < ARRAY_SIZE(cwnds); round++) {
		deliver_window(wire);
		wire->rtt_us += MS(100);
	}
	expect_told_rounds(test, cwnds, ARRAY_SIZE(cwnds));
	KUNIT_EXPECT_EQ(test, count_heard(SAID_PHASE), 1);
}

/* As a parameter of renoscope. */
static void hystart_can_be_switched_on(struct kunit *test)
{
	struct wire *wire = new_wire(test, new_hystart_connection(test),
				     MS(100), 1);

	deliver_window(wire);
	wire->rtt_us = MS(200);
	deliver_window(wire);
	expect_phase(test, 1, RENO_SLOW_START, RENO_CSS, RENO_CAUSE_DELAY);
}

struct burst_case {
	const char *name;
	u32 pacing;
	u32 acked;
	u32 cwnd;
};

/* L = 8, and without bound if paced: by fq, or by TCP itself. */
static const struct burst_case burst_cases[] = {
	{ "eight", SK_PACING_NONE, 8, 18 },
	{ "nine", SK_PACING_NONE, 9, 18 },
	{ "44", SK_PACING_NONE, 44, 18 },
	{ "44, paced by fq", SK_PACING_FQ, 44, 54 },
	{ "44, paced by TCP", SK_PACING_NEEDED, 44, 54 },
};

KUNIT_ARRAY_PARAM_DESC(burst, burst_cases, name);

static void hystart_limits_bursts_unless_paced(struct kunit *test)
{
	const struct burst_case *burst = test->param_value;
	struct sock *sk = new_connection(test, RENO_MODERN);

	sk->sk_pacing_status = burst->pacing;
	acknowledge(sk, burst->acked);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), burst->cwnd);
}

/* Section 4.3: later slow starts end at the ssthresh that was found. */
static void hystart_is_for_the_first_slow_start(struct kunit *test)
{
	struct sock *sk = new_hystart_connection(test);
	struct wire *wire = new_wire(test, sk, MS(100), 1);

	deliver_window(wire);
	deliver_window(wire);
	lose_window(wire);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, 20);
	while (cwnd_of(sk) < 20) {
		wire->rtt_us += MS(100);
		deliver_window(wire);
	}
	/* Also there the L of 8 no longer counts. */
	KUNIT_EXPECT_EQ(test, count_heard(SAID_PHASE), 2);
	expect_phase(test, 1, RENO_SLOW_START, RENO_AVOIDANCE,
		     RENO_CAUSE_SSTHRESH);
	lose_window(wire);
	acknowledge(sk, 9);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 10);
}

/* Nor is it for a connection whose ssthresh is known when it begins. */
static void hystart_is_not_for_a_known_ssthresh(struct kunit *test)
{
	struct sock *sk = new_sender(test, RENO_MODERN, 10, 1000);

	acknowledge(sk, 44);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 54);
}

/* The core lowered ssthresh by itself: slow start was over, and so is it. */
static void hystart_ends_with_any_slow_start(struct kunit *test)
{
	struct sock *sk = new_connection(test, RENO_MODERN);

	tcp_sk(sk)->snd_ssthresh = 12;
	acknowledge(sk, 2);
	expect_phase(test, 1, RENO_SLOW_START, RENO_AVOIDANCE,
		     RENO_CAUSE_SSTHRESH);
	tcp_sk(sk)->snd_ssthresh = 100;
	acknowledge(sk, 44);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 56);
}

/* ---- ACK trains: slower before the delay has grown ----------------------- */

static struct wire *new_bottleneck(struct kunit *test, struct sock *sk)
{
	struct wire *wire = new_wire(test, sk, MS(40), 1);

	wire->apart_us = MS(1);
	return wire;
}

static void deliver_trains(struct wire *wire, unsigned int windows)
{
	while (windows--)
		deliver_train(wire);
}

/* Twenty ACKs of the third train come within half of 40 ms; from there a quarter. */
static void long_train_slows_down(struct kunit *test)
{
	static const u32 cwnds[] = { 10, 20, 40, 65, 81, 101, 126, 158 };
	struct sock *sk = new_connection(test, RENO_MODERN);
	struct wire *wire = new_bottleneck(test, sk);

	deliver_trains(wire, 4);
	/* An eighth more: now there is a queue, and it stays. */
	wire->rtt_us = MS(45);
	deliver_trains(wire, 4);
	expect_told_rounds(test, cwnds, ARRAY_SIZE(cwnds));
	expect_phase(test, 1, RENO_SLOW_START, RENO_CSS, RENO_CAUSE_ACK_TRAIN);
	KUNIT_EXPECT_EQ(test, nth_heard(SAID_PHASE, 1).cwnd, 60);
	expect_phase(test, 2, RENO_CSS, RENO_AVOIDANCE, RENO_CAUSE_CSS_ROUNDS);
	expect_reduction(test, 0, 158, RENO_CAUSE_CSS_ROUNDS);
	KUNIT_EXPECT_EQ(test, count_heard(SAID_PHASE), 3);
}

/* No queue came of it in five rounds: the ACKs were slow for another reason. */
static void long_train_without_a_queue_is_a_mistake(struct kunit *test)
{
	static const u32 cwnds[] = { 10, 20, 40, 65, 81, 101, 126, 158, 316 };
	struct sock *sk = new_connection(test, RENO_MODERN);

	deliver_trains(new_bottleneck(test, sk), ARRAY_SIZE(cwnds));
	expect_told_rounds(test, cwnds, ARRAY_SIZE(cwnds));
	expect_phase(test, 1, RENO_SLOW_START, RENO_CSS, RENO_CAUSE_ACK_TRAIN);
	expect_phase(test, 2, RENO_CSS, RENO_SLOW_START, RENO_CAUSE_JITTER);
	KUNIT_EXPECT_EQ(test, count_heard(SAID_PHASE), 3);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, TCP_INFINITE_SSTHRESH);
}

/* Paced segments are a train by themselves: it must last a whole round trip. */
static void paced_train_must_be_longer(struct kunit *test)
{
	static const u32 cwnds[] = { 10, 20, 40, 80, 130 };
	struct sock *sk = new_connection(test, RENO_MODERN);

	sk->sk_pacing_status = SK_PACING_FQ;
	deliver_trains(new_bottleneck(test, sk), ARRAY_SIZE(cwnds));
	expect_told_rounds(test, cwnds, ARRAY_SIZE(cwnds));
}

/* What the application spaced out says nothing of the path. */
static void train_of_a_window_unused_does_not_count(struct kunit *test)
{
	struct sock *sk = new_connection(test, RENO_MODERN);
	struct wire *wire = new_bottleneck(test, sk);

	deliver_trains(wire, 2);
	tcp_sk(sk)->is_cwnd_limited = false;
	deliver_trains(wire, 2);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 40);
	KUNIT_EXPECT_EQ(test, count_heard(SAID_PHASE), 1);
}

/* RFC 9406 alone, which has no such thing; and a parameter that has. */
static void trains_are_for_those_who_ask(struct kunit *test)
{
	static const u32 cwnds[] = { 10, 20, 40, 80, 160 };
	struct sock *sk = new_hystart_connection(test);

	deliver_trains(new_bottleneck(test, sk), ARRAY_SIZE(cwnds));
	expect_told_rounds(test, cwnds, ARRAY_SIZE(cwnds));
	KUNIT_EXPECT_EQ(test, count_heard(SAID_PHASE), 1);

	KUNIT_ASSERT_EQ(test, set_module_parameter("reno_ack_train", "Y"), 0);
	deliver_trains(new_bottleneck(test, new_hystart_connection(test)), 4);
	expect_phase(test, 2, RENO_SLOW_START, RENO_CSS, RENO_CAUSE_ACK_TRAIN);
}

/* ---- why it shrinks ------------------------------------------------------ */

/**
 * struct cause_case - what the core leaves behind when it asks for ssthresh
 * @name: for people
 * @state: the connection's, 0 for ESTABLISHED
 * @no_rack: losses are found by duplicate ACKs
 * @timer_armed: the retransmission timer is armed
 * @ece: the last ACK was marked
 * @lost_out: segments marked as lost
 * @sacked_out: duplicate ACKs, or segments selectively acknowledged
 * @probe: what the tail loss probe was: 0 none, 1 new data, 2 a retransmit
 * @beyond: how far the last ACK went beyond what the probe covered
 * @cause: what is told
 */
struct cause_case {
	const char *name;
	int state;
	bool no_rack;
	bool timer_armed;
	bool ece;
	u32 lost_out;
	u32 sacked_out;
	u8 probe;
	s8 beyond;
	enum reno_cause cause;
};

static const struct cause_case cause_cases[] = {
	/* tcp_enter_loss(), from the timer, which was taken down */
	{ "timeout", .lost_out = 5, .cause = RENO_CAUSE_RTO },
	{ "timeout after a marked ACK", .lost_out = 5, .ece = true,
	  .cause = RENO_CAUSE_RTO },
	{ "timeout after a probe", .lost_out = 5, .probe = 2, .beyond = -1,
	  .cause = RENO_CAUSE_RTO },
	{ "timeout without RACK", .lost_out = 5, .sacked_out = 9,
	  .no_rack = true, .cause = RENO_CAUSE_RTO },
	/* tcp_fastopen_synack_timer(), nothing in flight yet */
	{ "SYN-ACK of Fast Open timed out", .state = TCP_SYN_RECV,
	  .cause = RENO_CAUSE_RTO },
	/* tcp_enter_recovery() */
	{ "loss found by RACK", .lost_out = 1, .timer_armed = true,
	  .cause = RENO_CAUSE_LOSS },
	{ "loss and mark at once", .lost_out = 1, .timer_armed = true,
	  .ece = true, .cause = RENO_CAUSE_LOSS },
	{ "third duplicate without RACK", .sacked_out = 3, .no_rack = true,
	  .timer_armed = true, .cause = RENO_CAUSE_LOSS },
	{ "third duplicate, marked", .sacked_out = 3, .no_rack = true,
	  .timer_armed = true, .ece = true, .cause = RENO_CAUSE_LOSS },
	/* tcp_enter_cwr() for a mark */
	{ "mark", .timer_armed = true, .ece = true, .cause = RENO_CAUSE_ECN },
	{ "mark with all acknowledged", .ece = true, .cause = RENO_CAUSE_ECN },
	{ "mark among duplicates, RACK", .sacked_out = 9, .timer_armed = true,
	  .ece = true, .cause = RENO_CAUSE_ECN },
	{ "mark after two duplicates", .sacked_out = 2, .no_rack = true,
	  .timer_armed = true, .ece = true, .cause = RENO_CAUSE_ECN },
	{ "mark, Fast Open", .state = TCP_SYN_RECV, .timer_armed = true,
	  .ece = true, .cause = RENO_CAUSE_ECN },
	/* tcp_process_tlp_ack() */
	{ "probe made good", .probe = 2, .beyond = 1, .timer_armed = true,
	  .cause = RENO_CAUSE_LOSS },
	{ "probe made good, marked", .probe = 2, .beyond = 1,
	  .timer_armed = true, .ece = true, .cause = RENO_CAUSE_LOSS },
	{ "mark, probe of new data", .probe = 1, .beyond = 1,
	  .timer_armed = true, .ece = true, .cause = RENO_CAUSE_ECN },
	{ "mark, probe not passed", .probe = 2, .beyond = 0,
	  .timer_armed = true, .ece = true, .cause = RENO_CAUSE_ECN },
	/* tcp_enter_cwr() in __tcp_transmit_skb() */
	{ "dropped by this host", .timer_armed = true,
	  .cause = RENO_CAUSE_OTHER },
	{ "dropped as the first segment", .cause = RENO_CAUSE_OTHER },
};

KUNIT_ARRAY_PARAM_DESC(cause, cause_cases, name);

static void set_the_scene(struct sock *sk, struct net *net,
			  const struct cause_case *scene)
{
	struct tcp_sock *tp = tcp_sk(sk);

	sock_net_set(sk, net);
	net->ipv4.sysctl_tcp_recovery = scene->no_rack ? 0 :
		TCP_RACK_LOSS_DETECTION;
	sk->sk_state = scene->state ?: TCP_ESTABLISHED;
	tp->snd_una = U32_MAX;			/* the numbers wrap */
	tp->tlp_high_seq = scene->probe ? tp->snd_una - scene->beyond : 0;
	tp->tlp_retrans = scene->probe == 2;
	mark(sk, scene->ece);
	tp->tlp_high_seq = 0;			/* as the core does before */
	tp->lost_out = scene->lost_out;
	tp->sacked_out = scene->sacked_out;
	inet_csk(sk)->icsk_pending = scene->timer_armed ? ICSK_TIME_RETRANS : 0;
}

static struct net *new_net(struct kunit *test)
{
	struct net *net = kunit_kzalloc(test, sizeof(*net), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, net);
	return net;
}

static void cause_is_the_true_one(struct kunit *test)
{
	const struct cause_case *scene = test->param_value;
	struct sock *sk = new_sender(test, RENO_MODERN, 100, 50);
	u32 ssthresh = scene->cause == RENO_CAUSE_ECN ? 80 : 50;

	set_the_scene(sk, new_net(test), scene);
	KUNIT_EXPECT_EQ(test, ops_of(sk)->ssthresh(sk), ssthresh);
	expect_reduction(test, 0, ssthresh, scene->cause);
	KUNIT_EXPECT_EQ(test, count_heard(SAID_REDUCTION), 1);
}

/* A probe's loss and a mark on one ACK are two reductions in the core as well. */
static void probe_is_good_for_one_reduction(struct kunit *test)
{
	static const struct cause_case scene = {
		.probe = 2, .beyond = 1, .timer_armed = true, .ece = true,
	};
	struct sock *sk = new_sender(test, RENO_MODERN, 100, 50);

	set_the_scene(sk, new_net(test), &scene);
	reduce(sk);
	reduce(sk);
	expect_reduction(test, 0, 50, RENO_CAUSE_LOSS);
	expect_reduction(test, 1, 80, RENO_CAUSE_ECN);
}

/* ---- by how much: RFC 5681, RFC 8511 ------------------------------------- */

/**
 * struct backoff_case - what a mark and a loss cost
 * @name: for people
 * @profile: the algorithm
 * @cwnd: window
 * @ssthresh: threshold
 * @ece: a mark
 * @lost: a loss
 * @ssthresh_after: what is left
 */
struct backoff_case {
	const char *name;
	enum reno_profile profile;
	u32 cwnd;
	u32 ssthresh;
	bool ece;
	bool lost;
	u32 ssthresh_after;
};

static const struct backoff_case backoff_cases[] = {
	{ "modern, loss", RENO_MODERN, 100, 50, false, true, 50 },
	{ "modern, mark", RENO_MODERN, 100, 50, true, false, 80 },
	{ "modern, mark at ssthresh", RENO_MODERN, 50, 50, true, false, 40 },
	{ "modern, mark and loss", RENO_MODERN, 100, 50, true, true, 50 },
	{ "modern, mark in slow start", RENO_MODERN, 100, 200, true, false,
	  50 },
	{ "modern, mark in the first", RENO_MODERN, 100,
	  TCP_INFINITE_SSTHRESH, true, false, 50 },
	{ "modern, mark of a small window", RENO_MODERN, 2, 2, true, false,
	  2 },
	{ "modern, dropped here", RENO_MODERN, 100, 50, false, false, 50 },
	{ "renoscope, mark", RENO_PLAIN, 100, 50, true, false, 50 },
	{ "textbook, mark", RENO_TEXTBOOK, 100, 50, true, false, 50 },
};

KUNIT_ARRAY_PARAM_DESC(backoff, backoff_cases, name);

static void mark_costs_less_in_avoidance(struct kunit *test)
{
	const struct backoff_case *backoff = test->param_value;
	struct sock *sk = new_sender(test, backoff->profile, backoff->cwnd,
				     backoff->ssthresh);

	mark(sk, backoff->ece);
	tcp_sk(sk)->lost_out = backoff->lost;
	KUNIT_EXPECT_EQ(test, ops_of(sk)->ssthresh(sk),
			backoff->ssthresh_after);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), backoff->cwnd);
}

/* The parameters take hold where they should. */
static void backoff_can_be_chosen(struct kunit *test)
{
	struct sock *sk;

	KUNIT_ASSERT_EQ(test, set_module_parameter("reno_beta", "70"), 0);
	KUNIT_ASSERT_EQ(test, set_module_parameter("reno_beta_ecn", "85"), 0);
	sk = new_sender(test, RENO_PLAIN, 100, 50);
	mark(sk, true);
	KUNIT_EXPECT_EQ(test, ops_of(sk)->ssthresh(sk), 70);
	KUNIT_ASSERT_EQ(test, set_module_parameter("reno_abe", "Y"), 0);
	KUNIT_EXPECT_EQ(test, ops_of(sk)->ssthresh(sk), 70);
	sk = new_sender(test, RENO_PLAIN, 100, 50);
	mark(sk, true);
	KUNIT_EXPECT_EQ(test, ops_of(sk)->ssthresh(sk), 85);
	tcp_sk(sk)->lost_out = 1;
	KUNIT_EXPECT_EQ(test, ops_of(sk)->ssthresh(sk), 70);
}

/* RFC 9438 4.3: alpha is 9/17 for 0.7, so cwnd grows by one for 17/9 of it. */
static void growth_matches_the_backoff(struct kunit *test)
{
	struct sock *sk;

	KUNIT_ASSERT_EQ(test, set_module_parameter("reno_beta", "70"), 0);
	sk = new_sender(test, RENO_PLAIN, 90, 50);
	acknowledge(sk, 169);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 90);
	acknowledge(sk, 1);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 91);
}

/* A connection keeps the rules it began with. */
static void rules_are_taken_once(struct kunit *test)
{
	struct sock *sk = new_sender(test, RENO_PLAIN, 100, 50);

	KUNIT_ASSERT_EQ(test, set_module_parameter("reno_beta", "90"), 0);
	tcp_sk(sk)->lost_out = 1;
	KUNIT_EXPECT_EQ(test, ops_of(sk)->ssthresh(sk), 50);
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

/* ---- phases -------------------------------------------------------------- */

static void loss_ends_slow_start(struct kunit *test)
{
	struct sock *sk = new_connection(test, RENO_MODERN);

	fast_recovery(sk);
	expect_phase(test, 1, RENO_SLOW_START, RENO_AVOIDANCE,
		     RENO_CAUSE_LOSS);
	expect_reduction(test, 0, 5, RENO_CAUSE_LOSS);
	acknowledge(sk, 5);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 6);
	KUNIT_EXPECT_EQ(test, count_heard(SAID_PHASE), 2);
}

static void mark_ends_slow_start(struct kunit *test)
{
	struct sock *sk = new_connection(test, RENO_MODERN);

	mark(sk, true);
	reduce(sk);
	enter_state(sk, TCP_CA_CWR);
	expect_phase(test, 1, RENO_SLOW_START, RENO_AVOIDANCE, RENO_CAUSE_ECN);
	expect_reduction(test, 0, 5, RENO_CAUSE_ECN);
}

/* tcp_enter_loss() asks no ssthresh if recovery has begun; cwnd is 1 all the same. */
static void timeout_in_recovery_is_told(struct kunit *test)
{
	struct sock *sk = new_sender(test, RENO_PLAIN, 24, 16);

	enter_recovery(sk);
	timeout(sk);
	expect_phase(test, 1, RENO_AVOIDANCE, RENO_SLOW_START, RENO_CAUSE_RTO);
	KUNIT_EXPECT_EQ(test, nth_heard(SAID_PHASE, 1).cwnd, 1);
	KUNIT_EXPECT_EQ(test, count_heard(SAID_REDUCTION), 1);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, 12);
}

/* RACK leaves the segments that were sent of late: cwnd is not always 1. */
static void timeout_with_much_in_flight_is_no_slow_start(struct kunit *test)
{
	struct sock *sk = new_connection(test, RENO_PLAIN);

	partial_timeout(sk, 6);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 7);
	expect_phase(test, 1, RENO_SLOW_START, RENO_AVOIDANCE, RENO_CAUSE_RTO);
}

/* tcp_simple_retransmit(): the path takes smaller segments, nothing was lost. */
static void smaller_mtu_is_no_timeout(struct kunit *test)
{
	struct sock *sk = new_sender(test, RENO_PLAIN, 24, 16);

	tcp_sk(sk)->lost_out = 24;
	enter_state(sk, TCP_CA_Loss);
	KUNIT_EXPECT_EQ(test, heard_count, 1);
}

static void undone_loss_returns_to_slow_start(struct kunit *test)
{
	struct sock *sk = new_sender(test, RENO_PLAIN, 10, 100);

	enter_recovery(sk);
	undo(sk);
	acknowledge(sk, 1);
	KUNIT_EXPECT_EQ(test, nth_heard(SAID_UNDO, 0).number, 10);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 11);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, 100);
	expect_phase(test, 1, RENO_SLOW_START, RENO_AVOIDANCE,
		     RENO_CAUSE_LOSS);
	expect_phase(test, 2, RENO_AVOIDANCE, RENO_SLOW_START,
		     RENO_CAUSE_UNDO);
}

/* ssthresh was not reached: cwnd never had been below it. */
static void undone_timeout_returns_to_avoidance(struct kunit *test)
{
	struct sock *sk = new_sender(test, RENO_PLAIN, 37, 35);

	timeout(sk);
	undo(sk);
	acknowledge(sk, 1);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 37);
	expect_phase(test, 1, RENO_AVOIDANCE, RENO_SLOW_START, RENO_CAUSE_RTO);
	expect_phase(test, 2, RENO_SLOW_START, RENO_AVOIDANCE,
		     RENO_CAUSE_UNDO);
}

/* Back to the first slow start: it is watched again, its L of 8 as well. */
static void undone_loss_brings_hystart_back(struct kunit *test)
{
	struct sock *sk = new_connection(test, RENO_MODERN);

	enter_recovery(sk);
	undo(sk);
	KUNIT_EXPECT_EQ(test, tcp_sk(sk)->snd_ssthresh, TCP_INFINITE_SSTHRESH);
	acknowledge(sk, 44);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 18);
}

static void undone_loss_does_not_begin_hystart(struct kunit *test)
{
	struct sock *known = new_sender(test, RENO_MODERN, 10, 1000);
	struct sock *plain = new_connection(test, RENO_PLAIN);

	enter_recovery(known);
	undo(known);
	acknowledge(known, 44);
	KUNIT_EXPECT_EQ(test, cwnd_of(known), 54);
	enter_recovery(plain);
	undo(plain);
	acknowledge(plain, 44);
	KUNIT_EXPECT_EQ(test, cwnd_of(plain), 54);
}

/* tcp_cwnd_restart(): the event comes first, then cwnd is halved. */
static void restart_after_idle_is_told(struct kunit *test)
{
	struct sock *sk = new_sender(test, RENO_PLAIN, 40, 30);
	struct tcp_sock *tp = tcp_sk(sk);

	ops_of(sk)->cwnd_event(sk, CA_EVENT_CWND_RESTART);
	KUNIT_EXPECT_EQ(test, nth_heard(SAID_RESTART, 0).cwnd, 40);
	tp->snd_ssthresh = tcp_current_ssthresh(sk);
	tcp_snd_cwnd_set(tp, 10);
	acknowledge(sk, 1);
	expect_phase(test, 1, RENO_AVOIDANCE, RENO_SLOW_START,
		     RENO_CAUSE_RESTART);
	KUNIT_EXPECT_EQ(test, count_heard(SAID_RESTART), 1);
}

/* The reason of one ACK is not that of a later one. */
static void reason_does_not_outlive_its_ack(struct kunit *test)
{
	struct sock *sk = new_sender(test, RENO_PLAIN, 40, 30);

	ops_of(sk)->cwnd_event(sk, CA_EVENT_CWND_RESTART);
	acknowledge(sk, 1);
	/* tcp_cwnd_application_limited() tells nobody */
	tcp_snd_cwnd_set(tcp_sk(sk), 20);
	acknowledge(sk, 1);
	expect_phase(test, 1, RENO_AVOIDANCE, RENO_SLOW_START,
		     RENO_CAUSE_NONE);
}

static void other_events_are_no_restart(struct kunit *test)
{
	struct sock *sk = new_sender(test, RENO_PLAIN, 40, 30);
	enum tcp_ca_event event;

	for (event = CA_EVENT_TX_START; event <= CA_EVENT_ECN_IS_CE; event++)
		if (event != CA_EVENT_CWND_RESTART)
			ops_of(sk)->cwnd_event(sk, event);
	KUNIT_EXPECT_EQ(test, heard_count, 1);
	KUNIT_EXPECT_EQ(test, cwnd_of(sk), 40);
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

	KUNIT_CASE_PARAM(textbook_rounds_are_told, stretch_gen_params),
	KUNIT_CASE(round_tells_what_it_was),
	KUNIT_CASE(round_trip_of_nothing_does_not_count),
	KUNIT_CASE(sample_of_no_segment_ends_no_round),
	KUNIT_CASE(round_counts_its_own_acks),
	KUNIT_CASE(first_round_may_begin_with_nothing_delivered),
	KUNIT_CASE(rounds_go_on_past_the_wrap),

	KUNIT_CASE(hystart_leaves_slow_start_by_delay),
	KUNIT_CASE(hystart_returns_when_it_was_jitter),
	KUNIT_CASE(others_do_not_mind_delay),
	KUNIT_CASE(hystart_can_be_switched_on),
	KUNIT_CASE_PARAM(hystart_limits_bursts_unless_paced, burst_gen_params),
	KUNIT_CASE(hystart_is_for_the_first_slow_start),
	KUNIT_CASE(hystart_is_not_for_a_known_ssthresh),
	KUNIT_CASE(hystart_ends_with_any_slow_start),

	KUNIT_CASE(long_train_slows_down),
	KUNIT_CASE(long_train_without_a_queue_is_a_mistake),
	KUNIT_CASE(paced_train_must_be_longer),
	KUNIT_CASE(train_of_a_window_unused_does_not_count),
	KUNIT_CASE(trains_are_for_those_who_ask),

	KUNIT_CASE_PARAM(cause_is_the_true_one, cause_gen_params),
	KUNIT_CASE(probe_is_good_for_one_reduction),
	KUNIT_CASE_PARAM(mark_costs_less_in_avoidance, backoff_gen_params),
	KUNIT_CASE(backoff_can_be_chosen),
	KUNIT_CASE(growth_matches_the_backoff),
	KUNIT_CASE(rules_are_taken_once),

	KUNIT_CASE_PARAM(one_ack_counts_for_so_much, abc_gen_params),
	KUNIT_CASE(validation_lets_a_full_window_grow),
	KUNIT_CASE(validation_does_not_mind_lost_acks),
	KUNIT_CASE(validation_holds_an_unused_window),
	KUNIT_CASE(validation_begins_anew_after_a_loss),

	KUNIT_CASE(loss_ends_slow_start),
	KUNIT_CASE(mark_ends_slow_start),
	KUNIT_CASE(timeout_in_recovery_is_told),
	KUNIT_CASE(timeout_with_much_in_flight_is_no_slow_start),
	KUNIT_CASE(smaller_mtu_is_no_timeout),
	KUNIT_CASE(undone_loss_returns_to_slow_start),
	KUNIT_CASE(undone_timeout_returns_to_avoidance),
	KUNIT_CASE(undone_loss_brings_hystart_back),
	KUNIT_CASE(undone_loss_does_not_begin_hystart),
	KUNIT_CASE(restart_after_idle_is_told),
	KUNIT_CASE(reason_does_not_outlive_its_ack),
	KUNIT_CASE(other_events_are_no_restart),

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
