"""Names ``softreserve.testing.pytest`` to pytest; there is nothing in here."""
