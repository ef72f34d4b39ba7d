"""What another kernel means for a machine: booted with each, compared, and every difference traced to its cause.

``facts`` says what people see of a system, ``kinds`` what a change of it means to them, ``causes`` why it changed.
"""
