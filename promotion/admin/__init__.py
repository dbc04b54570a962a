"""The admin shows what is decided and observed, and changes nothing but through services.

Django finds the admins by importing this package.
"""

from promotion.admin import requests, tables

__all__ = ["requests", "tables"]
