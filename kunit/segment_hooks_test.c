// SPDX-License-Identifier: GPL-2.0
/*
 * What the hooks read out of a packet: where its TCP header is, however it lies
 * in memory, and what is made of packets that lie or are cut short.
 *
 * Packets are put together here, byte by byte, and each lies in memory in two
 * ways: in one piece, and with all behind the IP header in a page, where a read
 * that goes straight to the header would find other bytes.
 */
#include <kunit/skbuff.h>
#include <kunit/test.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/skbuff.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <net/ipv6.h>

#include "segment_hooks.h"

#define CLIENT_SEQ	2712239079U
#define SERVER_SEQ	1288781509U
#define CLIENT_PORT	40000
#define SERVER_PORT	5000
#define CLIENT_IPV4	0x0a000001	/* 10.0.0.1 */
#define SERVER_IPV4	0x0a000002
#define PACKET_MAX	512
#define FUZZ_SEED	1288781508U
#define FUZZ_ROUNDS	20000

static const struct in6_addr client_ipv6 = {{{ 0x20, 0x01, [15] = 1 }}};
static const struct in6_addr server_ipv6 = {{{ 0x20, 0x01, [15] = 2 }}};

/**
 * struct packet - a packet being put together
 * @bytes: its bytes
 * @length: how many there are
 * @ip_length: how many of these belong to the fixed IP header
 * @next: in IPv6, where the type of the next header is to be written
 * @family: 4 or 6
 */
struct packet {
	u8 bytes[PACKET_MAX];
	unsigned int length;
	unsigned int ip_length;
	u8 *next;
	u8 family;
};

static void *add(struct packet *packet, unsigned int bytes)
{
	void *start = packet->bytes + packet->length;

	memset(start, 0, bytes);
	packet->length += bytes;
	return start;
}

static void begin_ipv4(struct packet *packet, unsigned int option_words)
{
	struct iphdr *iph;

	memset(packet, 0, sizeof(*packet));
	packet->family = 4;
	packet->ip_length = sizeof(*iph) + option_words * 4;
	iph = add(packet, packet->ip_length);
	iph->version = 4;
	iph->ihl = 5 + option_words;
	iph->protocol = IPPROTO_TCP;
	iph->saddr = htonl(CLIENT_IPV4);
	iph->daddr = htonl(SERVER_IPV4);
}

static void begin_ipv6(struct packet *packet)
{
	struct ipv6hdr *iph;

	memset(packet, 0, sizeof(*packet));
	packet->family = 6;
	packet->ip_length = sizeof(*iph);
	iph = add(packet, sizeof(*iph));
	iph->version = 6;
	iph->saddr = client_ipv6;
	iph->daddr = server_ipv6;
	packet->next = &iph->nexthdr;
	*packet->next = IPPROTO_TCP;
}

/* An extension header of 8 * @units bytes. */
static u8 *add_extension(struct packet *packet, u8 type, unsigned int units)
{
	u8 *header = add(packet, 8 * units);

	*packet->next = type;
	packet->next = header;
	header[0] = IPPROTO_TCP;
	if (type != NEXTHDR_FRAGMENT)
		header[1] = units - 1;
	return header;
}

static void add_fragment(struct packet *packet, u16 offset)
{
	struct frag_hdr *header;

	header = (void *)add_extension(packet, NEXTHDR_FRAGMENT, 1);
	header->frag_off = htons(offset | IP6_MF);
}

/* A segment with timestamps in its 32 bytes of header. */
static struct tcphdr *add_segment(struct packet *packet, unsigned int payload)
{
	static const u8 timestamps[] = {
		1, 1, 8, 10, 0, 0, 0, 10, 0, 0, 0, 20,
	};
	struct tcphdr *th = add(packet, sizeof(*th));

	th->source = htons(CLIENT_PORT);
	th->dest = htons(SERVER_PORT);
	th->seq = htonl(CLIENT_SEQ);
	th->ack_seq = htonl(SERVER_SEQ);
	th->doff = 8;
	th->ack = 1;
	th->psh = 1;
	th->window = htons(511);
	th->urg_ptr = htons(77);
	memcpy(add(packet, sizeof(timestamps)), timestamps, sizeof(timestamps));
	add(packet, payload);
	return th;
}

/* ---- into an skb --------------------------------------------------------- */

static struct sk_buff *linear_skb(struct kunit *test, const struct packet *packet,
				  unsigned int length)
{
	struct sk_buff *skb = alloc_skb(length, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb_put_data(skb, packet->bytes, length);
	skb_reset_network_header(skb);
	return skb;
}

/* All behind the IP header in a page. */
static struct sk_buff *paged_skb(struct kunit *test, const struct packet *packet)
{
	unsigned int rest = packet->length - packet->ip_length;
	struct page *page = alloc_page(GFP_KERNEL);
	struct sk_buff *skb;

	KUNIT_ASSERT_NOT_NULL(test, page);
	skb = linear_skb(test, packet, packet->ip_length);
	memcpy(page_address(page), packet->bytes + packet->ip_length, rest);
	skb_add_rx_frag(skb, 0, page, 0, rest, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, skb->len, packet->length);
	return skb;
}

static void expect_segment(struct kunit *test, const struct tcp_event *seen,
			   u8 family, unsigned int payload)
{
	struct in6_addr client, server;

	ipv6_addr_set_v4mapped(htonl(CLIENT_IPV4), &client);
	ipv6_addr_set_v4mapped(htonl(SERVER_IPV4), &server);
	if (family == 6) {
		client = client_ipv6;
		server = server_ipv6;
	}
	KUNIT_EXPECT_EQ(test, seen->family, family);
	KUNIT_EXPECT_MEMEQ(test, &seen->remote_addr, &client, sizeof(client));
	KUNIT_EXPECT_MEMEQ(test, &seen->local_addr, &server, sizeof(server));
	KUNIT_EXPECT_EQ(test, seen->remote_port, CLIENT_PORT);
	KUNIT_EXPECT_EQ(test, seen->local_port, SERVER_PORT);
	KUNIT_EXPECT_EQ(test, seen->seg_seq, CLIENT_SEQ);
	KUNIT_EXPECT_EQ(test, seen->seg_ack, SERVER_SEQ);
	KUNIT_EXPECT_EQ(test, seen->seg_len, payload);
	KUNIT_EXPECT_EQ(test, seen->seg_window, 511);
	KUNIT_EXPECT_EQ(test, seen->seg_flags, 0x18);
	KUNIT_EXPECT_EQ(test, seen->urgent_pointer, 77);
	KUNIT_EXPECT_EQ(test, seen->header_words, 8);
	KUNIT_EXPECT_EQ(test, seen->tsval, 10);
	KUNIT_EXPECT_EQ(test, seen->tsecr, 20);
	KUNIT_EXPECT_EQ(test, seen->segment_flags,
			EVENT_SEGMENT_timestamps | EVENT_SEGMENT_unverified);
}

/* In one piece, and in a page behind the IP header: the same is read. */
static void expect_read(struct kunit *test, const struct packet *packet,
			unsigned int payload)
{
	struct sk_buff *skbs[] = {
		linear_skb(test, packet, packet->length),
		paged_skb(test, packet),
	};
	struct tcp_event seen;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(skbs); i++) {
		memset(&seen, 0, sizeof(seen));
		KUNIT_EXPECT_TRUE(test, segment_read(&seen, skbs[i],
						     packet->family, false));
		expect_segment(test, &seen, packet->family, payload);
		kfree_skb(skbs[i]);
	}
}

static bool reads_anything(struct kunit *test, const struct packet *packet)
{
	struct sk_buff *skb = linear_skb(test, packet, packet->length);
	struct tcp_event seen = {};
	bool is_segment = segment_read(&seen, skb, packet->family, false);

	kfree_skb(skb);
	return is_segment;
}

/* ---- where the header is ------------------------------------------------- */

static void ipv4_is_read(struct kunit *test)
{
	struct packet packet;

	begin_ipv4(&packet, 0);
	add_segment(&packet, 100);
	expect_read(test, &packet, 100);
}

static void ipv4_options_are_passed_by(struct kunit *test)
{
	struct packet packet;

	begin_ipv4(&packet, 10);
	add_segment(&packet, 1);
	expect_read(test, &packet, 1);
}

static void ipv6_is_read(struct kunit *test)
{
	struct packet packet;

	begin_ipv6(&packet);
	add_segment(&packet, 100);
	expect_read(test, &packet, 100);
}

static void ipv6_extension_headers_are_passed_by(struct kunit *test)
{
	struct packet packet;

	begin_ipv6(&packet);
	add_extension(&packet, NEXTHDR_HOP, 1);
	add_extension(&packet, NEXTHDR_DEST, 3);
	add_extension(&packet, NEXTHDR_ROUTING, 2);
	add_segment(&packet, 0);
	expect_read(test, &packet, 0);
}

/* Only what the first fragment carries is known of the payload. */
static void first_fragment_of_ipv6_is_read(struct kunit *test)
{
	struct packet packet;

	begin_ipv6(&packet);
	add_fragment(&packet, 0);
	add_segment(&packet, 40);
	expect_read(test, &packet, 40);
}

static void later_fragments_are_no_segments(struct kunit *test)
{
	struct packet packet;

	begin_ipv6(&packet);
	add_fragment(&packet, 64);
	add_segment(&packet, 40);
	KUNIT_EXPECT_FALSE(test, reads_anything(test, &packet));

	begin_ipv4(&packet, 0);
	((struct iphdr *)packet.bytes)->frag_off = htons(8);
	add_segment(&packet, 40);
	KUNIT_EXPECT_FALSE(test, reads_anything(test, &packet));
}

static void other_protocols_are_no_segments(struct kunit *test)
{
	struct packet packet;

	begin_ipv4(&packet, 0);
	((struct iphdr *)packet.bytes)->protocol = IPPROTO_UDP;
	add_segment(&packet, 0);
	KUNIT_EXPECT_FALSE(test, reads_anything(test, &packet));

	begin_ipv6(&packet);
	*packet.next = IPPROTO_UDP;
	add_segment(&packet, 0);
	KUNIT_EXPECT_FALSE(test, reads_anything(test, &packet));
}

/* ---- direction and checksum ---------------------------------------------- */

static void outgoing_turns_the_ends_round(struct kunit *test)
{
	struct tcp_event seen = {};
	struct packet packet;
	struct sk_buff *skb;

	begin_ipv6(&packet);
	add_segment(&packet, 0);
	skb = linear_skb(test, &packet, packet.length);
	KUNIT_EXPECT_TRUE(test, segment_read(&seen, skb, 6, true));
	kfree_skb(skb);
	KUNIT_EXPECT_EQ(test, seen.local_port, CLIENT_PORT);
	KUNIT_EXPECT_EQ(test, seen.remote_port, SERVER_PORT);
	KUNIT_EXPECT_MEMEQ(test, &seen.local_addr, &client_ipv6,
			   sizeof(client_ipv6));
	KUNIT_EXPECT_MEMEQ(test, &seen.remote_addr, &server_ipv6,
			   sizeof(server_ipv6));
	KUNIT_EXPECT_EQ(test, seen.segment_flags,
			EVENT_SEGMENT_timestamps | EVENT_SEGMENT_outgoing);
}

static bool is_unverified(struct kunit *test, u8 ip_summed)
{
	struct tcp_event seen = {};
	struct packet packet;
	struct sk_buff *skb;

	begin_ipv4(&packet, 0);
	add_segment(&packet, 0);
	skb = linear_skb(test, &packet, packet.length);
	skb->ip_summed = ip_summed;
	skb->csum_start = skb_headroom(skb) + packet.ip_length;
	segment_read(&seen, skb, 4, false);
	kfree_skb(skb);
	return seen.segment_flags & EVENT_SEGMENT_unverified;
}

/* A sum that the device computed and nobody compared proves nothing yet. */
static void checksum_state_is_told(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, is_unverified(test, CHECKSUM_NONE));
	KUNIT_EXPECT_TRUE(test, is_unverified(test, CHECKSUM_COMPLETE));
	KUNIT_EXPECT_FALSE(test, is_unverified(test, CHECKSUM_UNNECESSARY));
	KUNIT_EXPECT_FALSE(test, is_unverified(test, CHECKSUM_PARTIAL));
}

/* ---- lies and cuts ------------------------------------------------------- */

/*
 * 12 bytes of options and 10 of payload are there, whatever the data offset
 * says: too little of it leaves no options, too much leaves no payload.
 */
static void data_offset_may_lie(struct kunit *test)
{
	unsigned int words, options;
	struct tcp_event seen;
	struct packet packet;
	struct sk_buff *skb;

	for (words = 0; words <= 15; words++) {
		begin_ipv4(&packet, 0);
		add_segment(&packet, 10)->doff = words;
		skb = linear_skb(test, &packet, packet.length);
		memset(&seen, 0, sizeof(seen));
		KUNIT_EXPECT_TRUE(test, segment_read(&seen, skb, 4, false));
		kfree_skb(skb);
		options = words < 5 ? 0 : min(words * 4 - 20, 22U);
		KUNIT_EXPECT_EQ(test, seen.header_words, words);
		KUNIT_EXPECT_EQ(test, seen.seg_len, 22 - options);
		KUNIT_EXPECT_EQ(test,
				!!(seen.segment_flags & EVENT_SEGMENT_timestamps),
				words >= 8);
	}
}

/* Cut at every byte: a segment as soon as its 20 bytes are there. */
static void packet_may_be_cut_anywhere(struct kunit *test)
{
	struct packet packet;
	unsigned int length;

	begin_ipv6(&packet);
	add_extension(&packet, NEXTHDR_HOP, 2);
	add_fragment(&packet, 0);
	add_segment(&packet, 5);
	for (length = packet.ip_length; length <= packet.length; length++) {
		struct packet cut = packet;

		cut.length = length;
		KUNIT_EXPECT_EQ_MSG(test, reads_anything(test, &cut),
				    length >= 40 + 16 + 8 + 20,
				    "cut at %u", length);
	}
}

static void random_packet(struct rnd_state *random, struct packet *packet)
{
	static const u8 types[] = {
		NEXTHDR_HOP, NEXTHDR_DEST, NEXTHDR_ROUTING, NEXTHDR_FRAGMENT,
		NEXTHDR_AUTH, IPPROTO_TCP, NEXTHDR_NONE,
	};
	unsigned int rest = prandom_u32_state(random) % 120;
	u8 *bytes;
	unsigned int i;

	begin_ipv6(packet);
	if (prandom_u32_state(random) & 1)
		begin_ipv4(packet, 0);
	bytes = add(packet, rest);
	prandom_bytes_state(random, bytes, rest);
	if (packet->family == 4)
		return;
	*packet->next = types[prandom_u32_state(random) % ARRAY_SIZE(types)];
	for (i = 0; i + 1 < rest; i += 8) {	/* short ones, of known types */
		bytes[i] = types[bytes[i] % ARRAY_SIZE(types)];
		bytes[i + 1] %= 3;
	}
}

static void random_packets_do_no_harm(struct kunit *test)
{
	unsigned int segments = 0, round;
	struct rnd_state random;
	struct packet packet;

	prandom_seed_state(&random, FUZZ_SEED);
	for (round = 0; round < FUZZ_ROUNDS; round++) {
		random_packet(&random, &packet);
		segments += reads_anything(test, &packet);
	}
	/* Enough of both sorts, or the rounds were worth little. */
	KUNIT_EXPECT_GT(test, segments, FUZZ_ROUNDS / 10);
	KUNIT_EXPECT_LT(test, segments, FUZZ_ROUNDS * 9 / 10);
}

static struct kunit_case segment_hooks_cases[] = {
	KUNIT_CASE(ipv4_is_read),
	KUNIT_CASE(ipv4_options_are_passed_by),
	KUNIT_CASE(ipv6_is_read),
	KUNIT_CASE(ipv6_extension_headers_are_passed_by),
	KUNIT_CASE(first_fragment_of_ipv6_is_read),
	KUNIT_CASE(later_fragments_are_no_segments),
	KUNIT_CASE(other_protocols_are_no_segments),
	KUNIT_CASE(outgoing_turns_the_ends_round),
	KUNIT_CASE(checksum_state_is_told),
	KUNIT_CASE(data_offset_may_lie),
	KUNIT_CASE(packet_may_be_cut_anywhere),
	KUNIT_CASE(random_packets_do_no_harm),
	{}
};

static struct kunit_suite segment_hooks_suite = {
	.name = "renoscope_segment_hooks",
	.test_cases = segment_hooks_cases,
};

kunit_test_suite(segment_hooks_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: what the netfilter hooks read out of a packet");
MODULE_LICENSE("GPL");
