// SPDX-License-Identifier: GPL-2.0
/*
 * Which connections: the filter's text, and its yes or no.
 *
 * The parser is given tables of good and bad texts, and thousands made by chance
 * from pieces of its grammar and from any bytes. None may hurt it (KASAN watches;
 * each text lies in memory of exactly its length), a refused one must name a word
 * of its own, and an accepted one must print as a text that compiles to the same.
 * Matching is compared with the plainest reading of the rules, on sockets of all
 * sorts as the kernel leaves them.
 */
#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/in6.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <net/inet_timewait_sock.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/request_sock.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "event_filter.h"
#include "event_schema.h"
#include "parameter_refusal.h"

#define CLIENT_PORT	40000
#define SERVER_PORT	5000
#define CLIENT_IPV4	0x0a000001	/* 10.0.0.1 */
#define SERVER_IPV4	0x0a000002
#define COOKIE		0x1003

/* ---- text in, text out --------------------------------------------------- */

static struct event_filter *new_filter(struct kunit *test)
{
	struct event_filter *filter = kunit_kzalloc(test, sizeof(*filter),
						    GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, filter);
	return filter;
}

static struct event_filter *compiled(struct kunit *test, const char *text)
{
	struct event_filter *filter = new_filter(test);
	struct word_complaint complaint;

	KUNIT_ASSERT_EQ_MSG(test, 0,
			    event_filter_parse(filter, text, &complaint),
			    "'%s' is refused", text);
	return filter;
}

struct good_case {
	const char *text;
	const char *printed;
	unsigned int terms;
};

static const struct good_case good_cases[] = {
	{ "", "none", 0 },
	{ "\n", "none", 0 },
	{ " \t\n ", "none", 0 },
	{ "none", "none", 0 },
	{ " none\n", "none", 0 },
	{ "port=1", "port=1", 1 },
	{ "port=65535\n", "port=65535", 1 },
	{ "port=005000", "port=5000", 1 },
	{ "port=5000,443", "port=5000,443", 2 },
	{ "port=5000 port=443", "port=5000,443", 2 },
	{ "PORT=5000", "port=5000", 1 },
	{ "port!=22,23", "port!=22,23", 2 },
	{ "port=5000 port!=22", "port=5000 port!=22", 2 },
	{ "rport=1 lport=2 port=3", "port=3 lport=2 rport=1", 3 },
	{ "addr=10.0.0.0/8", "addr=10.0.0.0/8", 1 },
	{ "addr=10.1.2.3/8", "addr=10.0.0.0/8", 1 },
	{ "addr=10.1.2.3", "addr=10.1.2.3", 1 },
	{ "addr=10.1.2.3/32", "addr=10.1.2.3", 1 },
	{ "addr=10.1.2.3/0", "addr=0.0.0.0/0", 1 },
	{ "addr=255.255.255.255/31", "addr=255.255.255.254/31", 1 },
	{ "laddr=2001:db8::1", "laddr=2001:db8::1", 1 },
	{ "laddr=2001:db8:ffff::/33", "laddr=2001:db8:8000::/33", 1 },
	{ "raddr=::/0", "raddr=::/0", 1 },
	{ "raddr=::1/128", "raddr=::1", 1 },
	{ "raddr=::ffff:10.0.0.1", "raddr=10.0.0.1", 1 },
	{ "raddr=::ffff:10.0.0.1/104", "raddr=10.0.0.0/8", 1 },
	{ "addr!=fe80::/10,10.0.0.0/8", "addr!=fe80::/10,10.0.0.0/8", 2 },
	{ "netns=4026531840", "netns=4026531840", 1 },
	{ "netns=4294967295", "netns=4294967295", 1 },
	{ "state=ESTABLISHED,SYN-SENT", "state=ESTABLISHED,SYN-SENT", 2 },
	{ "state=fin-wait-1", "state=FIN-WAIT-1", 1 },
	{ "cookie=1003", "cookie=1003", 1 },
	{ "cookie=sk:1F", "cookie=1f", 1 },
	{ "cookie=ffffffffffffffff", "cookie=ffffffffffffffff", 1 },
	{ "port=5000,443 addr=10.0.0.0/8 netns=4026531840 state=ESTABLISHED,SYN-SENT",
	  "port=5000,443 addr=10.0.0.0/8 netns=4026531840 state=ESTABLISHED,SYN-SENT",
	  6 },
};

static void describe_good(const struct good_case *good, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "'%*pE'",
		 (int)strlen(good->text), good->text);
}

KUNIT_ARRAY_PARAM(good, good_cases, describe_good);

static void good_text_is_compiled(struct kunit *test)
{
	const struct good_case *good = test->param_value;
	struct event_filter *filter = compiled(test, good->text);
	char printed[200];

	event_filter_print(filter, printed, sizeof(printed));
	KUNIT_EXPECT_STREQ(test, printed, good->printed);
	KUNIT_EXPECT_EQ(test, filter->count, good->terms);
	KUNIT_EXPECT_MEMEQ(test, filter, compiled(test, printed),
			   sizeof(*filter));
}

struct bad_case {
	const char *text;
	const char *word;
};

static const struct bad_case bad_cases[] = {
	{ "port", "port" },
	{ "port=", "port=" },
	{ "=5000", "=5000" },
	{ "!=5000", "!=5000" },
	{ "=", "=" },
	{ "5000", "5000" },
	{ "port:5000", "port:5000" },
	{ "ports=5000", "ports=5000" },
	{ "por=5000", "por=5000" },
	{ "port =5000", "port" },
	{ "port= 5000", "port=" },
	{ "port!5000", "port!5000" },
	{ "port!!=5000", "port!!=5000" },
	{ "port==5000", "=5000" },
	{ "port=0", "0" },
	{ "port=65536", "65536" },
	{ "port=18446744073709551616", "18446744073709551616" },
	{ "port=18446744073709556616", "18446744073709556616" },
	{ "port=-1", "-1" },
	{ "port=+5", "+5" },
	{ "port=0x50", "0x50" },
	{ "port=a", "a" },
	{ "port=50a", "50a" },
	{ "port=!22", "!22" },
	{ "port=1,", "port=1," },
	{ "port=,1", "port=,1" },
	{ "port=1,,2", "port=1,,2" },
	{ "port=1;2", "1;2" },
	{ "lport=1 rport=x addr=10.0.0.1", "x" },
	{ "addr=10.0.0", "10.0.0" },
	{ "addr=10.0.0.0.0", "10.0.0.0.0" },
	{ "addr=10.0.0.256", "10.0.0.256" },
	{ "addr=10.0.0.1:5000", "10.0.0.1:5000" },
	{ "addr=1.2.3.4x", "1.2.3.4x" },
	{ "addr=010.0.0.1", "010.0.0.1" },
	{ "addr=::0725d", "::0725d" },
	{ "addr=10.0.0.00/8", "10.0.0.00/8" },
	{ "addr=::ffff:1.02.3.4", "::ffff:1.02.3.4" },
	{ "raddr=::ffff:10.0.0.1:80", "::ffff:10.0.0.1:80" },
	{ "addr=::1%lo", "::1%lo" },
	{ "addr=10.0.0.0/", "10.0.0.0/" },
	{ "addr=10.0.0.0/33", "10.0.0.0/33" },
	{ "addr=10.0.0.0/-1", "10.0.0.0/-1" },
	{ "addr=10.0.0.0/8/8", "10.0.0.0/8/8" },
	{ "addr=/8", "/8" },
	{ "addr=2001:db8::/129", "2001:db8::/129" },
	{ "addr=2001:db8:::1", "2001:db8:::1" },
	{ "addr=[::1]", "[::1]" },
	{ "addr=localhost", "localhost" },
	{ "netns=0", "0" },
	{ "netns=4294967296", "4294967296" },
	{ "netns=net:[4026531840]", "net:[4026531840]" },
	{ "state=", "state=" },
	{ "state=OPEN", "OPEN" },
	{ "state=ESTABLISHED,OPEN", "OPEN" },
	{ "state=ESTAB", "ESTAB" },
	{ "state=1", "1" },
	{ "state=unknown", "unknown" },
	{ "cookie=0", "0" },
	{ "cookie=sk:", "sk:" },
	{ "cookie=0x10", "0x10" },
	{ "cookie=1ffffffffffffffff", "1ffffffffffffffff" },
	{ "none port=1", "none" },
	{ "port=1 none", "none" },
	{ "none none", "none" },
	{ "port=1\x80", "1\x80" },
};

static void describe_bad(const struct bad_case *bad, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "'%*pE'",
		 (int)strlen(bad->text), bad->text);
}

KUNIT_ARRAY_PARAM(bad, bad_cases, describe_bad);

static void bad_text_is_refused_by_its_word(struct kunit *test)
{
	const struct bad_case *bad = test->param_value;
	struct word_complaint complaint = {};

	KUNIT_ASSERT_EQ(test, -EINVAL,
			event_filter_parse(new_filter(test), bad->text,
					   &complaint));
	KUNIT_ASSERT_NOT_NULL(test, complaint.word);
	KUNIT_EXPECT_EQ(test, complaint.length, strlen(bad->word));
	KUNIT_EXPECT_MEMEQ(test, complaint.word, bad->word, strlen(bad->word));
	KUNIT_EXPECT_NOT_NULL(test, complaint.allowed);
}

/* The longest values there are, as many as there may be; and one more. */
static char *longest_text(struct kunit *test, unsigned int values)
{
	char *text = kunit_kzalloc(test, 2 * PAGE_SIZE, GFP_KERNEL);
	unsigned int length, i;

	KUNIT_ASSERT_NOT_NULL(test, text);
	length = sprintf(text, "laddr!=");
	for (i = 0; i < values; i++)
		length += sprintf(text + length,
				  "%s1111:2222:3333:4444:5555:6666:7777:%x/127",
				  i ? "," : "", 0x8888 + 2 * i);
	return text;
}

static void longest_filter_prints_on_a_page(struct kunit *test)
{
	char *text = longest_text(test, FILTER_TERMS_MAX);
	struct event_filter *filter = compiled(test, text);
	char *printed = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, printed);
	event_filter_print(filter, printed, PAGE_SIZE);
	KUNIT_EXPECT_STREQ(test, printed, text);
}

static void one_value_too_many_is_refused(struct kunit *test)
{
	char *text = longest_text(test, FILTER_TERMS_MAX + 1);
	struct word_complaint complaint;

	KUNIT_ASSERT_EQ(test, -EINVAL,
			event_filter_parse(new_filter(test), text, &complaint));
	KUNIT_EXPECT_STREQ(test, complaint.word, strrchr(text, ',') + 1);
}

/* ---- fuzz ---------------------------------------------------------------- */

#define FUZZ_ROUNDS	20000
#define FUZZ_TEXT_MAX	6000

static const char * const fragments[] = {
	"port", "lport", "rport", "addr", "laddr", "raddr", "netns", "state",
	"cookie", "=", "=", "=", "!=", ",", ",", " ", " ", "\n", "\t", "/", ":",
	"::", ".", "none", "0", "1", "5000", "65535", "65536", "10.0.0.0",
	"10.0.0.1/8", "/32", "/33", "/128", "/129", "2001:db8::1", "fe80::/10",
	"::ffff:10.0.0.1", "::", "ESTABLISHED", "SYN-SENT", "TIME-WAIT", "sk:",
	"ffffffffffffffff", "18446744073709551616", "-", "+", "!", "sk:1f",
	"port=5000", "addr=10.0.0.0/8", "state=LISTEN", "netns=4026531840",
	"cookie=1", "port=1,2,3,4,5,6,7,8",
};

/* Pieces of the grammar, sometimes any byte, NULs too. */
static size_t random_text(struct rnd_state *random, char *text, size_t most)
{
	size_t wanted = prandom_u32_state(random) % most;
	u32 noise = prandom_u32_state(random) % 16;
	size_t length = 0;

	while (length < wanted) {
		u32 dice = prandom_u32_state(random);
		const char *piece = fragments[(dice >> 8) %
					      ARRAY_SIZE(fragments)];

		if (dice % 16 < noise && dice % 5 == 0)
			text[length++] = dice >> 24;
		else if (length + strlen(piece) < wanted)
			length += sprintf(text + length, "%s", piece);
		else
			break;
	}
	return length;
}

/* Now and then text as a person writes it, so that whole lists are accepted. */
static size_t plausible_text(struct rnd_state *random, char *text, size_t most)
{
	size_t length = 0;

	while (length + 40 < most && prandom_u32_state(random) % 24) {
		u32 dice = prandom_u32_state(random);

		switch (dice % 5) {
		case 0:
			length += sprintf(text + length, " port%s%u",
					  dice & 256 ? "=" : "!=",
					  dice >> 16 ?: 1);
			break;
		case 1:
			length += sprintf(text + length, " %saddr=%pI4/%u",
					  dice & 256 ? "l" : "", &dice,
					  dice % 33);
			break;
		case 2:
			length += sprintf(text + length, " raddr!=%x:%x::/%u",
					  dice >> 16, dice & 0xffff,
					  dice % 129);
			break;
		case 3:
			length += sprintf(text + length, " cookie=%x", dice);
			break;
		default:
			length += sprintf(text + length, " netns=%u", dice | 1);
		}
	}
	return length;
}

static void expect_word_within(struct kunit *test, const char *text,
			       const struct word_complaint *complaint)
{
	KUNIT_EXPECT_TRUE(test, complaint->word >= text);
	KUNIT_EXPECT_GT(test, complaint->length, 0);
	KUNIT_EXPECT_TRUE(test, complaint->word + complaint->length <=
				text + strlen(text));
}

/**
 * struct fuzz - what a fuzzing needs
 * @filter: from the text
 * @again: from the text that it prints
 * @printed: that text
 * @accepted: texts accepted so far
 */
struct fuzz {
	struct event_filter filter;
	struct event_filter again;
	char printed[PAGE_SIZE];
	unsigned int accepted;
};

static void try_text(struct kunit *test, struct fuzz *fuzz, const char *text)
{
	struct word_complaint complaint = {};
	int err = event_filter_parse(&fuzz->filter, text, &complaint);

	if (err) {
		KUNIT_EXPECT_EQ(test, err, -EINVAL);
		expect_word_within(test, text, &complaint);
		return;
	}
	fuzz->accepted += fuzz->filter.count > 0;
	KUNIT_EXPECT_LT(test,
			event_filter_print(&fuzz->filter, fuzz->printed,
					   PAGE_SIZE), PAGE_SIZE - 1);
	KUNIT_ASSERT_EQ_MSG(test, 0,
			    event_filter_parse(&fuzz->again, fuzz->printed,
					       &complaint),
			    "'%s' is refused", fuzz->printed);
	KUNIT_EXPECT_MEMEQ(test, &fuzz->filter, &fuzz->again,
			   sizeof(fuzz->filter));
}

static void any_text_is_taken_well(struct kunit *test)
{
	struct fuzz *fuzz = kunit_kzalloc(test, sizeof(*fuzz), GFP_KERNEL);
	char *scratch = kunit_kzalloc(test, FUZZ_TEXT_MAX + 1, GFP_KERNEL);
	struct rnd_state random;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, fuzz);
	KUNIT_ASSERT_NOT_NULL(test, scratch);
	prandom_seed_state(&random, 20240229);
	for (i = 0; i < FUZZ_ROUNDS; i++) {
		size_t most = i % 100 ? 60 : FUZZ_TEXT_MAX;
		size_t length;
		char *text;

		length = i % 4 ? random_text(&random, scratch, most) :
				 plausible_text(&random, scratch,
						i % 8 ? 200 : FUZZ_TEXT_MAX);
		scratch[length] = '\0';
		/* The NUL is the last byte that may be looked at. */
		text = kmemdup(scratch, length + 1, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, text);
		try_text(test, fuzz, text);
		kfree(text);
		cond_resched();
	}
	/* Both ways must have been gone, often. */
	KUNIT_EXPECT_GT(test, fuzz->accepted, FUZZ_ROUNDS / 10);
	KUNIT_EXPECT_LT(test, fuzz->accepted, FUZZ_ROUNDS / 2);
}

/* ---- sockets ------------------------------------------------------------- */

enum sock_sort {
	SORT_FULL,
	SORT_REQUEST,
	SORT_TIMEWAIT
};

static const char * const sort_names[] = { "full", "request", "timewait" };

static size_t size_of_sort(enum sock_sort sort)
{
	switch (sort) {
	case SORT_FULL:
		return sizeof(struct tcp_sock);
	case SORT_REQUEST:
		return sizeof(struct tcp_request_sock);
	default:
		return sizeof(struct tcp_timewait_sock);
	}
}

static u8 state_of_sort(enum sock_sort sort)
{
	switch (sort) {
	case SORT_FULL:
		return TCP_ESTABLISHED;
	case SORT_REQUEST:
		return TCP_NEW_SYN_RECV;
	default:
		return TCP_TIME_WAIT;
	}
}

static void set_local_port(struct sock *sk, enum sock_sort sort, u16 port)
{
	if (sort == SORT_FULL)
		inet_sk(sk)->inet_sport = htons(port);
	else if (sort == SORT_REQUEST)
		inet_rsk(inet_reqsk(sk))->ir_num = port;
	else
		inet_twsk(sk)->tw_sport = htons(port);
}

/* 10.0.0.1:40000 to 10.0.0.2:5000, in memory of exactly the sort's size. */
static struct sock *new_sock(struct kunit *test, enum sock_sort sort)
{
	struct sock *sk = kunit_kzalloc(test, size_of_sort(sort), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, sk);
	sock_net_set(sk, &init_net);
	sk->sk_family = AF_INET;
	sk->sk_state = state_of_sort(sort);
	sk->sk_rcv_saddr = htonl(CLIENT_IPV4);
	sk->sk_daddr = htonl(SERVER_IPV4);
	sk->sk_dport = htons(SERVER_PORT);
	atomic64_set(&sk->sk_cookie, COOKIE);
	set_local_port(sk, sort, CLIENT_PORT);
	if (sort == SORT_TIMEWAIT)
		inet_twsk(sk)->tw_substate = TCP_TIME_WAIT;
	return sk;
}

static void make_ipv6(struct sock *sk, const struct in6_addr *local,
		      const struct in6_addr *remote)
{
	sk->sk_family = AF_INET6;
	sk->sk_rcv_saddr = 0;
	sk->sk_daddr = 0;
	sk->sk_v6_rcv_saddr = *local;
	sk->sk_v6_daddr = *remote;
}

static bool wants(struct kunit *test, const char *text, const struct sock *sk)
{
	struct event_filter *filter = compiled(test, text);
	struct filter_subject subject;

	filter_subject_of_sock(&subject, sk, filter->addresses);
	return event_filter_matches(filter, &subject);
}

/* ---- yes or no ----------------------------------------------------------- */

struct match_case {
	const char *text;
	bool wanted;
};

/* Of any sort of socket from 10.0.0.1:40000 to 10.0.0.2:5000, its id 1003. */
static const struct match_case match_cases[] = {
	{ "", true },
	{ "port=5000", true },
	{ "port=40000", true },
	{ "port=5001", false },
	{ "port=5001,5000", true },
	{ "port=5001 port=5000", true },
	{ "port=136", false },			/* 5000 in the other order */
	{ "lport=40000", true },
	{ "lport=5000", false },
	{ "rport=5000", true },
	{ "rport=40000", false },
	{ "port!=5000", false },
	{ "port!=40000", false },
	{ "port!=22", true },
	{ "lport!=5000", true },
	{ "port=5000 port!=40000", false },
	{ "port=5000 port!=22", true },
	{ "port=40000 rport=5000", true },
	{ "port=40000 rport=5001", false },
	{ "addr=10.0.0.1", true },
	{ "addr=10.0.0.2", true },
	{ "addr=10.0.0.3", false },
	{ "laddr=10.0.0.1", true },
	{ "laddr=10.0.0.2", false },
	{ "raddr=10.0.0.2", true },
	{ "raddr=10.0.0.1", false },
	{ "addr=0.0.0.0/0", true },
	{ "addr=128.0.0.0/1", false },
	{ "addr=0.0.0.0/1", true },
	{ "addr=10.0.0.0/8", true },
	{ "addr=11.0.0.0/8", false },
	{ "raddr=10.0.0.3/31", true },
	{ "raddr=10.0.0.4/31", false },
	{ "raddr=10.0.0.3/32", false },
	{ "addr!=10.0.0.0/8", false },
	{ "addr!=10.0.0.2", false },
	{ "addr!=192.168.0.0/16", true },
	{ "addr=::/0", false },			/* that is IPv6 */
	{ "addr!=::/0", true },
	{ "addr=::ffff:10.0.0.2", true },
	{ "addr=::ffff:0.0.0.0/96", true },
	{ "cookie=1003", true },
	{ "cookie=1004", false },
	{ "cookie!=1003", false },
	{ "netns=1", false },
	{ "netns!=1", true },
	{ "state=LISTEN", false },
	{ "state!=LISTEN", true },
	{ "port=5000 addr=10.0.0.0/8 cookie=1003", true },
	{ "port=5000 addr=10.0.0.0/8 cookie=1004", false },
	{ "port=5001 addr=10.0.0.0/8 cookie=1003", false },
};

static void describe_match(const struct match_case *match, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "'%s'", match->text);
}

KUNIT_ARRAY_PARAM(match, match_cases, describe_match);

static void socket_of_any_sort_is_told_by_its_ends(struct kunit *test)
{
	const struct match_case *match = test->param_value;
	enum sock_sort sort;

	for (sort = SORT_FULL; sort <= SORT_TIMEWAIT; sort++)
		KUNIT_EXPECT_EQ_MSG(test, match->wanted,
				    wants(test, match->text,
					  new_sock(test, sort)),
				    "sort %s", sort_names[sort]);
}

/* The same wire, seen by an IPv6 socket. */
static void mapped_socket_is_ipv4(struct kunit *test)
{
	const struct match_case *match = test->param_value;
	struct in6_addr client, server;
	enum sock_sort sort;

	ipv6_addr_set_v4mapped(htonl(CLIENT_IPV4), &client);
	ipv6_addr_set_v4mapped(htonl(SERVER_IPV4), &server);
	for (sort = SORT_FULL; sort <= SORT_TIMEWAIT; sort++) {
		struct sock *sk = new_sock(test, sort);

		make_ipv6(sk, &client, &server);
		KUNIT_EXPECT_EQ_MSG(test, match->wanted,
				    wants(test, match->text, sk), "sort %s",
				    sort_names[sort]);
	}
}

/* From 2001::1 to 2001::2. */
static const struct match_case ipv6_cases[] = {
	{ "addr=2001::1", true },
	{ "addr=2001::2", true },
	{ "addr=2001::3", false },
	{ "laddr=2001::1/128", true },
	{ "laddr=2001::2/128", false },
	{ "laddr=2001::2/126", true },
	{ "raddr=2001::3/127", true },
	{ "raddr=2001::4/127", false },
	{ "addr=2001::/16", true },
	{ "addr=2000::/3", true },
	{ "addr=4000::/3", false },
	{ "addr=::/0", true },
	{ "addr=::/1", true },
	{ "addr=8000::/1", false },
	{ "addr!=::/0", false },
	{ "addr=0.0.0.0/0", false },
	{ "addr=::ffff:0.0.0.0/96", false },
	{ "addr!=10.0.0.0/8", true },
};

KUNIT_ARRAY_PARAM(ipv6, ipv6_cases, describe_match);

static void ipv6_socket_is_told_by_its_ends(struct kunit *test)
{
	static const struct in6_addr client = {{{ 0x20, 0x01, [15] = 1 }}};
	static const struct in6_addr server = {{{ 0x20, 0x01, [15] = 2 }}};
	const struct match_case *match = test->param_value;
	enum sock_sort sort;

	for (sort = SORT_FULL; sort <= SORT_TIMEWAIT; sort++) {
		struct sock *sk = new_sock(test, sort);

		make_ipv6(sk, &client, &server);
		KUNIT_EXPECT_EQ_MSG(test, match->wanted,
				    wants(test, match->text, sk), "sort %s",
				    sort_names[sort]);
	}
}

/* Each prefix length: the address with the last bit that counts turned over. */
static void prefix_counts_to_its_last_bit(struct kunit *test)
{
	static const struct in6_addr base = {{{ 0x20, 0x01, 0x0d, 0xb8, 0xa5,
		0x5a, 0xff, 0x00, 0x01, 0x80, 0x7f, 0xfe, 0x12, 0x34, 0x56,
		0x79 }}};
	unsigned int bits;
	char text[80];

	for (bits = 1; bits <= 128; bits++) {
		struct in6_addr other = base;
		struct sock *sk = new_sock(test, SORT_FULL);

		snprintf(text, sizeof(text), "raddr=%pI6c/%u", &base, bits);
		make_ipv6(sk, &in6addr_any, &base);
		KUNIT_EXPECT_TRUE(test, wants(test, text, sk));
		other.s6_addr[(bits - 1) / 8] ^= 0x80 >> (bits - 1) % 8;
		sk->sk_v6_daddr = other;
		KUNIT_EXPECT_FALSE_MSG(test, wants(test, text, sk), "%s", text);
		if (bits == 128)
			break;
		other = base;
		other.s6_addr[bits / 8] ^= 0x80 >> bits % 8;
		sk->sk_v6_daddr = other;
		KUNIT_EXPECT_TRUE_MSG(test, wants(test, text, sk), "%s", text);
	}
}

static void namespace_is_told_by_its_inode(struct kunit *test)
{
	struct sock *sk = new_sock(test, SORT_FULL);
	char text[40];

	snprintf(text, sizeof(text), "netns=%u", init_net.ns.inum);
	KUNIT_EXPECT_TRUE(test, wants(test, text, sk));
	snprintf(text, sizeof(text), "netns!=%u", init_net.ns.inum);
	KUNIT_EXPECT_FALSE(test, wants(test, text, sk));
}

/* ---- states -------------------------------------------------------------- */

static void state_is_the_one_at_the_event(struct kunit *test)
{
	struct sock *sk = new_sock(test, SORT_FULL);
	unsigned int state, other;
	char text[40];

	for (state = TCP_ESTABLISHED; state <= TCP_CLOSING; state++) {
		snprintf(text, sizeof(text), "state=%s",
			 event_state_name(state));
		for (other = TCP_ESTABLISHED; other <= TCP_CLOSING; other++) {
			if (other == TCP_TIME_WAIT)
				continue;	/* never of a full socket */
			sk->sk_state = other;
			KUNIT_EXPECT_EQ(test, state == other,
					wants(test, text, sk));
		}
	}
}

static void small_socks_have_states_too(struct kunit *test)
{
	struct sock *request = new_sock(test, SORT_REQUEST);
	struct sock *timewait = new_sock(test, SORT_TIMEWAIT);

	KUNIT_EXPECT_TRUE(test, wants(test, "state=SYN-RECEIVED", request));
	KUNIT_EXPECT_TRUE(test, wants(test, "state=TIME-WAIT", timewait));
	inet_twsk(timewait)->tw_substate = TCP_FIN_WAIT2;
	KUNIT_EXPECT_TRUE(test, wants(test, "state=FIN-WAIT-2", timewait));
	KUNIT_EXPECT_FALSE(test, wants(test, "state=TIME-WAIT", timewait));
}

/* ---- who has not all its ends -------------------------------------------- */

/* A listener on port 5000, or its child when it was just cloned. */
static const struct match_case listener_cases[] = {
	{ "", true },
	{ "port=5000", true },
	{ "lport=5000", true },
	{ "port=443,5000", true },
	{ "port=5001", false },
	{ "lport=5001", false },
	{ "port!=5000", false },
	{ "port!=5001", true },
	{ "rport=40000", true },
	{ "rport!=40000", true },
	{ "raddr=10.0.0.1", true },
	{ "raddr!=10.0.0.1", true },
	{ "raddr!=0.0.0.0/0", true },
	{ "addr=10.0.0.1", true },
	{ "laddr=10.0.0.2", true },
	{ "state=LISTEN", true },
	{ "state=SYN-RECEIVED", false },
	{ "port=5001 raddr=10.0.0.1", false },
};

KUNIT_ARRAY_PARAM(listener, listener_cases, describe_match);

static struct sock *new_listener(struct kunit *test)
{
	struct sock *sk = new_sock(test, SORT_FULL);

	sk->sk_state = TCP_LISTEN;
	sk->sk_rcv_saddr = 0;
	sk->sk_daddr = 0;
	sk->sk_dport = 0;
	set_local_port(sk, SORT_FULL, SERVER_PORT);
	return sk;
}

static void listener_may_be_about_to_meet_anyone(struct kunit *test)
{
	const struct match_case *match = test->param_value;
	struct sock *ipv4 = new_listener(test);
	struct sock *ipv6 = new_listener(test);

	make_ipv6(ipv6, &in6addr_any, &in6addr_any);
	KUNIT_EXPECT_EQ(test, match->wanted, wants(test, match->text, ipv4));
	KUNIT_EXPECT_EQ(test, match->wanted, wants(test, match->text, ipv6));
}

static void listener_on_one_address_knows_it(struct kunit *test)
{
	struct sock *sk = new_listener(test);

	sk->sk_rcv_saddr = htonl(SERVER_IPV4);
	KUNIT_EXPECT_TRUE(test, wants(test, "laddr=10.0.0.2", sk));
	KUNIT_EXPECT_FALSE(test, wants(test, "laddr=10.0.0.1", sk));
	KUNIT_EXPECT_FALSE(test, wants(test, "addr!=10.0.0.2", sk));
	KUNIT_EXPECT_TRUE(test, wants(test, "addr=10.0.0.1", sk));
}

/* sk_num goes when the port is given back, inet_sport stays. */
static void closed_socket_keeps_its_port(struct kunit *test)
{
	struct sock *sk = new_sock(test, SORT_FULL);

	sk->sk_state = TCP_CLOSE;
	sk->sk_num = 0;
	KUNIT_EXPECT_TRUE(test, wants(test, "lport=40000", sk));
}

static void segment_without_a_socket_is_told_by_its_ends(struct kunit *test)
{
	struct tcp_event event = {
		.netns = 7,
		.family = 4,
		.state = TCP_LISTEN,
		.local_port = SERVER_PORT,
		.remote_port = CLIENT_PORT,
	};
	struct filter_subject subject;

	ipv6_addr_set_v4mapped(htonl(SERVER_IPV4), &event.local_addr);
	ipv6_addr_set_v4mapped(htonl(CLIENT_IPV4), &event.remote_addr);
	filter_subject_of_event(&subject, &event);

#define MATCHES(text)	event_filter_matches(compiled(test, text), &subject)
	KUNIT_EXPECT_TRUE(test, MATCHES("lport=5000 rport=40000 netns=7"));
	KUNIT_EXPECT_TRUE(test, MATCHES("laddr=10.0.0.2 raddr=10.0.0.1"));
	KUNIT_EXPECT_TRUE(test, MATCHES("port=40000 state=LISTEN"));
	/* A SYN for a listener has a peer, unlike the listener. */
	KUNIT_EXPECT_FALSE(test, MATCHES("rport=40001"));
	KUNIT_EXPECT_FALSE(test, MATCHES("raddr=10.0.0.3"));
	KUNIT_EXPECT_FALSE(test, MATCHES("addr=10.0.0.3"));
	KUNIT_EXPECT_FALSE(test, MATCHES("cookie=1003"));
#undef MATCHES
}

static struct kunit_case event_filter_cases[] = {
	KUNIT_CASE_PARAM(good_text_is_compiled, good_gen_params),
	KUNIT_CASE_PARAM(bad_text_is_refused_by_its_word, bad_gen_params),
	KUNIT_CASE(longest_filter_prints_on_a_page),
	KUNIT_CASE(one_value_too_many_is_refused),
	KUNIT_CASE(any_text_is_taken_well),

	KUNIT_CASE_PARAM(socket_of_any_sort_is_told_by_its_ends,
			 match_gen_params),
	KUNIT_CASE_PARAM(mapped_socket_is_ipv4, match_gen_params),
	KUNIT_CASE_PARAM(ipv6_socket_is_told_by_its_ends, ipv6_gen_params),
	KUNIT_CASE(prefix_counts_to_its_last_bit),
	KUNIT_CASE(namespace_is_told_by_its_inode),

	KUNIT_CASE(state_is_the_one_at_the_event),
	KUNIT_CASE(small_socks_have_states_too),

	KUNIT_CASE_PARAM(listener_may_be_about_to_meet_anyone,
			 listener_gen_params),
	KUNIT_CASE(listener_on_one_address_knows_it),
	KUNIT_CASE(closed_socket_keeps_its_port),
	KUNIT_CASE(segment_without_a_socket_is_told_by_its_ends),
	{}
};

static struct kunit_suite event_filter_suite = {
	.name = "renoscope_event_filter",
	.test_cases = event_filter_cases,
};

kunit_test_suite(event_filter_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: the filter's text, and its yes or no");
MODULE_LICENSE("GPL");
