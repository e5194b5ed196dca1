/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What only the algorithm itself can tell, as tracepoints without an event.
 *
 * The congestion control says here what it does and does not ask who listens: each
 * is a no-op until somebody attaches. In this module that is congestion_probes.c,
 * which makes records of them, and with the records the events for tracers.
 */
#ifndef RENOSCOPE_RENO_TRACE_H
#define RENOSCOPE_RENO_TRACE_H

#include <linux/tracepoint.h>

struct sock;

enum reno_phase {
	RENO_PHASE_NONE,
	RENO_SLOW_START,
	RENO_CSS,		/* HyStart++'s conservative slow start */
	RENO_AVOIDANCE,
};

enum reno_cause {
	RENO_CAUSE_NONE,	/* the core did it and did not say why */
	RENO_CAUSE_BEGIN,	/* the connection, or this algorithm for it */
	RENO_CAUSE_SSTHRESH,	/* cwnd reached it */
	RENO_CAUSE_DELAY,	/* round trips grew longer */
	RENO_CAUSE_ACK_TRAIN,	/* ACKs arrived for half a round trip */
	RENO_CAUSE_JITTER,	/* a false alarm */
	RENO_CAUSE_CSS_ROUNDS,	/* conservative slow start lasted its five */
	RENO_CAUSE_LOSS,	/* marked so, or repaired by a tail loss probe */
	RENO_CAUSE_RTO,
	RENO_CAUSE_ECN,
	RENO_CAUSE_OTHER,	/* this host dropped a segment */
	RENO_CAUSE_RESTART,	/* after idle */
	RENO_CAUSE_UNDO,	/* the loss was none */
};

/* A phase begins: what was before, what is now, and why. */
DECLARE_TRACE(told_reno_phase,
	      TP_PROTO(const struct sock *sk, enum reno_phase before,
		       enum reno_phase phase, enum reno_cause cause),
	      TP_ARGS(sk, before, phase, cause));

/*
 * A round has ended, and the next begins with this ACK: something sent in it was
 * acknowledged. cwnd at its beginning, what its ACKs delivered (both in segments), and
 * its shortest round trip in microseconds, 0 if none was measured. The first begins
 * with the connection, has no ACK, and ends with the first.
 */
DECLARE_TRACE(told_reno_round,
	      TP_PROTO(const struct sock *sk, u32 cwnd_before,
		       u32 acked_segments, u32 min_rtt_us),
	      TP_ARGS(sk, cwnd_before, acked_segments, min_rtt_us));

/* ssthresh is about to become this many segments, and why. */
DECLARE_TRACE(told_reno_reduction,
	      TP_PROTO(const struct sock *sk, u32 ssthresh, enum reno_cause cause),
	      TP_ARGS(sk, ssthresh, cause));

/* The last reduction is about to be undone: cwnd becomes this many segments. */
DECLARE_TRACE(told_reno_undo,
	      TP_PROTO(const struct sock *sk, u32 cwnd),
	      TP_ARGS(sk, cwnd));

/*
 * The connection was idle: cwnd is about to be halved for each RTO that passed, but not
 * below the initial window, so it may stay.
 */
DECLARE_TRACE(told_reno_restart,
	      TP_PROTO(const struct sock *sk),
	      TP_ARGS(sk));

#endif /* RENOSCOPE_RENO_TRACE_H */
