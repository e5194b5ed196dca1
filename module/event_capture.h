/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel objects in, struct tcp_event out. No locks, no allocation, no I/O.
 */
#ifndef RENOSCOPE_EVENT_CAPTURE_H
#define RENOSCOPE_EVENT_CAPTURE_H

#include "event_schema.h"

struct request_sock;
struct sk_buff;
struct sock;

u64 event_capture_cookie(const struct sock *sk);
void event_capture_sock(struct tcp_event *event, const struct sock *sk);
void event_capture_newborn(struct tcp_event *event, const struct sock *sk);
void event_capture_request(struct tcp_event *event, const struct sock *listener,
			   const struct request_sock *req);
void event_capture_listener(struct tcp_event *event, const struct sock *listener);
void event_capture_synack_counts(struct tcp_event *event,
				 const struct request_sock *req);
void event_capture_synack(struct tcp_event *event);
void event_capture_cookie_request(struct tcp_event *event,
				  const struct sock *listener,
				  const struct request_sock *req);
void event_capture_synack_retransmit(struct tcp_event *event,
				     const struct sock *listener,
				     const struct request_sock *req);
void event_capture_retransmit(struct tcp_event *event, const struct sock *sk,
			      const struct sk_buff *skb);
void event_capture_ends(struct tcp_event *event, const struct sk_buff *skb);
void event_capture_sockless(struct tcp_event *event, const struct sk_buff *skb);
void event_capture_received(struct tcp_event *event, const struct sk_buff *skb);
void event_capture_sent(struct tcp_event *event, const struct sk_buff *skb);
void event_capture_process(struct tcp_event *event, const struct sock *sk);
void event_capture_totals(struct tcp_event *event, const struct sock *sk);
void event_capture_without_numbers(struct tcp_event *event);

/* The two ends, from another record. */
static inline void event_copy_ends(struct tcp_event *to,
				   const struct tcp_event *from)
{
	to->family = from->family;
	to->local_addr = from->local_addr;
	to->remote_addr = from->remote_addr;
	to->local_port = from->local_port;
	to->remote_port = from->remote_port;
}

/* The segment, from another record. */
static inline void event_copy_segment(struct tcp_event *to,
				      const struct tcp_event *from)
{
	to->seg_seq = from->seg_seq;
	to->seg_ack = from->seg_ack;
	to->seg_len = from->seg_len;
	to->seg_window = from->seg_window;
	to->seg_flags = from->seg_flags;
}

#endif /* RENOSCOPE_EVENT_CAPTURE_H */
