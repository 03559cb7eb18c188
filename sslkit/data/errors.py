"""What can be wrong with the user's images."""


class DataError(ValueError):
    """An image or label is not what a run can use; the message names it and says what to do."""


class UnreadableImageError(DataError):
    """One image is damaged, or is no image: what ``on_bad_image`` decides about."""
