"""Dates and times on the admin site's pages: short, and in an order that sorts."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s"
