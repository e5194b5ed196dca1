// SPDX-License-Identifier: GPL-2.0
/*
 * When to stop recording, so that what came before is not overwritten.
 *
 * A trigger is an event that is recorded: of a kind that is named, or the K-th
 * timeout in a row. It and a number of events after it are recorded, then no
 * more until somebody thaws. One word tells how far it is:
 *
 *	watching --trigger--> N left -> ... -> 1 left -> 0: frozen
 *	   ^  ^                  |                          |
 *	   |  +-----called off---+                          |
 *	   +--------------------- thawing <-----thaw--------+
 *
 * It is changed by all CPUs without a lock. Whoever takes the last place has
 * frozen it. Events that have their place already are still being written then,
 * so on another CPU one may come behind the mark that says so.
 *
 * While thawing all events are recorded and no trigger counts: so nothing can
 * freeze before the mark that says that recording goes on.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/stringify.h>

#include "event_freeze.h"
#include "event_schema.h"
#include "kernel_compat.h"
#include "parameter_refusal.h"

#define TIMEOUTS_MAX	255	/* as many as a record counts */

/* ---- the text --------------------------------------------------------- */

/* The 3 of "rto=3". */
static int parse_timeouts(struct freeze_trigger *trigger, const char *word,
			  size_t length)
{
	u32 timeouts = 0;

	if (!length)
		return -EINVAL;
	for (; length; word++, length--) {
		if (*word < '0' || *word > '9')
			return -EINVAL;
		timeouts = 10 * timeouts + *word - '0';
		if (timeouts > TIMEOUTS_MAX)
			return -EINVAL;
	}
	if (!timeouts)
		return -EINVAL;
	trigger->kinds |= EVENT_KIND_BIT(rto);
	trigger->timeouts = timeouts;
	return 0;
}

static int parse_trigger_word(struct freeze_trigger *trigger, const char *word,
			      size_t length)
{
	static const char rto[] = "rto=";
	const size_t key = strlen(rto);
	int kind;

	if (length >= key && !strncmp(word, rto, key))
		return parse_timeouts(trigger, word + key, length - key);
	kind = event_kind_by_name(word, length);
	if (kind < 0 || !(EVENT_KINDS_PROBED & BIT_ULL(kind)))
		return -EINVAL;
	trigger->kinds |= BIT_ULL(kind);
	if (kind == EVENT_KIND_rto)
		trigger->timeouts = 1;
	return 0;
}

static const char separators[] = ", \t\n";

static bool says_none(const char *text)
{
	text += strspn(text, separators);
	if (strncmp(text, "none", 4))
		return false;
	text += 4;
	return !text[strspn(text, separators)];
}

/**
 * freeze_trigger_parse - read what stops recording
 * @trigger: gets it
 * @text: words separated by commas or blanks, ends with a NUL; none, or no word at
 *	  all, for nothing
 * @complaint: gets the offending word if there is one
 *
 * Context: process context.
 * Return: 0, or -EINVAL with @complaint filled and nothing useful in @trigger.
 */
int freeze_trigger_parse(struct freeze_trigger *trigger, const char *text,
			 struct word_complaint *complaint)
{
	static const char allowed[] = {
		"a trigger is a kind of event (cat schema in debugfs lists them), or rto=K with K from 1 to "
		__stringify(TIMEOUTS_MAX)
		", or none alone"
	};
	size_t length;

	memset(trigger, 0, sizeof(*trigger));
	if (says_none(text))
		return 0;
	for (;; text += length) {
		text += strspn(text, separators);
		length = strcspn(text, separators);
		if (!length)
			return 0;
		if (parse_trigger_word(trigger, text, length))
			break;
	}
	complaint->word = text;
	complaint->length = length;
	complaint->allowed = allowed;
	return -EINVAL;
}
EXPORT_SYMBOL_IF_KUNIT(freeze_trigger_parse);

/**
 * freeze_trigger_print - write a trigger as text that reads back as an equal one
 * @trigger: the trigger
 * @text: gets it with a NUL and no newline
 * @room: bytes at @text
 *
 * Context: any.
 * Return: the text's length in bytes, the NUL not counted.
 */
size_t freeze_trigger_print(const struct freeze_trigger *trigger, char *text,
			    size_t room)
{
	unsigned int kind;
	size_t length = 0;

	if (!trigger->kinds)
		return scnprintf(text, room, "none");
	for (kind = 1; kind < EVENT_KIND_END; kind++) {
		if (!(trigger->kinds & BIT_ULL(kind)))
			continue;
		length += scnprintf(text + length, room - length, "%s%s",
				    length ? "," : "", event_kind_name(kind));
		if (kind == EVENT_KIND_rto && trigger->timeouts > 1)
			length += scnprintf(text + length, room - length,
					    "=%u", trigger->timeouts);
	}
	return length;
}
EXPORT_SYMBOL_IF_KUNIT(freeze_trigger_print);

/* ---- the events ------------------------------------------------------- */

/**
 * freeze_trigger_fires - is this event one that stops recording?
 * @trigger: what stops it
 * @event: the event, complete
 *
 * An rto event counts, in retransmits, the timeouts before it. An error event
 * without an error tells of a message on the socket's queue: a timestamp, or data
 * sent without a copy (sock_queue_err_skb()).
 *
 * Context: any.
 * Return: yes or no.
 */
bool freeze_trigger_fires(const struct freeze_trigger *trigger,
			  const struct tcp_event *event)
{
	if (!(trigger->kinds & BIT_ULL(event->kind)))
		return false;
	if (event->kind == EVENT_KIND_error)
		return event->sk_error;
	return event->kind != EVENT_KIND_rto ||
	       event->retransmits + 1 >= trigger->timeouts;
}
EXPORT_SYMBOL_IF_KUNIT(freeze_trigger_fires);

/**
 * event_freeze_admits - may one more event be recorded?
 * @freeze: how far it is; one place less if there were not many
 *
 * Context: any.
 * Return: yes or no.
 */
bool event_freeze_admits(struct event_freeze *freeze)
{
	int left = atomic_read(&freeze->left);

	if (left < 0)
		return true;
	left = atomic_dec_if_positive(&freeze->left);
	if (!left)
		atomic_set(&freeze->untold, 1);
	if (left >= 0)
		return true;
	/* Frozen; or thawed since the first look. */
	return atomic_read(&freeze->left) < 0;
}
EXPORT_SYMBOL_IF_KUNIT(event_freeze_admits);

/**
 * event_freeze_start - a trigger has fired
 * @freeze: how far it is; only the first trigger counts
 * @after: how many events may follow, at most INT_MAX
 *
 * Context: any.
 */
void event_freeze_start(struct event_freeze *freeze, u32 after)
{
	if (atomic_read(&freeze->left) != FREEZE_WATCHING)
		return;
	if (atomic_cmpxchg(&freeze->left, FREEZE_WATCHING, after) ==
	    FREEZE_WATCHING && !after)
		atomic_set(&freeze->untold, 1);
}
EXPORT_SYMBOL_IF_KUNIT(event_freeze_start);

/**
 * event_freeze_tell - has it been frozen by a trigger, and nobody said so?
 * @freeze: how far it is
 *
 * Context: any.
 * Return: true once for each time.
 */
bool event_freeze_tell(struct event_freeze *freeze)
{
	return unlikely(atomic_read(&freeze->untold)) &&
	       atomic_xchg(&freeze->untold, 0);
}
EXPORT_SYMBOL_IF_KUNIT(event_freeze_tell);

/**
 * event_freeze_now - stop at once, without a trigger
 * @freeze: how far it is
 *
 * Context: process context, one caller at a time.
 * Return: false if it was frozen already.
 */
bool event_freeze_now(struct event_freeze *freeze)
{
	return atomic_xchg(&freeze->left, 0) != 0;
}
EXPORT_SYMBOL_IF_KUNIT(event_freeze_now);

/**
 * event_freeze_call_off - let a trigger that has fired have been none
 * @freeze: how far it is; watching again, unless it is too late
 *
 * Context: process context, one caller at a time.
 * Return: false if it is too late: it is frozen.
 */
bool event_freeze_call_off(struct event_freeze *freeze)
{
	int left = atomic_read(&freeze->left);

	while (left > 0 && !atomic_try_cmpxchg(&freeze->left, &left,
					       FREEZE_WATCHING))
		;
	return left != 0;
}
EXPORT_SYMBOL_IF_KUNIT(event_freeze_call_off);

/**
 * event_freeze_thaw - let events in again, but do not watch for triggers yet
 * @freeze: how far it is: frozen
 *
 * Context: process context, one caller at a time.
 */
void event_freeze_thaw(struct event_freeze *freeze)
{
	atomic_set(&freeze->left, FREEZE_THAWING);
}
EXPORT_SYMBOL_IF_KUNIT(event_freeze_thaw);

/**
 * event_freeze_watch - let events in and watch for triggers
 * @freeze: how far it is
 *
 * Context: process context, one caller at a time.
 */
void event_freeze_watch(struct event_freeze *freeze)
{
	atomic_set(&freeze->left, FREEZE_WATCHING);
}
EXPORT_SYMBOL_IF_KUNIT(event_freeze_watch);
