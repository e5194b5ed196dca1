/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The congestion control that renoscope registers, under three names.
 */
#ifndef RENOSCOPE_RENO_CONGESTION_H
#define RENOSCOPE_RENO_CONGESTION_H

#include "reno_rules.h"

struct tcp_congestion_ops;

int reno_congestion_init(void);
void reno_congestion_exit(void);
const struct tcp_congestion_ops *reno_congestion_ops(enum reno_profile profile);

#endif /* RENOSCOPE_RENO_CONGESTION_H */
