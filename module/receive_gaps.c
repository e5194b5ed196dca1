// SPDX-License-Identifier: GPL-2.0
/*
 * What segments that reach a socket make us record where no tracepoint tells:
 * arrivals outside ESTABLISHED, resets.
 *
 *  ack			tcp_rcv_state_process(), on entry: every segment for a
 *			connection that is not in ESTABLISHED. Those in
 *			ESTABLISHED pass tcp:tcp_probe (tracepoint_probes.c).
 *  reset_received	tcp:tcp_receive_reset tells that, tcp_reset() shows the
 *			segment
 *  reset_sent		before 6.10 the tracepoint is silent where there is no
 *			full socket; then tcp_v4_send_reset() and
 *			tcp_v6_send_reset()
 */
#include <linux/cpumask.h>
#include <linux/percpu.h>
#include <linux/ptrace.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/ip6_route.h>
#include <net/route.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "arrivals.h"
#include "event_capture.h"
#include "event_recorder.h"
#include "kernel_compat.h"
#include "receive_gaps.h"

/* ---- arrivals --------------------------------------------------------- */

static int enter_rcv_state_process(struct kprobe *probe, struct pt_regs *regs)
{
	const struct sock *sk = probe_argument(regs, 0);
	const struct sk_buff *skb = probe_argument(regs, 1);

	if (sk->sk_protocol == IPPROTO_TCP && sk->sk_state != TCP_LISTEN &&
	    sk->sk_state != TCP_CLOSE)
		record_arrival(sk, skb);
	return 0;
}

/* ---- resets ----------------------------------------------------------- */

/**
 * struct reset_note - the segment that tcp_reset() was called for
 * @sk: the socket, only ever compared
 * @seen: the segment, as a record
 */
struct reset_note {
	const struct sock *sk;
	struct tcp_event seen;
};

static DEFINE_PER_CPU(struct reset_note, reset_notes);

/* tcp:tcp_receive_reset follows at once, on this CPU. */
static int enter_reset(struct kprobe *probe, struct pt_regs *regs)
{
	struct reset_note *note = this_cpu_ptr(&reset_notes);

	note->sk = probe_argument(regs, 0);
	event_capture_received(&note->seen, probe_argument(regs, 1));
	return 0;
}

static void forget_resets(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		WRITE_ONCE(per_cpu(reset_notes, cpu).sk, NULL);
}

/**
 * capture_reset_segment - the segment behind tcp:tcp_receive_reset
 * @event: the record; left alone if the segment was not seen
 * @sk: the socket
 *
 * Context: inside that tracepoint.
 */
void capture_reset_segment(struct tcp_event *event, const struct sock *sk)
{
	struct reset_note *note = this_cpu_ptr(&reset_notes);

	if (note->sk != sk)
		return;
	note->sk = NULL;
	event_copy_segment(event, &note->seen);
}

static void record_reset_without_socket(const struct sk_buff *skb, u32 reason)
{
	struct tcp_event seen = {};
	struct tcp_event *event;

	event_capture_sockless(&seen, skb);
	event = event_begin_like(EVENT_KIND_reset_sent, &seen);
	if (!event)
		return;
	event->reset_reason = reason;
	event_end(event);
}

/**
 * record_reset_sent - a RST goes out
 * @sk: the socket of any sort, NULL if there is none
 * @skb: the segment that provoked it, NULL if we send it of our own accord
 * @reason: an enum sk_rst_reason, 0 where the kernel has none
 *
 * Context: any in which @sk cannot be freed.
 */
void record_reset_sent(const struct sock *sk, const struct sk_buff *skb,
		       u32 reason)
{
	struct tcp_event *event;

	if (!sk && skb) {
		record_reset_without_socket(skb, reason);
		return;
	}
	event = event_begin_sock(EVENT_KIND_reset_sent, sk);
	if (!event)
		return;
	if (sk)
		event_capture_sock(event, sk);
	if (sk && skb && sk->sk_state == TCP_LISTEN)
		event_capture_ends(event, skb);	/* a listener has no peer */
	if (skb)
		event_capture_received(event, skb);
	event->reset_reason = reason;
	event_end(event);
}

#ifndef COMPAT_HAS_RESET_REASON
/*
 * Is this a RST that the tracepoint does not tell of, and is it sent at all? As
 * tcp_v4_send_reset() and tcp_v6_send_reset() decide on their first lines. (One
 * more way out, a wrong signature under TCP-MD5, is not looked at.)
 */
static bool reset_is_silent(const struct sock *sk, const struct sk_buff *skb)
{
	return !tcp_hdr(skb)->rst && !(sk && sk_fullsock(sk));
}

static int enter_v4_send_reset(struct kprobe *probe, struct pt_regs *regs)
{
	const struct sock *sk = probe_argument(regs, 0);
	const struct sk_buff *skb = probe_argument(regs, 1);

	if (reset_is_silent(sk, skb) &&
	    (sk || skb_rtable(skb)->rt_type == RTN_LOCAL))
		record_reset_sent(sk, skb, 0);
	return 0;
}

static int enter_v6_send_reset(struct kprobe *probe, struct pt_regs *regs)
{
	const struct sock *sk = probe_argument(regs, 0);
	const struct sk_buff *skb = probe_argument(regs, 1);

	if (reset_is_silent(sk, skb) && (sk || ipv6_unicast_destination(skb)))
		record_reset_sent(sk, skb, 0);
	return 0;
}
#endif

static struct gap_probe probes[] = {
	{
		.symbol = "tcp_rcv_state_process",
		.kinds = EVENT_KIND_BIT(ack) | EVENT_KIND_BIT(zero_window),
		.at_entry = enter_rcv_state_process,
	},
	{
		.symbol = "tcp_reset",
		.kinds = EVENT_KIND_BIT(reset_received),
		.at_entry = enter_reset,
		.forget = forget_resets,
	},
#ifndef COMPAT_HAS_RESET_REASON
	{
		.symbol = "tcp_v4_send_reset",
		.kinds = EVENT_KIND_BIT(reset_sent),
		.at_entry = enter_v4_send_reset,
	},
	{
		.symbol = "tcp_v6_send_reset",
		.kinds = EVENT_KIND_BIT(reset_sent),
		.at_entry = enter_v6_send_reset,
	},
#endif
};

const struct gap_group receive_gaps = { probes, ARRAY_SIZE(probes) };
EXPORT_SYMBOL_IF_KUNIT(receive_gaps);
