// SPDX-License-Identifier: GPL-2.0
/*
 * Which events are let into the ring: sampling, the gate as a whole, and a parameter
 * that it is set by.
 *
 * The two parts before the last go through the recorder itself: what
 * event_begin_sock() gives is what a probe would get. Nobody else writes to its ring:
 * suites run one after another, in a guest without connections.
 */
#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "event_gate.h"
#include "event_recorder.h"
#include "module_parameters.h"
#include "parameter_refusal.h"
#include "recorder_reader.h"

/* ---- sampling ------------------------------------------------------------ */

static struct sock *new_sock_of_size(struct kunit *test, size_t bytes, u8 state)
{
	struct sock *sk = kunit_kzalloc(test, bytes, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, sk);
	sock_net_set(sk, &init_net);
	sk->sk_family = AF_INET;
	sk->sk_state = state;
	return sk;
}

static struct sock *new_full(struct kunit *test, u8 state)
{
	return new_sock_of_size(test, sizeof(struct tcp_sock), state);
}

#define FLOWS	20000

/* Ids as the kernel gives them, one after the other, and in steps. */
static unsigned int kept_of(struct kunit *test, u32 one_in, u64 first, u64 step)
{
	struct sock *full = new_full(test, TCP_ESTABLISHED);
	struct sock *request =
		new_sock_of_size(test, sizeof(struct tcp_request_sock),
				 TCP_NEW_SYN_RECV);
	struct sock *timewait =
		new_sock_of_size(test, sizeof(struct tcp_timewait_sock),
				 TCP_TIME_WAIT);
	unsigned int kept = 0, torn = 0, i;

	for (i = 0; i < FLOWS; i++, first += step) {
		bool keeps;

		atomic64_set(&full->sk_cookie, first);
		atomic64_set(&request->sk_cookie, first);
		atomic64_set(&timewait->sk_cookie, first);
		keeps = event_gate_keeps_flow(one_in, full);
		torn += keeps != event_gate_keeps_flow(one_in, request);
		torn += keeps != event_gate_keeps_flow(one_in, timewait);
		kept += keeps;
	}
	KUNIT_EXPECT_EQ(test, torn, 0);
	return kept;
}

struct share_case {
	u32 one_in;
	u64 first;
	u64 step;
};

static const struct share_case share_cases[] = {
	{ 2, 1, 1 }, { 2, 1, 2 }, { 2, 4096, 4096 }, { 3, 1, 1 },
	{ 10, 1, 1 }, { 10, 1, 10 }, { 10, 1ULL << 40, 1ULL << 32 },
	{ 10, 7, 89 }, { 64, 1, 1 }, { 64, 1, 64 }, { 100, 1, 3 },
};

static void describe_share(const struct share_case *share, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "1 in %u, ids %llx + %llx n",
		 share->one_in, share->first, share->step);
}

KUNIT_ARRAY_PARAM(share, share_cases, describe_share);

/* 1/N of 20000, but for chance: five standard deviations of at most sqrt(due). */
static void one_flow_in_n_is_kept_whole(struct kunit *test)
{
	const struct share_case *share = test->param_value;
	unsigned int due = FLOWS / share->one_in;
	unsigned int kept = kept_of(test, share->one_in, share->first,
				    share->step);
	/* without a root: (kept - due)^2 < 25 due */
	int off = (int)kept - (int)due;

	KUNIT_EXPECT_LT(test, off * off, 25 * (int)due);
}

static void all_flows_are_kept_by_one(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, kept_of(test, 1, 1, 1), FLOWS);
}

static void flow_without_an_id_gets_one(struct kunit *test)
{
	struct sock *sk = new_full(test, TCP_SYN_SENT);
	bool keeps = event_gate_keeps_flow(2, sk);

	KUNIT_EXPECT_NE(test, atomic64_read(&sk->sk_cookie), 0);
	KUNIT_EXPECT_EQ(test, keeps, event_gate_keeps_flow(2, sk));
}

/* Its events may be of any connection; a newborn must not be given an id. */
static void listeners_and_nobody_are_kept(struct kunit *test)
{
	struct sock *sk = new_full(test, TCP_LISTEN);
	u64 cookie;

	KUNIT_EXPECT_TRUE(test, event_gate_keeps_flow(1000000000, NULL));
	KUNIT_EXPECT_TRUE(test, event_gate_keeps_flow(1000000000, sk));
	KUNIT_EXPECT_EQ(test, atomic64_read(&sk->sk_cookie), 0);
	for (cookie = 1; cookie < 1000; cookie++) {
		atomic64_set(&sk->sk_cookie, cookie);
		KUNIT_EXPECT_TRUE(test, event_gate_keeps_flow(1000000000, sk));
	}
}

static void stay_on_this_cpu(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, 0,
			set_cpus_allowed_ptr(current,
					     cpumask_of(raw_smp_processor_id())));
}

static unsigned int acks_kept(struct sock *sk, u32 one_in, unsigned int acks)
{
	unsigned int kept = 0;

	while (acks--)
		kept += event_gate_keeps_ack(one_in, sk);
	return kept;
}

static void one_plain_ack_in_n_is_kept(struct kunit *test)
{
	struct sock *sk = new_full(test, TCP_ESTABLISHED);

	stay_on_this_cpu(test);
	KUNIT_EXPECT_EQ(test, acks_kept(sk, 1, 100), 100);
	KUNIT_EXPECT_EQ(test, acks_kept(sk, 10, 1000), 100);
	/* From a large N to a smaller one at once. */
	acks_kept(sk, 1000000000, 2);
	KUNIT_EXPECT_EQ(test, acks_kept(sk, 4, 400), 100);
}

static void eventful_acks_are_all_kept(struct kunit *test)
{
	struct sock *sk = new_full(test, TCP_ESTABLISHED);
	unsigned int ca_state, state;

	stay_on_this_cpu(test);
	for (ca_state = TCP_CA_Disorder; ca_state <= TCP_CA_Loss; ca_state++) {
		inet_csk(sk)->icsk_ca_state = ca_state;
		KUNIT_EXPECT_EQ(test, acks_kept(sk, 1000, 50), 50);
	}
	inet_csk(sk)->icsk_ca_state = TCP_CA_Open;
	for (state = TCP_SYN_SENT; state <= TCP_CLOSING; state++) {
		sk->sk_state = state;
		KUNIT_EXPECT_EQ(test, acks_kept(sk, 1000, 50), 50);
	}
}

/* ---- the gate as a whole ------------------------------------------------- */

static struct gate_rules *new_rules(struct kunit *test, const char *filter,
				    const char *trigger)
{
	struct gate_rules *rules = kunit_kzalloc(test, sizeof(*rules),
						 GFP_KERNEL);
	struct word_complaint complaint;

	KUNIT_ASSERT_NOT_NULL(test, rules);
	KUNIT_ASSERT_EQ(test, 0, event_filter_parse(&rules->filter, filter,
						    &complaint));
	KUNIT_ASSERT_EQ(test, 0, freeze_trigger_parse(&rules->trigger, trigger,
						      &complaint));
	rules->flow_sample = 1;
	rules->ack_sample = 1;
	return rules;
}

/* Try to record an event, as a probe does. Return: whether it was let in. */
static bool record(enum event_kind kind, const struct sock *sk)
{
	struct tcp_event *event = event_begin_sock(kind, sk);

	if (event)
		event_end(event);
	return event;
}

static u64 written(void)
{
	struct ring_cpu_stats stats = {};
	u64 sum = 0;
	unsigned int cpu;

	for_each_online_cpu(cpu)
		if (event_ring_cpu_stats(event_recorder_ring(), cpu, &stats))
			sum += stats.written;
	return sum;
}

static struct sock *new_client(struct kunit *test, u16 port)
{
	struct sock *sk = new_full(test, TCP_ESTABLISHED);

	sk->sk_dport = htons(port);
	return sk;
}

static void filter_turns_away_before_the_ring(struct kunit *test)
{
	struct sock *wanted = new_client(test, 5000);
	struct sock *other = new_client(test, 5001);
	u64 filtered = event_gate_count(GATE_FILTERED);
	u64 before = written();

	KUNIT_EXPECT_TRUE(test, record(EVENT_KIND_ack, other));
	KUNIT_ASSERT_EQ(test, 0,
			event_gate_set_rules(new_rules(test, "port=5000", "")));
	KUNIT_EXPECT_TRUE(test, record(EVENT_KIND_ack, wanted));
	KUNIT_EXPECT_FALSE(test, record(EVENT_KIND_ack, other));
	KUNIT_EXPECT_FALSE(test, record(EVENT_KIND_reset_sent, NULL));
	KUNIT_EXPECT_EQ(test, written() - before, 2);
	KUNIT_EXPECT_EQ(test, event_gate_count(GATE_FILTERED) - filtered, 2);
	event_gate_set_rules(NULL);
	KUNIT_EXPECT_TRUE(test, record(EVENT_KIND_ack, other));
}

/* The trigger and two events are recorded, and a mark. */
static void trigger_freezes_the_ring(struct kunit *test)
{
	struct gate_rules *rules = new_rules(test, "port=5000", "reset_received");
	struct sock *wanted = new_client(test, 5000);
	struct sock *other = new_client(test, 5001);
	u64 before;

	rules->freeze_after = 2;
	KUNIT_ASSERT_EQ(test, 0, event_gate_set_rules(rules));
	before = written();
	/* What is turned away is no trigger. */
	KUNIT_EXPECT_FALSE(test, record(EVENT_KIND_reset_received, other));
	KUNIT_EXPECT_TRUE(test, record(EVENT_KIND_ack, wanted));
	KUNIT_EXPECT_EQ(test, event_gate_pending(), 0);
	KUNIT_EXPECT_TRUE(test, record(EVENT_KIND_reset_received, wanted));
	KUNIT_EXPECT_EQ(test, event_gate_pending(), 2);
	KUNIT_EXPECT_TRUE(test, record(EVENT_KIND_ack, wanted));
	/* Nor does it use up a place. */
	KUNIT_EXPECT_FALSE(test, record(EVENT_KIND_ack, other));
	KUNIT_EXPECT_FALSE(test, event_gate_is_frozen());
	KUNIT_EXPECT_EQ(test, event_gate_pending(), 1);
	KUNIT_EXPECT_TRUE(test, record(EVENT_KIND_ack, wanted));
	KUNIT_EXPECT_TRUE(test, event_gate_is_frozen());
	KUNIT_EXPECT_EQ(test, event_gate_pending(), 0);
	KUNIT_EXPECT_EQ(test, written() - before, 4 + 1);
	KUNIT_EXPECT_FALSE(test, record(EVENT_KIND_ack, wanted));
	KUNIT_EXPECT_FALSE(test, record(EVENT_KIND_ack, other));
	KUNIT_EXPECT_EQ(test, written() - before, 4 + 1);

	/* Without rules it is still frozen. */
	event_gate_set_rules(NULL);
	KUNIT_EXPECT_FALSE(test, record(EVENT_KIND_ack, wanted));
	event_recorder_thaw();
	KUNIT_EXPECT_TRUE(test, record(EVENT_KIND_ack, wanted));
}

/* ---- the marks of freezes ------------------------------------------------ */

/* The cause of the next mark, a number that is none at the end. */
static int next_mark(struct ring_reader *reader)
{
	struct ring_record record;
	const struct tcp_event *event = (const struct tcp_event *)&record;
	struct ring_lost lost;
	enum ring_next next;

	do {
		next = ring_reader_next(reader, &record, &lost);
		if (next == RING_NEXT_RECORD && event->kind == EVENT_KIND_mark)
			return event->mark_cause;
	} while (next != RING_NEXT_NONE);
	return -1;
}

static void freeze_and_thaw_by_hand_are_marked_once(struct kunit *test)
{
	struct ring_reader *reader = read_from_now(test);

	event_recorder_thaw();
	event_recorder_freeze();
	event_recorder_freeze();
	event_recorder_thaw();
	event_recorder_thaw();
	KUNIT_EXPECT_EQ(test, next_mark(reader), EVENT_mark_cause_frozen);
	KUNIT_EXPECT_EQ(test, next_mark(reader), EVENT_mark_cause_thawed);
	KUNIT_EXPECT_EQ(test, next_mark(reader), -1);
}

/* Whoever took the last place may be slow, or find no slot in the ring. */
static void freeze_that_nobody_told_is_marked_before_the_thaw(struct kunit *test)
{
	struct gate_rules *rules = new_rules(test, "", "reset_received");
	struct sock *sk = new_client(test, 5000);
	struct ring_reader *reader = read_from_now(test);

	rules->freeze_after = 1;
	KUNIT_ASSERT_EQ(test, 0, event_gate_set_rules(rules));
	KUNIT_EXPECT_TRUE(test, record(EVENT_KIND_reset_received, sk));
	KUNIT_EXPECT_TRUE(test, event_gate_admits_sock(EVENT_KIND_ack, sk));
	KUNIT_EXPECT_TRUE(test, event_gate_is_frozen());
	KUNIT_EXPECT_EQ(test, next_mark(reader), -1);
	event_recorder_thaw();
	KUNIT_EXPECT_TRUE(test, record(EVENT_KIND_ack, sk));
	KUNIT_EXPECT_EQ(test, next_mark(reader), EVENT_mark_cause_frozen);
	KUNIT_EXPECT_EQ(test, next_mark(reader), EVENT_mark_cause_thawed);
	KUNIT_EXPECT_EQ(test, next_mark(reader), -1);
}

/* Or they would push out what was frozen to be kept. */
static void changes_while_frozen_are_marked_at_the_thaw(struct kunit *test)
{
	struct ring_reader *reader = read_from_now(test);
	u64 kinds = event_recorder_kinds();
	u64 frozen;

	event_recorder_freeze();
	frozen = written();
	event_recorder_mark_filter();
	event_recorder_keep_kinds(0);
	event_recorder_keep_kinds(kinds);
	event_recorder_mark_filter();
	KUNIT_EXPECT_EQ(test, written(), frozen);
	event_recorder_thaw();
	KUNIT_EXPECT_EQ(test, next_mark(reader), EVENT_mark_cause_frozen);
	KUNIT_EXPECT_EQ(test, next_mark(reader), EVENT_mark_cause_filter);
	KUNIT_EXPECT_EQ(test, next_mark(reader), EVENT_mark_cause_events);
	KUNIT_EXPECT_EQ(test, next_mark(reader), EVENT_mark_cause_thawed);
	KUNIT_EXPECT_EQ(test, next_mark(reader), -1);

	event_recorder_freeze();
	event_recorder_thaw();
	event_recorder_mark_filter();
	KUNIT_EXPECT_EQ(test, next_mark(reader), EVENT_mark_cause_frozen);
	KUNIT_EXPECT_EQ(test, next_mark(reader), EVENT_mark_cause_thawed);
	KUNIT_EXPECT_EQ(test, next_mark(reader), EVENT_mark_cause_filter);
	KUNIT_EXPECT_EQ(test, next_mark(reader), -1);
}

static void mark_behind_a_trigger_takes_a_place(struct kunit *test)
{
	struct gate_rules *rules = new_rules(test, "", "reset_received");
	struct sock *sk = new_client(test, 5000);
	struct ring_reader *reader = read_from_now(test);

	rules->freeze_after = 2;
	KUNIT_ASSERT_EQ(test, 0, event_gate_set_rules(rules));
	KUNIT_EXPECT_TRUE(test, record(EVENT_KIND_reset_received, sk));
	KUNIT_EXPECT_TRUE(test, record(EVENT_KIND_ack, sk));
	KUNIT_EXPECT_FALSE(test, event_gate_is_frozen());
	event_recorder_mark_filter();
	KUNIT_EXPECT_TRUE(test, event_gate_is_frozen());
	KUNIT_EXPECT_EQ(test, next_mark(reader), EVENT_mark_cause_filter);
	KUNIT_EXPECT_EQ(test, next_mark(reader), EVENT_mark_cause_frozen);
	KUNIT_EXPECT_EQ(test, next_mark(reader), -1);
}

/**
 * struct resetter - a thread that records nothing but triggers
 * @task: the thread
 * @sk: whose
 */
struct resetter {
	struct task_struct *task;
	struct sock *sk;
};

static int record_resets(void *data)
{
	const struct resetter *resetter = data;

	while (!kthread_should_stop()) {
		record(EVENT_KIND_reset_received, resetter->sk);
		cond_resched();
	}
	return 0;
}

static void stop_resetter(void *data)
{
	struct resetter *resetter = data;

	kthread_stop(resetter->task);
}

static void start_resetter(struct kunit *test, unsigned int cpu)
{
	struct resetter *resetter = kunit_kzalloc(test, sizeof(*resetter),
						  GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, resetter);
	resetter->sk = new_client(test, 5000);
	resetter->task = kthread_create_on_cpu(record_resets, resetter, cpu,
					       "resetter/%u");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, resetter->task);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, stop_resetter,
							   resetter));
	wake_up_process(resetter->task);
}

static void await_freeze(void)
{
	while (!event_gate_is_frozen())
		cond_resched();
}

#define FREEZES		10

/* Each CPU freezes whenever it can, the moment it is thawed. */
static void marks_stand_in_their_order(struct kunit *test)
{
	struct gate_rules *rules = new_rules(test, "", "reset_received");
	struct ring_reader *reader = read_from_now(test);
	unsigned int cpu, i;

	rules->freeze_after = 1;
	KUNIT_ASSERT_EQ(test, 0, event_gate_set_rules(rules));
	for_each_online_cpu(cpu)
		start_resetter(test, cpu);
	for (i = 0; i < FREEZES; i++) {
		await_freeze();
		event_recorder_thaw();
	}
	await_freeze();
	for (i = 0; i < FREEZES; i++) {
		KUNIT_ASSERT_EQ(test, next_mark(reader), EVENT_mark_cause_frozen);
		KUNIT_ASSERT_EQ(test, next_mark(reader), EVENT_mark_cause_thawed);
	}
}

/* ---- the parameters ------------------------------------------------------ */

/**
 * struct number_case - a number as a person writes it
 * @text: what is written
 * @number: what it stands for, 0 where it is refused
 */
struct number_case {
	const char *text;
	u32 number;
};

static const struct number_case number_cases[] = {
	{ "10", 10 }, { "+10", 10 }, { "10\n", 10 }, { "0x10", 16 },
	{ "0XfF", 255 }, { "010", 8 }, { "1000000000", 1000000000 },
	{ "0x3b9aca00", 1000000000 }, { "1000000001", 0 }, { "0x3b9aca01", 0 },
	{ "0", 0 }, { "0x0", 0 }, { "0x", 0 }, { "08", 0 }, { "x10", 0 },
	{ "10h", 0 }, { "-1", 0 }, { " 1", 0 }, { "ten", 0 }, { "", 0 },
};

static void describe_number(const struct number_case *number, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "'%.*s'",
		 (int)strcspn(number->text, "\n"), number->text);
}

KUNIT_ARRAY_PARAM(number, number_cases, describe_number);

/* In each base that the kernel knows; what is refused changes nothing. */
static void sampling_is_a_number_in_any_base(struct kunit *test)
{
	const struct number_case *number = test->param_value;
	const struct kernel_param *param = module_parameter("flow_sample");

	KUNIT_ASSERT_NOT_NULL(test, param);
	KUNIT_ASSERT_EQ(test, param->ops->set("2", param), 0);
	KUNIT_EXPECT_EQ(test, param->ops->set(number->text, param),
			number->number ? 0 : -EINVAL);
	KUNIT_EXPECT_EQ(test, *(const u32 *)param->arg, number->number ?: 2);
}

static void gate_is_open_again(struct kunit *test)
{
	set_module_parameter("flow_sample", "1");
	event_gate_set_rules(NULL);
	event_recorder_thaw();
}

static struct kunit_case event_gate_cases[] = {
	KUNIT_CASE_PARAM(one_flow_in_n_is_kept_whole, share_gen_params),
	KUNIT_CASE(all_flows_are_kept_by_one),
	KUNIT_CASE(flow_without_an_id_gets_one),
	KUNIT_CASE(listeners_and_nobody_are_kept),
	KUNIT_CASE(one_plain_ack_in_n_is_kept),
	KUNIT_CASE(eventful_acks_are_all_kept),

	KUNIT_CASE(filter_turns_away_before_the_ring),
	KUNIT_CASE(trigger_freezes_the_ring),

	KUNIT_CASE(freeze_and_thaw_by_hand_are_marked_once),
	KUNIT_CASE(freeze_that_nobody_told_is_marked_before_the_thaw),
	KUNIT_CASE(changes_while_frozen_are_marked_at_the_thaw),
	KUNIT_CASE(mark_behind_a_trigger_takes_a_place),
	KUNIT_CASE(marks_stand_in_their_order),

	KUNIT_CASE_PARAM(sampling_is_a_number_in_any_base, number_gen_params),
	{}
};

static struct kunit_suite event_gate_suite = {
	.name = "renoscope_event_gate",
	.exit = gate_is_open_again,
	.test_cases = event_gate_cases,
};

kunit_test_suite(event_gate_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: sampling, and the gate");
MODULE_LICENSE("GPL");
