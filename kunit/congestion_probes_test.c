// SPDX-License-Identifier: GPL-2.0
/*
 * What our own congestion control says, as records.
 *
 * An algorithm is asked what TCP's core would ask it, and what it says is read back
 * from the ring that everything is recorded into. Each kind is compared whole, so
 * that a field which ends up in another's place shows.
 */
#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/module.h>
#include <net/net_namespace.h>
#include <net/tcp.h>

#include "event_recorder.h"
#include "event_schema.h"
#include "module_parameters.h"
#include "recorder_reader.h"
#include "reno_congestion.h"

#define MSS	1000
#define CWND	40

/* A socket of our own: whatever else should be in the ring has another id. */
struct fixture {
	struct tcp_sock tp;
	struct ring_reader *reader;
};

static struct sock *socket_of(struct fixture *fixture)
{
	return (struct sock *)&fixture->tp;
}

static const struct tcp_congestion_ops *ops(void)
{
	return reno_congestion_ops(RENO_PLAIN);
}

/* The next record of this socket; all zero if there is none. */
static struct tcp_event next_event(struct kunit *test)
{
	struct fixture *fixture = test->priv;
	u64 cookie = atomic64_read(&socket_of(fixture)->sk_cookie);
	struct tcp_event event;
	struct ring_lost lost;

	while (ring_reader_next(fixture->reader, (struct ring_record *)&event,
				&lost) != RING_NEXT_NONE)
		if (event.cookie == cookie)
			return event;
	return (struct tcp_event){};
}

/* What the kinds have of their own; one that is not named is 0. */
static void expect_event(struct kunit *test, enum event_kind kind,
			 const struct tcp_event *detail)
{
	struct tcp_event event = next_event(test);

	KUNIT_EXPECT_STREQ(test, event_kind_name(event.kind),
			   event_kind_name(kind));
	KUNIT_EXPECT_EQ(test, event.cwnd, CWND);
	KUNIT_EXPECT_EQ(test, event.local_port, 40000);
	KUNIT_EXPECT_EQ(test, event.old_cwnd, detail->old_cwnd);
	KUNIT_EXPECT_EQ(test, event.round_acked, detail->round_acked);
	KUNIT_EXPECT_EQ(test, event.round_rtt_us, detail->round_rtt_us);
	KUNIT_EXPECT_EQ(test, event.new_ssthresh, detail->new_ssthresh);
	KUNIT_EXPECT_EQ(test, event.new_cwnd, detail->new_cwnd);
	KUNIT_EXPECT_EQ(test, event.old_phase, detail->old_phase);
	KUNIT_EXPECT_EQ(test, event.phase, detail->phase);
	KUNIT_EXPECT_EQ(test, event.reno_cause, detail->reno_cause);
}

static int begin_test(struct kunit *test)
{
	struct fixture *fixture = kunit_kzalloc(test, sizeof(*fixture),
						GFP_KERNEL);
	struct sock *sk;

	if (!fixture)
		return -ENOMEM;
	sk = socket_of(fixture);
	sk->sk_family = AF_INET;
	sk->sk_state = TCP_ESTABLISHED;
	inet_sk(sk)->inet_sport = htons(40000);
	sk->sk_num = 40000;
	sock_net_set(sk, &init_net);
	inet_csk(sk)->icsk_pending = ICSK_TIME_RETRANS;
	fixture->tp.mss_cache = MSS;
	fixture->tp.snd_ssthresh = 100;
	fixture->tp.snd_cwnd_clamp = ~0U;
	tcp_snd_cwnd_set(&fixture->tp, CWND);

	fixture->reader = read_from_now(test);
	test->priv = fixture;
	ops()->init(sk);
	return 0;
}

static void expect_beginning(struct kunit *test)
{
	expect_event(test, EVENT_KIND_reno_phase, &(struct tcp_event){
		.phase = EVENT_reno_phase_slow_start,
		.reno_cause = EVENT_reno_cause_begin,
	});
}

static void phase_is_recorded(struct kunit *test)
{
	expect_beginning(test);
	KUNIT_EXPECT_EQ(test, next_event(test).kind, EVENT_KIND_NONE);
}

static void reduction_is_recorded(struct kunit *test)
{
	struct fixture *fixture = test->priv;

	fixture->tp.lost_out = 1;
	ops()->ssthresh(socket_of(fixture));
	expect_beginning(test);
	expect_event(test, EVENT_KIND_reno_reduction, &(struct tcp_event){
		.new_ssthresh = CWND / 2,
		.reno_cause = EVENT_reno_cause_loss,
	});
	expect_event(test, EVENT_KIND_reno_phase, &(struct tcp_event){
		.old_phase = EVENT_reno_phase_slow_start,
		.phase = EVENT_reno_phase_avoidance,
		.reno_cause = EVENT_reno_cause_loss,
	});
}

static void round_is_recorded(struct kunit *test)
{
	struct fixture *fixture = test->priv;
	struct ack_sample sample = { .pkts_acked = 3, .rtt_us = 5000,
				     .in_flight = 3 * MSS };

	fixture->tp.delivered = 10;
	ops()->pkts_acked(socket_of(fixture), &sample);
	fixture->tp.delivered = 13;
	ops()->pkts_acked(socket_of(fixture), &sample);
	expect_beginning(test);
	expect_event(test, EVENT_KIND_reno_round, &(struct tcp_event){
		.old_cwnd = CWND, .round_acked = 0,
	});
	expect_event(test, EVENT_KIND_reno_round, &(struct tcp_event){
		.old_cwnd = CWND, .round_acked = 10, .round_rtt_us = 5000,
	});
}

static void undo_is_recorded(struct kunit *test)
{
	struct fixture *fixture = test->priv;

	fixture->tp.prior_cwnd = 77;
	ops()->undo_cwnd(socket_of(fixture));
	expect_beginning(test);
	expect_event(test, EVENT_KIND_reno_undo, &(struct tcp_event){
		.new_cwnd = 77,
	});
}

static void restart_is_recorded(struct kunit *test)
{
	struct fixture *fixture = test->priv;

	ops()->cwnd_event(socket_of(fixture), CA_EVENT_CWND_RESTART);
	expect_beginning(test);
	expect_event(test, EVENT_KIND_reno_restart, &(struct tcp_event){});
}

/* The kind is switched off as a person does it: its probe comes off, no other. */
static void unwanted_kind_is_not_recorded(struct kunit *test)
{
	struct fixture *fixture = test->priv;

	KUNIT_ASSERT_EQ(test, set_module_parameter("events", "-reno_reduction"),
			0);
	fixture->tp.lost_out = 1;
	ops()->ssthresh(socket_of(fixture));
	KUNIT_ASSERT_EQ(test, set_module_parameter("events", "+reno_reduction"),
			0);
	expect_beginning(test);
	KUNIT_EXPECT_EQ(test, next_event(test).kind, EVENT_KIND_reno_phase);
	ops()->ssthresh(socket_of(fixture));
	KUNIT_EXPECT_EQ(test, next_event(test).kind, EVENT_KIND_reno_reduction);
	KUNIT_EXPECT_EQ(test, next_event(test).kind, EVENT_KIND_NONE);
}

static struct kunit_case congestion_probes_cases[] = {
	KUNIT_CASE(phase_is_recorded),
	KUNIT_CASE(reduction_is_recorded),
	KUNIT_CASE(round_is_recorded),
	KUNIT_CASE(undo_is_recorded),
	KUNIT_CASE(restart_is_recorded),
	KUNIT_CASE(unwanted_kind_is_not_recorded),
	{}
};

static struct kunit_suite congestion_probes_suite = {
	.name = "renoscope_congestion_probes",
	.init = begin_test,
	.test_cases = congestion_probes_cases,
};

kunit_test_suite(congestion_probes_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: records of our own congestion control");
MODULE_LICENSE("GPL");
