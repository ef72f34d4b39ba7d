"""EFI, as far as no architecture matters: the stub's library, the runtime map (Linux: ``drivers/firmware/efi/``)."""
