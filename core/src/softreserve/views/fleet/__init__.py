"""Many machines, each with several questions: a row for every answer, made anywhere, and put together."""
