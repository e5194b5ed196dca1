// SPDX-License-Identifier: GPL-2.0
/*
 * The options of a TCP header, out of its bytes.
 *
 * The bytes come from a stranger and may say anything. So an option is looked at
 * only after its length, its own two bytes included, has been found to lie within
 * the header; one whose length is wrong for its kind is counted among `other`,
 * and one whose length cannot be right ends the walk. tcp_parse_options() in
 * net/ipv4/tcp_input.c stops at the same places.
 *
 * Unlike the kernel, which obeys MSS, window scale and SACK permitted only on a
 * SYN, this tells what the header says, wherever it says it. Of an option that
 * comes twice the last one is told, as the kernel takes the last one.
 *
 * Sources: RFC 9293 section 3.2 (0, 1, 2), RFC 7323 (3, 8), RFC 2018 (4, 5),
 * RFC 7413 section 4.1.1 (34, and before it was assigned 254 with the magic 0xF989).
 */
#include <linux/minmax.h>
#include <linux/tcp.h>
#include <net/tcp.h>

#include "kernel_compat.h"
#include "segment_options.h"

static u16 be16_at(const u8 *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

static u32 be32_at(const u8 *bytes)
{
	return (u32)be16_at(bytes) << 16 | be16_at(bytes + 2);
}

static bool read_mss(struct tcp_event *event, const u8 *option, u8 length)
{
	if (length != TCPOLEN_MSS)
		return false;
	event->option_mss = be16_at(option + 2);
	event->segment_flags |= EVENT_SEGMENT_mss;
	return true;
}

static bool read_wscale(struct tcp_event *event, const u8 *option, u8 length)
{
	if (length != TCPOLEN_WINDOW)
		return false;
	event->option_wscale = option[2];
	event->segment_flags |= EVENT_SEGMENT_wscale;
	return true;
}

static bool read_sack_permitted(struct tcp_event *event, u8 length)
{
	if (length != TCPOLEN_SACK_PERM)
		return false;
	event->segment_flags |= EVENT_SEGMENT_sack_permitted;
	return true;
}

/* Whole blocks, one to four; the fourth lies where timestamps would. */
static bool read_sack(struct tcp_event *event, const u8 *option, u8 length)
{
	u32 *edges[] = {
		&event->sack1_left, &event->sack1_right,
		&event->sack2_left, &event->sack2_right,
		&event->sack3_left, &event->sack3_right,
		&event->tsval, &event->tsecr,
	};
	unsigned int bytes = length - TCPOLEN_SACK_BASE;
	unsigned int i, count;

	if (!bytes || bytes % TCPOLEN_SACK_PERBLOCK)
		return false;
	count = bytes / sizeof(u32);
	if (count > ARRAY_SIZE(edges))
		return false;
	for (i = 0; i < count; i++)
		*edges[i] = be32_at(option + TCPOLEN_SACK_BASE + i * sizeof(u32));
	event->sack_blocks = bytes / TCPOLEN_SACK_PERBLOCK;
	return true;
}

static bool read_timestamps(struct tcp_event *event, const u8 *option, u8 length)
{
	if (length != TCPOLEN_TIMESTAMP)
		return false;
	event->tsval = be32_at(option + 2);
	event->tsecr = be32_at(option + 6);
	event->segment_flags |= EVENT_SEGMENT_timestamps;
	return true;
}

/* No cookie asks for one; else it has 4 to 16 bytes, an even number. */
static bool read_fastopen(struct tcp_event *event, unsigned int cookie_bytes)
{
	if (cookie_bytes && (cookie_bytes < TCP_FASTOPEN_COOKIE_MIN ||
			     cookie_bytes > TCP_FASTOPEN_COOKIE_MAX ||
			     cookie_bytes % 2))
		return false;
	event->segment_flags |= EVENT_SEGMENT_fastopen;
	return true;
}

static bool read_experiment(struct tcp_event *event, const u8 *option, u8 length)
{
	if (length < TCPOLEN_EXP_FASTOPEN_BASE ||
	    be16_at(option + 2) != TCPOPT_FASTOPEN_MAGIC)
		return false;
	return read_fastopen(event, length - TCPOLEN_EXP_FASTOPEN_BASE);
}

/* One option, all of whose @length bytes are there; false if it is none of ours. */
static bool read_option(struct tcp_event *event, const u8 *option, u8 length)
{
	switch (option[0]) {
	case TCPOPT_MSS:
		return read_mss(event, option, length);
	case TCPOPT_WINDOW:
		return read_wscale(event, option, length);
	case TCPOPT_SACK_PERM:
		return read_sack_permitted(event, length);
	case TCPOPT_SACK:
		return read_sack(event, option, length);
	case TCPOPT_TIMESTAMP:
		return read_timestamps(event, option, length);
	case TCPOPT_FASTOPEN:
		return read_fastopen(event, length - TCPOLEN_FASTOPEN_BASE);
	case TCPOPT_EXP:
		return read_experiment(event, option, length);
	}
	return false;
}

/**
 * segment_options_read - put a header's options into a record
 * @event: a record of kind segment, its detail zeroed but for header_words and
 *	   segment_flags; options are added to the latter
 * @options: what follows the 20 bytes that every TCP header has
 * @length: how many bytes of them there are; more than SEGMENT_OPTIONS_MAX are
 *	    not looked at
 *
 * Context: any.
 */
void segment_options_read(struct tcp_event *event, const u8 *options,
			  unsigned int length)
{
	const u8 *end = options + min_t(unsigned int, length, SEGMENT_OPTIONS_MAX);
	unsigned int step;

	for (; options < end; options += step) {
		step = 1;
		if (*options == TCPOPT_EOL)
			return;
		if (*options == TCPOPT_NOP)
			continue;
		step = end - options < 2 ? 0 : options[1];
		if (step < 2 || step > end - options) {
			event->segment_flags |= EVENT_SEGMENT_other;
			return;
		}
		if (!read_option(event, options, step))
			event->segment_flags |= EVENT_SEGMENT_other;
	}
}
EXPORT_SYMBOL_IF_KUNIT(segment_options_read);
