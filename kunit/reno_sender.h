/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A sender without a network, for the suites of the congestion control.
 *
 * The algorithms under test are what TCP's core would call: the operations that are
 * registered. The sockets are not: each is a zeroed struct tcp_sock with the few
 * numbers that RFC 5681 speaks of. The core's own part is played by short functions,
 * each after the sentence that it stands for:
 *
 *	round trip	all of cwnd was sent and is acknowledged, segment by
 *			segment or by stretch ACKs that cover several
 *	timeout		ssthresh = what the algorithm says, cwnd = 1
 *			(tcp_enter_loss(), everything marked lost)
 *	recovery	ssthresh = what the algorithm says, and cwnd = ssthresh
 *			when it ends (tcp_end_cwnd_reduction())
 *
 * Where round trips are measured, struct wire plays the network: it remembers what
 * was sent, and how much had been delivered then, as the core does with each segment.
 */
#ifndef RENOSCOPE_KUNIT_RENO_SENDER_H
#define RENOSCOPE_KUNIT_RENO_SENDER_H

#include <kunit/test.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <net/net_namespace.h>
#include <net/tcp.h>

#include "reno_congestion.h"

#define UNLIMITED	(~0U)
#define MSS		1448
#define MS(n)		((u32)(n) * 1000)

static inline u32 cwnd_of(const struct sock *sk)
{
	return tcp_snd_cwnd(tcp_sk(sk));
}

static inline const struct tcp_congestion_ops *ops_of(const struct sock *sk)
{
	return inet_csk(sk)->icsk_ca_ops;
}

/* A socket as tcp_init_transfer() leaves it to the algorithm: cwnd is Linux's. */
static inline struct sock *new_socket(struct kunit *test,
				      enum reno_profile profile)
{
	struct tcp_sock *tp = kunit_kzalloc(test, sizeof(*tp), GFP_KERNEL);
	struct sock *sk = (struct sock *)tp;

	KUNIT_ASSERT_NOT_NULL(test, tp);
	sk->sk_family = AF_INET;
	sk->sk_state = TCP_ESTABLISHED;
	sock_net_set(sk, &init_net);
	inet_csk(sk)->icsk_ca_ops = reno_congestion_ops(profile);
	inet_csk(sk)->icsk_pending = ICSK_TIME_RETRANS;
	tp->mss_cache = MSS;
	tp->delivered = 1;		/* the SYN */
	tp->snd_ssthresh = TCP_INFINITE_SSTHRESH;
	tp->snd_cwnd_clamp = UNLIMITED;
	tp->reordering = 3;
	tp->is_cwnd_limited = true;
	tcp_snd_cwnd_set(tp, TCP_INIT_CWND);
	return sk;
}

/* tcp_init_congestion_control() */
static inline void begin(struct sock *sk)
{
	tcp_sk(sk)->prior_ssthresh = 0;
	ops_of(sk)->init(sk);
}

static inline struct sock *new_connection(struct kunit *test,
					  enum reno_profile profile)
{
	struct sock *sk = new_socket(test, profile);

	begin(sk);
	return sk;
}

/* Under way already, so that its window stays; and cwnd alone holds it back. */
static inline struct sock *new_sender(struct kunit *test,
				      enum reno_profile profile, u32 cwnd,
				      u32 ssthresh)
{
	struct sock *sk = new_socket(test, profile);

	tcp_snd_cwnd_set(tcp_sk(sk), cwnd);
	tcp_sk(sk)->snd_ssthresh = ssthresh;
	tcp_sk(sk)->bytes_sent = 1;
	begin(sk);
	return sk;
}

/* ---- what the core does -------------------------------------------------- */

static inline void acknowledge(struct sock *sk, u32 segments)
{
	ops_of(sk)->cong_avoid(sk, 0, segments);
}

/* Each ACK covers @stretch segments; the last one what is left. */
static inline void round_trip(struct sock *sk, u32 stretch)
{
	u32 unacknowledged = cwnd_of(sk);

	while (unacknowledged) {
		u32 segments = min(stretch, unacknowledged);

		acknowledge(sk, segments);
		unacknowledged -= segments;
	}
}

static inline void enter_state(struct sock *sk, u8 state)
{
	if (ops_of(sk)->set_state)
		ops_of(sk)->set_state(sk, state);
	inet_csk(sk)->icsk_ca_state = state;
}

/* All is lost but for @still_in_flight. The retransmit is sent afterwards. */
static inline void partial_timeout(struct sock *sk, u32 still_in_flight)
{
	struct inet_connection_sock *icsk = inet_csk(sk);
	struct tcp_sock *tp = tcp_sk(sk);

	icsk->icsk_pending = 0;
	tp->lost_out = cwnd_of(sk) - min(cwnd_of(sk), still_in_flight);
	if (icsk->icsk_ca_state <= TCP_CA_Disorder) {
		tp->prior_ssthresh = tcp_current_ssthresh(sk);
		tp->prior_cwnd = tcp_snd_cwnd(tp);
		tp->snd_ssthresh = ops_of(sk)->ssthresh(sk);
	}
	tcp_snd_cwnd_set(tp, still_in_flight + 1);
	tp->snd_cwnd_cnt = 0;
	enter_state(sk, TCP_CA_Loss);
	icsk->icsk_pending = ICSK_TIME_RETRANS;
	tp->lost_out = 0;
}

static inline void timeout(struct sock *sk)
{
	partial_timeout(sk, 0);
}

/* tcp_init_cwnd_reduction(), called for whatever reason there is */
static inline void reduce(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);

	tp->snd_cwnd_cnt = 0;
	tp->prior_cwnd = tcp_snd_cwnd(tp);
	tp->snd_ssthresh = ops_of(sk)->ssthresh(sk);
}

static inline void enter_recovery(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);

	tp->lost_out = 1;
	tp->prior_ssthresh = tcp_current_ssthresh(sk);
	reduce(sk);
	enter_state(sk, TCP_CA_Recovery);
	tp->lost_out = 0;
}

static inline void fast_recovery(struct sock *sk)
{
	enter_recovery(sk);
	tcp_snd_cwnd_set(tcp_sk(sk), tcp_sk(sk)->snd_ssthresh);
	enter_state(sk, TCP_CA_Open);
}

/* tcp_undo_cwnd_reduction() */
static inline void undo(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);

	if (tp->prior_ssthresh) {
		tcp_snd_cwnd_set(tp, ops_of(sk)->undo_cwnd(sk));
		if (tp->prior_ssthresh > tp->snd_ssthresh)
			tp->snd_ssthresh = tp->prior_ssthresh;
	}
	enter_state(sk, TCP_CA_Open);
}

static inline void mark(struct sock *sk, bool ece)
{
	u32 flags = CA_ACK_SLOWPATH | CA_ACK_WIN_UPDATE;

	ops_of(sk)->in_ack_event(sk, ece ? flags | CA_ACK_ECE : flags);
}

/* ---- a network ----------------------------------------------------------- */

#define WIRE_SEGMENTS	4096

/**
 * struct wire - a sender's segments on their way, and when they come back
 * @sk: the sender, which always has more to send
 * @rtt_us: how long each takes; 0 to have none measured
 * @stretch: segments that an ACK covers
 * @apart_us: from one ACK to the next; 0 if a window's come evenly all the time
 * @delivered_then: for each segment on its way, what was delivered when it was sent
 * @oldest: the next to be acknowledged
 * @newest: the next to be sent
 */
struct wire {
	struct sock *sk;
	u32 rtt_us;
	u32 stretch;
	u32 apart_us;
	u32 delivered_then[WIRE_SEGMENTS];
	u32 oldest;
	u32 newest;
};

static inline void send_what_may_be_sent(struct wire *wire)
{
	while (wire->newest - wire->oldest < cwnd_of(wire->sk))
		wire->delivered_then[wire->newest++ % WIRE_SEGMENTS] =
			tcp_sk(wire->sk)->delivered;
}

static inline struct wire *new_wire(struct kunit *test, struct sock *sk,
				    u32 rtt_us, u32 stretch)
{
	struct wire *wire = kunit_kzalloc(test, sizeof(*wire), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, wire);
	wire->sk = sk;
	wire->rtt_us = rtt_us;
	wire->stretch = stretch;
	send_what_may_be_sent(wire);
	return wire;
}

/* tcp_clean_rtx_queue() and what tcp_ack() calls after it. */
static inline void deliver(struct wire *wire, u32 segments)
{
	struct tcp_sock *tp = tcp_sk(wire->sk);
	struct ack_sample sample = {
		.pkts_acked = segments,
		.rtt_us = wire->rtt_us ? wire->rtt_us : -1,
	};

	wire->oldest += segments;
	tp->delivered += segments;
	tp->tcp_mstamp += wire->apart_us ?:
			  wire->rtt_us / max(cwnd_of(wire->sk), 1U);
	sample.in_flight = tp->mss_cache * (tp->delivered -
		wire->delivered_then[(wire->oldest - 1) % WIRE_SEGMENTS]);
	ops_of(wire->sk)->pkts_acked(wire->sk, &sample);
	mark(wire->sk, false);
	if (!tcp_in_cwnd_reduction(wire->sk))
		acknowledge(wire->sk, segments);
	send_what_may_be_sent(wire);
}

/* What is on its way now is acknowledged; what that lets go is not yet. */
static inline void deliver_window(struct wire *wire)
{
	u32 left = wire->newest - wire->oldest;

	while (left) {
		u32 segments = min(wire->stretch, left);

		deliver(wire, segments);
		left -= segments;
	}
}

/* As a bottleneck sends it on: one after the other, then there is a rest. */
static inline void deliver_train(struct wire *wire)
{
	deliver_window(wire);
	tcp_sk(wire->sk)->tcp_mstamp += wire->rtt_us;
}

/* Nothing of it arrives. The timer sends the first again. */
static inline void lose_window(struct wire *wire)
{
	wire->oldest = wire->newest;
	timeout(wire->sk);
	send_what_may_be_sent(wire);
}

/* ---- segments that an ACK covers ----------------------------------------- */

static const u32 stretches[] __maybe_unused = { 1, 2, 3, 8, UNLIMITED };

static inline void describe_stretch(const u32 *stretch, char *name)
{
	if (*stretch == UNLIMITED)
		strscpy(name, "one ACK a round trip", KUNIT_PARAM_DESC_SIZE);
	else
		snprintf(name, KUNIT_PARAM_DESC_SIZE, "an ACK for each %u",
			 *stretch);
}

#endif /* RENOSCOPE_KUNIT_RENO_SENDER_H */
