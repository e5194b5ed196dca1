/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A reader of the ring that everything is recorded into, for the suites whose subject
 * writes there.
 */
#ifndef RENOSCOPE_KUNIT_RECORDER_READER_H
#define RENOSCOPE_KUNIT_RECORDER_READER_H

#include <kunit/resource.h>
#include <kunit/test.h>

#include "event_recorder.h"

static inline void end_recorder_reader(void *reader)
{
	ring_reader_destroy(reader);
}

/* Of what is written from now on, until the test ends. */
static inline struct ring_reader *read_from_now(struct kunit *test)
{
	struct ring_reader *reader;

	reader = ring_reader_create(event_recorder_ring(), RING_ALL_CPUS);
	KUNIT_ASSERT_NOT_NULL(test, reader);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, end_recorder_reader,
						  reader));
	ring_reader_start(reader, RING_START_NOW);
	return reader;
}

#endif /* RENOSCOPE_KUNIT_RECORDER_READER_H */
