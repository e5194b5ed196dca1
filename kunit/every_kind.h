/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Each kind of event, as the parameter of a test.
 */
#ifndef RENOSCOPE_KUNIT_EVERY_KIND_H
#define RENOSCOPE_KUNIT_EVERY_KIND_H

#include <kunit/test.h>
#include <linux/string.h>

#include "event_schema.h"

static const unsigned int every_kind[] = {
#define KIND_NUMBER(name, meaning)	EVENT_KIND_##name,
	EVENT_KINDS(KIND_NUMBER)
#undef KIND_NUMBER
};

static inline void describe_kind(const unsigned int *kind, char *name)
{
	strscpy(name, event_kind_name(*kind), KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kind, every_kind, describe_kind);

#endif /* RENOSCOPE_KUNIT_EVERY_KIND_H */
