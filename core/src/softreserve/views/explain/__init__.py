"""Why something is what it is on a booted system, and what would have made it something else.

``subjects`` reads what is asked about, ``trail`` has the decisions on the way there, ``answers`` what it is in the end.
``search`` changes the input in one place after the other (``edits``), boots each changed machine, and keeps what makes
a difference.
"""
