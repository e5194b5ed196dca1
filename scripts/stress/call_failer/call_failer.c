// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the n-th call of one function of the kernel fail, or the n-th allocation
 * from such a call on, for a test.
 *
 * fail_function does the same, but only for functions that the kernel lists, and
 * not on a kernel with lockdep: in the breakpoint it asks for a random number, under
 * a lock that must not be taken there. This one counts the calls of one task and is
 * through with the n-th.
 *
 *	function	its name; empty for none
 *	error		what the failed call returns, as a number
 *	nth		written: of the calls that the writing task makes from now on the
 *			n-th is not made; read: how many are still to come, 0 if it was
 *	nth_allocation	written: from the next call that the writing task makes on, its
 *			n-th allocation fails, as with /proc/self/fail-nth
 *
 * The call fails before it has begun: the probe at the function's entry goes on in
 * a function of our own, which returns to the caller.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/string.h>

static long error;
module_param(error, long, 0600);
MODULE_PARM_DESC(error, "what the failed call returns");

static struct kprobe probe;
static char probed[128];
static bool attached;

static const struct task_struct *failing_task;
static unsigned int calls_left;
static unsigned int nth_allocation;

static noinline long return_error(void)
{
	return READ_ONCE(error);
}

static void fail_allocation(unsigned int nth)
{
#ifdef CONFIG_FAULT_INJECTION
	WRITE_ONCE(current->fail_nth, nth);
#endif
}

NOKPROBE_SYMBOL(fail_allocation);

static int count_call(struct kprobe *unused, struct pt_regs *regs)
{
	if (current != READ_ONCE(failing_task))
		return 0;
	if (nth_allocation)
		fail_allocation(nth_allocation);
	nth_allocation = 0;
	if (!calls_left || --calls_left)
		return 0;
	instruction_pointer_set(regs, (unsigned long)return_error);
	return 1;
}

NOKPROBE_SYMBOL(count_call);

/* Having one keeps the kernel from a jump in place of the breakpoint. */
static void after_call(struct kprobe *unused, struct pt_regs *regs,
		       unsigned long flags)
{
}

NOKPROBE_SYMBOL(after_call);

static void detach(void)
{
	if (attached)
		unregister_kprobe(&probe);
	attached = false;
}

/*
 * The kernel calls it under the lock of the module's parameters. Not from the command
 * line of insmod: if another word there is bad, the module goes and does not exit.
 */
static int set_function(const char *text, const struct kernel_param *param)
{
	int err;

	if (THIS_MODULE->state != MODULE_STATE_LIVE)
		return -EBUSY;
	detach();
	strscpy(probed, text, sizeof(probed));
	strim(probed);
	if (!*probed)
		return 0;
	probe = (struct kprobe) {
		.symbol_name = probed,
		.pre_handler = count_call,
		.post_handler = after_call,
	};
	err = register_kprobe(&probe);
	attached = !err;
	return err;
}

static const struct kernel_param_ops function_ops = {
	.set = set_function,
};
module_param_cb(function, &function_ops, NULL, 0200);
MODULE_PARM_DESC(function, "whose calls are counted");

static int set_nth(const char *text, const struct kernel_param *param)
{
	unsigned int nth;
	int err = kstrtouint(text, 0, &nth);

	if (err)
		return err;
	WRITE_ONCE(failing_task, NULL);
	*(unsigned int *)param->arg = nth;
	WRITE_ONCE(failing_task, nth ? current : NULL);
	return 0;
}

static const struct kernel_param_ops nth_ops = {
	.set = set_nth,
	.get = param_get_uint,
};
module_param_cb(nth, &nth_ops, &calls_left, 0600);
MODULE_PARM_DESC(nth, "which call from now on fails");
module_param_cb(nth_allocation, &nth_ops, &nth_allocation, 0600);
MODULE_PARM_DESC(nth_allocation,
		 "which allocation from the next call on fails");

static int __init call_failer_init(void)
{
	return 0;
}

static void __exit call_failer_exit(void)
{
	kernel_param_lock(THIS_MODULE);
	detach();
	kernel_param_unlock(THIS_MODULE);
}

module_init(call_failer_init);
module_exit(call_failer_exit);

MODULE_DESCRIPTION("Stress: makes a call of one of the kernel's functions fail");
MODULE_LICENSE("GPL");
