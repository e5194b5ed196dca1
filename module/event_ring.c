// SPDX-License-Identifier: GPL-2.0
/*
 * A flight-recorder ring.
 *
 * Terms
 * -----
 * record   RING_RECORD_BYTES bytes; the first 8 are its serial word.
 * slot     a place for a record. Each CPU has 2^n of them.
 * serial   number of a record on its CPU: 1, 2, 3, ... Record s lives in slot
 *	    (s - 1) mod 2^n, where it overwrites record s - 2^n.
 * head     the last serial claimed on a CPU.
 *
 * Who may write what
 * ------------------
 * Only code running on a CPU writes to that CPU's slots, with preemption off.
 * Writers on one CPU can still nest (task, softirq, hardirq, NMI), and they do
 * so strictly: the inner one ends before the outer one goes on. So a writer
 * first *claims* a serial by incrementing head in one instruction, and only
 * then fills the slot; inner writers get serials of their own. There is no lock
 * and no retry.
 *
 *	claim:	  s = ++head			(local to the CPU)
 *		  slot's serial word = s | OPEN
 *	fill:	  time, payload
 *	publish:  slot's serial word = s	(release)
 *
 * A claim that finds its slot OPEN can only have been made by a writer nested
 * in the very one that holds the slot, after a whole ring's length of nested
 * events. It must not touch the slot; its event is *unwritten*. The outer
 * writer sees on publishing that head has run a ring's length ahead, and
 * replaces its own (by then overwritten) serial with a *tombstone*: the newest
 * serial that maps to the slot, with TOMB set, so that readers waiting for it
 * count it lost instead of waiting for ever.
 *
 * Who may read what
 * -----------------
 * Anyone, at any time, from process context. A reader is a cursor per CPU and
 * takes nothing away from others. It compares the slot's serial word with the
 * serial it wants, copies, and compares again (a sequence lock whose sequence
 * number is the serial):
 *
 *	equal		the record, whole
 *	older, OPEN	being written this moment
 *	newer, TOMB	overwritten or unwritten: lost
 *
 * The law, on each CPU and for each reader that started at serial 1:
 *
 *	read + lost = written
 *
 * Order
 * -----
 * A reader of all CPUs merges by time. It works in batches: it notes the time,
 * then each CPU's head, and hands out what lies below both. The CPUs wait for
 * their turn in a heap by the time of their next record. Time is taken after
 * claiming, so what is claimed later is timed later than the batch, and batches
 * do not overlap. Two things blur that by nanoseconds, and are not worth a
 * barrier for each event: a claim may still be on its way to the other CPUs
 * when its time is taken, and ktime_get_mono_fast_ns() may step when the clock
 * is adjusted. On one CPU the order is that of the serials, always, in which a
 * nested writer stands behind the one it interrupted.
 *
 * Waking
 * ------
 * Waking from inside a probe could deadlock (the probe may run under a
 * run-queue lock), so publishing at most queues an irq_work, and only while
 * somebody waits (wake_state); so does an event that has no slot. The first
 * event after a reader began to wait starts a timer of RING_WAKE_AGE; readers
 * wake when it ends, or earlier when a CPU has written `watermark` events. A
 * reader that arms the wake-up and a writer that publishes at that moment can
 * miss each other, since publishing has no full barrier; arming therefore
 * starts the same timer once.
 *
 * Why not the kernel's ring_buffer: measured on 6.1 and 6.12 by counting guest
 * instructions, its reserve and commit of 128 bytes cost 477 to 489, this ring
 * 132 with the clock. It has one consumer, a clock of its own and an interface
 * that changed within stable series (ring_buffer_read_page, unlock_commit,
 * read_prepare_sync). Why not relay: it lives by mmap, which debugfs does not
 * forward and lockdown forbids.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/build_bug.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "event_ring_writer.h"
#include "kernel_compat.h"

static_assert(sizeof(struct ring_record) == RING_RECORD_BYTES);

/* Long enough to gather a batch, too short for a person to notice. */
#define RING_WAKE_AGE	msecs_to_jiffies(50)
#define RING_WATERMARK_MAX	4096U

/**
 * struct ring_cursor - where a reader stands on one CPU
 * @next: serial it wants next
 * @end: last serial of the current batch
 */
struct ring_cursor {
	u64 next;
	u64 end;
};

/**
 * struct ring_turn - a CPU that waits for its turn in the current batch
 * @time_ns: time of the record that its cursor wanted when it was queued; of what
 *	     it wants now it is never later, and when its turn comes that is asked
 * @cpu: its number
 */
struct ring_turn {
	u64 time_ns;
	unsigned int cpu;
};

/**
 * struct ring_reader - a cursor on each CPU, and who comes next
 * @ring: what it reads
 * @only_cpu: the CPU it reads, or RING_ALL_CPUS
 * @frozen: there is no batch after this one
 * @queued: all CPUs that have records in this batch are in @turns
 * @horizon_ns: the batch ends before this time
 * @run_end_ns: the first of @turns comes next, before this time; 0: not known
 * @turn_count: so many CPUs wait for their turn
 * @turns: a heap of them, the earliest first
 * @cursors: by CPU number
 */
struct ring_reader {
	struct event_ring *ring;
	int only_cpu;
	bool frozen;
	bool queued;
	u64 horizon_ns;
	u64 run_end_ns;
	unsigned int turn_count;
	struct ring_turn *turns;
	struct ring_cursor cursors[];
};

/* ---- writing ---------------------------------------------------------- */

/*
 * Did nested writers go round the whole ring while this record was open? Those
 * that met it open left no trace, so name the newest of them, unless a later
 * one has taken the slot since it was published.
 */
static void bury(const struct event_ring *ring, const struct ring_cpu *cpu,
		 struct ring_record *record, u64 serial)
{
	u64 rounds = (ring_head(cpu) - serial) / ring->records;
	u64 newest = serial + rounds * ring->records;

	if (rounds)
		cmpxchg_local(&record->serial, serial, newest | RING_TOMB);
}

static void tell_readers(const struct event_ring *ring, struct ring_cpu *cpu,
			 u64 serial)
{
	u64 since_batch = serial - READ_ONCE(cpu->batch_start);
	int wake_state = READ_ONCE(ring->wake_state);

	if (wake_state == RING_WAKE_FIRST ||
	    (wake_state == RING_WAKE_BATCH && since_batch >= ring->watermark))
		irq_work_queue(&cpu->wake);
}

/**
 * event_ring_published - what remains to be done behind a few of the records
 * @ring: the ring
 * @cpu: this CPU's part
 * @record: the record, which readers can see by now
 * @serial: its serial
 *
 * Where there were nested writers, or somebody waits for events.
 *
 * Context: that of event_ring_publish(), which is what to call.
 */
void event_ring_published(struct event_ring *ring, struct ring_cpu *cpu,
			  struct ring_record *record, u64 serial)
{
	bury(ring, cpu, record, serial);
	tell_readers(ring, cpu, serial);
}
EXPORT_SYMBOL_IF_KUNIT(event_ring_published);

/**
 * event_ring_unwritten - count an event that found no free slot
 * @ring: the ring
 * @cpu: this CPU's part
 * @serial: the event's serial
 *
 * Who waits is woken as by a record: the loss is what there is to read, and on a
 * CPU without slots nothing else ever comes.
 *
 * Context: that of event_ring_claim(), which is what to call.
 */
void event_ring_unwritten(struct event_ring *ring, struct ring_cpu *cpu,
			  u64 serial)
{
	local_inc(&cpu->unwritten);
	tell_readers(ring, cpu, serial);
}
EXPORT_SYMBOL_IF_KUNIT(event_ring_unwritten);

/* ---- waking ----------------------------------------------------------- */

static u64 written_total(struct event_ring *ring)
{
	unsigned int cpu;
	u64 total = 0;

	for_each_possible_cpu(cpu)
		total += ring_head(per_cpu_ptr(ring->cpus, cpu));
	return total;
}

static void wake_readers(struct event_ring *ring)
{
	WRITE_ONCE(ring->wake_state, RING_WAKE_IDLE);
	wake_up_interruptible_all(&ring->readers);
}

static void start_batch(struct event_ring *ring)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct ring_cpu *part = per_cpu_ptr(ring->cpus, cpu);

		WRITE_ONCE(part->batch_start, ring_head(part));
	}
	mod_delayed_work(system_wq, &ring->wake_timer, RING_WAKE_AGE);
}

static void wake_work(struct irq_work *work)
{
	struct ring_cpu *cpu = container_of(work, struct ring_cpu, wake);
	struct event_ring *ring = cpu->ring;

	if (cmpxchg(&ring->wake_state, RING_WAKE_FIRST, RING_WAKE_BATCH) == RING_WAKE_FIRST)
		start_batch(ring);
	else if (ring_head(cpu) - READ_ONCE(cpu->batch_start) >= ring->watermark)
		wake_readers(ring);
}

static void wake_timer_ended(struct work_struct *work)
{
	struct event_ring *ring = container_of(to_delayed_work(work),
					       struct event_ring, wake_timer);

	if (READ_ONCE(ring->wake_state) == RING_WAKE_BATCH ||
	    written_total(ring) != READ_ONCE(ring->armed_total))
		wake_readers(ring);
}

/* From now on the next event wakes the readers. */
static void arm_wake(struct event_ring *ring)
{
	u64 total = written_total(ring);

	if (cmpxchg(&ring->wake_state, RING_WAKE_IDLE, RING_WAKE_FIRST) != RING_WAKE_IDLE)
		return;
	WRITE_ONCE(ring->armed_total, total);
	mod_delayed_work(system_wq, &ring->wake_timer, RING_WAKE_AGE);
}

/* ---- life ------------------------------------------------------------- */

static struct ring_record *allocate_slots(const struct event_ring *ring,
					  unsigned int cpu)
{
	size_t bytes = array_size(ring->records, RING_RECORD_BYTES);

	/* Rather no ring than somebody else's memory, by way of the OOM killer. */
	if (bytes >> PAGE_SHIFT >= si_mem_available())
		return NULL;
	return vzalloc_node(bytes, cpu_to_node(cpu));
}

/* The oldest of @head serials that has not been overwritten. */
static u64 oldest_of(const struct event_ring *ring, u64 head)
{
	return head > ring->records ? head - ring->records + 1 : 1;
}

/*
 * What was written before there were slots is lost: readers must not wait for it to
 * appear in them.
 */
static void bury_unwritten(const struct event_ring *ring, struct ring_record *slots,
			   u64 head)
{
	u64 serial;

	for (serial = oldest_of(ring, head); serial <= head; serial++)
		slots[(serial - 1) & ring->mask].serial = serial | RING_TOMB;
}

/*
 * A CPU is about to come up: give it slots, unless it has had them before. It
 * comes up without them too: then its events are counted as unwritten.
 */
static int ring_prepare_cpu(unsigned int cpu, struct hlist_node *node)
{
	struct event_ring *ring = hlist_entry(node, struct event_ring,
					      hotplug_node);
	struct ring_cpu *part = per_cpu_ptr(ring->cpus, cpu);
	struct ring_record *slots;

	if (part->slots)
		return 0;
	slots = allocate_slots(ring, cpu);
	if (!slots) {
		pr_warn("CPU %u has no ring: its events will be lost\n", cpu);
		return 0;
	}
	bury_unwritten(ring, slots, ring_head(part));
	/* Readers see slots of which each word is in place. */
	smp_store_release(&part->slots, slots);
	return 0;
}

static bool running_cpus_have_slots(const struct event_ring *ring)
{
	unsigned int cpu;

	for_each_online_cpu(cpu)
		if (!per_cpu_ptr(ring->cpus, cpu)->slots)
			return false;
	return true;
}

static void free_slots(struct event_ring *ring)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		vfree(per_cpu_ptr(ring->cpus, cpu)->slots);
}

static void init_cpus(struct event_ring *ring)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct ring_cpu *part = per_cpu_ptr(ring->cpus, cpu);

		part->ring = ring;
		init_irq_work(&part->wake, wake_work);
	}
}

/**
 * event_ring_create - a new, empty ring
 * @records: slots for each CPU, a power of two between RING_RECORDS_MIN and
 *	     RING_RECORDS_MAX
 *
 * Memory is taken for the CPUs that are up, each on its own node, and for
 * others when they come up.
 *
 * Context: process context, may sleep.
 * Return: the ring, or ERR_PTR(-EINVAL) for a bad @records, ERR_PTR(-ENOMEM),
 * or the error of the CPU hotplug registration.
 */
struct event_ring *event_ring_create(unsigned int records)
{
	struct event_ring *ring;
	int err;

	if (!is_power_of_2(records) || records < RING_RECORDS_MIN ||
	    records > RING_RECORDS_MAX)
		return ERR_PTR(-EINVAL);

	ring = kzalloc(sizeof(*ring), GFP_KERNEL);
	if (!ring)
		return ERR_PTR(-ENOMEM);
	ring->records = records;
	ring->mask = records - 1;
	ring->watermark = min(records / 4, RING_WATERMARK_MAX);
	init_waitqueue_head(&ring->readers);
	INIT_DELAYED_WORK(&ring->wake_timer, wake_timer_ended);

	err = -ENOMEM;
	ring->cpus = alloc_percpu(struct ring_cpu);
	if (!ring->cpus)
		goto err_ring;
	init_cpus(ring);

	err = cpuhp_setup_state_multi(CPUHP_BP_PREPARE_DYN, "renoscope:ring",
				      ring_prepare_cpu, NULL);
	if (err < 0)
		goto err_cpus;
	ring->hotplug_state = err;
	err = cpuhp_state_add_instance(ring->hotplug_state,
				       &ring->hotplug_node);
	if (err)
		goto err_hotplug;
	err = -ENOMEM;
	if (!running_cpus_have_slots(ring))
		goto err_instance;
	return ring;

err_instance:
	cpuhp_state_remove_instance_nocalls(ring->hotplug_state,
					    &ring->hotplug_node);
err_hotplug:
	cpuhp_remove_multi_state(ring->hotplug_state);
err_cpus:
	free_slots(ring);
	free_percpu(ring->cpus);
err_ring:
	kfree(ring);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_IF_KUNIT(event_ring_create);

/**
 * event_ring_destroy - give a ring's memory back
 * @ring: the ring; no writer and no reader may be left
 *
 * Context: process context, may sleep.
 */
void event_ring_destroy(struct event_ring *ring)
{
	unsigned int cpu;

	cpuhp_state_remove_instance_nocalls(ring->hotplug_state,
					    &ring->hotplug_node);
	cpuhp_remove_multi_state(ring->hotplug_state);
	for_each_possible_cpu(cpu)
		irq_work_sync(&per_cpu_ptr(ring->cpus, cpu)->wake);
	cancel_delayed_work_sync(&ring->wake_timer);
	free_slots(ring);
	free_percpu(ring->cpus);
	kfree(ring);
}
EXPORT_SYMBOL_IF_KUNIT(event_ring_destroy);

/**
 * event_ring_records - how many slots each CPU has
 * @ring: the ring
 *
 * Context: any.
 * Return: records, a power of two.
 */
unsigned int event_ring_records(const struct event_ring *ring)
{
	return ring->records;
}
EXPORT_SYMBOL_IF_KUNIT(event_ring_records);

static u64 oldest_serial(const struct event_ring *ring,
			 const struct ring_cpu *cpu, u64 head)
{
	return cpu->slots ? oldest_of(ring, head) : head + 1;
}

/**
 * event_ring_cpu_stats - one CPU's counts
 * @ring: the ring
 * @cpu: a possible CPU's number
 * @stats: filled
 *
 * Context: any.
 * Return: true if that CPU has slots or has counted anything; false if it was
 * never up, then all counts are 0.
 */
bool event_ring_cpu_stats(struct event_ring *ring, unsigned int cpu,
			  struct ring_cpu_stats *stats)
{
	const struct ring_cpu *part = per_cpu_ptr(ring->cpus, cpu);

	stats->written = ring_head(part);
	stats->oldest = oldest_serial(ring, part, stats->written);
	stats->unwritten = local_read(&part->unwritten);
	return part->slots || stats->written;
}
EXPORT_SYMBOL_IF_KUNIT(event_ring_cpu_stats);

/* ---- reading ---------------------------------------------------------- */

/**
 * ring_reader_create - a new reader, standing at serial 1
 * @ring: the ring, which must outlive the reader
 * @only_cpu: a possible CPU's number, or RING_ALL_CPUS
 *
 * A reader is not locked: one task at a time.
 *
 * Context: process context, may sleep.
 * Return: the reader, or NULL when there is no memory.
 */
struct ring_reader *ring_reader_create(struct event_ring *ring, int only_cpu)
{
	struct ring_reader *reader;

	reader = kvzalloc(struct_size(reader, cursors, nr_cpu_ids), GFP_KERNEL);
	if (!reader)
		return NULL;
	reader->turns = kvcalloc(nr_cpu_ids, sizeof(*reader->turns), GFP_KERNEL);
	if (!reader->turns) {
		kvfree(reader);
		return NULL;
	}
	reader->ring = ring;
	reader->only_cpu = only_cpu;
	ring_reader_start(reader, RING_START_FIRST);
	return reader;
}
EXPORT_SYMBOL_IF_KUNIT(ring_reader_create);

/**
 * ring_reader_destroy - end a reader
 * @reader: what ring_reader_create() returned
 *
 * Context: process context, may sleep.
 */
void ring_reader_destroy(struct ring_reader *reader)
{
	kvfree(reader->turns);
	kvfree(reader);
}
EXPORT_SYMBOL_IF_KUNIT(ring_reader_destroy);

static bool reads_cpu(const struct ring_reader *reader, unsigned int cpu)
{
	return reader->only_cpu == RING_ALL_CPUS || reader->only_cpu == cpu;
}

static void end_batch(struct ring_reader *reader)
{
	reader->horizon_ns = 0;
	reader->run_end_ns = 0;
	reader->queued = false;
}

/**
 * ring_reader_start - place a reader
 * @reader: the reader
 * @start: where
 *
 * Also ends what ring_reader_freeze() began.
 *
 * Context: process context.
 */
void ring_reader_start(struct ring_reader *reader, enum ring_start start)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		const struct ring_cpu *part = per_cpu_ptr(reader->ring->cpus,
							  cpu);
		u64 next = start == RING_START_NOW ? ring_head(part) + 1 : 1;

		reader->cursors[cpu] = (struct ring_cursor){
			.next = next,
			.end = next - 1,
		};
	}
	reader->frozen = false;
	end_batch(reader);
}
EXPORT_SYMBOL_IF_KUNIT(ring_reader_start);

/* Note the time first and the heads after it; see "Order" above. */
static void begin_batch(struct ring_reader *reader)
{
	unsigned int cpu;

	end_batch(reader);
	/* Its last moment belongs to it. */
	reader->horizon_ns = ktime_get_mono_fast_ns() + 1;
	/* The heads after the time; see "Order". */
	smp_mb();
	for_each_possible_cpu(cpu)
		reader->cursors[cpu].end =
			ring_head(per_cpu_ptr(reader->ring->cpus, cpu));
}

/**
 * ring_reader_freeze - end the reader's input with what is written by now
 * @reader: the reader
 *
 * Context: process context.
 */
void ring_reader_freeze(struct ring_reader *reader)
{
	if (reader->frozen)
		return;
	begin_batch(reader);
	reader->horizon_ns = U64_MAX;
	reader->frozen = true;
}
EXPORT_SYMBOL_IF_KUNIT(ring_reader_freeze);

/*
 * Everything before the oldest serial is gone. What lies behind the batch is
 * left for the next one, and never comes up in a frozen reader.
 */
static bool skip_lost(const struct ring_reader *reader,
		      const struct ring_cpu *cpu, struct ring_cursor *cursor,
		      struct ring_lost *lost)
{
	u64 oldest = min(oldest_serial(reader->ring, cpu, ring_head(cpu)),
			 cursor->end + 1);

	if (cursor->next >= oldest)
		return false;
	lost->first_serial = cursor->next;
	lost->count = oldest - cursor->next;
	cursor->next = oldest;
	return true;
}

/* Step over one serial whose slot holds a tombstone or a newer record. */
static enum ring_next skip_one(struct ring_cursor *cursor,
			       struct ring_lost *lost)
{
	lost->first_serial = cursor->next++;
	lost->count = 1;
	return RING_NEXT_LOST;
}

static enum ring_next judge(u64 word, u64 wanted)
{
	if (word == wanted)
		return RING_NEXT_RECORD;
	if (word & RING_OPEN || (word & ~RING_TOMB) < wanted)
		return RING_NEXT_BUSY;
	return RING_NEXT_LOST;
}

/* What comes next on one CPU; of a record also its time, for merging. */
static enum ring_next peek(struct ring_reader *reader, unsigned int number,
			   u64 *time_ns, struct ring_lost *lost)
{
	const struct ring_cpu *cpu = per_cpu_ptr(reader->ring->cpus, number);
	struct ring_cursor *cursor = &reader->cursors[number];
	const struct ring_record *slot;
	enum ring_next verdict;

	if (cursor->next > cursor->end)
		return RING_NEXT_NONE;
	if (skip_lost(reader, cpu, cursor, lost))
		return RING_NEXT_LOST;

	slot = ring_slot(reader->ring, cpu, cursor->next);
	/* Pairs with the release in event_ring_publish(). */
	verdict = judge(smp_load_acquire(&slot->serial), cursor->next);
	if (verdict == RING_NEXT_RECORD) {
		*time_ns = READ_ONCE(slot->time_ns);
		/* Pairs with smp_wmb() in event_ring_claim(). */
		smp_rmb();
		verdict = judge(READ_ONCE(slot->serial), cursor->next);
	}
	if (verdict == RING_NEXT_LOST)
		return skip_one(cursor, lost);
	return verdict;
}

static bool in_batch(const struct ring_reader *reader, u64 time_ns)
{
	return time_ns < reader->horizon_ns;
}

/* The turn at a place of the heap may be later than those below it: let it sink. */
static void sink(struct ring_reader *reader, unsigned int place)
{
	struct ring_turn *turns = reader->turns, turn = turns[place];
	unsigned int below;

	while ((below = 2 * place + 1) < reader->turn_count) {
		if (below + 1 < reader->turn_count &&
		    turns[below + 1].time_ns < turns[below].time_ns)
			below++;
		if (turn.time_ns <= turns[below].time_ns)
			break;
		turns[place] = turns[below];
		place = below;
	}
	turns[place] = turn;
}

/*
 * Queue all CPUs that have something in the batch. A record that is being written
 * may be the earliest, and so is waited for. @chosen is its CPU, or the one that
 * events were lost on.
 */
static enum ring_next queue_all(struct ring_reader *reader,
				unsigned int *chosen, struct ring_lost *lost)
{
	unsigned int cpu, place;

	reader->turn_count = 0;
	for_each_possible_cpu(cpu) {
		enum ring_next next;
		u64 time_ns;

		if (!reads_cpu(reader, cpu))
			continue;
		next = peek(reader, cpu, &time_ns, lost);
		if (next == RING_NEXT_NONE)
			continue;
		*chosen = cpu;
		if (next != RING_NEXT_RECORD)
			return next;
		if (in_batch(reader, time_ns))
			reader->turns[reader->turn_count++] = (struct ring_turn){
				.time_ns = time_ns,
				.cpu = cpu,
			};
	}
	for (place = reader->turn_count / 2; place-- > 0;)
		sink(reader, place);
	reader->queued = true;
	return RING_NEXT_RECORD;
}

/* The first CPU's run has ended: queue it where its next record belongs. */
static enum ring_next queue_again(struct ring_reader *reader,
				  unsigned int *chosen, struct ring_lost *lost)
{
	struct ring_turn *first = reader->turns;
	enum ring_next next = peek(reader, first->cpu, &first->time_ns, lost);

	*chosen = first->cpu;
	if (next == RING_NEXT_LOST || next == RING_NEXT_BUSY)
		return next;
	if (next == RING_NEXT_NONE || !in_batch(reader, first->time_ns))
		*first = reader->turns[--reader->turn_count];
	sink(reader, 0);
	return RING_NEXT_RECORD;
}

/*
 * Find the CPU whose next record is the oldest within the batch, and until when
 * it will be: no other CPU's next record can become older than it is now, so a
 * run of records can be had without looking at all CPUs for each.
 */
static enum ring_next choose_cpu(struct ring_reader *reader,
				 unsigned int *chosen, struct ring_lost *lost)
{
	const struct ring_turn *turns = reader->turns;
	u64 end_ns = reader->horizon_ns;
	enum ring_next next = RING_NEXT_RECORD;
	unsigned int place;

	if (!reader->queued)
		next = queue_all(reader, chosen, lost);
	else if (reader->turn_count)
		next = queue_again(reader, chosen, lost);
	if (next != RING_NEXT_RECORD)
		return next;
	if (!reader->turn_count)
		return RING_NEXT_NONE;
	/* The earliest of the others is one of the two below the first. */
	for (place = 1; place < min(3U, reader->turn_count); place++)
		end_ns = min(end_ns, turns[place].time_ns);
	/* The first one in any case, also where two have the same time. */
	reader->run_end_ns = max(end_ns, turns[0].time_ns + 1);
	return RING_NEXT_RECORD;
}

/*
 * Copy the run's next record. False where the run has ended, or where choose_cpu()
 * is to find out why there is no such record.
 */
static bool take_one(const struct ring_reader *reader,
		     const struct ring_cpu *cpu, struct ring_cursor *cursor,
		     struct ring_record *record)
{
	const struct ring_record *slot;

	if (cursor->next > cursor->end)
		return false;
	slot = ring_slot(reader->ring, cpu, cursor->next);
	/* Pairs with the release in event_ring_publish(). */
	if (smp_load_acquire(&slot->serial) != cursor->next ||
	    READ_ONCE(slot->time_ns) >= reader->run_end_ns)
		return false;
	/* Races with the next writer; the second look finds out. */
	data_race(memcpy(record, slot, sizeof(*record)));
	/* Pairs with smp_wmb() in event_ring_claim(). */
	smp_rmb();
	if (READ_ONCE(slot->serial) != cursor->next)
		return false;
	record->serial = cursor->next++;
	return true;
}

/**
 * ring_reader_run - records that come next, as far as they are to be had at once
 * @reader: the reader
 * @records: room for @most of them
 * @most: at least 1
 *
 * Spares a reader of many a call for each.
 *
 * Context: process context; does not sleep.
 * Return: how many were copied; 0 where only ring_reader_next() knows what comes.
 */
unsigned int ring_reader_run(struct ring_reader *reader,
			     struct ring_record *records, unsigned int most)
{
	unsigned int number = reader->turns[0].cpu, count = 0;
	const struct ring_cpu *cpu = per_cpu_ptr(reader->ring->cpus, number);
	struct ring_cursor *cursor = &reader->cursors[number];

	if (!reader->run_end_ns)
		return 0;
	while (count < most && take_one(reader, cpu, cursor, &records[count]))
		count++;
	if (count < most)
		reader->run_end_ns = 0;
	return count;
}
EXPORT_SYMBOL_IF_KUNIT(ring_reader_run);

static enum ring_next next_in_batch(struct ring_reader *reader,
				    struct ring_record *record,
				    struct ring_lost *lost)
{
	enum ring_next next;
	unsigned int cpu;

	while (!ring_reader_run(reader, record, 1)) {
		next = choose_cpu(reader, &cpu, lost);
		if (next == RING_NEXT_LOST)
			lost->cpu = cpu;
		if (next != RING_NEXT_RECORD)
			return next;
	}
	return RING_NEXT_RECORD;
}

/**
 * ring_reader_ready - is there anything that the reader has not had?
 * @reader: the reader
 *
 * Context: any.
 * Return: true if ring_reader_next() would not answer RING_NEXT_NONE.
 */
bool ring_reader_ready(struct ring_reader *reader)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		const struct ring_cursor *cursor = &reader->cursors[cpu];
		u64 next, last;

		if (!reads_cpu(reader, cpu))
			continue;
		/* Polling races with a read of the same file; either is true. */
		next = data_race(cursor->next);
		/* As above; and with a seek, which ends the freeze. */
		last = data_race(reader->frozen) ? data_race(cursor->end) :
		       ring_head(per_cpu_ptr(reader->ring->cpus, cpu));
		if (next <= last)
			return true;
	}
	return false;
}
EXPORT_SYMBOL_IF_KUNIT(ring_reader_ready);

/**
 * ring_reader_next - the reader's next record
 * @reader: the reader
 * @record: filled on RING_NEXT_RECORD, undefined otherwise
 * @lost: filled on RING_NEXT_LOST, undefined otherwise
 *
 * Context: process context; does not sleep.
 * Return: what was found, see enum ring_next.
 */
enum ring_next ring_reader_next(struct ring_reader *reader,
				struct ring_record *record,
				struct ring_lost *lost)
{
	enum ring_next next = next_in_batch(reader, record, lost);

	if (next != RING_NEXT_NONE || reader->frozen)
		return next;
	begin_batch(reader);
	next = next_in_batch(reader, record, lost);
	/* Claimed between the horizon and the heads: for the next batch. */
	if (next == RING_NEXT_NONE && ring_reader_ready(reader))
		return RING_NEXT_BUSY;
	return next;
}
EXPORT_SYMBOL_IF_KUNIT(ring_reader_next);

/* Look, arm, and look again: what came in between is not slept through. */
static bool ready_or_armed(struct ring_reader *reader)
{
	if (ring_reader_ready(reader))
		return true;
	arm_wake(reader->ring);
	return ring_reader_ready(reader);
}

/**
 * ring_reader_wait - sleep until there is something to read
 * @reader: the reader
 *
 * Context: process context, sleeps.
 * Return: 0, or -ERESTARTSYS on a signal.
 */
int ring_reader_wait(struct ring_reader *reader)
{
	return wait_event_interruptible(reader->ring->readers,
					ready_or_armed(reader));
}
EXPORT_SYMBOL_IF_KUNIT(ring_reader_wait);

/**
 * ring_reader_poll - poll(2) for a reader
 * @reader: the reader
 * @file: the file polled
 * @wait: what poll gave
 *
 * Context: process context.
 * Return: EPOLLIN | EPOLLRDNORM when there is something to read, otherwise 0.
 */
__poll_t ring_reader_poll(struct ring_reader *reader, struct file *file,
			  poll_table *wait)
{
	poll_wait(file, &reader->ring->readers, wait);
	/* Ready or not: an edge-triggered epoll will not ask again. */
	arm_wake(reader->ring);
	return ring_reader_ready(reader) ? EPOLLIN | EPOLLRDNORM : 0;
}
EXPORT_SYMBOL_IF_KUNIT(ring_reader_poll);
