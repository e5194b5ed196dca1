/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A storm on the flight-recorder ring: its parts, and the records they pass on.
 */
#ifndef RENOSCOPE_RING_STORM_H
#define RENOSCOPE_RING_STORM_H

#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/types.h>

#include "event_ring.h"

/**
 * enum storm_context - where a record is written
 * @STORM_TASK: a thread
 * @STORM_SOFTIRQ: a tasklet
 * @STORM_HARDIRQ: a timer, an irq_work, or another CPU's call
 * @STORM_NMI: a non-maskable interrupt
 * @STORM_CONTEXTS: how many there are
 */
enum storm_context {
	STORM_TASK,
	STORM_SOFTIRQ,
	STORM_HARDIRQ,
	STORM_NMI,
	STORM_CONTEXTS,
};

extern const char * const storm_context_names[STORM_CONTEXTS];

/* ---- records that prove themselves --------------------------------------- */

enum storm_word {
	STORM_WORD_CPU,
	STORM_WORD_CONTEXT,
	STORM_WORD_FIRST,
	STORM_WORD_SUM = sizeof_field(struct ring_record, payload) / sizeof(u64) - 1,
};

static inline u64 storm_mix(u64 word)
{
	word *= 0x9e3779b97f4a7c15ULL;
	return word ^ word >> 29;
}

/* What stands at a place, of all that only this writer knew. */
static inline u64 storm_word(u64 serial, u64 cpu, u64 context, unsigned int place)
{
	return storm_mix(serial << 8 ^ cpu << 56 ^ context << 52 ^ place);
}

/* Over every byte of the record, serial and time included. */
static inline u64 storm_sum(u64 serial, const struct ring_record *record)
{
	const u64 *words = (const u64 *)record->payload;
	u64 sum = storm_mix(serial) + record->time_ns;
	unsigned int place;

	for (place = 0; place < STORM_WORD_SUM; place++)
		sum = storm_mix(sum ^ words[place]);
	return sum;
}

/* ---- the parts ------------------------------------------------------------ */

/**
 * struct storm_writer - all that writes on one CPU
 * @ring: where to
 * @cpu: the CPU
 * @contexts: bits of enum storm_context that may write
 * @events: how many the thread writes; 0 for no end but the storm's
 * @neighbour: whom it interrupts besides itself
 * @task: the thread
 * @task_done: it has written its @events
 * @timer: interrupts the CPU at any instruction
 * @work: a hardirq that can be asked for at an instruction
 * @call: a hardirq that the neighbour asks for
 * @tasklet: a softirq that can be asked for
 * @open: context of the innermost record that is open, STORM_CONTEXTS for none
 * @wrote: serials claimed, by context; a context never nests in itself
 * @refused: of these, claims that found no slot
 * @buried: of these, records whose slot held a tombstone once published
 * @inside: of these, claims while a record of the other context was open, by
 *	    the inner context and the outer
 */
struct storm_writer {
	struct event_ring *ring;
	unsigned int cpu;
	unsigned long contexts;
	u64 events;
	struct storm_writer *neighbour;
	struct task_struct *task;
	struct completion task_done;
	struct hrtimer timer;
	struct irq_work work;
	call_single_data_t call;
	struct tasklet_struct tasklet;
	unsigned int open;
	u64 wrote[STORM_CONTEXTS];
	u64 refused[STORM_CONTEXTS];
	u64 buried[STORM_CONTEXTS];
	u64 inside[STORM_CONTEXTS][STORM_CONTEXTS];
};

/**
 * enum storm_pace - how a reader behaves
 * @STORM_FAST: reads all the time
 * @STORM_WAITING: sleeps until it is woken, as a read() that blocks
 * @STORM_SLOW: reads a few and sleeps a while
 * @STORM_PACES: how many there are
 */
enum storm_pace {
	STORM_FAST,
	STORM_WAITING,
	STORM_SLOW,
	STORM_PACES,
};

extern const char * const storm_pace_names[STORM_PACES];

/**
 * struct storm_account - what a reader was told about one CPU
 * @next: the only serial that may come now
 * @read: records
 * @lost: events reported lost
 * @last_ns: time of the last record
 */
struct storm_account {
	u64 next;
	u64 read;
	u64 lost;
	u64 last_ns;
};

/**
 * struct storm_reader - a thread that reads and checks
 * @reader: its place in the ring
 * @pace: how it behaves
 * @task: the thread
 * @begun: it runs
 * @torn: records whose checksum is wrong, or that name no CPU
 * @misplaced: records and losses with another serial than was due
 * @busy: how often it met a record being written
 * @unfinished: a record was never completed, though no writer was left
 * @latest_ns: the latest time of any record
 * @cpu_back: records older than the one before them on their CPU
 * @back: records older than one read before, from any CPU
 * @back_max_ns: by how much, at most
 * @accounts: by CPU
 */
struct storm_reader {
	struct ring_reader *reader;
	enum storm_pace pace;
	struct task_struct *task;
	struct completion begun;
	u64 torn;
	u64 misplaced;
	u64 busy;
	u64 unfinished;
	u64 latest_ns;
	u64 cpu_back;
	u64 back;
	u64 back_max_ns;
	struct storm_account accounts[];
};

int storm_writers_create(struct event_ring *ring, unsigned long contexts,
			 u64 events);
void storm_writers_start(void);
int storm_writers_wait(void);
void storm_writers_stop(void);
void storm_writers_free(void);
unsigned int storm_writers_count(void);
const struct storm_writer *storm_writers_get(unsigned int number);

struct storm_reader *storm_reader_start(struct event_ring *ring,
					enum storm_pace pace);
void storm_reader_stop(struct storm_reader *reader);
void storm_reader_free(struct storm_reader *reader);

#endif /* RENOSCOPE_RING_STORM_H */
