"""Packed structures: one list of fields makes reading, writing and the constructor.

A structure is a class whose annotations are :data:`U8` .. :data:`U64` or :data:`Bytes3` .. :data:`Bytes16`;
everything is little endian and unpadded, as in ACPI.
"""

# No `from __future__ import annotations` here or where structures are defined: annotations are read at run time.

import struct
from typing import Annotated, Any, ClassVar, Self, TypeAlias, dataclass_transform, get_origin

__all__ = ["U8", "U16", "U32", "U64", "Bytes3", "Bytes4", "Bytes6", "Bytes8", "Bytes16", "Struct"]

U8: TypeAlias = Annotated[int, "B"]
U16: TypeAlias = Annotated[int, "H"]
U32: TypeAlias = Annotated[int, "I"]
U64: TypeAlias = Annotated[int, "Q"]
Bytes3: TypeAlias = Annotated[bytes, "3s"]
Bytes4: TypeAlias = Annotated[bytes, "4s"]
Bytes6: TypeAlias = Annotated[bytes, "6s"]
Bytes8: TypeAlias = Annotated[bytes, "8s"]
Bytes16: TypeAlias = Annotated[bytes, "16s"]


@dataclass_transform(kw_only_default=True)
class Struct:
    """A packed structure. Subclasses list their fields as annotations, with defaults where they have one.

    ``tail`` holds the bytes that belong to the structure but lie behind its fields.
    """

    FORMAT: ClassVar[struct.Struct]
    FIELDS: ClassVar[tuple[str, ...]]
    tail: bytes = b""

    def __init_subclass__(cls) -> None:
        fields = {name: kind.__metadata__[0] for name, kind in cls.__annotations__.items() if _is_field(kind)}
        cls.FIELDS = tuple(fields)
        cls.FORMAT = struct.Struct("<" + "".join(fields.values()))

    def __init__(self, **values: Any) -> None:
        unknown = [name for name in values if name not in self.FIELDS and name != "tail"]
        missing = [name for name in self.FIELDS if name not in values and not hasattr(type(self), name)]
        if unknown or missing:
            raise TypeError(f"{type(self).__name__}: no such fields {unknown}, no value for {missing}")
        self.__dict__.update(values)

    @classmethod
    def read(cls, data: bytes, offset: int = 0, tail: bytes = b"") -> Self:
        """Read the fields at ``offset`` of ``data``, which must reach far enough.

        :raises struct.error: it does not.
        """
        found = cls.__new__(cls)
        found.__dict__.update(zip(cls.FIELDS, cls.FORMAT.unpack_from(data, offset), strict=True))
        if tail:
            found.tail = tail
        return found

    def pack(self) -> bytes:
        """The fields and the tail as bytes."""
        return self.FORMAT.pack(*(getattr(self, name) for name in self.FIELDS)) + self.tail

    @classmethod
    def size(cls) -> int:
        """Bytes that the fields take."""
        return cls.FORMAT.size

    @classmethod
    def offset_of(cls, field: str) -> int:
        """Bytes before a field."""
        before = cls.FIELDS[: cls.FIELDS.index(field)]
        return struct.calcsize("<" + "".join(cls.__annotations__[name].__metadata__[0] for name in before))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.pack() == self.pack()

    def __hash__(self) -> int:
        return hash(self.pack())

    def __repr__(self) -> str:
        values = [f"{name}={getattr(self, name)!r}" for name in self.FIELDS]
        return f"{type(self).__name__}({', '.join(values + ([f'tail={self.tail!r}'] if self.tail else []))})"


def _is_field(kind: object) -> bool:
    return get_origin(kind) is Annotated
