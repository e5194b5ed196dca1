/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The recorder: between the probes and the one ring that all is recorded into.
 */
#ifndef RENOSCOPE_EVENT_RECORDER_H
#define RENOSCOPE_EVENT_RECORDER_H

#include "event_ring.h"
#include "event_schema.h"

struct sock;

int event_recorder_init(void);
void event_recorder_exit(void);
struct event_ring *event_recorder_ring(void);
void event_recorder_keep_kinds(u64 kinds);
u64 event_recorder_kinds(void);
struct tcp_event *event_begin(enum event_kind kind);
struct tcp_event *event_begin_sock(enum event_kind kind, const struct sock *sk);
struct tcp_event *event_begin_captured(enum event_kind kind,
				       const struct sock *sk);
struct tcp_event *event_begin_like(enum event_kind kind,
				   const struct tcp_event *seen);
void event_end(struct tcp_event *event);
void event_recorder_mark_filter(void);
void event_recorder_mark_frozen(void);
void event_recorder_freeze(void);
void event_recorder_thaw(void);

#endif /* RENOSCOPE_EVENT_RECORDER_H */
