"""Dates and times in templates: those of `core.times.moment`, so that there are no two ways to read them."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = r"Y-m-d H:i:s \U\T\C"
