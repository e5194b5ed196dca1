/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The timers of a sender, and the windows that stop one.
 */
#ifndef RENOSCOPE_SENDER_GAPS_H
#define RENOSCOPE_SENDER_GAPS_H

#include "gap_probes.h"

extern const struct gap_group sender_gaps;

#endif /* RENOSCOPE_SENDER_GAPS_H */
