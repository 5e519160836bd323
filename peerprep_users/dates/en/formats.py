"""Dates and times in templates: those of `core.times.moment`, so that there are no two ways to read them."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s\N{NO-BREAK SPACE}\\U\\T\\C"  # a narrow column breaks it before the hour
