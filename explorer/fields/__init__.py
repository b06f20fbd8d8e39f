"""Editor widgets, one per type of declaration."""

from PyQt6.QtWidgets import QWidget

from explorer.fields.base import Field
from explorer.fields.kind import KindField
from explorer.fields.listing import NumbersField
from explorer.fields.location import PathField
from explorer.fields.number import NumberField
from explorer.fields.simple import FlagField, OptionField
from kernels.param import Choice, Declaration, Flag, Number, Numbers, Option, Path

__all__ = ["Field", "FlagField", "KindField", "NumberField", "NumbersField", "OptionField", "PathField", "editor"]


def editor(declaration: Declaration, parent: QWidget | None = None) -> Field:
    """The widget that edits a field so declared.

    Errors: `TypeError` for a type of declaration that has no widget.
    """
    match declaration:
        case Number():
            return NumberField(declaration, parent)
        case Flag():
            return FlagField(declaration, parent)
        case Option():
            return OptionField(declaration, parent)
        case Numbers():
            return NumbersField(declaration, parent)
        case Path():
            return PathField(declaration, parent)
        case Choice():
            return KindField(declaration, parent)
        case _:
            raise TypeError(f"{type(declaration).__name__} has no editor")
