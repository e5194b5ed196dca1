/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parameters that say which events are let into the ring, and until when.
 */
#ifndef RENOSCOPE_EVENT_CONTROLS_H
#define RENOSCOPE_EVENT_CONTROLS_H

struct seq_file;

int event_controls_init(void);
void event_controls_exit(void);
int event_controls_show(struct seq_file *file);

#endif /* RENOSCOPE_EVENT_CONTROLS_H */
