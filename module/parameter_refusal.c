// SPDX-License-Identifier: GPL-2.0
/*
 * A parameter's text that is refused, told in the kernel log: write() can say no
 * more than EINVAL, and whoever wrote a long text must learn which word it was.
 *
 *	tcp_renoscope: reno_beta: '95' is not a number from 20 to 90
 *
 * The word is somebody's input: what no terminal should see is escaped, and no more
 * of it is shown than one can read.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/stdarg.h>
#include <linux/string.h>

#include "parameter_refusal.h"

/* More than any word that is taken; what is longer must not fill the log's line. */
#define WORD_SHOWN_MAX	64

/**
 * refuse_word - say which word of a parameter's text is refused, and why
 * @parameter: its name
 * @word: not necessarily ended by a NUL
 * @length: of @word, in bytes
 * @why: what is said behind the word, beginning with a blank or a colon, a format
 *
 * Context: process context.
 * Return: -EINVAL.
 */
int refuse_word(const char *parameter, const char *word, size_t length,
		const char *why, ...)
{
	int shown = min_t(size_t, length, WORD_SHOWN_MAX);
	struct va_format reason = { .fmt = why };
	va_list arguments;

	va_start(arguments, why);
	reason.va = &arguments;
	pr_err("%s: '%*pE'%s%pV\n", parameter, shown, word,
	       shown < length ? "..." : "", &reason);
	va_end(arguments);
	return -EINVAL;
}

/**
 * refuse_number - say that a parameter's text is no number, or out of its range
 * @parameter: its name
 * @text: ends with a NUL; what is behind its first line is not shown
 * @least: the range's one end
 * @most: the other
 *
 * Context: process context.
 * Return: -EINVAL.
 */
int refuse_number(const char *parameter, const char *text, unsigned int least,
		  unsigned int most)
{
	return refuse_word(parameter, text, strcspn(text, "\n"),
			   " is not a number from %u to %u", least, most);
}
