// SPDX-License-Identifier: GPL-2.0
/*
 * What a record says about a socket, a request, or a segment.
 *
 * Everything here runs inside a probe: in softirq or process context, with
 * preemption off, mostly under the socket's lock but for some events without
 * it. So nothing sleeps, allocates or locks, and a field that another CPU may
 * be writing is simply read. What must fit together, like snd_una and
 * bytes_acked, is only wanted of sockets whose lock is held.
 *
 * The record keeps no history, so relative sequence numbers come from the
 * socket's own counters. The kernel counts in bytes_received every sequence
 * number taken after the peer's SYN (tcp_rcv_nxt_update()), hence
 *
 *	rcv_isn = rcv_nxt - bytes_received - 1
 *
 * and in bytes_acked every one acknowledged (tcp_snd_una_update()), which
 * includes our own SYN only if we opened actively: a listener's child begins
 * with snd_una already behind it (tcp_create_openreq_child()). Hence
 *
 *	snd_isn = snd_una - bytes_acked - (1 if passive)
 *
 * This holds for connections older than the module, too. Which of them are
 * passive shows in sk_max_ack_backlog, which a child inherits from its listener.
 *
 * Where it does not hold: after listen(fd, 0) the backlog is 0, and snd_isn comes
 * out one too high; a socket that was a listener and then connects keeps its
 * backlog, and comes out one too low; SYN, data and FIN in one segment (Fast
 * Open) leave the FIN out of bytes_received; TCP_REPAIR sets the numbers without
 * counting. tcp_disconnect() clears the counters and not the numbers, so a socket
 * that was disconnected (by an aborting close() or after a failed connect(), too)
 * is left without numbers.
 */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/jiffies.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <linux/sock_diag.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <linux/timer.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/request_sock.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "event_capture.h"
#include "event_capture_sock.h"
#include "kernel_compat.h"
#include "synack_backoff.h"

/* ---- who -------------------------------------------------------------- */

/**
 * capture_new_cookie - give a socket its id
 * @sk: a TCP socket that has none yet
 *
 * Context: any in which @sk cannot be freed.
 * Return: its cookie.
 */
u64 capture_new_cookie(const struct sock *sk)
{
	u32 halves[2];

	sock_diag_save_cookie((struct sock *)sk, halves);
	return (u64)halves[1] << 32 | halves[0];
}

/**
 * event_capture_cookie - a connection's id
 * @sk: a TCP socket of any sort, but no listener's child that was just cloned
 *
 * Context: any in which @sk cannot be freed.
 * Return: its cookie, made now if there was none.
 */
u64 event_capture_cookie(const struct sock *sk)
{
	return capture_cookie(sk);
}

/* ---- a full socket ---------------------------------------------------- */

/* Nothing else forgets the peer's port of a socket that had one. */
static bool was_disconnected(const struct sock *sk, u8 state)
{
	return state == TCP_CLOSE && !sk->sk_dport;
}

/**
 * capture_some_numbers - the sequence numbers of a socket that lacks some
 * @event: the record
 * @sk: the full socket
 * @state: its state
 * @passive: it was opened by the peer
 *
 * Context: as capture_full_sock().
 */
void capture_some_numbers(struct tcp_event *event, const struct sock *sk,
			  u8 state, bool passive)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	event_capture_without_numbers(event);
	if (was_disconnected(sk, state))
		return;
	if (tp->snd_una || tp->bytes_acked)
		capture_sent_numbers(event, tp, tp->snd_una, passive);
	if (tp->rcv_nxt || tp->bytes_received)
		capture_received_numbers(event, tp, tp->rcv_nxt);
}

/* ---- the small socks -------------------------------------------------- */

static void capture_timewait(struct tcp_event *event, const struct sock *sk)
{
	const struct tcp_timewait_sock *tw = tcp_twsk(sk);

	/* FIN-WAIT-2 too ends its days as a timewait sock. */
	event->state = READ_ONCE(tw->tw_sk.tw_substate);
	event->local_port = ntohs(tw->tw_sk.tw_sport);
	event->snd_nxt = tw->tw_snd_nxt;
	event->snd_una = tw->tw_snd_nxt;
	event->rcv_nxt = tw->tw_rcv_nxt;
	event->rcv_wnd = tw->tw_rcv_wnd;
	event->rcv_wscale = tw->tw_sk.tw_rcv_wscale;
}

static void capture_half_open(struct tcp_event *event,
			      const struct request_sock *req)
{
	const struct inet_request_sock *ireq = inet_rsk(req);
	const struct tcp_request_sock *treq = tcp_rsk(req);

	event->state = TCP_SYN_RECV;
	event->local_port = ireq->ir_num;
	event->remote_port = ntohs(ireq->ir_rmt_port);
	event->mss = req->mss;
	event->snd_isn = treq->snt_isn;
	event->snd_una = treq->snt_isn;
	event->snd_nxt = treq->snt_isn + 1;
	event->rcv_isn = treq->rcv_isn;
	event->rcv_nxt = treq->rcv_nxt;
	event->rcv_wnd = req->rsk_rcv_wnd;
	event->snd_wscale = ireq->snd_wscale;
	event->rcv_wscale = ireq->rcv_wscale;
	event->sock_flags = EVENT_SOCK_passive;
	if (ireq->sack_ok)
		event->sock_flags |= EVENT_SOCK_sack;
	if (ireq->tstamp_ok)
		event->sock_flags |= EVENT_SOCK_timestamps;
	if (ireq->wscale_ok)
		event->sock_flags |= EVENT_SOCK_wscale;
	if (ireq->ecn_ok)
		event->sock_flags |= EVENT_SOCK_ecn;
}

static void capture_without_cookie(struct tcp_event *event,
				   const struct sock *sk)
{
	u8 state = sk->sk_state;

	capture_common(event, sk, state);
	if (likely(sk_fullsock(sk)))
		capture_full_sock(event, sk, state);
	else if (state == TCP_TIME_WAIT)
		capture_timewait(event, sk);
	else
		capture_half_open(event, inet_reqsk(sk));
}

/**
 * event_capture_sock - everything a record says about a socket
 * @event: zeroed but for what the ring owns
 * @sk: a TCP socket of any sort: full, request or TIME-WAIT
 *
 * Context: any in which @sk cannot be freed; no lock is needed or taken.
 */
void event_capture_sock(struct tcp_event *event, const struct sock *sk)
{
	event->cookie = capture_cookie(sk);
	capture_without_cookie(event, sk);
}
EXPORT_SYMBOL_IF_KUNIT(event_capture_sock);

/**
 * event_capture_newborn - a listener's child, just cloned from it
 * @event: zeroed but for what the ring owns
 * @sk: the child
 *
 * inet_csk_clone_lock() tells of the child's first state before it has given
 * the child its ports and its request's cookie: it still wears the listener's.
 * So the record shows the listener's id, and none is made here.
 *
 * Context: softirq, inside sock:inet_sock_set_state.
 */
void event_capture_newborn(struct tcp_event *event, const struct sock *sk)
{
	event->cookie = atomic64_read(&sk->sk_cookie);
	capture_without_cookie(event, sk);
}
EXPORT_SYMBOL_IF_KUNIT(event_capture_newborn);

/* ---- SYN-ACKs --------------------------------------------------------- */

/*
 * Microseconds since the request's first SYN-ACK. tcp_make_synack() stamps it
 * with CLOCK_MONOTONIC, the clock of the record.
 */
static u32 since_first_synack_us(const struct tcp_event *event,
				 const struct request_sock *req)
{
	u64 now_us = event->time_ns / NSEC_PER_USEC;
	u64 first_us = tcp_rsk(req)->snt_synack;

	if (!first_us || now_us <= first_us)
		return 0;
	return min_t(u64, now_us - first_us, U32_MAX);
}

/*
 * How many timeouts the kernel will wait. reqsk_timer_handler() in
 * net/ipv4/inet_connection_sock.c is less patient with a listener whose
 * half-open queue is more than half full of old requests; one that was closed
 * has no say any more. tcp_fastopen_synack_timer() grants a Fast Open child one
 * more; more than 255 cannot be counted.
 */
static u8 max_synack_retries(const struct sock *sk)
{
	const struct inet_connection_sock *icsk = inet_csk(sk);
	u8 of_host = READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_synack_retries);
	u8 retries = READ_ONCE(icsk->icsk_syn_retries);
	int length, young;

	if (rcu_access_pointer(tcp_sk(sk)->fastopen_rsk))
		return retries ?: min_t(int, of_host + 1, U8_MAX);
	if (!retries)
		retries = of_host;
	if (sk->sk_state != TCP_LISTEN)
		return retries;
	length = reqsk_queue_len(&icsk->icsk_accept_queue);
	young = reqsk_queue_len_young(&icsk->icsk_accept_queue);
	if (length << 1 <= max(8U, READ_ONCE(sk->sk_max_ack_backlog)))
		return retries;
	for (young <<= 1; retries > 2 && length >= young; young <<= 1)
		retries--;
	return retries;
}

/*
 * Who sends this SYN-ACK? While the timer's handler runs, the timer is not
 * pending; a duplicate SYN finds it pending. With Fast Open the request has no
 * timer, its child's retransmission timer does the work.
 */
static bool sent_by_timer(const struct sock *sk, const struct request_sock *req)
{
	if (sk->sk_state != TCP_LISTEN)
		return !timer_pending(&inet_csk(sk)->icsk_retransmit_timer);
	return !timer_pending(&req->rsk_timer);
}

/**
 * event_capture_listener - whose request it is, and how full its queues are
 * @event: a record with the handshake's detail
 * @listener: the listener; anything else, as Fast Open's child, says nothing
 *
 * Context: any.
 */
void event_capture_listener(struct tcp_event *event, const struct sock *listener)
{
	const struct netns_ipv4 *host = &sock_net(listener)->ipv4;

	event->max_retries = max_synack_retries(listener);
	if (listener->sk_state != TCP_LISTEN)
		return;
	event->listener = capture_cookie(listener);
	event->half_open = inet_csk_reqsk_queue_len(listener);
	event->accept_queue = READ_ONCE(listener->sk_ack_backlog);
	event->accept_limit = READ_ONCE(listener->sk_max_ack_backlog);
	event->syn_backlog = READ_ONCE(host->sysctl_max_syn_backlog);
}
EXPORT_SYMBOL_IF_KUNIT(event_capture_listener);

/**
 * event_capture_synack_counts - what a request says of its SYN-ACKs
 * @event: a record with the handshake's detail
 * @req: the request
 *
 * Context: any.
 */
void event_capture_synack_counts(struct tcp_event *event,
				 const struct request_sock *req)
{
	event->since_synack_us = since_first_synack_us(event, req);
	event->synack_timeout_us = jiffies_to_usecs(req->timeout);
	event->num_retrans = req->num_retrans;
	event->num_timeout = req->num_timeout;
}
EXPORT_SYMBOL_IF_KUNIT(event_capture_synack_counts);

/**
 * event_capture_request - a request in one of its moments
 * @event: zeroed but for what the ring owns
 * @listener: the socket that owns the request: a listener, with Fast Open the
 *	      child, or NULL when there is none any more
 * @req: the request, no matter whether it is in a queue
 *
 * Context: any in which both cannot be freed.
 */
void event_capture_request(struct tcp_event *event, const struct sock *listener,
			   const struct request_sock *req)
{
	event_capture_sock(event, req_to_sk((struct request_sock *)req));
	event_capture_synack_counts(event, req);
	if (listener)
		event_capture_listener(event, listener);
}
EXPORT_SYMBOL_IF_KUNIT(event_capture_request);

/**
 * event_capture_synack - a SYN-ACK as a segment
 * @event: the record, its request already captured
 *
 * Context: any.
 */
void event_capture_synack(struct tcp_event *event)
{
	event->seg_seq = event->snd_isn;
	event->seg_ack = event->rcv_nxt;
	event->seg_flags = TCPHDR_SYN | TCPHDR_ACK;
	event->seg_window = min_t(u32, event->rcv_wnd, U16_MAX);
}
EXPORT_SYMBOL_IF_KUNIT(event_capture_synack);

/**
 * event_capture_cookie_request - the request that a SYN cookie stands for
 * @event: zeroed but for what the ring owns
 * @listener: the listener
 * @req: the request, which is forgotten as soon as its SYN-ACK is sent
 *
 * It never becomes a connection, so it gets no id. The connection that the
 * cookie may bring is found by its ends and by snd_isn, the cookie itself.
 *
 * Context: softirq, inside tcp_make_synack().
 */
void event_capture_cookie_request(struct tcp_event *event,
				  const struct sock *listener,
				  const struct request_sock *req)
{
	capture_without_cookie(event, req_to_sk((struct request_sock *)req));
	event_capture_listener(event, listener);
}
EXPORT_SYMBOL_IF_KUNIT(event_capture_cookie_request);

/**
 * event_capture_synack_retransmit - a request whose SYN-ACK is sent again
 * @event: zeroed but for what the ring owns
 * @listener: the socket that owns the request: a listener, or with Fast Open
 *	      the child
 * @req: the request, its counts as tcp:tcp_retransmit_synack sees them
 *
 * rto_us becomes the wait that begins now. (With Fast Open a duplicate SYN begins
 * none: the child's timer runs on.)
 *
 * Context: inside that tracepoint, softirq.
 */
void event_capture_synack_retransmit(struct tcp_event *event,
				     const struct sock *listener,
				     const struct request_sock *req)
{
	u32 first_wait_us = jiffies_to_usecs(req->timeout);
	bool by_timer = sent_by_timer(listener, req);

	event_capture_request(event, listener, req);
	if (listener->sk_state != TCP_LISTEN)	/* Fast Open's child */
		event->cookie = capture_cookie(listener);
	event_capture_synack(event);
	event->rto_us = synack_wait_after_retransmit_us(first_wait_us,
							req->num_timeout,
							by_timer,
							jiffies_to_usecs(TCP_RTO_MAX));
	event->by_timer = by_timer;
}
EXPORT_SYMBOL_IF_KUNIT(event_capture_synack_retransmit);

/* ---- segments --------------------------------------------------------- */

/**
 * event_capture_received - the segment that arrived
 * @event: the record
 * @skb: the segment, its data beginning with the TCP header
 *
 * Context: any.
 */
void event_capture_received(struct tcp_event *event, const struct sk_buff *skb)
{
	capture_received(event, skb, tcp_hdr(skb));
}
EXPORT_SYMBOL_IF_KUNIT(event_capture_received);

/**
 * event_capture_sent - a segment from the socket's retransmission queue
 * @event: the record, its socket already captured
 * @skb: the segment, which has no TCP header there
 *
 * Context: any.
 */
void event_capture_sent(struct tcp_event *event, const struct sk_buff *skb)
{
	const struct tcp_skb_cb *tcb = TCP_SKB_CB(skb);
	u8 flags = tcb->tcp_flags;

	event->seg_seq = tcb->seq;
	event->seg_ack = event->rcv_nxt;
	event->seg_len = tcb->end_seq - tcb->seq - !!(flags & TCPHDR_SYN) -
			 !!(flags & TCPHDR_FIN);
	event->seg_flags = flags;
}
EXPORT_SYMBOL_IF_KUNIT(event_capture_sent);

/*
 * A recovery may begin before the probe's timer fires, and leave the timer. Then the
 * probe goes all the same, and is told from what the recovery sends by the timer's
 * being due and by being the last segment there is.
 */
static bool loss_probe_is_due(const struct sock *sk, const struct sk_buff *skb)
{
	const struct inet_connection_sock *icsk = inet_csk(sk);

	return icsk->icsk_pending == ICSK_TIME_LOSS_PROBE &&
	       !time_after(icsk->icsk_timeout, jiffies) &&
	       TCP_SKB_CB(skb)->end_seq == tcp_sk(sk)->snd_nxt;
}

/*
 * Why is this segment sent again? Each way to __tcp_retransmit_skb() leaves its
 * mark on the socket: the retransmission timer's handler has cleared icsk_pending
 * and everybody else has not (tcp_write_timer_handler() in net/ipv4/tcp_timer.c);
 * a tail loss probe comes while its own timer is pending, mostly before any recovery is
 * under way (tcp_send_loss_probe() in net/ipv4/tcp_output.c); all others come
 * through tcp_xmit_retransmit_queue(), in Recovery or in Loss. Loss is entered by a
 * timeout, which an rto event tells of, or without one where segments turn out to be
 * too large for the path, or Fast Open's data was not taken
 * (tcp_non_congestion_loss_retransmit() in net/ipv4/tcp_input.c).
 */
static u8 retransmit_cause(const struct sock *sk, const struct sk_buff *skb)
{
	const struct inet_connection_sock *icsk = inet_csk(sk);

	if (TCP_SKB_CB(skb)->tcp_flags & TCPHDR_SYN)
		return EVENT_retransmit_cause_syn;
	if (!icsk->icsk_pending && !tcp_sk(sk)->snd_wnd)
		return EVENT_retransmit_cause_zero_window;
	if (!icsk->icsk_pending)
		return EVENT_retransmit_cause_rto;
	if (loss_probe_is_due(sk, skb))
		return EVENT_retransmit_cause_tail_loss_probe;
	if (icsk->icsk_ca_state == TCP_CA_Recovery)
		return EVENT_retransmit_cause_fast_retransmit;
	if (icsk->icsk_ca_state == TCP_CA_Loss)
		return EVENT_retransmit_cause_loss_recovery;
	if (icsk->icsk_pending == ICSK_TIME_LOSS_PROBE)
		return EVENT_retransmit_cause_tail_loss_probe;
	return EVENT_retransmit_cause_unknown;
}

/**
 * event_capture_retransmit - a segment that was sent again, and why
 * @event: a record of kind retransmit, its socket already captured
 * @sk: the full socket
 * @skb: the segment, from its retransmission queue
 *
 * Context: inside tcp:tcp_retransmit_skb, under the socket's lock.
 */
void event_capture_retransmit(struct tcp_event *event, const struct sock *sk,
			      const struct sk_buff *skb)
{
	event_capture_sent(event, skb);
	event->total_retrans = tcp_sk(sk)->total_retrans;
	event->retransmit_segs = tcp_skb_pcount(skb);
	event->retransmit_cause = retransmit_cause(sk, skb);
}
EXPORT_SYMBOL_IF_KUNIT(event_capture_retransmit);

static const struct net *net_of_packet(const struct sk_buff *skb)
{
	if (skb->dev)
		return dev_net(skb->dev);
	return skb_dst(skb) ? dev_net(skb_dst(skb)->dev) : NULL;
}

/**
 * event_capture_ends - the two ends of a segment that arrived
 * @event: the record
 * @skb: the segment as it came in, its network header set
 *
 * Local is where it was sent to, remote where it says it comes from.
 *
 * Context: softirq, in the receive path.
 */
void event_capture_ends(struct tcp_event *event, const struct sk_buff *skb)
{
	const struct tcphdr *th = tcp_hdr(skb);

	event->local_port = ntohs(th->dest);
	event->remote_port = ntohs(th->source);
	if (skb->protocol == htons(ETH_P_IPV6)) {
		event->family = 6;
		event->local_addr = ipv6_hdr(skb)->daddr;
		event->remote_addr = ipv6_hdr(skb)->saddr;
	} else {
		event->family = 4;
		ipv6_addr_set_v4mapped(ip_hdr(skb)->daddr, &event->local_addr);
		ipv6_addr_set_v4mapped(ip_hdr(skb)->saddr, &event->remote_addr);
	}
}

/**
 * event_capture_sockless - a segment for which there is no socket
 * @event: zeroed but for what the ring owns
 * @skb: the segment as it came in, its network header set and its data beginning with
 *	 the TCP header
 *
 * There is no connection, so there is no cookie.
 *
 * Context: softirq, in the receive path.
 */
void event_capture_sockless(struct tcp_event *event, const struct sk_buff *skb)
{
	const struct net *net = net_of_packet(skb);

	event->netns = net ? net->ns.inum : 0;
	event->state = TCP_CLOSE;
	event_capture_ends(event, skb);
	event_capture_received(event, skb);
}
EXPORT_SYMBOL_IF_KUNIT(event_capture_sockless);

/* ---- the rest --------------------------------------------------------- */

/**
 * event_capture_process - in whose call a socket changes its state, or is accepted
 * @event: a record of kind state or accepted
 * @sk: the full socket
 *
 * Nobody's, unless the task at hand has the socket to itself: what a segment does to a
 * socket is done by an interrupt, or by a task that happens to receive (a thread of NAPI,
 * who writes to a tun device), and neither takes it. Who has it also does what segments
 * left for him meanwhile (__release_sock()).
 *
 * Context: any.
 */
void event_capture_process(struct tcp_event *event, const struct sock *sk)
{
	if (!in_task() || !sock_owned_by_user_nocheck(sk))
		return;
	event->pid = task_tgid_nr(current);
	/* Its own name: get_task_comm() would take a lock for it. */
	strscpy_pad(event->comm.text, current->comm, sizeof(event->comm.text));
}
EXPORT_SYMBOL_IF_KUNIT(event_capture_process);

/**
 * event_capture_totals - what a connection came to
 * @event: a record of kind destroy, its socket already captured
 * @sk: the full socket
 *
 * If it was disconnected they are all 0, and so are its numbers.
 *
 * Context: any.
 */
void event_capture_totals(struct tcp_event *event, const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	event->bytes_acked = tp->bytes_acked;
	event->bytes_received = tp->bytes_received;
	event->segs_out = tp->segs_out;
	event->segs_in = tp->segs_in;
	event->retrans_segs = tp->total_retrans;
	event->data_segs_out = tp->data_segs_out;
}
EXPORT_SYMBOL_IF_KUNIT(event_capture_totals);

/**
 * event_capture_without_numbers - take back the sequence numbers
 * @event: a record of a socket that is about to choose new ones
 *
 * A socket that was used before still holds the old ones at that moment.
 *
 * Context: any.
 */
void event_capture_without_numbers(struct tcp_event *event)
{
	event->snd_isn = 0;
	event->rcv_isn = 0;
	event->snd_una = 0;
	event->snd_nxt = 0;
	event->rcv_nxt = 0;
}
EXPORT_SYMBOL_IF_KUNIT(event_capture_without_numbers);
