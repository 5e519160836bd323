"""Dates and times on the admin site's pages: short, and no two ways to read them. All are UTC."""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = r"j M Y H:i \U\T\C"
