# SPDX-License-Identifier: Apache-2.0
# QEMU's arm64 machine `virt`: kernel, initramfs and root file system of a slot lie
# in one ext4 or squashfs partition. Comes after common/boot-core.cmd.
#
# Set these in the default environment (env.txt):
#   pawl_args   more words for the kernel, such as console=ttyAMA0
#   pawl_ticks  of the watchdog, in 1/1024 s, halved, hexadecimal: 7800 = 60 s;
#               empty = no watchdog

# `-device i6300esb,addr=05`: it must run before the kernel does, or a kernel that
# hangs at once hangs for ever. U-Boot has no driver for it. Its registers (one BAR)
# go where QEMU has room for them; Linux places them anew. 80, 86 unlock a write.
if test -n "${pawl_ticks}"; then
	if pci write.l 00.05.0 10 3e000000; then
		pci write.w 00.05.0 4 6
		pci write.w 00.05.0 60 3
		mw.w 3e00000c 80
		mw.w 3e00000c 86
		mw.l 3e000000 ${pawl_ticks}
		mw.w 3e00000c 80
		mw.w 3e00000c 86
		mw.l 3e000004 ${pawl_ticks}
		pci write.b 00.05.0 68 2
		mw.w 3e00000c 80
		mw.w 3e00000c 86
		mw.w 3e00000c 100
	fi
fi

# U-Boot's own environment, which counts when both copies are lost, does not know
# where a compressed kernel can be unpacked.
if test -z "${kernel_comp_addr_r}"; then setenv kernel_comp_addr_r 48000000; fi

for p_slot in ${pawl_order}; do
	p_part=3
	if test "${p_slot}" = "B"; then p_part=4; fi
	echo "Pawl: loading slot ${p_slot} from mmc 0:${p_part}"
	if load mmc 0:${p_part} ${kernel_addr_r} /boot/Image; then
		setenv kernel_comp_size ${filesize}
		if load mmc 0:${p_part} ${ramdisk_addr_r} /boot/initrd; then
			setenv bootargs "${pawl_args} root=/dev/mmcblk0p${p_part} rootwait ro ${pawl_word} pawl.slot=${p_slot}"
			booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdtcontroladdr}
		fi
	fi
	echo "Pawl: slot ${p_slot} cannot be loaded"
done

echo "Pawl: no slot can be loaded, trying again in 10 s (Ctrl-C stops)"
if sleep 10; then reset; fi
