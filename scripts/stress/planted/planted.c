// SPDX-License-Identifier: GPL-2.0
/*
 * Sins on demand, for scripts/stress: each is one that a debug kernel promises to
 * report. A checker that is switched off, or whose report nobody looks for, is as
 * silent as a module without fault.
 *
 *	echo NAME >/sys/module/planted/parameters/sin
 *
 * commits it and returns when it is committed. None does harm beyond the report.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bug.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>

#define BYTES		64
#define LEAKED_BYTES	1000
#define BUSY_S		12
#define RACE_S		5

/* ---- memory ------------------------------------------------------------------ */

/* The compiler must neither see through these nor leave them out. */
static noinline u8 peek_at(const u8 *memory, size_t place)
{
	return READ_ONCE(memory[place]);
}

static void use_after_free(void)
{
	u8 *memory = kzalloc(BYTES, GFP_KERNEL);

	if (!memory)
		return;
	OPTIMIZER_HIDE_VAR(memory);
	kfree(memory);
	peek_at(memory, 1);
}

static void out_of_bounds(void)
{
	u8 *memory = kzalloc(BYTES, GFP_KERNEL);
	size_t beyond = BYTES;

	if (!memory)
		return;
	OPTIMIZER_HIDE_VAR(beyond);
	peek_at(memory, beyond);
	kfree(memory);
}

/* As the ring's slots are allocated; the page behind it is mapped no more. */
static void out_of_bounds_vmalloc(void)
{
	u8 *memory = vzalloc(BYTES);
	size_t beyond = BYTES;

	if (!memory)
		return;
	OPTIMIZER_HIDE_VAR(beyond);
	peek_at(memory, beyond);
	vfree(memory);
}

static void leak(void)
{
	u8 *memory = kzalloc(LEAKED_BYTES, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(memory);
}

/* ---- contexts ---------------------------------------------------------------- */

static DEFINE_MUTEX(first_lock);
static DEFINE_MUTEX(second_lock);
static DEFINE_SPINLOCK(spin);

static void sleep_in_atomic(void)
{
	spin_lock(&spin);
	msleep(20);
	spin_unlock(&spin);
}

static void lock_order(void)
{
	mutex_lock(&first_lock);
	mutex_lock(&second_lock);
	mutex_unlock(&second_lock);
	mutex_unlock(&first_lock);

	mutex_lock(&second_lock);
	mutex_lock(&first_lock);
	mutex_unlock(&first_lock);
	mutex_unlock(&second_lock);
}

static int number;
static int __rcu *rcu_number = (int __force __rcu *)&number;

static void rcu_without_lock(void)
{
	READ_ONCE(*rcu_dereference(rcu_number));
}

/*
 * One processor that does nothing else for a while, and a grace period that waits
 * for it: without one there is nothing to stall. One that began before may still go
 * by an older rcu_cpu_stall_timeout, which is read when a grace period begins
 * (rcu_jiffies_till_stall_check() in kernel/rcu/tree_stall.h).
 */
static void busy(void)
{
	unsigned long end;

	synchronize_rcu();
	preempt_disable();
	start_poll_synchronize_rcu();
	end = jiffies + BUSY_S * HZ;
	while (time_before(jiffies, end))
		cpu_relax();
	preempt_enable();
}

/* ---- arithmetic and objects -------------------------------------------------- */

static void shift(void)
{
	int bits = 40;

	OPTIMIZER_HIDE_VAR(bits);
	WRITE_ONCE(number, 1 << bits);
}

static void index_beyond(void)
{
	static int numbers[4];
	int place = 4;

	OPTIMIZER_HIDE_VAR(place);
	WRITE_ONCE(number, numbers[place]);
}

static void reference_count(void)
{
	refcount_t count = REFCOUNT_INIT(0);

	refcount_inc(&count);
}

static void warning(void)
{
	WARN(1, "planted\n");
}

static void never(struct timer_list *timer)
{
}

static void free_active_timer(void)
{
	struct timer_list *timer = kzalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return;
	timer_setup(timer, never, 0);
	mod_timer(timer, jiffies + 1000 * HZ);
	/* Freeing it is the sin; what checks it takes the timer off its list. */
	kfree(timer);
}

/* ---- races ------------------------------------------------------------------- */

static int raced;

static int race(void *unused)
{
	while (!kthread_should_stop()) {
		raced++;
		barrier();
		cond_resched();
	}
	return 0;
}

static void data_race_of_two(void)
{
	struct task_struct *one, *other;

	one = kthread_run(race, NULL, "planted_race/1");
	other = kthread_run(race, NULL, "planted_race/2");
	ssleep(RACE_S);
	if (!IS_ERR(one))
		kthread_stop(one);
	if (!IS_ERR(other))
		kthread_stop(other);
}

/* ---- on demand --------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*commit)(void);
} sins[] = {
	{ "use_after_free", use_after_free },
	{ "out_of_bounds", out_of_bounds },
	{ "out_of_bounds_vmalloc", out_of_bounds_vmalloc },
	{ "leak", leak },
	{ "sleep_in_atomic", sleep_in_atomic },
	{ "lock_order", lock_order },
	{ "rcu_without_lock", rcu_without_lock },
	{ "busy", busy },
	{ "shift", shift },
	{ "index_beyond", index_beyond },
	{ "reference_count", reference_count },
	{ "warning", warning },
	{ "free_active_timer", free_active_timer },
	{ "data_race", data_race_of_two },
};

static int set_sin(const char *text, const struct kernel_param *param)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sins); i++) {
		if (!sysfs_streq(text, sins[i].name))
			continue;
		pr_info("%s\n", sins[i].name);
		sins[i].commit();
		return 0;
	}
	return -EINVAL;
}

static const struct kernel_param_ops sin_ops = {
	.set = set_sin,
};
module_param_cb(sin, &sin_ops, NULL, 0200);
MODULE_PARM_DESC(sin, "what to do wrong");

MODULE_DESCRIPTION("Stress test: planted sins");
MODULE_LICENSE("GPL");
