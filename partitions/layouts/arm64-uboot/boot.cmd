# SPDX-License-Identifier: Apache-2.0
# Generic arm64 board: kernel, device tree, initramfs (if any) and root file system
# of a slot lie in one ext4 or squashfs partition. Comes after common/boot-core.cmd.
# A compressed kernel needs kernel_comp_addr_r and kernel_comp_size in the environment.
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
		p_fdt=${fdtcontroladdr}
		if test -n "${pawl_fdt}"; then
			p_fdt=
			if load ${devtype} ${devnum}:${p_part} ${fdt_addr_r} ${pawl_fdt}; then p_fdt=${fdt_addr_r}; fi
		fi
		p_initrd=-
		if test -e ${devtype} ${devnum}:${p_part} /boot/initrd; then
			p_initrd=
			if load ${devtype} ${devnum}:${p_part} ${ramdisk_addr_r} /boot/initrd; then p_initrd=${ramdisk_addr_r}:${filesize}; fi
		fi
		if test -n "${p_fdt}" && test -n "${p_initrd}"; then
			booti ${kernel_addr_r} ${p_initrd} ${p_fdt}
		fi
	fi
	echo "Pawl: slot ${p_slot} cannot be loaded"
done

echo "Pawl: no slot can be loaded, trying again in 10 s (Ctrl-C stops)"
if sleep 10; then reset; fi
