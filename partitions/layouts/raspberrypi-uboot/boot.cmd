# SPDX-License-Identifier: Apache-2.0
# Raspberry Pi 3 and 4: kernel, initramfs (if any) and root file system of a slot lie in
# one ext4 or squashfs partition. The device tree is the firmware's, which knows the
# board and its overlays. Comes after common/boot-core.cmd.
#
# Set this in the default environment (env.txt):
#   pawl_args  more words for the kernel, such as console=ttyS1,115200

# Above the firmware's own things, with room for a kernel of 34 MiB below the script; a
# compressed one is unpacked at 96 MiB.
setenv kernel_addr_r 200000
setenv ramdisk_addr_r 2700000
setenv kernel_comp_addr_r 6000000

for p_slot in ${pawl_order}; do
	p_part=2
	if test "${p_slot}" = "B"; then p_part=3; fi
	echo "Pawl: loading slot ${p_slot} from mmc 0:${p_part}"
	if load mmc 0:${p_part} ${kernel_addr_r} /boot/Image; then
		setenv kernel_comp_size ${filesize}
		setenv bootargs "${pawl_args} root=PARTUUID=5041574c-0${p_part} rootwait ro ${pawl_word} pawl.slot=${p_slot}"
		p_initrd=-
		if test -e mmc 0:${p_part} /boot/initrd; then
			p_initrd=
			if load mmc 0:${p_part} ${ramdisk_addr_r} /boot/initrd; then p_initrd=${ramdisk_addr_r}:${filesize}; fi
		fi
		if test -n "${p_initrd}"; then
			booti ${kernel_addr_r} ${p_initrd} ${fdt_addr}
		fi
	fi
	echo "Pawl: slot ${p_slot} cannot be loaded"
done

echo "Pawl: no slot can be loaded, trying again in 10 s (Ctrl-C stops)"
if sleep 10; then reset; fi
