"""Memory that is added goes online as a udev rule says: by node, by place, by size."""
