// SPDX-License-Identifier: GPL-2.0
/*
 * Which events are let into the ring: filter, sampling and freeze together.
 *
 * The gate is asked before anything of an event is built. As long as nothing is
 * set it is not there at all: a static branch goes past it.
 *
 * The rules are made once, when a parameter is written, and published by RCU.
 * Probes of all sorts read them: in softirq and process context, from tracepoints
 * and from kprobes. They are short and hold rcu_read_lock(), so whoever publishes
 * waits for a grace period and then frees the old ones.
 *
 * Sampling by flows goes by a hash of the connection's id, which a request, its
 * child and its TIME-WAIT remains have in common: a connection is kept from its
 * request to its end or not at all. What has no id, or no id of its own, is
 * always kept, as it may belong to a connection that is kept:
 *
 *  - segments for which there is no socket yet or no more: syn, refused if it was a
 *    SYN (a handshake's last ACK has its request's id, if that has one),
 *    cookie_checked, bad_checksum, and a segment or a RST without a socket;
 *  - everything of listeners but their destroy, as they are listeners no more by
 *    then; which includes the first event of a listener's child, as it still wears
 *    the listener's id.
 *
 * A request that is only written into a SYN cookie gets an id for the moment, so
 * one in N of such SYN-ACKs is kept.
 *
 * Sampling of ack events drops the uneventful ones alone: those that reach an
 * ESTABLISHED connection in the congestion state Open, where one is much like the
 * next. Each CPU keeps the first of every N. Handshakes, closes and all that
 * happens between the first sign of a loss and the end of the recovery is kept.
 */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/jhash.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "event_capture.h"
#include "event_gate.h"
#include "kernel_compat.h"

/* Always the same, so that the same ids are chosen. */
#define FLOW_SEED	0x52454e4f

DEFINE_STATIC_KEY_FALSE(event_gate_guarded);

/* Held to set rules, freeze and thaw; each CPU counts gate_freeze down without it. */
static DEFINE_MUTEX(gate_lock);
static struct gate_rules __rcu *gate_rules;
static struct event_freeze gate_freeze = EVENT_FREEZE_INIT;

/**
 * struct gate_cpu - one CPU's part
 * @counts: events by what became of them
 * @acks_to_drop: plain ack events before the next that is kept
 */
struct gate_cpu {
	u64 counts[GATE_VERDICTS];
	u32 acks_to_drop;
};

static DEFINE_PER_CPU(struct gate_cpu, gate_cpus);

/* ---- sampling --------------------------------------------------------- */

static bool keeps_cookie(u32 one_in, u64 cookie)
{
	u32 hash = jhash_2words(lower_32_bits(cookie), upper_32_bits(cookie),
				FLOW_SEED);

	return !reciprocal_scale(hash, one_in);
}

/**
 * event_gate_keeps_flow - is this one of the connections that are kept?
 * @one_in: one connection in so many is, at least 1
 * @sk: a socket of any sort, NULL if there is none
 *
 * Context: inside a probe.
 * Return: yes or no, the same for all that a connection consists of.
 */
bool event_gate_keeps_flow(u32 one_in, const struct sock *sk)
{
	if (one_in == 1 || !sk || READ_ONCE(sk->sk_state) == TCP_LISTEN)
		return true;
	return keeps_cookie(one_in, event_capture_cookie(sk));
}
EXPORT_SYMBOL_IF_KUNIT(event_gate_keeps_flow);

static bool is_plain_ack(const struct sock *sk)
{
	return READ_ONCE(sk->sk_state) == TCP_ESTABLISHED &&
	       inet_csk(sk)->icsk_ca_state == TCP_CA_Open;
}

/**
 * event_gate_keeps_ack - is this ack event to be kept?
 * @one_in: one plain one in so many is, at least 1
 * @sk: the full socket
 *
 * Context: inside a probe, on one CPU.
 * Return: yes or no.
 */
bool event_gate_keeps_ack(u32 one_in, const struct sock *sk)
{
	if (one_in == 1 || !is_plain_ack(sk))
		return true;
	/* N may have become smaller in between. */
	if (this_cpu_read(gate_cpus.acks_to_drop) - 1 < one_in - 1) {
		this_cpu_dec(gate_cpus.acks_to_drop);
		return false;
	}
	this_cpu_write(gate_cpus.acks_to_drop, one_in - 1);
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(event_gate_keeps_ack);

/* ---- the questions ---------------------------------------------------- */

static bool let_in(enum gate_verdict verdict)
{
	this_cpu_inc(gate_cpus.counts[verdict]);
	return verdict == GATE_LET_IN;
}

static enum gate_verdict place_left(void)
{
	return event_freeze_admits(&gate_freeze) ? GATE_LET_IN : GATE_FROZEN;
}

static bool filter_wants_sock(const struct event_filter *filter,
			      const struct sock *sk)
{
	struct filter_subject subject;

	if (!filter->count)
		return true;
	if (!sk)
		return false;
	filter_subject_of_sock(&subject, sk, filter->addresses);
	return event_filter_matches(filter, &subject);
}

static enum gate_verdict verdict_on_sock(const struct gate_rules *rules,
					 enum event_kind kind,
					 const struct sock *sk)
{
	if (event_freeze_is_frozen(&gate_freeze))
		return GATE_FROZEN;
	if (!rules)
		return place_left();
	if (!filter_wants_sock(&rules->filter, sk))
		return GATE_FILTERED;
	if (!event_gate_keeps_flow(rules->flow_sample, sk))
		return GATE_SAMPLED;
	if (kind == EVENT_KIND_ack && !event_gate_keeps_ack(rules->ack_sample, sk))
		return GATE_SAMPLED;
	return place_left();
}

/**
 * event_gate_admits_sock - may an event of this socket be recorded?
 * @kind: its kind
 * @sk: its socket of any sort, NULL if there is none
 *
 * Context: inside a probe; where event_gate_guarded is on.
 * Return: yes or no; after a yes it must be recorded.
 */
bool event_gate_admits_sock(enum event_kind kind, const struct sock *sk)
{
	enum gate_verdict verdict;

	rcu_read_lock();
	verdict = verdict_on_sock(rcu_dereference(gate_rules), kind, sk);
	rcu_read_unlock();
	return let_in(verdict);
}
EXPORT_SYMBOL_IF_KUNIT(event_gate_admits_sock);

static bool filter_wants_event(const struct event_filter *filter,
			       const struct tcp_event *seen)
{
	struct filter_subject subject;

	if (!filter->count)
		return true;
	filter_subject_of_event(&subject, seen);
	return event_filter_matches(filter, &subject);
}

static enum gate_verdict verdict_on_event(const struct gate_rules *rules,
					  const struct tcp_event *seen)
{
	if (event_freeze_is_frozen(&gate_freeze))
		return GATE_FROZEN;
	if (!rules)
		return place_left();
	if (!filter_wants_event(&rules->filter, seen))
		return GATE_FILTERED;
	if (rules->flow_sample > 1 && seen->cookie &&
	    !keeps_cookie(rules->flow_sample, seen->cookie))
		return GATE_SAMPLED;
	return place_left();
}

/**
 * event_gate_admits_event - may an event of this segment be recorded?
 * @seen: a record with the ends of the segment
 *
 * Context: inside a probe; where event_gate_guarded is on.
 * Return: yes or no; after a yes it must be recorded.
 */
bool event_gate_admits_event(const struct tcp_event *seen)
{
	enum gate_verdict verdict;

	rcu_read_lock();
	verdict = verdict_on_event(rcu_dereference(gate_rules), seen);
	rcu_read_unlock();
	return let_in(verdict);
}

/**
 * event_gate_admits_mark - may a mark be recorded?
 *
 * Of the events that may follow a trigger it is one.
 *
 * Context: not beside event_gate_settle(), which waits for those under RCU alone
 * to have noted that they took the last place.
 * Return: yes or no; after a yes it must be recorded.
 */
bool event_gate_admits_mark(void)
{
	return event_freeze_admits(&gate_freeze);
}

/**
 * event_gate_looks_back - does recording stop behind this event?
 * @event: an event that was let in, complete
 *
 * Context: inside a probe; where event_gate_guarded is on; under rcu_read_lock(),
 * until the mark that may be due is written.
 * Return: true once for each freeze: then a mark is due.
 */
bool event_gate_looks_back(const struct tcp_event *event)
{
	const struct gate_rules *rules;

	rules = rcu_dereference(gate_rules);
	if (rules && freeze_trigger_fires(&rules->trigger, event))
		event_freeze_start(&gate_freeze, rules->freeze_after);
	return event_freeze_tell(&gate_freeze);
}

/* ---- the rules -------------------------------------------------------- */

static bool rules_ask_for_something(const struct gate_rules *rules)
{
	return rules->filter.count || rules->trigger.kinds ||
	       rules->flow_sample > 1 || rules->ack_sample > 1;
}

/* A guard is needed while there are rules, and until it is thawed. */
static void guard_or_not(void)
{
	lockdep_assert_held(&gate_lock);
	if (rcu_access_pointer(gate_rules) ||
	    atomic_read(&gate_freeze.left) != FREEZE_WATCHING)
		static_branch_enable(&event_gate_guarded);
	else
		static_branch_disable(&event_gate_guarded);
}

/**
 * event_gate_make_rules - all that can fail of going by other rules
 * @rules: the caller's own, copied; NULL, or none set in it, for no rules
 *
 * Context: process context, may sleep.
 * Return: what event_gate_take_rules() takes: NULL for no rules; or ERR_PTR(-ENOMEM).
 */
struct gate_rules *event_gate_make_rules(const struct gate_rules *rules)
{
	struct gate_rules *made;

	if (!rules || !rules_ask_for_something(rules))
		return NULL;
	made = kmemdup(rules, sizeof(*rules), GFP_KERNEL);
	return made ?: ERR_PTR(-ENOMEM);
}

/**
 * event_gate_take_rules - go by these rules from now on
 * @made: what event_gate_make_rules() made; the gate's from now on
 *
 * Context: process context, sleeps until no probe goes by the old ones.
 */
void event_gate_take_rules(struct gate_rules *made)
{
	struct gate_rules *old;

	mutex_lock(&gate_lock);
	old = rcu_replace_pointer(gate_rules, made,
				  lockdep_is_held(&gate_lock));
	/* No trigger of the old rules fires after this. */
	synchronize_rcu();
	guard_or_not();
	mutex_unlock(&gate_lock);
	kfree(old);
}

/**
 * event_gate_set_rules - make rules, and go by them from now on
 * @rules: as event_gate_make_rules()
 *
 * Context: as event_gate_take_rules().
 * Return: 0, or -ENOMEM and nothing changed.
 */
int event_gate_set_rules(const struct gate_rules *rules)
{
	struct gate_rules *made = event_gate_make_rules(rules);

	if (IS_ERR(made))
		return PTR_ERR(made);
	event_gate_take_rules(made);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(event_gate_set_rules);

/**
 * event_gate_freeze - stop recording now
 *
 * Context: process context, may sleep.
 * Return: false if it had stopped already.
 */
bool event_gate_freeze(void)
{
	bool changed;

	mutex_lock(&gate_lock);
	changed = event_freeze_now(&gate_freeze);
	guard_or_not();
	mutex_unlock(&gate_lock);
	return changed;
}

/**
 * event_gate_settle - let all be said of the freeze that is to end
 * @untold: set if nobody has said that recording stopped, and nobody else will
 *
 * On return the marks of all who had to say it are written. What a trigger has
 * begun and not finished is called off instead.
 *
 * Context: process context, sleeps.
 * Return: false if recording has not stopped.
 */
bool event_gate_settle(bool *untold)
{
	bool frozen;

	mutex_lock(&gate_lock);
	frozen = !event_freeze_call_off(&gate_freeze);
	if (frozen) {
		/* Whoever took the last place has noted by then that he did. */
		synchronize_rcu();
		*untold = event_freeze_tell(&gate_freeze);
		/* Whoever else took it upon him to tell has told. */
		synchronize_rcu();
	} else {
		guard_or_not();
	}
	mutex_unlock(&gate_lock);
	return frozen;
}

/**
 * event_gate_thaw - record again, but do not stop again yet
 *
 * Until event_gate_watch(), so that whoever calls can say so in between.
 *
 * Context: process context, may sleep; while frozen, and settled.
 */
void event_gate_thaw(void)
{
	mutex_lock(&gate_lock);
	event_freeze_thaw(&gate_freeze);
	mutex_unlock(&gate_lock);
}

/**
 * event_gate_watch - record, and watch for triggers
 *
 * Context: process context, may sleep.
 */
void event_gate_watch(void)
{
	mutex_lock(&gate_lock);
	event_freeze_watch(&gate_freeze);
	guard_or_not();
	mutex_unlock(&gate_lock);
}

/**
 * event_gate_is_frozen - has recording stopped?
 *
 * Context: any.
 * Return: yes or no.
 */
bool event_gate_is_frozen(void)
{
	return event_freeze_is_frozen(&gate_freeze);
}
EXPORT_SYMBOL_IF_KUNIT(event_gate_is_frozen);

/**
 * event_gate_pending - how many events more until a trigger that fired freezes?
 *
 * Context: any.
 * Return: their number, 0 while no trigger counts down: before one, and frozen.
 */
unsigned int event_gate_pending(void)
{
	return max(atomic_read(&gate_freeze.left), 0);
}
EXPORT_SYMBOL_IF_KUNIT(event_gate_pending);

/**
 * event_gate_count - how many events the gate let in or turned away
 * @verdict: which
 *
 * Only those that came while there was something to ask are counted.
 *
 * Context: any.
 * Return: their number since the module was loaded, on all CPUs.
 */
u64 event_gate_count(enum gate_verdict verdict)
{
	unsigned int cpu;
	u64 sum = 0;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(gate_cpus, cpu).counts[verdict]);
	return sum;
}
EXPORT_SYMBOL_IF_KUNIT(event_gate_count);
