// SPDX-License-Identifier: GPL-2.0
/* The ring under test, as it is. */
#include "event_ring.c"
