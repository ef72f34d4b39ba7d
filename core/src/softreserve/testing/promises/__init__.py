"""What plugins promise, as functions: each looks at one promise and raises ``BrokenError`` where it is not kept.

They run in a process of their own (:mod:`softreserve.testing.apart`); the classes to subclass are in
:mod:`softreserve.testing.bases`.
"""
