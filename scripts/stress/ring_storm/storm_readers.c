// SPDX-License-Identifier: GPL-2.0
/*
 * The readers: threads that believe nothing. Each keeps an account for each CPU,
 * which knows the only serial that may come next, be it read or reported lost.
 *
 * Order by time is counted, not judged: a writer that was interrupted between its
 * claim and its look at the clock is older by serial and younger by time than
 * the one that interrupted it. Where nothing nests, the counts must be 0.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "storm.h"

/* At once, and on the stack. */
#define RUN		4
#define SLOW_READS	10
#define SLOW_SLEEP_MS	20
#define PATIENCE	(20 * HZ)

const char * const storm_pace_names[STORM_PACES] = {
	[STORM_FAST] = "fast",
	[STORM_WAITING] = "waiting",
	[STORM_SLOW] = "slow",
};

static bool is_whole(const struct ring_record *record)
{
	const u64 *words = (const u64 *)record->payload;
	unsigned int place;

	if (words[STORM_WORD_CPU] >= nr_cpu_ids ||
	    words[STORM_WORD_CONTEXT] >= STORM_CONTEXTS)
		return false;
	for (place = STORM_WORD_FIRST; place < STORM_WORD_SUM; place++)
		if (words[place] != storm_word(record->serial,
					       words[STORM_WORD_CPU],
					       words[STORM_WORD_CONTEXT],
					       place))
			return false;
	return words[STORM_WORD_SUM] == storm_sum(record->serial, record);
}

static void enter_time(struct storm_reader *reader,
		       struct storm_account *account, u64 time_ns)
{
	if (time_ns < account->last_ns)
		reader->cpu_back++;
	account->last_ns = time_ns;
	if (time_ns >= reader->latest_ns) {
		reader->latest_ns = time_ns;
		return;
	}
	reader->back++;
	reader->back_max_ns = max(reader->back_max_ns,
				  reader->latest_ns - time_ns);
}

static void enter_record(struct storm_reader *reader,
			 const struct ring_record *record)
{
	struct storm_account *account;

	if (!is_whole(record)) {
		reader->torn++;
		return;
	}
	account = &reader->accounts[((const u64 *)record->payload)[STORM_WORD_CPU]];
	reader->misplaced += record->serial != account->next;
	account->next = record->serial + 1;
	account->read++;
	enter_time(reader, account, record->time_ns);
}

static void enter_lost(struct storm_reader *reader,
		       const struct ring_lost *lost)
{
	struct storm_account *account = &reader->accounts[lost->cpu];

	reader->misplaced += lost->first_serial != account->next || !lost->count;
	account->next = lost->first_serial + lost->count;
	account->lost += lost->count;
}

static enum ring_next read_one(struct storm_reader *reader)
{
	struct ring_record record;
	struct ring_lost lost;
	enum ring_next next = ring_reader_next(reader->reader, &record, &lost);

	if (next == RING_NEXT_RECORD)
		enter_record(reader, &record);
	else if (next == RING_NEXT_LOST)
		enter_lost(reader, &lost);
	else if (next == RING_NEXT_BUSY)
		reader->busy++;
	return next;
}

static unsigned int read_run(struct storm_reader *reader)
{
	struct ring_record records[RUN];
	unsigned int i, count = ring_reader_run(reader->reader, records, RUN);

	for (i = 0; i < count; i++)
		enter_record(reader, &records[i]);
	return count;
}

/* As the files do it: all that is to be had at once, or whatever comes next. */
static enum ring_next read_next(struct storm_reader *reader)
{
	return read_run(reader) ? RING_NEXT_RECORD : read_one(reader);
}

static void read_some(struct storm_reader *reader, unsigned int count)
{
	enum ring_next next;

	do {
		next = read_next(reader);
	} while (--count &&
		 (next == RING_NEXT_RECORD || next == RING_NEXT_LOST));
}

/* Nobody writes any more: what is still open stays so, and is a failure. */
static void read_the_rest(struct storm_reader *reader)
{
	unsigned long deadline = jiffies + PATIENCE;
	enum ring_next next;

	do {
		next = read_next(reader);
		cond_resched();
	} while (next != RING_NEXT_NONE && time_before(jiffies, deadline));
	reader->unfinished = next != RING_NEXT_NONE;
}

static int reader_reads(void *data)
{
	struct storm_reader *reader = data;

	complete(&reader->begun);
	allow_signal(SIGTERM);
	while (!kthread_should_stop()) {
		read_some(reader, SLOW_READS);
		if (reader->pace == STORM_SLOW)
			msleep_interruptible(SLOW_SLEEP_MS);
		else if (reader->pace == STORM_WAITING)
			ring_reader_wait(reader->reader);
		cond_resched();
	}
	read_the_rest(reader);
	return 0;
}

/**
 * storm_reader_start - a reader from serial 1, at work
 * @ring: what it reads
 * @pace: how
 *
 * Return: the reader, or ERR_PTR().
 */
struct storm_reader *storm_reader_start(struct event_ring *ring,
					enum storm_pace pace)
{
	struct storm_reader *reader;
	struct task_struct *task;
	unsigned int cpu;

	reader = kvzalloc(struct_size(reader, accounts, nr_cpu_ids), GFP_KERNEL);
	if (!reader)
		return ERR_PTR(-ENOMEM);
	reader->pace = pace;
	init_completion(&reader->begun);
	for (cpu = 0; cpu < nr_cpu_ids; cpu++)
		reader->accounts[cpu].next = 1;
	reader->reader = ring_reader_create(ring, RING_ALL_CPUS);
	if (!reader->reader) {
		kvfree(reader);
		return ERR_PTR(-ENOMEM);
	}
	task = kthread_create(reader_reads, reader, "storm_reader");
	if (IS_ERR(task)) {
		storm_reader_free(reader);
		return ERR_CAST(task);
	}
	reader->task = get_task_struct(task);
	wake_up_process(task);
	/* A thread that is stopped before it runs never reads. */
	wait_for_completion(&reader->begun);
	return reader;
}

/**
 * storm_reader_stop - have it read the rest
 * @reader: started
 */
void storm_reader_stop(struct storm_reader *reader)
{
	/* One that waits does not look whether it should stop. */
	send_sig(SIGTERM, reader->task, 1);
	kthread_stop(reader->task);
	put_task_struct(reader->task);
	reader->task = NULL;
}

/**
 * storm_reader_free - give it back
 * @reader: stopped
 */
void storm_reader_free(struct storm_reader *reader)
{
	ring_reader_destroy(reader->reader);
	kvfree(reader);
}
