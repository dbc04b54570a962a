from django.apps import AppConfig


class PromotionConfig(AppConfig):
    name = "promotion"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Tasks are sent by name through the application that knows the broker.
        import governance.celery  # noqa: F401, PLC0415
