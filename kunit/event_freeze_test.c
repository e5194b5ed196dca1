// SPDX-License-Identifier: GPL-2.0
/*
 * When to stop recording: the trigger's text, the events that fire it, and the one
 * word that tells how far it is.
 */
#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/string.h>

#include "event_freeze.h"
#include "event_schema.h"
#include "parameter_refusal.h"

/* ---- what stops recording ------------------------------------------------ */

struct trigger_case {
	const char *text;
	const char *printed;
	u64 kinds;
	u32 timeouts;
};

static const struct trigger_case trigger_cases[] = {
	{ "", "none", 0, 0 },
	{ "\n", "none", 0, 0 },
	{ " none\n", "none", 0, 0 },
	{ "reset_sent", "reset_sent", EVENT_KIND_BIT(reset_sent), 0 },
	{ "reset_sent,reset_received\n", "reset_sent,reset_received",
	  EVENT_KIND_BIT(reset_sent) | EVENT_KIND_BIT(reset_received), 0 },
	{ "error refused", "refused,error", EVENT_KIND_BIT(error) | EVENT_KIND_BIT(refused), 0 },
	{ "zero_window,zero_window", "zero_window", EVENT_KIND_BIT(zero_window), 0 },
	{ "rto", "rto", EVENT_KIND_BIT(rto), 1 },
	{ "rto=1", "rto", EVENT_KIND_BIT(rto), 1 },
	{ "rto=3,error", "rto=3,error", EVENT_KIND_BIT(rto) | EVENT_KIND_BIT(error), 3 },
	{ "rto=255", "rto=255", EVENT_KIND_BIT(rto), 255 },
};

static void describe_trigger(const struct trigger_case *trigger, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "'%*pE'",
		 (int)strlen(trigger->text), trigger->text);
}

KUNIT_ARRAY_PARAM(trigger, trigger_cases, describe_trigger);

static void good_trigger_is_read(struct kunit *test)
{
	const struct trigger_case *good = test->param_value;
	struct word_complaint complaint;
	struct freeze_trigger trigger;
	char printed[100];

	KUNIT_ASSERT_EQ(test, 0, freeze_trigger_parse(&trigger, good->text,
						      &complaint));
	KUNIT_EXPECT_EQ(test, trigger.kinds, good->kinds);
	KUNIT_EXPECT_EQ(test, trigger.timeouts, good->timeouts);
	freeze_trigger_print(&trigger, printed, sizeof(printed));
	KUNIT_EXPECT_STREQ(test, printed, good->printed);
}

struct bad_trigger_case {
	const char *text;
	const char *word;
};

static const struct bad_trigger_case bad_trigger_cases[] = {
	{ "reset", "reset" },
	{ "reset_sent,nonsense", "nonsense" },
	{ "lost", "lost" },
	{ "mark", "mark" },
	{ "all", "all" },
	{ "none,error", "none" },
	{ "error none", "none" },
	{ "nonerror", "nonerror" },
	{ "rto=", "rto=" },
	{ "rto=0", "rto=0" },
	{ "rto=256", "rto=256" },
	{ "rto=4294967297", "rto=4294967297" },
	{ "rto=-1", "rto=-1" },
	{ "rto=3x", "rto=3x" },
	{ "error=3", "error=3" },
	{ "ERROR", "ERROR" },
};

static void describe_bad_trigger(const struct bad_trigger_case *bad, char *name)
{
	strscpy(name, bad->text, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(bad_trigger, bad_trigger_cases, describe_bad_trigger);

static void bad_trigger_is_refused_by_its_word(struct kunit *test)
{
	const struct bad_trigger_case *bad = test->param_value;
	struct word_complaint complaint = {};
	struct freeze_trigger trigger;

	KUNIT_ASSERT_EQ(test, -EINVAL,
			freeze_trigger_parse(&trigger, bad->text, &complaint));
	KUNIT_EXPECT_EQ(test, complaint.length, strlen(bad->word));
	KUNIT_EXPECT_MEMEQ(test, complaint.word, bad->word, strlen(bad->word));
}

static bool fires(struct kunit *test, const char *text, enum event_kind kind,
		  u8 retransmits)
{
	struct tcp_event event = {
		.kind = kind,
		.retransmits = retransmits,
		.sk_error = ECONNRESET,
	};
	struct word_complaint complaint;
	struct freeze_trigger trigger;

	KUNIT_ASSERT_EQ(test, 0,
			freeze_trigger_parse(&trigger, text, &complaint));
	return freeze_trigger_fires(&trigger, &event);
}

static void trigger_fires_for_its_kinds(struct kunit *test)
{
	unsigned int kind;

	for (kind = 1; kind < EVENT_KIND_END; kind++) {
		KUNIT_EXPECT_FALSE(test, fires(test, "none", kind, 5));
		KUNIT_EXPECT_EQ(test, fires(test, "error,refused", kind, 5),
				kind == EVENT_KIND_error ||
				kind == EVENT_KIND_refused);
	}
}

/* An rto event counts the timeouts before it. */
static void trigger_counts_timeouts(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, fires(test, "rto", EVENT_KIND_rto, 0));
	KUNIT_EXPECT_FALSE(test, fires(test, "rto=3", EVENT_KIND_rto, 0));
	KUNIT_EXPECT_FALSE(test, fires(test, "rto=3", EVENT_KIND_rto, 1));
	KUNIT_EXPECT_TRUE(test, fires(test, "rto=3", EVENT_KIND_rto, 2));
	KUNIT_EXPECT_TRUE(test, fires(test, "rto=3", EVENT_KIND_rto, 3));
	KUNIT_EXPECT_TRUE(test, fires(test, "rto=255", EVENT_KIND_rto, 255));
	KUNIT_EXPECT_TRUE(test, fires(test, "rto=3,error", EVENT_KIND_error, 0));
	KUNIT_EXPECT_FALSE(test, fires(test, "rto=3", EVENT_KIND_ack, 9));
}

static void trigger_wants_an_error(struct kunit *test)
{
	struct tcp_event event = { .kind = EVENT_KIND_error };
	struct word_complaint complaint;
	struct freeze_trigger trigger;

	KUNIT_ASSERT_EQ(test, 0,
			freeze_trigger_parse(&trigger, "error", &complaint));
	KUNIT_EXPECT_FALSE(test, freeze_trigger_fires(&trigger, &event));
	event.sk_error = ETIMEDOUT;
	KUNIT_EXPECT_TRUE(test, freeze_trigger_fires(&trigger, &event));
}

/* ---- how far it is ------------------------------------------------------- */

static unsigned int admitted_of(struct event_freeze *freeze, unsigned int events)
{
	unsigned int admitted = 0;

	while (events--)
		admitted += event_freeze_admits(freeze);
	return admitted;
}

static void nothing_stops_without_a_trigger(struct kunit *test)
{
	struct event_freeze freeze = EVENT_FREEZE_INIT;

	KUNIT_EXPECT_EQ(test, admitted_of(&freeze, 1000), 1000);
	KUNIT_EXPECT_FALSE(test, event_freeze_is_frozen(&freeze));
	KUNIT_EXPECT_FALSE(test, event_freeze_tell(&freeze));
}

static const unsigned int afters[] = { 0, 1, 2, 100 };

static void describe_after(const unsigned int *after, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%u", *after);
}

KUNIT_ARRAY_PARAM(after, afters, describe_after);

static void so_many_events_follow_a_trigger(struct kunit *test)
{
	unsigned int after = *(const unsigned int *)test->param_value;
	struct event_freeze freeze = EVENT_FREEZE_INIT;

	event_freeze_start(&freeze, after);
	KUNIT_EXPECT_EQ(test, event_freeze_is_frozen(&freeze), !after);
	if (after > 1) {
		KUNIT_EXPECT_TRUE(test, event_freeze_admits(&freeze));
		KUNIT_EXPECT_FALSE(test, event_freeze_tell(&freeze));
		/* A second trigger on the way does not begin anew. */
		event_freeze_start(&freeze, after);
		after--;
	}
	KUNIT_EXPECT_EQ(test, admitted_of(&freeze, after + 50), after);
	KUNIT_EXPECT_TRUE(test, event_freeze_is_frozen(&freeze));
	event_freeze_start(&freeze, 5);
	KUNIT_EXPECT_EQ(test, admitted_of(&freeze, 50), 0);
	KUNIT_EXPECT_TRUE(test, event_freeze_tell(&freeze));
	KUNIT_EXPECT_FALSE(test, event_freeze_tell(&freeze));
}

static void thaw_watches_again(struct kunit *test)
{
	struct event_freeze freeze = EVENT_FREEZE_INIT;

	KUNIT_EXPECT_TRUE(test, event_freeze_call_off(&freeze));
	KUNIT_EXPECT_TRUE(test, event_freeze_now(&freeze));
	KUNIT_EXPECT_FALSE(test, event_freeze_now(&freeze));
	KUNIT_EXPECT_EQ(test, admitted_of(&freeze, 10), 0);
	/* Whoever stopped it by hand says so. */
	KUNIT_EXPECT_FALSE(test, event_freeze_tell(&freeze));
	KUNIT_EXPECT_FALSE(test, event_freeze_call_off(&freeze));
	event_freeze_thaw(&freeze);
	KUNIT_EXPECT_EQ(test, admitted_of(&freeze, 10), 10);
	event_freeze_watch(&freeze);
	KUNIT_EXPECT_EQ(test, admitted_of(&freeze, 10), 10);
	event_freeze_start(&freeze, 3);
	KUNIT_EXPECT_EQ(test, admitted_of(&freeze, 10), 3);
	KUNIT_EXPECT_FALSE(test, event_freeze_call_off(&freeze));
	KUNIT_EXPECT_TRUE(test, event_freeze_tell(&freeze));
}

static void no_trigger_counts_while_thawing(struct kunit *test)
{
	struct event_freeze freeze = EVENT_FREEZE_INIT;

	event_freeze_now(&freeze);
	event_freeze_thaw(&freeze);
	event_freeze_start(&freeze, 0);
	KUNIT_EXPECT_FALSE(test, event_freeze_is_frozen(&freeze));
	event_freeze_start(&freeze, 3);
	KUNIT_EXPECT_EQ(test, admitted_of(&freeze, 10), 10);
	KUNIT_EXPECT_FALSE(test, event_freeze_tell(&freeze));
}

static void what_has_begun_is_called_off(struct kunit *test)
{
	struct event_freeze freeze = EVENT_FREEZE_INIT;

	event_freeze_start(&freeze, 3);
	KUNIT_EXPECT_EQ(test, admitted_of(&freeze, 2), 2);
	KUNIT_EXPECT_TRUE(test, event_freeze_call_off(&freeze));
	KUNIT_EXPECT_EQ(test, admitted_of(&freeze, 100), 100);
	event_freeze_start(&freeze, 0);
	KUNIT_EXPECT_TRUE(test, event_freeze_is_frozen(&freeze));
}

static struct kunit_case event_freeze_cases[] = {
	KUNIT_CASE_PARAM(good_trigger_is_read, trigger_gen_params),
	KUNIT_CASE_PARAM(bad_trigger_is_refused_by_its_word,
			 bad_trigger_gen_params),
	KUNIT_CASE(trigger_fires_for_its_kinds),
	KUNIT_CASE(trigger_counts_timeouts),
	KUNIT_CASE(trigger_wants_an_error),

	KUNIT_CASE(nothing_stops_without_a_trigger),
	KUNIT_CASE_PARAM(so_many_events_follow_a_trigger, after_gen_params),
	KUNIT_CASE(thaw_watches_again),
	KUNIT_CASE(no_trigger_counts_while_thawing),
	KUNIT_CASE(what_has_begun_is_called_off),
	{}
};

static struct kunit_suite event_freeze_suite = {
	.name = "renoscope_event_freeze",
	.test_cases = event_freeze_cases,
};

kunit_test_suite(event_freeze_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: when recording stops");
MODULE_LICENSE("GPL");
