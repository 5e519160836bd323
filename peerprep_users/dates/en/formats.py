"""Dates and times on the admin site's pages: no two ways to read them. All are UTC."""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = r"Y-m-d H:i:s \U\T\C"  # as the reports of commands have it
