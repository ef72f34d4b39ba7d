"""What people are told of a machine: summaries, emitted files, findings, comparisons."""
