/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kinds of event, once: EVENT_KIND(name, meaning).
 *
 * A kind's number is its place in this list, counted from 1, and is written
 * into recordings: add new kinds at the end and never reorder. The names are
 * what the `events` parameter, the `schema` file, the text trace and the
 * scripts all say.
 */
#ifndef RENOSCOPE_EVENT_KINDS_H
#define RENOSCOPE_EVENT_KINDS_H

#define EVENT_KINDS(EVENT_KIND)						\
	EVENT_KIND(lost,						\
		"events overwritten before they were read; made for each reader") \
	EVENT_KIND(state,						\
		"a socket is about to change its TCP state")		\
	EVENT_KIND(ack,							\
		"a segment reached a connection; nothing of it is processed yet") \
	EVENT_KIND(retransmit,						\
		"a segment was sent again")				\
	EVENT_KIND(synack_retransmit,					\
		"a SYN-ACK was sent again for a half-open request")	\
	EVENT_KIND(ca_state,						\
		"the congestion control's state is about to change")	\
	EVENT_KIND(reset_sent,						\
		"a RST is being sent, with the segment that provoked it where there is one") \
	EVENT_KIND(reset_received,					\
		"a RST arrived for a socket, or data after both directions were shut") \
	EVENT_KIND(destroy,						\
		"a socket's TCP part is destroyed; its final counts, 0 if disconnected") \
	EVENT_KIND(syn,							\
		"a SYN reached a listener; what becomes of it follows")	\
	EVENT_KIND(request,						\
		"a request enters a listener's half-open queue")	\
	EVENT_KIND(synack,						\
		"a request's first SYN-ACK is being sent")		\
	EVENT_KIND(refused,						\
		"a listener dropped a SYN, or a handshake's last ACK")	\
	EVENT_KIND(completed,						\
		"a handshake is complete, its connection enters the accept queue") \
	EVENT_KIND(accepted,						\
		"a process took a connection out of the accept queue")	\
	EVENT_KIND(request_end,						\
		"a request left the half-open queue without a connection") \
	EVENT_KIND(cookie_checked,					\
		"an ACK without a request was taken for a SYN cookie and checked") \
	EVENT_KIND(time_wait,						\
		"TIME-WAIT, or FIN-WAIT-2 as a small sock, begins or sees a segment") \
	EVENT_KIND(time_wait_end,					\
		"TIME-WAIT, or FIN-WAIT-2 as a small sock, is over")	\
	EVENT_KIND(rto,							\
		"the retransmission timer fired; rto_us is the RTO in force") \
	EVENT_KIND(loss_probe,						\
		"a tail loss probe was sent, new data or a retransmission") \
	EVENT_KIND(probe,						\
		"a probe of a zero window, or a keepalive, is being sent") \
	EVENT_KIND(zero_window,						\
		"a window, ours or the peer's, closed or opened again")	\
	EVENT_KIND(error,						\
		"a socket reports an error to its process")		\
	EVENT_KIND(bad_checksum,					\
		"a segment arrived with a wrong checksum")		\
	EVENT_KIND(segment,						\
		"a segment on its way in or out, with its options; off by default") \
	EVENT_KIND(mark,						\
		"what is recorded was changed; what is missing after it was not asked for") \
	EVENT_KIND(reno_phase,						\
		"an algorithm of ours enters another phase of growth")	\
	EVENT_KIND(reno_round,						\
		"a round trip is over: the first segment of the next is acknowledged") \
	EVENT_KIND(reno_reduction,					\
		"an algorithm of ours is about to set ssthresh")	\
	EVENT_KIND(reno_undo,						\
		"a reduction is about to be undone: nothing was lost")	\
	EVENT_KIND(reno_restart,					\
		"the connection was idle: cwnd falls, at most to the initial window")

enum event_kind {
	EVENT_KIND_NONE,
#define EVENT_KIND_ENUM(name, meaning)	EVENT_KIND_##name,
	EVENT_KINDS(EVENT_KIND_ENUM)
#undef EVENT_KIND_ENUM
	EVENT_KIND_END		/* one past the last kind */
};

#endif /* RENOSCOPE_EVENT_KINDS_H */
