"""What a picture of a machine shows, and pictures: the address axis, lanes of stretches on it, nodes."""
