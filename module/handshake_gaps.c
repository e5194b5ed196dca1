// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a request, from the SYN to accept().
 *
 * A listener answers a SYN in tcp_conn_request(). It either drops it, or keeps a
 * request in its half-open queue and sends a SYN-ACK, or keeps nothing and sends
 * a SYN-ACK with a cookie, or, with Fast Open, makes the connection at once. A
 * request waits for the third segment; its timer sends the SYN-ACK again
 * (tcp:tcp_retransmit_synack, tracepoint_probes.c) and at last gives it up. When
 * the third segment comes, the connection moves to the accept queue and waits for
 * a process.
 *
 *  syn			tcp_conn_request(), on entry
 *  request		inet_csk_reqsk_queue_hash_add(), on entry
 *  synack		tcp_make_synack(), on entry, unless it is a retransmit
 *  refused		tcp_conn_request(), on return, if it did none of these;
 *			tcp_v4_syn_recv_sock() and tcp_v6_syn_recv_sock(), on
 *			return, if they made no connection of the third segment
 *  completed		inet_csk_complete_hashdance(), on entry; of cookies and Fast
 *			Open inet_csk_reqsk_queue_add()
 *  accepted		security_sock_graft(), on entry
 *  request_end		tcp_v4_reqsk_destructor() and tcp_v6_reqsk_destructor(): the
 *			request is being freed; completed ones are left out, and
 *			Fast Open's, which were never half-open
 *  cookie_checked	cookie_v4_check() and cookie_v6_check(), on return
 *
 * The destructor knows every request's end but not its cause. Whoever can cause
 * it runs in softirq and calls down to the destructor, so it leaves its name in a
 * per-CPU place for as long as it runs: struct handshake_stage. One of them, the
 * segment that tcp_check_req() does not like, is not the last to hold the request:
 * it leaves the request's address, too. (Where softirqs can be preempted, on
 * PREEMPT_RT, a cause may be mistaken, an event not, but for Fast Open's: those are
 * known by such notes alone.)
 */
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/if_ether.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/ptrace.h>
#include <linux/skbuff.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <net/inet_connection_sock.h>
#include <net/mptcp.h>
#include <net/request_sock.h>
#include <net/tcp.h>

#include "event_capture.h"
#include "event_recorder.h"
#include "handshake_gaps.h"
#include "kernel_compat.h"

/* What a listener is doing on a CPU. */
enum stage {
	STAGE_NONE,
	STAGE_SYN,		/* tcp_conn_request() */
	STAGE_SEGMENT,		/* tcp_check_req(): a segment for a request */
	STAGE_DROPPED,		/* just after it, when it dropped the request */
	STAGE_TIMER,		/* reqsk_timer_handler() */
	STAGE_COOKIE,		/* cookie_v4_check() or cookie_v6_check() */
};

/**
 * struct handshake_stage - what a listener is doing on a CPU, and what came of it
 * @stage: what
 * @listener: of STAGE_TIMER: the listener
 * @req: of STAGE_DROPPED: the request, only ever compared
 * @seg_flags: of STAGE_SEGMENT and STAGE_DROPPED: the segment's flags
 * @queued: a request of this stage entered the half-open queue
 * @answered: a SYN-ACK was made, maybe to be sent again
 */
struct handshake_stage {
	enum stage stage;
	const struct sock *listener;
	const struct request_sock *req;
	u8 seg_flags;
	bool queued;
	bool answered;
};

static DEFINE_PER_CPU(struct handshake_stage, stages);

static void begin_stage(enum stage stage, const struct sock *listener,
			u8 seg_flags)
{
	*this_cpu_ptr(&stages) = (struct handshake_stage) {
		.stage = stage,
		.listener = listener,
		.seg_flags = seg_flags,
	};
}

static void end_stage(void)
{
	this_cpu_write(stages.stage, STAGE_NONE);
}

static int after_stage(struct kretprobe_instance *instance,
		       struct pt_regs *regs)
{
	end_stage();
	return 0;
}

/*
 * A call that was still running when its probe was detached leaves its stage
 * behind. Stages of other probes may be under way.
 */
static void forget_stage(enum stage stage)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		cmpxchg(&per_cpu(stages, cpu).stage, stage, STAGE_NONE);
}

/* A segment for a listener, into a record of the caller's own. */
static void see_segment(struct tcp_event *seen, const struct sk_buff *skb)
{
	memset(seen, 0, sizeof(*seen));
	event_capture_sockless(seen, skb);
	seen->state = TCP_LISTEN;
}

/* ---- the SYN ---------------------------------------------------------- */

/*
 * As tcp_conn_request() in net/ipv4/tcp_input.c decides, in its order. (A SYN that
 * revives a connection in TIME-WAIT is spared the first and the last test. A
 * kernel without cookies drops the SYN of a full queue whatever the sysctl says,
 * and asks it only in the last test.)
 */
static u8 refusal_of_syn(const struct sock *listener)
{
	const struct netns_ipv4 *host = &sock_net(listener)->ipv4;
	bool cookies = READ_ONCE(host->sysctl_tcp_syncookies);
	int limit = READ_ONCE(host->sysctl_max_syn_backlog);

	if (!(IS_ENABLED(CONFIG_SYN_COOKIES) && cookies) &&
	    inet_csk_reqsk_queue_is_full(listener))
		return EVENT_refusal_half_open_queue_full;
	if (sk_acceptq_is_full(listener))
		return EVENT_refusal_accept_queue_full;
	if (!cookies &&
	    limit - inet_csk_reqsk_queue_len(listener) < limit >> 2)
		return EVENT_refusal_unproven_peer;
	return EVENT_refusal_other;
}

static void record_refused(const struct tcp_event *seen,
			   const struct sock *listener, u8 refusal)
{
	struct tcp_event *event;

	event = event_begin_like(EVENT_KIND_refused, seen);
	if (!event)
		return;
	event->cookie = seen->cookie;
	event->rcv_isn = seen->rcv_isn;
	event_capture_listener(event, listener);
	event->refusal = refusal;
	event_end(event);
}

/**
 * struct syn_call - tcp_conn_request() at work
 * @listener: its listener
 * @refusal: why it would refuse, if it does: an enum event_refusal
 * @answer_is_seen: an answer to it would be noticed
 * @seen: the SYN
 */
struct syn_call {
	const struct sock *listener;
	u8 refusal;
	bool answer_is_seen;
	struct tcp_event seen;
};

/* Without the probes that see an answer, each SYN would seem refused. */
static bool answers_are_seen(void);

static int before_conn_request(struct kretprobe_instance *instance,
			       struct pt_regs *regs)
{
	struct syn_call *call = (void *)instance->data;
	const struct sk_buff *skb = probe_argument(regs, 3);
	struct tcp_event *event;

	call->listener = probe_argument(regs, 2);
	if (call->listener->sk_protocol != IPPROTO_TCP)
		return 1;
	call->refusal = refusal_of_syn(call->listener);
	call->answer_is_seen = answers_are_seen();
	see_segment(&call->seen, skb);
	call->seen.rcv_isn = call->seen.seg_seq;
	begin_stage(STAGE_SYN, NULL, 0);

	event = event_begin_like(EVENT_KIND_syn, &call->seen);
	if (!event)
		return 0;
	event->rcv_isn = call->seen.rcv_isn;
	event_capture_listener(event, call->listener);
	event_end(event);
	return 0;
}

static void forget_syn(void)
{
	forget_stage(STAGE_SYN);
}

static int after_conn_request(struct kretprobe_instance *instance,
			      struct pt_regs *regs)
{
	const struct syn_call *call = (void *)instance->data;
	const struct handshake_stage *stage = this_cpu_ptr(&stages);

	if (call->answer_is_seen && !stage->queued && !stage->answered)
		record_refused(&call->seen, call->listener, call->refusal);
	end_stage();
	return 0;
}

/* ---- the request and its SYN-ACK -------------------------------------- */

static int enter_queue_hash_add(struct kprobe *probe, struct pt_regs *regs)
{
	const struct sock *listener = probe_argument(regs, 0);
	struct request_sock *req = probe_argument(regs, 1);
	struct tcp_event *event;

	if (listener->sk_protocol != IPPROTO_TCP)
		return 0;
	this_cpu_write(stages.queued, true);
	event = event_begin_sock(EVENT_KIND_request, req_to_sk(req));
	if (!event)
		return 0;
	event_capture_request(event, listener, req);
	event->rto_us = event->synack_timeout_us;
	event_end(event);
	return 0;
}

static void capture_first_synack(struct tcp_event *event, const struct sock *sk,
				 const struct request_sock *req,
				 enum tcp_synack_type type)
{
	if (type == TCP_SYNACK_COOKIE) {
		event_capture_cookie_request(event, sk, req);
		event->synack_type = EVENT_synack_type_cookie;
	} else {
		event_capture_request(event, sk, req);
		event->rto_us = event->synack_timeout_us;
	}
	if (type == TCP_SYNACK_FASTOPEN) {
		/* The child is there already, with an id of its own. */
		event_capture_sock(event, sk);
		event->rto_us = event->synack_timeout_us;
		event->synack_type = EVENT_synack_type_fastopen;
	}
	event_capture_synack(event);
}

/* A SYN-ACK that is sent again is made without Fast Open's cookie buffer. */
static int enter_make_synack(struct kprobe *probe, struct pt_regs *regs)
{
	const struct sock *sk = probe_argument(regs, 0);
	struct request_sock *req = probe_argument(regs, 2);
	bool first = probe_argument(regs, 3);
	enum tcp_synack_type type = regs_get_kernel_argument(regs, 4);
	struct tcp_event *event;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	this_cpu_write(stages.answered, true);
	if (!first)
		return 0;
	event = event_begin_sock(EVENT_KIND_synack,
				 type == TCP_SYNACK_FASTOPEN ? sk :
							       req_to_sk(req));
	if (!event)
		return 0;
	capture_first_synack(event, sk, req, type);
	event_end(event);
	return 0;
}

/* ---- the third segment ------------------------------------------------ */

/*
 * A request that is about to be freed although its connection lives, because that
 * moved to another listener (tcp_migrate_req); only ever compared.
 */
static DEFINE_PER_CPU(const struct request_sock *, moved_request);

/**
 * struct child_call - tcp_v4_syn_recv_sock() or its IPv6 sister at work
 * @listener: its listener
 * @full: the accept queue was full on entry
 * @seen: the third segment, with the request's id, 0 if it has none
 */
struct child_call {
	const struct sock *listener;
	bool full;
	struct tcp_event seen;
};

static void see_child_call(struct child_call *call, struct pt_regs *regs)
{
	const struct request_sock *req = probe_argument(regs, 2);

	call->listener = probe_argument(regs, 0);
	call->full = sk_acceptq_is_full(call->listener);
	see_segment(&call->seen, probe_argument(regs, 1));
	call->seen.cookie = atomic64_read(&inet_rsk(req)->ir_cookie);
	call->seen.rcv_isn = tcp_rsk(req)->rcv_isn;
}

static int before_v4_syn_recv_sock(struct kretprobe_instance *instance,
				   struct pt_regs *regs)
{
	see_child_call((void *)instance->data, regs);
	return 0;
}

static int before_v6_syn_recv_sock(struct kretprobe_instance *instance,
				   struct pt_regs *regs)
{
	const struct sk_buff *skb = probe_argument(regs, 1);

	/* IPv4 on an IPv6 socket is passed on to the IPv4 function. */
	if (skb->protocol == htons(ETH_P_IP))
		return 1;
	see_child_call((void *)instance->data, regs);
	return 0;
}

static int after_syn_recv_sock(struct kretprobe_instance *instance,
			       struct pt_regs *regs)
{
	const struct child_call *call = (void *)instance->data;

	/* Where Fast Open makes no child, a usual SYN-ACK goes out. */
	if (regs_return_value(regs) || call->seen.seg_flags & TCPHDR_SYN)
		return 0;
	record_refused(&call->seen, call->listener,
		       call->full ? EVENT_refusal_accept_queue_full :
				    EVENT_refusal_other);
	return 0;
}

/* Without that probe, a connection would seem completed twice. */
static bool segments_are_seen(void);

static void record_completed(const struct sock *listener,
			     const struct request_sock *req,
			     const struct sock *child)
{
	struct tcp_event *event;

	if (child->sk_protocol != IPPROTO_TCP)
		return;
	event = event_begin_captured(EVENT_KIND_completed, child);
	if (!event)
		return;
	event_capture_synack_counts(event, req);
	event_capture_listener(event, listener);
	event_end(event);
}

/* A request that was kept becomes a connection, unless another CPU was first. */
static int enter_complete_hashdance(struct kprobe *probe, struct pt_regs *regs)
{
	const struct sock *listener = probe_argument(regs, 0);
	const struct request_sock *req = probe_argument(regs, 2);
	bool first = regs_get_kernel_argument(regs, 3) & 1;

	if (!first)
		return 0;
	if (listener != req->rsk_listener)	/* a clone of it goes on */
		this_cpu_write(moved_request, req);
	record_completed(listener, req, probe_argument(regs, 1));
	return 0;
}

/*
 * The same of a cookie's, and of Fast Open's, whose child is in SYN-RECEIVED still.
 * The function above calls this one, too, if the compiler has not made one of the
 * two; and a listener that is closed, for connections that wait and move to another.
 */
static int enter_queue_add(struct kprobe *probe, struct pt_regs *regs)
{
	const struct sock *child = probe_argument(regs, 2);

	if (inet_sk_state_load(child) == TCP_SYN_RECV &&
	    this_cpu_read(stages.stage) != STAGE_SEGMENT &&
	    segments_are_seen())
		record_completed(probe_argument(regs, 0), probe_argument(regs, 1),
				 child);
	return 0;
}

static int enter_sock_graft(struct kprobe *probe, struct pt_regs *regs)
{
	const struct sock *sk = probe_argument(regs, 0);
	struct tcp_event *event;

	if (!sk_is_tcp(sk))
		return 0;
	event = event_begin_captured(EVENT_KIND_accepted, sk);
	if (event) {
		event_capture_process(event, sk);
		event_end(event);
	}
	return 0;
}

/* ---- the request's end ------------------------------------------------ */

/**
 * struct check_call - tcp_check_req() at work
 * @req: the request
 */
struct check_call {
	struct request_sock *req;
};

static int before_check_req(struct kretprobe_instance *instance,
			    struct pt_regs *regs)
{
	struct check_call *call = (void *)instance->data;
	const struct sk_buff *skb = probe_argument(regs, 1);

	/* Fast Open's child, maybe in a process: @req may be gone on return. */
	if (regs_get_kernel_argument(regs, 3) & 1)
		return 1;
	call->req = probe_argument(regs, 2);
	begin_stage(STAGE_SEGMENT, NULL, tcp_flag_byte(tcp_hdr(skb)));
	return 0;
}

/*
 * The caller still holds the request. If it has just been dropped, the caller
 * puts the last reference next, and the destructor must know why.
 */
static int after_check_req(struct kretprobe_instance *instance,
			   struct pt_regs *regs)
{
	const struct check_call *call = (void *)instance->data;
	struct handshake_stage *stage = this_cpu_ptr(&stages);

	if (!regs_return_value(regs) && sk_unhashed(req_to_sk(call->req))) {
		stage->stage = STAGE_DROPPED;
		stage->req = call->req;
	} else {
		end_stage();
	}
	return 0;
}

static void forget_segment(void)
{
	forget_stage(STAGE_SEGMENT);
	forget_stage(STAGE_DROPPED);
}

static int before_reqsk_timer_handler(struct kretprobe_instance *instance,
				      struct pt_regs *regs)
{
	struct timer_list *timer = probe_argument(regs, 0);
	struct request_sock *req = container_of(timer, struct request_sock,
						rsk_timer);

	begin_stage(STAGE_TIMER, req->rsk_listener, 0);
	return 0;
}

static void forget_timer(void)
{
	forget_stage(STAGE_TIMER);
}

static bool is_listening(const struct sock *listener)
{
	return listener && inet_sk_state_load(listener) == TCP_LISTEN;
}

static u8 ending_by_segment(const struct request_sock *req, u8 seg_flags)
{
	if (seg_flags & TCPHDR_RST)
		return EVENT_request_ending_reset_by_peer;
	return is_listening(req->rsk_listener) ?
		EVENT_request_ending_reset_by_us :
		EVENT_request_ending_listener_gone;
}

/* What tcp_check_req() has left is of use once. */
static void end_dropped_stage(const struct request_sock *req)
{
	const struct handshake_stage *stage = this_cpu_ptr(&stages);

	if (stage->stage == STAGE_DROPPED && stage->req == req)
		end_stage();
}

/*
 * A request whose timer has fired and runs no more was given up: its handler would
 * have set it anew. Who was looking at it at that moment (ss) frees it afterwards.
 */
static bool was_given_up(const struct request_sock *req)
{
	return !timer_pending(&req->rsk_timer) &&
	       time_after_eq(jiffies, req->rsk_timer.expires);
}

/**
 * handshake_ending_unseen - how a request ended that nobody noted
 * @req: the request, its last reference given back
 *
 * Context: any.
 * Return: an enum event_request_ending.
 */
u8 handshake_ending_unseen(const struct request_sock *req)
{
	if (!is_listening(req->rsk_listener))
		return EVENT_request_ending_listener_gone;
	return was_given_up(req) ? EVENT_request_ending_expired :
				   EVENT_request_ending_other;
}
EXPORT_SYMBOL_IF_KUNIT(handshake_ending_unseen);

/* An enum event_request_ending; none for what is no end of a queued request. */
static u8 ending_of_request(const struct request_sock *req)
{
	const struct handshake_stage *stage = this_cpu_ptr(&stages);

	if (stage->stage == STAGE_DROPPED && stage->req == req)
		return ending_by_segment(req, stage->seg_flags);
	switch (stage->stage) {
	case STAGE_SYN:
		return stage->queued ? EVENT_request_ending_other :
				       EVENT_request_ending_none;
	case STAGE_COOKIE:
		return EVENT_request_ending_none;
	case STAGE_TIMER:
		return is_listening(stage->listener) ?
			EVENT_request_ending_expired :
			EVENT_request_ending_listener_gone;
	case STAGE_SEGMENT:
		/* Only here, with a child, is it known that MPTCP has set it. */
		if (rsk_drop_req(req))
			return EVENT_request_ending_joined;
		return ending_by_segment(req, stage->seg_flags);
	default:
		return handshake_ending_unseen(req);
	}
}

/*
 * Fast Open's request, while reqsk_fastopen_remove() parts it from its child, only
 * ever compared. The kernel decides under a lock, against accept(), whether it is
 * freed there; so it is noted whatever it looks like on entry. (A process that is
 * preempted there and goes on elsewhere is not recognised.)
 */
static DEFINE_PER_CPU(const struct request_sock *, parting_request);

/**
 * struct parting_call - reqsk_fastopen_remove() at work
 * @before: parting_request on entry: that of a call that this one interrupts
 */
struct parting_call {
	const struct request_sock *before;
};

static int before_fastopen_remove(struct kretprobe_instance *instance,
				  struct pt_regs *regs)
{
	struct parting_call *call = (void *)instance->data;

	call->before = this_cpu_read(parting_request);
	this_cpu_write(parting_request, probe_argument(regs, 1));
	return 0;
}

static int after_fastopen_remove(struct kretprobe_instance *instance,
				 struct pt_regs *regs)
{
	const struct parting_call *call = (void *)instance->data;

	this_cpu_write(parting_request, call->before);
	return 0;
}

/* A call that was still running when its probe was detached. */
static void forget_parting(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		WRITE_ONCE(per_cpu(parting_request, cpu), NULL);
}

/* A connection may have moved while no destructor was watched. */
static void forget_moved(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		WRITE_ONCE(per_cpu(moved_request, cpu), NULL);
}

static bool has_moved(const struct request_sock *req)
{
	if (this_cpu_read(moved_request) != req)
		return false;
	this_cpu_write(moved_request, NULL);
	return true;
}

/*
 * Fast Open's requests are never half-open. One whose child was reset before the
 * last ACK is kept by its listener for a minute, as a brake (rskq_rst_head). The
 * next SYNs free it, in STAGE_SYN, or inet_csk_listen_stop(): that runs in the
 * process that closes the listener, which it owns. Half-open requests are freed with
 * softirqs off, or by a process that was looking at them and owns no listener.
 */
static bool is_brake_of_closing(const struct request_sock *req)
{
	const struct sock *listener = req->rsk_listener;

	return !in_softirq() && listener && !is_listening(listener) &&
	       sock_owned_by_user_nocheck(listener);
}

/* Was it a connection's, Fast Open's, or a cookie's, so that no queue loses it? */
static bool was_not_half_open(const struct request_sock *req)
{
	/* A completed one is freed by accept(). */
	return has_moved(req) || this_cpu_read(parting_request) == req ||
	       req->sk || req->syncookie || is_brake_of_closing(req);
}

/* With a crowded queue the kernel waits for fewer timeouts, but never for less. */
#define TIMEOUTS_AT_LEAST	2U

/*
 * The timer also gives a request up whose SYN-ACK it could not send again. Then it
 * has just made one, or lacked the route to make one before its time was over. (With
 * a crowded queue that time is not known to us: from the second timeout on a route
 * that is gone is taken for patience that is.)
 */
static bool was_unsent(const struct request_sock *req, unsigned int max_retries)
{
	const struct handshake_stage *stage = this_cpu_ptr(&stages);

	if (stage->stage == STAGE_TIMER && stage->answered)
		return true;
	return req->num_timeout < min(TIMEOUTS_AT_LEAST, max_retries);
}

static int enter_reqsk_destructor(struct kprobe *probe, struct pt_regs *regs)
{
	struct request_sock *req = probe_argument(regs, 0);
	struct tcp_event *event;
	u8 ending;

	if (was_not_half_open(req))
		return 0;
	ending = ending_of_request(req);
	end_dropped_stage(req);
	if (ending == EVENT_request_ending_none)
		return 0;
	event = event_begin_sock(EVENT_KIND_request_end, req_to_sk(req));
	if (!event)
		return 0;
	event_capture_request(event, req->rsk_listener, req);
	if (ending == EVENT_request_ending_expired &&
	    was_unsent(req, event->max_retries))
		ending = EVENT_request_ending_unsent;
	event->request_ending = ending;
	event_end(event);
	return 0;
}

/* ---- cookies ---------------------------------------------------------- */

/**
 * struct cookie_call - cookie_v4_check() or cookie_v6_check() at work
 * @listener: its listener
 * @expected: cookies were sent lately, so that the ACK is looked at
 * @seen: the ACK
 */
struct cookie_call {
	const struct sock *listener;
	bool expected;
	struct tcp_event seen;
};

/* A kernel without cookies sends none, and net/tcp.h has nothing of them. */
static bool cookies_were_sent(const struct sock *listener)
{
#ifdef CONFIG_SYN_COOKIES
	return !tcp_synq_no_recent_overflow(listener);
#else
	return false;
#endif
}

/* As the first lines of cookie_v4_check() in net/ipv4/syncookies.c decide. */
static bool cookie_is_expected(const struct sock *listener,
			       const struct tcphdr *th)
{
	return READ_ONCE(sock_net(listener)->ipv4.sysctl_tcp_syncookies) &&
	       th->ack && !th->rst && cookies_were_sent(listener);
}

static int before_cookie_check(struct kretprobe_instance *instance,
			       struct pt_regs *regs)
{
	struct cookie_call *call = (void *)instance->data;
	const struct sk_buff *skb = probe_argument(regs, 1);

	call->listener = probe_argument(regs, 0);
	call->expected = cookie_is_expected(call->listener, tcp_hdr(skb));
	see_segment(&call->seen, skb);
	begin_stage(STAGE_COOKIE, NULL, 0);
	return 0;
}

static void forget_cookie(void)
{
	forget_stage(STAGE_COOKIE);
}

static u8 cookie_verdict(const struct cookie_call *call,
			 const struct sock *returned)
{
	if (returned == call->listener)
		return call->expected ? EVENT_cookie_verdict_invalid :
					EVENT_cookie_verdict_none;
	return returned ? EVENT_cookie_verdict_valid :
			  EVENT_cookie_verdict_valid_refused;
}

static int after_cookie_check(struct kretprobe_instance *instance,
			      struct pt_regs *regs)
{
	const struct cookie_call *call = (void *)instance->data;
	const struct sock *returned = (void *)regs_return_value(regs);
	u8 verdict = cookie_verdict(call, returned);
	struct tcp_event *event;

	end_stage();
	if (verdict == EVENT_cookie_verdict_none)
		return 0;
	event = event_begin_like(EVENT_KIND_cookie_checked, &call->seen);
	if (!event)
		return 0;
	if (verdict == EVENT_cookie_verdict_valid)
		event_capture_sock(event, returned);
	else
		event->snd_isn = event->seg_ack - 1;
	event_capture_listener(event, call->listener);
	event->cookie_verdict = verdict;
	event_end(event);
	return 0;
}

/* ---- the table -------------------------------------------------------- */

/* What request_end needs beside the destructors: causes, and what is no end. */
#define STAGE_KINDS	EVENT_KIND_BIT(request_end)

enum { QUEUE_HASH_ADD, MAKE_SYNACK, CHECK_REQ };

static struct gap_probe probes[] = {
	[QUEUE_HASH_ADD] = {
		.symbol = "inet_csk_reqsk_queue_hash_add",
		.kinds = EVENT_KIND_BIT(request) | EVENT_KIND_BIT(refused) |
			 STAGE_KINDS,
		.at_entry = enter_queue_hash_add,
	},
	[MAKE_SYNACK] = {
		.symbol = "tcp_make_synack",
		.kinds = EVENT_KIND_BIT(synack) | EVENT_KIND_BIT(refused) |
			 STAGE_KINDS,
		.at_entry = enter_make_synack,
	},
	[CHECK_REQ] = {
		.symbol = "tcp_check_req",
		.kinds = EVENT_KIND_BIT(completed) | STAGE_KINDS,
		.before = before_check_req,
		.after = after_check_req,
		.data_bytes = sizeof(struct check_call),
		.forget = forget_segment,
	},
	{
		.symbol = "tcp_conn_request",
		.kinds = EVENT_KIND_BIT(syn) | EVENT_KIND_BIT(refused) | STAGE_KINDS,
		.before = before_conn_request,
		.after = after_conn_request,
		.data_bytes = sizeof(struct syn_call),
		.forget = forget_syn,
	},
	{
		.symbol = "tcp_v4_syn_recv_sock",
		.kinds = EVENT_KIND_BIT(refused),
		.before = before_v4_syn_recv_sock,
		.after = after_syn_recv_sock,
		.data_bytes = sizeof(struct child_call),
	},
	{
		.symbol = "tcp_v6_syn_recv_sock",
		.kinds = EVENT_KIND_BIT(refused),
		.before = before_v6_syn_recv_sock,
		.after = after_syn_recv_sock,
		.data_bytes = sizeof(struct child_call),
	},
	{
		.symbol = "inet_csk_complete_hashdance",
		.kinds = EVENT_KIND_BIT(completed) | STAGE_KINDS,
		.at_entry = enter_complete_hashdance,
	},
	{
		.symbol = "inet_csk_reqsk_queue_add",
		.kinds = EVENT_KIND_BIT(completed),
		.at_entry = enter_queue_add,
	},
	{
		.symbol = "security_sock_graft",
		.kinds = EVENT_KIND_BIT(accepted),
		.at_entry = enter_sock_graft,
	},
	{
		.symbol = "reqsk_timer_handler",
		.kinds = STAGE_KINDS,
		.before = before_reqsk_timer_handler,
		.after = after_stage,
		.forget = forget_timer,
	},
	{
		.symbol = "reqsk_fastopen_remove",
		.kinds = STAGE_KINDS,
		.before = before_fastopen_remove,
		.after = after_fastopen_remove,
		.data_bytes = sizeof(struct parting_call),
		.forget = forget_parting,
	},
	{
		.symbol = "tcp_v4_reqsk_destructor",
		.kinds = EVENT_KIND_BIT(request_end),
		.at_entry = enter_reqsk_destructor,
		.forget = forget_moved,
	},
	{
		.symbol = "tcp_v6_reqsk_destructor",
		.kinds = EVENT_KIND_BIT(request_end),
		.at_entry = enter_reqsk_destructor,
		.forget = forget_moved,
	},
	{
		.symbol = "cookie_v4_check",
		.kinds = EVENT_KIND_BIT(cookie_checked) | STAGE_KINDS,
		.before = before_cookie_check,
		.after = after_cookie_check,
		.data_bytes = sizeof(struct cookie_call),
		.forget = forget_cookie,
	},
	{
		.symbol = "cookie_v6_check",
		.kinds = EVENT_KIND_BIT(cookie_checked) | STAGE_KINDS,
		.before = before_cookie_check,
		.after = after_cookie_check,
		.data_bytes = sizeof(struct cookie_call),
		.forget = forget_cookie,
	},
};

static bool answers_are_seen(void)
{
	return probes[QUEUE_HASH_ADD].attached && probes[MAKE_SYNACK].attached;
}

static bool segments_are_seen(void)
{
	return probes[CHECK_REQ].attached;
}

const struct gap_group handshake_gaps = { probes, ARRAY_SIZE(probes) };
EXPORT_SYMBOL_IF_KUNIT(handshake_gaps);
