/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The writers' half of the ring, inline: what each event pays for.
 *
 * How writers and readers agree is told at the head of event_ring.c. The ring's
 * innards are here because the compiler must see them to do without two calls an
 * event; nobody but a writer and event_ring.c has any business with them.
 */
#ifndef RENOSCOPE_EVENT_RING_WRITER_H
#define RENOSCOPE_EVENT_RING_WRITER_H

#include <linux/compiler.h>
#include <linux/cpuhotplug.h>
#include <linux/irq_work.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <asm/local.h>

#include "event_ring.h"

/**
 * enum ring_wake_state - what publishing has to do for readers
 * @RING_WAKE_IDLE: nobody waits
 * @RING_WAKE_FIRST: somebody waits and nothing came yet
 * @RING_WAKE_BATCH: something came and the timer runs
 */
enum ring_wake_state {
	RING_WAKE_IDLE,
	RING_WAKE_FIRST,
	RING_WAKE_BATCH,
};

/**
 * struct ring_cpu - one CPU's part
 * @head: the last serial claimed
 * @unwritten: serials claimed that found no free slot
 * @slots: set before the CPU first runs; NULL where there was no memory
 * @batch_start: @head when the timer was started
 * @ring: the whole
 * @wake: wakes readers, from inside a probe
 */
struct ring_cpu {
	local_t head;
	local_t unwritten;
	struct ring_record *slots;
	u64 batch_start;
	struct event_ring *ring;
	struct irq_work wake;
};

/**
 * struct event_ring - the whole
 * @cpus: each CPU's part
 * @records: slots of each CPU, 2^n
 * @mask: @records - 1
 * @watermark: events on one CPU that wake readers before the timer does
 * @wake_state: enum ring_wake_state
 * @armed_total: events written when readers armed
 * @readers: those who wait
 * @wake_timer: wakes them at the latest
 * @hotplug_state: number of our step when a CPU comes up
 * @hotplug_node: this ring in that step
 */
struct event_ring {
	struct ring_cpu __percpu *cpus;
	unsigned int records;
	unsigned int mask;
	unsigned int watermark;
	int wake_state;
	u64 armed_total;
	wait_queue_head_t readers;
	struct delayed_work wake_timer;
	enum cpuhp_state hotplug_state;
	struct hlist_node hotplug_node;
};

void event_ring_published(struct event_ring *ring, struct ring_cpu *cpu,
			  struct ring_record *record, u64 serial);
void event_ring_unwritten(struct event_ring *ring, struct ring_cpu *cpu,
			  u64 serial);

static inline struct ring_record *ring_slot(const struct event_ring *ring,
					    const struct ring_cpu *cpu,
					    u64 serial)
{
	return &cpu->slots[(serial - 1) & ring->mask];
}

static inline u64 ring_head(const struct ring_cpu *cpu)
{
	return local_read(&cpu->head);
}

/**
 * event_ring_claim - take the next serial on this CPU and open its slot
 * @ring: the ring
 *
 * The caller then writes the payload, all of it, and leaves serial and time
 * alone. Preemption is off until event_ring_publish().
 *
 * Context: any, NMI included; nests.
 * Return: the record to fill; NULL if the event has no slot and is counted as
 * unwritten, then preemption is as it was and there is nothing to publish.
 */
static __always_inline struct ring_record *
event_ring_claim(struct event_ring *ring)
{
	struct ring_record *record;
	struct ring_cpu *cpu;
	u64 serial;

	preempt_disable_notrace();
	cpu = this_cpu_ptr(ring->cpus);
	serial = local_inc_return(&cpu->head);
	if (unlikely(!cpu->slots))
		goto unwritten;
	record = ring_slot(ring, cpu, serial);
	if (unlikely(READ_ONCE(record->serial) & RING_OPEN))
		goto unwritten;

	WRITE_ONCE(record->serial, serial | RING_OPEN);
	/* OPEN before any new byte; pairs with the readers' smp_rmb(). */
	smp_wmb();
	/* Readers peek at it; the word tells them afterwards what they saw. */
	WRITE_ONCE(record->time_ns, ktime_get_mono_fast_ns());
	return record;

unwritten:
	event_ring_unwritten(ring, cpu, serial);
	preempt_enable_notrace();
	return NULL;
}

/**
 * event_ring_publish - let readers see a record
 * @ring: the ring
 * @record: what event_ring_claim() returned, filled
 *
 * Context: that of the claim. Enables preemption again.
 */
static __always_inline void event_ring_publish(struct event_ring *ring,
					       struct ring_record *record)
{
	struct ring_cpu *cpu = this_cpu_ptr(ring->cpus);
	u64 serial = record->serial & ~RING_OPEN;

	/* The serial after every byte; pairs with the readers' acquire. */
	smp_store_release(&record->serial, serial);
	if (unlikely(ring_head(cpu) != serial ||
		     READ_ONCE(ring->wake_state) != RING_WAKE_IDLE))
		event_ring_published(ring, cpu, record, serial);
	preempt_enable_notrace();
}

#endif /* RENOSCOPE_EVENT_RING_WRITER_H */
