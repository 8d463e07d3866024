LDFLAGS_boot_states_test = -Wl,--wrap=libuboot_env_store,--wrap=fsync
