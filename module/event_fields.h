/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The record, once: EVENT_FIELD(type, name, unit, meaning).
 *
 * From these lists come struct tcp_event, the field table that KUnit walks, the
 * `schema` file that scripts read columns from, and Documentation/events.rst.
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
 *	 40	the detail: what one kind alone needs
 *	----	three cache lines
 *
 * The first 152 bytes are wanted by every view, so 128 cannot hold them. The
 * detail is 40 because a segment's header has up to 40 bytes of options, of
 * which 32 vary beyond MSS, scale and urgent pointer (timestamps and three SACK
 * blocks, or four SACK blocks). 192 is the design's ceiling and keeps each
 * record on whole cache lines; 160 would touch three lines all the same.
 *
 * Types: u8, u16, u32, u64, and addr (struct in6_addr, 16 bytes). Fields stand
 * in an order that needs no padding; event_schema.c asserts that.
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
		"inode of the network namespace, as in /proc/PID/ns/net") \
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
		"window we advertised, scaled")				\
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
#define EVENT_LOST_FIELDS(EVENT_FIELD)					\
	EVENT_FIELD(u64, lost_events, number,				\
		"how many events in a row, from serial on")

#define EVENT_STATE_FIELDS(EVENT_FIELD)					\
	EVENT_FIELD(u8, old_state, state,				\
		"the state being left")

#define EVENT_ACK_FIELDS(EVENT_FIELD)

#define EVENT_RETRANSMIT_FIELDS(EVENT_FIELD)				\
	EVENT_FIELD(u32, total_retrans, segments,			\
		"segments this connection has sent again so far")

#define EVENT_SYNACK_RETRANSMIT_FIELDS(EVENT_FIELD)			\
	EVENT_FIELD(u64, since_synack_us, us,				\
		"time since the request's first SYN-ACK")		\
	EVENT_FIELD(u32, synack_timeout_us, us,				\
		"the request's first wait, from which the others double") \
	EVENT_FIELD(u32, half_open, number,				\
		"requests in the listener's half-open queue")		\
	EVENT_FIELD(u32, accept_queue, number,				\
		"connections waiting in the listener's accept queue")	\
	EVENT_FIELD(u32, accept_limit, number,				\
		"the listener's backlog, the limit of both queues")	\
	EVENT_FIELD(u8, num_retrans, number,				\
		"SYN-ACKs sent again before this one")			\
	EVENT_FIELD(u8, num_timeout, number,				\
		"times the request's timer fired before this event")	\
	EVENT_FIELD(u8, by_timer, number,				\
		"1 sent by the timer, 0 in answer to a duplicate SYN")	\
	EVENT_FIELD(u8, max_retries, number,				\
		"timeouts after which it is given up, fewer in a crowded queue")

#define EVENT_CA_STATE_FIELDS(EVENT_FIELD)				\
	EVENT_FIELD(u8, old_ca_state, ca_state,				\
		"the state being left")

#define EVENT_RESET_SENT_FIELDS(EVENT_FIELD)				\
	EVENT_FIELD(u32, reset_reason, reset_reason,			\
		"why the kernel says it resets, 0 where it does not say (before 6.10)")

#define EVENT_RESET_RECEIVED_FIELDS(EVENT_FIELD)

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
		"segments sent again")

/* Every detail with the kind it belongs to: EVENT_DETAIL(kind, FIELDS). */
#define EVENT_DETAILS(EVENT_DETAIL)					\
	EVENT_DETAIL(lost, EVENT_LOST_FIELDS)				\
	EVENT_DETAIL(state, EVENT_STATE_FIELDS)				\
	EVENT_DETAIL(ack, EVENT_ACK_FIELDS)				\
	EVENT_DETAIL(retransmit, EVENT_RETRANSMIT_FIELDS)		\
	EVENT_DETAIL(synack_retransmit, EVENT_SYNACK_RETRANSMIT_FIELDS)	\
	EVENT_DETAIL(ca_state, EVENT_CA_STATE_FIELDS)			\
	EVENT_DETAIL(reset_sent, EVENT_RESET_SENT_FIELDS)		\
	EVENT_DETAIL(reset_received, EVENT_RESET_RECEIVED_FIELDS)	\
	EVENT_DETAIL(destroy, EVENT_DESTROY_FIELDS)

/* What the bits of sock_flags say: SOCK_FLAG(name, bit, meaning). */
#define EVENT_SOCK_FLAGS(SOCK_FLAG)					\
	SOCK_FLAG(passive, 0, "opened by the peer, or a listener before") \
	SOCK_FLAG(sack, 1, "both ends permit SACK")			\
	SOCK_FLAG(timestamps, 2, "both ends send timestamps")		\
	SOCK_FLAG(wscale, 3, "both ends scale windows")			\
	SOCK_FLAG(ecn, 4, "ECN was negotiated")				\
	SOCK_FLAG(cwnd_limited, 5, "the congestion window is what holds the sender back") \
	SOCK_FLAG(fastopen, 6, "opened with TCP Fast Open")

enum event_sock_flag {
#define SOCK_FLAG_ENUM(name, bit, meaning)	EVENT_SOCK_##name = 1 << (bit),
	EVENT_SOCK_FLAGS(SOCK_FLAG_ENUM)
#undef SOCK_FLAG_ENUM
};

#endif /* RENOSCOPE_EVENT_FIELDS_H */
