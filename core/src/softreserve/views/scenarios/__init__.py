"""Troubles that people had, played again: courses are carried out, and what is expected is compared."""
