"""What the component exports: the check of `check.py`."""

from check import Page
from farwatch.component import exported

Check = exported(Page)
