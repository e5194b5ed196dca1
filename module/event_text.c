// SPDX-License-Identifier: GPL-2.0
/*
 * One record, one line, meant to be understood without a manual:
 *
 *	12.345678901 cpu=0 serial=7 netns=4026531840 sk=1003
 *	local=10.0.0.1:40000 remote=10.0.0.2:5000 ack ESTABLISHED ca=Open
 *	received [PSH,ACK] seq=1 ack=1 len=8 window=502 una=1 nxt=1 rcv=1
 *	isn=2712239078/1288781508 cwnd=10 ssthresh=none ...
 *
 * First who, then what happened in the words of its kind, then the state of
 * the connection as name=value. Sequence numbers are relative to the ISNs, as
 * in Wireshark; isn=sent/received lets one go back to the raw ones. Where an
 * ISN is not known the raw number is shown and marked raw:. What is 0 because
 * there is nothing to tell is left out.
 *
 * What a kind alone has to tell is written by a function of its own, found in a
 * table. Two kinds are no event of a connection and have lines of their own:
 *
 *	61.000000005 cpu=3 lost 29 events, serials 6 to 34: overwritten ...
 *	62.000000000 cpu=3 serial=35 mark cause=events kinds_on=state,ack
 *
 * Runs in the reader's context: the price of text is paid by who reads it.
 */
#include <linux/bits.h>
#include <linux/ctype.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <net/tcp.h>

#include "event_text.h"
#include "kernel_compat.h"

/**
 * struct text - a line being written
 * @line: EVENT_TEXT_MAX bytes
 * @length: how much of it is used
 */
struct text {
	char *line;
	size_t length;
};

static __printf(2, 3) void put(struct text *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text->length += vscnprintf(text->line + text->length,
				   EVENT_TEXT_MAX - text->length, format,
				   arguments);
	va_end(arguments);
}

static void put_count(struct text *text, const char *name, u64 count)
{
	if (count)
		put(text, " %s=%llu", name, count);
}

/* Microseconds as milliseconds with three decimals. */
static void put_ms(struct text *text, const char *name, u64 us)
{
	if (us)
		put(text, " %s=%llu.%03llums", name, div_u64(us, 1000), us % 1000);
}

static void put_sequence(struct text *text, const char *name, u32 sequence,
			 u32 isn)
{
	if (isn)
		put(text, " %s=%u", name, sequence - isn);
	else if (sequence)
		put(text, " %s=raw:%u", name, sequence);
}

static void put_endpoint(struct text *text, const char *name, u8 family,
			 const struct in6_addr *address, u16 port)
{
	if (family == 4)
		put(text, " %s=%pI4:%u", name, &address->s6_addr32[3], port);
	else
		put(text, " %s=[%pI6c]:%u", name, address, port);
}

static void put_flag_names(struct text *text, u8 flags)
{
	const char *separator = "";
	unsigned int bit;

	put(text, " [");
	for (bit = 0; bit < BITS_PER_BYTE; bit++) {
		if (!(flags & BIT(bit)))
			continue;
		put(text, "%s%s", separator, event_tcp_flag_name(bit));
		separator = ",";
	}
	put(text, "]");
}

/* A word of event_fields.h; the number of one that is not there. */
static void put_word(struct text *text, const char *name, const char *word,
		     u8 number)
{
	put(text, " %s=%s", name, word);
	if (!strcmp(word, "unknown"))
		put(text, "(%u)", number);
}

#define PUT_WORD(text, name, unit, number)	\
	put_word(text, name, event_##unit##_name(number), number)

/* Of words whose first says that there is nothing to say. */
#define PUT_WORD_IF_ANY(text, name, unit, number)		\
	do {							\
		if (number)					\
			PUT_WORD(text, name, unit, number);	\
	} while (0)

static void put_sock_flags(struct text *text, u8 flags)
{
#define PUT_SOCK_FLAG(name, bit, meaning)	\
	if (flags & BIT(bit))			\
		put(text, " " #name);
	EVENT_SOCK_FLAGS(PUT_SOCK_FLAG)
}

/* ---- what happened ---------------------------------------------------- */

/* Whether the segment of an event came from the peer. */
static bool is_received(const struct tcp_event *event)
{
	switch (event->kind) {
	case EVENT_KIND_ack:
	case EVENT_KIND_reset_sent:
	case EVENT_KIND_reset_received:
	case EVENT_KIND_syn:
	case EVENT_KIND_refused:
	case EVENT_KIND_cookie_checked:
	case EVENT_KIND_time_wait:
	case EVENT_KIND_bad_checksum:
		return true;
	case EVENT_KIND_zero_window:
		return event->window_side == EVENT_window_side_peer;
	case EVENT_KIND_segment:
		return !(event->segment_flags & EVENT_SEGMENT_outgoing);
	default:
		return false;
	}
}

/* The ISN that sequence numbers of the event's segment count from. */
static u32 isn_of_sender(const struct tcp_event *event)
{
	return is_received(event) ? event->rcv_isn : event->snd_isn;
}

/* The ISN that its acknowledgments count from, SACK blocks too. */
static u32 isn_of_receiver(const struct tcp_event *event)
{
	return is_received(event) ? event->snd_isn : event->rcv_isn;
}

static bool has_segment(const struct tcp_event *event)
{
	return event->kind == EVENT_KIND_segment || event->seg_flags ||
	       event->seg_seq || event->seg_ack || event->seg_len ||
	       event->seg_window;
}

/* What lies in the queue for retransmission has no header, hence no window. */
static void put_window(struct text *text, const struct tcp_event *event)
{
	if (is_received(event) || event->kind == EVENT_KIND_segment)
		put(text, " window=%u", event->seg_window);
	else
		put_count(text, "window", event->seg_window);
}

static void put_segment(struct text *text, const struct tcp_event *event)
{
	if (!has_segment(event))
		return;
	put(text, is_received(event) ? " received" : " sent");
	put_flag_names(text, event->seg_flags);
	put_sequence(text, "seq", event->seg_seq, isn_of_sender(event));
	if (event->seg_ack || event->seg_flags & TCPHDR_ACK)
		put_sequence(text, "ack", event->seg_ack,
			     isn_of_receiver(event));
	put(text, " len=%u", event->seg_len);
	put_window(text, event);
}

static void put_states(struct text *text, const struct tcp_event *event)
{
	if (event->kind == EVENT_KIND_state)
		put(text, " %s ->", event_state_name(event->old_state));
	put(text, " %s ca=", event_state_name(event->state));
	if (event->kind == EVENT_KIND_ca_state)
		put(text, "%s -> ", event_ca_state_name(event->old_ca_state));
	put(text, "%s", event_ca_state_name(event->ca_state));
}

/* ---- what one kind alone tells ---------------------------------------- */

/* A name may have blanks in it, or worse; here it is one word. */
static void put_process(struct text *text, const struct tcp_event *event)
{
	unsigned int i;

	put_count(text, "pid", event->pid);
	if (event->comm.text[0])
		put(text, " comm=");
	for (i = 0; i < sizeof(event->comm.text) && event->comm.text[i]; i++) {
		char letter = event->comm.text[i];

		put(text, "%c", isascii(letter) && isgraph(letter) ? letter : '_');
	}
}

static void put_retransmit(struct text *text, const struct tcp_event *event)
{
	PUT_WORD_IF_ANY(text, "cause", retransmit_cause,
			event->retransmit_cause);
	put_count(text, "segments", event->retransmit_segs);
	put_count(text, "total_retrans", event->total_retrans);
}

static void put_attempts(struct text *text, const struct tcp_event *event)
{
	if (event->kind == EVENT_KIND_synack_retransmit) {
		put(text, " attempt=%u by=%s timeouts=%u of=%u",
		    event->num_retrans + 1,
		    event->by_timer ? "timer" : "duplicate-SYN",
		    event->num_timeout, event->max_retries);
		return;
	}
	put_count(text, "sent_again", event->num_retrans);
	put_count(text, "by_timer", event->by_timer);
	put_count(text, "timeouts", event->num_timeout);
	put_count(text, "max_retries", event->max_retries);
}

/* Kinds whose rto_us is the wait for the handshake's last ACK, now beginning. */
static bool begins_synack_wait(const struct tcp_event *event)
{
	return event->kind == EVENT_KIND_request ||
	       event->kind == EVENT_KIND_synack ||
	       event->kind == EVENT_KIND_synack_retransmit;
}

static void put_waits(struct text *text, const struct tcp_event *event)
{
	put_ms(text, "since_first", event->since_synack_us);
	put_ms(text, "first_wait", event->synack_timeout_us);
	if (begins_synack_wait(event))
		put_ms(text, "next_wait", event->rto_us);
}

static void put_queues(struct text *text, const struct tcp_event *event)
{
	if (event->half_open || event->accept_queue || event->accept_limit ||
	    event->listener)
		put(text, " half_open=%u accept_queue=%u/%u", event->half_open,
		    event->accept_queue, event->accept_limit);
	put_count(text, "syn_backlog", event->syn_backlog);
	if (event->listener)
		put(text, " listener=%llx", event->listener);
}

static void put_handshake(struct text *text, const struct tcp_event *event)
{
	if (event->kind == EVENT_KIND_synack)
		PUT_WORD(text, "type", synack_type, event->synack_type);
	else
		PUT_WORD_IF_ANY(text, "type", synack_type, event->synack_type);
	PUT_WORD_IF_ANY(text, "reason", refusal, event->refusal);
	PUT_WORD_IF_ANY(text, "ending", request_ending, event->request_ending);
	PUT_WORD_IF_ANY(text, "verdict", cookie_verdict,
			event->cookie_verdict);
	put_attempts(text, event);
	put_waits(text, event);
	put_queues(text, event);
}

static void put_reset_reason(struct text *text, const struct tcp_event *event)
{
	if (COMPAT_RESET_REASONS)
		put(text, " reason=%s(%u)",
		    event_reset_reason_name(event->reset_reason),
		    event->reset_reason);
}

static void put_time_wait(struct text *text, const struct tcp_event *event)
{
	if (event->kind == EVENT_KIND_time_wait)
		PUT_WORD(text, "step", time_wait_step, event->time_wait_step);
	else
		PUT_WORD_IF_ANY(text, "step", time_wait_step,
				event->time_wait_step);
	PUT_WORD_IF_ANY(text, "ending", time_wait_ending,
			event->time_wait_ending);
	put_ms(text, "lasts", event->time_wait_us);
}

static void put_loss_probe(struct text *text, const struct tcp_event *event)
{
	put(text, event->probe_retransmits ? " retransmission" : " new_data");
}

static void put_probe(struct text *text, const struct tcp_event *event)
{
	PUT_WORD(text, "cause", probe_cause, event->probe_cause);
	put_count(text, "unanswered", event->probes_out);
	if (event->probe_carries_data)
		put(text, " carries_data");
}

static void put_zero_window(struct text *text, const struct tcp_event *event)
{
	PUT_WORD(text, "window_of", window_side, event->window_side);
	PUT_WORD(text, "change", window_change, event->window_change);
}

/* The errors that sockets report, by name. */
static const char *error_name(u32 error)
{
#define ERROR_NAME(name)	[name] = #name
	static const char * const names[] = {
		ERROR_NAME(EPERM), ERROR_NAME(EIO), ERROR_NAME(ENOMEM),
		ERROR_NAME(EACCES), ERROR_NAME(EINVAL), ERROR_NAME(EPIPE),
		ERROR_NAME(EPROTO), ERROR_NAME(EMSGSIZE),
		ERROR_NAME(ENOPROTOOPT), ERROR_NAME(EOPNOTSUPP),
		ERROR_NAME(EADDRNOTAVAIL), ERROR_NAME(ENETDOWN),
		ERROR_NAME(ENETUNREACH), ERROR_NAME(ECONNABORTED),
		ERROR_NAME(ECONNRESET), ERROR_NAME(ENOBUFS),
		ERROR_NAME(ETIMEDOUT), ERROR_NAME(ECONNREFUSED),
		ERROR_NAME(EHOSTDOWN), ERROR_NAME(EHOSTUNREACH),
	};

	return error < ARRAY_SIZE(names) ? names[error] : NULL;
}

static void put_error(struct text *text, const struct tcp_event *event)
{
	const char *name = error_name(event->sk_error);

	if (name)
		put(text, " error=%s(%u)", name, event->sk_error);
	else
		put(text, " error=%u", event->sk_error);
}

static void put_totals(struct text *text, const struct tcp_event *event)
{
	put(text, " bytes_acked=%llu bytes_received=%llu segs_out=%u segs_in=%u",
	    event->bytes_acked, event->bytes_received, event->segs_out,
	    event->segs_in);
	put(text, " retrans_segs=%u data_segs_out=%u", event->retrans_segs,
	    event->data_segs_out);
}

/* Each kind has its few of these, and the rest is 0. */
static void put_reno(struct text *text, const struct tcp_event *event)
{
	PUT_WORD_IF_ANY(text, "old_phase", reno_phase, event->old_phase);
	PUT_WORD_IF_ANY(text, "phase", reno_phase, event->phase);
	PUT_WORD_IF_ANY(text, "cause", reno_cause, event->reno_cause);
	put_count(text, "old_cwnd", event->old_cwnd);
	put_count(text, "round_acked", event->round_acked);
	put_ms(text, "round_rtt", event->round_rtt_us);
	put_count(text, "new_ssthresh", event->new_ssthresh);
	put_count(text, "new_cwnd", event->new_cwnd);
}

static void (* const put_detail_of[EVENT_KIND_END])(struct text *text,
						    const struct tcp_event *event) = {
	[EVENT_KIND_state]		= put_process,
	[EVENT_KIND_retransmit]		= put_retransmit,
	[EVENT_KIND_synack_retransmit]	= put_handshake,
	[EVENT_KIND_reset_sent]		= put_reset_reason,
	[EVENT_KIND_destroy]		= put_totals,
	[EVENT_KIND_syn]		= put_handshake,
	[EVENT_KIND_request]		= put_handshake,
	[EVENT_KIND_synack]		= put_handshake,
	[EVENT_KIND_refused]		= put_handshake,
	[EVENT_KIND_completed]		= put_handshake,
	[EVENT_KIND_accepted]		= put_process,
	[EVENT_KIND_request_end]	= put_handshake,
	[EVENT_KIND_cookie_checked]	= put_handshake,
	[EVENT_KIND_time_wait]		= put_time_wait,
	[EVENT_KIND_time_wait_end]	= put_time_wait,
	[EVENT_KIND_loss_probe]		= put_loss_probe,
	[EVENT_KIND_probe]		= put_probe,
	[EVENT_KIND_zero_window]	= put_zero_window,
	[EVENT_KIND_error]		= put_error,
	[EVENT_KIND_reno_phase]		= put_reno,
	[EVENT_KIND_reno_round]		= put_reno,
	[EVENT_KIND_reno_reduction]	= put_reno,
	[EVENT_KIND_reno_undo]		= put_reno,
	[EVENT_KIND_reno_restart]	= put_reno,
};

static void put_detail(struct text *text, const struct tcp_event *event)
{
	if (event->kind < EVENT_KIND_END && put_detail_of[event->kind])
		put_detail_of[event->kind](text, event);
}

/* ---- the header of a segment ------------------------------------------ */

/* What 40 bytes of options have room for (RFC 2018 section 3). */
#define MAX_SACK_BLOCKS	4

struct sack_block {
	u32 left;
	u32 right;
};

static void put_edge(struct text *text, const char *before, u32 sequence,
		     u32 isn)
{
	if (isn)
		put(text, "%s%u", before, sequence - isn);
	else
		put(text, "%sraw:%u", before, sequence);
}

static void put_sack_blocks(struct text *text, const struct tcp_event *event)
{
	const struct sack_block blocks[MAX_SACK_BLOCKS] = {
		{ event->sack1_left, event->sack1_right },
		{ event->sack2_left, event->sack2_right },
		{ event->sack3_left, event->sack3_right },
		{ event->tsval, event->tsecr },
	};
	unsigned int count = min_t(unsigned int, event->sack_blocks,
				   MAX_SACK_BLOCKS);
	u32 isn = isn_of_receiver(event);
	unsigned int i;

	for (i = 0; i < count; i++) {
		put_edge(text, i ? "," : " sack=", blocks[i].left, isn);
		put_edge(text, ":", blocks[i].right, isn);
	}
}

static bool has_timestamps(const struct tcp_event *event)
{
	return event->segment_flags & EVENT_SEGMENT_timestamps &&
	       event->sack_blocks < MAX_SACK_BLOCKS;
}

/* The fields of a segment's header that other kinds do not have. */
static void put_header(struct text *text, const struct tcp_event *event)
{
	u8 flags = event->segment_flags;

	if (event->seg_flags & TCPHDR_URG || event->urgent_pointer)
		put(text, " urgent_pointer=%u", event->urgent_pointer);
	put_count(text, "header_words", event->header_words);
	if (flags & EVENT_SEGMENT_mss)
		put(text, " option_mss=%u", event->option_mss);
	if (flags & EVENT_SEGMENT_wscale)
		put(text, " option_wscale=%u", event->option_wscale);
	if (flags & EVENT_SEGMENT_sack_permitted)
		put(text, " sackOK");
	if (has_timestamps(event))
		put(text, " TS val=%u ecr=%u", event->tsval, event->tsecr);
	put_sack_blocks(text, event);
	if (flags & EVENT_SEGMENT_fastopen)
		put(text, " fastopen_option");
	if (flags & EVENT_SEGMENT_other)
		put(text, " other_option");
	if (flags & EVENT_SEGMENT_unverified)
		put(text, " checksum_unverified");
}

/* ---- the parts of a line ---------------------------------------------- */

static void put_time(struct text *text, const struct tcp_event *event)
{
	u32 nanoseconds;
	u64 seconds = div_u64_rem(event->time_ns, NSEC_PER_SEC, &nanoseconds);

	put(text, "%llu.%09u cpu=%u", seconds, nanoseconds, event->cpu);
}

static void put_who(struct text *text, const struct tcp_event *event)
{
	put(text, " serial=%llu netns=%u sk=%llx", event->serial, event->netns,
	    event->cookie);
	put_endpoint(text, "local", event->family, &event->local_addr,
		     event->local_port);
	put_endpoint(text, "remote", event->family, &event->remote_addr,
		     event->remote_port);
}

/*
 * A segment without a socket, as a SYN for a listener, brings an ISN but none of
 * these numbers: then all are 0, and there is nothing to count from the ISN.
 */
static void put_socket_sequences(struct text *text,
				 const struct tcp_event *event)
{
	if (!event->snd_una && !event->snd_nxt && !event->rcv_nxt)
		return;
	put_sequence(text, "una", event->snd_una, event->snd_isn);
	put_sequence(text, "nxt", event->snd_nxt, event->snd_isn);
	put_sequence(text, "rcv", event->rcv_nxt, event->rcv_isn);
}

static void put_numbers(struct text *text, const struct tcp_event *event)
{
	put_socket_sequences(text, event);
	if (event->snd_isn || event->rcv_isn)
		put(text, " isn=%u/%u", event->snd_isn, event->rcv_isn);
	put_count(text, "snd_wnd", event->snd_wnd);
	put_count(text, "rcv_wnd", event->rcv_wnd);
	if (event->snd_wscale || event->rcv_wscale)
		put(text, " wscale=%u/%u", event->snd_wscale,
		    event->rcv_wscale);
	put_count(text, "mss", event->mss);
}

static void put_congestion(struct text *text, const struct tcp_event *event)
{
	put_count(text, "cwnd", event->cwnd);
	if (event->ssthresh == TCP_INFINITE_SSTHRESH)
		put(text, " ssthresh=none");
	else
		put_count(text, "ssthresh", event->ssthresh);
	put_ms(text, "srtt", event->srtt_us);
	put_ms(text, "rttvar", event->rttvar_us);
	put_ms(text, "min_rtt", event->min_rtt_us);
	if (!begins_synack_wait(event))
		put_ms(text, "rto", event->rto_us);
	put_count(text, "backoff", event->backoff);
	put_count(text, "retransmits", event->retransmits);
	put_count(text, "packets_out", event->packets_out);
	put_count(text, "lost_out", event->lost_out);
	put_count(text, "retrans_out", event->retrans_out);
	put_count(text, "sacked_out", event->sacked_out);
}

static void put_lost(struct text *text, const struct tcp_event *event)
{
	put(text, " lost %llu events, serials %llu to %llu: overwritten before they were read",
	    event->lost_events, event->serial,
	    event->serial + event->lost_events - 1);
}

static void put_mark(struct text *text, const struct tcp_event *event)
{
	put(text, " serial=%llu mark", event->serial);
	PUT_WORD(text, "cause", mark_cause, event->mark_cause);
	put(text, " kinds_on=");
	text->length += event_kinds_print(event->kinds_on,
					  text->line + text->length,
					  EVENT_TEXT_MAX - text->length);
}

static void put_connection(struct text *text, const struct tcp_event *event)
{
	put_who(text, event);
	put(text, " %s", event_kind_name(event->kind));
	put_states(text, event);
	put_detail(text, event);
	put_segment(text, event);
	if (event->kind == EVENT_KIND_segment)
		put_header(text, event);
	put_numbers(text, event);
	put_congestion(text, event);
	put_sock_flags(text, event->sock_flags);
}

/**
 * event_text_line - write a record as text
 * @event: the record
 * @line: EVENT_TEXT_MAX bytes; gets the line with its newline and a NUL
 *
 * Context: any; meant for readers.
 * Return: the line's length in bytes, its newline included.
 */
size_t event_text_line(const struct tcp_event *event, char *line)
{
	struct text text = { .line = line };

	put_time(&text, event);
	if (event->kind == EVENT_KIND_lost)
		put_lost(&text, event);
	else if (event->kind == EVENT_KIND_mark)
		put_mark(&text, event);
	else
		put_connection(&text, event);
	put(&text, "\n");
	return text.length;
}
EXPORT_SYMBOL_IF_KUNIT(event_text_line);
