// SPDX-License-Identifier: GPL-2.0
/*
 * The flight-recorder ring, without TCP.
 *
 * Each record that these tests write carries its own proof. The payload's first
 * words say who wrote it and when (number, serial, CPU), and every other word
 * is computed from those and its place. A record mixed of two, or handed out
 * under another's serial, cannot pass is_whole().
 *
 * Each reading is kept in a ledger with an account for each CPU. An account
 * knows the only serial that may come next, be it read or reported lost, so
 * that it catches what the bare law cannot: the right number of losses in the
 * wrong place, or one event told twice. At the end of every test stands the law
 * itself, on each CPU and for each reader that began at serial 1:
 *
 *	read + lost = written
 *
 * Between claim and publish preemption is off, and a failed expectation may
 * sleep. So what is seen there is noted, and judged afterwards.
 *
 * No verdict depends on how fast anything is. What must come about elsewhere is
 * waited for, and PATIENCE is how long before that is a failure.
 */
#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/iopoll.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/timekeeping.h>
#include <linux/vmalloc.h>

#include "event_ring_writer.h"

#define RECORDS		RING_RECORDS_MIN
#define PATIENCE_S	20
#define PATIENCE	(PATIENCE_S * HZ)
#define PATIENCE_US	(PATIENCE_S * USEC_PER_SEC)
#define LOOK_EVERY_US	100
#define LONG_SLEEP_MS	200

/* ---- records that prove themselves --------------------------------------- */

enum payload_word {
	WORD_NUMBER,		/* chosen by the test */
	WORD_SERIAL,
	WORD_CPU,
	WORD_FIRST_CHECK,
	WORDS = sizeof_field(struct ring_record, payload) / sizeof(u64),
};

static u64 check_word(const u64 *words, unsigned int place)
{
	u64 mixed = words[WORD_NUMBER] ^ words[WORD_SERIAL] << 20 ^
		    words[WORD_CPU] << 56;

	return (mixed + place) * 0x9e3779b97f4a7c15ULL;
}

static void fill(struct ring_record *record, u64 number)
{
	u64 *words = (u64 *)record->payload;
	unsigned int place;

	words[WORD_NUMBER] = number;
	words[WORD_SERIAL] = record->serial & ~RING_OPEN;
	words[WORD_CPU] = raw_smp_processor_id();
	for (place = WORD_FIRST_CHECK; place < WORDS; place++)
		words[place] = check_word(words, place);
}

static bool is_whole(const struct ring_record *record)
{
	const u64 *words = (const u64 *)record->payload;
	unsigned int place;

	if (words[WORD_SERIAL] != record->serial || words[WORD_CPU] >= nr_cpu_ids)
		return false;
	for (place = WORD_FIRST_CHECK; place < WORDS; place++)
		if (words[place] != check_word(words, place))
			return false;
	return true;
}

static u64 number_of(const struct ring_record *record)
{
	return ((const u64 *)record->payload)[WORD_NUMBER];
}

static bool write_one(struct event_ring *ring, u64 number)
{
	struct ring_record *record = event_ring_claim(ring);

	if (!record)
		return false;
	fill(record, number);
	event_ring_publish(ring, record);
	return true;
}

static void write_many(struct event_ring *ring, unsigned int count)
{
	while (count--)
		write_one(ring, count);
}

/* ---- the ledger ---------------------------------------------------------- */

/**
 * struct account - what a reader was told about one CPU
 * @next_serial: the only serial that may come now
 * @read: records
 * @lost: events reported lost
 */
struct account {
	u64 next_serial;
	u64 read;
	u64 lost;
};

/**
 * struct ledger - what a reader was told
 * @records: records read
 * @torn: records that are not whole
 * @misplaced: records and losses with another serial than was due
 * @busy: how often it met a record being written
 * @last_number: number of the last record read
 * @accounts: by CPU
 */
struct ledger {
	u64 records;
	u64 torn;
	u64 misplaced;
	u64 busy;
	u64 last_number;
	struct account accounts[];
};

static struct ledger *new_ledger(struct kunit *test)
{
	struct ledger *ledger;
	unsigned int cpu;

	ledger = kunit_kzalloc(test, struct_size(ledger, accounts, nr_cpu_ids),
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ledger);
	for (cpu = 0; cpu < nr_cpu_ids; cpu++)
		ledger->accounts[cpu].next_serial = 1;
	return ledger;
}

static void enter_record(struct ledger *ledger, const struct ring_record *record)
{
	struct account *account;

	ledger->records++;
	if (!is_whole(record)) {
		ledger->torn++;
		return;
	}
	account = &ledger->accounts[((const u64 *)record->payload)[WORD_CPU]];
	ledger->misplaced += record->serial != account->next_serial;
	ledger->last_number = number_of(record);
	account->next_serial = record->serial + 1;
	account->read++;
}

static void enter_lost(struct ledger *ledger, const struct ring_lost *lost)
{
	struct account *account = &ledger->accounts[lost->cpu];

	ledger->misplaced += lost->first_serial != account->next_serial ||
			     !lost->count;
	account->next_serial = lost->first_serial + lost->count;
	account->lost += lost->count;
}

/* One step of a reader, entered into its ledger. */
static enum ring_next read_one(struct ring_reader *reader,
			       struct ledger *ledger)
{
	struct ring_record record;
	struct ring_lost lost;
	enum ring_next next = ring_reader_next(reader, &record, &lost);

	switch (next) {
	case RING_NEXT_RECORD:
		enter_record(ledger, &record);
		break;
	case RING_NEXT_LOST:
		enter_lost(ledger, &lost);
		break;
	case RING_NEXT_BUSY:
		ledger->busy++;
		break;
	case RING_NEXT_NONE:
		break;
	}
	return next;
}

/* Up to RUN records at once, entered into its ledger. Return: how many. */
#define RUN	3

static unsigned int read_run(struct ring_reader *reader, struct ledger *ledger)
{
	struct ring_record records[RUN];
	unsigned int i, count = ring_reader_run(reader, records, RUN);

	for (i = 0; i < count; i++)
		enter_record(ledger, &records[i]);
	return count;
}

/*
 * Read until there is nothing more, or a record is being written. With no
 * writer about, BUSY would be a reader that hangs for ever.
 */
static enum ring_next read_all(struct ring_reader *reader,
			       struct ledger *ledger)
{
	enum ring_next next;

	do {
		while (read_run(reader, ledger))
			;
		next = read_one(reader, ledger);
	} while (next == RING_NEXT_RECORD || next == RING_NEXT_LOST);
	return next;
}

static void expect_law(struct kunit *test, struct event_ring *ring,
		       const struct ledger *ledger)
{
	struct ring_cpu_stats stats;
	unsigned int cpu;

	KUNIT_EXPECT_EQ(test, ledger->torn, 0);
	KUNIT_EXPECT_EQ(test, ledger->misplaced, 0);
	for_each_possible_cpu(cpu) {
		const struct account *account = &ledger->accounts[cpu];

		event_ring_cpu_stats(ring, cpu, &stats);
		KUNIT_EXPECT_EQ_MSG(test, account->read + account->lost,
				    stats.written, "read + lost = written, CPU %u",
				    cpu);
	}
}

/* ---- what each test begins with ------------------------------------------ */

KUNIT_DEFINE_ACTION_WRAPPER(destroy_ring, event_ring_destroy,
			    struct event_ring *);
KUNIT_DEFINE_ACTION_WRAPPER(destroy_reader, ring_reader_destroy,
			    struct ring_reader *);

static struct event_ring *new_ring(struct kunit *test, unsigned int records)
{
	struct event_ring *ring = event_ring_create(records);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ring);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, destroy_ring, ring));
	return ring;
}

static struct ring_reader *new_reader_of(struct kunit *test,
					 struct event_ring *ring, int only_cpu)
{
	struct ring_reader *reader = ring_reader_create(ring, only_cpu);

	KUNIT_ASSERT_NOT_NULL(test, reader);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, destroy_reader, reader));
	return reader;
}

static struct ring_reader *new_reader(struct kunit *test,
				      struct event_ring *ring)
{
	return new_reader_of(test, ring, RING_ALL_CPUS);
}

/* The CPU that a test stays on; its thread does not outlive the test. */
static unsigned int home_cpu(void)
{
	return cpumask_first(cpu_online_mask);
}

static int stay_at_home(struct kunit *test)
{
	return set_cpus_allowed_ptr(current, cpumask_of(home_cpu()));
}

static unsigned int other_cpu(struct kunit *test)
{
	unsigned int cpu = cpumask_any_but(cpu_online_mask, home_cpu());

	if (cpu >= nr_cpu_ids)
		kunit_skip(test, "needs a second CPU");
	return cpu;
}

struct remote_write {
	struct event_ring *ring;
	u64 number;
	bool written;
};

static void write_here(void *info)
{
	struct remote_write *write = info;

	write->written = write_one(write->ring, write->number);
}

/* Write on a CPU, in hardirq context if it is not this one, and wait for it. */
static void write_on(struct kunit *test, struct event_ring *ring,
		     unsigned int cpu, u64 number)
{
	struct remote_write write = { .ring = ring, .number = number };

	KUNIT_ASSERT_EQ(test, 0,
			smp_call_function_single(cpu, write_here, &write, true));
	KUNIT_EXPECT_TRUE(test, write.written);
}

/* ---- sizes --------------------------------------------------------------- */

static const unsigned int bad_sizes[] = {
	0, 1, 8, RING_RECORDS_MIN - 1, RING_RECORDS_MIN + 1, 24, 100, 8191,
	RING_RECORDS_MAX - 1, RING_RECORDS_MAX + 1, 2 * RING_RECORDS_MAX,
	BIT(31), UINT_MAX,
};

static void describe_size(const unsigned int *size, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%u records", *size);
}

KUNIT_ARRAY_PARAM(bad_size, bad_sizes, describe_size);

static void bad_size_is_refused(struct kunit *test)
{
	unsigned int size = *(const unsigned int *)test->param_value;
	struct event_ring *ring = event_ring_create(size);

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(ring), -EINVAL);
	if (!IS_ERR_OR_NULL(ring))
		event_ring_destroy(ring);
}

static const unsigned int good_sizes[] = {
	RING_RECORDS_MIN, 32, 1024, RING_RECORDS_DEFAULT,
};

KUNIT_ARRAY_PARAM(good_size, good_sizes, describe_size);

/* The ring keeps as many as it was asked to, and not one more. */
static void good_size_is_kept(struct kunit *test)
{
	unsigned int size = *(const unsigned int *)test->param_value;
	struct event_ring *ring = new_ring(test, size);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);

	KUNIT_EXPECT_EQ(test, event_ring_records(ring), size);
	write_many(ring, size + 1);
	read_all(reader, ledger);
	KUNIT_EXPECT_EQ(test, ledger->accounts[home_cpu()].read, size);
	KUNIT_EXPECT_EQ(test, ledger->accounts[home_cpu()].lost, 1);
}

/* ---- one writer, one reader ---------------------------------------------- */

static void new_ring_is_empty(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);
	struct ring_cpu_stats stats;

	KUNIT_EXPECT_TRUE(test, event_ring_cpu_stats(ring, home_cpu(), &stats));
	KUNIT_EXPECT_EQ(test, stats.written, 0);
	KUNIT_EXPECT_EQ(test, stats.oldest, 1);
	KUNIT_EXPECT_EQ(test, stats.unwritten, 0);
	KUNIT_EXPECT_FALSE(test, ring_reader_ready(reader));
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_NONE);
}

static const unsigned int fillings[] = {
	1, RECORDS - 1, RECORDS, RECORDS + 1, 2 * RECORDS - 1, 2 * RECORDS,
	2 * RECORDS + 1, 5 * RECORDS + 7, 1000,
};

static void describe_filling(const unsigned int *written, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%u written into %u", *written,
		 RECORDS);
}

KUNIT_ARRAY_PARAM(filling, fillings, describe_filling);

static void oldest_are_overwritten(struct kunit *test)
{
	unsigned int written = *(const unsigned int *)test->param_value;
	unsigned int kept = min(written, RECORDS);
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);
	struct ring_cpu_stats stats;

	write_many(ring, written);
	event_ring_cpu_stats(ring, home_cpu(), &stats);
	KUNIT_EXPECT_EQ(test, stats.written, written);
	KUNIT_EXPECT_EQ(test, stats.oldest, written - kept + 1);
	KUNIT_EXPECT_EQ(test, stats.unwritten, 0);

	KUNIT_EXPECT_EQ(test, read_all(reader, ledger), RING_NEXT_NONE);
	KUNIT_EXPECT_EQ(test, ledger->accounts[home_cpu()].read, kept);
	expect_law(test, ring, ledger);
}

static void record_keeps_the_moment_of_its_claim(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	u64 before_ns = ktime_get_mono_fast_ns();
	struct ring_record record;
	struct ring_lost lost;
	u64 after_ns;

	write_one(ring, 0);
	after_ns = ktime_get_mono_fast_ns();
	KUNIT_ASSERT_EQ(test, ring_reader_next(reader, &record, &lost),
			RING_NEXT_RECORD);
	KUNIT_EXPECT_GE(test, record.time_ns, before_ns);
	KUNIT_EXPECT_LE(test, record.time_ns, after_ns);
}

/* ring_reader_ready() foretells ring_reader_next(). */
static void ready_tells_whether_there_is_more(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);
	enum ring_next next;

	write_many(ring, 2 * RECORDS);
	do {
		bool ready = ring_reader_ready(reader);

		next = read_one(reader, ledger);
		KUNIT_EXPECT_EQ(test, ready, next != RING_NEXT_NONE);
	} while (next != RING_NEXT_NONE);

	write_one(ring, 0);
	KUNIT_EXPECT_TRUE(test, ring_reader_ready(reader));
}

/* ---- readers ------------------------------------------------------------- */

static void readers_take_nothing_from_each_other(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *early = new_reader(test, ring);
	struct ring_reader *late = new_reader(test, ring);
	struct ledger *early_ledger = new_ledger(test);
	struct ledger *late_ledger = new_ledger(test);

	write_many(ring, 10);
	read_all(early, early_ledger);
	write_many(ring, 10);
	read_all(early, early_ledger);
	read_all(late, late_ledger);

	KUNIT_EXPECT_EQ(test, early_ledger->accounts[home_cpu()].lost, 0);
	KUNIT_EXPECT_EQ(test, late_ledger->accounts[home_cpu()].lost,
			20 - RECORDS);
	expect_law(test, ring, early_ledger);
	expect_law(test, ring, late_ledger);
}

static void slow_reader_is_told_exactly_what_it_missed(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);
	struct account *account = &ledger->accounts[home_cpu()];
	unsigned int i;

	write_many(ring, 10);
	for (i = 0; i < 5; i++)
		KUNIT_ASSERT_EQ(test, read_one(reader, ledger),
				RING_NEXT_RECORD);
	write_many(ring, 40);

	/* 50 written, the first 5 read, the last 16 kept: 6 to 34 are gone. */
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_LOST);
	KUNIT_EXPECT_EQ(test, account->read, 5);
	KUNIT_EXPECT_EQ(test, read_all(reader, ledger), RING_NEXT_NONE);
	KUNIT_EXPECT_EQ(test, account->lost, 29);
	KUNIT_EXPECT_EQ(test, account->read, 5 + RECORDS);
	expect_law(test, ring, ledger);
}

/* Always a little later than the writer, and in the end too late. */
static void reader_overtaken_between_records_keeps_the_law(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);
	unsigned int burst;

	for (burst = 0; burst < 3 * RECORDS; burst++) {
		write_many(ring, burst);
		read_one(reader, ledger);
	}
	KUNIT_EXPECT_EQ(test, read_all(reader, ledger), RING_NEXT_NONE);
	expect_law(test, ring, ledger);
}

static void run_holds_what_would_come_one_by_one(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);

	write_many(ring, 1 + RUN + 2);
	KUNIT_EXPECT_EQ(test, read_run(reader, ledger), 0);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_RECORD);
	KUNIT_EXPECT_EQ(test, read_run(reader, ledger), RUN);
	/* No part of the batch that the run is of. */
	write_one(ring, 77);
	KUNIT_EXPECT_EQ(test, read_run(reader, ledger), 2);
	KUNIT_EXPECT_EQ(test, read_run(reader, ledger), 0);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_RECORD);
	KUNIT_EXPECT_EQ(test, ledger->last_number, 77);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_NONE);
	expect_law(test, ring, ledger);
}

static void run_ends_where_events_were_lost(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);

	write_many(ring, RECORDS);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_RECORD);
	/* All but the last three of the batch. */
	write_many(ring, RECORDS - 3);
	KUNIT_EXPECT_EQ(test, read_run(reader, ledger), 0);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_LOST);
	KUNIT_EXPECT_EQ(test, ledger->accounts[home_cpu()].lost, RECORDS - 4);
	KUNIT_EXPECT_EQ(test, read_all(reader, ledger), RING_NEXT_NONE);
	expect_law(test, ring, ledger);
}

static void reader_that_starts_now_sees_only_what_follows(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);

	write_many(ring, 2 * RECORDS);
	ring_reader_start(reader, RING_START_NOW);
	KUNIT_EXPECT_FALSE(test, ring_reader_ready(reader));
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_NONE);

	write_one(ring, 77);
	ledger->accounts[home_cpu()].next_serial = 2 * RECORDS + 1;
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_RECORD);
	KUNIT_EXPECT_EQ(test, ledger->last_number, 77);
	KUNIT_EXPECT_EQ(test, ledger->misplaced, 0);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_NONE);
}

static void reader_can_start_again(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);

	write_many(ring, 20);
	read_all(reader, new_ledger(test));
	ring_reader_start(reader, RING_START_FIRST);
	read_all(reader, ledger);
	KUNIT_EXPECT_EQ(test, ledger->accounts[home_cpu()].read, RECORDS);
	expect_law(test, ring, ledger);
}

struct freeze_case {
	const char *name;
	unsigned int before;
	unsigned int after;
	unsigned int read;	/* the rest of @before is lost */
};

static const struct freeze_case freeze_cases[] = {
	{ "nothing before", 0, 5, 0 },
	{ "nothing after", 10, 0, 10 },
	{ "a few after", 10, 3, 10 },
	{ "the first overwritten", 10, 7, 9 },
	{ "half overwritten", 10, 11, 5 },
	{ "all overwritten", 10, 16, 0 },
	{ "far overtaken", 10, 1000, 0 },
	{ "full before, far overtaken", 100, 1000, 0 },
};

KUNIT_ARRAY_PARAM_DESC(freeze, freeze_cases, name);

static void frozen_reader_ends_where_it_froze(struct kunit *test)
{
	const struct freeze_case *freeze = test->param_value;
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);
	struct account *account = &ledger->accounts[home_cpu()];

	write_many(ring, freeze->before);
	ring_reader_freeze(reader);
	write_many(ring, freeze->after);

	KUNIT_EXPECT_EQ(test, read_all(reader, ledger), RING_NEXT_NONE);
	KUNIT_EXPECT_FALSE(test, ring_reader_ready(reader));
	KUNIT_EXPECT_EQ(test, account->read, freeze->read);
	KUNIT_EXPECT_EQ(test, account->lost, freeze->before - freeze->read);
	KUNIT_EXPECT_EQ(test, ledger->misplaced, 0);
	KUNIT_EXPECT_EQ(test, ledger->torn, 0);
}

static void starting_again_thaws(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);

	ring_reader_freeze(reader);
	write_many(ring, 3);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_NONE);
	ring_reader_start(reader, RING_START_FIRST);
	read_all(reader, ledger);
	expect_law(test, ring, ledger);
}

/* ---- writers within writers ---------------------------------------------- */

static void open_record_is_busy_and_then_read(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);
	enum ring_next first, open, open_still;
	bool ready_while_open;
	struct ring_record *record;

	write_one(ring, 1);
	record = event_ring_claim(ring);
	KUNIT_ASSERT_NOT_NULL(test, record);
	first = read_one(reader, ledger);
	open = read_one(reader, ledger);
	ready_while_open = ring_reader_ready(reader);
	fill(record, 2);
	open_still = read_one(reader, ledger);
	event_ring_publish(ring, record);

	KUNIT_EXPECT_EQ(test, first, RING_NEXT_RECORD);
	KUNIT_EXPECT_EQ(test, open, RING_NEXT_BUSY);
	KUNIT_EXPECT_TRUE(test, ready_while_open);
	KUNIT_EXPECT_EQ(test, open_still, RING_NEXT_BUSY);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_RECORD);
	KUNIT_EXPECT_EQ(test, ledger->last_number, 2);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_NONE);
	expect_law(test, ring, ledger);
}

/* Even where the slot held a record before: its old content is not shown. */
static void record_being_overwritten_is_not_shown(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);
	struct ring_record *record;
	enum ring_next open;

	write_many(ring, RECORDS);
	record = event_ring_claim(ring);
	KUNIT_ASSERT_NOT_NULL(test, record);
	open = read_all(reader, ledger);
	fill(record, 0);
	event_ring_publish(ring, record);

	KUNIT_EXPECT_EQ(test, open, RING_NEXT_BUSY);
	KUNIT_EXPECT_EQ(test, ledger->accounts[home_cpu()].lost, 1);
	KUNIT_EXPECT_EQ(test, ledger->accounts[home_cpu()].read, RECORDS - 1);
	KUNIT_EXPECT_EQ(test, read_all(reader, ledger), RING_NEXT_NONE);
	expect_law(test, ring, ledger);
}

/* Preemption is off from claim to publish, and as it was after either. */
static void claim_holds_the_cpu(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	int before = preempt_count();
	struct ring_record *record;
	int between;

	record = event_ring_claim(ring);
	KUNIT_ASSERT_NOT_NULL(test, record);
	between = preempt_count();
	fill(record, 0);
	event_ring_publish(ring, record);
	KUNIT_EXPECT_GT(test, between, before);
	KUNIT_EXPECT_EQ(test, preempt_count(), before);
}

#define DEEPEST	(3 * RECORDS)

/**
 * struct nest - claims open within each other
 * @records: from the outermost to the innermost; NULL where none was got
 */
struct nest {
	struct ring_record *records[DEEPEST];
};

/* Claim @depth times, then publish from the inside out. */
static void write_nested(struct event_ring *ring, struct nest *nest,
			 unsigned int depth, struct ring_reader *reader,
			 struct ledger *ledger)
{
	unsigned int i;

	for (i = 0; i < depth; i++)
		nest->records[i] = event_ring_claim(ring);
	read_all(reader, ledger);
	for (i = depth; i--;) {
		if (!nest->records[i])
			continue;
		fill(nest->records[i], i);
		event_ring_publish(ring, nest->records[i]);
		read_all(reader, ledger);
	}
}

static const unsigned int depths[] = {
	2, 3, RECORDS - 1, RECORDS, RECORDS + 1, RECORDS + 5, 2 * RECORDS,
	2 * RECORDS + 1, DEEPEST,
};

static void describe_depth(const unsigned int *depth, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%u deep in %u", *depth, RECORDS);
}

KUNIT_ARRAY_PARAM(depth, depths, describe_depth);

/*
 * Claims beyond the ring's length find no slot, and each takes the record whose
 * slot it wanted with it: what is older than a ring's length is lost.
 */
static unsigned int survivors(unsigned int depth)
{
	if (depth <= RECORDS)
		return depth;
	return depth < 2 * RECORDS ? 2 * RECORDS - depth : 0;
}

static void claims_nest_to_any_depth(struct kunit *test)
{
	unsigned int depth = *(const unsigned int *)test->param_value;
	unsigned int unwritten = depth > RECORDS ? depth - RECORDS : 0;
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ring_reader *late = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);
	struct ledger *late_ledger = new_ledger(test);
	int before = preempt_count();
	struct ring_cpu_stats stats;
	struct nest *nest;

	nest = kunit_kzalloc(test, sizeof(*nest), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, nest);
	write_nested(ring, nest, depth, reader, ledger);

	KUNIT_EXPECT_EQ(test, preempt_count(), before);
	event_ring_cpu_stats(ring, home_cpu(), &stats);
	KUNIT_EXPECT_EQ(test, stats.written, depth);
	KUNIT_EXPECT_EQ(test, stats.unwritten, unwritten);
	KUNIT_EXPECT_GT(test, ledger->busy, 0);
	KUNIT_EXPECT_EQ(test, read_all(reader, ledger), RING_NEXT_NONE);
	expect_law(test, ring, ledger);

	KUNIT_EXPECT_EQ(test, read_all(late, late_ledger), RING_NEXT_NONE);
	KUNIT_EXPECT_EQ(test, late_ledger->accounts[home_cpu()].read,
			survivors(depth));
	expect_law(test, ring, late_ledger);

	/* And the ring goes on as if nothing had been. */
	write_many(ring, RECORDS);
	KUNIT_EXPECT_EQ(test, read_all(reader, ledger), RING_NEXT_NONE);
	expect_law(test, ring, ledger);
}

/*
 * One record stays open while others come and go inside it: @inside of them,
 * more than the ring holds. Every round begins at another slot.
 */
static void open_record_outlives_the_ring(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ring_reader *late = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);
	struct ledger *late_ledger = new_ledger(test);
	struct ring_cpu_stats stats;
	u64 unwritten = 0;
	unsigned int inside;

	for (inside = 0; inside <= 5 * RECORDS; inside++) {
		struct ring_record *record = event_ring_claim(ring);

		if (record) {
			write_many(ring, inside);
			read_all(reader, ledger);
			fill(record, inside);
			event_ring_publish(ring, record);
		}
		KUNIT_ASSERT_NOT_NULL(test, record);
		unwritten += inside / RECORDS;
		KUNIT_ASSERT_EQ_MSG(test, read_all(reader, ledger),
				    RING_NEXT_NONE, "hangs after %u inside",
				    inside);
	}
	event_ring_cpu_stats(ring, home_cpu(), &stats);
	KUNIT_EXPECT_EQ(test, stats.unwritten, unwritten);
	expect_law(test, ring, ledger);
	KUNIT_EXPECT_EQ(test, read_all(late, late_ledger), RING_NEXT_NONE);
	expect_law(test, ring, late_ledger);
}

/**
 * struct interruption - a writer in hardirq
 * @work: raises it
 * @ring: where it writes
 * @in_hardirq: it ran where it should
 * @done: it has written
 */
struct interruption {
	struct irq_work work;
	struct event_ring *ring;
	bool in_hardirq;
	bool done;
};

static void write_in_hardirq(struct irq_work *work)
{
	struct interruption *interruption =
		container_of(work, struct interruption, work);

	interruption->in_hardirq = in_hardirq();
	write_one(interruption->ring, 2);
	WRITE_ONCE(interruption->done, true);
}

static bool interrupt_arrives(struct interruption *interruption)
{
	unsigned long deadline = jiffies + PATIENCE;

	irq_work_queue(&interruption->work);
	while (!READ_ONCE(interruption->done) && time_before(jiffies, deadline))
		cpu_relax();
	return interruption->done;
}

static void hardirq_writes_inside_a_task(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);
	struct interruption *interruption;
	struct ring_record *record;
	enum ring_next open;
	bool arrived;

	interruption = kunit_kzalloc(test, sizeof(*interruption), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, interruption);
	interruption->ring = ring;
	init_irq_work(&interruption->work, write_in_hardirq);

	record = event_ring_claim(ring);
	KUNIT_ASSERT_NOT_NULL(test, record);
	arrived = interrupt_arrives(interruption);
	open = read_one(reader, ledger);
	fill(record, 1);
	event_ring_publish(ring, record);
	irq_work_sync(&interruption->work);

	KUNIT_EXPECT_TRUE(test, arrived);
	KUNIT_EXPECT_TRUE(test, interruption->in_hardirq);
	KUNIT_EXPECT_EQ(test, open, RING_NEXT_BUSY);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_RECORD);
	KUNIT_EXPECT_EQ(test, ledger->last_number, 1);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_RECORD);
	KUNIT_EXPECT_EQ(test, ledger->last_number, 2);
	expect_law(test, ring, ledger);
}

/* ---- several CPUs -------------------------------------------------------- */

static void cpu_reader_reads_its_cpu_alone(struct kunit *test)
{
	unsigned int here = home_cpu(), there = other_cpu(test);
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *of_here = new_reader_of(test, ring, here);
	struct ring_reader *of_there = new_reader_of(test, ring, there);
	struct ledger *here_ledger = new_ledger(test);
	struct ledger *there_ledger = new_ledger(test);

	write_on(test, ring, here, 1);
	KUNIT_EXPECT_TRUE(test, ring_reader_ready(of_here));
	KUNIT_EXPECT_FALSE(test, ring_reader_ready(of_there));
	KUNIT_EXPECT_EQ(test, read_one(of_there, there_ledger), RING_NEXT_NONE);
	write_on(test, ring, there, 2);
	write_on(test, ring, there, 3);

	KUNIT_EXPECT_EQ(test, read_all(of_here, here_ledger), RING_NEXT_NONE);
	KUNIT_EXPECT_EQ(test, read_all(of_there, there_ledger), RING_NEXT_NONE);
	KUNIT_EXPECT_EQ(test, here_ledger->accounts[here].read, 1);
	KUNIT_EXPECT_EQ(test, here_ledger->accounts[there].read, 0);
	KUNIT_EXPECT_EQ(test, there_ledger->accounts[here].read, 0);
	KUNIT_EXPECT_EQ(test, there_ledger->accounts[there].read, 2);
}

static void loss_on_one_cpu_is_none_on_another(struct kunit *test)
{
	unsigned int here = home_cpu(), there = other_cpu(test);
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);
	unsigned int i;

	write_on(test, ring, here, 1);
	for (i = 0; i < RECORDS + 3; i++)
		write_on(test, ring, there, i);
	KUNIT_EXPECT_EQ(test, read_all(reader, ledger), RING_NEXT_NONE);
	KUNIT_EXPECT_EQ(test, ledger->accounts[here].lost, 0);
	KUNIT_EXPECT_EQ(test, ledger->accounts[there].lost, 3);
	expect_law(test, ring, ledger);
}

static void run_ends_where_another_cpu_comes_next(struct kunit *test)
{
	unsigned int here = home_cpu(), there = other_cpu(test);
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);

	write_on(test, ring, here, 1);
	write_on(test, ring, here, 2);
	write_on(test, ring, there, 3);
	write_on(test, ring, here, 4);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_RECORD);
	KUNIT_EXPECT_EQ(test, read_run(reader, ledger), 1);
	KUNIT_EXPECT_EQ(test, ledger->last_number, 2);
	KUNIT_EXPECT_EQ(test, read_run(reader, ledger), 0);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_RECORD);
	KUNIT_EXPECT_EQ(test, ledger->last_number, 3);
	KUNIT_EXPECT_EQ(test, read_run(reader, ledger), 0);
	KUNIT_EXPECT_EQ(test, read_all(reader, ledger), RING_NEXT_NONE);
	KUNIT_EXPECT_EQ(test, ledger->last_number, 4);
	expect_law(test, ring, ledger);
}

/* A CPU waits for its turn, and its record is gone when that comes. */
static void cpu_overtaken_before_its_turn_has_lost(struct kunit *test)
{
	unsigned int here = home_cpu(), there = other_cpu(test);
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);
	unsigned int i;

	write_on(test, ring, here, 1);
	write_on(test, ring, there, 2);
	write_on(test, ring, here, 3);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_RECORD);
	KUNIT_EXPECT_EQ(test, ledger->last_number, 1);
	for (i = 0; i < RECORDS; i++)
		write_on(test, ring, there, 4 + i);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_LOST);
	KUNIT_EXPECT_EQ(test, ledger->accounts[there].lost, 1);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_RECORD);
	KUNIT_EXPECT_EQ(test, ledger->last_number, 3);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_RECORD);
	KUNIT_EXPECT_EQ(test, ledger->last_number, 4);
	KUNIT_EXPECT_EQ(test, read_all(reader, ledger), RING_NEXT_NONE);
	KUNIT_EXPECT_EQ(test, ledger->accounts[there].lost, 1);
	expect_law(test, ring, ledger);
}

/* The n-th event's CPU, in no regular order. */
static unsigned int some_online_cpu(u64 n)
{
	unsigned int steps = (n * 0x9e3779b97f4a7c15ULL >> 60) %
			     num_online_cpus();
	unsigned int cpu = cpumask_first(cpu_online_mask);

	while (steps--)
		cpu = cpumask_next(cpu, cpu_online_mask);
	return cpu;
}

/*
 * Events are written one after another, each on some CPU, so their numbers are
 * the order of time; the reader takes a few now and then.
 */
static void cpus_are_merged_by_time(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, 1024);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);
	u64 written, read = 0;

	other_cpu(test);
	for (written = 0; written < 300; written++) {
		write_on(test, ring, some_online_cpu(written), written);
		if (written % 7)
			continue;
		while (read < written / 2) {
			KUNIT_ASSERT_EQ(test, read_one(reader, ledger),
					RING_NEXT_RECORD);
			KUNIT_ASSERT_EQ(test, ledger->last_number, read++);
		}
	}
	while (read < written) {
		KUNIT_ASSERT_EQ(test, read_one(reader, ledger),
				RING_NEXT_RECORD);
		KUNIT_ASSERT_EQ(test, ledger->last_number, read++);
	}
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_NONE);
	expect_law(test, ring, ledger);
}

/* A CPU may leave and come back; what it wrote stays, and it writes on. */
static void put_cpu_back(void *cpu)
{
	if (!cpu_online((unsigned long)cpu))
		add_cpu((unsigned long)cpu);
}

static void take_cpu_away(struct kunit *test, unsigned int cpu)
{
	int err;

	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, put_cpu_back,
						  (void *)(unsigned long)cpu));
	err = remove_cpu(cpu);
	if (err)
		kunit_skip(test, "CPU %u stays online (error %d)", cpu, err);
}

static void cpu_that_leaves_keeps_its_records(struct kunit *test)
{
	unsigned int there = other_cpu(test);
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);

	write_on(test, ring, there, 1);
	write_on(test, ring, there, 2);
	take_cpu_away(test, there);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_RECORD);
	KUNIT_ASSERT_EQ(test, add_cpu(there), 0);
	write_on(test, ring, there, 3);
	KUNIT_EXPECT_EQ(test, read_all(reader, ledger), RING_NEXT_NONE);
	KUNIT_EXPECT_EQ(test, ledger->accounts[there].read, 3);
	expect_law(test, ring, ledger);
}

static void cpu_that_comes_later_gets_its_slots(struct kunit *test)
{
	unsigned int there = other_cpu(test);
	struct ring_cpu_stats stats;
	struct ring_reader *reader;
	struct event_ring *ring;
	struct ledger *ledger;

	take_cpu_away(test, there);
	ring = new_ring(test, RECORDS);
	reader = new_reader(test, ring);
	ledger = new_ledger(test);
	KUNIT_EXPECT_FALSE(test, event_ring_cpu_stats(ring, there, &stats));
	KUNIT_EXPECT_EQ(test, stats.written, 0);
	KUNIT_EXPECT_EQ(test, stats.oldest, 1);
	KUNIT_EXPECT_EQ(test, read_one(reader, ledger), RING_NEXT_NONE);

	KUNIT_ASSERT_EQ(test, add_cpu(there), 0);
	KUNIT_EXPECT_TRUE(test, event_ring_cpu_stats(ring, there, &stats));
	write_on(test, ring, there, 1);
	KUNIT_EXPECT_EQ(test, read_all(reader, ledger), RING_NEXT_NONE);
	KUNIT_EXPECT_EQ(test, ledger->accounts[there].read, 1);
	expect_law(test, ring, ledger);
}

/*
 * It had no memory for slots when it came up, and finds some when it comes again. What
 * was written meanwhile is lost, and nobody waits for it.
 */
static void cpu_that_had_no_slots_has_lost_its_events(struct kunit *test)
{
	unsigned int there = other_cpu(test), written;
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_cpu *part = per_cpu_ptr(ring->cpus, there);
	struct ring_reader *reader = new_reader(test, ring);
	struct ledger *ledger = new_ledger(test);
	struct remote_write write = { .ring = ring };

	vfree(part->slots);
	part->slots = NULL;
	for (written = 0; written < *(const unsigned int *)test->param_value; written++)
		smp_call_function_single(there, write_here, &write, true);
	KUNIT_EXPECT_FALSE(test, write.written);
	take_cpu_away(test, there);
	KUNIT_ASSERT_EQ(test, add_cpu(there), 0);
	KUNIT_ASSERT_NOT_NULL(test, part->slots);
	KUNIT_EXPECT_EQ(test, read_all(reader, ledger), RING_NEXT_NONE);
	KUNIT_EXPECT_EQ(test, ledger->accounts[there].lost, written);
	write_on(test, ring, there, 1);
	KUNIT_EXPECT_EQ(test, read_all(reader, ledger), RING_NEXT_NONE);
	KUNIT_EXPECT_EQ(test, ledger->accounts[there].read, 1);
	expect_law(test, ring, ledger);
}

/* ---- all at once --------------------------------------------------------- */

#define STRESS_RING		64
#define STRESS_RECORDS_READ	30000
#define STRESS_INTERRUPT_EVERY	16
#define STRESS_READ_IN_A_ROW	50

/**
 * struct writer - a thread bound to a CPU, and interrupts from its neighbour
 * @ring: where both write
 * @task: the thread
 * @neighbour: whom the thread interrupts; itself when it is alone
 * @interrupt: the interrupt that writes on this CPU
 * @cpu: the CPU
 * @by_task: events the thread wrote
 * @interrupts_sent: interrupts it sent to its neighbour
 * @by_interrupt: events the interrupt wrote
 */
struct writer {
	struct event_ring *ring;
	struct task_struct *task;
	struct writer *neighbour;
	call_single_data_t interrupt;
	unsigned int cpu;
	u64 by_task;
	u64 interrupts_sent;
	u64 by_interrupt;
};

static void interrupt_writes(void *info)
{
	struct writer *writer = info;

	write_one(writer->ring, 0);
	WRITE_ONCE(writer->by_interrupt, writer->by_interrupt + 1);
}

/* Only one interrupt is under way to a neighbour; a second is not sent. */
static void interrupt_neighbour(struct writer *writer)
{
	struct writer *neighbour = writer->neighbour;

	if (!smp_call_function_single_async(neighbour->cpu,
					    &neighbour->interrupt))
		writer->interrupts_sent++;
}

static int write_and_interrupt(void *data)
{
	struct writer *writer = data;

	while (!kthread_should_stop()) {
		struct ring_record *record = event_ring_claim(writer->ring);

		if (!record)
			break;
		if (writer->by_task % STRESS_INTERRUPT_EVERY == 0)
			interrupt_neighbour(writer);
		fill(record, writer->by_task);
		event_ring_publish(writer->ring, record);
		writer->by_task++;
		cond_resched();
	}
	return 0;
}

static bool interrupts_have_ended(const struct writer *writer)
{
	u64 arrived;

	return !read_poll_timeout(READ_ONCE, arrived,
				  arrived == writer->interrupts_sent,
				  LOOK_EVERY_US, PATIENCE_US, false,
				  writer->neighbour->by_interrupt);
}

static void stop_writer(void *data)
{
	struct writer *writer = data;

	kthread_stop(writer->task);
	put_task_struct(writer->task);
	interrupts_have_ended(writer);
}

static void create_writer(struct kunit *test, struct writer *writer)
{
	struct task_struct *task;

	INIT_CSD(&writer->interrupt, interrupt_writes, writer);
	task = kthread_create_on_cpu(write_and_interrupt, writer, writer->cpu,
				     "ring_writer/%u");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	writer->task = get_task_struct(task);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, stop_writer, writer));
}

/* A writer on each CPU that is online, in a circle of neighbours. */
static struct writer *create_writers(struct kunit *test,
				     struct event_ring *ring)
{
	unsigned int count = num_online_cpus(), i = 0, cpu;
	struct writer *writers;

	writers = kunit_kcalloc(test, count, sizeof(*writers), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, writers);
	for_each_online_cpu(cpu) {
		writers[i].ring = ring;
		writers[i].cpu = cpu;
		writers[i].neighbour = &writers[(i + 1) % count];
		i++;
	}
	for (i = 0; i < count; i++)
		create_writer(test, &writers[i]);
	return writers;
}

static void read_some(struct ring_reader *reader, struct ledger *ledger)
{
	unsigned int i;

	for (i = 0; i < STRESS_READ_IN_A_ROW; i++)
		if (read_one(reader, ledger) == RING_NEXT_NONE)
			return;
}

/* Every event that was written has been counted, once. */
static void expect_all_counted(struct kunit *test, struct event_ring *ring,
			       const struct writer *writer)
{
	struct ring_cpu_stats stats;

	event_ring_cpu_stats(ring, writer->cpu, &stats);
	KUNIT_EXPECT_GT(test, writer->by_interrupt, 0);
	KUNIT_EXPECT_EQ(test, stats.written,
			writer->by_task + writer->by_interrupt);
	KUNIT_EXPECT_EQ(test, stats.unwritten, 0);
}

/* Read while they write, until there was enough of it. */
static void read_for_a_while(struct ring_reader *eager,
			     struct ledger *eager_ledger,
			     struct ring_reader *idle,
			     struct ledger *idle_ledger)
{
	unsigned long deadline = jiffies + PATIENCE;

	while (eager_ledger->records < STRESS_RECORDS_READ &&
	       time_before(jiffies, deadline)) {
		read_some(eager, eager_ledger);
		read_one(idle, idle_ledger);
		cond_resched();
	}
}

static void writers_and_readers_at_once(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, STRESS_RING);
	struct ring_reader *eager = new_reader(test, ring);
	struct ring_reader *idle = new_reader(test, ring);
	struct ledger *eager_ledger = new_ledger(test);
	struct ledger *idle_ledger = new_ledger(test);
	struct writer *writers = create_writers(test, ring);
	unsigned int count = num_online_cpus(), i;

	set_cpus_allowed_ptr(current, cpu_possible_mask);
	for (i = 0; i < count; i++)
		wake_up_process(writers[i].task);
	read_for_a_while(eager, eager_ledger, idle, idle_ledger);
	for (i = 0; i < count; i++)
		kunit_release_action(test, stop_writer, &writers[i]);

	KUNIT_EXPECT_GE(test, eager_ledger->records, STRESS_RECORDS_READ);
	KUNIT_EXPECT_EQ(test, read_all(eager, eager_ledger), RING_NEXT_NONE);
	KUNIT_EXPECT_EQ(test, read_all(idle, idle_ledger), RING_NEXT_NONE);
	for (i = 0; i < count; i++)
		expect_all_counted(test, ring, &writers[i]);
	expect_law(test, ring, eager_ledger);
	expect_law(test, ring, idle_ledger);
	for (i = 0; i < count; i++)
		kunit_info(test, "CPU %u: %llu by the task, %llu in interrupts, eager read %llu, idle %llu; busy %llu",
			   writers[i].cpu, writers[i].by_task,
			   writers[i].by_interrupt,
			   eager_ledger->accounts[writers[i].cpu].read,
			   idle_ledger->accounts[writers[i].cpu].read,
			   eager_ledger->busy);
}

/* ---- waiting ------------------------------------------------------------- */

/**
 * struct waiter - a thread that waits for events and reads them
 * @reader: its reader
 * @ledger: what it read
 * @rounds: how often it waits before it ends
 * @error: what ring_reader_wait() returned last
 * @woken: completed after each wait and reading
 * @task: the thread
 */
struct waiter {
	struct ring_reader *reader;
	struct ledger *ledger;
	unsigned int rounds;
	int error;
	struct completion woken;
	struct task_struct *task;
};

static int wait_and_read(void *data)
{
	struct waiter *waiter = data;

	allow_signal(SIGTERM);
	while (waiter->rounds-- && !waiter->error) {
		waiter->error = ring_reader_wait(waiter->reader);
		while (read_all(waiter->reader, waiter->ledger) ==
		       RING_NEXT_BUSY)
			cond_resched();
		complete(&waiter->woken);
	}
	return 0;
}

/* The signal ends a wait that a failed test has left without an event. */
static void stop_waiter(void *data)
{
	struct waiter *waiter = data;

	send_sig(SIGTERM, waiter->task, 1);
	kthread_stop(waiter->task);
	put_task_struct(waiter->task);
}

static struct waiter *start_waiter(struct kunit *test,
				   struct ring_reader *reader,
				   unsigned int cpu, unsigned int rounds)
{
	struct waiter *waiter = kunit_kzalloc(test, sizeof(*waiter), GFP_KERNEL);
	struct task_struct *task;

	KUNIT_ASSERT_NOT_NULL(test, waiter);
	waiter->reader = reader;
	waiter->ledger = new_ledger(test);
	waiter->rounds = rounds;
	init_completion(&waiter->woken);
	task = kthread_create_on_cpu(wait_and_read, waiter, cpu,
				     "ring_waiter/%u");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	waiter->task = get_task_struct(task);
	wake_up_process(task);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, stop_waiter, waiter));
	return waiter;
}

static bool falls_asleep(const struct waiter *waiter)
{
	unsigned int state;

	return !read_poll_timeout(READ_ONCE, state,
				  state == TASK_INTERRUPTIBLE, LOOK_EVERY_US,
				  PATIENCE_US, false, waiter->task->__state);
}

static bool wakes_up(struct waiter *waiter)
{
	return wait_for_completion_timeout(&waiter->woken, PATIENCE);
}

static void waiting_ends_at_once_if_there_is_data(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);
	struct waiter *waiter;

	write_one(ring, 1);
	waiter = start_waiter(test, reader, home_cpu(), 1);
	KUNIT_EXPECT_TRUE(test, wakes_up(waiter));
	KUNIT_EXPECT_EQ(test, waiter->error, 0);
	expect_law(test, ring, waiter->ledger);
}

static void writer_wakes_a_reader_on_its_own_cpu(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct waiter *waiter = start_waiter(test, new_reader(test, ring),
					     home_cpu(), 1);

	KUNIT_ASSERT_TRUE(test, falls_asleep(waiter));
	write_one(ring, 1);
	KUNIT_ASSERT_TRUE(test, wakes_up(waiter));
	KUNIT_EXPECT_EQ(test, waiter->error, 0);
	expect_law(test, ring, waiter->ledger);
}

static void writer_wakes_a_reader_on_another_cpu(struct kunit *test)
{
	unsigned int there = other_cpu(test);
	struct event_ring *ring = new_ring(test, RECORDS);
	struct waiter *waiter = start_waiter(test, new_reader(test, ring),
					     there, 1);

	KUNIT_ASSERT_TRUE(test, falls_asleep(waiter));
	write_one(ring, 1);
	KUNIT_ASSERT_TRUE(test, wakes_up(waiter));
	KUNIT_EXPECT_EQ(test, waiter->error, 0);
	expect_law(test, ring, waiter->ledger);
}

/*
 * Going to sleep starts a timer, in case that an event came meanwhile. Once it
 * has ended only the writer itself can wake the reader.
 */
static void writer_wakes_a_reader_after_a_long_sleep(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct waiter *waiter = start_waiter(test, new_reader(test, ring),
					     home_cpu(), 1);

	KUNIT_ASSERT_TRUE(test, falls_asleep(waiter));
	msleep(LONG_SLEEP_MS);
	write_one(ring, 1);
	KUNIT_ASSERT_TRUE(test, wakes_up(waiter));
	KUNIT_EXPECT_EQ(test, waiter->error, 0);
	expect_law(test, ring, waiter->ledger);
}

static void writer_wakes_every_reader(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct waiter *waiters[5];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(waiters); i++)
		waiters[i] = start_waiter(test, new_reader(test, ring),
					  some_online_cpu(i), 1);
	for (i = 0; i < ARRAY_SIZE(waiters); i++)
		KUNIT_ASSERT_TRUE(test, falls_asleep(waiters[i]));
	write_one(ring, 1);
	for (i = 0; i < ARRAY_SIZE(waiters); i++) {
		KUNIT_ASSERT_TRUE(test, wakes_up(waiters[i]));
		expect_law(test, ring, waiters[i]->ledger);
	}
}

/*
 * The reader of one CPU goes on waiting while another CPU writes. That it had
 * its chance to go wrong shows in a reader of all CPUs that woke up.
 */
static void other_cpus_do_not_end_a_wait(struct kunit *test)
{
	unsigned int there = other_cpu(test);
	struct event_ring *ring = new_ring(test, RECORDS);
	struct waiter *of_all = start_waiter(test, new_reader(test, ring),
					     home_cpu(), 1);
	struct waiter *of_there =
		start_waiter(test, new_reader_of(test, ring, there), there, 1);

	KUNIT_ASSERT_TRUE(test, falls_asleep(of_all));
	KUNIT_ASSERT_TRUE(test, falls_asleep(of_there));
	write_one(ring, 1);
	KUNIT_ASSERT_TRUE(test, wakes_up(of_all));
	KUNIT_ASSERT_TRUE(test, falls_asleep(of_there));
	KUNIT_EXPECT_FALSE(test, completion_done(&of_there->woken));

	write_on(test, ring, there, 2);
	KUNIT_ASSERT_TRUE(test, wakes_up(of_there));
	KUNIT_EXPECT_EQ(test, of_there->error, 0);
	KUNIT_EXPECT_EQ(test, of_there->ledger->accounts[there].read, 1);
}

/* Nothing but the loss comes from a CPU that had no memory for slots. */
static void loss_without_slots_wakes_a_reader(struct kunit *test)
{
	unsigned int there = other_cpu(test);
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_cpu *part = per_cpu_ptr(ring->cpus, there);
	struct waiter *waiter =
		start_waiter(test, new_reader_of(test, ring, there), home_cpu(), 1);
	struct remote_write write = { .ring = ring };

	vfree(part->slots);
	part->slots = NULL;
	KUNIT_ASSERT_TRUE(test, falls_asleep(waiter));
	msleep(LONG_SLEEP_MS);
	smp_call_function_single(there, write_here, &write, true);
	KUNIT_EXPECT_FALSE(test, write.written);
	KUNIT_ASSERT_TRUE(test, wakes_up(waiter));
	KUNIT_EXPECT_EQ(test, waiter->error, 0);
	KUNIT_EXPECT_EQ(test, waiter->ledger->accounts[there].lost, 1);
	expect_law(test, ring, waiter->ledger);
}

#define RACE_ROUNDS	100

/*
 * The reader goes to sleep just when the next event is written, again and
 * again: a wake-up that falls between the two must not be missed.
 */
static void no_wake_up_is_missed(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	unsigned int there = cpumask_last(cpu_online_mask);
	struct waiter *waiter = start_waiter(test, new_reader(test, ring),
					     there, RACE_ROUNDS);
	unsigned int round;

	for (round = 0; round < RACE_ROUNDS; round++) {
		write_one(ring, round);
		KUNIT_ASSERT_TRUE_MSG(test, wakes_up(waiter), "in round %u",
				      round);
	}
	KUNIT_EXPECT_EQ(test, waiter->error, 0);
	expect_law(test, ring, waiter->ledger);
}

static void signal_ends_a_wait(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct waiter *waiter = start_waiter(test, new_reader(test, ring),
					     home_cpu(), 1);

	KUNIT_ASSERT_TRUE(test, falls_asleep(waiter));
	send_sig(SIGTERM, waiter->task, 1);
	KUNIT_ASSERT_TRUE(test, wakes_up(waiter));
	KUNIT_EXPECT_EQ(test, waiter->error, -ERESTARTSYS);
}

static void poll_tells_whether_there_is_more(struct kunit *test)
{
	struct event_ring *ring = new_ring(test, RECORDS);
	struct ring_reader *reader = new_reader(test, ring);

	KUNIT_EXPECT_EQ(test, (u32 __force)ring_reader_poll(reader, NULL, NULL),
			0);
	write_one(ring, 1);
	KUNIT_EXPECT_EQ(test, (u32 __force)ring_reader_poll(reader, NULL, NULL),
			(u32 __force)(EPOLLIN | EPOLLRDNORM));
	read_all(reader, new_ledger(test));
	KUNIT_EXPECT_EQ(test, (u32 __force)ring_reader_poll(reader, NULL, NULL),
			0);
}

static struct kunit_case event_ring_cases[] = {
	KUNIT_CASE_PARAM(bad_size_is_refused, bad_size_gen_params),
	KUNIT_CASE_PARAM(good_size_is_kept, good_size_gen_params),

	KUNIT_CASE(new_ring_is_empty),
	KUNIT_CASE_PARAM(oldest_are_overwritten, filling_gen_params),
	KUNIT_CASE(record_keeps_the_moment_of_its_claim),
	KUNIT_CASE(ready_tells_whether_there_is_more),

	KUNIT_CASE(readers_take_nothing_from_each_other),
	KUNIT_CASE(slow_reader_is_told_exactly_what_it_missed),
	KUNIT_CASE(reader_overtaken_between_records_keeps_the_law),
	KUNIT_CASE(run_holds_what_would_come_one_by_one),
	KUNIT_CASE(run_ends_where_events_were_lost),
	KUNIT_CASE(reader_that_starts_now_sees_only_what_follows),
	KUNIT_CASE(reader_can_start_again),
	KUNIT_CASE_PARAM(frozen_reader_ends_where_it_froze, freeze_gen_params),
	KUNIT_CASE(starting_again_thaws),

	KUNIT_CASE(open_record_is_busy_and_then_read),
	KUNIT_CASE(record_being_overwritten_is_not_shown),
	KUNIT_CASE(claim_holds_the_cpu),
	KUNIT_CASE_PARAM(claims_nest_to_any_depth, depth_gen_params),
	KUNIT_CASE(open_record_outlives_the_ring),
	KUNIT_CASE(hardirq_writes_inside_a_task),

	KUNIT_CASE(cpu_reader_reads_its_cpu_alone),
	KUNIT_CASE(loss_on_one_cpu_is_none_on_another),
	KUNIT_CASE(run_ends_where_another_cpu_comes_next),
	KUNIT_CASE(cpu_overtaken_before_its_turn_has_lost),
	KUNIT_CASE(cpus_are_merged_by_time),
	KUNIT_CASE_SLOW(cpu_that_leaves_keeps_its_records),
	KUNIT_CASE_SLOW(cpu_that_comes_later_gets_its_slots),
	KUNIT_CASE_PARAM(cpu_that_had_no_slots_has_lost_its_events,
			 filling_gen_params),
	KUNIT_CASE_SLOW(writers_and_readers_at_once),

	KUNIT_CASE(waiting_ends_at_once_if_there_is_data),
	KUNIT_CASE(writer_wakes_a_reader_on_its_own_cpu),
	KUNIT_CASE(writer_wakes_a_reader_on_another_cpu),
	KUNIT_CASE(writer_wakes_a_reader_after_a_long_sleep),
	KUNIT_CASE(writer_wakes_every_reader),
	KUNIT_CASE(other_cpus_do_not_end_a_wait),
	KUNIT_CASE(loss_without_slots_wakes_a_reader),
	KUNIT_CASE_SLOW(no_wake_up_is_missed),
	KUNIT_CASE(signal_ends_a_wait),
	KUNIT_CASE(poll_tells_whether_there_is_more),
	{}
};

static struct kunit_suite event_ring_suite = {
	.name = "renoscope_event_ring",
	.init = stay_at_home,
	.test_cases = event_ring_cases,
};

kunit_test_suite(event_ring_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: the flight-recorder ring");
MODULE_LICENSE("GPL");
