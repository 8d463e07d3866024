/* SPDX-License-Identifier: Apache-2.0 */
/* For cppcheck only, which does not read jansson.h: its loops. */
#pragma once

#define json_array_foreach(array, i, v)     for (i = 0, v = 0; i < 1; i++)
#define json_object_foreach(object, key, v) for (key = 0, v = 0; v; v = 0)
