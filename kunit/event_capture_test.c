// SPDX-License-Identifier: GPL-2.0
/*
 * What a record says about a socket, a request, or a segment.
 *
 * No connection is needed for this: capturing only reads. The sockets here are
 * zeroed memory with the numbers of a moment written into them, such as the
 * kernel leaves them at that moment; which those are is said at each table.
 * The sequence numbers are those of the source documents: the client begins at
 * 2712239078 and the server at 1288781508.
 *
 * Records begin as the recorder hands them out: cleared, over a slot that is
 * full of old bytes. What no field describes must stay zero, whatever the
 * socket holds.
 */
#include <kunit/skbuff.h>
#include <kunit/test.h>
#include <linux/bottom_half.h>
#include <linux/container_of.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <linux/time64.h>
#include <linux/timer.h>
#include <net/dst.h>
#include <net/inet_timewait_sock.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/request_sock.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "event_capture.h"
#include "event_recorder.h"
#include "event_schema.h"
#include "every_kind.h"
#include "old_bytes.h"

#define CLIENT_ISN	2712239078U
#define SERVER_ISN	1288781508U
#define CLIENT_PORT	40000
#define SERVER_PORT	5000
#define CLIENT_IPV4	0x0a000001	/* 10.0.0.1 */
#define SERVER_IPV4	0x0a000002

static const struct in6_addr client_ipv6 = {{{ 0x20, 0x01, [15] = 1 }}};
static const struct in6_addr server_ipv6 = {{{ 0x20, 0x01, [15] = 2 }}};

/* ---- a record, before and after ------------------------------------------ */

/* As event_begin() leaves a slot that was used before; see the last section. */
static void begin(struct tcp_event *event, enum event_kind kind)
{
	memset(event, OLD_BYTES, sizeof(*event));
	memset_startat(event, 0, cookie);
	event->kind = kind;
}

static struct tcp_event capture_sock(const struct sock *sk)
{
	struct tcp_event event;

	begin(&event, EVENT_KIND_state);
	event_capture_sock(&event, sk);
	return event;
}

static struct tcp_event capture_request(const struct sock *listener,
					const struct request_sock *req)
{
	struct tcp_event event;

	begin(&event, EVENT_KIND_synack_retransmit);
	event.time_ns = 100 * NSEC_PER_SEC;
	event_capture_synack_retransmit(&event, listener, req);
	return event;
}

static void expect_address(struct kunit *test, const struct in6_addr *address,
			   const struct in6_addr *expected)
{
	KUNIT_EXPECT_MEMEQ(test, address, expected, sizeof(*address));
}

static void expect_ipv4(struct kunit *test, const struct in6_addr *address,
			u32 ipv4)
{
	struct in6_addr expected;

	ipv6_addr_set_v4mapped(htonl(ipv4), &expected);
	expect_address(test, address, &expected);
}

/* ---- sockets ------------------------------------------------------------- */

/* The client's end of an IPv4 connection. */
static struct tcp_sock *new_sock(struct kunit *test)
{
	struct tcp_sock *tp = kunit_kzalloc(test, sizeof(*tp), GFP_KERNEL);
	struct sock *sk = (struct sock *)tp;

	KUNIT_ASSERT_NOT_NULL(test, tp);
	sock_net_set(sk, &init_net);
	sk->sk_family = AF_INET;
	sk->sk_protocol = IPPROTO_TCP;
	sk->sk_state = TCP_ESTABLISHED;
	sk->sk_rcv_saddr = htonl(CLIENT_IPV4);
	sk->sk_daddr = htonl(SERVER_IPV4);
	sk->sk_num = CLIENT_PORT;
	sk->sk_dport = htons(SERVER_PORT);
	inet_sk(sk)->inet_sport = htons(CLIENT_PORT);
	minmax_reset(&tp->rtt_min, 0, U32_MAX);
	return tp;
}

static struct sock *new_ipv6_sock(struct kunit *test,
				  const struct in6_addr *local,
				  const struct in6_addr *remote)
{
	struct sock *sk = (struct sock *)new_sock(test);

	sk->sk_family = AF_INET6;
	sk->sk_rcv_saddr = 0;
	sk->sk_daddr = 0;
	sk->sk_v6_rcv_saddr = *local;
	sk->sk_v6_daddr = *remote;
	return sk;
}

static struct sock *new_listener(struct kunit *test)
{
	struct sock *sk = (struct sock *)new_sock(test);

	sk->sk_state = TCP_LISTEN;
	sk->sk_rcv_saddr = 0;
	sk->sk_daddr = 0;
	sk->sk_dport = 0;
	sk->sk_num = SERVER_PORT;
	inet_sk(sk)->inet_sport = htons(SERVER_PORT);
	sk->sk_max_ack_backlog = 128;
	return sk;
}

/* ---- who it is ----------------------------------------------------------- */

static void ipv4_socket_is_told_by_its_addresses(struct kunit *test)
{
	struct tcp_event event = capture_sock((struct sock *)new_sock(test));

	KUNIT_EXPECT_EQ(test, event.family, 4);
	expect_ipv4(test, &event.local_addr, CLIENT_IPV4);
	expect_ipv4(test, &event.remote_addr, SERVER_IPV4);
	KUNIT_EXPECT_EQ(test, event.local_port, CLIENT_PORT);
	KUNIT_EXPECT_EQ(test, event.remote_port, SERVER_PORT);
	KUNIT_EXPECT_EQ(test, event.netns, init_net.ns.inum);
	KUNIT_EXPECT_EQ(test, event.state, TCP_ESTABLISHED);
}

static void ipv6_socket_is_told_by_its_addresses(struct kunit *test)
{
	struct sock *sk = new_ipv6_sock(test, &client_ipv6, &server_ipv6);
	struct tcp_event event = capture_sock(sk);

	KUNIT_EXPECT_EQ(test, event.family, 6);
	expect_address(test, &event.local_addr, &client_ipv6);
	expect_address(test, &event.remote_addr, &server_ipv6);
	KUNIT_EXPECT_EQ(test, event.local_port, CLIENT_PORT);
	KUNIT_EXPECT_EQ(test, event.remote_port, SERVER_PORT);
}

/* An IPv6 socket that speaks IPv4 on the wire. */
static void mapped_socket_is_ipv4_on_the_wire(struct kunit *test)
{
	struct in6_addr client, server;
	struct tcp_event event;

	ipv6_addr_set_v4mapped(htonl(CLIENT_IPV4), &client);
	ipv6_addr_set_v4mapped(htonl(SERVER_IPV4), &server);
	event = capture_sock(new_ipv6_sock(test, &client, &server));
	KUNIT_EXPECT_EQ(test, event.family, 4);
	expect_ipv4(test, &event.local_addr, CLIENT_IPV4);
	expect_ipv4(test, &event.remote_addr, SERVER_IPV4);
}

static void listener_for_any_address(struct kunit *test)
{
	struct sock *sk = new_ipv6_sock(test, &in6addr_any, &in6addr_any);
	struct tcp_event event;

	sk->sk_state = TCP_LISTEN;
	event = capture_sock(sk);
	KUNIT_EXPECT_EQ(test, event.family, 6);
	KUNIT_EXPECT_EQ(test, event.state, TCP_LISTEN);
	expect_address(test, &event.local_addr, &in6addr_any);
	expect_address(test, &event.remote_addr, &in6addr_any);
}

/* sk_num goes when the port is given back, inet_sport stays. */
static void local_port_is_kept_to_the_end(struct kunit *test)
{
	struct tcp_sock *tp = new_sock(test);
	struct tcp_event event;

	((struct sock *)tp)->sk_num = 0;
	event = capture_sock((struct sock *)tp);
	KUNIT_EXPECT_EQ(test, event.local_port, CLIENT_PORT);
}

static void cookie_is_made_once_and_kept(struct kunit *test)
{
	struct sock *sk = (struct sock *)new_sock(test);
	struct sock *other = (struct sock *)new_sock(test);
	struct tcp_event first = capture_sock(sk);
	struct tcp_event second = capture_sock(sk);
	struct tcp_event of_other = capture_sock(other);

	KUNIT_EXPECT_NE(test, first.cookie, 0);
	KUNIT_EXPECT_EQ(test, first.cookie, second.cookie);
	KUNIT_EXPECT_EQ(test, first.cookie, atomic64_read(&sk->sk_cookie));
	KUNIT_EXPECT_NE(test, first.cookie, of_other.cookie);
}

static void cookie_of_64_bits_is_kept_whole(struct kunit *test)
{
	struct sock *sk = (struct sock *)new_sock(test);

	atomic64_set(&sk->sk_cookie, 0x123456789abcdef0LL);
	KUNIT_EXPECT_EQ(test, capture_sock(sk).cookie, 0x123456789abcdef0ULL);
}

/* A newborn wears its listener's cookie and must not be given one of its own. */
static void newborn_shows_the_listeners_cookie(struct kunit *test)
{
	struct sock *sk = (struct sock *)new_sock(test);
	struct tcp_event event;

	begin(&event, EVENT_KIND_state);
	event_capture_newborn(&event, sk);
	KUNIT_EXPECT_EQ(test, event.cookie, 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&sk->sk_cookie), 0);

	atomic64_set(&sk->sk_cookie, 0x77);
	begin(&event, EVENT_KIND_state);
	event_capture_newborn(&event, sk);
	KUNIT_EXPECT_EQ(test, event.cookie, 0x77);
	KUNIT_EXPECT_EQ(test, event.remote_port, SERVER_PORT);
}

/* ---- sequence numbers ---------------------------------------------------- */

/**
 * struct numbers_case - a socket's counters, and the ISNs they lead back to
 * @name: for people
 * @backlog: sk_max_ack_backlog, which a listener's child inherits
 * @snd_una: oldest number sent and not acknowledged
 * @bytes_acked: numbers acknowledged; the SYN too if we opened
 * @rcv_nxt: next number expected
 * @bytes_received: numbers received after the peer's SYN
 * @snd_isn: what must come out
 * @rcv_isn: what must come out
 */
struct numbers_case {
	const char *name;
	u32 backlog;
	u32 snd_una;
	u64 bytes_acked;
	u32 rcv_nxt;
	u64 bytes_received;
	u32 snd_isn;
	u32 rcv_isn;
};

static const struct numbers_case numbers_cases[] = {
	{ "client, SYN sent", 0,
	  CLIENT_ISN, 0, 0, 0, CLIENT_ISN, 0 },
	{ "client, handshake done", 0,
	  2712239079U, 1, 1288781509U, 0, CLIENT_ISN, SERVER_ISN },
	{ "client, 960 bytes acknowledged", 0,
	  2712240039U, 961, 1288781509U, 0, CLIENT_ISN, SERVER_ISN },
	{ "client, Welcome! received", 0,
	  2712239079U, 1, 1288781517U, 8, CLIENT_ISN, SERVER_ISN },
	{ "client, FIN 1288781777 received", 0,
	  2712239079U, 1, 1288781778U, 269, CLIENT_ISN, SERVER_ISN },
	{ "server, handshake done", 128,
	  1288781509U, 0, 2712239079U, 0, SERVER_ISN, CLIENT_ISN },
	{ "server, 960 bytes received", 128,
	  1288781509U, 0, 2712240039U, 960, SERVER_ISN, CLIENT_ISN },
	{ "server, FIN 1288781777 acknowledged", 128,
	  1288781778U, 269, 2712240039U, 960, SERVER_ISN, CLIENT_ISN },
	{ "client, ISN at the end of the space", 0,
	  0, 1, 0, 5, U32_MAX, (u32)-6 },
	{ "server, ISN at the end of the space", 128,
	  8, 8, 0, 1448, U32_MAX, (u32)-1449 },
	{ "client, more than 4 GiB each way", 0,
	  lower_32_bits(CLIENT_ISN + 5000000000ULL), 5000000000ULL,
	  lower_32_bits(SERVER_ISN + 1 + 9000000000ULL), 9000000000ULL,
	  CLIENT_ISN, SERVER_ISN },
	{ "server, more than 4 GiB each way", 1,
	  lower_32_bits(SERVER_ISN + 1 + 5000000000ULL), 5000000000ULL,
	  lower_32_bits(CLIENT_ISN + 1 + 9000000000ULL), 9000000000ULL,
	  SERVER_ISN, CLIENT_ISN },
	{ "never connected", 0, 0, 0, 0, 0, 0, 0 },
	{ "listener", 128, 0, 0, 0, 0, 0, 0 },
};

KUNIT_ARRAY_PARAM_DESC(numbers, numbers_cases, name);

static void isns_are_recovered_from_counters(struct kunit *test)
{
	const struct numbers_case *numbers = test->param_value;
	struct tcp_sock *tp = new_sock(test);
	bool begun = numbers->snd_una || numbers->bytes_acked;
	struct tcp_event event;

	((struct sock *)tp)->sk_max_ack_backlog = numbers->backlog;
	tp->snd_una = numbers->snd_una;
	tp->snd_nxt = numbers->snd_una + begun;
	tp->bytes_acked = numbers->bytes_acked;
	tp->rcv_nxt = numbers->rcv_nxt;
	tp->bytes_received = numbers->bytes_received;
	event = capture_sock((struct sock *)tp);

	KUNIT_EXPECT_EQ(test, event.snd_isn, numbers->snd_isn);
	KUNIT_EXPECT_EQ(test, event.rcv_isn, numbers->rcv_isn);
	KUNIT_EXPECT_EQ(test, event.snd_una, numbers->snd_una);
	KUNIT_EXPECT_EQ(test, event.snd_nxt, numbers->snd_una + begun);
	KUNIT_EXPECT_EQ(test, event.rcv_nxt, numbers->rcv_nxt);
	KUNIT_EXPECT_EQ(test, !!(event.sock_flags & EVENT_SOCK_passive),
			numbers->backlog && begun);
}

/* tcp_disconnect() leaves the numbers and clears what the ISNs are reckoned from. */
static void disconnected_sock_has_no_numbers(struct kunit *test)
{
	struct tcp_sock *tp = new_sock(test);
	struct sock *sk = (struct sock *)tp;
	struct tcp_event event;

	tp->snd_una = CLIENT_ISN + 501;
	tp->snd_nxt = CLIENT_ISN + 501;
	tp->rcv_nxt = SERVER_ISN + 701;
	sk->sk_state = TCP_CLOSE;
	event = capture_sock(sk);
	KUNIT_EXPECT_EQ(test, event.snd_una, CLIENT_ISN + 501);
	sk->sk_dport = 0;
	event = capture_sock(sk);
	KUNIT_EXPECT_EQ(test, event.snd_una, 0);
	KUNIT_EXPECT_EQ(test, event.snd_nxt, 0);
	KUNIT_EXPECT_EQ(test, event.snd_isn, 0);
	KUNIT_EXPECT_EQ(test, event.rcv_nxt, 0);
	KUNIT_EXPECT_EQ(test, event.rcv_isn, 0);
}

static void numbers_can_be_taken_back(struct kunit *test)
{
	struct tcp_sock *tp = new_sock(test);
	struct tcp_event event, expected;

	tp->snd_una = CLIENT_ISN;
	tp->snd_nxt = CLIENT_ISN;
	tp->rcv_nxt = SERVER_ISN;
	tp->snd_cwnd = 10;
	event = capture_sock((struct sock *)tp);
	expected = event;
	expected.snd_isn = 0;
	expected.rcv_isn = 0;
	expected.snd_una = 0;
	expected.snd_nxt = 0;
	expected.rcv_nxt = 0;
	event_capture_without_numbers(&event);
	KUNIT_EXPECT_MEMEQ(test, &event, &expected, sizeof(event));
}

/* ---- the state of the connection ----------------------------------------- */

static void congestion_state_is_captured(struct kunit *test)
{
	struct tcp_sock *tp = new_sock(test);
	struct inet_connection_sock *icsk = &tp->inet_conn;
	struct tcp_event event;

	icsk->icsk_ca_state = TCP_CA_Recovery;
	icsk->icsk_backoff = 3;
	icsk->icsk_retransmits = 4;
	icsk->icsk_rto = HZ / 5;
	tp->snd_cwnd = 24;
	tp->snd_ssthresh = 12;
	tp->srtt_us = 36020 << 3;
	tp->mdev_us = 18010 << 2;
	minmax_reset(&tp->rtt_min, 0, 35000);
	tp->packets_out = 21;
	tp->lost_out = 22;
	tp->retrans_out = 23;
	tp->sacked_out = 25;
	event = capture_sock((struct sock *)tp);

	KUNIT_EXPECT_EQ(test, event.ca_state, TCP_CA_Recovery);
	KUNIT_EXPECT_EQ(test, event.backoff, 3);
	KUNIT_EXPECT_EQ(test, event.retransmits, 4);
	KUNIT_EXPECT_EQ(test, event.rto_us, jiffies_to_usecs(HZ / 5));
	KUNIT_EXPECT_EQ(test, event.cwnd, 24);
	KUNIT_EXPECT_EQ(test, event.ssthresh, 12);
	KUNIT_EXPECT_EQ(test, event.srtt_us, 36020);
	KUNIT_EXPECT_EQ(test, event.rttvar_us, 18010);
	KUNIT_EXPECT_EQ(test, event.min_rtt_us, 35000);
	KUNIT_EXPECT_EQ(test, event.packets_out, 21);
	KUNIT_EXPECT_EQ(test, event.lost_out, 22);
	KUNIT_EXPECT_EQ(test, event.retrans_out, 23);
	KUNIT_EXPECT_EQ(test, event.sacked_out, 25);
}

/* The kernel says "infinite" before the first sample; people want nothing. */
static void no_rtt_sample_is_no_minimum(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test,
			capture_sock((struct sock *)new_sock(test)).min_rtt_us,
			0);
}

/* Raw 294 with scale 128 reads 37632; raw 511 with scale 256 reads 130816. */
static void windows_are_captured_scaled(struct kunit *test)
{
	struct tcp_sock *tp = new_sock(test);
	struct tcp_event event;

	tp->snd_wnd = 37632;
	tp->rcv_wnd = 130816;
	tp->rx_opt.snd_wscale = 7;
	tp->rx_opt.rcv_wscale = 8;
	tp->mss_cache = 1448;
	event = capture_sock((struct sock *)tp);
	KUNIT_EXPECT_EQ(test, event.snd_wnd, 294 << event.snd_wscale);
	KUNIT_EXPECT_EQ(test, event.rcv_wnd, 511 << event.rcv_wscale);
	KUNIT_EXPECT_EQ(test, event.mss, 1448);
}

struct saturation_case {
	u32 count;
	u16 shown;
};

static const struct saturation_case saturation_cases[] = {
	{ 0, 0 }, { 1, 1 }, { 65534, 65534 }, { 65535, 65535 },
	{ 65536, 65535 }, { 65537, 65535 }, { 1U << 31, 65535 },
	{ U32_MAX, 65535 },
};

static void describe_saturation(const struct saturation_case *saturation,
				char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%u", saturation->count);
}

KUNIT_ARRAY_PARAM(saturation, saturation_cases, describe_saturation);

/* "Many" must not turn into "few" by being cut to 16 bits. */
static void counts_stop_at_65535(struct kunit *test)
{
	const struct saturation_case *saturation = test->param_value;
	struct tcp_sock *tp = new_sock(test);
	struct tcp_event event;

	tp->packets_out = saturation->count;
	tp->lost_out = saturation->count;
	tp->retrans_out = saturation->count;
	tp->sacked_out = saturation->count;
	tp->mss_cache = saturation->count;
	event = capture_sock((struct sock *)tp);
	KUNIT_EXPECT_EQ(test, event.packets_out, saturation->shown);
	KUNIT_EXPECT_EQ(test, event.lost_out, saturation->shown);
	KUNIT_EXPECT_EQ(test, event.retrans_out, saturation->shown);
	KUNIT_EXPECT_EQ(test, event.sacked_out, saturation->shown);
	KUNIT_EXPECT_EQ(test, event.mss, saturation->shown);
}

/* Each flag comes from its own bit, and alone. */
static void sock_flags_come_one_by_one(struct kunit *test)
{
	struct tcp_sock *tp = new_sock(test);
	struct sock *sk = (struct sock *)tp;

	KUNIT_EXPECT_EQ(test, capture_sock(sk).sock_flags, 0);

	tp->rx_opt.sack_ok = TCP_SACK_SEEN;
	KUNIT_EXPECT_EQ(test, capture_sock(sk).sock_flags, EVENT_SOCK_sack);
	tp->rx_opt.sack_ok = 0;

	tp->rx_opt.tstamp_ok = 1;
	KUNIT_EXPECT_EQ(test, capture_sock(sk).sock_flags,
			EVENT_SOCK_timestamps);
	tp->rx_opt.tstamp_ok = 0;

	tp->rx_opt.wscale_ok = 1;
	KUNIT_EXPECT_EQ(test, capture_sock(sk).sock_flags, EVENT_SOCK_wscale);
	tp->rx_opt.wscale_ok = 0;

	tp->ecn_flags = TCP_ECN_OK;
	KUNIT_EXPECT_EQ(test, capture_sock(sk).sock_flags, EVENT_SOCK_ecn);
	tp->ecn_flags = (u8)~TCP_ECN_OK;
	KUNIT_EXPECT_EQ(test, capture_sock(sk).sock_flags, 0);

	tp->is_cwnd_limited = 1;
	KUNIT_EXPECT_EQ(test, capture_sock(sk).sock_flags,
			EVENT_SOCK_cwnd_limited);
	tp->is_cwnd_limited = 0;

	tp->syn_fastopen = 1;
	KUNIT_EXPECT_EQ(test, capture_sock(sk).sock_flags, EVENT_SOCK_fastopen);
	tp->syn_fastopen = 0;

#if IS_ENABLED(CONFIG_MPTCP)
	tp->is_mptcp = true;
	KUNIT_EXPECT_EQ(test, capture_sock(sk).sock_flags, EVENT_SOCK_mptcp);
	tp->is_mptcp = false;
#endif

	tp->snd_una = SERVER_ISN + 1;
	sk->sk_max_ack_backlog = 1;
	KUNIT_EXPECT_EQ(test, capture_sock(sk).sock_flags, EVENT_SOCK_passive);
}

static void totals_are_captured(struct kunit *test)
{
	struct tcp_sock *tp = new_sock(test);
	struct tcp_event event;

	tp->bytes_acked = 5000000001ULL;
	tp->bytes_received = 6000000002ULL;
	tp->segs_out = 13;
	tp->segs_in = 14;
	tp->total_retrans = 15;
	tp->data_segs_out = 16;
	begin(&event, EVENT_KIND_destroy);
	event_capture_totals(&event, (struct sock *)tp);
	KUNIT_EXPECT_EQ(test, event.bytes_acked, 5000000001ULL);
	KUNIT_EXPECT_EQ(test, event.bytes_received, 6000000002ULL);
	KUNIT_EXPECT_EQ(test, event.segs_out, 13);
	KUNIT_EXPECT_EQ(test, event.segs_in, 14);
	KUNIT_EXPECT_EQ(test, event.retrans_segs, 15);
	KUNIT_EXPECT_EQ(test, event.data_segs_out, 16);
}

/* ---- whose call it is ----------------------------------------------------- */

static struct tcp_event capture_process(const struct sock *sk)
{
	struct tcp_event event;

	begin(&event, EVENT_KIND_state);
	event_capture_process(&event, sk);
	return event;
}

static void expect_nobody(struct kunit *test, const struct tcp_event *event)
{
	KUNIT_EXPECT_EQ(test, event->pid, 0);
	KUNIT_EXPECT_EQ(test, event->comm.text[0], 0);
}

static void who_has_the_socket_is_captured(struct kunit *test)
{
	struct sock *sk = (struct sock *)new_sock(test);
	struct tcp_event event;

	sk->sk_lock.owned = 1;
	event = capture_process(sk);
	KUNIT_EXPECT_EQ(test, event.pid, current->tgid);
	KUNIT_EXPECT_STREQ(test, event.comm.text, current->comm);
}

/* As a thread of NAPI does: a segment moves a socket that the task does not have. */
static void who_only_receives_is_nobody(struct kunit *test)
{
	struct sock *sk = (struct sock *)new_sock(test);
	struct tcp_event event;

	local_bh_disable();
	event = capture_process(sk);
	local_bh_enable();
	expect_nobody(test, &event);
}

struct interruption {
	struct irq_work work;
	const struct sock *sk;
	struct tcp_event event;
};

static void capture_in_hardirq(struct irq_work *work)
{
	struct interruption *interruption = container_of(work, struct interruption, work);

	interruption->event = capture_process(interruption->sk);
}

/* The task below has the socket, and has nothing to do with it. */
static void who_is_interrupted_is_nobody(struct kunit *test)
{
	struct sock *sk = (struct sock *)new_sock(test);
	struct interruption interruption = { .sk = sk };

	memset(&interruption.event, OLD_BYTES, sizeof(interruption.event));
	sk->sk_lock.owned = 1;
	interruption.work = IRQ_WORK_INIT_HARD(capture_in_hardirq);
	irq_work_queue(&interruption.work);
	irq_work_sync(&interruption.work);
	KUNIT_EXPECT_EQ(test, interruption.event.kind, EVENT_KIND_state);
	expect_nobody(test, &interruption.event);
}

/* ---- TIME-WAIT ----------------------------------------------------------- */

static struct sock *new_timewait(struct kunit *test)
{
	struct tcp_timewait_sock *tw = kunit_kzalloc(test, sizeof(*tw),
						     GFP_KERNEL);
	struct sock *sk = (struct sock *)tw;

	KUNIT_ASSERT_NOT_NULL(test, tw);
	sock_net_set(sk, &init_net);
	sk->sk_family = AF_INET;
	sk->sk_state = TCP_TIME_WAIT;
	sk->sk_rcv_saddr = htonl(CLIENT_IPV4);
	sk->sk_daddr = htonl(SERVER_IPV4);
	sk->sk_num = CLIENT_PORT;
	sk->sk_dport = htons(SERVER_PORT);
	tw->tw_sk.tw_sport = htons(CLIENT_PORT);
	tw->tw_sk.tw_substate = TCP_TIME_WAIT;
	tw->tw_sk.tw_rcv_wscale = 7;
	tw->tw_snd_nxt = 2712240040U;
	tw->tw_rcv_nxt = 1288781778U;
	tw->tw_rcv_wnd = 65535;
	return sk;
}

/* It is smaller than a full socket: KASAN sees any look beyond its end. */
static void timewait_is_captured_as_what_it_is(struct kunit *test)
{
	struct tcp_event event = capture_sock(new_timewait(test));

	KUNIT_EXPECT_EQ(test, event.state, TCP_TIME_WAIT);
	KUNIT_EXPECT_EQ(test, event.family, 4);
	KUNIT_EXPECT_EQ(test, event.local_port, CLIENT_PORT);
	KUNIT_EXPECT_EQ(test, event.remote_port, SERVER_PORT);
	KUNIT_EXPECT_EQ(test, event.snd_nxt, 2712240040U);
	KUNIT_EXPECT_EQ(test, event.snd_una, 2712240040U);
	KUNIT_EXPECT_EQ(test, event.rcv_nxt, 1288781778U);
	KUNIT_EXPECT_EQ(test, event.rcv_wnd, 65535);
	KUNIT_EXPECT_EQ(test, event.rcv_wscale, 7);
	KUNIT_EXPECT_EQ(test, event.cwnd, 0);
	KUNIT_EXPECT_NE(test, event.cookie, 0);
}

/* The kernel waits in FIN-WAIT-2 with a timewait sock, too. */
static void fin_wait_2_of_a_timewait_sock_is_named(struct kunit *test)
{
	struct sock *sk = new_timewait(test);
	struct tcp_event event;

	inet_twsk(sk)->tw_substate = TCP_FIN_WAIT2;
	event = capture_sock(sk);
	KUNIT_EXPECT_EQ(test, event.state, TCP_FIN_WAIT2);
}

/* ---- half-open requests -------------------------------------------------- */

static void never_fires(struct timer_list *timer)
{
}

static void stop_timer(void *timer)
{
	timer_delete_sync(timer);
}

/* A timer that is pending, and not for long enough to fire. */
static void make_pending(struct kunit *test, struct timer_list *timer)
{
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, stop_timer, timer));
	mod_timer(timer, jiffies + 3600 * HZ);
}

/* The server's half-open request after the client's SYN, as it is queued. */
static struct request_sock *new_request(struct kunit *test)
{
	struct tcp_request_sock *treq = kunit_kzalloc(test, sizeof(*treq),
						      GFP_KERNEL);
	struct inet_request_sock *ireq = &treq->req;

	KUNIT_ASSERT_NOT_NULL(test, treq);
	write_pnet(&ireq->ireq_net, &init_net);
	ireq->ireq_family = AF_INET;
	ireq->ireq_state = TCP_NEW_SYN_RECV;
	ireq->ir_loc_addr = htonl(SERVER_IPV4);
	ireq->ir_rmt_addr = htonl(CLIENT_IPV4);
	ireq->ir_num = SERVER_PORT;
	ireq->ir_rmt_port = htons(CLIENT_PORT);
	treq->snt_isn = SERVER_ISN;
	treq->rcv_isn = CLIENT_ISN;
	treq->rcv_nxt = CLIENT_ISN + 1;
	treq->snt_synack = 97 * USEC_PER_SEC;
	ireq->req.timeout = TCP_TIMEOUT_INIT;
	timer_setup(&ireq->req.rsk_timer, never_fires, 0);
	return &ireq->req;
}

static void request_is_captured_as_half_open(struct kunit *test)
{
	struct request_sock *req = new_request(test);
	struct tcp_event event;

	req->mss = 1460;
	req->rsk_rcv_wnd = 64240;
	inet_rsk(req)->snd_wscale = 7;
	inet_rsk(req)->rcv_wscale = 8;
	event = capture_sock(req_to_sk(req));

	KUNIT_EXPECT_EQ(test, event.state, TCP_SYN_RECV);
	KUNIT_EXPECT_EQ(test, event.family, 4);
	expect_ipv4(test, &event.local_addr, SERVER_IPV4);
	expect_ipv4(test, &event.remote_addr, CLIENT_IPV4);
	KUNIT_EXPECT_EQ(test, event.local_port, SERVER_PORT);
	KUNIT_EXPECT_EQ(test, event.remote_port, CLIENT_PORT);
	KUNIT_EXPECT_EQ(test, event.snd_isn, SERVER_ISN);
	KUNIT_EXPECT_EQ(test, event.rcv_isn, CLIENT_ISN);
	KUNIT_EXPECT_EQ(test, event.snd_una, SERVER_ISN);
	KUNIT_EXPECT_EQ(test, event.snd_nxt, SERVER_ISN + 1);
	KUNIT_EXPECT_EQ(test, event.rcv_nxt, CLIENT_ISN + 1);
	KUNIT_EXPECT_EQ(test, event.mss, 1460);
	KUNIT_EXPECT_EQ(test, event.rcv_wnd, 64240);
	KUNIT_EXPECT_EQ(test, event.snd_wscale, 7);
	KUNIT_EXPECT_EQ(test, event.rcv_wscale, 8);
	KUNIT_EXPECT_EQ(test, event.sock_flags, EVENT_SOCK_passive);
	KUNIT_EXPECT_NE(test, event.cookie, 0);
}

static void ipv6_request_is_told_by_its_addresses(struct kunit *test)
{
	struct request_sock *req = new_request(test);
	struct inet_request_sock *ireq = inet_rsk(req);
	struct tcp_event event;

	ireq->ireq_family = AF_INET6;
	ireq->ir_v6_loc_addr = server_ipv6;
	ireq->ir_v6_rmt_addr = client_ipv6;
	event = capture_sock(req_to_sk(req));
	KUNIT_EXPECT_EQ(test, event.family, 6);
	expect_address(test, &event.local_addr, &server_ipv6);
	expect_address(test, &event.remote_addr, &client_ipv6);
}

static void request_flags_come_one_by_one(struct kunit *test)
{
	struct request_sock *req = new_request(test);
	struct inet_request_sock *ireq = inet_rsk(req);
	struct sock *sk = req_to_sk(req);

	ireq->sack_ok = 1;
	KUNIT_EXPECT_EQ(test, capture_sock(sk).sock_flags,
			EVENT_SOCK_passive | EVENT_SOCK_sack);
	ireq->sack_ok = 0;
	ireq->tstamp_ok = 1;
	KUNIT_EXPECT_EQ(test, capture_sock(sk).sock_flags,
			EVENT_SOCK_passive | EVENT_SOCK_timestamps);
	ireq->tstamp_ok = 0;
	ireq->wscale_ok = 1;
	KUNIT_EXPECT_EQ(test, capture_sock(sk).sock_flags,
			EVENT_SOCK_passive | EVENT_SOCK_wscale);
	ireq->wscale_ok = 0;
	ireq->ecn_ok = 1;
	KUNIT_EXPECT_EQ(test, capture_sock(sk).sock_flags,
			EVENT_SOCK_passive | EVENT_SOCK_ecn);
}

/* ---- SYN-ACKs sent again ------------------------------------------------- */

/**
 * struct synack_case - a SYN-ACK sent again
 * @name: for people
 * @num_timeout: times the timer fired before, as the tracepoint sees it
 * @timer_pending: a duplicate SYN finds the timer pending, its handler does not
 * @first_wait: the request's first wait
 * @wait_us: the wait that begins
 */
struct synack_case {
	const char *name;
	unsigned int num_timeout;
	bool timer_pending;
	u32 first_wait;
	u32 wait_us;
};

#define SECONDS(n)	((u32)(n) * USEC_PER_SEC)

/* The first wait is 1 s; so these are the waits of 2, 4, 8, 16, ... s. */
static const struct synack_case synack_cases[] = {
	{ "timer, 1st time", 0, false, HZ, SECONDS(2) },
	{ "timer, 2nd time", 1, false, HZ, SECONDS(4) },
	{ "timer, 3rd time", 2, false, HZ, SECONDS(8) },
	{ "timer, 4th time", 3, false, HZ, SECONDS(16) },
	{ "timer, 5th time", 4, false, HZ, SECONDS(32) },
	{ "timer, 6th time", 5, false, HZ, SECONDS(64) },
	{ "timer, 7th time meets the cap", 6, false, HZ, SECONDS(120) },
	{ "timer, as often as can be counted", 127, false, HZ, SECONDS(120) },
	{ "duplicate SYN in the 1st wait", 0, true, HZ, SECONDS(1) },
	{ "duplicate SYN in the 2nd wait", 1, true, HZ, SECONDS(2) },
	{ "duplicate SYN in the 3rd wait", 2, true, HZ, SECONDS(4) },
	{ "duplicate SYN in the 4th wait", 3, true, HZ, SECONDS(8) },
	{ "duplicate SYN in the 5th wait", 4, true, HZ, SECONDS(16) },
	{ "timer, first wait 3 s", 0, false, 3 * HZ, SECONDS(6) },
	{ "timer, first wait 200 ms", 2, false, HZ / 5, 1600 * USEC_PER_MSEC },
};

KUNIT_ARRAY_PARAM_DESC(synack, synack_cases, name);

static void synack_begins_its_wait(struct kunit *test)
{
	const struct synack_case *synack = test->param_value;
	struct request_sock *req = new_request(test);
	struct tcp_event event;

	req->num_timeout = synack->num_timeout;
	req->num_retrans = 9;
	req->timeout = synack->first_wait;
	if (synack->timer_pending)
		make_pending(test, &req->rsk_timer);
	event = capture_request(new_listener(test), req);

	KUNIT_EXPECT_EQ(test, event.rto_us, synack->wait_us);
	KUNIT_EXPECT_EQ(test, event.by_timer, !synack->timer_pending);
	KUNIT_EXPECT_EQ(test, event.num_timeout, synack->num_timeout);
	KUNIT_EXPECT_EQ(test, event.num_retrans, 9);
	KUNIT_EXPECT_EQ(test, event.synack_timeout_us,
			jiffies_to_usecs(synack->first_wait));
}

static void synack_is_a_segment(struct kunit *test)
{
	struct request_sock *req = new_request(test);
	struct tcp_event event;

	req->rsk_rcv_wnd = 64240;
	event = capture_request(new_listener(test), req);
	KUNIT_EXPECT_EQ(test, event.seg_seq, SERVER_ISN);
	KUNIT_EXPECT_EQ(test, event.seg_ack, CLIENT_ISN + 1);
	KUNIT_EXPECT_EQ(test, event.seg_len, 0);
	KUNIT_EXPECT_EQ(test, event.seg_flags, TCPHDR_SYN | TCPHDR_ACK);
	KUNIT_EXPECT_EQ(test, event.seg_window, 64240);

	/* RFC 7323 2.2: the window of a SYN is never scaled. */
	req->rsk_rcv_wnd = 1U << 20;
	event = capture_request(new_listener(test), req);
	KUNIT_EXPECT_EQ(test, event.seg_window, 65535);
}

static void synack_tells_of_the_queues(struct kunit *test)
{
	struct sock *listener = new_listener(test);
	struct tcp_event event;

	atomic_set(&inet_csk(listener)->icsk_accept_queue.qlen, 17);
	listener->sk_ack_backlog = 2;
	event = capture_request(listener, new_request(test));
	KUNIT_EXPECT_EQ(test, event.half_open, 17);
	KUNIT_EXPECT_EQ(test, event.accept_queue, 2);
	KUNIT_EXPECT_EQ(test, event.accept_limit, 128);
}

/* TCP_SYNCNT of the listener, where it is set, else the sysctl. */
static void synack_tells_when_it_is_given_up(struct kunit *test)
{
	struct sock *listener = new_listener(test);
	struct request_sock *req = new_request(test);

	KUNIT_EXPECT_EQ(test, capture_request(listener, req).max_retries,
			READ_ONCE(init_net.ipv4.sysctl_tcp_synack_retries));
	inet_csk(listener)->icsk_syn_retries = 3;
	KUNIT_EXPECT_EQ(test, capture_request(listener, req).max_retries, 3);
}

static u8 max_retries_of(const struct sock *sk)
{
	struct tcp_event event;

	begin(&event, EVENT_KIND_synack);
	event_capture_listener(&event, sk);
	return event.max_retries;
}

static void closed_listener_is_no_fastopen_child(struct kunit *test)
{
	struct sock *listener = new_listener(test);
	u8 open = max_retries_of(listener);

	listener->sk_state = TCP_CLOSE;
	KUNIT_EXPECT_EQ(test, max_retries_of(listener), open);
	inet_csk(listener)->icsk_syn_retries = 3;
	KUNIT_EXPECT_EQ(test, max_retries_of(listener), 3);
}

/* A sysctl is a whole namespace's, so the namespace is the test's own. */
static void fastopen_child_waits_once_more(struct kunit *test)
{
	struct net *net = kunit_kzalloc(test, sizeof(*net), GFP_KERNEL);
	struct tcp_sock *child = new_sock(test);
	struct sock *sk = (struct sock *)child;

	KUNIT_ASSERT_NOT_NULL(test, net);
	sock_net_set(sk, net);
	rcu_assign_pointer(child->fastopen_rsk, new_request(test));
	net->ipv4.sysctl_tcp_synack_retries = 5;
	KUNIT_EXPECT_EQ(test, max_retries_of(sk), 6);
	net->ipv4.sysctl_tcp_synack_retries = 255;
	KUNIT_EXPECT_EQ(test, max_retries_of(sk), 255);
	inet_csk(sk)->icsk_syn_retries = 3;
	KUNIT_EXPECT_EQ(test, max_retries_of(sk), 3);
}

/* reqsk_timer_handler() gives old requests up sooner when they crowd the queue. */
static void crowded_queue_is_less_patient(struct kunit *test)
{
	struct sock *listener = new_listener(test);
	struct request_sock_queue *queue = &inet_csk(listener)->icsk_accept_queue;
	struct request_sock *req = new_request(test);

	listener->sk_max_ack_backlog = 16;
	inet_csk(listener)->icsk_syn_retries = 5;

	atomic_set(&queue->qlen, 8);		/* half full: patient */
	KUNIT_EXPECT_EQ(test, capture_request(listener, req).max_retries, 5);
	atomic_set(&queue->qlen, 12);
	atomic_set(&queue->young, 12);		/* crowded by young ones: patient */
	KUNIT_EXPECT_EQ(test, capture_request(listener, req).max_retries, 5);
	atomic_set(&queue->young, 3);		/* 6, 12 young ones would do */
	KUNIT_EXPECT_EQ(test, capture_request(listener, req).max_retries, 3);
	atomic_set(&queue->young, 0);
	KUNIT_EXPECT_EQ(test, capture_request(listener, req).max_retries, 2);
}

struct since_case {
	const char *name;
	u64 first_us;	/* the event is at 100 s */
	u64 since_us;
};

static const struct since_case since_cases[] = {
	{ "three seconds ago", 97 * USEC_PER_SEC, 3 * USEC_PER_SEC },
	{ "a microsecond ago", 100 * USEC_PER_SEC - 1, 1 },
	{ "this moment", 100 * USEC_PER_SEC, 0 },
	{ "stamped after the event began", 100 * USEC_PER_SEC + 1, 0 },
	{ "not stamped", 0, 0 },
};

KUNIT_ARRAY_PARAM_DESC(since, since_cases, name);

static void synack_counts_from_the_first(struct kunit *test)
{
	const struct since_case *since = test->param_value;
	struct request_sock *req = new_request(test);

	tcp_rsk(req)->snt_synack = since->first_us;
	KUNIT_EXPECT_EQ(test,
			capture_request(new_listener(test), req).since_synack_us,
			since->since_us);
}

static void listener_is_named(struct kunit *test)
{
	struct sock *listener = new_listener(test);
	struct tcp_event event;

	atomic64_set(&listener->sk_cookie, 0x1234);
	event = capture_request(listener, new_request(test));
	KUNIT_EXPECT_EQ(test, event.listener, 0x1234);
	KUNIT_EXPECT_EQ(test, event.syn_backlog,
			init_net.ipv4.sysctl_max_syn_backlog);
}

static void request_without_a_listener(struct kunit *test)
{
	struct request_sock *req = new_request(test);
	struct tcp_event event;

	req->num_timeout = 3;
	begin(&event, EVENT_KIND_request_end);
	event_capture_request(&event, NULL, req);
	KUNIT_EXPECT_EQ(test, event.listener, 0);
	KUNIT_EXPECT_EQ(test, event.num_timeout, 3);
	KUNIT_EXPECT_EQ(test, event.snd_isn, SERVER_ISN);
}

/* It is gone in a moment: an id would lead nowhere. */
static void cookies_request_gets_no_id(struct kunit *test)
{
	struct request_sock *req = new_request(test);
	struct tcp_event event;

	begin(&event, EVENT_KIND_synack);
	event_capture_cookie_request(&event, new_listener(test), req);
	KUNIT_EXPECT_EQ(test, event.cookie, 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&inet_rsk(req)->ir_cookie), 0);
	KUNIT_EXPECT_EQ(test, event.snd_isn, SERVER_ISN);
	KUNIT_EXPECT_NE(test, event.listener, 0);
	expect_ipv4(test, &event.remote_addr, CLIENT_IPV4);
}

/* With Fast Open the child owns the request, and its timer does the work. */
static void fast_open_child_is_no_listener(struct kunit *test)
{
	struct tcp_sock *child = new_sock(test);
	struct sock *sk = (struct sock *)child;
	struct request_sock *req = new_request(test);
	struct tcp_event event;

	sk->sk_state = TCP_SYN_RECV;
	sk->sk_max_ack_backlog = 128;
	timer_setup(&child->inet_conn.icsk_retransmit_timer, never_fires, 0);
	make_pending(test, &req->rsk_timer);
	event = capture_request(sk, req);
	KUNIT_EXPECT_EQ(test, event.by_timer, 1);
	KUNIT_EXPECT_EQ(test, event.accept_limit, 0);

	make_pending(test, &child->inet_conn.icsk_retransmit_timer);
	KUNIT_EXPECT_EQ(test, capture_request(sk, req).by_timer, 0);
}

/* ---- segments ------------------------------------------------------------ */

#define OPTION_BYTES	12

/* A segment whose data begins with the TCP header, as tcp_v4_rcv() leaves it. */
static struct sk_buff *new_segment(struct kunit *test, unsigned int payload)
{
	unsigned int bytes = sizeof(struct tcphdr) + OPTION_BYTES + payload;
	struct sk_buff *skb = kunit_zalloc_skb(test, bytes, GFP_KERNEL);
	struct tcphdr *th;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb_put(skb, bytes);
	skb_reset_transport_header(skb);
	th = tcp_hdr(skb);
	th->source = htons(CLIENT_PORT);
	th->dest = htons(SERVER_PORT);
	th->seq = htonl(2712239079U);
	th->ack_seq = htonl(1288781509U);
	th->window = htons(511);
	th->doff = (sizeof(*th) + OPTION_BYTES) / 4;
	return skb;
}

static void received_segment_is_captured(struct kunit *test)
{
	struct sk_buff *skb = new_segment(test, 960);
	struct tcp_event event;

	tcp_hdr(skb)->ack = 1;
	tcp_hdr(skb)->psh = 1;
	begin(&event, EVENT_KIND_ack);
	event_capture_received(&event, skb);
	KUNIT_EXPECT_EQ(test, event.seg_seq, 2712239079U);
	KUNIT_EXPECT_EQ(test, event.seg_ack, 1288781509U);
	KUNIT_EXPECT_EQ(test, event.seg_len, 960);
	KUNIT_EXPECT_EQ(test, event.seg_window, 511);
	KUNIT_EXPECT_EQ(test, event.seg_flags, TCPHDR_ACK | TCPHDR_PSH);
}

static void received_segment_without_payload(struct kunit *test)
{
	struct tcp_event event;

	begin(&event, EVENT_KIND_ack);
	event_capture_received(&event, new_segment(test, 0));
	KUNIT_EXPECT_EQ(test, event.seg_len, 0);
}

/* All 256 flag bytes come through as they are. */
static void received_flags_are_the_headers_byte(struct kunit *test)
{
	struct sk_buff *skb = new_segment(test, 0);
	struct tcp_event event;
	unsigned int flags;

	for (flags = 0; flags <= U8_MAX; flags++) {
		((u8 *)tcp_hdr(skb))[13] = flags;
		begin(&event, EVENT_KIND_ack);
		event_capture_received(&event, skb);
		KUNIT_EXPECT_EQ(test, event.seg_flags, flags);
	}
}

struct sent_case {
	const char *name;
	u32 seq;
	u32 end_seq;	/* SYN and FIN take one number each */
	u8 flags;
	u32 length;
};

static const struct sent_case sent_cases[] = {
	{ "960 bytes", 2712239079U, 2712240039U, TCPHDR_ACK, 960 },
	{ "a SYN", CLIENT_ISN, CLIENT_ISN + 1, TCPHDR_SYN, 0 },
	{ "a FIN", 1288781777U, 1288781778U, TCPHDR_FIN | TCPHDR_ACK, 0 },
	{ "data and FIN", 1288781700U, 1288781778U, TCPHDR_FIN | TCPHDR_ACK,
	  77 },
	{ "Fast Open's SYN with data", CLIENT_ISN, CLIENT_ISN + 9, TCPHDR_SYN,
	  8 },
	{ "SYN, data and FIN", CLIENT_ISN, CLIENT_ISN + 10,
	  TCPHDR_SYN | TCPHDR_FIN, 8 },
	{ "data across the wrap", 4294966296U, 448, TCPHDR_ACK | TCPHDR_PSH,
	  1448 },
	{ "a FIN that is the last number", U32_MAX, 0, TCPHDR_FIN, 0 },
};

KUNIT_ARRAY_PARAM_DESC(sent, sent_cases, name);

static void sent_segment_is_captured(struct kunit *test)
{
	const struct sent_case *sent = test->param_value;
	struct sk_buff *skb = kunit_zalloc_skb(test, 64, GFP_KERNEL);
	struct tcp_event event;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	TCP_SKB_CB(skb)->seq = sent->seq;
	TCP_SKB_CB(skb)->end_seq = sent->end_seq;
	TCP_SKB_CB(skb)->tcp_flags = sent->flags;
	begin(&event, EVENT_KIND_retransmit);
	event.rcv_nxt = 1288781509U;
	event_capture_sent(&event, skb);
	KUNIT_EXPECT_EQ(test, event.seg_seq, sent->seq);
	KUNIT_EXPECT_EQ(test, event.seg_ack, 1288781509U);
	KUNIT_EXPECT_EQ(test, event.seg_len, sent->length);
	KUNIT_EXPECT_EQ(test, event.seg_flags, sent->flags);
}

/**
 * struct cause_case - a socket's marks, and what they say of a retransmission
 * @name: for the report
 * @flags: TCP flags of the segment
 * @pending: icsk_pending
 * @ca_state: of the socket
 * @snd_wnd: of the socket
 * @cause: an enum event_retransmit_cause
 * @due: the timer has fired
 * @last: nothing was sent after the segment
 */
struct cause_case {
	const char *name;
	u8 flags;
	u8 pending;
	u8 ca_state;
	u32 snd_wnd;
	u8 cause;
	bool due;
	bool last;
};

#define CAUSE(cause)	EVENT_retransmit_cause_##cause

static const struct cause_case cause_cases[] = {
	{ "the timer, and CA went to Loss", TCPHDR_ACK, 0, TCP_CA_Loss, 1000,
	  CAUSE(rto) },
	{ "the timer, Recovery before", TCPHDR_ACK, 0, TCP_CA_Recovery, 1000,
	  CAUSE(rto) },
	{ "the timer, no window", TCPHDR_ACK, 0, TCP_CA_Loss, 0,
	  CAUSE(zero_window) },
	{ "a SYN", TCPHDR_SYN, 0, TCP_CA_Loss, 0, CAUSE(syn) },
	{ "Recovery", TCPHDR_ACK, ICSK_TIME_RETRANS, TCP_CA_Recovery, 1000,
	  CAUSE(fast_retransmit) },
	{ "Recovery by RACK's timer", TCPHDR_ACK, ICSK_TIME_REO_TIMEOUT,
	  TCP_CA_Recovery, 1000, CAUSE(fast_retransmit) },
	{ "Recovery, a probe was planned", TCPHDR_ACK, ICSK_TIME_LOSS_PROBE,
	  TCP_CA_Recovery, 1000, CAUSE(fast_retransmit), .last = true },
	{ "Recovery, a probe is due", TCPHDR_ACK, ICSK_TIME_LOSS_PROBE,
	  TCP_CA_Recovery, 1000, CAUSE(fast_retransmit), .due = true },
	{ "a probe in Recovery", TCPHDR_ACK, ICSK_TIME_LOSS_PROBE,
	  TCP_CA_Recovery, 1000, CAUSE(tail_loss_probe), .due = true,
	  .last = true },
	{ "RACK's timer, the last segment", TCPHDR_ACK, ICSK_TIME_REO_TIMEOUT,
	  TCP_CA_Recovery, 1000, CAUSE(fast_retransmit), .due = true,
	  .last = true },
	{ "ACKs in Loss", TCPHDR_ACK, ICSK_TIME_RETRANS, TCP_CA_Loss, 1000,
	  CAUSE(loss_recovery) },
	{ "a probe in Open", TCPHDR_ACK, ICSK_TIME_LOSS_PROBE, TCP_CA_Open,
	  1000, CAUSE(tail_loss_probe) },
	{ "a probe in Disorder", TCPHDR_ACK, ICSK_TIME_LOSS_PROBE,
	  TCP_CA_Disorder, 1000, CAUSE(tail_loss_probe) },
	{ "nothing that we know", TCPHDR_ACK, ICSK_TIME_RETRANS, TCP_CA_Open,
	  1000, CAUSE(unknown) },
};

KUNIT_ARRAY_PARAM_DESC(cause, cause_cases, name);

static void cause_of_a_retransmission(struct kunit *test)
{
	const struct cause_case *cause = test->param_value;
	struct tcp_sock *tp = new_sock(test);
	struct sock *sk = (struct sock *)tp;
	struct sk_buff *skb = new_segment(test, 8);
	struct tcp_event event;

	memset(TCP_SKB_CB(skb), 0, sizeof(*TCP_SKB_CB(skb)));
	TCP_SKB_CB(skb)->tcp_flags = cause->flags;
	tcp_skb_pcount_set(skb, 3);
	tp->total_retrans = 7;
	tp->snd_wnd = cause->snd_wnd;
	inet_csk(sk)->icsk_pending = cause->pending;
	inet_csk(sk)->icsk_ca_state = cause->ca_state;
	inet_csk(sk)->icsk_timeout = jiffies + (cause->due ? 0 : HZ);
	tp->snd_nxt = cause->last ? 0 : 1448;
	begin(&event, EVENT_KIND_retransmit);
	event_capture_retransmit(&event, sk, skb);
	KUNIT_EXPECT_EQ(test, event.retransmit_cause, cause->cause);
	KUNIT_EXPECT_EQ(test, event.retransmit_segs, 3);
	KUNIT_EXPECT_EQ(test, event.total_retrans, 7);
}

/* ---- segments without a socket ------------------------------------------- */

/* A SYN from the client with its IP header in front of the data. */
static struct sk_buff *new_packet(struct kunit *test, unsigned int ip_header)
{
	unsigned int bytes = ip_header + sizeof(struct tcphdr);
	struct sk_buff *skb = kunit_zalloc_skb(test, bytes, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb_put(skb, bytes);
	skb_reset_network_header(skb);
	skb_pull(skb, ip_header);
	skb_reset_transport_header(skb);
	tcp_hdr(skb)->source = htons(CLIENT_PORT);
	tcp_hdr(skb)->dest = htons(SERVER_PORT);
	tcp_hdr(skb)->doff = sizeof(struct tcphdr) / 4;
	return skb;
}

static struct sk_buff *new_ipv4_packet(struct kunit *test)
{
	struct sk_buff *skb = new_packet(test, sizeof(struct iphdr));

	skb->protocol = htons(ETH_P_IP);
	ip_hdr(skb)->saddr = htonl(CLIENT_IPV4);
	ip_hdr(skb)->daddr = htonl(SERVER_IPV4);
	return skb;
}

static struct tcp_event capture_sockless(const struct sk_buff *skb)
{
	struct tcp_event event;

	begin(&event, EVENT_KIND_reset_sent);
	event_capture_sockless(&event, skb);
	return event;
}

/* Local is who was asked, remote who asked. */
static void sockless_ipv4_segment_is_captured(struct kunit *test)
{
	struct tcp_event event = capture_sockless(new_ipv4_packet(test));

	KUNIT_EXPECT_EQ(test, event.family, 4);
	expect_ipv4(test, &event.local_addr, SERVER_IPV4);
	expect_ipv4(test, &event.remote_addr, CLIENT_IPV4);
	KUNIT_EXPECT_EQ(test, event.local_port, SERVER_PORT);
	KUNIT_EXPECT_EQ(test, event.remote_port, CLIENT_PORT);
	KUNIT_EXPECT_EQ(test, event.state, TCP_CLOSE);
	KUNIT_EXPECT_EQ(test, event.cookie, 0);
}

static void sockless_ipv6_segment_is_captured(struct kunit *test)
{
	struct sk_buff *skb = new_packet(test, sizeof(struct ipv6hdr));
	struct tcp_event event;

	skb->protocol = htons(ETH_P_IPV6);
	ipv6_hdr(skb)->saddr = client_ipv6;
	ipv6_hdr(skb)->daddr = server_ipv6;
	event = capture_sockless(skb);
	KUNIT_EXPECT_EQ(test, event.family, 6);
	expect_address(test, &event.local_addr, &server_ipv6);
	expect_address(test, &event.remote_addr, &client_ipv6);
	KUNIT_EXPECT_EQ(test, event.local_port, SERVER_PORT);
	KUNIT_EXPECT_EQ(test, event.remote_port, CLIENT_PORT);
	KUNIT_EXPECT_EQ(test, event.state, TCP_CLOSE);
}

/* By its device, by its route if it has no device, or not at all. */
static void sockless_segments_namespace_is_found(struct kunit *test)
{
	struct sk_buff *skb = new_ipv4_packet(test);
	struct dst_entry *dst = kunit_kzalloc(test, sizeof(*dst), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, dst);
	KUNIT_EXPECT_EQ(test, capture_sockless(skb).netns, 0);

	skb->dev = init_net.loopback_dev;
	KUNIT_EXPECT_EQ(test, capture_sockless(skb).netns, init_net.ns.inum);
	skb->dev = NULL;

	dst->dev = init_net.loopback_dev;
	skb_dst_set(skb, dst);
	KUNIT_EXPECT_EQ(test, capture_sockless(skb).netns, init_net.ns.inum);
	skb->_skb_refdst = 0;	/* it is not the routing table's: no release */
}

/* ---- no old bytes, no stranger's bytes ----------------------------------- */

/* As the probes put the captures together, kind by kind. */
static void capture_as_kind(struct kunit *test, struct tcp_event *event,
			    const struct sock *sk, const struct sock *listener,
			    const struct request_sock *req)
{
	switch (event->kind) {
	case EVENT_KIND_synack_retransmit:
		event_capture_synack_retransmit(event, listener, req);
		break;
	case EVENT_KIND_ack:
		event_capture_sock(event, sk);
		event_capture_received(event, new_segment(test, 8));
		break;
	case EVENT_KIND_retransmit:
		event_capture_sock(event, sk);
		event_capture_retransmit(event, sk, new_segment(test, 8));
		break;
	case EVENT_KIND_request:
	case EVENT_KIND_request_end:
		event_capture_request(event, listener, req);
		break;
	case EVENT_KIND_synack:
		event_capture_cookie_request(event, listener, req);
		event_capture_synack(event);
		break;
	case EVENT_KIND_completed:
		event_capture_sock(event, sk);
		event_capture_synack_counts(event, req);
		event_capture_listener(event, listener);
		break;
	case EVENT_KIND_syn:
	case EVENT_KIND_refused:
		event_capture_sockless(event, new_ipv4_packet(test));
		event_capture_listener(event, listener);
		break;
	case EVENT_KIND_reset_sent:
		event_capture_sockless(event, new_ipv4_packet(test));
		break;
	case EVENT_KIND_destroy:
		event_capture_sock(event, sk);
		event_capture_totals(event, sk);
		break;
	default:
		event_capture_sock(event, sk);
		break;
	}
}

static void mark_described(bool *described, unsigned int kind)
{
	unsigned int i, j;

	for (i = 0; i < event_field_groups_count; i++) {
		const struct event_field_group *group = &event_field_groups[i];

		if (group->kind != EVENT_KIND_NONE && group->kind != kind)
			continue;
		for (j = 0; j < group->count; j++)
			memset(described + group->fields[j].offset, true,
			       group->fields[j].size);
	}
}

/* Bytes that none of the record's fields describes, and that are not zero. */
static unsigned int stray_bytes(const struct tcp_event *event)
{
	bool described[sizeof(*event)] = {};
	unsigned int i, strays = 0;

	mark_described(described, event->kind);
	for (i = 0; i < sizeof(*event); i++)
		strays += !described[i] && ((const u8 *)event)[i];
	return strays;
}

/* Sockets with every bit set: whatever is copied too far would show. */
static struct sock *new_full_of_ones(struct kunit *test, u8 state)
{
	struct tcp_sock *tp = new_sock(test);
	struct sock *sk = (struct sock *)tp;

	memset(tp, 0xff, sizeof(*tp));
	sock_net_set(sk, &init_net);
	sk->sk_family = AF_INET6;
	sk->sk_state = state;
	return sk;
}

static void only_described_bytes_are_written(struct kunit *test)
{
	unsigned int kind = *(const unsigned int *)test->param_value;
	struct sock *listener = new_full_of_ones(test, TCP_LISTEN);
	struct sock *sk = new_full_of_ones(test, TCP_ESTABLISHED);
	struct request_sock *req = new_request(test);
	struct tcp_event event;

	begin(&event, kind);
	capture_as_kind(test, &event, sk, listener, req);
	KUNIT_EXPECT_EQ(test, stray_bytes(&event), 0);
}

/* What is in the slot from before must make no difference. */
static void capture_depends_on_nothing_in_the_slot(struct kunit *test)
{
	unsigned int kind = *(const unsigned int *)test->param_value;
	struct sock *sk = (struct sock *)new_sock(test);
	struct sock *listener = new_listener(test);
	struct request_sock *req = new_request(test);
	struct tcp_event first, second;

	begin(&first, kind);
	memset(&second, ~OLD_BYTES, sizeof(second));
	memset_startat(&second, 0, cookie);
	second.kind = kind;
	first.serial = second.serial;
	first.time_ns = second.time_ns;
	capture_as_kind(test, &first, sk, listener, req);
	capture_as_kind(test, &second, sk, listener, req);
	KUNIT_EXPECT_MEMEQ(test, &first, &second, sizeof(first));
}

/* The recorder's own part: a slot full of old bytes comes out cleared. */
static void event_begins_cleared(struct kunit *test)
{
	struct tcp_event *event, begun = {}, expected = {};

	KUNIT_ASSERT_EQ(test, 0,
			set_cpus_allowed_ptr(current,
					     cpumask_of(raw_smp_processor_id())));
	fill_with_old_bytes(event_recorder_ring());
	event = event_begin(EVENT_KIND_ack);
	KUNIT_ASSERT_NOT_NULL(test, event);
	begun = *event;
	expected.cpu = smp_processor_id();
	event_end(event);

	expected.serial = begun.serial;
	expected.time_ns = begun.time_ns;
	expected.kind = EVENT_KIND_ack;
	KUNIT_EXPECT_NE(test, begun.time_ns, 0);
	KUNIT_EXPECT_MEMEQ(test, &begun, &expected, sizeof(begun));
}

static struct kunit_case event_capture_cases[] = {
	KUNIT_CASE(ipv4_socket_is_told_by_its_addresses),
	KUNIT_CASE(ipv6_socket_is_told_by_its_addresses),
	KUNIT_CASE(mapped_socket_is_ipv4_on_the_wire),
	KUNIT_CASE(listener_for_any_address),
	KUNIT_CASE(local_port_is_kept_to_the_end),
	KUNIT_CASE(cookie_is_made_once_and_kept),
	KUNIT_CASE(cookie_of_64_bits_is_kept_whole),
	KUNIT_CASE(newborn_shows_the_listeners_cookie),

	KUNIT_CASE_PARAM(isns_are_recovered_from_counters, numbers_gen_params),
	KUNIT_CASE(disconnected_sock_has_no_numbers),
	KUNIT_CASE(numbers_can_be_taken_back),

	KUNIT_CASE(congestion_state_is_captured),
	KUNIT_CASE(no_rtt_sample_is_no_minimum),
	KUNIT_CASE(windows_are_captured_scaled),
	KUNIT_CASE_PARAM(counts_stop_at_65535, saturation_gen_params),
	KUNIT_CASE(sock_flags_come_one_by_one),
	KUNIT_CASE(totals_are_captured),
	KUNIT_CASE(who_has_the_socket_is_captured),
	KUNIT_CASE(who_only_receives_is_nobody),
	KUNIT_CASE(who_is_interrupted_is_nobody),
	KUNIT_CASE(timewait_is_captured_as_what_it_is),
	KUNIT_CASE(fin_wait_2_of_a_timewait_sock_is_named),

	KUNIT_CASE(request_is_captured_as_half_open),
	KUNIT_CASE(ipv6_request_is_told_by_its_addresses),
	KUNIT_CASE(request_flags_come_one_by_one),
	KUNIT_CASE_PARAM(synack_begins_its_wait, synack_gen_params),
	KUNIT_CASE(synack_is_a_segment),
	KUNIT_CASE(synack_tells_of_the_queues),
	KUNIT_CASE(synack_tells_when_it_is_given_up),
	KUNIT_CASE(closed_listener_is_no_fastopen_child),
	KUNIT_CASE(fastopen_child_waits_once_more),
	KUNIT_CASE(crowded_queue_is_less_patient),
	KUNIT_CASE_PARAM(synack_counts_from_the_first, since_gen_params),
	KUNIT_CASE(listener_is_named),
	KUNIT_CASE(request_without_a_listener),
	KUNIT_CASE(cookies_request_gets_no_id),
	KUNIT_CASE(fast_open_child_is_no_listener),

	KUNIT_CASE(received_segment_is_captured),
	KUNIT_CASE(received_segment_without_payload),
	KUNIT_CASE(received_flags_are_the_headers_byte),
	KUNIT_CASE_PARAM(sent_segment_is_captured, sent_gen_params),
	KUNIT_CASE_PARAM(cause_of_a_retransmission, cause_gen_params),
	KUNIT_CASE(sockless_ipv4_segment_is_captured),
	KUNIT_CASE(sockless_ipv6_segment_is_captured),
	KUNIT_CASE(sockless_segments_namespace_is_found),

	KUNIT_CASE_PARAM(only_described_bytes_are_written, kind_gen_params),
	KUNIT_CASE_PARAM(capture_depends_on_nothing_in_the_slot,
			 kind_gen_params),
	KUNIT_CASE(event_begins_cleared),
	{}
};

static struct kunit_suite event_capture_suite = {
	.name = "renoscope_event_capture",
	.test_cases = event_capture_cases,
};

kunit_test_suite(event_capture_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: kernel objects into records");
MODULE_LICENSE("GPL");
