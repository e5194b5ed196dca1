// SPDX-License-Identifier: GPL-2.0
/*
 * When, why and by how much the congestion control lowers cwnd, and what it says of it.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <net/tcp.h>

#include "module_parameters.h"
#include "reno_congestion.h"
#include "reno_hearing.h"
#include "reno_sender.h"

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

static struct kunit_case reno_reductions_cases[] = {
	KUNIT_CASE_PARAM(cause_is_the_true_one, cause_gen_params),
	KUNIT_CASE(probe_is_good_for_one_reduction),
	KUNIT_CASE_PARAM(mark_costs_less_in_avoidance, backoff_gen_params),
	KUNIT_CASE(backoff_can_be_chosen),
	KUNIT_CASE(growth_matches_the_backoff),
	KUNIT_CASE(rules_are_taken_once),

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
	{}
};

static struct kunit_suite reno_reductions_suite = {
	.name = "renoscope_reno_reductions",
	.suite_init = start_to_listen,
	.suite_exit = stop_listening,
	.init = begin_test,
	.exit = end_test,
	.test_cases = reno_reductions_cases,
};

kunit_test_suite(reno_reductions_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: reductions of the congestion window, and phases");
MODULE_LICENSE("GPL");
