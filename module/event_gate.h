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

/* On while there is anything to ask. */
DECLARE_STATIC_KEY_FALSE(event_gate_guarded);

bool event_gate_admits_sock(enum event_kind kind, const struct sock *sk);
bool event_gate_admits_event(const struct tcp_event *seen);
bool event_gate_admits_mark(void);
bool event_gate_looks_back(const struct tcp_event *event);

bool event_gate_keeps_flow(u32 one_in, const struct sock *sk);
bool event_gate_keeps_ack(u32 one_in, const struct sock *sk);
struct gate_rules *event_gate_make_rules(const struct gate_rules *rules);
void event_gate_take_rules(struct gate_rules *made);
int event_gate_set_rules(const struct gate_rules *rules);
bool event_gate_freeze(void);
bool event_gate_settle(bool *untold);
void event_gate_thaw(void);
void event_gate_watch(void);
bool event_gate_is_frozen(void);
unsigned int event_gate_pending(void);
u64 event_gate_count(enum gate_verdict verdict);

#endif /* RENOSCOPE_EVENT_GATE_H */
