// SPDX-License-Identifier: GPL-2.0
/*
 * Between the probes, which know TCP, and the ring, which does not: a probe
 * begins an event of a kind, fills it, and ends it. event_begin_sock(),
 * event_begin_captured(), event_begin_like() and event_begin_ack() are where an event
 * is asked for; whoever is not wanted is told so there, before anything is built.
 *
 * What is recorded can be changed at any time: the kinds here, all else in
 * event_controls.c. Each change is written into the ring as an event of its own,
 * a mark, so that a recording tells by itself what was not asked for. A mark
 * stands before the first event that is missing for its sake and behind the last:
 * before a change that takes something away, behind one that brings it.
 *
 * While recording is frozen nothing is written, or marks would push out what was
 * frozen to be kept. A change is marked then when recording goes on.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kstrtox.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/stddef.h>
#include <linux/string.h>

#include "event_capture.h"
#include "event_gate.h"
#include "event_recorder.h"
#include "event_recorder_inline.h"
#include "kernel_compat.h"
#include "parameter_refusal.h"

static_assert(sizeof(struct tcp_event) == sizeof(struct ring_record));
static_assert(offsetof(struct tcp_event, serial) ==
	      offsetof(struct ring_record, serial));
static_assert(offsetof(struct tcp_event, time_ns) ==
	      offsetof(struct ring_record, time_ns));

struct event_recorder event_recorder __read_mostly;

/* One change, freeze or thaw at a time, until it is marked. Guards the next. */
static DEFINE_MUTEX(marks_lock);

/* Changes while frozen; the bit of each is its cause. */
static unsigned long changes_to_mark;

/*
 * The first kinds since the module was loaded were marked, or noted to be. Only for
 * event_recorder_keep_kinds(), which has one caller at a time.
 */
static bool beginning_marked;

static unsigned int ring_records = RING_RECORDS_DEFAULT;

static int set_ring_records(const char *text, const struct kernel_param *param)
{
	unsigned int records;
	int err = kstrtouint(text, 0, &records);

	if (err || !is_power_of_2(records) || records < RING_RECORDS_MIN ||
	    records > RING_RECORDS_MAX)
		return refuse_word("ring_records", text, strcspn(text, "\n"),
				   " is not a power of two from %u to %lu",
				   RING_RECORDS_MIN, RING_RECORDS_MAX);
	ring_records = records;
	return 0;
}

static const struct kernel_param_ops ring_records_ops = {
	.set = set_ring_records,
	.get = param_get_uint,
};
module_param_cb(ring_records, &ring_records_ops, &ring_records, 0444);
MODULE_PARM_DESC(ring_records,
		 "records kept per CPU, 192 bytes each: a power of two (default 8192)");

/**
 * event_recorder_init - make the ring
 *
 * Context: module load, may sleep.
 * Return: 0, or the error of event_ring_create().
 */
int event_recorder_init(void)
{
	struct event_ring *ring = event_ring_create(ring_records);

	if (IS_ERR(ring)) {
		pr_err("cannot make a ring of %u records per CPU (error %ld)%s\n",
		       ring_records, PTR_ERR(ring),
		       PTR_ERR(ring) == -ENOMEM ?
		       ": no memory; load with a smaller ring_records" : "");
		return PTR_ERR(ring);
	}
	event_recorder.ring = ring;
	return 0;
}

/**
 * event_recorder_exit - give the ring back
 *
 * Context: module unload, after the last probe and the last reader.
 */
void event_recorder_exit(void)
{
	event_ring_destroy(event_recorder.ring);
	event_recorder.ring = NULL;
}

/**
 * event_recorder_ring - the ring, for readers
 *
 * Context: any, between init and exit.
 * Return: the ring.
 */
struct event_ring *event_recorder_ring(void)
{
	return event_recorder.ring;
}
EXPORT_SYMBOL_IF_KUNIT(event_recorder_ring);

static void write_mark(enum event_mark_cause cause, u64 kinds)
{
	struct tcp_event *event = event_begin(EVENT_KIND_mark);

	if (!event)
		return;
	event->kinds_on = kinds;
	event->mark_cause = cause;
	event_end(event);
}

static void write_frozen_mark(void)
{
	write_mark(EVENT_mark_cause_frozen, event_recorder_kinds());
}

static void mark_change(enum event_mark_cause cause, u64 kinds)
{
	mutex_lock(&marks_lock);
	if (event_gate_admits_mark())
		write_mark(cause, kinds);
	else
		__set_bit(cause, &changes_to_mark);
	mutex_unlock(&marks_lock);
}

/* The beginning first. */
static void write_delayed_marks(void)
{
	while (changes_to_mark) {
		unsigned int cause = __fls(changes_to_mark);

		__clear_bit(cause, &changes_to_mark);
		write_mark(cause, event_recorder_kinds());
	}
}

static void mark_kinds(u64 kinds)
{
	mark_change(beginning_marked ? EVENT_mark_cause_events :
				       EVENT_mark_cause_begun, kinds);
	beginning_marked = true;
}

/**
 * event_recorder_mark_filter - write down that other connections are recorded
 *
 * Context: process context, may sleep; between init and exit.
 */
void event_recorder_mark_filter(void)
{
	mark_change(EVENT_mark_cause_filter, event_recorder_kinds());
}
EXPORT_SYMBOL_IF_KUNIT(event_recorder_mark_filter);

/**
 * event_recorder_mark_frozen - write down that it was frozen from the beginning
 *
 * Context: module load.
 */
void event_recorder_mark_frozen(void)
{
	write_frozen_mark();
}

/**
 * event_recorder_freeze - stop recording now, and write that down
 *
 * Context: process context, may sleep; between init and exit.
 */
void event_recorder_freeze(void)
{
	mutex_lock(&marks_lock);
	if (event_gate_freeze())
		write_frozen_mark();
	mutex_unlock(&marks_lock);
}
EXPORT_SYMBOL_IF_KUNIT(event_recorder_freeze);

/**
 * event_recorder_thaw - record again, and write that down
 *
 * The mark stands behind all that was not recorded, behind the mark of the freeze
 * that it ends and before that of the next one.
 *
 * Context: process context, sleeps; between init and exit.
 */
void event_recorder_thaw(void)
{
	bool untold;

	mutex_lock(&marks_lock);
	if (event_gate_settle(&untold)) {
		if (untold)
			write_frozen_mark();
		write_delayed_marks();
		event_gate_thaw();
		write_mark(EVENT_mark_cause_thawed, event_recorder_kinds());
		event_gate_watch();
	}
	mutex_unlock(&marks_lock);
}
EXPORT_SYMBOL_IF_KUNIT(event_recorder_thaw);

/**
 * event_recorder_keep_kinds - say which kinds are recorded from now on
 * @kinds: the bit of a kind is its number
 *
 * A probe that has begun its event already will end it. A change is marked.
 *
 * Context: process context, may sleep; between init and exit; one caller at a time.
 */
void event_recorder_keep_kinds(u64 kinds)
{
	u64 before = event_recorder_kinds();

	if (kinds == before)
		return;
	if (before & ~kinds)
		mark_kinds(kinds);
	WRITE_ONCE(event_recorder.kinds, kinds);
	if (!(before & ~kinds))
		mark_kinds(kinds);
}
EXPORT_SYMBOL_IF_KUNIT(event_recorder_keep_kinds);

/**
 * event_recorder_kinds - which kinds are recorded
 *
 * Context: any.
 * Return: the kinds, the bit of each is its number.
 */
u64 event_recorder_kinds(void)
{
	return READ_ONCE(event_recorder.kinds);
}
EXPORT_SYMBOL_IF_KUNIT(event_recorder_kinds);

/**
 * event_begin - begin an event on this CPU
 * @kind: what happened
 *
 * Context: any, NMI included. Preemption is off until event_end().
 * Return: the record to fill, all zero but for serial, time, kind and CPU; NULL
 * if it cannot be stored, which the ring has counted; then there is nothing to
 * end.
 */
struct tcp_event *event_begin(enum event_kind kind)
{
	return event_claim(kind, true);
}
EXPORT_SYMBOL_IF_KUNIT(event_begin);

/**
 * event_begin_if_admitted - begin an event of a socket, if the gate lets it in
 * @kind: what happened, wanted
 * @sk: the socket, of any sort; NULL if there is none
 *
 * Apart, so that its stack is not paid for where nothing is asked.
 *
 * Context: as event_begin().
 * Return: as event_begin(); NULL too where the socket is not wanted.
 */
struct tcp_event *event_begin_if_admitted(enum event_kind kind,
					  const struct sock *sk)
{
	return event_gate_admits_sock(kind, sk) ? event_begin(kind) : NULL;
}

/**
 * event_begin_sock - begin an event of a socket, if it is wanted
 * @kind: what happened
 * @sk: the socket, of any sort; NULL if there is none
 *
 * Context: as event_begin().
 * Return: as event_begin(); NULL too where the kind or the socket is not wanted.
 */
struct tcp_event *event_begin_sock(enum event_kind kind, const struct sock *sk)
{
	if (!event_kind_is_wanted(kind))
		return NULL;
	if (static_branch_unlikely(&event_gate_guarded))
		return event_begin_if_admitted(kind, sk);
	return event_begin(kind);
}
EXPORT_SYMBOL_IF_KUNIT(event_begin_sock);

/**
 * event_begin_captured - begin an event of a socket, and put down what that is
 * @kind: what happened
 * @sk: the socket, of any sort
 *
 * Context: as event_capture_sock().
 * Return: as event_begin_sock(), with all that event_capture_sock() says.
 */
struct tcp_event *event_begin_captured(enum event_kind kind,
				       const struct sock *sk)
{
	struct tcp_event *event = event_begin_sock(kind, sk);

	if (event)
		event_capture_sock(event, sk);
	return event;
}

/**
 * event_begin_like - begin an event of a segment that was captured before
 * @kind: what happened
 * @seen: a record of the caller's own, with who and the segment filled in
 *
 * Context: as event_begin().
 * Return: the record, filled as @seen is; NULL where it is not wanted.
 */
struct tcp_event *event_begin_like(enum event_kind kind,
				   const struct tcp_event *seen)
{
	struct tcp_event *event;

	if (!event_kind_is_wanted(kind))
		return NULL;
	if (static_branch_unlikely(&event_gate_guarded) &&
	    !event_gate_admits_event(seen))
		return NULL;
	event = event_begin(kind);
	if (!event)
		return NULL;
	event->netns = seen->netns;
	event->state = seen->state;
	event_copy_ends(event, seen);
	event_copy_segment(event, seen);
	return event;
}

static void publish(struct tcp_event *event)
{
	event_trace(event);	/* before others can overwrite it */
	event_ring_publish(event_recorder.ring, (struct ring_record *)event);
}

/* Recording may stop behind this event; then it is said at once. */
static void publish_and_look_back(struct tcp_event *event)
{
	bool freezes;

	/* event_gate_settle() waits until the mark is written. */
	rcu_read_lock();
	freezes = event_gate_looks_back(event);
	publish(event);
	if (unlikely(freezes))
		write_frozen_mark();
	rcu_read_unlock();
}

/**
 * event_end_observed - end an event that the gate or a tracer wants to see
 * @event: what event_begin() returned
 *
 * Context: that of event_begin().
 */
void event_end_observed(struct tcp_event *event)
{
	if (static_branch_unlikely(&event_gate_guarded))
		publish_and_look_back(event);
	else
		publish(event);
}

/**
 * event_end - end an event: readers see it from now on
 * @event: what event_begin() returned
 *
 * Context: that of event_begin().
 */
void event_end(struct tcp_event *event)
{
	event_end_inline(event);
}
EXPORT_SYMBOL_IF_KUNIT(event_end);
