// SPDX-License-Identifier: GPL-2.0
/*
 * A segment reaches a connection.
 *
 * An ack event is the one whose record is not cleared before it is filled. So
 * each case fills the recorder's ring with old bytes first, and compares what
 * comes out with a cleared record filled by the general functions, of which
 * event_capture_test.c is the judge.
 */
#include <kunit/skbuff.h>
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "arrivals.h"
#include "event_capture.h"
#include "event_recorder.h"
#include "old_bytes.h"
#include "recorder_reader.h"

#define CLIENT_ISN	2712239078U
#define SERVER_ISN	1288781508U
#define COOKIE		4711

/* ---- sockets and segments ------------------------------------------------ */

/* A client's end that has sent 8 bytes, got 9 and has both acknowledged. */
static struct tcp_sock *new_sock(struct kunit *test)
{
	struct tcp_sock *tp = kunit_kzalloc(test, sizeof(*tp), GFP_KERNEL);
	struct sock *sk = (struct sock *)tp;

	KUNIT_ASSERT_NOT_NULL(test, tp);
	sock_net_set(sk, &init_net);
	atomic64_set(&sk->sk_cookie, COOKIE);
	sk->sk_family = AF_INET;
	sk->sk_protocol = IPPROTO_TCP;
	sk->sk_state = TCP_ESTABLISHED;
	sk->sk_rcv_saddr = htonl(0x0a000001);
	sk->sk_daddr = htonl(0x0a000002);
	sk->sk_dport = htons(5000);
	inet_sk(sk)->inet_sport = htons(40000);
	tp->snd_una = CLIENT_ISN + 9;
	tp->snd_nxt = CLIENT_ISN + 9;
	tp->bytes_acked = 9;
	tp->rcv_nxt = SERVER_ISN + 10;
	tp->bytes_received = 9;
	tp->snd_wnd = 65535;
	tp->rcv_wnd = 65535;
	return tp;
}

static struct sk_buff *new_segment(struct kunit *test, u16 window)
{
	struct sk_buff *skb = kunit_zalloc_skb(test, 64, GFP_KERNEL);
	struct tcphdr *th;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb_put(skb, sizeof(*th) + 8);
	skb_reset_transport_header(skb);
	th = tcp_hdr(skb);
	th->seq = htonl(SERVER_ISN + 10);
	th->ack_seq = htonl(CLIENT_ISN + 9);
	th->window = htons(window);
	th->ack = 1;
	th->doff = sizeof(*th) / 4;
	return skb;
}

/* ---- what the ring has of it --------------------------------------------- */

static void keep_former_kinds(void *kinds)
{
	event_recorder_keep_kinds(*(u64 *)kinds);
}

/* On one CPU, of whose slots each is full of old bytes. */
static struct ring_reader *record_over_old_bytes(struct kunit *test, u64 kinds)
{
	u64 *former = kunit_kzalloc(test, sizeof(*former), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, former);
	*former = event_recorder_kinds();
	event_recorder_keep_kinds(kinds);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, keep_former_kinds,
						  former));
	KUNIT_ASSERT_EQ(test, 0,
			set_cpus_allowed_ptr(current,
					     cpumask_of(raw_smp_processor_id())));
	fill_with_old_bytes(event_recorder_ring());
	return read_from_now(test);
}

static bool read_one(struct ring_reader *reader, struct tcp_event *event)
{
	struct ring_lost lost;

	return ring_reader_next(reader, (struct ring_record *)event, &lost) ==
	       RING_NEXT_RECORD;
}

/* ---- the cases ----------------------------------------------------------- */

static void expect_as_over_zeros(struct kunit *test, struct ring_reader *reader,
				 const struct sock *sk,
				 const struct sk_buff *skb)
{
	struct tcp_event event, expected = {};

	KUNIT_ASSERT_TRUE(test, read_one(reader, &event));
	expected.serial = event.serial;
	expected.time_ns = event.time_ns;
	expected.kind = EVENT_KIND_ack;
	expected.cpu = raw_smp_processor_id();
	event_capture_sock(&expected, sk);
	event_capture_received(&expected, skb);
	KUNIT_EXPECT_MEMEQ(test, &event, &expected, sizeof(event));
	KUNIT_EXPECT_FALSE(test, read_one(reader, &event));
}

static void old_bytes_do_not_show(struct kunit *test)
{
	struct ring_reader *reader =
		record_over_old_bytes(test, EVENT_KIND_BIT(ack));
	struct sock *sk = (struct sock *)new_sock(test);
	struct sk_buff *skb = new_segment(test, 511);

	probe_ack(NULL, sk, skb);
	expect_as_over_zeros(test, reader, sk, skb);
}

static void old_bytes_do_not_show_of_ipv6(struct kunit *test)
{
	struct ring_reader *reader =
		record_over_old_bytes(test, EVENT_KIND_BIT(ack));
	struct sock *sk = (struct sock *)new_sock(test);
	struct sk_buff *skb = new_segment(test, 511);

	sk->sk_family = AF_INET6;
	sk->sk_v6_daddr.s6_addr[0] = 0x20;
	probe_ack(NULL, sk, skb);
	expect_as_over_zeros(test, reader, sk, skb);
}

/* In TCP_CLOSE without a peer's port there are no numbers. */
static void old_bytes_do_not_show_in_any_state(struct kunit *test)
{
	struct ring_reader *reader =
		record_over_old_bytes(test, EVENT_KIND_BIT(ack));
	struct sock *sk = (struct sock *)new_sock(test);
	struct sk_buff *skb = new_segment(test, 511);
	u8 state;

	for (state = TCP_ESTABLISHED; state <= TCP_CLOSING; state++) {
		if (state == TCP_TIME_WAIT || state == TCP_LISTEN)
			continue;
		sk->sk_state = state;
		sk->sk_dport = state == TCP_CLOSE ? 0 : htons(5000);
		record_arrival(sk, skb);
		expect_as_over_zeros(test, reader, sk, skb);
	}
}

/* Counts beyond 16 bits, every flag, no numbers yet. */
static void old_bytes_do_not_show_of_odd_socks(struct kunit *test)
{
	struct ring_reader *reader =
		record_over_old_bytes(test, EVENT_KIND_BIT(ack));
	struct tcp_sock *tp = new_sock(test);
	struct sk_buff *skb = new_segment(test, 511);
	struct sock *sk = (struct sock *)tp;

	tp->bytes_acked = 0;
	tp->snd_una = 0;
	probe_ack(NULL, sk, skb);
	expect_as_over_zeros(test, reader, sk, skb);

	memset(tp, 0xff, sizeof(*tp));
	sock_net_set(sk, &init_net);
	sk->sk_family = AF_INET6;
	sk->sk_state = TCP_ESTABLISHED;
	probe_ack(NULL, sk, skb);
	expect_as_over_zeros(test, reader, sk, skb);
}

static void peers_isn_is_in_its_syn(struct kunit *test)
{
	struct ring_reader *reader =
		record_over_old_bytes(test, EVENT_KIND_BIT(ack));
	struct tcp_sock *tp = new_sock(test);
	struct sk_buff *skb = new_segment(test, 511);
	struct sock *sk = (struct sock *)tp;
	struct tcp_event event;

	sk->sk_state = TCP_SYN_SENT;
	tp->rcv_nxt = 0;
	tp->bytes_received = 0;
	tcp_hdr(skb)->syn = 1;
	tcp_hdr(skb)->seq = htonl(SERVER_ISN);
	record_arrival(sk, skb);
	KUNIT_ASSERT_TRUE(test, read_one(reader, &event));
	KUNIT_EXPECT_EQ(test, event.rcv_isn, SERVER_ISN);
	KUNIT_EXPECT_EQ(test, event.rcv_nxt, SERVER_ISN);
}

static void unwanted_kind_is_not_recorded(struct kunit *test)
{
	struct ring_reader *reader =
		record_over_old_bytes(test, EVENT_KIND_BIT(zero_window));
	struct sock *sk = (struct sock *)new_sock(test);
	struct tcp_event event;

	probe_ack(NULL, sk, new_segment(test, 511));
	KUNIT_EXPECT_FALSE(test, read_one(reader, &event));
}

static void closing_window_is_an_event_of_its_own(struct kunit *test)
{
	u64 both = EVENT_KIND_BIT(ack) | EVENT_KIND_BIT(zero_window);
	struct ring_reader *reader = record_over_old_bytes(test, both);
	struct tcp_sock *tp = new_sock(test);
	struct tcp_event event;

	tp->snd_wl1 = SERVER_ISN + 9;
	tp->rcv_wup = SERVER_ISN + 10;
	probe_ack(NULL, (struct sock *)tp, new_segment(test, 0));
	KUNIT_ASSERT_TRUE(test, read_one(reader, &event));
	KUNIT_EXPECT_EQ(test, event.kind, EVENT_KIND_ack);
	KUNIT_ASSERT_TRUE(test, read_one(reader, &event));
	KUNIT_EXPECT_EQ(test, event.kind, EVENT_KIND_zero_window);
	KUNIT_EXPECT_EQ(test, event.window_side, EVENT_window_side_peer);
	KUNIT_EXPECT_EQ(test, event.window_change, EVENT_window_change_closed);
	KUNIT_EXPECT_FALSE(test, read_one(reader, &event));
}

static struct kunit_case arrivals_cases[] = {
	KUNIT_CASE(old_bytes_do_not_show),
	KUNIT_CASE(old_bytes_do_not_show_of_ipv6),
	KUNIT_CASE(old_bytes_do_not_show_in_any_state),
	KUNIT_CASE(old_bytes_do_not_show_of_odd_socks),
	KUNIT_CASE(peers_isn_is_in_its_syn),
	KUNIT_CASE(unwanted_kind_is_not_recorded),
	KUNIT_CASE(closing_window_is_an_event_of_its_own),
	{}
};

static struct kunit_suite arrivals_suite = {
	.name = "renoscope_arrivals",
	.test_cases = arrivals_cases,
};

kunit_test_suite(arrivals_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: segments that reach a connection");
MODULE_LICENSE("GPL");
