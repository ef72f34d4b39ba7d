"""A kexec policy: kexec-tools that know soft reserved memory for what it is."""
