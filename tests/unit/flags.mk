# SPDX-License-Identifier: Apache-2.0
LDFLAGS_base_file_test := -Wl,--wrap=fsync,--wrap=unlinkat
LDFLAGS_publisher_delta_test := -Wl,--wrap=fsync
LDFLAGS_boot_states_test = -Wl,--wrap=libuboot_env_store,--wrap=fsync
LDFLAGS_slot_order_test := -Wl,--wrap=hash_bytes,--wrap=file_pwrite_full,--wrap=inflate,--wrap=ZSTD_decompressStream,--wrap=slot_seed_read
LDFLAGS_slot_hash_behind_test := -Wl,--wrap=pthread_create,--wrap=hash_bytes,--wrap=inflate,--wrap=ZSTD_decompressStream
LDFLAGS_slot_fault_test := -Wl,--wrap=file_pwrite_full,--wrap=file_pread_full,--wrap=file_sync
LDFLAGS_journal_record_test := -Wl,--wrap=time
LDFLAGS_boot_env_test = -Wl,--wrap=libuboot_env_store,--wrap=libuboot_open,--wrap=libuboot_get_env \
	-Wl,--wrap=fsync,--wrap=nanosleep,--wrap=open,--wrap=open64
LDFLAGS_slot_scratch_test := -Wl,--wrap=openat,--wrap=openat64,--wrap=posix_fallocate,--wrap=posix_fallocate64
LDFLAGS_slot_survey_test := -Wl,--wrap=file_pread_full
LDFLAGS_slot_seed_test := -Wl,--wrap=file_pread_full
LDFLAGS_slot_target_test := -Wl,--wrap=in_use_check
LDFLAGS_boot_restart_test = -Wl,--wrap=process_run,--wrap=sync,--wrap=reboot,--wrap=syscall
LDFLAGS_hooks_run_test := -Wl,--wrap=geteuid -Wl,--wrap=readdir64
LDFLAGS_journal_fault_test := -Wl,--wrap=file_read,--wrap=file_pwrite_full,--wrap=file_sync,--wrap=fdatasync,--wrap=renameat,--wrap=unlinkat,--wrap=ftruncate64,--wrap=fallocate64,--wrap=ftruncate,--wrap=fallocate
LDFLAGS_slot_block_test := -Wl,--wrap=stat,--wrap=stat64,--wrap=fstat,--wrap=fstat64,--wrap=open,--wrap=open64,--wrap=__open_2,--wrap=__open64_2,--wrap=close,--wrap=ioctl,--wrap=flock
LDFLAGS_agent_checks_test := -Wl,--wrap=stat,--wrap=stat64
ifneq ($(CONFIG_HTTP),y)
UNIT_SOURCES := $(filter-out $(patsubst %,tests/unit/poll_%_test.c,http reader repository response),$(UNIT_SOURCES))
endif
LDFLAGS_poll_reader_test := -Wl,--wrap=clock_mono_ms
LDFLAGS_slot_delta_install_test := -Wl,--wrap=slot_seed_read
LDFLAGS_slot_delta_damage_test := -Wl,--wrap=slot_seed_read
LDFLAGS_slot_delta_resume_test := -Wl,--wrap=slot_seed_read
LDFLAGS_poll_pipe_test := -Wl,--wrap=fstatvfs,--wrap=fstatvfs64,--wrap=poll
LDFLAGS_slot_sample_test := -Wl,--wrap=file_pread_full
LDFLAGS_slot_delta_memory_test := -Wl,--wrap=slot_seed_read
LDFLAGS_slot_delta_fault_test := -Wl,--wrap=slot_seed_read,--wrap=file_pwrite_full,--wrap=file_pread_full
LDFLAGS_agent_tables_test := -Wl,--wrap=fstatvfs,--wrap=fstatvfs64,--wrap=file_pread_full,--wrap=file_write_full
LDFLAGS_agent_state_test := -Wl,--wrap=file_read
LDFLAGS_agent_spool_test := -Wl,--wrap=fstatvfs,--wrap=fstatvfs64,--wrap=file_pwrite_full
LDFLAGS_boot_autoboot_test := -Wl,--wrap=file_pwrite_full,--wrap=file_pread_full,--wrap=file_sync,--wrap=open,--wrap=open64,--wrap=__open_2,--wrap=__open64_2
LDFLAGS_boot_tryboot_test := -Wl,--wrap=file_pwrite_full,--wrap=file_replace,--wrap=file_remove
LDFLAGS_boot_migration_test = -Wl,--wrap=libuboot_env_store,--wrap=fsync,--wrap=open,--wrap=open64
ifneq ($(CONFIG_ZSTD),y)
UNIT_SOURCES := $(filter-out tests/unit/slot_patch_lies_test.c tests/unit/slot_difference_test.c tests/unit/agent_tables_from_test.c tests/unit/publisher_differences_test.c,$(UNIT_SOURCES))
endif
ifneq ($(CONFIG_PUBLISHER_PATCH),y)
UNIT_SOURCES := $(filter-out tests/unit/publisher_patch_test.c,$(UNIT_SOURCES))
endif
LDFLAGS_agent_watchdog_test := -Wl,--wrap=ioctl
LDFLAGS_agent_doctor_test := -Wl,--wrap=boot_ops_of,--wrap=session_open_boot,--wrap=session_store,--wrap=session_record \
	-Wl,--wrap=running_check_root,--wrap=boot_read,--wrap=boot_commit,--wrap=boot_cancel \
	-Wl,--wrap=boot_set_trial,--wrap=boot_set_identity,--wrap=boot_restore
LDFLAGS_agent_tables_from_test := -Wl,--wrap=fstatvfs,--wrap=fstatvfs64
LDFLAGS_agent_ways_test := -Wl,--wrap=fstatvfs,--wrap=fstatvfs64
LDFLAGS_agent_ways_first_test := $(LDFLAGS_agent_ways_test)
LDFLAGS_agent_ways_differences_test := $(LDFLAGS_agent_ways_test)
LDFLAGS_publisher_differences_test := -Wl,--wrap=fsync
