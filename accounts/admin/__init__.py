"""The admin site's pages about accounts."""

from accounts.admin import read_only

__all__ = ["read_only"]
