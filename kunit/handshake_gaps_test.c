// SPDX-License-Identifier: GPL-2.0
/*
 * How a request ended that no note tells of: what its listener and its timer say.
 */
#include <kunit/test.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/timer.h>
#include <net/request_sock.h>
#include <net/tcp_states.h>

#include "event_schema.h"
#include "handshake_gaps.h"

/**
 * struct unseen_case - a request that is freed
 * @name: for people
 * @has_listener: it still knows one
 * @listener_state: of that
 * @timer_pending: its timer is set
 * @expires_in: when that fires or fired, in jiffies from now
 * @ending: an enum event_request_ending
 */
struct unseen_case {
	const char *name;
	bool has_listener;
	int listener_state;
	bool timer_pending;
	long expires_in;
	u8 ending;
};

static const struct unseen_case unseen_cases[] = {
	{ "no listener", false, 0, false, -1, EVENT_request_ending_listener_gone },
	{ "its listener was closed", true, TCP_CLOSE, false, -1,
	  EVENT_request_ending_listener_gone },
	{ "the timer fired and was not set again", true, TCP_LISTEN, false, -1,
	  EVENT_request_ending_expired },
	{ "it fired just now", true, TCP_LISTEN, false, 0,
	  EVENT_request_ending_expired },
	{ "the timer was taken down before", true, TCP_LISTEN, false, HZ,
	  EVENT_request_ending_other },
	{ "the timer is set", true, TCP_LISTEN, true, HZ, EVENT_request_ending_other },
	{ "the timer is set and late", true, TCP_LISTEN, true, -1,
	  EVENT_request_ending_other },
};

static void describe_unseen(const struct unseen_case *unseen, char *name)
{
	strscpy(name, unseen->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(unseen, unseen_cases, describe_unseen);

static void ending_is_told_by_listener_and_timer(struct kunit *test)
{
	const struct unseen_case *unseen = test->param_value;
	struct request_sock *req = kunit_kzalloc(test, sizeof(*req), GFP_KERNEL);
	struct sock *listener = kunit_kzalloc(test, sizeof(*listener), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, req);
	KUNIT_ASSERT_NOT_NULL(test, listener);
	listener->sk_state = unseen->listener_state;
	req->rsk_listener = unseen->has_listener ? listener : NULL;
	req->rsk_timer.expires = jiffies + unseen->expires_in;
	/* What timer_pending() looks at; no timer is ever set. */
	if (unseen->timer_pending)
		req->rsk_timer.entry.pprev = &req->rsk_timer.entry.next;
	KUNIT_EXPECT_EQ(test, handshake_ending_unseen(req), unseen->ending);
}

static struct kunit_case handshake_gaps_cases[] = {
	KUNIT_CASE_PARAM(ending_is_told_by_listener_and_timer, unseen_gen_params),
	{}
};

static struct kunit_suite handshake_gaps_suite = {
	.name = "renoscope_handshake_gaps",
	.test_cases = handshake_gaps_cases,
};

kunit_test_suite(handshake_gaps_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: how a request ends that nobody noted");
MODULE_LICENSE("GPL");
