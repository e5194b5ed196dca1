/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Events on their way to bpftrace, perf and ftrace, while one of them listens.
 */
#ifndef RENOSCOPE_EVENT_TRACE_H
#define RENOSCOPE_EVENT_TRACE_H

#include <linux/jump_label.h>

struct tcp_event;

DECLARE_STATIC_KEY_FALSE(event_trace_wanted);

int event_trace_attached(void);
void event_trace_detached(void);
void event_trace_emit(const struct tcp_event *event);

/**
 * event_trace - show an event to whoever traces its kind
 * @event: the event, filled in
 *
 * One instruction while nobody traces any kind.
 *
 * Context: any, with preemption off; not so deep in tracing that the tracers
 * themselves would drop the event.
 */
static inline void event_trace(const struct tcp_event *event)
{
	if (static_branch_unlikely(&event_trace_wanted))
		event_trace_emit(event);
}

#endif /* RENOSCOPE_EVENT_TRACE_H */
