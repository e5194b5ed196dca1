// SPDX-License-Identifier: GPL-2.0
/*
 * What segments that reach a socket make us record: arrivals, the peer's window,
 * resets.
 *
 *  ack			tcp_rcv_state_process(), on entry: every segment for a
 *			connection that is not in ESTABLISHED. Those in
 *			ESTABLISHED pass tcp:tcp_probe (tracepoint_probes.c).
 *  zero_window, peer	at both of these places
 *  reset_received	tcp:tcp_receive_reset tells that, tcp_reset() shows the
 *			segment
 *  reset_sent		before 6.10 the tracepoint is silent where there is no
 *			full socket; then tcp_v4_send_reset() and
 *			tcp_v6_send_reset()
 */
#include <linux/cpumask.h>
#include <linux/ipv6.h>
#include <linux/percpu.h>
#include <linux/ptrace.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/ip6_route.h>
#include <net/route.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "event_capture.h"
#include "event_recorder.h"
#include "kernel_compat.h"
#include "receive_gaps.h"

/* ---- arrivals --------------------------------------------------------- */

/*
 * Is this segment one that the kernel will look at? As tcp_sequence() and tcp_ack()
 * in net/ipv4/tcp_input.c decide: a stranger who only knows the ports must not
 * close a window here. (Timestamps that are too old are not looked for.)
 */
static bool segment_is_acceptable(const struct tcp_sock *tp, u32 seq, u32 ack,
				  u32 end_seq)
{
	return !before(ack, tp->snd_una) && !after(ack, tp->snd_nxt) &&
	       !before(end_seq, tp->rcv_wup) &&
	       !after(seq, tp->rcv_nxt + tcp_receive_window(tp));
}

/*
 * Will the kernel take the window of this segment for the peer's? As
 * tcp_may_update_window() in net/ipv4/tcp_input.c decides.
 */
static bool window_counts(const struct tcp_sock *tp, const struct sk_buff *skb,
			  u32 window)
{
	const struct tcphdr *th = tcp_hdr(skb);
	u32 seq = ntohl(th->seq);
	u32 ack = ntohl(th->ack_seq);
	u32 end_seq = seq + th->fin + skb->len - __tcp_hdrlen(th);

	if (!segment_is_acceptable(tp, seq, ack, end_seq))
		return false;
	if (after(ack, tp->snd_una) || after(seq, tp->snd_wl1))
		return true;
	return seq == tp->snd_wl1 &&
	       (window > tp->snd_wnd || (COMPAT_ZERO_WINDOW_COUNTS && !window));
}

/*
 * Does the peer's window close or open with this segment? A handshake ends with
 * the first window that counts, and the listener's child was made with it already.
 */
static bool window_changes(const struct sock *sk, u32 window)
{
	if (sk->sk_state == TCP_SYN_SENT)
		return false;
	if (sk->sk_state == TCP_SYN_RECV)
		return !window;
	return !window != !tcp_sk(sk)->snd_wnd;
}

static void record_peer_window(const struct sock *sk, const struct sk_buff *skb)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	const struct tcphdr *th = tcp_hdr(skb);
	u32 window = (u32)ntohs(th->window) << tp->rx_opt.snd_wscale;
	struct tcp_event *event;

	if (likely(window && tp->snd_wnd))
		return;
	if (!th->ack || th->rst || th->syn || !window_changes(sk, window) ||
	    !window_counts(tp, skb, window))
		return;
	event = event_begin_sock(EVENT_KIND_zero_window, sk);
	if (!event)
		return;
	event_capture_sock(event, sk);
	event_capture_received(event, skb);
	event->window_side = EVENT_window_side_peer;
	event->window_change = window ? EVENT_window_change_opened :
					EVENT_window_change_closed;
	event_end(event);
}

/**
 * record_received - a segment reached a connection
 * @sk: the connection's full socket
 * @skb: the segment, its data beginning with the TCP header
 *
 * Context: under the socket's lock, before anything of @skb is processed.
 */
void record_received(const struct sock *sk, const struct sk_buff *skb)
{
	struct tcp_event *event = event_begin_sock(EVENT_KIND_ack, sk);

	if (event) {
		event_capture_sock(event, sk);
		event_capture_received(event, skb);
		/* The peer's ISN is in the segment before it is in the socket. */
		if (event->state == TCP_SYN_SENT &&
		    event->seg_flags & TCPHDR_SYN) {
			event->rcv_isn = event->seg_seq;
			event->rcv_nxt = event->seg_seq;
		}
		event_end(event);
	}
	record_peer_window(sk, skb);
}

static int enter_rcv_state_process(struct kprobe *probe, struct pt_regs *regs)
{
	const struct sock *sk = (void *)regs_get_kernel_argument(regs, 0);
	const struct sk_buff *skb = (void *)regs_get_kernel_argument(regs, 1);

	if (sk->sk_protocol == IPPROTO_TCP && sk->sk_state != TCP_LISTEN &&
	    sk->sk_state != TCP_CLOSE)
		record_received(sk, skb);
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

	note->sk = (void *)regs_get_kernel_argument(regs, 0);
	event_capture_received(&note->seen,
			       (void *)regs_get_kernel_argument(regs, 1));
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
	event->seg_seq = note->seen.seg_seq;
	event->seg_ack = note->seen.seg_ack;
	event->seg_len = note->seen.seg_len;
	event->seg_window = note->seen.seg_window;
	event->seg_flags = note->seen.seg_flags;
}

static void record_reset_without_socket(const struct sk_buff *skb, u32 reason)
{
	struct tcp_event seen = {};
	struct tcp_event *event;

	event_capture_refused(&seen, skb);
	event_capture_received(&seen, skb);
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
	const struct sock *sk = (void *)regs_get_kernel_argument(regs, 0);
	const struct sk_buff *skb = (void *)regs_get_kernel_argument(regs, 1);

	if (reset_is_silent(sk, skb) &&
	    (sk || skb_rtable(skb)->rt_type == RTN_LOCAL))
		record_reset_sent(sk, skb, 0);
	return 0;
}

static int enter_v6_send_reset(struct kprobe *probe, struct pt_regs *regs)
{
	const struct sock *sk = (void *)regs_get_kernel_argument(regs, 0);
	const struct sk_buff *skb = (void *)regs_get_kernel_argument(regs, 1);

	if (reset_is_silent(sk, skb) && (sk || ipv6_unicast_destination(skb)))
		record_reset_sent(sk, skb, 0);
	return 0;
}
#endif

static struct gap_probe probes[] = {
	{
		.symbol = "tcp_rcv_state_process",
		.words = "ack,zero_window",
		.kinds = GAP_KIND(ack) | GAP_KIND(zero_window),
		.at_entry = enter_rcv_state_process,
	},
	{
		.symbol = "tcp_reset",
		.words = "reset_received",
		.kinds = GAP_KIND(reset_received),
		.at_entry = enter_reset,
		.forget = forget_resets,
	},
#ifndef COMPAT_HAS_RESET_REASON
	{
		.symbol = "tcp_v4_send_reset",
		.words = "reset_sent",
		.kinds = GAP_KIND(reset_sent),
		.at_entry = enter_v4_send_reset,
	},
	{
		.symbol = "tcp_v6_send_reset",
		.words = "reset_sent",
		.kinds = GAP_KIND(reset_sent),
		.at_entry = enter_v6_send_reset,
	},
#endif
};

const struct gap_group receive_gaps = { probes, ARRAY_SIZE(probes) };
EXPORT_SYMBOL_IF_KUNIT(receive_gaps);
