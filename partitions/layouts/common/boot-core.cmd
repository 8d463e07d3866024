# SPDX-License-Identifier: Apache-2.0
# Which slot boots: the rules of docs/boot.md, the same for every board. Put in
# front of a layout's boot.cmd by make-boot-scr.sh.
#
# Reads   pawl_slot pawl_trial pawl_tries pawl_fallback pawl_id
# Leaves  pawl_order: slots for the layout to try, the first that loads is it
#         pawl_word:  what the kernel must be told, but for pawl.slot=
#
# Only `env save` of a trial writes. Needs HUSH_PARSER, CMD_SAVEENV and
# CMD_NVEDIT_LOAD; where a command is missing no trial ever starts, the
# committed slot boots. Values are kept in variables of the shell, because
# `env load` replaces the environment, with the default one if both copies are bad.

# What is neither A nor B is taken for empty.
p_committed=A
p_known=
if test "${pawl_slot}" = "A"; then p_known=1; fi
if test "${pawl_slot}" = "B"; then p_known=1; p_committed=B; fi
p_trial=
if test "${pawl_trial}" = "A"; then p_trial=A; fi
if test "${pawl_trial}" = "B"; then p_trial=B; fi
p_fallback=
if test "${pawl_fallback}" = "A"; then p_fallback=A; fi
if test "${pawl_fallback}" = "B"; then p_fallback=B; fi
pawl_word="panic=5"
if test -n "${pawl_id}"; then pawl_word="panic=5 pawl.id=${pawl_id}"; fi

# One less; a table, because U-Boot's arithmetic is hexadecimal and optional.
p_left=
if test "${pawl_tries}" = "9"; then p_left=8; fi
if test "${pawl_tries}" = "8"; then p_left=7; fi
if test "${pawl_tries}" = "7"; then p_left=6; fi
if test "${pawl_tries}" = "6"; then p_left=5; fi
if test "${pawl_tries}" = "5"; then p_left=4; fi
if test "${pawl_tries}" = "4"; then p_left=3; fi
if test "${pawl_tries}" = "3"; then p_left=2; fi
if test "${pawl_tries}" = "2"; then p_left=1; fi
if test "${pawl_tries}" = "1"; then p_left=0; fi

# A try counts before it is used: saved and read back, or there is no trial.
p_start=
if test -n "${p_trial}" && test -n "${p_left}"; then
	setenv pawl_tries "${p_left}"
	if env save; then
		setenv pawl_tries unread
		if env load; then
			if test "${pawl_tries}" = "${p_left}"; then p_start="${p_trial}"; fi
		fi
	fi
fi

pawl_order="${p_start} ${p_committed} ${p_fallback}"
if test -z "${p_known}"; then pawl_order="${pawl_order} B"; fi
echo "Pawl: committed ${p_committed}, trial ${p_start}, order ${pawl_order}"
