/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints of our own: renoscope:state, renoscope:ack and so on, one for each
 * kind of event, for bpftrace, perf, trace-cmd and ftrace.
 *
 * They are made from the lists in event_fields.h, so a kind or a field added
 * there is here too. Each has the fields that all kinds have and then its kind's
 * own, under the names and with the numbers of the record; an address is an array
 * of 16 bytes, a name one of 16 characters. Words (states, causes) stay numbers:
 * a function in the format would be more than perf and trace-cmd can read.
 *
 * The kernel reads this file again and again, each time with other meanings of
 * TRACE_EVENT_FN, TP_STRUCT__entry and the rest (include/trace/define_trace.h).
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM renoscope

#if !defined(RENOSCOPE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define RENOSCOPE_TRACE_H

#include <linux/string.h>
#include <linux/tracepoint.h>

#include "event_ring.h"
#include "event_schema.h"
#include "event_trace.h"

/* A field's place in the tracer's buffer. */
#define TRACED_MEMBER_u8(name)		__field(u8, name)
#define TRACED_MEMBER_u16(name)		__field(u16, name)
#define TRACED_MEMBER_u32(name)		__field(u32, name)
#define TRACED_MEMBER_u64(name)		__field(u64, name)
#define TRACED_MEMBER_addr(name)	__array(u8, name, sizeof(struct in6_addr))
#define TRACED_MEMBER_text(name)	__array(char, name, TASK_COMM_LEN)
#define TRACED_MEMBER(type, name, unit, meaning)			\
	TRACED_MEMBER_##type(name)

/*
 * How it gets there. The record is still open (event_ring.c), which is no part of
 * its serial.
 */
#define TRACED_COPY(type, name, unit, meaning)				\
	memcpy(&__entry->name, &event->name, sizeof(event->name));

/* How it is printed. */
#define TRACED_FORMAT_u8		"%u "
#define TRACED_FORMAT_u16		"%u "
#define TRACED_FORMAT_u32		"%u "
#define TRACED_FORMAT_u64		"%llu "
#define TRACED_FORMAT_addr		"%pI6c "
#define TRACED_FORMAT_text		"%s "
#define TRACED_FORMAT(type, name, unit, meaning)			\
	#name "=" TRACED_FORMAT_##type
#define TRACED_ARGUMENT(type, name, unit, meaning)	__entry->name,

/*
 * A class for each detail and not for each kind: the functions and tables of one take
 * 5 kB, and all kinds of a handshake look alike.
 */
#define TRACED_CLASS(FIELDS)						\
	DECLARE_EVENT_CLASS(renoscope_##FIELDS,				\
		TP_PROTO(const struct tcp_event *event),		\
		TP_ARGS(event),						\
		TP_STRUCT__entry(					\
			EVENT_COMMON_FIELDS(TRACED_MEMBER)		\
			FIELDS(TRACED_MEMBER)				\
		),							\
		TP_fast_assign(						\
			EVENT_COMMON_FIELDS(TRACED_COPY)		\
			FIELDS(TRACED_COPY)				\
			__entry->serial &= ~RING_OPEN;			\
		),							\
		TP_printk(EVENT_COMMON_FIELDS(TRACED_FORMAT)		\
			  FIELDS(TRACED_FORMAT) "schema=%u",		\
			  EVENT_COMMON_FIELDS(TRACED_ARGUMENT)		\
			  FIELDS(TRACED_ARGUMENT)			\
			  EVENT_SCHEMA_VERSION));

#define TRACED_EVENT(kind, FIELDS)					\
	DEFINE_EVENT_FN(renoscope_##FIELDS, kind,			\
		TP_PROTO(const struct tcp_event *event),		\
		TP_ARGS(event),						\
		event_trace_attached, event_trace_detached);

EVENT_LESSER_LAYOUTS(TRACED_CLASS)
EVENT_RECORDED_LAYOUTS(TRACED_CLASS)
EVENT_RECORDED_DETAILS(TRACED_EVENT)

#endif /* RENOSCOPE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE renoscope_trace
#include <trace/define_trace.h>
