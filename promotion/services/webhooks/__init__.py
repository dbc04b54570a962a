"""Everything about telling the outside: addresses, the outbox, and delivering from it."""

from promotion.services.webhooks.addresses import add, remove, rotate
from promotion.services.webhooks.delivering import deliver_due, replay

__all__ = ["add", "deliver_due", "remove", "replay", "rotate"]
