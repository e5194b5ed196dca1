// SPDX-License-Identifier: GPL-2.0
/*
 * One Reno under three names.
 *
 * TCP's core calls an algorithm at a few points, and the algorithm answers with
 * numbers of segments:
 *
 *	a connection begins		init		take the rules
 *	an ACK arrived			in_ack_event	was it marked (ECE)?
 *	  it acknowledged segments	pkts_acked	round trips, rounds
 *	  cwnd may grow			cong_avoid	grow it
 *	a loss or an ECN mark		ssthresh	what to fall back to
 *	  what the core makes of it	set_state	a timeout begins a round
 *	the loss was none after all	undo_cwnd	what to return to
 *
 *		   cwnd < ssthresh: slow start, +1 for each segment acknowledged
 *		   cwnd >= ssthresh: congestion avoidance, +1 for each cwnd
 *
 *		 ACK                      three duplicate ACKs
 *	slow start  ---> congestion  -----------------------> fast recovery
 *	    ^		 avoidance   <-----------------------	   |
 *	    |		     |		  recovered: cwnd = ssthresh |
 *	    +----------------+---------------------------------------+
 *		timeout: ssthresh = cwnd / 2, cwnd = 1
 *
 * (RFC 5681. ssthresh never falls below 2, section 3.1, equation 4.)
 *
 * In what the names differ stands in reno_rules.c. Where the rules are Linux's
 * own, the functions are too: the kernel exports them from its Reno
 * (net/ipv4/tcp_cong.c), so that "renoscope" is Linux Reno and cannot drift from
 * it. All the rest belongs to the core and stays as it is: fast retransmit, RACK,
 * tail loss probes, PRR, F-RTO, the idle restart. cong_control is left empty on
 * purpose, as setting it would switch PRR off.
 *
 * What only an algorithm knows, such as why slow start ended, it says through
 * reno_trace.h, whoever may listen.
 *
 * Chosen with `sysctl net.ipv4.tcp_congestion_control=renoscope` or, for one
 * socket, setsockopt(TCP_CONGESTION). TCP_CONG_NON_RESTRICTED lets ordinary
 * users and other network namespaces do so; Reno harms nobody.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/build_bug.h>
#include <linux/inet_diag.h>
#include <linux/module.h>
#include <linux/string.h>
#include <net/tcp.h>

#include "hystart_pp.h"
#include "kernel_compat.h"
#include "pipe_ack.h"
#include "reno_congestion.h"
#include "reno_rules.h"
#include "reno_trace.h"

DEFINE_TRACE(told_reno_phase,
	     TP_PROTO(const struct sock *sk, enum reno_phase before,
		      enum reno_phase phase, enum reno_cause cause),
	     TP_ARGS(sk, before, phase, cause));
DEFINE_TRACE(told_reno_round,
	     TP_PROTO(const struct sock *sk, u32 cwnd_before,
		      u32 acked_segments, u32 min_rtt_us),
	     TP_ARGS(sk, cwnd_before, acked_segments, min_rtt_us));
DEFINE_TRACE(told_reno_reduction,
	     TP_PROTO(const struct sock *sk, u32 ssthresh,
		      enum reno_cause cause),
	     TP_ARGS(sk, ssthresh, cause));
DEFINE_TRACE(told_reno_undo, TP_PROTO(const struct sock *sk, u32 cwnd),
	     TP_ARGS(sk, cwnd));
DEFINE_TRACE(told_reno_restart, TP_PROTO(const struct sock *sk), TP_ARGS(sk));

/**
 * struct reno - what is kept of a connection
 * @rules: the rules it began with
 * @hystart: rounds and their round trips; and HyStart++, if the rules have it
 * @pipe: how much of cwnd is used, if the rules ask
 * @round_delivered: segments delivered before the round, as tcp_sock counts
 * @round_in_flight: segments that were in flight when it began
 * @round_cwnd: cwnd when the round began
 * @phase: &enum reno_phase, as it was told last
 * @awaited: &enum reno_cause of a slow start that the next ACK may begin
 * @marked: the last ACK carried an ECN echo
 * @must_begin: the rules' initial window is still to be set
 * @plain: cwnd grows as in Linux Reno
 */
struct reno {
	struct reno_rules rules;
	struct hystart_pp hystart;
	struct pipe_ack pipe;
	u32 round_delivered;
	u32 round_in_flight;
	u32 round_cwnd;
	u8 phase;
	u8 awaited;
	bool marked;
	bool must_begin;
	bool plain;
};

static_assert(sizeof(struct reno) <= ICSK_CA_PRIV_SIZE);

/* ---- phases ----------------------------------------------------------- */

static void enter_phase(const struct sock *sk, struct reno *reno,
			enum reno_phase phase, enum reno_cause cause)
{
	enum reno_phase before = reno->phase;

	if (phase == before)
		return;
	reno->phase = phase;
	trace_told_reno_phase(sk, before, phase, cause);
}

/* cwnd fell below ssthresh: after a timeout, a rest, or an undone reduction. */
static void notice_slow_start(struct sock *sk, struct reno *reno)
{
	if (reno->phase == RENO_AVOIDANCE)
		enter_phase(sk, reno, RENO_SLOW_START, reno->awaited);
	reno->awaited = RENO_CAUSE_NONE;
}

/* ---- the beginning ---------------------------------------------------- */

/*
 * Only at the very beginning: a connection under way keeps its window, and so does
 * one that sent data with its SYN (TCP Fast Open).
 */
static void begin_window(struct sock *sk, struct reno *reno)
{
	struct tcp_sock *tp = tcp_sk(sk);

	reno->must_begin = false;
	if (reno->rules.initial_cwnd)
		tcp_snd_cwnd_set(tp, reno->rules.initial_cwnd);
	if (reno->rules.initial_ssthresh)
		tp->snd_ssthresh = reno->rules.initial_ssthresh;
	reno->round_cwnd = tcp_snd_cwnd(tp);
}

/*
 * A round is over when more has been delivered than was in flight when it began:
 * then something sent in it has made its round trip. RFC 9406 waits until snd_una
 * passes the snd_nxt of the beginning; that is the same as long as nothing is
 * lost, but after a timeout snd_nxt lies ahead of all that is sent again.
 */
static void begin_round(const struct tcp_sock *tp, struct reno *reno)
{
	reno->round_delivered = tp->delivered;
	reno->round_in_flight = tcp_packets_in_flight(tp);
	reno->round_cwnd = tcp_snd_cwnd(tp);
}

static void begin(struct sock *sk, enum reno_profile profile)
{
	struct tcp_sock *tp = tcp_sk(sk);
	struct reno *reno = inet_csk_ca(sk);

	memset(reno, 0, sizeof(*reno));
	reno_rules_get(&reno->rules, profile);
	reno->plain = reno_rules_are_linux(&reno->rules);
	hystart_pp_init(&reno->hystart);
	/* Once ssthresh is known, slow start ends there (RFC 9406, 4.3). */
	if (!reno->rules.hystart || tp->snd_ssthresh < TCP_INFINITE_SSTHRESH)
		hystart_pp_stop(&reno->hystart);
	pipe_ack_init(&reno->pipe, tp->tcp_mstamp);
	begin_round(tp, reno);
	/* Chosen in SYN-SENT, the core sets cwnd once more after this. */
	if (sk->sk_state == TCP_SYN_SENT)
		reno->must_begin = !tp->bytes_sent;
	else if (!tp->bytes_sent)
		begin_window(sk, reno);
	enter_phase(sk, reno, tcp_in_slow_start(tp) ? RENO_SLOW_START :
		    RENO_AVOIDANCE, RENO_CAUSE_BEGIN);
}

static void begin_plain(struct sock *sk)
{
	begin(sk, RENO_PLAIN);
}

static void begin_textbook(struct sock *sk)
{
	begin(sk, RENO_TEXTBOOK);
}

static void begin_modern(struct sock *sk)
{
	begin(sk, RENO_MODERN);
}

/* ---- ACKs ------------------------------------------------------------- */

static void note_mark(struct sock *sk, u32 flags)
{
	struct reno *reno = inet_csk_ca(sk);

	reno->marked = flags & CA_ACK_ECE;
}

/* HyStart++ has seen enough: from here on congestion avoidance. */
static void settle_ssthresh(struct sock *sk, struct reno *reno)
{
	struct tcp_sock *tp = tcp_sk(sk);

	trace_told_reno_reduction(sk, tcp_snd_cwnd(tp), RENO_CAUSE_CSS_ROUNDS);
	tp->snd_ssthresh = tcp_snd_cwnd(tp);
	enter_phase(sk, reno, RENO_AVOIDANCE, RENO_CAUSE_CSS_ROUNDS);
}

static u32 rtt_or_zero_us(u32 rtt_us)
{
	return rtt_us == HYSTART_NO_RTT_US ? 0 : rtt_us;
}

static bool round_is_over(const struct tcp_sock *tp, const struct reno *reno)
{
	return tp->delivered - reno->round_delivered > reno->round_in_flight;
}

static void end_round(struct sock *sk, struct reno *reno)
{
	struct tcp_sock *tp = tcp_sk(sk);
	u32 acked_segments = tp->delivered - reno->round_delivered;

	trace_told_reno_round(sk, reno->round_cwnd, acked_segments,
			      rtt_or_zero_us(reno->hystart.round_min_rtt_us));
	if (reno->rules.validate)
		pipe_ack_round(&reno->pipe, acked_segments, tp->tcp_mstamp,
			       tp->srtt_us >> 3);
	if (hystart_pp_round(&reno->hystart))
		settle_ssthresh(sk, reno);
	begin_round(tp, reno);
}

static void note_round_trip(struct sock *sk, const struct ack_sample *sample)
{
	struct reno *reno = inet_csk_ca(sk);

	if (sk->sk_state == TCP_SYN_SENT)
		return;		/* the SYN's ACK; init is still to come */
	if (round_is_over(tcp_sk(sk), reno))
		end_round(sk, reno);
	if (sample->rtt_us > 0 &&
	    hystart_pp_sample(&reno->hystart, sample->rtt_us)) {
		if (reno->hystart.phase == HYSTART_CSS)
			enter_phase(sk, reno, RENO_CSS, RENO_CAUSE_DELAY);
		else
			enter_phase(sk, reno, RENO_SLOW_START,
				    RENO_CAUSE_JITTER);
	}
}

/* ---- growing ---------------------------------------------------------- */

static bool may_grow(const struct sock *sk, const struct reno *reno)
{
	if (reno->rules.validate)
		return pipe_ack_validates(&reno->pipe,
					  tcp_snd_cwnd(tcp_sk(sk)));
	return tcp_is_cwnd_limited(sk);
}

/* Returns the segments that slow start had no use for. */
static u32 grow_in_slow_start(struct sock *sk, struct reno *reno, u32 acked)
{
	bool paced = sk->sk_pacing_status != SK_PACING_NONE;

	if (reno->rules.abc_limit)
		acked = min_t(u32, acked, reno->rules.abc_limit);
	if (reno->hystart.phase != HYSTART_DONE)
		acked = hystart_pp_growth(&reno->hystart, acked, paced);
	return tcp_slow_start(tcp_sk(sk), acked);
}

static void grow_by_rules(struct sock *sk, struct reno *reno, u32 acked)
{
	struct tcp_sock *tp = tcp_sk(sk);

	if (!may_grow(sk, reno))
		return;
	if (tcp_in_slow_start(tp)) {
		acked = grow_in_slow_start(sk, reno, acked);
		if (!acked)
			return;
	}
	tcp_cong_avoid_ai(tp, reno_segments_to_grow(tcp_snd_cwnd(tp),
						    reno->rules.beta_percent),
			  acked);
}

static void grow(struct sock *sk, u32 ack, u32 acked)
{
	struct reno *reno = inet_csk_ca(sk);

	if (tcp_in_slow_start(tcp_sk(sk)))
		notice_slow_start(sk, reno);
	if (reno->plain)
		tcp_reno_cong_avoid(sk, ack, acked);
	else
		grow_by_rules(sk, reno, acked);
	if (!tcp_in_slow_start(tcp_sk(sk)))
		enter_phase(sk, reno, RENO_AVOIDANCE, RENO_CAUSE_SSTHRESH);
}

/* ---- shrinking -------------------------------------------------------- */

/* The core's own test where RACK is off (tcp_time_to_recover()). */
static bool enough_duplicate_acks(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	return !(READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_recovery) &
		 TCP_RACK_LOSS_DETECTION) &&
	       tp->sacked_out + 1 > tp->reordering;
}

/*
 * The core does not say why it asks. A timeout has marked segments as lost, and
 * its timer is not armed while it is handled; a loss has marked them, or counted
 * duplicates, with the timer armed; a mark came with this very ACK. Nothing of it
 * is left if a segment did not leave this host, or if a probe made good for it.
 */
static enum reno_cause cause_of_reduction(const struct sock *sk,
					  const struct reno *reno)
{
	if (tcp_sk(sk)->lost_out)
		return inet_csk(sk)->icsk_pending ? RENO_CAUSE_LOSS :
			RENO_CAUSE_RTO;
	if (enough_duplicate_acks(sk))
		return RENO_CAUSE_LOSS;
	return reno->marked ? RENO_CAUSE_ECN : RENO_CAUSE_OTHER;
}

/* RFC 8511: in slow start a mark says as little about the path as a loss does. */
static u8 beta_for(const struct sock *sk, const struct reno *reno,
		   enum reno_cause cause)
{
	if (cause == RENO_CAUSE_ECN && reno->rules.abe &&
	    !tcp_in_slow_start(tcp_sk(sk)))
		return reno->rules.beta_ecn_percent;
	return reno->rules.beta_percent;
}

static u32 reduced_ssthresh(struct sock *sk)
{
	struct reno *reno = inet_csk_ca(sk);
	enum reno_cause cause;
	u32 ssthresh;

	/* A SYN timed out: the connection has not begun, and maybe no rules. */
	if (sk->sk_state == TCP_SYN_SENT)
		return tcp_reno_ssthresh(sk);
	cause = cause_of_reduction(sk, reno);
	ssthresh = reno_reduced_segments(tcp_snd_cwnd(tcp_sk(sk)),
					 beta_for(sk, reno, cause));
	trace_told_reno_reduction(sk, ssthresh, cause);
	hystart_pp_stop(&reno->hystart);
	enter_phase(sk, reno, cause == RENO_CAUSE_RTO ? RENO_SLOW_START :
		    RENO_AVOIDANCE, cause);
	return ssthresh;
}

/*
 * Also a timeout during recovery comes here, for which the core asks no ssthresh.
 * What was in flight is given up, so another round begins.
 */
static void note_state(struct sock *sk, u8 ca_state)
{
	struct reno *reno = inet_csk_ca(sk);

	if (ca_state != TCP_CA_Loss)
		return;
	reno->awaited = RENO_CAUSE_RTO;
	begin_round(tcp_sk(sk), reno);
}

static u32 undone_cwnd(struct sock *sk)
{
	struct reno *reno = inet_csk_ca(sk);
	u32 cwnd = tcp_reno_undo_cwnd(sk);

	trace_told_reno_undo(sk, cwnd);
	reno->awaited = RENO_CAUSE_UNDO;
	return cwnd;
}

static void note_event(struct sock *sk, enum tcp_ca_event event)
{
	struct reno *reno = inet_csk_ca(sk);

	switch (event) {
	case CA_EVENT_TX_START:
		if (reno->must_begin && sk->sk_state != TCP_SYN_SENT)
			begin_window(sk, reno);
		break;
	case CA_EVENT_CWND_RESTART:
		trace_told_reno_restart(sk);
		reno->awaited = RENO_CAUSE_RESTART;
		break;
	default:
		break;
	}
}

/* ---- for people ------------------------------------------------------- */

/*
 * What `ss -ti` shows under vegas: the phase as a number (enum reno_phase), the
 * round trips measured in this round (up to eight), the shortest of the last round,
 * and the shortest of this, in microseconds. The socket may be at work meanwhile.
 */
static size_t reno_info(struct sock *sk, u32 ext, int *attr,
			union tcp_cc_info *info)
{
	const struct reno *reno = inet_csk_ca(sk);

	if (!(ext & BIT(INET_DIAG_VEGASINFO - 1)))
		return 0;
	info->vegas = (struct tcpvegas_info) {
		.tcpv_enabled = READ_ONCE(reno->phase),
		.tcpv_rttcnt = READ_ONCE(reno->hystart.samples),
		.tcpv_rtt = rtt_or_zero_us(READ_ONCE(reno->hystart.last_min_rtt_us)),
		.tcpv_minrtt = rtt_or_zero_us(READ_ONCE(reno->hystart.round_min_rtt_us)),
	};
	*attr = INET_DIAG_VEGASINFO;
	return sizeof(info->vegas);
}

/* ---- the names -------------------------------------------------------- */

#define RENO_OPS(name_, init_) {					\
	.name		= name_,					\
	.owner		= THIS_MODULE,					\
	.flags		= TCP_CONG_NON_RESTRICTED,			\
	.init		= init_,					\
	.in_ack_event	= note_mark,					\
	.pkts_acked	= note_round_trip,				\
	.cong_avoid	= grow,						\
	.ssthresh	= reduced_ssthresh,				\
	.set_state	= note_state,					\
	.undo_cwnd	= undone_cwnd,					\
	.cwnd_event	= note_event,					\
	.get_info	= reno_info,					\
}

static struct tcp_congestion_ops algorithms[RENO_PROFILES] __read_mostly = {
	[RENO_PLAIN] = RENO_OPS("renoscope", begin_plain),
	[RENO_TEXTBOOK] = RENO_OPS("reno_textbook", begin_textbook),
	[RENO_MODERN] = RENO_OPS("reno_modern", begin_modern),
};

/* Which of them the kernel has. */
static bool registered[RENO_PROFILES];

/**
 * reno_congestion_init - register the algorithms
 *
 * Once one has a name, sockets may hold the module, and loading must not fail any
 * more (main.c). So it fails for the first name alone; another that is taken is
 * reported and left out.
 *
 * Context: module load, may sleep.
 * Return: 0, or -EEXIST if the name "renoscope" is taken.
 */
int reno_congestion_init(void)
{
	size_t i;

	for (i = 0; i < RENO_PROFILES; i++) {
		int err = tcp_register_congestion_control(&algorithms[i]);

		if (err)
			pr_err("cannot register congestion control '%s' (error %d)\n",
			       algorithms[i].name, err);
		if (err && i == RENO_PLAIN)
			return err;
		registered[i] = !err;
	}
	return 0;
}

/**
 * reno_congestion_exit - take the algorithms back
 *
 * No socket uses one any more: each that does holds the module.
 *
 * Context: module unload, sleeps.
 */
void reno_congestion_exit(void)
{
	size_t i = RENO_PROFILES;

	while (i--)
		if (registered[i])
			tcp_unregister_congestion_control(&algorithms[i]);
}

/**
 * reno_congestion_ops - an algorithm as TCP's core sees it, for tests
 * @profile: which one
 *
 * Context: any.
 * Return: its operations.
 */
const struct tcp_congestion_ops *reno_congestion_ops(enum reno_profile profile)
{
	return &algorithms[profile];
}
EXPORT_SYMBOL_IF_KUNIT(reno_congestion_ops);
