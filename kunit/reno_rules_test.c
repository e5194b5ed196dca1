// SPDX-License-Identifier: GPL-2.0
/*
 * How our algorithms differ, and the arithmetic of it.
 *
 * The parameters are tried where a person meets them: at the setters that the module
 * gave the kernel, found through the module itself.
 */
#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/string.h>

#include "module_parameters.h"
#include "reno_rules.h"

/* ---- what is left of cwnd ------------------------------------------------ */

struct reduction_case {
	u32 cwnd;
	u8 beta_percent;
	u32 ssthresh;
};

static const struct reduction_case reduction_cases[] = {
	/* RFC 5681 3.1 equation 4: half, and at least 2 */
	{ 0, 50, 2 }, { 1, 50, 2 }, { 3, 50, 2 }, { 5, 50, 2 }, { 6, 50, 3 },
	{ 24, 50, 12 }, { 25, 50, 12 }, { U32_MAX, 50, U32_MAX / 2 },
	/* RFC 8511 3.1: 0.8, and at least 2 */
	{ 1, 80, 2 }, { 2, 80, 2 }, { 3, 80, 2 }, { 4, 80, 3 }, { 5, 80, 4 },
	{ 10, 80, 8 }, { 24, 80, 19 }, { 100, 80, 80 },
	/* RFC 9438 4.6: CUBIC's 0.7 */
	{ 10, 70, 7 }, { 100, 70, 70 }, { 11, 70, 7 },
	/* the ends of the range */
	{ 10, 20, 2 }, { 100, 20, 20 }, { 10, 90, 9 }, { 100, 90, 90 },
	{ U32_MAX, 20, 858993459 }, { U32_MAX, 90, 3865470565U },
	/* what no parameter can hold counts as the nearest end */
	{ 100, 0, 20 }, { 100, 19, 20 }, { 100, 91, 90 }, { 100, 100, 90 },
	{ 100, U8_MAX, 90 },
};

static void describe_reduction(const struct reduction_case *reduction,
			       char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%u%% of %u",
		 reduction->beta_percent, reduction->cwnd);
}

KUNIT_ARRAY_PARAM(reduction, reduction_cases, describe_reduction);

static void beta_is_what_is_left(struct kunit *test)
{
	const struct reduction_case *reduction = test->param_value;

	KUNIT_EXPECT_EQ(test,
			reno_reduced_segments(reduction->cwnd,
					      reduction->beta_percent),
			reduction->ssthresh);
}

/* ---- how fast it grows to match ------------------------------------------ */

/**
 * struct alpha_case - growth that gives Reno its share
 * @name: for people
 * @beta_percent: what is left after a loss
 * @cwnd: in segments
 * @segments: cwnd / alpha, alpha = 3 (1 - beta) / (1 + beta), RFC 9438 4.3
 */
struct alpha_case {
	const char *name;
	u8 beta_percent;
	u32 cwnd;
	u32 segments;
};

static const struct alpha_case alpha_cases[] = {
	{ "1/2: alpha 1", 50, 1, 1 },
	{ "1/2: alpha 1, of 10", 50, 10, 10 },
	{ "1/2: alpha 1, of 99", 50, 99, 99 },
	{ "1/2: alpha 1, of the largest", 50, U32_MAX, U32_MAX },
	{ "0.7: alpha 9/17", 70, 90, 170 },
	{ "0.7: cut", 70, 10, 18 },
	{ "0.8: alpha 1/3", 80, 10, 30 },
	{ "0.8: alpha 1/3, of 1", 80, 1, 3 },
	{ "0.9: alpha 3/19", 90, 30, 190 },
	{ "0.2: alpha 2", 20, 10, 5 },
	{ "0.2: alpha 2, cut", 20, 11, 5 },
	{ "0.2: never zero", 20, 1, 1 },
	{ "never zero without a window", 50, 0, 1 },
	{ "0.9: the largest that fits", 90, 678152730, 4294967290U },
	{ "0.9: more does not wrap", 90, 678152732, U32_MAX },
	{ "0.9: of the largest", 90, U32_MAX, U32_MAX },
	{ "all is left counts as 0.9", 100, 30, 190 },
	{ "more than all as well", U8_MAX, 30, 190 },
	{ "nothing is left counts as 0.2", 0, 10, 5 },
};

KUNIT_ARRAY_PARAM_DESC(alpha, alpha_cases, name);

static void alpha_matches_beta(struct kunit *test)
{
	const struct alpha_case *alpha = test->param_value;

	KUNIT_EXPECT_EQ(test,
			reno_segments_to_grow(alpha->cwnd, alpha->beta_percent),
			alpha->segments);
}

static const u32 windows[] = {
	0, 1, 2, 3, 9, 10, 100, 65535, S32_MAX, BIT(31), U32_MAX - 1, U32_MAX,
};

static void describe_window(const u32 *cwnd, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "cwnd %u", *cwnd);
}

KUNIT_ARRAY_PARAM(window, windows, describe_window);

/* Every number that a byte can hold, the legal and the others. */
static void no_beta_breaks_the_arithmetic(struct kunit *test)
{
	u32 cwnd = *(const u32 *)test->param_value;
	u32 reduced_before = 2;
	u32 segments_before = 1;
	unsigned int beta;

	for (beta = 0; beta <= U8_MAX; beta++) {
		u32 reduced = reno_reduced_segments(cwnd, beta);
		u32 segments = reno_segments_to_grow(cwnd, beta);

		KUNIT_EXPECT_GE(test, reduced, reduced_before);
		KUNIT_EXPECT_LE(test, reduced, max(cwnd, 2U));
		KUNIT_EXPECT_GE(test, segments, segments_before);
		reduced_before = reduced;
		segments_before = segments;
	}
}

/* ---- the profiles -------------------------------------------------------- */

static void expect_linux(struct kunit *test, const struct reno_rules *rules)
{
	KUNIT_EXPECT_EQ(test, rules->beta_percent, 50);
	KUNIT_EXPECT_EQ(test, rules->abc_limit, 0);
	KUNIT_EXPECT_FALSE(test, rules->abe);
	KUNIT_EXPECT_FALSE(test, rules->hystart);
	KUNIT_EXPECT_FALSE(test, rules->ack_train);
	KUNIT_EXPECT_FALSE(test, rules->validate);
	KUNIT_EXPECT_TRUE(test, reno_rules_are_linux(rules));
}

static void renoscope_is_linux_reno(struct kunit *test)
{
	struct reno_rules rules;

	reno_rules_get(&rules, RENO_PLAIN);
	expect_linux(test, &rules);
	KUNIT_EXPECT_EQ(test, rules.initial_cwnd, 0);
	KUNIT_EXPECT_EQ(test, rules.initial_ssthresh, 0);
	KUNIT_EXPECT_EQ(test, rules.beta_ecn_percent, 80);
}

/* The textbook's figure begins with 1, and slow start ends at 16. */
static void textbook_differs_in_its_beginning(struct kunit *test)
{
	struct reno_rules rules;

	reno_rules_get(&rules, RENO_TEXTBOOK);
	expect_linux(test, &rules);
	KUNIT_EXPECT_EQ(test, rules.initial_cwnd, 1);
	KUNIT_EXPECT_EQ(test, rules.initial_ssthresh, 16);
}

static void modern_adds_hystart_and_abe(struct kunit *test)
{
	struct reno_rules rules;

	reno_rules_get(&rules, RENO_MODERN);
	KUNIT_EXPECT_EQ(test, rules.initial_cwnd, 0);
	KUNIT_EXPECT_EQ(test, rules.initial_ssthresh, 0);
	KUNIT_EXPECT_EQ(test, rules.beta_percent, 50);
	KUNIT_EXPECT_EQ(test, rules.beta_ecn_percent, 80);
	KUNIT_EXPECT_EQ(test, rules.abc_limit, 0);
	KUNIT_EXPECT_TRUE(test, rules.abe);
	KUNIT_EXPECT_TRUE(test, rules.hystart);
	KUNIT_EXPECT_TRUE(test, rules.ack_train);
	KUNIT_EXPECT_FALSE(test, rules.validate);
	KUNIT_EXPECT_FALSE(test, reno_rules_are_linux(&rules));
}

struct linux_case {
	const char *name;
	struct reno_rules rules;
	bool is_linux;
};

/* What is asked is how cwnd grows: how it begins and what a mark costs is not. */
static const struct linux_case linux_cases[] = {
	{ "Linux", { .beta_percent = 50 }, true },
	{ "another beginning", { .beta_percent = 50, .initial_cwnd = 1,
	  .initial_ssthresh = 16 }, true },
	{ "ABE", { .beta_percent = 50, .beta_ecn_percent = 80, .abe = true },
	  true },
	{ "another beta", { .beta_percent = 51 }, false },
	{ "a limit", { .beta_percent = 50, .abc_limit = 1 }, false },
	{ "HyStart++", { .beta_percent = 50, .hystart = true }, false },
	{ "validation", { .beta_percent = 50, .validate = true }, false },
};

KUNIT_ARRAY_PARAM_DESC(linux, linux_cases, name);

static void growth_is_linux_or_it_is_not(struct kunit *test)
{
	const struct linux_case *linux_case = test->param_value;

	KUNIT_EXPECT_EQ(test, reno_rules_are_linux(&linux_case->rules),
			linux_case->is_linux);
}

/* ---- the parameters ------------------------------------------------------ */

struct default_case {
	const char *name;
	const char *text;
};

static const struct default_case defaults[] = {
	{ "reno_beta", "50" }, { "reno_beta_ecn", "80" },
	{ "reno_abc_limit", "0" }, { "reno_abe", "N" }, { "reno_hystart", "N" },
	{ "reno_ack_train", "N" }, { "reno_validate", "N" },
};

KUNIT_ARRAY_PARAM_DESC(default, defaults, name);

static void restore_defaults(struct kunit *test)
{
	restore_reno_parameters();
}

static void parameter_is_off_by_default(struct kunit *test)
{
	const struct default_case *expected = test->param_value;
	const struct kernel_param *param = module_parameter(expected->name);
	char *text = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, param);
	KUNIT_ASSERT_NOT_NULL(test, text);
	KUNIT_EXPECT_GT(test, param->ops->get(text, param), 0);
	KUNIT_EXPECT_STREQ(test, strim(text), expected->text);
}

/**
 * struct range_case - what a parameter takes
 * @param: its name
 * @text: what is written
 * @err: what comes of it
 */
struct range_case {
	const char *param;
	const char *text;
	int err;
};

static const struct range_case range_cases[] = {
	{ "reno_beta", "20", 0 },
	{ "reno_beta", "90", 0 },
	{ "reno_beta", "70\n", 0 },
	{ "reno_beta", "0x32", 0 },
	{ "reno_beta", "19", -EINVAL },
	{ "reno_beta", "91", -EINVAL },
	{ "reno_beta", "0", -EINVAL },
	{ "reno_beta", "100", -EINVAL },
	{ "reno_beta", "255", -EINVAL },
	{ "reno_beta", "306", -EINVAL },	/* 50 in a byte */
	{ "reno_beta", "4294967346", -EINVAL },	/* 50 in 32 bits */
	{ "reno_beta", "-50", -EINVAL },
	{ "reno_beta", "50.5", -EINVAL },
	{ "reno_beta", "50%", -EINVAL },
	{ "reno_beta", "half", -EINVAL },
	{ "reno_beta", "", -EINVAL },
	{ "reno_beta_ecn", "20", 0 },
	{ "reno_beta_ecn", "85", 0 },
	{ "reno_beta_ecn", "90", 0 },
	{ "reno_beta_ecn", "19", -EINVAL },
	{ "reno_beta_ecn", "91", -EINVAL },
	{ "reno_beta_ecn", "0", -EINVAL },
	{ "reno_abc_limit", "0", 0 },
	{ "reno_abc_limit", "1", 0 },
	{ "reno_abc_limit", "64", 0 },
	{ "reno_abc_limit", "65", -EINVAL },
	{ "reno_abc_limit", "256", -EINVAL },	/* 0 in a byte */
	{ "reno_abc_limit", "-1", -EINVAL },
	{ "reno_abe", "2", -EINVAL },
	{ "reno_abe", "1", 0 },
	{ "reno_hystart", "Y", 0 },
	{ "reno_hystart", "", -EINVAL },
	{ "reno_ack_train", "Y", 0 },
	{ "reno_ack_train", "2", -EINVAL },
	{ "reno_validate", "1", 0 },
	{ "reno_validate", "50", -EINVAL },
};

static void describe_range(const struct range_case *range, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%s '%.*s'", range->param,
		 (int)strcspn(range->text, "\n"), range->text);
}

KUNIT_ARRAY_PARAM(range, range_cases, describe_range);

/* What is refused changes nothing. */
static void parameter_keeps_its_range(struct kunit *test)
{
	const struct range_case *range = test->param_value;
	struct reno_rules before, after;

	reno_rules_get(&before, RENO_PLAIN);
	KUNIT_EXPECT_EQ(test, set_module_parameter(range->param, range->text),
			range->err);
	reno_rules_get(&after, RENO_PLAIN);
	if (range->err)
		KUNIT_EXPECT_EQ(test, memcmp(&before, &after, sizeof(after)), 0);
}

/* Each parameter is one rule, and they are renoscope's alone. */
static void parameters_are_the_rules_of_renoscope(struct kunit *test)
{
	static const char * const texts[][2] = {
		{ "reno_beta", "70" }, { "reno_beta_ecn", "85" },
		{ "reno_abc_limit", "2" }, { "reno_abe", "Y" },
		{ "reno_hystart", "Y" }, { "reno_ack_train", "Y" },
		{ "reno_validate", "Y" },
	};
	struct reno_rules rules;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++)
		KUNIT_EXPECT_EQ(test, set_module_parameter(texts[i][0],
							   texts[i][1]), 0);
	reno_rules_get(&rules, RENO_PLAIN);
	KUNIT_EXPECT_EQ(test, rules.beta_percent, 70);
	KUNIT_EXPECT_EQ(test, rules.beta_ecn_percent, 85);
	KUNIT_EXPECT_EQ(test, rules.abc_limit, 2);
	KUNIT_EXPECT_TRUE(test, rules.abe);
	KUNIT_EXPECT_TRUE(test, rules.hystart);
	KUNIT_EXPECT_TRUE(test, rules.ack_train);
	KUNIT_EXPECT_TRUE(test, rules.validate);

	textbook_differs_in_its_beginning(test);
	modern_adds_hystart_and_abe(test);
}

static struct kunit_case reno_rules_cases[] = {
	KUNIT_CASE_PARAM(beta_is_what_is_left, reduction_gen_params),
	KUNIT_CASE_PARAM(alpha_matches_beta, alpha_gen_params),
	KUNIT_CASE_PARAM(no_beta_breaks_the_arithmetic, window_gen_params),

	KUNIT_CASE(renoscope_is_linux_reno),
	KUNIT_CASE(textbook_differs_in_its_beginning),
	KUNIT_CASE(modern_adds_hystart_and_abe),
	KUNIT_CASE_PARAM(growth_is_linux_or_it_is_not, linux_gen_params),

	KUNIT_CASE_PARAM(parameter_is_off_by_default, default_gen_params),
	KUNIT_CASE_PARAM(parameter_keeps_its_range, range_gen_params),
	KUNIT_CASE(parameters_are_the_rules_of_renoscope),
	{}
};

static struct kunit_suite reno_rules_suite = {
	.name = "renoscope_reno_rules",
	.exit = restore_defaults,
	.test_cases = reno_rules_cases,
};

kunit_test_suite(reno_rules_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: how our algorithms differ");
MODULE_LICENSE("GPL");
