# SPDX-License-Identifier: Apache-2.0
# Generic arm64 board: kernel, device tree and root file system of a slot lie in
# one ext4 or squashfs partition. Comes after common/boot-core.cmd.
#
# Set these in the default environment of the board (env.txt):
#   pawl_fdt   path of the device tree in the slot, empty = U-Boot's own
#   pawl_args  more words for the kernel, such as console=ttyS0,115200

if test -z "${devtype}"; then setenv devtype mmc; fi
if test -z "${devnum}"; then setenv devnum 0; fi

for p_slot in ${pawl_order}; do
	p_part=3
	p_root=PARTUUID=5041574c-0000-4000-8000-00000000000a
	if test "${p_slot}" = "B"; then
		p_part=4
		p_root=PARTUUID=5041574c-0000-4000-8000-00000000000b
	fi
	echo "Pawl: loading slot ${p_slot} from ${devtype} ${devnum}:${p_part}"
	if load ${devtype} ${devnum}:${p_part} ${kernel_addr_r} /boot/Image; then
		setenv bootargs "${pawl_args} root=${p_root} rootwait ro ${pawl_word} pawl.slot=${p_slot}"
		if test -n "${pawl_fdt}"; then
			if load ${devtype} ${devnum}:${p_part} ${fdt_addr_r} ${pawl_fdt}; then
				booti ${kernel_addr_r} - ${fdt_addr_r}
			fi
		else
			booti ${kernel_addr_r} - ${fdtcontroladdr}
		fi
	fi
	echo "Pawl: slot ${p_slot} cannot be loaded"
done

echo "Pawl: no slot can be loaded, trying again in 10 s (Ctrl-C stops)"
if sleep 10; then reset; fi
