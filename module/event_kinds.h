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
		"a segment reached an established connection; its ACK is not processed yet") \
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
		"a socket's TCP part is being destroyed; carries its final counts")

enum event_kind {
	EVENT_KIND_NONE,
#define EVENT_KIND_ENUM(name, meaning)	EVENT_KIND_##name,
	EVENT_KINDS(EVENT_KIND_ENUM)
#undef EVENT_KIND_ENUM
	EVENT_KIND_END		/* one past the last kind */
};

#endif /* RENOSCOPE_EVENT_KINDS_H */
