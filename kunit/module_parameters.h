/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's parameters, as a person writes them, for the suites that need one.
 */
#ifndef RENOSCOPE_KUNIT_MODULE_PARAMETERS_H
#define RENOSCOPE_KUNIT_MODULE_PARAMETERS_H

#include <linux/errno.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <net/tcp.h>

#include "reno_congestion.h"

/* Finds @name in the module under test; NULL if it has no such parameter. */
static inline const struct kernel_param *module_parameter(const char *name)
{
	const struct module *module = reno_congestion_ops(RENO_PLAIN)->owner;
	unsigned int i;

	for (i = 0; i < module->num_kp; i++)
		if (!strcmp(module->kp[i].name, name))
			return &module->kp[i];
	return NULL;
}

/* What writing @text to @name gives. */
static inline int set_module_parameter(const char *name, const char *text)
{
	const struct kernel_param *param = module_parameter(name);

	return param ? param->ops->set(text, param) : -ENOENT;
}

/* All that make renoscope another Reno than Linux's, as they are at first. */
static inline void restore_reno_parameters(void)
{
	set_module_parameter("reno_beta", "50");
	set_module_parameter("reno_beta_ecn", "80");
	set_module_parameter("reno_abc_limit", "0");
	set_module_parameter("reno_abe", "N");
	set_module_parameter("reno_hystart", "N");
	set_module_parameter("reno_ack_train", "N");
	set_module_parameter("reno_validate", "N");
}

#endif /* RENOSCOPE_KUNIT_MODULE_PARAMETERS_H */
