"""Numbers of things in words."""


def counted(number: float, what: str) -> str:
    """A number with its noun: ``1 thread``, ``2 batches``, ``12,000 images``, ``0.5 minutes``.

    Args:
        number: How many there are.
        what: One of them.
    """
    ending = "es" if what.endswith(("s", "tch", "sh", "x")) else "s"
    shown = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{shown} {what}{'' if number == 1 else ending}"
