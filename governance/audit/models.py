"""The audit log's tables. ``audit_append`` in SQL is their only writer.

Nothing here refers to another table: the log outlives whatever it speaks of.
"""

from typing import ClassVar

from django.db import models


class Entry(models.Model):
    """One thing that happened. ``leaf`` is what is hashed; the columns repeat it for searching."""

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    leaf = models.TextField()
    hash = models.CharField(max_length=64, unique=True)
    prev_hash = models.CharField(max_length=64, unique=True)
    object = models.CharField(max_length=200)
    object_seq = models.BigIntegerField()
    subject = models.CharField(max_length=200)
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=100)
    action = models.CharField(max_length=60)
    model = models.CharField(max_length=63, null=True)
    model_version = models.IntegerField(null=True)
    environment = models.CharField(max_length=63, null=True)
    request = models.UUIDField(null=True)
    payload_sha256 = models.CharField(max_length=64)
    xid = models.BigIntegerField()

    class Meta:
        db_table = "audit_entry"
        ordering: ClassVar = ["seq"]
        verbose_name_plural = "entries"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["object", "object_seq"], name="one_entry_per_object_seq"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["subject", "seq"], name="audit_by_subject"),
            models.Index(fields=["xid"], name="audit_by_transaction"),
            models.Index(fields=["model", "model_version", "seq"], name="audit_by_version"),
            models.Index(fields=["environment", "seq"], name="audit_by_environment"),
            models.Index(fields=["request", "seq"], name="audit_by_request"),
            models.Index(fields=["at", "seq"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.action} {self.subject}"


class Payload(models.Model):
    """Names, reasons and facts of one entry; can be erased alone."""

    entry = models.OneToOneField(
        Entry, models.PROTECT, primary_key=True, related_name="payload", db_column="seq"
    )
    salt = models.BinaryField(null=True)
    body = models.TextField(null=True)

    class Meta:
        db_table = "audit_payload"

    def __str__(self) -> str:
        return f"payload of {self.pk}"


class Head(models.Model):
    """The end of the chain; locked until the writing transaction ends. Made on first use."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    seq = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        db_table = "audit_head"
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(id=1), name="one_head"),
        ]

    def __str__(self) -> str:
        return f"head at {self.seq}"


class ObjectHead(models.Model):
    """The end of one object's chain."""

    object = models.CharField(max_length=200, primary_key=True)
    seq = models.BigIntegerField()
    hash = models.CharField(max_length=64)

    class Meta:
        db_table = "audit_object_head"

    def __str__(self) -> str:
        return f"{self.object} at {self.seq}"
