/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one ring that everything is recorded into.
 */
#ifndef RENOSCOPE_EVENT_RECORDER_H
#define RENOSCOPE_EVENT_RECORDER_H

#include "event_ring.h"
#include "event_schema.h"

int event_recorder_init(void);
void event_recorder_exit(void);
struct event_ring *event_recorder_ring(void);
struct tcp_event *event_begin(enum event_kind kind);
void event_end(struct tcp_event *event);

#endif /* RENOSCOPE_EVENT_RECORDER_H */
