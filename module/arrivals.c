// SPDX-License-Identifier: GPL-2.0
/*
 * A segment reaches a connection: ack, and zero_window of the peer.
 *
 * This is the way that nearly all events come, one for each segment that arrives
 * anywhere on the machine, and the only one whose instructions are counted one by
 * one (scripts/bench/ack_cost.py). So all of it is inline in one function: the
 * ring's claim, the socket's fields and the publishing.
 */
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "arrivals.h"
#include "event_capture.h"
#include "event_capture_sock.h"
#include "event_recorder_inline.h"
#include "kernel_compat.h"

/* ---- the peer's window ------------------------------------------------ */

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

static noinline void record_peer_window(const struct sock *sk,
					const struct sk_buff *skb)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	const struct tcphdr *th = tcp_hdr(skb);
	u32 window = (u32)ntohs(th->window) << tp->rx_opt.snd_wscale;
	struct tcp_event *event;

	if (!th->ack || th->rst || th->syn || !window_changes(sk, window) ||
	    !window_counts(tp, skb, window))
		return;
	event = event_begin_captured(EVENT_KIND_zero_window, sk);
	if (!event)
		return;
	event_capture_received(event, skb);
	event->window_side = EVENT_window_side_peer;
	event->window_change = window ? EVENT_window_change_opened :
					EVENT_window_change_closed;
	event_end(event);
}

/* ---- the segment ------------------------------------------------------ */

static __always_inline void capture_arrival(struct tcp_event *event,
					    const struct sock *sk,
					    const struct sk_buff *skb,
					    const struct tcphdr *th, u8 state)
{
	event->cookie = capture_cookie(sk);
	capture_common(event, sk, state);
	capture_full_sock(event, sk, state);
	capture_received(event, skb, th);
	/* The peer's ISN is in the segment before it is in the socket. */
	if (unlikely(state == TCP_SYN_SENT) && th->syn) {
		event->rcv_isn = event->seg_seq;
		event->rcv_nxt = event->seg_seq;
	}
}

static __always_inline void record(const struct sock *sk,
				   const struct sk_buff *skb, u8 state)
{
	struct tcp_event *event = event_begin_ack(sk);
	const struct tcphdr *th = tcp_hdr(skb);

	if (event) {
		capture_arrival(event, sk, skb, th, state);
		event_end_inline(event);
	}
	if (unlikely(!th->window || !tcp_sk(sk)->snd_wnd))
		record_peer_window(sk, skb);
}

/**
 * probe_ack - a segment reached a connection in ESTABLISHED
 * @data: not used; this is the very probe of tcp:tcp_probe
 * @sk: the connection's full socket
 * @skb: the segment, its data beginning with the TCP header
 *
 * Context: under the socket's lock, before anything of @skb is processed.
 */
void probe_ack(void *data, struct sock *sk, struct sk_buff *skb)
{
	/* tcp_rcv_established() is called in no other state. */
	record(sk, skb, TCP_ESTABLISHED);
}
EXPORT_SYMBOL_IF_KUNIT(probe_ack);

/**
 * record_arrival - a segment reached a connection that is not in ESTABLISHED
 * @sk: the connection's full socket
 * @skb: the segment, its data beginning with the TCP header
 *
 * Context: as probe_ack().
 */
void record_arrival(const struct sock *sk, const struct sk_buff *skb)
{
	record(sk, skb, sk->sk_state);
}
EXPORT_SYMBOL_IF_KUNIT(record_arrival);
