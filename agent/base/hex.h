/* SPDX-License-Identifier: Apache-2.0 */
/* Lower-case hexadecimal text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes 2 * len digits and a NUL into `text`. */
void hex_encode(const uint8_t *data, size_t len, char *text);

/* Reads exactly 2 * len lower-case digits; false (and `data` undefined) for anything else. */
bool hex_decode(const char *text, uint8_t *data, size_t len);
