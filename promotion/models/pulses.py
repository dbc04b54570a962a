"""When what runs by the clock last ran."""

from django.db import models


class Pulse(models.Model):
    """One row per thing that beats; written over each time. No part of any decision."""

    SWEEP = "sweep"

    name = models.CharField(max_length=20, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%T}"
