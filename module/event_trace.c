// SPDX-License-Identifier: GPL-2.0
/*
 * From a finished event to its tracepoint, renoscope:<kind>.
 *
 * One switch for all
 * ------------------
 * An event's kind is known at run time only, where it ends. To ask each of the
 * tracepoints, or to find the right one by a switch, would cost every event
 * something that nearly always serves nobody. So one static key stands before
 * them all. While no tracer is attached it is a no-op at each event's end. While
 * one is, the switch picks the tracepoint, whose own key decides. The other way
 * would be the kind as a constant at each event_end(), so that the tracepoints' own
 * keys do: as cheap, but every probe would name its kind twice and could have it
 * wrong.
 *
 * The key counts the tracepoints that have a tracer: the kernel calls
 * event_trace_attached() when the first comes to a tracepoint and
 * event_trace_detached() when the last leaves it.
 *
 * Who may take the module away
 * ----------------------------
 * perf, and with it bpftrace, hold a module whose event they use. ftrace does
 * not: rmmod would pull the events away under it and with them the buffer in
 * which they are. Here every traced event holds the module, whoever traces it,
 * so that rmmod is refused until the tracer lets go.
 *
 * The kernel offers a module's events before its init has run, and frees a module
 * whose init fails without asking who holds it. Until the module is live nobody
 * gets hold of an event (-EBUSY).
 *
 * What a tracer may miss
 * ----------------------
 * The events go wherever the probes run: process, softirq, kprobe handlers. But a
 * BPF program that itself makes TCP act, or an interrupt that meets one in the
 * midst of its work, is not entered a second time: the kernel drops that event
 * for the BPF program, and so does perf. The ring has it all the same.
 */
#include <linux/errno.h>
#include <linux/module.h>

#include "event_trace.h"

#define CREATE_TRACE_POINTS
#include "renoscope_trace.h"

DEFINE_STATIC_KEY_FALSE(event_trace_wanted);

/**
 * event_trace_attached - a tracepoint got its first tracer
 *
 * Context: under the kernel's tracepoints_mutex, may sleep.
 * Return: 0; -EBUSY while the module is not whole, on its way in or out.
 */
int event_trace_attached(void)
{
	if (THIS_MODULE->state != MODULE_STATE_LIVE ||
	    !try_module_get(THIS_MODULE))
		return -EBUSY;
	static_branch_inc(&event_trace_wanted);
	return 0;
}

/**
 * event_trace_detached - a tracepoint lost its last tracer
 *
 * That cannot let the module go too early: all tracers detach under the kernel's
 * event_mutex or hold the module themselves, and the last step of unloading
 * needs that mutex.
 *
 * Context: as event_trace_attached().
 */
void event_trace_detached(void)
{
	static_branch_dec(&event_trace_wanted);
	module_put(THIS_MODULE);
}

#define EMIT(kind, FIELDS)	\
	case EVENT_KIND_##kind:	\
		trace_##kind(event); \
		break;

/**
 * event_trace_emit - hand an event to its tracepoint
 * @event: the event, filled in
 *
 * Context: that of event_trace(), which is what to call.
 */
void event_trace_emit(const struct tcp_event *event)
{
	switch (event->kind) {
	EVENT_RECORDED_DETAILS(EMIT)
	}
}
