"""Light and dark palettes, set explicitly: desktop themes are not always there to ask."""

from PyQt6.QtGui import QColor, QPalette
from PyQt6.QtWidgets import QApplication

_LIGHT = {"Window": "#f4f5f7", "Base": "#ffffff", "AlternateBase": "#eceef1", "Button": "#e9ebee", "Text": "#16191d"}
_DARK = {"Window": "#22252a", "Base": "#1a1c20", "AlternateBase": "#2a2e34", "Button": "#31353c", "Text": "#e6e8eb"}
_ACCENT = {False: "#0067b1", True: "#4fa3e0"}
_FAINT = {False: "#6a7078", True: "#989fa8"}


def palette(dark: bool) -> QPalette:
    """The colors of all widgets."""
    colors = _DARK if dark else _LIGHT
    role = QPalette.ColorRole
    made = QPalette()
    for name in ("Window", "Base", "AlternateBase", "Button"):
        made.setColor(getattr(role, name), QColor(colors[name]))
    for text in (role.WindowText, role.Text, role.ButtonText, role.ToolTipText):
        made.setColor(text, QColor(colors["Text"]))
    made.setColor(role.ToolTipBase, QColor(colors["Base"]))
    made.setColor(role.PlaceholderText, QColor(_FAINT[dark]))
    made.setColor(role.Highlight, QColor(_ACCENT[dark]))
    made.setColor(role.HighlightedText, QColor("#ffffff" if not dark else "#101214"))
    made.setColor(role.Link, QColor(_ACCENT[dark]))
    for text in (role.WindowText, role.Text, role.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, text, QColor(_FAINT[dark]))
    return made


def apply_theme(application: QApplication, dark: bool) -> None:
    """Give the whole program these colors."""
    application.setStyle("Fusion")
    application.setPalette(palette(dark))
