// SPDX-License-Identifier: GPL-2.0
/*
 * The least that recording an event can cost, for scripts/bench: read the clock
 * and store as many bytes as a record has, eight at a time, going round a buffer
 * as large as a CPU's part of the ring. Nothing is looked up, claimed, published
 * or filtered, no tracepoint called.
 *
 * Measured when the module is loaded. The parameters then tell the nanoseconds
 * for a million rounds, which are instructions in a guest whose clock counts those.
 */
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/timekeeping.h>
#include <linux/vmalloc.h>

#include "event_ring.h"

#define ROUNDS		1000000
#define RECORD_WORDS	(RING_RECORD_BYTES / sizeof(u64))

struct slot {
	u64 words[RECORD_WORDS];
};

static struct slot *slots;

static u64 rounds = ROUNDS;
static u64 empty_ns;
static u64 clock_ns;
static u64 clock_and_stores_ns;
static unsigned int record_bytes = RING_RECORD_BYTES;
module_param(rounds, ullong, 0444);
module_param(empty_ns, ullong, 0444);
module_param(clock_ns, ullong, 0444);
module_param(clock_and_stores_ns, ullong, 0444);
module_param(record_bytes, uint, 0444);

static struct slot *slot_of(unsigned int round)
{
	return &slots[round & (RING_RECORDS_DEFAULT - 1)];
}

static void round_empty(unsigned int round)
{
	barrier();
}

static void round_clock(unsigned int round)
{
	WRITE_ONCE(slot_of(round)->words[0], ktime_get_mono_fast_ns());
}

static void round_clock_and_stores(unsigned int round)
{
	struct slot *slot = slot_of(round);
	unsigned int word;

	WRITE_ONCE(slot->words[0], ktime_get_mono_fast_ns());
#pragma GCC unroll 64
	for (word = 1; word < RECORD_WORDS; word++)
		WRITE_ONCE(slot->words[word], round);
}

static __always_inline u64 measure(void (*one)(unsigned int round))
{
	unsigned long flags;
	unsigned int round;
	u64 began, ended;

	local_irq_save(flags);
	began = ktime_get_mono_fast_ns();
	for (round = 0; round < ROUNDS; round++)
		one(round);
	ended = ktime_get_mono_fast_ns();
	local_irq_restore(flags);
	return ended - began;
}

static int __init store_limit_init(void)
{
	slots = vzalloc(array_size(RING_RECORDS_DEFAULT, sizeof(*slots)));
	if (!slots)
		return -ENOMEM;
	/* Once through, so that every page is there. */
	measure(round_clock_and_stores);
	empty_ns = measure(round_empty);
	clock_ns = measure(round_clock);
	clock_and_stores_ns = measure(round_clock_and_stores);
	return 0;
}

static void __exit store_limit_exit(void)
{
	vfree(slots);
}

module_init(store_limit_init);
module_exit(store_limit_exit);

MODULE_DESCRIPTION("Bench: the least that recording an event can cost");
MODULE_LICENSE("GPL");
