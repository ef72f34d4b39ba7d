"""Parts of the kernel that have no architecture; modules are called like the kernel's files or subsystems."""
