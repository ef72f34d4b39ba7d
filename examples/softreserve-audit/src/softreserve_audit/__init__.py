"""A lint rule, and a command that shows what the rule looks at."""
