"""Changes of an input, one kind each: what a person could write otherwise, and the machine that comes of it."""
