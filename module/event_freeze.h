/* SPDX-License-Identifier: GPL-2.0 */
/*
 * When to stop recording, so that what came before is not overwritten.
 */
#ifndef RENOSCOPE_EVENT_FREEZE_H
#define RENOSCOPE_EVENT_FREEZE_H

#include <linux/atomic.h>
#include <linux/types.h>

struct tcp_event;
struct word_complaint;

/**
 * struct freeze_trigger - what stops recording
 * @kinds: events of these kinds do; the bit of a kind is its number
 * @timeouts: of kind rto: how many in a row it takes, at least
 */
struct freeze_trigger {
	u64 kinds;
	u32 timeouts;
};

/* Of what is left, which counts down to 0: where nothing is being counted. */
#define FREEZE_WATCHING		(-1)
#define FREEZE_THAWING		(-2)

/**
 * struct event_freeze - how far it is
 * @left: FREEZE_WATCHING before a trigger; then how many events may still be
 *	  recorded; 0 while frozen; FREEZE_THAWING until the thaw is marked
 * @untold: frozen by a trigger, and nobody has said so yet
 */
struct event_freeze {
	atomic_t left;
	atomic_t untold;
};

#define EVENT_FREEZE_INIT { .left = ATOMIC_INIT(FREEZE_WATCHING) }

int freeze_trigger_parse(struct freeze_trigger *trigger, const char *text,
			 struct word_complaint *complaint);
size_t freeze_trigger_print(const struct freeze_trigger *trigger, char *text,
			    size_t room);
bool freeze_trigger_fires(const struct freeze_trigger *trigger,
			  const struct tcp_event *event);
bool event_freeze_admits(struct event_freeze *freeze);
void event_freeze_start(struct event_freeze *freeze, u32 after);
bool event_freeze_tell(struct event_freeze *freeze);
bool event_freeze_now(struct event_freeze *freeze);
bool event_freeze_call_off(struct event_freeze *freeze);
void event_freeze_thaw(struct event_freeze *freeze);
void event_freeze_watch(struct event_freeze *freeze);

static inline bool event_freeze_is_frozen(const struct event_freeze *freeze)
{
	return !atomic_read(&freeze->left);
}

#endif /* RENOSCOPE_EVENT_FREEZE_H */
