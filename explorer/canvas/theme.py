"""Colors of a plot in light and in dark, and the contrast that keeps text readable in both."""

from dataclasses import dataclass
from functools import lru_cache

from PyQt6.QtGui import QColor

TEXT_CONTRAST = 4.5


@dataclass(frozen=True)
class Theme:
    """The colors that do not come from a mark's style."""

    dark: bool
    background: str
    text: str
    muted: str
    grid: str
    frame: str
    busy: str
    error: str
    error_text: str


LIGHT = Theme(False, "#FFFFFF", "#1F2328", "#57606A", "#E6E9ED", "#8C959F", "#D97706", "#FDE7E7", "#A4161A")
DARK = Theme(True, "#1B1E23", "#E6E8EB", "#A3ABB5", "#2F343C", "#6B7480", "#F5A524", "#4A1D1F", "#FFB4AB")


def contrast(one: QColor, other: QColor) -> float:
    """Contrast ratio between 1 and 21, as the web accessibility guidelines define it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@lru_cache(maxsize=256)
def ink(color: str, theme: Theme) -> QColor:
    """The color a mark of this style is drawn with: as declared on white, lighter where the background is dark."""
    return _readable(color, theme) if theme.dark else QColor(color)


@lru_cache(maxsize=256)
def text_ink(color: str, theme: Theme) -> QColor:
    """The same color, for text."""
    return _readable(color, theme)


def _readable(color: str, theme: Theme) -> QColor:
    toward = QColor("#FFFFFF" if theme.dark else "#000000")
    background = QColor(theme.background)
    mixes = (_mix(QColor(color), toward, step / 20) for step in range(21))
    return next(mix for mix in mixes if contrast(mix, background) >= TEXT_CONTRAST)


def _mix(one: QColor, other: QColor, share: float) -> QColor:
    parts = zip((one.red(), one.green(), one.blue()), (other.red(), other.green(), other.blue()), strict=True)
    return QColor(*(round(a + share * (b - a)) for a, b in parts))


def _luminance(color: QColor) -> float:
    def linear(part: float) -> float:
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    return 0.2126 * linear(color.redF()) + 0.7152 * linear(color.greenF()) + 0.0722 * linear(color.blueF())
