// SPDX-License-Identifier: GPL-2.0
/*
 * renoscope: a flight recorder for TCP, and a Reno to look at with it.
 *
 * An event travels upwards through these files:
 *
 *	kernel TCP -> tracepoint_probes -> event_capture -> event_recorder
 *	-> event_ring -> debugfs_files -> scripts/renoscope
 *
 * This file is the order of bring-up, and nothing else.
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
	err = reno_congestion_init();
	if (err)
		goto err_congestion;
	err = debugfs_files_init();
	if (err)
		goto err_debugfs;
	err = tracepoint_probes_init();
	if (err)
		goto err_probes;
	return 0;

err_probes:
	debugfs_files_exit();
err_debugfs:
	reno_congestion_exit();
err_congestion:
	event_recorder_exit();
err_recorder:
	return err;
}

static void __exit renoscope_exit(void)
{
	tracepoint_probes_exit();
	debugfs_files_exit();
	reno_congestion_exit();
	event_recorder_exit();
}

module_init(renoscope_init);
module_exit(renoscope_exit);

MODULE_DESCRIPTION("Flight recorder for TCP, with Reno congestion control");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
/* What the kernel asks for when somebody chooses "renoscope". */
MODULE_ALIAS("tcp_renoscope");
