// SPDX-License-Identifier: GPL-2.0
/*
 * renoscope: a flight recorder for TCP, and a Reno to look at with it.
 *
 * An event travels upwards through these files:
 *
 *	kernel TCP -> tracepoint_probes -> event_capture -> event_recorder
 *	-> event_ring -> debugfs_files -> scripts/renoscope
 *
 * This file is the order of bring-up, and nothing else. The order has a law: no
 * step that can fail comes after one by which somebody could take hold of the
 * module (a congestion control's name, a file). When init fails the kernel frees
 * the module without asking who holds it.
 */
#include <linux/module.h>

#include "debugfs_files.h"
#include "event_recorder.h"
#include "reno_congestion.h"
#include "tracepoint_probes.h"

static int __init renoscope_init(void)
{
	int err;

	err = event_recorder_init();
	if (err)
		goto err_recorder;
	err = debugfs_files_init();
	if (err)
		goto err_debugfs;
	err = tracepoint_probes_init();
	if (err)
		goto err_probes;
	err = reno_congestion_init();
	if (err)
		goto err_congestion;
	debugfs_files_open();
	return 0;

err_congestion:
	tracepoint_probes_exit();
err_probes:
	debugfs_files_exit();
err_debugfs:
	event_recorder_exit();
err_recorder:
	return err;
}

static void __exit renoscope_exit(void)
{
	reno_congestion_exit();
	tracepoint_probes_exit();
	debugfs_files_exit();
	event_recorder_exit();
}

module_init(renoscope_init);
module_exit(renoscope_exit);

MODULE_DESCRIPTION("Flight recorder for TCP, with Reno congestion control");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
/* What the kernel asks for when somebody chooses "renoscope". */
MODULE_ALIAS("tcp_renoscope");
