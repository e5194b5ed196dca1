/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The recorder, inline: for event_recorder.c itself and for the one kind of event
 * that is worth it.
 */
#ifndef RENOSCOPE_EVENT_RECORDER_INLINE_H
#define RENOSCOPE_EVENT_RECORDER_INLINE_H

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/jump_label.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "event_gate.h"
#include "event_recorder.h"
#include "event_ring_writer.h"
#include "event_trace.h"

/**
 * struct event_recorder - what each event asks for
 * @ring: the ring
 * @kinds: the kinds being recorded; the bit of a kind is its number
 */
struct event_recorder {
	struct event_ring *ring;
	u64 kinds;
};

extern struct event_recorder event_recorder;

struct tcp_event *event_begin_if_admitted(enum event_kind kind,
					  const struct sock *sk);
void event_end_observed(struct tcp_event *event);

static __always_inline bool event_kind_is_wanted(enum event_kind kind)
{
	return READ_ONCE(event_recorder.kinds) & BIT_ULL(kind);
}

/*
 * Every event begins here. What the ring's last round left in the common fields is
 * still there where only the detail is cleared.
 */
static __always_inline struct tcp_event *event_claim(enum event_kind kind,
						     bool clear_all)
{
	struct tcp_event *event;

	event = (struct tcp_event *)event_ring_claim(event_recorder.ring);
	if (unlikely(!event))
		return NULL;
	if (clear_all)
		memset_startat(event, 0, cookie);
	else
		memset(event->detail, 0, sizeof(event->detail));
	event->kind = kind;
	event->cpu = smp_processor_id();
	return event;
}

/**
 * event_begin_ack - begin an ack event, if it is wanted
 * @sk: the full socket
 *
 * By far the most frequent of all, so what its caller will set is not cleared
 * first.
 *
 * Context: as event_begin().
 * Return: a record of which serial, time, kind, CPU and the detail are set; NULL as
 * event_begin_sock().
 */
static __always_inline struct tcp_event *event_begin_ack(const struct sock *sk)
{
	if (!event_kind_is_wanted(EVENT_KIND_ack))
		return NULL;
	if (static_branch_unlikely(&event_gate_guarded))
		return event_begin_if_admitted(EVENT_KIND_ack, sk);
	return event_claim(EVENT_KIND_ack, false);
}

/**
 * event_end_inline - event_end(), inline
 * @event: what event_begin() returned
 *
 * Context: that of event_begin().
 */
static __always_inline void event_end_inline(struct tcp_event *event)
{
	if (static_branch_unlikely(&event_gate_guarded) ||
	    static_branch_unlikely(&event_trace_wanted))
		event_end_observed(event);
	else
		event_ring_publish(event_recorder.ring,
				   (struct ring_record *)event);
}

#endif /* RENOSCOPE_EVENT_RECORDER_INLINE_H */
