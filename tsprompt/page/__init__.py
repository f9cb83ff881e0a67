"""What every page that opens from disk is made of: its shell, its tables and its figures."""

from tsprompt.page.series import series_svg
from tsprompt.page.shell import render

__all__ = ["render", "series_svg"]
