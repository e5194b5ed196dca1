// SPDX-License-Identifier: GPL-2.0
/*
 * renoscope: a flight recorder for TCP, and a Reno to look at with it.
 *
 * An event travels upwards through these files:
 *
 *	kernel TCP -> tracepoint_probes (arrivals), gap_probes, segment_hooks
 *	our own congestion control -> congestion_probes
 *	-> event_recorder, which asks event_gate -> event_capture
 *	-> event_ring -> debugfs_files -> scripts/renoscope
 *
 * This file is the order of bring-up, and nothing else. The order has a law: no
 * step that can fail comes after one by which somebody could take hold of the
 * module (a congestion control's name, a file). When init fails the kernel frees
 * the module without asking who holds it.
 */
#include <linux/module.h>

#include "debugfs_files.h"
#include "event_controls.h"
#include "event_recorder.h"
#include "event_sources.h"
#include "reno_congestion.h"

static int __init renoscope_init(void)
{
	int err;

	err = event_recorder_init();
	if (err)
		goto err_recorder;
	err = event_controls_init();
	if (err)
		goto err_controls;
	err = debugfs_files_init();
	if (err)
		goto err_debugfs;
	err = event_sources_init();
	if (err)
		goto err_sources;
	err = reno_congestion_init();
	if (err)
		goto err_congestion;
	debugfs_files_open();
	return 0;

err_congestion:
	event_sources_exit();
err_sources:
	debugfs_files_exit();
err_debugfs:
	event_controls_exit();
err_controls:
	event_recorder_exit();
err_recorder:
	return err;
}

static void __exit renoscope_exit(void)
{
	reno_congestion_exit();
	event_sources_exit();
	debugfs_files_exit();
	event_controls_exit();
	event_recorder_exit();
}

module_init(renoscope_init);
module_exit(renoscope_exit);

MODULE_DESCRIPTION("Flight recorder for TCP, with Reno congestion control");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
/* What the kernel asks for when somebody chooses one of the algorithms. */
#define ALIAS_OF(id, name)	MODULE_ALIAS("tcp_" #name);
RENO_PROFILE_NAMES(ALIAS_OF)
