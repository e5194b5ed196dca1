// SPDX-License-Identifier: GPL-2.0
/*
 * The options of a TCP header against layouts that real stacks send, every wrong
 * length, and random bytes.
 *
 * Each case's bytes lie in memory of their own that ends where they do, so that
 * KASAN sees a read behind them.
 */
#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "old_bytes.h"
#include "segment_options.h"

#define FUZZ_SEED	2712239078U
#define FUZZ_ROUNDS	20000

/* 32 bits as the header has them. */
#define BYTES_OF(number)						\
	(u8)((u32)(number) >> 24), (u8)((u32)(number) >> 16),		\
	(u8)((u32)(number) >> 8), (u8)(number)

#define NOP		1
#define END		0
#define MSS(bytes)	2, 4, (bytes) >> 8, (bytes) & 0xff
#define WSCALE(shift)	3, 3, shift
#define SACK_PERMITTED	4, 2
#define TIMESTAMPS(value, echo)	8, 10, BYTES_OF(value), BYTES_OF(echo)
#define BLOCK(left, right)	BYTES_OF(left), BYTES_OF(right)
#define SACK(blocks)	5, 2 + 8 * (blocks)

struct options_case {
	const char *name;
	u8 bytes[SEGMENT_OPTIONS_MAX + 8];
	u8 length;
	/* what is expected */
	u8 flags;
	u16 mss;
	u8 wscale;
	u32 tsval;
	u32 tsecr;
	u8 sack_blocks;
	u32 edges[6];
};

#define OPTIONS(...)							\
	.bytes = { __VA_ARGS__ },					\
	.length = sizeof((const u8[]){ __VA_ARGS__ })
#define HAS(name)	EVENT_SEGMENT_##name

static const struct options_case options_cases[] = {
	{ .name = "none" },
	/* ---- what real stacks send, as captures of them show ---- */
	{
		.name = "Linux: SYN",
		OPTIONS(MSS(1460), SACK_PERMITTED, TIMESTAMPS(0x89abcdef, 0),
			NOP, WSCALE(7)),
		.flags = HAS(mss) | HAS(sack_permitted) | HAS(timestamps) |
			 HAS(wscale),
		.mss = 1460, .wscale = 7, .tsval = 0x89abcdef,
	}, {
		.name = "Linux: SYN-ACK to it",
		OPTIONS(MSS(65495), SACK_PERMITTED,
			TIMESTAMPS(0xffffffff, 0x89abcdef), NOP, WSCALE(14)),
		.flags = HAS(mss) | HAS(sack_permitted) | HAS(timestamps) |
			 HAS(wscale),
		.mss = 65495, .wscale = 14, .tsval = U32_MAX,
		.tsecr = 0x89abcdef,
	}, {
		.name = "Windows: SYN without timestamps",
		OPTIONS(MSS(1460), NOP, WSCALE(8), NOP, NOP, SACK_PERMITTED),
		.flags = HAS(mss) | HAS(wscale) | HAS(sack_permitted),
		.mss = 1460, .wscale = 8,
	}, {
		.name = "macOS: SYN, ended and padded",
		OPTIONS(MSS(1460), NOP, WSCALE(6), NOP, NOP,
			TIMESTAMPS(1, 0), SACK_PERMITTED, END, END),
		.flags = HAS(mss) | HAS(wscale) | HAS(timestamps) |
			 HAS(sack_permitted),
		.mss = 1460, .wscale = 6, .tsval = 1,
	}, {
		.name = "MSS alone",
		OPTIONS(MSS(536)),
		.flags = HAS(mss), .mss = 536,
	}, {
		.name = "Linux: data with timestamps",
		OPTIONS(NOP, NOP, TIMESTAMPS(3735928559U, 305419896)),
		.flags = HAS(timestamps),
		.tsval = 3735928559U, .tsecr = 305419896,
	}, {
		.name = "one SACK block with timestamps",
		OPTIONS(NOP, NOP, TIMESTAMPS(10, 20), NOP, NOP, SACK(1),
			BLOCK(2712240527U, 2712241975U)),
		.flags = HAS(timestamps), .tsval = 10, .tsecr = 20,
		.sack_blocks = 1, .edges = { 2712240527U, 2712241975U },
	}, {
		.name = "two SACK blocks with timestamps, past the wrap",
		OPTIONS(NOP, NOP, TIMESTAMPS(10, 20), NOP, NOP, SACK(2),
			BLOCK(4294967000U, 704), BLOCK(2152, 3600)),
		.flags = HAS(timestamps), .tsval = 10, .tsecr = 20,
		.sack_blocks = 2, .edges = { 4294967000U, 704, 2152, 3600 },
	}, {
		.name = "three SACK blocks with timestamps",
		OPTIONS(NOP, NOP, TIMESTAMPS(10, 20), NOP, NOP, SACK(3),
			BLOCK(1, 2), BLOCK(3, 4), BLOCK(5, 6)),
		.flags = HAS(timestamps), .tsval = 10, .tsecr = 20,
		.sack_blocks = 3, .edges = { 1, 2, 3, 4, 5, 6 },
	}, {
		.name = "four SACK blocks: the fourth where timestamps would be",
		OPTIONS(NOP, NOP, SACK(4), BLOCK(1, 2), BLOCK(3, 4),
			BLOCK(5, 6), BLOCK(7, 8)),
		.sack_blocks = 4, .edges = { 1, 2, 3, 4, 5, 6 },
		.tsval = 7, .tsecr = 8,
	}, {
		.name = "four SACK blocks, then padding",
		OPTIONS(SACK(4), BLOCK(1, 2), BLOCK(3, 4), BLOCK(5, 6),
			BLOCK(7, 8), END, 9),
		.sack_blocks = 4, .edges = { 1, 2, 3, 4, 5, 6 },
		.tsval = 7, .tsecr = 8,
	}, {
		.name = "Fast Open: a cookie is asked for",
		OPTIONS(MSS(1460), 34, 2, NOP, NOP),
		.flags = HAS(mss) | HAS(fastopen), .mss = 1460,
	}, {
		.name = "Fast Open: with a cookie",
		OPTIONS(34, 10, 1, 2, 3, 4, 5, 6, 7, 8, NOP, NOP),
		.flags = HAS(fastopen),
	}, {
		.name = "Fast Open: with the shortest cookie",
		OPTIONS(34, 6, 1, 2, 3, 4, NOP, NOP),
		.flags = HAS(fastopen),
	}, {
		.name = "Fast Open: with the longest cookie",
		OPTIONS(34, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
			15, 16, NOP, NOP),
		.flags = HAS(fastopen),
	}, {
		.name = "Fast Open, experimental",
		OPTIONS(254, 8, 0xf9, 0x89, 1, 2, 3, 4),
		.flags = HAS(fastopen),
	}, {
		.name = "Fast Open, experimental: a cookie is asked for",
		OPTIONS(254, 4, 0xf9, 0x89),
		.flags = HAS(fastopen),
	}, {
		.name = "an experiment of somebody else (SMC)",
		OPTIONS(254, 6, 0xe2, 0xd4, 0xc3, 0xd9, NOP, NOP),
		.flags = HAS(other),
	}, {
		.name = "MD5 signature",
		OPTIONS(NOP, NOP, 19, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
			13, 14, 15, 16),
		.flags = HAS(other),
	}, {
		.name = "MPTCP, then MSS",
		OPTIONS(30, 4, 0, 1, MSS(1400)),
		.flags = HAS(other) | HAS(mss), .mss = 1400,
	},
	/* ---- padding ---- */
	{
		.name = "nothing but NOPs",
		OPTIONS(NOP, NOP, NOP, NOP),
	}, {
		.name = "nothing behind the end is read",
		OPTIONS(END, MSS(1460), NOP, NOP, NOP),
	}, {
		.name = "40 bytes of NOPs hide what stands behind them",
		OPTIONS(NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP,
			NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP,
			NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP,
			NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP,
			MSS(1460)),
	}, {
		.name = "an option that comes twice: the last one",
		OPTIONS(MSS(1460), MSS(1400)),
		.flags = HAS(mss), .mss = 1400,
	},
	/* ---- lengths that are wrong for the kind: known as other, passed by ---- */
	{
		.name = "MSS of 3 bytes", OPTIONS(2, 3, 5, WSCALE(7)),
		.flags = HAS(other) | HAS(wscale), .wscale = 7,
	}, {
		.name = "MSS of 5 bytes", OPTIONS(2, 5, 1, 2, 3, WSCALE(7)),
		.flags = HAS(other) | HAS(wscale), .wscale = 7,
	}, {
		.name = "window scale of 2 bytes", OPTIONS(3, 2, MSS(536)),
		.flags = HAS(other) | HAS(mss), .mss = 536,
	}, {
		.name = "window scale of 4 bytes", OPTIONS(3, 4, 7, 7, MSS(536)),
		.flags = HAS(other) | HAS(mss), .mss = 536,
	}, {
		.name = "window scale above 14 is told as it is",
		OPTIONS(WSCALE(255), NOP),
		.flags = HAS(wscale), .wscale = 255,
	}, {
		.name = "SACK permitted of 3 bytes", OPTIONS(4, 3, 1, MSS(536)),
		.flags = HAS(other) | HAS(mss), .mss = 536,
	}, {
		.name = "SACK without a block", OPTIONS(5, 2, MSS(536)),
		.flags = HAS(other) | HAS(mss), .mss = 536,
	}, {
		.name = "SACK with half a block",
		OPTIONS(5, 6, 1, 2, 3, 4, MSS(536)),
		.flags = HAS(other) | HAS(mss), .mss = 536,
	}, {
		.name = "SACK with a byte too many",
		OPTIONS(5, 11, BLOCK(1, 2), 9, MSS(536)),
		.flags = HAS(other) | HAS(mss), .mss = 536,
	}, {
		.name = "timestamps of 9 bytes",
		OPTIONS(8, 9, 1, 2, 3, 4, 5, 6, 7, MSS(536)),
		.flags = HAS(other) | HAS(mss), .mss = 536,
	}, {
		.name = "timestamps of 11 bytes",
		OPTIONS(8, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, MSS(536)),
		.flags = HAS(other) | HAS(mss), .mss = 536,
	}, {
		.name = "Fast Open: a cookie of 2 bytes",
		OPTIONS(34, 4, 1, 2, MSS(536)),
		.flags = HAS(other) | HAS(mss), .mss = 536,
	}, {
		.name = "Fast Open: a cookie of 5 bytes",
		OPTIONS(34, 7, 1, 2, 3, 4, 5, MSS(536)),
		.flags = HAS(other) | HAS(mss), .mss = 536,
	}, {
		.name = "Fast Open: a cookie of 18 bytes",
		OPTIONS(34, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
			15, 16, 17, 18, MSS(536)),
		.flags = HAS(other) | HAS(mss), .mss = 536,
	}, {
		.name = "Fast Open, experimental: a cookie of 3 bytes",
		OPTIONS(254, 7, 0xf9, 0x89, 1, 2, 3, MSS(536)),
		.flags = HAS(other) | HAS(mss), .mss = 536,
	}, {
		.name = "experiment too short for a magic",
		OPTIONS(254, 3, 0xf9, 0x89),
		.flags = HAS(other),
	},
	/* ---- lengths that cannot be: nothing behind them is believed ---- */
	{
		.name = "length 0", OPTIONS(2, 0, 5, 6, MSS(536)),
		.flags = HAS(other),
	}, {
		.name = "length 1", OPTIONS(2, 1, 5, 6, MSS(536)),
		.flags = HAS(other),
	}, {
		.name = "no room for the length", OPTIONS(NOP, NOP, NOP, 2),
		.flags = HAS(other),
	}, {
		.name = "MSS cut short", OPTIONS(2, 4, 5),
		.flags = HAS(other),
	}, {
		.name = "timestamps cut short",
		OPTIONS(NOP, NOP, 8, 10, 1, 2, 3, 4, 5, 6, 7),
		.flags = HAS(other),
	}, {
		.name = "four SACK blocks said, three there",
		OPTIONS(NOP, NOP, SACK(4), BLOCK(1, 2), BLOCK(3, 4), BLOCK(5, 6)),
		.flags = HAS(other),
	}, {
		.name = "length 255", OPTIONS(MSS(536), 77, 255, 1, 2),
		.flags = HAS(other) | HAS(mss), .mss = 536,
	},
};

KUNIT_ARRAY_PARAM_DESC(options, options_cases, name);

/* Read @length bytes that end where their memory does. */
static struct tcp_event read_exactly(struct kunit *test, const u8 *bytes,
				     unsigned int length)
{
	u8 *exact = kmemdup(bytes, length, GFP_KERNEL);
	struct tcp_event event = {};

	KUNIT_ASSERT_NOT_NULL(test, exact);
	segment_options_read(&event, exact, length);
	kfree(exact);
	return event;
}

static void layout_is_read(struct kunit *test)
{
	const struct options_case *real = test->param_value;
	struct tcp_event event = read_exactly(test, real->bytes, real->length);

	KUNIT_EXPECT_EQ(test, event.segment_flags, real->flags);
	KUNIT_EXPECT_EQ(test, event.option_mss, real->mss);
	KUNIT_EXPECT_EQ(test, event.option_wscale, real->wscale);
	KUNIT_EXPECT_EQ(test, event.tsval, real->tsval);
	KUNIT_EXPECT_EQ(test, event.tsecr, real->tsecr);
	KUNIT_EXPECT_EQ(test, event.sack_blocks, real->sack_blocks);
	KUNIT_EXPECT_EQ(test, event.sack1_left, real->edges[0]);
	KUNIT_EXPECT_EQ(test, event.sack1_right, real->edges[1]);
	KUNIT_EXPECT_EQ(test, event.sack2_left, real->edges[2]);
	KUNIT_EXPECT_EQ(test, event.sack2_right, real->edges[3]);
	KUNIT_EXPECT_EQ(test, event.sack3_left, real->edges[4]);
	KUNIT_EXPECT_EQ(test, event.sack3_right, real->edges[5]);
}

/* Every real layout, cut at every byte: no read behind the cut (KASAN). */
static void layout_may_be_cut_anywhere(struct kunit *test)
{
	const struct options_case *real = test->param_value;
	struct tcp_event event;
	unsigned int length;

	for (length = 0; length < real->length; length++) {
		event = read_exactly(test, real->bytes, length);
		KUNIT_EXPECT_LE_MSG(test, event.sack_blocks, 4, "cut at %u",
				    length);
	}
}

/* ---- every kind with every length ---------------------------------------- */

/* The lengths that make a kind what it is; by the RFCs, not by the code. */
static u8 flag_of(unsigned int kind, unsigned int length)
{
	if (kind == 2 && length == 4)
		return HAS(mss);
	if (kind == 3 && length == 3)
		return HAS(wscale);
	if (kind == 4 && length == 2)
		return HAS(sack_permitted);
	if (kind == 5 && length > 2 && length <= 34 && length % 8 == 2)
		return 0;
	if (kind == 8 && length == 10)
		return HAS(timestamps);
	if (kind == 34 && (length == 2 || (length >= 6 && length <= 18 &&
					   length % 2 == 0)))
		return HAS(fastopen);
	return HAS(other);
}

static void every_kind_with_every_length(struct kunit *test)
{
	u8 bytes[SEGMENT_OPTIONS_MAX];
	unsigned int kind, length, room;
	struct tcp_event event;
	u8 expected;

	memset(bytes, 0x11, sizeof(bytes));
	for (kind = 2; kind <= U8_MAX; kind++) {
		for (length = 0; length <= U8_MAX; length++) {
			room = length % (SEGMENT_OPTIONS_MAX - 2) + 2;
			bytes[0] = kind;
			bytes[1] = length;
			event = read_exactly(test, bytes, room);
			expected = length > room || length < 2 ?
				   HAS(other) : flag_of(kind, length);
			/* what follows is kind 17, which nobody knows */
			if (length >= 2 && length < room)
				expected |= HAS(other);
			KUNIT_EXPECT_EQ_MSG(test, event.segment_flags, expected,
					    "kind %u length %u in %u bytes",
					    kind, length, room);
		}
	}
}

/* ---- random bytes -------------------------------------------------------- */

static const u8 interesting[] = { 0, 1, 2, 3, 4, 5, 8, 10, 18, 26, 34, 254 };

static void random_options(struct rnd_state *random, u8 *bytes,
			   unsigned int length)
{
	unsigned int i;

	prandom_bytes_state(random, bytes, length);
	for (i = 0; i < length; i++)
		if (bytes[i] & 0x80)	/* half of them mean something */
			bytes[i] = interesting[bytes[i] % ARRAY_SIZE(interesting)];
}

/* Only the detail may change, and flags and counts stay what they can be. */
static void expect_sane(struct kunit *test, const struct tcp_event *event)
{
	struct tcp_event untouched;

	memset(&untouched, OLD_BYTES, sizeof(untouched));
	KUNIT_EXPECT_MEMEQ(test, event, &untouched,
			   offsetof(struct tcp_event, detail));
	KUNIT_EXPECT_LE(test, event->sack_blocks, 4);
	KUNIT_EXPECT_EQ(test, event->urgent_pointer, 0xbeef);
	KUNIT_EXPECT_EQ(test, event->header_words, 15);
	KUNIT_EXPECT_FALSE(test, event->segment_flags & HAS(unverified));
	KUNIT_EXPECT_TRUE(test, event->segment_flags & HAS(outgoing));
}

static void random_bytes_do_no_harm(struct kunit *test)
{
	unsigned int seen = 0, round, length;
	u8 bytes[SEGMENT_OPTIONS_MAX];
	struct rnd_state random;
	struct tcp_event event;
	u8 *exact;

	prandom_seed_state(&random, FUZZ_SEED);
	for (round = 0; round < FUZZ_ROUNDS; round++) {
		length = prandom_u32_state(&random) % (sizeof(bytes) + 1);
		random_options(&random, bytes, length);
		exact = kmemdup(bytes, length, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, exact);
		memset(&event, OLD_BYTES, offsetof(struct tcp_event, detail));
		memset(event.detail, 0, sizeof(event.detail));
		event.urgent_pointer = 0xbeef;
		event.header_words = 15;
		event.segment_flags = HAS(outgoing);
		segment_options_read(&event, exact, length);
		kfree(exact);
		expect_sane(test, &event);
		seen |= event.segment_flags | event.sack_blocks << 8;
	}
	/* The rounds were worth something: all that can be met was met. */
	KUNIT_EXPECT_EQ(test, seen, 0x77fU);
}

static struct kunit_case segment_options_cases[] = {
	KUNIT_CASE_PARAM(layout_is_read, options_gen_params),
	KUNIT_CASE_PARAM(layout_may_be_cut_anywhere, options_gen_params),
	KUNIT_CASE(every_kind_with_every_length),
	KUNIT_CASE(random_bytes_do_no_harm),
	{}
};

static struct kunit_suite segment_options_suite = {
	.name = "renoscope_segment_options",
	.test_cases = segment_options_cases,
};

kunit_test_suite(segment_options_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: the options of a TCP header");
MODULE_LICENSE("GPL");
