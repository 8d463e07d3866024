/* SPDX-License-Identifier: Apache-2.0 */
/* MUST: a security check with a name, so that `make mutants` can switch off just this one. */
#pragma once

/*
 * Reads as the condition itself: `if (!MUST("root.threshold", n >= threshold)) return err_set(...)`.
 * The name is unique in the source, lower case, "area.what". A build with
 * -DMUTANT='"name"' takes that one check for passed; no other build knows of names.
 */
#ifdef MUTANT
#define MUST(name, condition) ((condition) || __builtin_strcmp(name, MUTANT) == 0)
#else
#define MUST(name, condition) ((void)sizeof(name), (condition))
#endif
