"""Many machines at once: where their descriptions are, and each as bytes that can be read anywhere."""
