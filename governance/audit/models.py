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
            models.Index(fields=["action", "seq"], name="audit_by_action"),
            models.Index(fields=["actor_id", "seq"], name="audit_by_actor"),
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


class Checkpoint(models.Model):
    """The log at one size, signed by the sealer. Written by ``audit_seal`` in SQL alone."""

    size = models.BigIntegerField(primary_key=True)
    epoch = models.IntegerField()
    """Counts from 1; a new one begins when a lost history was adopted."""
    root = models.CharField(max_length=64)
    note = models.TextField()
    """The signed text, as the sinks have it."""
    frontier = models.TextField()
    """Where the next sealing goes on, so that it costs only what is new."""
    at = models.DateTimeField()

    class Meta:
        db_table = "audit_checkpoint"
        ordering: ClassVar = ["size"]

    def __str__(self) -> str:
        return f"checkpoint of {self.size}"


class Block(models.Model):
    """The root over 256 entries, from which proofs are made. Follows from the entries."""

    number = models.BigIntegerField(primary_key=True)
    root = models.CharField(max_length=64)

    class Meta:
        db_table = "audit_block"
        ordering: ClassVar = ["number"]

    def __str__(self) -> str:
        return f"block {self.number}"


class SealerReport(models.Model):
    """What the sealer last said of itself and its sinks. Replaced each time."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    at = models.DateTimeField()
    said = models.JSONField()

    class Meta:
        db_table = "audit_sealer"

    def __str__(self) -> str:
        return f"said at {self.at}"


class Watch(models.Model):
    """What the watch last saw, replaced each time. What it noticed lies in the log for good."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    at = models.DateTimeField()
    whole_at = models.DateTimeField()
    """By when everything had been looked at once: what is older than a round was well then."""
    found = models.JSONField(default=list)
    """What is wrong now; see ``governance.services.watching``."""
    places = models.JSONField(default=dict)
    """How far each part has come, for what is too much for one round."""

    class Meta:
        db_table = "audit_watch"

    def __str__(self) -> str:
        return f"looked at {self.at}"
