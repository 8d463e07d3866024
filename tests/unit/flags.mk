# SPDX-License-Identifier: Apache-2.0
LDFLAGS_boot_states_test = -Wl,--wrap=libuboot_env_store,--wrap=fsync
LDFLAGS_slot_order_test := -Wl,--wrap=hash_bytes,--wrap=file_pwrite_full,--wrap=inflate,--wrap=ZSTD_decompressDCtx
LDFLAGS_slot_fault_test := -Wl,--wrap=file_pwrite_full,--wrap=file_pread_full,--wrap=file_sync
LDFLAGS_journal_record_test := -Wl,--wrap=time
LDFLAGS_boot_env_test = -Wl,--wrap=libuboot_env_store,--wrap=libuboot_open,--wrap=libuboot_get_env \
	-Wl,--wrap=fsync,--wrap=nanosleep,--wrap=open,--wrap=open64
LDFLAGS_slot_target_test := -Wl,--wrap=in_use_check
LDFLAGS_boot_restart_test = -Wl,--wrap=process_run,--wrap=sync,--wrap=reboot
LDFLAGS_hooks_run_test := -Wl,--wrap=geteuid
