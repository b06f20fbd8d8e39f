"""The window and the command line of Wasserscope."""

VERSION = "0.1.0"
