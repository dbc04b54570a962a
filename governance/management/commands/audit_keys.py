"""``audit_keys``: print the public keys auditors verify with; give them by a way of your own."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from governance import signing
from governance.audit import bundles
from governance.errors import GovernanceError


class Command(BaseCommand):
    help = "Print keys.txt for verify.py: the sealer's public keys, and those that sign bundles."

    def handle(self, *_: Any, **__: Any) -> None:
        try:
            packers = bundles.verifier_of_bundles()
        except GovernanceError as error:
            raise CommandError(error.message) from None
        path = settings.CONFIG.checkpoint_keys_file
        self.stdout.write("# The sealer: signs checkpoints of the audit log.")
        self.stdout.write(path.read_text().strip() if path else "# CHECKPOINT_KEYS_FILE is not set")
        self.stdout.write("# The control plane: signs what a bundle holds.")
        for packer in packers:
            self.stdout.write(f"# SHA-256 {signing.fingerprint(packer.public)}")
            self.stdout.write(str(packer))
