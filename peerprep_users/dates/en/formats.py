"""Dates and times on the admin site's pages: short, and no two ways to read them. All are of UTC."""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = "j M Y H:i"
