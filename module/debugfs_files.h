/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a reader opens under /sys/kernel/debug/renoscope.
 */
#ifndef RENOSCOPE_DEBUGFS_FILES_H
#define RENOSCOPE_DEBUGFS_FILES_H

int debugfs_files_init(void);
void debugfs_files_open(void);
void debugfs_files_exit(void);

#endif /* RENOSCOPE_DEBUGFS_FILES_H */
