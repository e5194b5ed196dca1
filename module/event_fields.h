/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The record, once: EVENT_FIELD(type, name, unit, meaning).
 *
 * From these lists come struct tcp_event, the field table that KUnit walks, the
 * `schema` file that scripts read columns from, the tracepoints of renoscope_trace.h,
 * and Documentation/events.rst.
 *
 * Why 192 bytes
 * -------------
 * A record must be readable alone: older ones may be overwritten, so nothing
 * may be told "as before".
 *
 *	 16	serial and time
 *	 16	who: cookie, netns, kind, family, state, CA state
 *	 32	two addresses (IPv4 in its ::ffff:a.b.c.d form)
 *	----	one cache line
 *	  8	ports, CPU, MSS
 *	 20	both ISNs, snd_una, snd_nxt, rcv_nxt
 *	 20	the segment: seq, ack, length, window, flags; socket flags;
 *		window scales, backoff, retransmits
 *	 16	cwnd, ssthresh, both windows
 *	----	two cache lines
 *	 16	srtt, rttvar, minimum RTT, RTO
 *	  8	packets out, lost, retransmitted, SACKed
 *	 40	the detail: what one kind, or a family of kinds, needs
 *	----	three cache lines
 *
 * The first 152 bytes are wanted by every view, so 128 cannot hold them. The
 * detail is 40 because a segment's header has up to 40 bytes of options, of
 * which 32 vary beyond MSS, scale and urgent pointer (timestamps and three SACK
 * blocks, or four SACK blocks). 192 is the design's ceiling and keeps each
 * record on whole cache lines; 160 would touch three lines all the same.
 *
 * Types: u8, u16, u32, u64, addr (struct in6_addr, 16 bytes) and text (16 bytes,
 * of which a NUL is the last at the latest). Fields stand in an order that needs no
 * padding; event_schema.c asserts that.
 */
#ifndef RENOSCOPE_EVENT_FIELDS_H
#define RENOSCOPE_EVENT_FIELDS_H

#define EVENT_DETAIL_BYTES	40

/* What every record has. The first two belong to the ring (event_ring.h). */
#define EVENT_COMMON_FIELDS(EVENT_FIELD)				\
	EVENT_FIELD(u64, serial, number,				\
		"number of this event on its CPU, from 1, without gaps") \
	EVENT_FIELD(u64, time_ns, ns,					\
		"CLOCK_MONOTONIC; of lost: that of the record before, 0 if none") \
	EVENT_FIELD(u64, cookie, cookie,				\
		"connection id: the kernel's socket cookie, as sk: in ss -e") \
	EVENT_FIELD(u32, netns, number,					\
		"inode of the network namespace, as in /proc/PID/ns/net; 0 if not known") \
	EVENT_FIELD(u8, kind, kind,					\
		"what happened")					\
	EVENT_FIELD(u8, family, number,					\
		"IP version on the wire: 4 or 6")			\
	EVENT_FIELD(u8, state, state,					\
		"TCP state; in a state event the new one")		\
	EVENT_FIELD(u8, ca_state, ca_state,				\
		"state of congestion avoidance; in a ca_state event the new one") \
	EVENT_FIELD(addr, local_addr, address,				\
		"local address, IPv4 as ::ffff:a.b.c.d")		\
	EVENT_FIELD(addr, remote_addr, address,				\
		"remote address, IPv4 as ::ffff:a.b.c.d")		\
	EVENT_FIELD(u16, local_port, port,				\
		"local port")						\
	EVENT_FIELD(u16, remote_port, port,				\
		"remote port")						\
	EVENT_FIELD(u16, cpu, number,					\
		"CPU that saw the event")				\
	EVENT_FIELD(u16, mss, bytes,					\
		"what one segment may carry now (mss_cache)")		\
	EVENT_FIELD(u32, snd_isn, sequence,				\
		"initial sequence number sent, 0 when not known (exceptions: event_capture.c)") \
	EVENT_FIELD(u32, rcv_isn, sequence,				\
		"initial sequence number received, 0 when not known yet") \
	EVENT_FIELD(u32, snd_una, sequence,				\
		"oldest sequence number sent and not acknowledged")	\
	EVENT_FIELD(u32, snd_nxt, sequence,				\
		"next sequence number to send")				\
	EVENT_FIELD(u32, rcv_nxt, sequence,				\
		"next sequence number expected")			\
	EVENT_FIELD(u32, seg_seq, sequence,				\
		"sequence number of the segment the event is about")	\
	EVENT_FIELD(u32, seg_ack, sequence,				\
		"acknowledgment number of that segment")		\
	EVENT_FIELD(u32, seg_len, bytes,				\
		"payload of that segment, SYN and FIN not counted")	\
	EVENT_FIELD(u16, seg_window, window,				\
		"window field of that segment, not scaled")		\
	EVENT_FIELD(u8, seg_flags, tcp_flags,				\
		"flags of that segment, 0 when the event has no segment") \
	EVENT_FIELD(u8, sock_flags, sock_flags,				\
		"what the connection agreed on and how it began")	\
	EVENT_FIELD(u8, snd_wscale, shift,				\
		"window scale of the peer's windows")			\
	EVENT_FIELD(u8, rcv_wscale, shift,				\
		"window scale of our windows")				\
	EVENT_FIELD(u8, backoff, number,				\
		"doublings in force on the retransmission timer")	\
	EVENT_FIELD(u8, retransmits, number,				\
		"timeouts in a row without progress")			\
	EVENT_FIELD(u32, cwnd, segments,				\
		"congestion window")					\
	EVENT_FIELD(u32, ssthresh, segments,				\
		"slow start threshold, 2147483647 while it has none")	\
	EVENT_FIELD(u32, snd_wnd, bytes,				\
		"window the peer advertised, scaled")			\
	EVENT_FIELD(u32, rcv_wnd, bytes,				\
		"receive window as last advertised; in zero_window of our side the new one") \
	EVENT_FIELD(u32, srtt_us, us,					\
		"smoothed round trip time, 0 before the first sample")	\
	EVENT_FIELD(u32, rttvar_us, us,					\
		"mean deviation of the round trip time, as in ss -i")	\
	EVENT_FIELD(u32, min_rtt_us, us,				\
		"windowed minimum round trip time, 0 before the first sample") \
	EVENT_FIELD(u32, rto_us, us,					\
		"retransmission timeout; of a SYN-ACK, the wait that now begins") \
	EVENT_FIELD(u16, packets_out, segments,				\
		"segments sent and not acknowledged, at most 65535")	\
	EVENT_FIELD(u16, lost_out, segments,				\
		"of these, believed lost")				\
	EVENT_FIELD(u16, retrans_out, segments,				\
		"of these, sent again")					\
	EVENT_FIELD(u16, sacked_out, segments,				\
		"of these, SACKed, or counted by duplicate ACKs without SACK")

/* What one kind alone needs, at most EVENT_DETAIL_BYTES each. */
#define EVENT_NO_FIELDS(EVENT_FIELD)

#define EVENT_LOST_FIELDS(EVENT_FIELD)					\
	EVENT_FIELD(u64, lost_events, number,				\
		"how many events in a row, from serial on")

#define EVENT_PROCESS_FIELDS(EVENT_FIELD)				\
	EVENT_FIELD(text, comm, name,					\
		"name of the thread in whose call it happens, as in ps -L, none in an interrupt") \
	EVENT_FIELD(u32, pid, number,					\
		"its process, 0 if there is none")

#define EVENT_STATE_FIELDS(EVENT_FIELD)					\
	EVENT_PROCESS_FIELDS(EVENT_FIELD)				\
	EVENT_FIELD(u8, old_state, state,				\
		"the state being left")

#define EVENT_RETRANSMIT_FIELDS(EVENT_FIELD)				\
	EVENT_FIELD(u32, total_retrans, segments,			\
		"segments this connection has sent again so far")	\
	EVENT_FIELD(u32, retransmit_segs, segments,			\
		"segments this event stands for")			\
	EVENT_FIELD(u8, retransmit_cause, retransmit_cause,		\
		"what made it be sent again")

/*
 * The life of a request, from the SYN to accept(): all its kinds have these. The
 * addresses of syn, refused and cookie_checked are the segment's, as the request
 * is not there yet, or no more.
 */
#define EVENT_HANDSHAKE_FIELDS(EVENT_FIELD)				\
	EVENT_FIELD(u64, listener, cookie,				\
		"connection id of the listener, 0 when there is none")	\
	EVENT_FIELD(u32, since_synack_us, us,				\
		"time since the request's first SYN-ACK")		\
	EVENT_FIELD(u32, synack_timeout_us, us,				\
		"the request's first wait, from which the others double") \
	EVENT_FIELD(u32, half_open, number,				\
		"requests in the listener's half-open queue but for one that comes or goes") \
	EVENT_FIELD(u32, accept_queue, number,				\
		"connections waiting in the listener's accept queue but for one that enters") \
	EVENT_FIELD(u32, accept_limit, number,				\
		"the listener's backlog: each of the two queues is full above it") \
	EVENT_FIELD(u32, syn_backlog, number,				\
		"tcp_max_syn_backlog; without cookies its last quarter is for proven peers") \
	EVENT_FIELD(u8, num_retrans, number,				\
		"SYN-ACKs sent again before this event")		\
	EVENT_FIELD(u8, num_timeout, number,				\
		"times the request's timer fired before this event")	\
	EVENT_FIELD(u8, by_timer, number,				\
		"of synack_retransmit: 1 sent by the timer, 0 in answer to a duplicate SYN") \
	EVENT_FIELD(u8, max_retries, number,				\
		"timeouts after which it is given up, fewer in a crowded queue") \
	EVENT_FIELD(u8, synack_type, synack_type,			\
		"of synack: what sort of SYN-ACK")			\
	EVENT_FIELD(u8, refusal, refusal,				\
		"of refused: why")					\
	EVENT_FIELD(u8, request_ending, request_ending,			\
		"of request_end: why")					\
	EVENT_FIELD(u8, cookie_verdict, cookie_verdict,			\
		"of cookie_checked: what came of it")

#define EVENT_CA_STATE_FIELDS(EVENT_FIELD)				\
	EVENT_FIELD(u8, old_ca_state, ca_state,				\
		"the state being left")

#define EVENT_RESET_SENT_FIELDS(EVENT_FIELD)				\
	EVENT_FIELD(u32, reset_reason, reset_reason,			\
		"why the kernel says it resets, 0 where it does not say (before 6.10)")

#define EVENT_DESTROY_FIELDS(EVENT_FIELD)				\
	EVENT_FIELD(u64, bytes_acked, bytes,				\
		"payload sent and acknowledged, SYN and FIN counted as the kernel does") \
	EVENT_FIELD(u64, bytes_received, bytes,				\
		"payload received, FIN counted as the kernel does")	\
	EVENT_FIELD(u32, segs_out, segments,				\
		"segments sent")					\
	EVENT_FIELD(u32, segs_in, segments,				\
		"segments received")					\
	EVENT_FIELD(u32, retrans_segs, segments,			\
		"segments sent again")					\
	EVENT_FIELD(u32, data_segs_out, segments,			\
		"segments sent that carried data, those sent again among them")

#define EVENT_TIME_WAIT_FIELDS(EVENT_FIELD)				\
	EVENT_FIELD(u32, time_wait_us, us,				\
		"how long it is to last from now on, 0 where nothing was said") \
	EVENT_FIELD(u8, time_wait_step, time_wait_step,			\
		"of time_wait: what happened")				\
	EVENT_FIELD(u8, time_wait_ending, time_wait_ending,		\
		"of time_wait_end: why")

#define EVENT_LOSS_PROBE_FIELDS(EVENT_FIELD)				\
	EVENT_FIELD(u8, probe_retransmits, number,			\
		"1 the probe is a retransmission, 0 it is new data")

#define EVENT_PROBE_FIELDS(EVENT_FIELD)					\
	EVENT_FIELD(u8, probe_cause, probe_cause,			\
		"why it is sent")					\
	EVENT_FIELD(u8, probes_out, number,				\
		"probes in a row without an answer, before this one")	\
	EVENT_FIELD(u8, probe_carries_data, number,			\
		"1 the window has room again and data goes instead of a probe")

#define EVENT_ZERO_WINDOW_FIELDS(EVENT_FIELD)				\
	EVENT_FIELD(u8, window_side, window_side,			\
		"whose receive window it is")				\
	EVENT_FIELD(u8, window_change, window_change,			\
		"what became of it")

#define EVENT_ERROR_FIELDS(EVENT_FIELD)					\
	EVENT_FIELD(u32, sk_error, errno,				\
		"the error, as in errno")

/*
 * Options of a segment. Timestamps and four SACK blocks do not fit into a header
 * together, so the fourth block lies where the timestamps would.
 */
#define EVENT_SEGMENT_FIELDS(EVENT_FIELD)				\
	EVENT_FIELD(u32, tsval, number,					\
		"timestamp value; with four SACK blocks: left edge of the fourth") \
	EVENT_FIELD(u32, tsecr, number,					\
		"timestamp echo reply; with four SACK blocks: right edge of the fourth") \
	EVENT_FIELD(u32, sack1_left, sequence,				\
		"left edge of the first SACK block")			\
	EVENT_FIELD(u32, sack1_right, sequence,				\
		"right edge of the first SACK block")			\
	EVENT_FIELD(u32, sack2_left, sequence,				\
		"left edge of the second")				\
	EVENT_FIELD(u32, sack2_right, sequence,				\
		"right edge of the second")				\
	EVENT_FIELD(u32, sack3_left, sequence,				\
		"left edge of the third")				\
	EVENT_FIELD(u32, sack3_right, sequence,				\
		"right edge of the third")				\
	EVENT_FIELD(u16, urgent_pointer, number,			\
		"urgent pointer")					\
	EVENT_FIELD(u16, option_mss, bytes,				\
		"MSS option")						\
	EVENT_FIELD(u8, option_wscale, shift,				\
		"window scale option")					\
	EVENT_FIELD(u8, header_words, number,				\
		"data offset: the TCP header's length in 32-bit words")	\
	EVENT_FIELD(u8, sack_blocks, number,				\
		"SACK blocks")						\
	EVENT_FIELD(u8, segment_flags, segment_flags,			\
		"direction, and which options it has")

#define EVENT_MARK_FIELDS(EVENT_FIELD)					\
	EVENT_FIELD(u64, kinds_on, kinds,				\
		"the kinds recorded from now on: the bit of a kind is its number") \
	EVENT_FIELD(u8, mark_cause, mark_cause,				\
		"what was changed")

/* What our own algorithms say: all their kinds have these. */
#define EVENT_RENO_FIELDS(EVENT_FIELD)					\
	EVENT_FIELD(u32, old_cwnd, segments,				\
		"of reno_round: cwnd when it began")			\
	EVENT_FIELD(u32, round_acked, segments,				\
		"of reno_round: what was delivered in it")		\
	EVENT_FIELD(u32, round_rtt_us, us,				\
		"of reno_round: its shortest round trip, 0 without any") \
	EVENT_FIELD(u32, new_ssthresh, segments,			\
		"of reno_reduction: what ssthresh becomes")		\
	EVENT_FIELD(u32, new_cwnd, segments,				\
		"of reno_undo: what cwnd becomes")			\
	EVENT_FIELD(u8, old_phase, reno_phase,				\
		"of reno_phase: the phase being left")			\
	EVENT_FIELD(u8, phase, reno_phase,				\
		"of reno_phase: the phase that begins")			\
	EVENT_FIELD(u8, reno_cause, reno_cause,				\
		"of reno_phase and reno_reduction: why")

/*
 * Every detail with the kind it belongs to: EVENT_DETAIL(kind, FIELDS). A lost
 * is never recorded: each reader makes its own.
 */
#define EVENT_DETAILS(EVENT_DETAIL)					\
	EVENT_DETAIL(lost, EVENT_LOST_FIELDS)				\
	EVENT_RECORDED_DETAILS(EVENT_DETAIL)

#define EVENT_RECORDED_DETAILS(EVENT_DETAIL)				\
	EVENT_DETAIL(state, EVENT_STATE_FIELDS)				\
	EVENT_DETAIL(ack, EVENT_NO_FIELDS)				\
	EVENT_DETAIL(retransmit, EVENT_RETRANSMIT_FIELDS)		\
	EVENT_DETAIL(synack_retransmit, EVENT_HANDSHAKE_FIELDS)		\
	EVENT_DETAIL(ca_state, EVENT_CA_STATE_FIELDS)			\
	EVENT_DETAIL(reset_sent, EVENT_RESET_SENT_FIELDS)		\
	EVENT_DETAIL(reset_received, EVENT_NO_FIELDS)			\
	EVENT_DETAIL(destroy, EVENT_DESTROY_FIELDS)			\
	EVENT_DETAIL(syn, EVENT_HANDSHAKE_FIELDS)			\
	EVENT_DETAIL(request, EVENT_HANDSHAKE_FIELDS)			\
	EVENT_DETAIL(synack, EVENT_HANDSHAKE_FIELDS)			\
	EVENT_DETAIL(refused, EVENT_HANDSHAKE_FIELDS)			\
	EVENT_DETAIL(completed, EVENT_HANDSHAKE_FIELDS)			\
	EVENT_DETAIL(accepted, EVENT_PROCESS_FIELDS)			\
	EVENT_DETAIL(request_end, EVENT_HANDSHAKE_FIELDS)		\
	EVENT_DETAIL(cookie_checked, EVENT_HANDSHAKE_FIELDS)		\
	EVENT_DETAIL(time_wait, EVENT_TIME_WAIT_FIELDS)			\
	EVENT_DETAIL(time_wait_end, EVENT_TIME_WAIT_FIELDS)		\
	EVENT_DETAIL(rto, EVENT_NO_FIELDS)				\
	EVENT_DETAIL(loss_probe, EVENT_LOSS_PROBE_FIELDS)		\
	EVENT_DETAIL(probe, EVENT_PROBE_FIELDS)				\
	EVENT_DETAIL(zero_window, EVENT_ZERO_WINDOW_FIELDS)		\
	EVENT_DETAIL(error, EVENT_ERROR_FIELDS)				\
	EVENT_DETAIL(bad_checksum, EVENT_NO_FIELDS)			\
	EVENT_DETAIL(segment, EVENT_SEGMENT_FIELDS)			\
	EVENT_DETAIL(mark, EVENT_MARK_FIELDS)				\
	EVENT_DETAIL(reno_phase, EVENT_RENO_FIELDS)			\
	EVENT_DETAIL(reno_round, EVENT_RENO_FIELDS)			\
	EVENT_DETAIL(reno_reduction, EVENT_RENO_FIELDS)			\
	EVENT_DETAIL(reno_undo, EVENT_RENO_FIELDS)			\
	EVENT_DETAIL(reno_restart, EVENT_RENO_FIELDS)

/* Those of these details that are no members: without any, or with the first of another. */
#define EVENT_LESSER_LAYOUTS(LAYOUT)					\
	LAYOUT(EVENT_NO_FIELDS)						\
	LAYOUT(EVENT_PROCESS_FIELDS)

/* Each of the others, once: the members of struct tcp_event's union. */
#define EVENT_DETAIL_LAYOUTS(LAYOUT)					\
	LAYOUT(EVENT_LOST_FIELDS)					\
	EVENT_RECORDED_LAYOUTS(LAYOUT)

#define EVENT_RECORDED_LAYOUTS(LAYOUT)					\
	LAYOUT(EVENT_STATE_FIELDS)					\
	LAYOUT(EVENT_RETRANSMIT_FIELDS)					\
	LAYOUT(EVENT_HANDSHAKE_FIELDS)					\
	LAYOUT(EVENT_CA_STATE_FIELDS)					\
	LAYOUT(EVENT_RESET_SENT_FIELDS)					\
	LAYOUT(EVENT_DESTROY_FIELDS)					\
	LAYOUT(EVENT_TIME_WAIT_FIELDS)					\
	LAYOUT(EVENT_LOSS_PROBE_FIELDS)					\
	LAYOUT(EVENT_PROBE_FIELDS)					\
	LAYOUT(EVENT_ZERO_WINDOW_FIELDS)				\
	LAYOUT(EVENT_ERROR_FIELDS)					\
	LAYOUT(EVENT_SEGMENT_FIELDS)					\
	LAYOUT(EVENT_MARK_FIELDS)					\
	LAYOUT(EVENT_RENO_FIELDS)

/*
 * The words that numbers of a unit stand for, counted from 0:
 * EVENT_WORD(unit, word, meaning). A word's number is written into recordings:
 * add at the end of a list.
 */
#define RETRANSMIT_CAUSE_WORDS(EVENT_WORD)				\
	EVENT_WORD(retransmit_cause, unknown, "none of the below")	\
	EVENT_WORD(retransmit_cause, rto, "the retransmission timer fired") \
	EVENT_WORD(retransmit_cause, fast_retransmit,			\
		"duplicate ACKs, SACK or RACK told of a loss")		\
	EVENT_WORD(retransmit_cause, loss_recovery,			\
		"in Loss: after a timeout, or when the path's MTU shrank, the lost segments go") \
	EVENT_WORD(retransmit_cause, tail_loss_probe,			\
		"no ACK came for two round trips")			\
	EVENT_WORD(retransmit_cause, syn, "a SYN was not answered")	\
	EVENT_WORD(retransmit_cause, zero_window,			\
		"the timer fired while the peer's window was zero")

#define SYNACK_TYPE_WORDS(EVENT_WORD)					\
	EVENT_WORD(synack_type, normal, "for a request that is kept")	\
	EVENT_WORD(synack_type, fastopen, "for a Fast Open child")	\
	EVENT_WORD(synack_type, cookie, "with a SYN cookie; nothing is kept")

#define REFUSAL_WORDS(EVENT_WORD)					\
	EVENT_WORD(refusal, none, "not refused")			\
	EVENT_WORD(refusal, accept_queue_full, "the accept queue is full") \
	EVENT_WORD(refusal, half_open_queue_full,			\
		"the half-open queue is full and SYN cookies are off")	\
	EVENT_WORD(refusal, unproven_peer,				\
		"SYN cookies are off and the rest of the queue is for known peers") \
	EVENT_WORD(refusal, other,					\
		"no memory, no route, or a policy: the kernel does not say")

#define REQUEST_ENDING_WORDS(EVENT_WORD)				\
	EVENT_WORD(request_ending, none, "not ended")			\
	EVENT_WORD(request_ending, expired, "its timer gave it up")	\
	EVENT_WORD(request_ending, reset_by_peer, "a RST came") \
	EVENT_WORD(request_ending, reset_by_us,				\
		"we sent a RST: a segment did not fit, or the accept queue was full") \
	EVENT_WORD(request_ending, listener_gone, "the listener was closed") \
	EVENT_WORD(request_ending, other,				\
		"an ICMP error, a lost race, the namespace's end, or somebody killed it (ss -K)") \
	EVENT_WORD(request_ending, unsent,				\
		"its SYN-ACK could not be sent again: a rule, a queue, or no route of this host") \
	EVENT_WORD(request_ending, joined,				\
		"MPTCP made a further subflow of it, or refused to")

#define COOKIE_VERDICT_WORDS(EVENT_WORD)				\
	EVENT_WORD(cookie_verdict, none, "not checked")			\
	EVENT_WORD(cookie_verdict, valid, "valid: a connection was made of it") \
	EVENT_WORD(cookie_verdict, invalid, "no cookie of ours, too old, or with options refused") \
	EVENT_WORD(cookie_verdict, valid_refused,			\
		"valid, but the connection was refused")

#define TIME_WAIT_STEP_WORDS(EVENT_WORD)				\
	EVENT_WORD(time_wait_step, started, "the full socket makes place for it") \
	EVENT_WORD(time_wait_step, segment, "a segment arrived in it")	\
	EVENT_WORD(time_wait_step, timer_set, "its timer was set anew")	\
	EVENT_WORD(time_wait_step, overflow,				\
		"there was no room for it: the connection is closed at once")

#define TIME_WAIT_ENDING_WORDS(EVENT_WORD)				\
	EVENT_WORD(time_wait_ending, none, "not ended")			\
	EVENT_WORD(time_wait_ending, timer, "its time was over")	\
	EVENT_WORD(time_wait_ending, reset, "a RST ended it")		\
	EVENT_WORD(time_wait_ending, new_syn, "a SYN opens the connection anew") \
	EVENT_WORD(time_wait_ending, reused,				\
		"a process ended it: connect() took its port, or ss -K") \
	EVENT_WORD(time_wait_ending, other,				\
		"the end of its namespace, or the kernel does not say")

#define PROBE_CAUSE_WORDS(EVENT_WORD)					\
	EVENT_WORD(probe_cause, zero_window, "the persist timer fired")	\
	EVENT_WORD(probe_cause, keepalive, "the keepalive timer fired")	\
	EVENT_WORD(probe_cause, other, "neither: no kernel known to us has another")

#define WINDOW_SIDE_WORDS(EVENT_WORD)					\
	EVENT_WORD(window_side, peer, "the peer's: it holds us back")	\
	EVENT_WORD(window_side, own, "ours: it holds the peer back")

#define WINDOW_CHANGE_WORDS(EVENT_WORD)					\
	EVENT_WORD(window_change, closed, "it is zero from now on")	\
	EVENT_WORD(window_change, opened, "it is zero no more")

#define MARK_CAUSE_WORDS(EVENT_WORD)					\
	EVENT_WORD(mark_cause, events, "other kinds are recorded now")	\
	EVENT_WORD(mark_cause, filter, "another filter or sampling holds now") \
	EVENT_WORD(mark_cause, frozen, "recording stops here")		\
	EVENT_WORD(mark_cause, thawed, "recording goes on")		\
	EVENT_WORD(mark_cause, begun, "recording begins")

/* As in reno_trace.h, which congestion_probes.c asserts. */
#define RENO_PHASE_WORDS(EVENT_WORD)					\
	EVENT_WORD(reno_phase, none, "none yet")			\
	EVENT_WORD(reno_phase, slow_start,				\
		"+1 for each segment acknowledged: cwnd doubles a round trip") \
	EVENT_WORD(reno_phase, css,					\
		"conservative slow start (HyStart++): a quarter of that") \
	EVENT_WORD(reno_phase, avoidance,				\
		"congestion avoidance: +1 a round trip")

#define RENO_CAUSE_WORDS(EVENT_WORD)					\
	EVENT_WORD(reno_cause, none,					\
		"the core lowered cwnd itself, as when little of it was used") \
	EVENT_WORD(reno_cause, begin, "the connection, or the algorithm for it, begins") \
	EVENT_WORD(reno_cause, ssthresh, "cwnd reached ssthresh")	\
	EVENT_WORD(reno_cause, delay, "round trips grew longer (HyStart++)") \
	EVENT_WORD(reno_cause, ack_train,				\
		"ACKs arrive for half a round trip: cwnd soon fills the path") \
	EVENT_WORD(reno_cause, jitter,					\
		"a false alarm: round trips are short again, or never grew") \
	EVENT_WORD(reno_cause, css_rounds,				\
		"conservative slow start lasted its five rounds")	\
	EVENT_WORD(reno_cause, loss,					\
		"a segment was lost, or a tail loss probe made good for one") \
	EVENT_WORD(reno_cause, rto, "the retransmission timer fired")	\
	EVENT_WORD(reno_cause, ecn, "the peer echoes an ECN mark")	\
	EVENT_WORD(reno_cause, other,					\
		"none of these: this host dropped a segment before it left") \
	EVENT_WORD(reno_cause, restart, "the connection was idle")	\
	EVENT_WORD(reno_cause, undo, "the reduction before it was undone")

/* All lists of words: EVENT_WORD_LIST(unit, WORDS). */
#define EVENT_WORD_LISTS(EVENT_WORD_LIST)				\
	EVENT_WORD_LIST(retransmit_cause, RETRANSMIT_CAUSE_WORDS)	\
	EVENT_WORD_LIST(synack_type, SYNACK_TYPE_WORDS)			\
	EVENT_WORD_LIST(refusal, REFUSAL_WORDS)				\
	EVENT_WORD_LIST(request_ending, REQUEST_ENDING_WORDS)		\
	EVENT_WORD_LIST(cookie_verdict, COOKIE_VERDICT_WORDS)		\
	EVENT_WORD_LIST(time_wait_step, TIME_WAIT_STEP_WORDS)		\
	EVENT_WORD_LIST(time_wait_ending, TIME_WAIT_ENDING_WORDS)	\
	EVENT_WORD_LIST(probe_cause, PROBE_CAUSE_WORDS)			\
	EVENT_WORD_LIST(window_side, WINDOW_SIDE_WORDS)			\
	EVENT_WORD_LIST(window_change, WINDOW_CHANGE_WORDS)		\
	EVENT_WORD_LIST(mark_cause, MARK_CAUSE_WORDS)			\
	EVENT_WORD_LIST(reno_phase, RENO_PHASE_WORDS)			\
	EVENT_WORD_LIST(reno_cause, RENO_CAUSE_WORDS)

/* EVENT_refusal_accept_queue_full and so on. */
#define EVENT_WORD_ENUM(unit, word, meaning)	EVENT_##unit##_##word,
#define EVENT_WORD_LIST_ENUM(unit, WORDS)	enum event_##unit { WORDS(EVENT_WORD_ENUM) };
EVENT_WORD_LISTS(EVENT_WORD_LIST_ENUM)
#undef EVENT_WORD_LIST_ENUM
#undef EVENT_WORD_ENUM

/* What the bits of segment_flags say: SEGMENT_FLAG(name, bit, meaning). */
#define EVENT_SEGMENT_FLAGS(SEGMENT_FLAG)				\
	SEGMENT_FLAG(outgoing, 0, "we send it; otherwise it came in")	\
	SEGMENT_FLAG(mss, 1, "has the MSS option")			\
	SEGMENT_FLAG(wscale, 2, "has the window scale option")		\
	SEGMENT_FLAG(sack_permitted, 3, "has the SACK permitted option") \
	SEGMENT_FLAG(timestamps, 4, "has the timestamps option")	\
	SEGMENT_FLAG(fastopen, 5, "has the Fast Open option")		\
	SEGMENT_FLAG(other, 6, "has an option not named here")		\
	SEGMENT_FLAG(unverified, 7, "nothing has verified its checksum yet")

enum event_segment_flag {
#define SEGMENT_FLAG_ENUM(name, bit, meaning)	EVENT_SEGMENT_##name = 1 << (bit),
	EVENT_SEGMENT_FLAGS(SEGMENT_FLAG_ENUM)
#undef SEGMENT_FLAG_ENUM
};

/* What the bits of sock_flags say: SOCK_FLAG(name, bit, meaning). */
#define EVENT_SOCK_FLAGS(SOCK_FLAG)					\
	SOCK_FLAG(passive, 0, "opened by the peer, or a listener before") \
	SOCK_FLAG(sack, 1, "both ends permit SACK")			\
	SOCK_FLAG(timestamps, 2, "both ends send timestamps")		\
	SOCK_FLAG(wscale, 3, "both ends scale windows")			\
	SOCK_FLAG(ecn, 4, "ECN was negotiated")				\
	SOCK_FLAG(cwnd_limited, 5, "the congestion window is what holds the sender back") \
	SOCK_FLAG(fastopen, 6, "opened with TCP Fast Open")		\
	SOCK_FLAG(mptcp, 7, "a subflow of MPTCP")

enum event_sock_flag {
#define SOCK_FLAG_ENUM(name, bit, meaning)	EVENT_SOCK_##name = 1 << (bit),
	EVENT_SOCK_FLAGS(SOCK_FLAG_ENUM)
#undef SOCK_FLAG_ENUM
};

#endif /* RENOSCOPE_EVENT_FIELDS_H */
