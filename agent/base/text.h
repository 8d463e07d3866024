/* SPDX-License-Identifier: Apache-2.0 */
/* Text from outside that people will see: what it must not hold. */
#pragma once

#include <stddef.h>

/*
 * Bytes of the character at the front of `text` (UTF-8) when it could steer a
 * terminal or forge what a line says: control characters (C0, DEL, C1) and marks
 * that turn the direction of writing (U+202A to U+202E, U+2066 to U+2069), or a
 * byte that is no character. 0: harmless, or the end of the text. Asked at the
 * front of a character: text_length leads to the next one.
 */
size_t text_unsafe_length(const char *text);

/* Bytes of the character at the front of `text`; 1 for a byte that is none, or at the end. */
size_t text_length(const char *text);
