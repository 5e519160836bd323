from django.db import models


class RateCount(models.Model):
    """How many calls of a kind came from one client in the present window, where there is no Redis."""

    name = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField()
    until = models.FloatField()  # Unix time

    class Meta:
        db_table = "rate_counts"

    def __str__(self) -> str:
        return self.name
