/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A flight-recorder ring: per CPU, fixed memory, always overwriting the oldest,
 * any number of independent readers. It knows records, not TCP. Writers include
 * event_ring_writer.h.
 */
#ifndef RENOSCOPE_EVENT_RING_H
#define RENOSCOPE_EVENT_RING_H

#include <linux/bits.h>
#include <linux/poll.h>
#include <linux/types.h>

#define RING_RECORD_BYTES	192	/* three cache lines; event_fields.h says why */

/*
 * Slots for each CPU. Fewer than the least would be overwritten before a reader has
 * copied one; the most are 192 MiB. The default is 1.5 MiB.
 */
#define RING_RECORDS_MIN	16
#define RING_RECORDS_MAX	BIT(20)
#define RING_RECORDS_DEFAULT	8192

struct event_ring;
struct ring_reader;

/*
 * Set in a record's serial while it is being written, and once its place was
 * lost to nested writers. A reader's copy has neither, and no serial comes near.
 */
#define RING_OPEN		BIT_ULL(62)
#define RING_TOMB		BIT_ULL(63)

/**
 * struct ring_record - what a writer fills and a reader gets
 * @serial: number of the record on its CPU, from 1; the ring's own
 * @time_ns: CLOCK_MONOTONIC of the claim; the ring's own
 * @payload: the writer's
 */
struct ring_record {
	u64 serial;
	u64 time_ns;
	u8 payload[RING_RECORD_BYTES - 2 * sizeof(u64)];
};

/**
 * struct ring_lost - a run of events that a reader came too late for
 * @first_serial: serial of the first of them
 * @count: how many
 * @cpu: on which CPU
 */
struct ring_lost {
	u64 first_serial;
	u64 count;
	unsigned int cpu;
};

/**
 * struct ring_cpu_stats - one CPU's part of the ring, at a moment
 * @written: serials claimed so far
 * @oldest: oldest serial that can still be read, @written + 1 when none can
 * @unwritten: serials claimed that found no free slot
 */
struct ring_cpu_stats {
	u64 written;
	u64 oldest;
	u64 unwritten;
};

/**
 * enum ring_next - what ring_reader_next() found
 * @RING_NEXT_RECORD: a record was copied out
 * @RING_NEXT_LOST: events were lost; the reader now stands behind them
 * @RING_NEXT_BUSY: the next record was not complete this moment; ask again
 * @RING_NEXT_NONE: nothing more for now
 */
enum ring_next {
	RING_NEXT_RECORD,
	RING_NEXT_LOST,
	RING_NEXT_BUSY,
	RING_NEXT_NONE,
};

/**
 * enum ring_start - where a reader begins
 * @RING_START_FIRST: serial 1; what is overwritten by now counts as lost
 * @RING_START_NOW: what is written from now on
 */
enum ring_start {
	RING_START_FIRST,
	RING_START_NOW,
};

/* Of a reader: no processor has this number. */
#define RING_ALL_CPUS	(-1)

struct event_ring *event_ring_create(unsigned int records);
void event_ring_destroy(struct event_ring *ring);
unsigned int event_ring_records(const struct event_ring *ring);
bool event_ring_cpu_stats(struct event_ring *ring, unsigned int cpu,
			  struct ring_cpu_stats *stats);

struct ring_reader *ring_reader_create(struct event_ring *ring, int only_cpu);
void ring_reader_destroy(struct ring_reader *reader);
void ring_reader_start(struct ring_reader *reader, enum ring_start start);
void ring_reader_freeze(struct ring_reader *reader);
enum ring_next ring_reader_next(struct ring_reader *reader,
				struct ring_record *record,
				struct ring_lost *lost);
unsigned int ring_reader_run(struct ring_reader *reader,
			     struct ring_record *records, unsigned int most);
bool ring_reader_ready(struct ring_reader *reader);
int ring_reader_wait(struct ring_reader *reader);
__poll_t ring_reader_poll(struct ring_reader *reader, struct file *file,
			  poll_table *wait);

#endif /* RENOSCOPE_EVENT_RING_H */
