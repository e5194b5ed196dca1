// SPDX-License-Identifier: GPL-2.0
/*
 * What a reader opens.
 *
 *	trace			text, the ring as it is, then end of file
 *	trace_pipe		text, follows
 *	trace_raw		records, follows
 *	per_cpu/cpuN/trace_raw	records of one CPU, follows
 *	schema			what is in a record
 *	stats			how much was written, and which sources work
 *
 * All are 0400 and know only read, poll and llseek: under kernel lockdown
 * debugfs opens nothing else. Each open file is a reader of its own, as on
 * /dev/kmsg: it begins with the oldest events, takes nothing away from others,
 * and is told what it missed. lseek(fd, 0, SEEK_END) skips to what comes next,
 * lseek(fd, 0, SEEK_SET) starts again.
 *
 * Bytes go through a buffer of the open file, filled with whole lines or whole
 * records. What a faulting copy leaves there is served by the next read, so
 * nothing is lost between the ring and the reader.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "debugfs_files.h"
#include "event_controls.h"
#include "event_recorder.h"
#include "event_sources.h"
#include "event_text.h"

/* Of the file stats, whose lines Documentation/ABI promises. */
#define STATS_VERSION	1

/* What is made ready at once, under one lock; a longer read goes round again. */
#define BUFFER_BYTES	(64 * sizeof(struct tcp_event))

static struct dentry *renoscope_dir;

/**
 * struct open_trace - an open file
 * @reader: its place in the ring
 * @lock: one read at a time
 * @text: lines, not records
 * @follows: waits for more instead of ending
 * @last_ns: time of the last record, 0 before the first
 * @start: first byte in @buffer that was not read yet; poll looks unlocked
 * @end: one past the last; the same
 * @buffer: whole lines or records
 */
struct open_trace {
	struct ring_reader *reader;
	struct mutex lock;	/* held while the buffer changes */
	bool text;
	bool follows;
	u64 last_ns;
	size_t start;
	size_t end;
	char buffer[BUFFER_BYTES] __aligned(__alignof__(struct tcp_event));
};

/* ---- filling the buffer ----------------------------------------------- */

/* Nobody knows when the lost ones were; they stand where they are missing. */
static void make_lost_event(struct tcp_event *event,
			    const struct ring_lost *lost, u64 time_ns)
{
	memset(event, 0, sizeof(*event));
	event->serial = lost->first_serial;
	event->time_ns = time_ns;
	event->kind = EVENT_KIND_lost;
	event->cpu = lost->cpu;
	event->lost_events = lost->count;
}

/* The next record, be it one that tells of a loss. */
static enum ring_next next_event(struct open_trace *trace,
				 struct tcp_event *event)
{
	struct ring_lost lost;
	enum ring_next next;

	next = ring_reader_next(trace->reader, (struct ring_record *)event,
				&lost);
	if (next == RING_NEXT_RECORD)
		trace->last_ns = event->time_ns;
	if (next != RING_NEXT_LOST)
		return next;
	make_lost_event(event, &lost, trace->last_ns);
	return RING_NEXT_RECORD;
}

static size_t room_wanted(const struct open_trace *trace)
{
	return trace->text ? EVENT_TEXT_MAX : sizeof(struct tcp_event);
}

static enum ring_next store_line(struct open_trace *trace)
{
	struct tcp_event event;
	enum ring_next next = next_event(trace, &event);

	if (next == RING_NEXT_RECORD)
		WRITE_ONCE(trace->end, trace->end +
			   event_text_line(&event, trace->buffer + trace->end));
	return next;
}

/* All records that are to be had at once and have room, or one. */
static enum ring_next store_records(struct open_trace *trace)
{
	struct tcp_event *place = (void *)(trace->buffer + trace->end);
	unsigned int room = (sizeof(trace->buffer) - trace->end) / sizeof(*place);
	unsigned int count = ring_reader_run(trace->reader,
					     (struct ring_record *)place, room);
	enum ring_next next = RING_NEXT_RECORD;

	if (count) {
		trace->last_ns = place[count - 1].time_ns;
	} else {
		next = next_event(trace, place);
		count = next == RING_NEXT_RECORD;
	}
	WRITE_ONCE(trace->end, trace->end + count * sizeof(*place));
	return next;
}

/* Fill the empty buffer with what there is now. */
static enum ring_next fill_buffer(struct open_trace *trace)
{
	enum ring_next next = RING_NEXT_RECORD;

	WRITE_ONCE(trace->start, 0);
	WRITE_ONCE(trace->end, 0);
	while (next == RING_NEXT_RECORD &&
	       trace->end + room_wanted(trace) <= sizeof(trace->buffer))
		next = trace->text ? store_line(trace) : store_records(trace);
	return next;
}

/* ---- the file operations ---------------------------------------------- */

/* Wait for bytes in the buffer. Return: 1, 0 at the end of file, or an error. */
static int wait_for_bytes(struct open_trace *trace, bool nonblocking)
{
	while (trace->start == trace->end) {
		enum ring_next next = fill_buffer(trace);
		int err;

		if (trace->end)
			break;
		if (next == RING_NEXT_BUSY) {
			cond_resched();
			if (signal_pending(current))
				return -ERESTARTSYS;
			continue;
		}
		if (!trace->follows)
			return 0;
		if (nonblocking)
			return -EAGAIN;
		err = ring_reader_wait(trace->reader);
		if (err)
			return err;
	}
	return 1;
}

static ssize_t copy_bytes(struct open_trace *trace, char __user *to,
			  size_t count)
{
	size_t bytes = min(count, trace->end - trace->start);

	if (!trace->text)
		bytes = rounddown(bytes, sizeof(struct tcp_event));
	if (copy_to_user(to, trace->buffer + trace->start, bytes))
		return -EFAULT;
	WRITE_ONCE(trace->start, trace->start + bytes);
	return bytes;
}

/* All that there is now and that has room: a reader that saves wakes up seldom. */
static ssize_t copy_what_there_is(struct open_trace *trace, char __user *to,
				  size_t count)
{
	ssize_t bytes, copied = 0;

	do {
		bytes = copy_bytes(trace, to + copied, count - copied);
		if (bytes < 0)
			return copied ?: bytes;
		copied += bytes;
		if (trace->start != trace->end || signal_pending(current))
			break;
		cond_resched();
		fill_buffer(trace);
	} while (trace->start != trace->end);
	return copied;
}

static ssize_t read_trace(struct file *file, char __user *to, size_t count,
			  loff_t *unused)
{
	struct open_trace *trace = file->private_data;
	ssize_t result;

	if (!count)
		return 0;
	if (!trace->text && count < sizeof(struct tcp_event))
		return -EINVAL;
	if (mutex_lock_interruptible(&trace->lock))
		return -ERESTARTSYS;
	result = wait_for_bytes(trace, file->f_flags & O_NONBLOCK);
	if (result > 0)
		result = copy_what_there_is(trace, to, count);
	mutex_unlock(&trace->lock);
	return result;
}

static __poll_t poll_trace(struct file *file, poll_table *wait)
{
	struct open_trace *trace = file->private_data;
	__poll_t ready;

	if (!trace->follows)	/* what is left, or the end of file */
		return EPOLLIN | EPOLLRDNORM;
	ready = ring_reader_poll(trace->reader, file, wait);
	if (READ_ONCE(trace->start) != READ_ONCE(trace->end))
		ready |= EPOLLIN | EPOLLRDNORM;
	return ready;
}

static void begin_at(struct open_trace *trace, enum ring_start start)
{
	WRITE_ONCE(trace->start, 0);
	WRITE_ONCE(trace->end, 0);
	trace->last_ns = 0;
	ring_reader_start(trace->reader, start);
	if (!trace->follows)
		ring_reader_freeze(trace->reader);
}

static loff_t seek_trace(struct file *file, loff_t offset, int whence)
{
	struct open_trace *trace = file->private_data;

	if (offset || (whence != SEEK_SET && whence != SEEK_END))
		return -EINVAL;
	if (mutex_lock_interruptible(&trace->lock))
		return -ERESTARTSYS;
	begin_at(trace, whence == SEEK_END ? RING_START_NOW : RING_START_FIRST);
	mutex_unlock(&trace->lock);
	return 0;
}

static int open_trace(struct file *file, int only_cpu, bool text, bool follows)
{
	struct open_trace *trace = kvzalloc(sizeof(*trace), GFP_KERNEL);

	if (!trace)
		return -ENOMEM;
	trace->reader = ring_reader_create(event_recorder_ring(), only_cpu);
	if (!trace->reader) {
		kvfree(trace);
		return -ENOMEM;
	}
	mutex_init(&trace->lock);
	trace->text = text;
	trace->follows = follows;
	begin_at(trace, RING_START_FIRST);
	/*
	 * There is no position to guard. Left on, the second user of a shared
	 * file would wait for a blocked read, and take no signal meanwhile.
	 */
	file->f_mode &= ~FMODE_ATOMIC_POS;
	file->private_data = trace;
	return 0;
}

static int release_trace(struct inode *inode, struct file *file)
{
	struct open_trace *trace = file->private_data;

	ring_reader_destroy(trace->reader);
	kvfree(trace);
	return 0;
}

static int open_text_snapshot(struct inode *inode, struct file *file)
{
	return open_trace(file, RING_ALL_CPUS, true, false);
}

static int open_text_pipe(struct inode *inode, struct file *file)
{
	return open_trace(file, RING_ALL_CPUS, true, true);
}

static int open_records(struct inode *inode, struct file *file)
{
	return open_trace(file, RING_ALL_CPUS, false, true);
}

static int open_records_of_cpu(struct inode *inode, struct file *file)
{
	return open_trace(file, (long)inode->i_private, false, true);
}

#define TRACE_FOPS(name, open_)						\
	static const struct file_operations name = {			\
		.owner = THIS_MODULE,					\
		.open = open_,						\
		.read = read_trace,					\
		.poll = poll_trace,					\
		.llseek = seek_trace,					\
		.release = release_trace,				\
	}

TRACE_FOPS(trace_fops, open_text_snapshot);
TRACE_FOPS(trace_pipe_fops, open_text_pipe);
TRACE_FOPS(trace_raw_fops, open_records);
TRACE_FOPS(cpu_trace_raw_fops, open_records_of_cpu);

/* ---- schema and stats ------------------------------------------------- */

DEFINE_SHOW_ATTRIBUTE(event_schema);

static int stats_show(struct seq_file *file, void *unused)
{
	struct event_ring *ring = event_recorder_ring();
	struct ring_cpu_stats stats;
	unsigned int cpu;
	int err;

	seq_printf(file, "version %d\n", STATS_VERSION);
	seq_printf(file, "records_per_cpu %u\n", event_ring_records(ring));
	for_each_possible_cpu(cpu) {
		if (!event_ring_cpu_stats(ring, cpu, &stats))
			continue;
		seq_printf(file, "cpu %u written %llu oldest %llu unwritten %llu\n",
			   cpu, stats.written, stats.oldest, stats.unwritten);
	}
	err = event_controls_show(file);
	if (err)
		return err;
	event_sources_show(file);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

/* ---- life ------------------------------------------------------------- */

/* One that is missing is no reason to give up the others, but must be told. */
static void create_file(const char *path, struct dentry *dir, void *data,
			const struct file_operations *fops)
{
	struct dentry *file = debugfs_create_file(kbasename(path), 0400, dir,
						  data, fops);

	if (IS_ERR(file))
		pr_err("cannot make the file %s in debugfs (error %ld)\n",
		       path, PTR_ERR(file));
}

static void create_cpu_files(void)
{
	struct dentry *per_cpu = debugfs_create_dir("per_cpu", renoscope_dir);
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		char path[32], name[16];
		struct dentry *dir;

		snprintf(name, sizeof(name), "cpu%u", cpu);
		snprintf(path, sizeof(path), "per_cpu/cpu%u/trace_raw", cpu);
		dir = debugfs_create_dir(name, per_cpu);
		create_file(path, dir, (void *)(long)cpu, &cpu_trace_raw_fops);
	}
}

/**
 * debugfs_files_init - make the folder, still empty
 *
 * Context: module load, may sleep.
 * Return: 0, or the error of debugfs, -ENODEV where the kernel has it off.
 */
int debugfs_files_init(void)
{
	renoscope_dir = debugfs_create_dir("renoscope", NULL);
	if (IS_ERR(renoscope_dir)) {
		pr_err("cannot make a folder in debugfs (error %ld): is debugfs=off on the kernel command line?\n",
		       PTR_ERR(renoscope_dir));
		return PTR_ERR(renoscope_dir);
	}
	return 0;
}

/**
 * debugfs_files_open - put the files into the folder
 *
 * Whoever opens one holds the module, so this comes last in bringing it up.
 *
 * Context: module load, may sleep.
 */
void debugfs_files_open(void)
{
	create_file("schema", renoscope_dir, NULL, &event_schema_fops);
	create_file("stats", renoscope_dir, NULL, &stats_fops);
	create_file("trace", renoscope_dir, NULL, &trace_fops);
	create_file("trace_pipe", renoscope_dir, NULL, &trace_pipe_fops);
	create_file("trace_raw", renoscope_dir, NULL, &trace_raw_fops);
	create_cpu_files();
}

/**
 * debugfs_files_exit - take the files and the folder away
 *
 * None is open: each that is holds the module.
 *
 * Context: module unload, sleeps.
 */
void debugfs_files_exit(void)
{
	debugfs_remove(renoscope_dir);
}
