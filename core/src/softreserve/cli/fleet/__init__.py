"""Commands about many machines, or many questions: who does the work, what is kept of it, and what is written."""
