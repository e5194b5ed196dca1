/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which events are let into the ring: filter, sampling and freeze together.
 */
#ifndef RENOSCOPE_EVENT_GATE_H
#define RENOSCOPE_EVENT_GATE_H

#include <linux/jump_label.h>

#include "event_filter.h"
#include "event_freeze.h"
#include "event_schema.h"

/**
 * struct gate_rules - what the gate goes by
 * @filter: which connections
 * @trigger: what stops recording
 * @flow_sample: one connection in so many, 1 for all
 * @ack_sample: one plain ack event in so many, 1 for all
 * @freeze_after: how many events are recorded after a trigger
 */
struct gate_rules {
	struct event_filter filter;
	struct freeze_trigger trigger;
	u32 flow_sample;
	u32 ack_sample;
	u32 freeze_after;
};

/**
 * enum gate_verdict - what became of an event that wanted in
 * @GATE_LET_IN: recorded
 * @GATE_FILTERED: turned away by the filter
 * @GATE_SAMPLED: turned away by sampling
 * @GATE_FROZEN: turned away as recording has stopped
 * @GATE_VERDICTS: how many verdicts there are
 */
enum gate_verdict {
	GATE_LET_IN,
	GATE_FILTERED,
	GATE_SAMPLED,
	GATE_FROZEN,
	GATE_VERDICTS
};

DECLARE_STATIC_KEY_FALSE(event_gate_guarded);

bool event_gate_asks_sock(enum event_kind kind, const struct sock *sk);
bool event_gate_asks_event(enum event_kind kind, const struct tcp_event *seen);
bool event_gate_looks_back(const struct tcp_event *event);

/**
 * event_gate_admits_sock - may an event of this socket be recorded?
 * @kind: its kind
 * @sk: its socket of any sort, NULL if there is none
 *
 * Context: inside a probe.
 * Return: yes or no; after a yes it must be recorded.
 */
static inline bool event_gate_admits_sock(enum event_kind kind,
					  const struct sock *sk)
{
	return !static_branch_unlikely(&event_gate_guarded) ||
	       event_gate_asks_sock(kind, sk);
}

/**
 * event_gate_admits_event - may an event of this segment be recorded?
 * @kind: its kind
 * @seen: a record with the ends of the segment
 *
 * Context: inside a probe.
 * Return: yes or no; after a yes it must be recorded.
 */
static inline bool event_gate_admits_event(enum event_kind kind,
					   const struct tcp_event *seen)
{
	return !static_branch_unlikely(&event_gate_guarded) ||
	       event_gate_asks_event(kind, seen);
}

/**
 * event_gate_freezes - does recording stop behind this event?
 * @event: an event that was let in, complete
 *
 * Context: inside a probe.
 * Return: true once for each freeze: then a mark is due.
 */
static inline bool event_gate_freezes(const struct tcp_event *event)
{
	return static_branch_unlikely(&event_gate_guarded) &&
	       event_gate_looks_back(event);
}

bool gate_keeps_flow(u32 one_in, const struct sock *sk);
bool gate_keeps_ack(u32 one_in, const struct sock *sk);
int event_gate_set_rules(const struct gate_rules *rules);
bool event_gate_freeze(void);
bool event_gate_thaw(void);
bool event_gate_is_frozen(void);
u64 event_gate_count(enum gate_verdict verdict);

#endif /* RENOSCOPE_EVENT_GATE_H */
