"""What can go wrong in the story."""


class StoryError(Exception):
    """A step did not come to the end it should; the message says what was found."""
