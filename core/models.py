from django.db import models


class RateCount(models.Model):
    """How often something happened in the present window: calls of one client, where there is no Redis; mails."""

    name = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField()
    until = models.FloatField()  # Unix time

    class Meta:
        db_table = "rate_counts"

    def __str__(self) -> str:
        return self.name
