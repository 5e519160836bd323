from typing import Any

from django import template
from django.contrib import admin
from django.utils.text import capfirst

register = template.Library()


@register.filter
def list_title(options: Any) -> str:
    """What the list of a model, of which these are the options, is called everywhere."""
    page: Any = admin.site.get_model_admin(options.model)
    return str(capfirst(page.list_name))
