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
 * Runs in the reader's context: the price of text is paid by who reads it.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/string.h>
#include <linux/tcp.h>
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

static void put_sock_flags(struct text *text, u8 flags)
{
#define PUT_SOCK_FLAG(name, bit, meaning)	\
	if (flags & BIT(bit))			\
		put(text, " " #name);
	EVENT_SOCK_FLAGS(PUT_SOCK_FLAG)
}

/* ---- what happened ---------------------------------------------------- */

static bool is_received(const struct tcp_event *event)
{
	return event->kind == EVENT_KIND_ack ||
	       event->kind == EVENT_KIND_reset_sent ||
	       event->kind == EVENT_KIND_reset_received;
}

static void put_segment(struct text *text, const struct tcp_event *event)
{
	bool received = is_received(event);
	u32 of_sender = received ? event->rcv_isn : event->snd_isn;
	u32 of_receiver = received ? event->snd_isn : event->rcv_isn;

	if (!event->seg_flags && !event->seg_seq && !event->seg_ack &&
	    !event->seg_len && !event->seg_window)
		return;
	put(text, received ? " received" : " sent");
	put_flag_names(text, event->seg_flags);
	put_sequence(text, "seq", event->seg_seq, of_sender);
	if (event->seg_ack || event->seg_flags & TCPHDR_ACK)
		put_sequence(text, "ack", event->seg_ack, of_receiver);
	put(text, " len=%u", event->seg_len);
	put_count(text, "window", event->seg_window);
}

static void put_synack(struct text *text, const struct tcp_event *event)
{
	put(text, " attempt=%u by=%s timeouts=%u of=%u", event->num_retrans + 1,
	    event->by_timer ? "timer" : "duplicate-SYN", event->num_timeout,
	    event->max_retries);
	put_ms(text, "since_first", event->since_synack_us);
	put_ms(text, "first_wait", event->synack_timeout_us);
	put_ms(text, "next_wait", event->rto_us);
	if (event->half_open || event->accept_queue || event->accept_limit)
		put(text, " half_open=%u accept_queue=%u/%u", event->half_open,
		    event->accept_queue, event->accept_limit);
}

static void put_totals(struct text *text, const struct tcp_event *event)
{
	put(text, " bytes_acked=%llu bytes_received=%llu segs_out=%u segs_in=%u retrans_segs=%u",
	    event->bytes_acked, event->bytes_received, event->segs_out,
	    event->segs_in, event->retrans_segs);
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

static void put_detail(struct text *text, const struct tcp_event *event)
{
	switch (event->kind) {
	case EVENT_KIND_retransmit:
		put_count(text, "total_retrans", event->total_retrans);
		break;
	case EVENT_KIND_synack_retransmit:
		put_synack(text, event);
		break;
	case EVENT_KIND_reset_sent:
		if (COMPAT_RESET_REASONS)
			put(text, " reason=%s(%u)",
			    event_reset_reason_name(event->reset_reason),
			    event->reset_reason);
		break;
	case EVENT_KIND_destroy:
		put_totals(text, event);
		break;
	}
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

static void put_numbers(struct text *text, const struct tcp_event *event)
{
	put_sequence(text, "una", event->snd_una, event->snd_isn);
	put_sequence(text, "nxt", event->snd_nxt, event->snd_isn);
	put_sequence(text, "rcv", event->rcv_nxt, event->rcv_isn);
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
	if (event->kind != EVENT_KIND_synack_retransmit)
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
	if (event->kind == EVENT_KIND_lost) {
		put_lost(&text, event);
	} else {
		put_who(&text, event);
		put(&text, " %s", event_kind_name(event->kind));
		put_states(&text, event);
		put_detail(&text, event);
		put_segment(&text, event);
		put_numbers(&text, event);
		put_congestion(&text, event);
		put_sock_flags(&text, event->sock_flags);
	}
	put(&text, "\n");
	return text.length;
}
EXPORT_SYMBOL_IF_KUNIT(event_text_line);
