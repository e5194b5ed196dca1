// SPDX-License-Identifier: GPL-2.0
/*
 * A storm on the flight-recorder ring, for scripts/stress: writers in every
 * context on every CPU, and readers that check each record.
 *
 * The parameters say what the next storm is. Writing to
 * /sys/kernel/debug/ring_storm lets it happen, and returns when it is over and
 * every reader has read the rest; reading the file tells what came of it, in lines
 * of words and numbers:
 *
 *	cpu 0 written 812 unwritten 3
 *	writer 0 nmi wrote 40 refused 1 buried 0 in_task 20 in_softirq 9 ...
 *	reader 0 slow torn 0 misplaced 0 busy 12 unfinished 0 cpu_back 3 ...
 *	account 0 0 read 512 lost 300
 *
 * with the writer's CPU and context, and the account's reader and CPU. What is to
 * hold is judged by who reads it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>

#include "storm.h"

#define READERS_MAX	32

static unsigned int records = RING_RECORDS_MIN;
module_param(records, uint, 0644);
MODULE_PARM_DESC(records, "records that the ring keeps per CPU");

static unsigned int contexts = BIT(STORM_CONTEXTS) - 1;
module_param(contexts, uint, 0644);
MODULE_PARM_DESC(contexts, "who writes: 1 task, 2 softirq, 4 hardirq, 8 NMI");

static unsigned long events;
module_param(events, ulong, 0644);
MODULE_PARM_DESC(events, "records that each CPU's task writes; 0: until duration_ms is over");

static unsigned int duration_ms = 1000;
module_param(duration_ms, uint, 0644);
MODULE_PARM_DESC(duration_ms, "how long, where events is 0");

static unsigned int readers[STORM_PACES] = { 1, 1, 1 };
module_param_array(readers, uint, NULL, 0644);
MODULE_PARM_DESC(readers, "how many are fast, wait, and are slow");

/* One storm at a time, and none while its results are told. */
static DEFINE_MUTEX(storm_lock);
static struct event_ring *ring;
static struct storm_reader *at_work[READERS_MAX];
static unsigned int reader_count;
static struct dentry *storm_file;

/* ---- a storm ---------------------------------------------------------------- */

static int start_readers(void)
{
	enum storm_pace pace;
	unsigned int i;

	for (pace = 0; pace < STORM_PACES; pace++) {
		for (i = 0; i < readers[pace]; i++) {
			struct storm_reader *reader;

			if (reader_count == READERS_MAX)
				return -ENOSPC;
			reader = storm_reader_start(ring, pace);
			if (IS_ERR(reader))
				return PTR_ERR(reader);
			at_work[reader_count++] = reader;
		}
	}
	return 0;
}

static void stop_readers(void)
{
	unsigned int i;

	for (i = 0; i < reader_count; i++)
		storm_reader_stop(at_work[i]);
}

static void forget(void)
{
	while (reader_count)
		storm_reader_free(at_work[--reader_count]);
	storm_writers_free();
	if (ring)
		event_ring_destroy(ring);
	ring = NULL;
}

static int let_them_write(void)
{
	storm_writers_start();
	if (events)
		return storm_writers_wait();
	return msleep_interruptible(duration_ms) ? -ERESTARTSYS : 0;
}

static int make_storm(void)
{
	int err;

	forget();
	ring = event_ring_create(records);
	if (IS_ERR(ring)) {
		err = PTR_ERR(ring);
		ring = NULL;
		return err;
	}
	err = storm_writers_create(ring, contexts, events);
	if (!err)
		err = start_readers();
	if (!err)
		err = let_them_write();
	storm_writers_stop();
	stop_readers();
	if (err)
		forget();
	return err;
}

/* ---- what came of it -------------------------------------------------------- */

static void tell_cpu(struct seq_file *out, unsigned int cpu)
{
	struct ring_cpu_stats stats;

	event_ring_cpu_stats(ring, cpu, &stats);
	seq_printf(out, "cpu %u written %llu unwritten %llu\n", cpu,
		   stats.written, stats.unwritten);
}

static void tell_writer(struct seq_file *out, const struct storm_writer *writer,
			enum storm_context context)
{
	enum storm_context outer;

	seq_printf(out, "writer %u %s wrote %llu refused %llu buried %llu",
		   writer->cpu, storm_context_names[context],
		   writer->wrote[context], writer->refused[context],
		   writer->buried[context]);
	for (outer = 0; outer < STORM_CONTEXTS; outer++)
		seq_printf(out, " in_%s %llu", storm_context_names[outer],
			   writer->inside[context][outer]);
	seq_putc(out, '\n');
}

static void tell_reader(struct seq_file *out, unsigned int number)
{
	const struct storm_reader *reader = at_work[number];
	unsigned int cpu;

	seq_printf(out, "reader %u %s torn %llu misplaced %llu busy %llu unfinished %llu cpu_back %llu back %llu back_max_ns %llu\n",
		   number, storm_pace_names[reader->pace], reader->torn,
		   reader->misplaced, reader->busy, reader->unfinished,
		   reader->cpu_back, reader->back, reader->back_max_ns);
	for_each_online_cpu(cpu)
		seq_printf(out, "account %u %u read %llu lost %llu\n", number,
			   cpu, reader->accounts[cpu].read,
			   reader->accounts[cpu].lost);
}

static int tell(struct seq_file *out, void *unused)
{
	enum storm_context context;
	unsigned int i, cpu;

	mutex_lock(&storm_lock);
	if (!ring)
		goto out;
	for_each_online_cpu(cpu)
		tell_cpu(out, cpu);
	for (i = 0; i < storm_writers_count(); i++)
		for (context = 0; context < STORM_CONTEXTS; context++)
			tell_writer(out, storm_writers_get(i), context);
	for (i = 0; i < reader_count; i++)
		tell_reader(out, i);
out:
	mutex_unlock(&storm_lock);
	return 0;
}

static int open_storm(struct inode *inode, struct file *file)
{
	return single_open(file, tell, NULL);
}

static ssize_t write_storm(struct file *file, const char __user *from,
			   size_t count, loff_t *position)
{
	int err;

	if (mutex_lock_interruptible(&storm_lock))
		return -ERESTARTSYS;
	err = make_storm();
	mutex_unlock(&storm_lock);
	return err ? err : count;
}

static const struct file_operations storm_operations = {
	.owner = THIS_MODULE,
	.open = open_storm,
	.read = seq_read,
	.write = write_storm,
	.llseek = seq_lseek,
	.release = single_release,
};

static int __init storm_init(void)
{
	storm_file = debugfs_create_file("ring_storm", 0600, NULL, NULL,
					 &storm_operations);
	return PTR_ERR_OR_ZERO(storm_file);
}

static void __exit storm_exit(void)
{
	debugfs_remove(storm_file);
	forget();
}

module_init(storm_init);
module_exit(storm_exit);

MODULE_DESCRIPTION("Stress test: a storm on the flight-recorder ring");
MODULE_LICENSE("GPL");
