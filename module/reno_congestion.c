// SPDX-License-Identifier: GPL-2.0
/*
 * One Reno under three names.
 *
 * TCP's core calls an algorithm at a few points, and the algorithm answers with
 * numbers of segments:
 *
 *	a connection begins		init		take the rules
 *	an ACK arrived
 *	  segments were in flight	pkts_acked	round trips, rounds
 *	  in any case			in_ack_event	was it marked (ECE)?
 *	  a loss or a mark		ssthresh	what to fall back to
 *	  the loss was none after all	undo_cwnd	what to return to
 *	  cwnd may grow			cong_avoid	grow it
 *	the retransmission timer fired	ssthresh	what to fall back to
 *	  cwnd is set			set_state	slow start, usually
 *	after idle			cwnd_event	say so
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
 * (RFC 5681. ssthresh never falls below 2, section 3.1, equation 4; and where the
 * RFC takes half of what is in flight, this takes half of cwnd, as Linux does.)
 *
 * How the names differ stands in reno_rules.c. Where the rules are Linux's
 * own, the functions are too: the kernel exports them from its Reno
 * (net/ipv4/tcp_cong.c), so that "renoscope" is Linux Reno and cannot drift from
 * it. All the rest belongs to the core and stays as it is: fast retransmit, RACK,
 * tail loss probes, PRR, F-RTO, the idle restart. cong_control is left empty on
 * purpose, as setting it would switch PRR off.
 *
 * Before a connection begins the core already asks some of this, for the SYN and its
 * timeouts. Until init nothing is known and nothing is said: all answers are those
 * of Linux Reno (RENO_PHASE_NONE).
 *
 * What only an algorithm knows, such as why slow start ended, it says through
 * reno_trace.h, whoever may listen.
 *
 * Chosen with `sysctl net.ipv4.tcp_congestion_control=renoscope` or, for one
 * socket, setsockopt(TCP_CONGESTION). TCP_CONG_NON_RESTRICTED lets ordinary
 * users and other network namespaces do so; Reno harms nobody.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/inet_diag.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/string.h>
#include <net/tcp.h>

#include "ack_train.h"
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
EXPORT_TRACEPOINT_IF_KUNIT(told_reno_phase);
EXPORT_TRACEPOINT_IF_KUNIT(told_reno_round);
EXPORT_TRACEPOINT_IF_KUNIT(told_reno_reduction);
EXPORT_TRACEPOINT_IF_KUNIT(told_reno_undo);
EXPORT_TRACEPOINT_IF_KUNIT(told_reno_restart);

/**
 * struct reno - what is kept of a connection
 * @rules: the rules it began with
 * @hystart: rounds and their round trips; and HyStart++, if the rules have it
 * @train: the ACKs of this round, if the rules ask
 * @pipe: how much of cwnd is used, if the rules ask
 * @last_delivered: segments delivered with the last ACK, as tcp_sock counts
 * @round_delivered: the same with the ACK that began the round
 * @round_from: the same without it; what came since is what the round delivered
 * @round_cwnd: cwnd when the round began
 * @measured_cwnd: cwnd when the round before began, of which @pipe has measured
 * @phase: &enum reno_phase, as it was told last
 * @awaited: &enum reno_cause of a phase that the next ACK may begin
 * @marked: the last ACK carried an ECN echo
 * @probe_helped: the last ACK shows that a tail loss probe made good for a loss
 * @must_begin: the rules are taken, the handshake is not over
 * @extended: cwnd grows by the rules, not as in Linux Reno
 */
struct reno {
	struct reno_rules rules;
	struct hystart_pp hystart;
	struct ack_train train;
	struct pipe_ack pipe;
	u32 last_delivered;
	u32 round_delivered;
	u32 round_from;
	u32 round_cwnd;
	u32 measured_cwnd;
	u8 phase;
	u8 awaited;
	bool marked;
	bool probe_helped;
	bool must_begin;
	bool extended;
};

static_assert(sizeof(struct reno) <= ICSK_CA_PRIV_SIZE);

/* ---- phases ----------------------------------------------------------- */

static bool has_begun(const struct reno *reno)
{
	return reno->phase != RENO_PHASE_NONE;
}

static void enter_phase(const struct sock *sk, struct reno *reno,
			enum reno_phase phase, enum reno_cause cause)
{
	enum reno_phase before = reno->phase;

	if (phase == before || !has_begun(reno))
		return;
	reno->phase = phase;
	trace_told_reno_phase(sk, before, phase, cause);
}

/* Whatever ended slow start, HyStart++ is not for the next (RFC 9406, 4.3). */
static void enter_avoidance(const struct sock *sk, struct reno *reno,
			    enum reno_cause cause)
{
	if (reno->phase == RENO_AVOIDANCE)
		return;
	hystart_pp_stop(&reno->hystart);
	enter_phase(sk, reno, RENO_AVOIDANCE, cause);
}

/*
 * cwnd fell below ssthresh, after a rest or an undone reduction. Or the core took
 * back what the application did not use, and does not say so.
 */
static void notice_slow_start(struct sock *sk, struct reno *reno)
{
	if (reno->phase == RENO_AVOIDANCE)
		enter_phase(sk, reno, RENO_SLOW_START, reno->awaited);
}

/* ---- the beginning ---------------------------------------------------- */

static void begin_round(const struct tcp_sock *tp, struct reno *reno)
{
	ack_train_begin(&reno->train, tp->tcp_mstamp);
	reno->round_delivered = tp->delivered;
	reno->round_from = reno->last_delivered;
	reno->round_cwnd = tcp_snd_cwnd(tp);
}

/*
 * A connection under way keeps its window when it changes to us, and so does one that
 * sent data with its SYN (TCP Fast Open). What was sent shows in bytes_sent alone:
 * the SYN itself is in flight as well.
 */
static void begin_window(struct tcp_sock *tp, const struct reno_rules *rules)
{
	if (tp->bytes_sent)
		return;
	if (rules->initial_cwnd)
		tcp_snd_cwnd_set(tp, rules->initial_cwnd);
	if (rules->initial_ssthresh)
		tp->snd_ssthresh = rules->initial_ssthresh;
}

/* While cwnd is being reduced it may lie below ssthresh for other reasons. */
static enum reno_phase phase_now(const struct sock *sk)
{
	return tcp_in_slow_start(tcp_sk(sk)) && !tcp_in_cwnd_reduction(sk) ?
		RENO_SLOW_START : RENO_AVOIDANCE;
}

static void begin(struct sock *sk, struct reno *reno)
{
	struct tcp_sock *tp = tcp_sk(sk);

	begin_window(tp, &reno->rules);
	hystart_pp_init(&reno->hystart);
	/* Once ssthresh is known, slow start ends there (RFC 9406, 4.3). */
	if (!reno->rules.hystart || !tcp_in_initial_slowstart(tp))
		hystart_pp_stop(&reno->hystart);
	pipe_ack_init(&reno->pipe, tp->tcp_mstamp);
	reno->last_delivered = tp->delivered;
	begin_round(tp, reno);
	reno->phase = phase_now(sk);
	trace_told_reno_phase(sk, RENO_PHASE_NONE, reno->phase,
			      RENO_CAUSE_BEGIN);
}

static void take_rules(struct sock *sk, enum reno_profile profile)
{
	struct reno *reno = inet_csk_ca(sk);

	memset(reno, 0, sizeof(*reno));
	reno_rules_get(&reno->rules, profile);
	reno->extended = !reno_rules_are_linux(&reno->rules);
	/* Chosen in SYN-SENT, the core sets cwnd and ssthresh after this. */
	if (sk->sk_state == TCP_SYN_SENT) {
		reno->must_begin = true;
		return;
	}
	begin(sk, reno);
}

static void begin_if_connected(struct sock *sk)
{
	struct reno *reno = inet_csk_ca(sk);

	if (!reno->must_begin || sk->sk_state == TCP_SYN_SENT)
		return;
	reno->must_begin = false;
	begin(sk, reno);
}

/*
 * The first that the core asks after it has set cwnd (tcp_init_transfer()), unless
 * the application has fixed its send buffer: then it is CA_EVENT_TX_START, for which
 * the size of the first burst is already settled. The answer is what Linux takes
 * for an algorithm that does not answer.
 */
static u32 begin_with_send_buffer(struct sock *sk)
{
	begin_if_connected(sk);
	return 2;
}

/* TCP's core does not say under which name it calls: each name has its own. */
#define BEGIN_FUNCTION(id, name)					\
	static void begin_##name(struct sock *sk)			\
	{								\
		take_rules(sk, RENO_##id);				\
	}
RENO_PROFILE_NAMES(BEGIN_FUNCTION)

/* ---- ACKs ------------------------------------------------------------- */

/* As tcp_process_tlp_ack() will find, but for D-SACKs, which are not shown here. */
static bool probe_has_helped(const struct tcp_sock *tp)
{
	return tp->tlp_high_seq && tp->tlp_retrans &&
	       after(tp->snd_una, tp->tlp_high_seq);
}

static void note_mark(struct sock *sk, u32 flags)
{
	struct reno *reno = inet_csk_ca(sk);

	reno->marked = flags & CA_ACK_ECE;
	reno->probe_helped = probe_has_helped(tcp_sk(sk));
}

/* HyStart++ has seen enough: from here on congestion avoidance. */
static void settle_ssthresh(struct sock *sk, struct reno *reno)
{
	struct tcp_sock *tp = tcp_sk(sk);

	trace_told_reno_reduction(sk, tcp_snd_cwnd(tp), RENO_CAUSE_CSS_ROUNDS);
	tp->snd_ssthresh = tcp_snd_cwnd(tp);
	enter_avoidance(sk, reno, RENO_CAUSE_CSS_ROUNDS);
}

/* HyStart++ has changed its mind: to conservative slow start for this @cause. */
static void follow_hystart(struct sock *sk, struct reno *reno,
			   enum reno_cause cause)
{
	switch (reno->hystart.phase) {
	case HYSTART_SLOW_START:
		enter_phase(sk, reno, RENO_SLOW_START, RENO_CAUSE_JITTER);
		break;
	case HYSTART_CSS:
		enter_phase(sk, reno, RENO_CSS, cause);
		break;
	default:
		settle_ssthresh(sk, reno);
	}
}

static bool is_paced(const struct sock *sk)
{
	return READ_ONCE(sk->sk_pacing_status) != SK_PACING_NONE;
}

/* A train tells of the path only if cwnd, not the application, made it. */
static bool path_seems_full(struct sock *sk, struct reno *reno)
{
	return reno->rules.ack_train &&
	       reno->hystart.phase == HYSTART_SLOW_START &&
	       ack_train_fills(&reno->train, tcp_sk(sk)->tcp_mstamp,
			       hystart_pp_rtt_us(&reno->hystart),
			       is_paced(sk)) &&
	       tcp_is_cwnd_limited(sk);
}

static u32 rtt_or_zero_us(u32 rtt_us)
{
	return rtt_us == HYSTART_NO_RTT_US ? 0 : rtt_us;
}

/*
 * A round is over when something that was sent in it has been delivered. RFC 9406
 * (section 4.2) takes the ACK of the newest segment of its beginning, which comes
 * just before that. But after a timeout that segment is acknowledged only when all
 * else was sent again, many round trips later.
 *
 * The sample tells how many segments were delivered while the newest that it speaks
 * of was on its way, in bytes; all that ever were if it speaks of none. But that may
 * also be true, in the first round of a connection by Fast Open: nothing had been
 * delivered before it, not even a SYN.
 */
static bool round_is_over(const struct tcp_sock *tp, const struct reno *reno,
			  const struct ack_sample *sample)
{
	u32 delivered = tp->delivered - reno->round_delivered;

	if (sample->in_flight == tp->mss_cache * tp->delivered &&
	    !(sample->pkts_acked && !reno->round_delivered))
		return false;
	return sample->in_flight <= (u64)tp->mss_cache * delivered;
}

/*
 * Not for pipeACK: the round that began with the connection, which ends with the
 * first ACK, and others without a round trip of their own, as in recovery.
 */
static void end_round(struct sock *sk, struct reno *reno)
{
	struct tcp_sock *tp = tcp_sk(sk);
	u32 acked_segments = reno->last_delivered - reno->round_from;

	trace_told_reno_round(sk, reno->round_cwnd, acked_segments,
			      rtt_or_zero_us(reno->hystart.round_min_rtt_us));
	if (reno->rules.validate && reno->hystart.samples)
		pipe_ack_round(&reno->pipe, acked_segments, tp->tcp_mstamp,
			       tp->srtt_us >> 3);
	reno->measured_cwnd = reno->round_cwnd;
	if (hystart_pp_round(&reno->hystart))
		follow_hystart(sk, reno, RENO_CAUSE_NONE);
	begin_round(tp, reno);
}

static void watch_delay(struct sock *sk, struct reno *reno, u32 rtt_us)
{
	if (hystart_pp_sample(&reno->hystart, rtt_us))
		follow_hystart(sk, reno, RENO_CAUSE_DELAY);
	else if (path_seems_full(sk, reno) &&
		 hystart_pp_suspect(&reno->hystart))
		follow_hystart(sk, reno, RENO_CAUSE_ACK_TRAIN);
}

static void note_round_trip(struct sock *sk, const struct ack_sample *sample)
{
	struct reno *reno = inet_csk_ca(sk);

	if (!has_begun(reno))
		return;
	if (round_is_over(tcp_sk(sk), reno, sample))
		end_round(sk, reno);
	reno->last_delivered = tcp_sk(sk)->delivered;
	if (sample->rtt_us > 0)
		watch_delay(sk, reno, sample->rtt_us);
}

/* ---- growing ---------------------------------------------------------- */

static bool may_grow(const struct sock *sk, const struct reno *reno)
{
	if (reno->rules.validate)
		return pipe_ack_validates(&reno->pipe, reno->measured_cwnd);
	return tcp_is_cwnd_limited(sk);
}

/*
 * RFC 3465 section 2.3: after a timeout one ACK may cover segments that arrived long
 * ago and says little of the path, so it counts for one.
 */
static u32 limit_by_abc(const struct sock *sk, u32 limit, u32 acked)
{
	if (inet_csk(sk)->icsk_ca_state == TCP_CA_Loss)
		limit = 1;
	return min(acked, limit);
}

/* Returns the segments that slow start had no use for. */
static u32 grow_in_slow_start(struct sock *sk, struct reno *reno, u32 acked)
{
	if (reno->rules.abc_limit)
		acked = limit_by_abc(sk, reno->rules.abc_limit, acked);
	if (reno->hystart.phase != HYSTART_DONE)
		acked = hystart_pp_growth(&reno->hystart, acked, is_paced(sk));
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

/* An undone timeout brings cwnd back to where it was, not up to ssthresh. */
static enum reno_cause cause_of_avoidance(const struct sock *sk,
					  const struct reno *reno)
{
	return reno->awaited == RENO_CAUSE_UNDO &&
	       !tcp_in_slow_start(tcp_sk(sk)) ?
		RENO_CAUSE_UNDO : RENO_CAUSE_SSTHRESH;
}

static void grow(struct sock *sk, u32 ack, u32 acked)
{
	struct reno *reno = inet_csk_ca(sk);
	enum reno_cause cause = cause_of_avoidance(sk, reno);

	if (tcp_in_slow_start(tcp_sk(sk)))
		notice_slow_start(sk, reno);
	reno->awaited = RENO_CAUSE_NONE;
	if (reno->extended && has_begun(reno))
		grow_by_rules(sk, reno, acked);
	else
		tcp_reno_cong_avoid(sk, ack, acked);
	if (!tcp_in_slow_start(tcp_sk(sk)))
		enter_avoidance(sk, reno, cause);
}

/* ---- shrinking -------------------------------------------------------- */

/*
 * The retransmission timer is being handled: the core takes it down before. Taken
 * down it also is while nothing is in flight, and then nothing can be lost. A
 * connection by Fast Open waits for its SYN-ACK's timer with the same one.
 */
static bool timer_has_fired(const struct sock *sk)
{
	return !inet_csk(sk)->icsk_pending &&
	       (tcp_sk(sk)->lost_out || sk->sk_state == TCP_SYN_RECV);
}

/* The core's own test where RACK is off (tcp_time_to_recover()). */
static bool enough_duplicate_acks(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	return !(READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_recovery) &
		 TCP_RACK_LOSS_DETECTION) &&
	       tp->sacked_out + 1 > tp->reordering;
}

/*
 * The core does not say why it asks. A loss has been marked, or is counted in
 * duplicate ACKs, or was made good for by a tail loss probe; a mark came with this
 * very ACK. If it is none of these, this host dropped a segment before it left.
 * A mark that comes with a loss counts as the loss, which is the worse.
 */
static enum reno_cause cause_of_reduction(const struct sock *sk,
					  const struct reno *reno)
{
	if (timer_has_fired(sk))
		return RENO_CAUSE_RTO;
	if (tcp_sk(sk)->lost_out || reno->probe_helped ||
	    enough_duplicate_acks(sk))
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

static u32 ssthresh_for(struct sock *sk, u8 beta_percent)
{
	if (beta_percent == RENO_BETA_PERCENT)
		return tcp_reno_ssthresh(sk);
	return reno_reduced_segments(tcp_snd_cwnd(tcp_sk(sk)), beta_percent);
}

/* The phase that a timeout begins is told with its state, see note_state(). */
static u32 reduced_ssthresh(struct sock *sk)
{
	struct reno *reno = inet_csk_ca(sk);
	enum reno_cause cause;
	u32 ssthresh;

	/* As for a SYN that timed out. */
	if (!has_begun(reno))
		return tcp_reno_ssthresh(sk);
	cause = cause_of_reduction(sk, reno);
	ssthresh = ssthresh_for(sk, beta_for(sk, reno, cause));
	reno->probe_helped = false;	/* good for one reduction */
	trace_told_reno_reduction(sk, ssthresh, cause);
	hystart_pp_stop(&reno->hystart);
	pipe_ack_init(&reno->pipe, tcp_sk(sk)->tcp_mstamp);
	if (cause != RENO_CAUSE_RTO)
		enter_avoidance(sk, reno, cause);
	return ssthresh;
}

/*
 * After a timeout, with cwnd and ssthresh as they shall be. Usually that is slow
 * start, but with much still in flight cwnd may stay above ssthresh. A timeout in
 * recovery comes only here, as ssthresh is set already. The core enters this state
 * also when the path's MTU shrinks: then the timer is armed and cwnd stays.
 */
static void note_state(struct sock *sk, u8 state)
{
	struct reno *reno = inet_csk_ca(sk);

	if (state == TCP_CA_Loss && timer_has_fired(sk))
		enter_phase(sk, reno, tcp_in_slow_start(tcp_sk(sk)) ?
			    RENO_SLOW_START : RENO_AVOIDANCE, RENO_CAUSE_RTO);
}

/* Back to an ssthresh that never was found, it is the first slow start again. */
static u32 undone_cwnd(struct sock *sk)
{
	struct reno *reno = inet_csk_ca(sk);
	u32 cwnd = tcp_reno_undo_cwnd(sk);

	if (!has_begun(reno))
		return cwnd;
	trace_told_reno_undo(sk, cwnd);
	reno->awaited = RENO_CAUSE_UNDO;
	if (reno->rules.hystart &&
	    tcp_sk(sk)->prior_ssthresh >= TCP_INFINITE_SSTHRESH)
		hystart_pp_resume(&reno->hystart);
	return cwnd;
}

static void note_event(struct sock *sk, enum tcp_ca_event event)
{
	struct reno *reno = inet_csk_ca(sk);

	switch (event) {
	case CA_EVENT_TX_START:
		begin_if_connected(sk);
		break;
	case CA_EVENT_CWND_RESTART:
		if (!has_begun(reno))
			break;
		trace_told_reno_restart(sk);
		reno->awaited = RENO_CAUSE_RESTART;
		break;
	default:
		break;
	}
}

/* ---- for people ------------------------------------------------------- */

/*
 * For getsockopt(TCP_CC_INFO) and sock_diag, in the fields of TCP Vegas:
 *
 *	tcpv_enabled	the phase (enum reno_phase)
 *	tcpv_rttcnt	round trips measured in this round, up to eight
 *	tcpv_rtt	the smoothed round trip, as in tcp_info
 *	tcpv_minrtt	the shortest round trip of the last round, 0 if there is none
 *
 * `ss -i` shows tcpv_rtt in the place of its own rtt, whatever it may mean, and none
 * of the others. So it holds the very same. All times are in microseconds. The
 * socket may be at work meanwhile.
 */
static size_t reno_info(struct sock *sk, u32 ext, int *attr,
			union tcp_cc_info *info)
{
	const struct reno *reno = inet_csk_ca(sk);
	u32 last_rtt_us = READ_ONCE(reno->hystart.last_min_rtt_us);

	if (!(ext & BIT(INET_DIAG_VEGASINFO - 1)))
		return 0;
	info->vegas = (struct tcpvegas_info) {
		.tcpv_enabled = READ_ONCE(reno->phase),
		.tcpv_rttcnt = READ_ONCE(reno->hystart.samples),
		.tcpv_rtt = READ_ONCE(tcp_sk(sk)->srtt_us) >> 3,
		.tcpv_minrtt = rtt_or_zero_us(last_rtt_us),
	};
	*attr = INET_DIAG_VEGASINFO;
	return sizeof(info->vegas);
}

/* ---- the names -------------------------------------------------------- */

#define RENO_OPS(id_, name_) [RENO_##id_] = {				\
	.name		= #name_,					\
	.owner		= THIS_MODULE,					\
	.flags		= TCP_CONG_NON_RESTRICTED,			\
	.init		= begin_##name_,				\
	.in_ack_event	= note_mark,					\
	.pkts_acked	= note_round_trip,				\
	.cong_avoid	= grow,						\
	.ssthresh	= reduced_ssthresh,				\
	.set_state	= note_state,					\
	.undo_cwnd	= undone_cwnd,					\
	.cwnd_event	= note_event,					\
	.sndbuf_expand	= begin_with_send_buffer,			\
	.get_info	= reno_info,					\
},

static struct tcp_congestion_ops algorithms[RENO_PROFILES] __read_mostly = {
	RENO_PROFILE_NAMES(RENO_OPS)
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
