/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A parameter's text that is refused, told in the kernel log.
 */
#ifndef RENOSCOPE_PARAMETER_REFUSAL_H
#define RENOSCOPE_PARAMETER_REFUSAL_H

#include <linux/compiler_attributes.h>
#include <linux/types.h>

/**
 * struct word_complaint - why a text was refused
 * @word: the offending word, within the text that was given
 * @length: of @word, in bytes
 * @allowed: what could stand there
 */
struct word_complaint {
	const char *word;
	size_t length;
	const char *allowed;
};

__printf(4, 5)
int refuse_word(const char *parameter, const char *word, size_t length,
		const char *why, ...);
int refuse_number(const char *parameter, const char *text, unsigned int least,
		  unsigned int most);

#endif /* RENOSCOPE_PARAMETER_REFUSAL_H */
