"""One module per vector family; each has ``compute(in_) -> {result field: value}``."""
