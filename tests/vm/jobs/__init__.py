"""Programs that run inside the guest, one file each; see `tests.vm.machine.run`."""
