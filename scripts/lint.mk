# SPDX-License-Identifier: Apache-2.0
#: make format-check   does every C file have the form that .clang-format decides?
format-check:
	$(Q)cd $(S) && git ls-files '*.c' '*.h' | xargs -r clang-format --dry-run -Werror

format:
	$(Q)cd $(S) && git ls-files '*.c' '*.h' | xargs -r clang-format -i

.PHONY: format format-check
