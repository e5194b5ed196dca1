// SPDX-License-Identifier: GPL-2.0
/*
 * The congestion control's round trips, and what it takes from them: when to leave
 * the first slow start.
 */
#include <kunit/test.h>
#include <linux/inet_diag.h>
#include <linux/module.h>
#include <net/tcp.h>

#include "module_parameters.h"
#include "reno_congestion.h"
#include "reno_hearing.h"
#include "reno_sender.h"

KUNIT_ARRAY_PARAM(stretch, stretches, describe_stretch);

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

static struct kunit_case reno_rounds_cases[] = {
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
	{}
};

static struct kunit_suite reno_rounds_suite = {
	.name = "renoscope_reno_rounds",
	.suite_init = start_to_listen,
	.suite_exit = stop_listening,
	.init = begin_test,
	.exit = end_test,
	.test_cases = reno_rounds_cases,
};

kunit_test_suite(reno_rounds_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: round trips of the congestion control, and HyStart++");
MODULE_LICENSE("GPL");
