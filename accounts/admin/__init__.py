"""The admin site's pages about accounts."""

from accounts.admin import facts  # noqa: F401 - registers its pages
