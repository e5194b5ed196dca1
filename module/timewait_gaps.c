// SPDX-License-Identifier: GPL-2.0
/*
 * TIME-WAIT, from its start to its end.
 *
 * A connection that reaches TIME-WAIT, or that waits in FIN-WAIT-2 with no process
 * left, gives up its full socket: tcp_time_wait() makes a small sock, with the same
 * cookie, and closes the full one. No tracepoint knows the small sock.
 *
 *  time_wait started	tcp_time_wait(), on entry: the full socket's last moment
 *  time_wait segment	tcp_timewait_state_process(), on entry
 *  time_wait timer_set	__inet_twsk_schedule(), when it sets a timer anew: FIN-WAIT-2
 *			becomes TIME-WAIT; or a segment came to that which is no RST
 *			and has an ACK (a bare one, the FIN once more, anything out of
 *			the window) or fails PAWS
 *  time_wait_end	tcp_twsk_destructor(): the small sock is being freed
 *
 * Every small sock ends in the destructor, but it does not say why. So the two
 * ways that lead there, the timer and inet_twsk_deschedule_put(), leave a note
 * with the socket's address on their CPU; both put the last reference but for a
 * reader that holds one at that moment. Then the cause is `other`.
 */
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/timer.h>
#include <net/inet_timewait_sock.h>
#include <net/net_namespace.h>
#include <net/tcp.h>

#include "event_capture.h"
#include "event_recorder.h"
#include "kernel_compat.h"
#include "timewait_gaps.h"

static DEFINE_PER_CPU(struct timewait_note, timewait_notes);

static const struct sock *sock_of(const struct inet_timewait_sock *tw)
{
	return (const struct sock *)tw;
}

/* ---- start ------------------------------------------------------------ */

/* As tcp_time_wait() in net/ipv4/tcp_minisocks.c computes it. */
static u32 time_wait_jiffies(const struct sock *sk, int state, int timeout)
{
	const int rto = inet_csk(sk)->icsk_rto;

	if (state == TCP_TIME_WAIT)
		return TCP_TIMEWAIT_LEN;
	return max(timeout, (rto << 2) - (rto >> 1));
}

/* As inet_twsk_alloc() in net/ipv4/inet_timewait_sock.c decides. */
static bool no_room_for_time_wait(const struct sock *sk)
{
	const struct inet_timewait_death_row *row =
		&sock_net(sk)->ipv4.tcp_death_row;

	return refcount_read(&row->tw_refcount) - 1 >=
	       READ_ONCE(row->sysctl_max_tw_buckets);
}

static int enter_time_wait(struct kprobe *probe, struct pt_regs *regs)
{
	const struct sock *sk = probe_argument(regs, 0);
	int state = regs_get_kernel_argument(regs, 1);
	int timeout = regs_get_kernel_argument(regs, 2);
	struct tcp_event *event = event_begin_captured(EVENT_KIND_time_wait, sk);

	if (!event)
		return 0;
	event->state = state;
	if (no_room_for_time_wait(sk)) {
		event->time_wait_step = EVENT_time_wait_step_overflow;
	} else {
		event->time_wait_step = EVENT_time_wait_step_started;
		event->time_wait_us =
			jiffies_to_usecs(time_wait_jiffies(sk, state, timeout));
	}
	event_end(event);
	return 0;
}

/* ---- life ------------------------------------------------------------- */

/*
 * On whose behalf does the CPU work? NULL in a softirq; but a process receives
 * without one when it writes to a tun device or polls the driver, and so does a
 * thread of NAPI.
 */
static const struct task_struct *runner_now(void)
{
	return in_serving_softirq() ? NULL : current;
}

/**
 * struct segment_call - tcp_timewait_state_process() at work
 * @tw: its socket, only ever compared
 */
struct segment_call {
	const struct inet_timewait_sock *tw;
};

static int before_timewait_state_process(struct kretprobe_instance *instance,
					 struct pt_regs *regs)
{
	struct segment_call *call = (void *)instance->data;
	const struct inet_timewait_sock *tw = probe_argument(regs, 0);
	const struct sk_buff *skb = probe_argument(regs, 1);
	struct timewait_note *note = this_cpu_ptr(&timewait_notes);
	struct tcp_event *event;

	call->tw = tw;
	note->tw = tw;
	note->runner = runner_now();
	note->seg_flags = tcp_flag_byte(tcp_hdr(skb));
	note->reset_next = false;
	note->ending = EVENT_time_wait_ending_none;
	event = event_begin_captured(EVENT_KIND_time_wait, sock_of(tw));
	if (!event)
		return 0;
	event_capture_received(event, skb);
	event->time_wait_step = EVENT_time_wait_step_segment;
	event_end(event);
	return 0;
}

/**
 * timewait_segment_done - what was a segment's doing, and what will be?
 * @note: the note of the CPU that processed it
 * @tw: the socket that it was for, only ever compared
 * @status: what tcp_timewait_state_process() returned, an enum tcp_tw_status
 *
 * A RST takes the socket away at once, or not at all. A new SYN does so when a
 * listener is found for it, next; and next, too, does whoever received a segment that
 * only a RST answers (tcp_v4_rcv() in net/ipv4/tcp_ipv4.c).
 *
 * Context: any.
 */
void timewait_segment_done(struct timewait_note *note,
			   const struct inet_timewait_sock *tw, int status)
{
	if (note->tw != tw)
		return;
	if (status != TCP_TW_SYN)
		note->seg_flags = 0;
	note->reset_next = status == TCP_TW_RST;
}
EXPORT_SYMBOL_IF_KUNIT(timewait_segment_done);

static int after_timewait_state_process(struct kretprobe_instance *instance,
					struct pt_regs *regs)
{
	const struct segment_call *call = (void *)instance->data;

	timewait_segment_done(this_cpu_ptr(&timewait_notes), call->tw,
			      regs_return_value(regs));
	return 0;
}

static int enter_twsk_schedule(struct kprobe *probe, struct pt_regs *regs)
{
	const struct inet_timewait_sock *tw = probe_argument(regs, 0);
	int timeout = regs_get_kernel_argument(regs, 1);
	bool again = regs_get_kernel_argument(regs, 2) & 1;
	struct tcp_event *event;

	/* DCCP has such sockets too. */
	if (!again || tw->tw_dr != &twsk_net(tw)->ipv4.tcp_death_row)
		return 0;
	event = event_begin_captured(EVENT_KIND_time_wait, sock_of(tw));
	if (!event)
		return 0;
	event->time_wait_step = EVENT_time_wait_step_timer_set;
	event->time_wait_us = jiffies_to_usecs(timeout);
	event_end(event);
	return 0;
}

/* ---- end -------------------------------------------------------------- */

static int enter_tw_timer_handler(struct kprobe *probe, struct pt_regs *regs)
{
	struct timer_list *timer = probe_argument(regs, 0);
	struct timewait_note *note = this_cpu_ptr(&timewait_notes);

	note->tw = container_of(timer, struct inet_timewait_sock, tw_timer);
	note->ending = EVENT_time_wait_ending_timer;
	return 0;
}

/**
 * timewait_ending_by_segment - why does a segment take a small sock away?
 * @note: the note of the CPU that it is processed on
 * @tw: the socket
 * @runner: on whose behalf that CPU works, NULL in a softirq
 *
 * Context: any.
 * Return: an enum event_time_wait_ending.
 */
u8 timewait_ending_by_segment(const struct timewait_note *note,
			      const struct inet_timewait_sock *tw,
			      const struct task_struct *runner)
{
	if (note->tw != tw || note->runner != runner)
		return EVENT_time_wait_ending_other;
	if (note->seg_flags & TCPHDR_RST)
		return EVENT_time_wait_ending_reset;
	if (note->seg_flags & TCPHDR_SYN && tw->tw_substate == TCP_TIME_WAIT)
		return EVENT_time_wait_ending_new_syn;
	return EVENT_time_wait_ending_other;
}
EXPORT_SYMBOL_IF_KUNIT(timewait_ending_by_segment);

/*
 * Who takes a small sock away before its time? A segment, a RST or a SYN, as
 * noted by whoever receives it, or one that got a RST, for which there is no word.
 * Else a process that connects, in its own context, or a namespace's end, in a kernel
 * thread. (One mistake is left: a process that itself received a new SYN, which found
 * no listener, and itself connects next from the same place to the same peer, on the
 * same CPU.)
 */
static u8 ending_of_early_death(const struct timewait_note *note,
				const struct inet_timewait_sock *tw)
{
	u8 by_segment = timewait_ending_by_segment(note, tw, runner_now());

	if (by_segment != EVENT_time_wait_ending_other ||
	    in_serving_softirq() || current->flags & PF_KTHREAD)
		return by_segment;
	if (note->tw == tw && note->runner == current && note->reset_next)
		return EVENT_time_wait_ending_other;
	return EVENT_time_wait_ending_reused;
}

static int enter_twsk_deschedule_put(struct kprobe *probe, struct pt_regs *regs)
{
	const struct inet_timewait_sock *tw = probe_argument(regs, 0);
	struct timewait_note *note = this_cpu_ptr(&timewait_notes);

	note->ending = ending_of_early_death(note, tw);
	note->tw = tw;
	note->reset_next = false;
	return 0;
}

/* The ways to the destructor may have been watched without it. */
static void forget_notes(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		WRITE_ONCE(per_cpu(timewait_notes, cpu).tw, NULL);
}

/**
 * timewait_noted_ending - why does this small sock end?
 * @note: the note of the CPU that frees it; used up if it is about this socket
 * @tw: the socket
 *
 * Context: any.
 * Return: an enum event_time_wait_ending.
 */
u8 timewait_noted_ending(struct timewait_note *note,
			 const struct inet_timewait_sock *tw)
{
	if (note->tw != tw || !note->ending)
		return EVENT_time_wait_ending_other;
	note->tw = NULL;
	return note->ending;
}
EXPORT_SYMBOL_IF_KUNIT(timewait_noted_ending);

static int enter_twsk_destructor(struct kprobe *probe, struct pt_regs *regs)
{
	const struct sock *sk = probe_argument(regs, 0);
	struct tcp_event *event = event_begin_captured(EVENT_KIND_time_wait_end, sk);

	if (!event)
		return 0;
	event->time_wait_ending =
		timewait_noted_ending(this_cpu_ptr(&timewait_notes),
				      inet_twsk(sk));
	event_end(event);
	return 0;
}

static struct gap_probe probes[] = {
	{
		.symbol = "tcp_time_wait",
		.kinds = EVENT_KIND_BIT(time_wait),
		.at_entry = enter_time_wait,
	},
	{
		.symbol = "tcp_timewait_state_process",
		.kinds = EVENT_KIND_BIT(time_wait) | EVENT_KIND_BIT(time_wait_end),
		.before = before_timewait_state_process,
		.after = after_timewait_state_process,
		.data_bytes = sizeof(struct segment_call),
	},
	{
		.symbol = "__inet_twsk_schedule",
		.kinds = EVENT_KIND_BIT(time_wait),
		.at_entry = enter_twsk_schedule,
	},
	{
		.symbol = "tw_timer_handler",
		.kinds = EVENT_KIND_BIT(time_wait_end),
		.at_entry = enter_tw_timer_handler,
	},
	{
		.symbol = "inet_twsk_deschedule_put",
		.kinds = EVENT_KIND_BIT(time_wait_end),
		.at_entry = enter_twsk_deschedule_put,
	},
	{
		.symbol = "tcp_twsk_destructor",
		.kinds = EVENT_KIND_BIT(time_wait_end),
		.at_entry = enter_twsk_destructor,
		.forget = forget_notes,
	},
};

const struct gap_group timewait_gaps = { probes, ARRAY_SIZE(probes) };
EXPORT_SYMBOL_IF_KUNIT(timewait_gaps);
