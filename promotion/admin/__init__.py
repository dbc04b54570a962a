"""The admin shows what is decided and observed, and changes nothing but through services.

Django finds the admins by importing this package.
"""

from django.contrib import admin
from django.contrib.auth.models import Group

from promotion.admin import doors, requests, tables

__all__ = ["requests", "tables"]

# A group's permissions would mean nothing: roles are bindings, see governance.access.
if admin.site.is_registered(Group):
    admin.site.unregister(Group)

# One door: with its limit on guesses, and its lines in the access log.
admin.site.login = doors.login  # type: ignore[assignment, method-assign]
admin.site.password_change = doors.password_change  # type: ignore[method-assign]
