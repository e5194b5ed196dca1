/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ring that has been round once: what its slots held before must not show.
 */
#ifndef RENOSCOPE_KUNIT_OLD_BYTES_H
#define RENOSCOPE_KUNIT_OLD_BYTES_H

#include <linux/string.h>

#include "event_ring_writer.h"

/* What stands where nobody has written yet. */
#define OLD_BYTES	0xa5

/* Fill all slots of this CPU; the caller stays on it. */
static inline void fill_with_old_bytes(struct event_ring *ring)
{
	unsigned int i;

	for (i = 0; i < event_ring_records(ring); i++) {
		struct ring_record *record = event_ring_claim(ring);

		if (!record)
			continue;
		memset(record->payload, OLD_BYTES, sizeof(record->payload));
		event_ring_publish(ring, record);
	}
}

#endif /* RENOSCOPE_KUNIT_OLD_BYTES_H */
