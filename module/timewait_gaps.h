/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TIME-WAIT, from its start to its end.
 */
#ifndef RENOSCOPE_TIMEWAIT_GAPS_H
#define RENOSCOPE_TIMEWAIT_GAPS_H

#include "gap_probes.h"

extern const struct gap_group timewait_gaps;

#endif /* RENOSCOPE_TIMEWAIT_GAPS_H */
