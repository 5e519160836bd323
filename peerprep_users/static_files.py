"""Static files as WhiteNoise serves them, without anything that a browser would load from another host."""

from typing import Any

from django.core.files.base import ContentFile
from whitenoise.storage import CompressedStaticFilesStorage

REDOC = "redoc.standalone.js"
LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
NO_LOGO = b"data:,".ljust(len(LOGO))  # Redoc hides an image that does not load; `doctor` compares sizes


class OwnHostStorage(CompressedStaticFilesStorage):  # type: ignore[misc]  # it has no types
    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        if name and name.endswith(REDOC):
            content = ContentFile(content.read().replace(LOGO, NO_LOGO))
        saved: str = super().save(name, content, max_length)
        return saved
