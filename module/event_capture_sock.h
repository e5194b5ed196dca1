/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a record says about a full socket and a segment that arrived, inline: the
 * part of event_capture.c that every ack event pays for. Each function sets all
 * the fields that are its own, whatever was in the record before.
 */
#ifndef RENOSCOPE_EVENT_CAPTURE_SOCK_H
#define RENOSCOPE_EVENT_CAPTURE_SOCK_H

#include <linux/jiffies.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/mptcp.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "event_schema.h"

u64 capture_new_cookie(const struct sock *sk);
void capture_some_numbers(struct tcp_event *event, const struct sock *sk,
			  u8 state, bool passive);

static inline u16 at_most_u16(u32 number)
{
	return min_t(u32, number, U16_MAX);
}

/* ---- who -------------------------------------------------------------- */

/*
 * A connection's id is its socket cookie. A request passes its cookie on to
 * its child and a socket to its TIME-WAIT remains, so asking for it early is
 * what joins a connection's events. The kernel makes one if there is none.
 */
static __always_inline u64 capture_cookie(const struct sock *sk)
{
	u64 cookie = atomic64_read(&sk->sk_cookie);

	return likely(cookie) ? cookie : capture_new_cookie(sk);
}

/*
 * The two addresses, and the IP version that they have on the wire. (Returned, that
 * would cost an event of IPv4 two instructions.)
 */
static __always_inline void capture_addresses(const struct sock *sk,
					      struct in6_addr *local,
					      struct in6_addr *remote,
					      u8 *family)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6) {
		*local = sk->sk_v6_rcv_saddr;
		*remote = sk->sk_v6_daddr;
		*family = ipv6_addr_v4mapped(&sk->sk_v6_daddr) ? 4 : 6;
		return;
	}
#endif
	*family = 4;
	ipv6_addr_set_v4mapped(sk->sk_rcv_saddr, local);
	ipv6_addr_set_v4mapped(sk->sk_daddr, remote);
}

/* What every kind of sock has in its struct sock_common. */
static __always_inline void capture_common(struct tcp_event *event,
					   const struct sock *sk, u8 state)
{
	event->netns = sock_net(sk)->ns.inum;
	event->state = state;
	event->remote_port = ntohs(sk->sk_dport);
	capture_addresses(sk, &event->local_addr, &event->remote_addr,
			  &event->family);
}

/* ---- a full socket ---------------------------------------------------- */

/* Products of bits: no branches, and shifts where bits lie well. */
static __always_inline u8 sock_flags_of(const struct tcp_sock *tp, bool passive,
					bool mptcp)
{
	bool fastopen = tp->syn_fastopen || tp->syn_data_acked;

	return passive * EVENT_SOCK_passive |
	       !!tp->rx_opt.sack_ok * EVENT_SOCK_sack |
	       tp->rx_opt.tstamp_ok * EVENT_SOCK_timestamps |
	       tp->rx_opt.wscale_ok * EVENT_SOCK_wscale |
	       !!(tp->ecn_flags & TCP_ECN_OK) * EVENT_SOCK_ecn |
	       tp->is_cwnd_limited * EVENT_SOCK_cwnd_limited |
	       fastopen * EVENT_SOCK_fastopen |
	       mptcp * EVENT_SOCK_mptcp;
}

static __always_inline void capture_sent_numbers(struct tcp_event *event,
						 const struct tcp_sock *tp,
						 u32 snd_una, bool passive)
{
	event->snd_una = snd_una;
	event->snd_nxt = tp->snd_nxt;
	event->snd_isn = snd_una - (u32)tp->bytes_acked - passive;
}

static __always_inline void capture_received_numbers(struct tcp_event *event,
						     const struct tcp_sock *tp,
						     u32 rcv_nxt)
{
	event->rcv_nxt = rcv_nxt;
	event->rcv_isn = rcv_nxt - (u32)tp->bytes_received - 1;
}

/* jiffies_to_usecs(), without a call where HZ divides a second evenly. */
static __always_inline u32 usecs_of(u32 jiffies)
{
	if (USEC_PER_SEC % HZ)
		return jiffies_to_usecs(jiffies);
	return jiffies * (USEC_PER_SEC / HZ);
}

static __always_inline void capture_congestion(struct tcp_event *event,
					       const struct sock *sk,
					       const struct tcp_sock *tp)
{
	const struct inet_connection_sock *icsk = inet_csk(sk);
	u32 min_rtt_us = tcp_min_rtt(tp);

	event->ca_state = icsk->icsk_ca_state;
	event->backoff = icsk->icsk_backoff;
	event->retransmits = icsk->icsk_retransmits;
	event->rto_us = usecs_of(icsk->icsk_rto);
	event->cwnd = tcp_snd_cwnd(tp);
	event->ssthresh = tp->snd_ssthresh;
	event->srtt_us = tp->srtt_us >> 3;
	event->rttvar_us = tp->mdev_us >> 2;
	event->min_rtt_us = min_rtt_us == U32_MAX ? 0 : min_rtt_us;
	event->packets_out = at_most_u16(tp->packets_out);
	event->lost_out = at_most_u16(tp->lost_out);
	event->retrans_out = at_most_u16(tp->retrans_out);
	event->sacked_out = at_most_u16(tp->sacked_out);
}

/**
 * capture_full_sock - everything of a full socket that is not in every sock
 * @event: the record
 * @sk: the full socket
 * @state: its state
 *
 * Context: any in which @sk cannot be freed.
 */
static __always_inline void capture_full_sock(struct tcp_event *event,
					      const struct sock *sk, u8 state)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	/* Read once each: gcc would read them again after every store. */
	u8 snd_wscale = tp->rx_opt.snd_wscale;
	u8 rcv_wscale = tp->rx_opt.rcv_wscale;
	u32 snd_una = tp->snd_una;
	u32 rcv_nxt = tp->rcv_nxt;
	bool sent = snd_una || tp->bytes_acked;
	bool received = rcv_nxt || tp->bytes_received;
	bool passive = sk->sk_max_ack_backlog && sent && state != TCP_SYN_SENT;

	/* Not sk_num: it goes when the port does, before the last events. */
	event->local_port = ntohs(inet_sk(sk)->inet_sport);
	event->sock_flags = sock_flags_of(tp, passive, sk_is_mptcp(sk));
	event->mss = at_most_u16(tp->mss_cache);
	event->snd_wscale = snd_wscale;
	event->rcv_wscale = rcv_wscale;
	event->snd_wnd = tp->snd_wnd;
	event->rcv_wnd = tp->rcv_wnd;
	if (likely(state != TCP_CLOSE && sent && received)) {
		capture_sent_numbers(event, tp, snd_una, passive);
		capture_received_numbers(event, tp, rcv_nxt);
	} else {
		capture_some_numbers(event, sk, state, passive);
	}
	capture_congestion(event, sk, tp);
}

/* ---- a segment that arrived ------------------------------------------- */

/**
 * capture_received - the segment that arrived
 * @event: the record
 * @skb: the segment, its data beginning with the TCP header
 * @th: that header
 *
 * Context: any.
 */
static __always_inline void capture_received(struct tcp_event *event,
					     const struct sk_buff *skb,
					     const struct tcphdr *th)
{
	event->seg_seq = ntohl(th->seq);
	event->seg_ack = ntohl(th->ack_seq);
	event->seg_len = skb->len - __tcp_hdrlen(th);
	event->seg_window = ntohs(th->window);
	event->seg_flags = tcp_flag_byte(th);
}

#endif /* RENOSCOPE_EVENT_CAPTURE_SOCK_H */
