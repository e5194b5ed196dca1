// SPDX-License-Identifier: GPL-2.0
/*
 * The writers: on each CPU a thread, and what interrupts it while its record is
 * open.
 *
 * An interruption comes in two ways. The writer of a record brings it upon
 * itself between claim and publish, so that nesting does happen: a tasklet by
 * raising it and enabling softirqs, a hardirq by an irq_work, an NMI by sending
 * one to its own APIC. And timers and the neighbour's calls and NMIs arrive at any
 * instruction: between the increment of head and the mark OPEN, in publish, in a
 * tombstone being made.
 *
 * Now and then an interruption writes more than the ring holds. Then the slot of
 * the record below it comes round while it is open: claims are refused, and
 * publishing leaves a tombstone.
 *
 * Each counter belongs to one CPU and one context. As no context nests in
 * itself, no counter is ever written by two at once.
 */
#include <linux/bottom_half.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <asm/apic.h>
#include <asm/nmi.h>

#include "event_ring_writer.h"
#include "storm.h"

#define HALFWAY			(STORM_WORD_SUM / 2)

/* By the number of the record that is open: when it is interrupted by what. */
#define SOFTIRQ_EVERY		4
#define HARDIRQ_EVERY		4
#define NMI_EVERY		8
#define NEIGHBOUR_EVERY		16

/* By the number of the interruption: when it writes more than the ring holds. */
#define BURST_EVERY		64

#define TIMER_PERIOD_NS		(2 * NSEC_PER_MSEC)
#define NMI_NAME		"ring_storm"

const char * const storm_context_names[STORM_CONTEXTS] = {
	[STORM_TASK] = "task",
	[STORM_SOFTIRQ] = "softirq",
	[STORM_HARDIRQ] = "hardirq",
	[STORM_NMI] = "nmi",
};

static struct storm_writer *writers;
static unsigned int writer_count;
static bool stopping;

/* Read in NMIs; set before the first is sent and until the last has come. */
static DEFINE_PER_CPU(struct storm_writer *, writer_of_cpu);

static bool may_write(const struct storm_writer *writer,
		      enum storm_context context)
{
	return writer->contexts & BIT(context) && !READ_ONCE(stopping);
}

/* ---- interruptions that are asked for ------------------------------------- */

static void send_nmi(const struct storm_writer *to)
{
	if (may_write(to, STORM_NMI))
		apic->send_IPI(to->cpu, NMI_VECTOR);
}

static void raise_softirq_here(struct storm_writer *writer)
{
	local_bh_disable();
	tasklet_schedule(&writer->tasklet);
	local_bh_enable();
}

/* Have this CPU, whose record @number is open, interrupted by what can. */
static void invite(struct storm_writer *writer, enum storm_context context,
		   u64 number)
{
	struct storm_writer *neighbour = writer->neighbour;

	if (number % NEIGHBOUR_EVERY == 1 && context == STORM_TASK) {
		send_nmi(neighbour);
		if (may_write(neighbour, STORM_HARDIRQ))
			smp_call_function_single_async(neighbour->cpu,
						       &neighbour->call);
	}
	if (number % SOFTIRQ_EVERY == 0 && context < STORM_SOFTIRQ &&
	    may_write(writer, STORM_SOFTIRQ))
		raise_softirq_here(writer);
	if (number % HARDIRQ_EVERY == 1 && context < STORM_HARDIRQ &&
	    may_write(writer, STORM_HARDIRQ))
		irq_work_queue(&writer->work);
	if (number % NMI_EVERY == 2 && context < STORM_NMI)
		send_nmi(writer);
}

/* ---- one record ------------------------------------------------------------ */

static void fill(struct ring_record *record, u64 cpu, u64 context,
		 unsigned int from, unsigned int to)
{
	u64 *words = (u64 *)record->payload;
	u64 serial = record->serial & ~RING_OPEN;
	unsigned int place;

	for (place = from; place < to; place++)
		words[place] = storm_word(serial, cpu, context, place);
}

static void fill_rest(struct ring_record *record, u64 cpu, u64 context)
{
	u64 *words = (u64 *)record->payload;

	fill(record, cpu, context, HALFWAY, STORM_WORD_SUM);
	words[STORM_WORD_CPU] = cpu;
	words[STORM_WORD_CONTEXT] = context;
	words[STORM_WORD_SUM] = storm_sum(record->serial & ~RING_OPEN, record);
}

/*
 * Preemption stays off beyond the ring's own time, so that the slot can be looked
 * at once the record is published. @open is set within claim and publish, so
 * what is counted as nested is; what comes in the first or the last instructions
 * is nested too, and not counted.
 */
static void write_one(struct storm_writer *writer, enum storm_context context)
{
	unsigned int outer = READ_ONCE(writer->open);
	struct ring_record *record;
	u64 number;

	preempt_disable();
	record = event_ring_claim(writer->ring);
	number = writer->wrote[context]++;
	if (outer < STORM_CONTEXTS)
		writer->inside[context][outer]++;
	if (!record) {
		writer->refused[context]++;
		goto out;
	}
	WRITE_ONCE(writer->open, context);
	fill(record, writer->cpu, context, 0, HALFWAY);
	invite(writer, context, number);
	fill_rest(record, writer->cpu, context);
	WRITE_ONCE(writer->open, outer);
	event_ring_publish(writer->ring, record);
	if (READ_ONCE(record->serial) & RING_TOMB)
		writer->buried[context]++;
out:
	preempt_enable();
}

static void interrupt(struct storm_writer *writer, enum storm_context context)
{
	unsigned int count = 1;

	if (!may_write(writer, context))
		return;
	if (writer->wrote[context] % BURST_EVERY == 0)
		count = event_ring_records(writer->ring) + 3;
	while (count--)
		write_one(writer, context);
}

/* ---- the contexts ---------------------------------------------------------- */

static int task_writes(void *data)
{
	struct storm_writer *writer = data;
	u64 left = writer->events;

	while (!kthread_should_stop()) {
		if (writer->events && !left--)
			break;
		write_one(writer, STORM_TASK);
		cond_resched();
	}
	complete(&writer->task_done);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ / 100);
	return 0;
}

static void softirq_writes(struct tasklet_struct *tasklet)
{
	struct storm_writer *writer = from_tasklet(writer, tasklet, tasklet);

	interrupt(writer, STORM_SOFTIRQ);
}

static void work_writes(struct irq_work *work)
{
	interrupt(container_of(work, struct storm_writer, work), STORM_HARDIRQ);
}

static void call_writes(void *data)
{
	interrupt(data, STORM_HARDIRQ);
}

/* The softirq that it raises runs when it ends, inside of what it interrupted. */
static enum hrtimer_restart timer_writes(struct hrtimer *timer)
{
	struct storm_writer *writer = container_of(timer, struct storm_writer,
						   timer);

	interrupt(writer, STORM_HARDIRQ);
	if (may_write(writer, STORM_SOFTIRQ))
		tasklet_schedule(&writer->tasklet);
	hrtimer_forward_now(timer, ns_to_ktime(TIMER_PERIOD_NS));
	return READ_ONCE(stopping) ? HRTIMER_NORESTART : HRTIMER_RESTART;
}

/* Nothing else sends NMIs in a guest, so each is ours, be it the storm's last. */
static int nmi_writes(unsigned int type, struct pt_regs *regs)
{
	struct storm_writer *writer = this_cpu_read(writer_of_cpu);

	if (!writer)
		return NMI_DONE;
	interrupt(writer, STORM_NMI);
	return NMI_HANDLED;
}

/* ---- their life ------------------------------------------------------------ */

static void start_timer_here(void *unused)
{
	struct storm_writer *writer = this_cpu_read(writer_of_cpu);

	hrtimer_start(&writer->timer, ns_to_ktime(TIMER_PERIOD_NS),
		      HRTIMER_MODE_REL_PINNED_HARD);
}

static void settle_here(void *unused)
{
}

static int create_writer(struct storm_writer *writer)
{
	struct task_struct *task;

	writer->open = STORM_CONTEXTS;
	init_completion(&writer->task_done);
	hrtimer_init(&writer->timer, CLOCK_MONOTONIC,
		     HRTIMER_MODE_REL_PINNED_HARD);
	writer->timer.function = timer_writes;
	init_irq_work(&writer->work, work_writes);
	INIT_CSD(&writer->call, call_writes, writer);
	tasklet_setup(&writer->tasklet, softirq_writes);
	per_cpu(writer_of_cpu, writer->cpu) = writer;

	task = kthread_create_on_cpu(task_writes, writer, writer->cpu,
				     "storm_writer/%u");
	if (IS_ERR(task))
		return PTR_ERR(task);
	writer->task = get_task_struct(task);
	return 0;
}

/* No CPU may come or go meanwhile. */
static int create_writers(struct event_ring *ring, unsigned long contexts,
			  u64 events)
{
	unsigned int count = num_online_cpus();
	unsigned int cpu, i = 0;
	int err;

	writers = kcalloc(count, sizeof(*writers), GFP_KERNEL);
	if (!writers)
		return -ENOMEM;
	WRITE_ONCE(stopping, false);
	for_each_online_cpu(cpu) {
		struct storm_writer *writer = &writers[i++];

		writer->ring = ring;
		writer->cpu = cpu;
		writer->contexts = contexts;
		writer->events = events;
		writer->neighbour = &writers[i % count];
		/* What is stopped is what was begun, be it without its thread. */
		writer_count = i;
		err = create_writer(writer);
		if (err)
			return err;
	}
	return 0;
}

/**
 * storm_writers_create - a writer for each CPU that is online
 * @ring: where they write
 * @contexts: bits of enum storm_context
 * @events: how many each thread writes; 0 for no end
 *
 * Return: 0 or an error; storm_writers_free() undoes either.
 */
int storm_writers_create(struct event_ring *ring, unsigned long contexts,
			 u64 events)
{
	int err;

	cpus_read_lock();
	err = create_writers(ring, contexts, events);
	cpus_read_unlock();
	if (err)
		return err;
	return register_nmi_handler(NMI_LOCAL, nmi_writes, 0, NMI_NAME);
}

/** storm_writers_start - let them write */
void storm_writers_start(void)
{
	unsigned int i;

	if (writers[0].contexts & (BIT(STORM_SOFTIRQ) | BIT(STORM_HARDIRQ)))
		on_each_cpu(start_timer_here, NULL, true);
	for (i = 0; i < writer_count; i++)
		wake_up_process(writers[i].task);
}

/**
 * storm_writers_wait - until each thread has written all that it has to
 *
 * Return: 0, or -ERESTARTSYS on a signal.
 */
int storm_writers_wait(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < writer_count && !err; i++)
		err = wait_for_completion_interruptible(&writers[i].task_done);
	return err;
}

/**
 * storm_writers_stop - until nobody writes any more
 *
 * First the threads, then what comes without them. An NMI or a call that is under
 * way to another CPU has come when that CPU has answered twice: of the calls that
 * it finds waiting it answers those first whose sender waits.
 */
void storm_writers_stop(void)
{
	unsigned int i;

	for (i = 0; i < writer_count; i++) {
		if (!writers[i].task)
			continue;
		kthread_stop(writers[i].task);
		put_task_struct(writers[i].task);
		writers[i].task = NULL;
	}
	WRITE_ONCE(stopping, true);
	for (i = 0; i < writer_count; i++) {
		hrtimer_cancel(&writers[i].timer);
		tasklet_kill(&writers[i].tasklet);
		irq_work_sync(&writers[i].work);
	}
	on_each_cpu(settle_here, NULL, true);
	on_each_cpu(settle_here, NULL, true);
}

/** storm_writers_free - give everything back */
void storm_writers_free(void)
{
	unsigned int cpu;

	unregister_nmi_handler(NMI_LOCAL, NMI_NAME);
	for_each_possible_cpu(cpu)
		per_cpu(writer_of_cpu, cpu) = NULL;
	kfree(writers);
	writers = NULL;
	writer_count = 0;
}

/** storm_writers_count - how many there are */
unsigned int storm_writers_count(void)
{
	return writer_count;
}

/**
 * storm_writers_get - one of them
 * @number: below storm_writers_count()
 *
 * Return: the writer.
 */
const struct storm_writer *storm_writers_get(unsigned int number)
{
	return &writers[number];
}
