"""Which recipes ``sslkit recipe list`` shows, and in which order: chosen by their cards."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sslkit.card import Card, load_card
from sslkit.configs.finding import list_recipes, recipe_folder, user_recipe, user_recipes
from sslkit.counted import counted

Order = Literal["name", "accuracy", "cost"]
"""By what recipes are sorted: name, highest figure first, or fewest minutes first."""

METRIC = "linear"  # the figure that most cards have


@dataclass(frozen=True)
class Listing:
    """The recipes that were asked for.

    Attributes:
        recipes: Their cards by name, in order; None where a recipe that was added has no valid one.
        notes: A sentence on each group that is left out or last for want of a number.
    """

    recipes: Mapping[str, Card | None]
    notes: tuple[str, ...] = ()


def choose_recipes(
    *,
    method: str | None = None,
    dataset: str | None = None,
    status: str | None = None,
    metric: str = METRIC,
    min_accuracy: float | None = None,
    max_minutes: float | None = None,
    sort: Order = "name",
) -> Listing:
    """The recipes, shipped or added, that are as asked.

    Args:
        method: Only those with this text in the method's name; case does not matter.
        dataset: Only those with this text in the data set's name.
        status: Only those of this status.
        metric: The figure that ``min_accuracy`` and the order are about.
        min_accuracy: Only those that expect at least so many percent.
        max_minutes: Only those of which a run took at most so long.
        sort: Recipes without the number come last.

    Raises:
        ValueError: If no recipe is like that, or no card has the metric; says what there is.
    """
    cards = {name: load_card(recipe_folder() / f"{name}.yaml") for name in list_recipes()}
    cards |= {name: _card_of_an_added(name) for name in user_recipes()}
    metrics = sorted({f.metric for card in cards.values() if card for f in card.expected})
    if metric not in metrics:
        raise ValueError(f"no card has a figure called {metric!r}: there is {', '.join(metrics)}.")
    wanted = {"method": method, "dataset": dataset, "status": status}
    found = {name: card for name, card in cards.items() if _matches(card, wanted)}
    if not found:
        raise ValueError(f"no recipe has {_asked(wanted)}. {_known(cards, wanted)}")
    others = [name for name in metrics if name != metric]
    figure = f"a {metric} figure on their card (--metric takes {' or '.join(others)} too)"
    minutes = "minutes on their card (nobody timed one)"
    notes = []
    for limit, without, what in (
        (min_accuracy, _no_figure(found, metric), figure),
        (max_minutes, _not_timed(found), minutes),
    ):
        if limit is not None and without:
            notes.append(f"Left out: {counted(len(without), 'recipe')} without {what}.")
    found = {n: c for n, c in found.items() if _within(c, metric, min_accuracy, max_minutes)}
    if not found:
        raise ValueError(
            f"no recipe {_limits(metric, min_accuracy, max_minutes)}. {' '.join(notes)}".rstrip()
        )
    last = {"name": [], "accuracy": _no_figure(found, metric), "cost": _not_timed(found)}[sort]
    if last:
        notes.append(
            f"Last: {counted(len(last), 'recipe')} without "
            f"{figure if sort == 'accuracy' else minutes}."
        )
    ordered = sorted(found, key=lambda name: (_place(found[name], sort, metric), name))
    return Listing({name: found[name] for name in ordered}, tuple(notes))


def figure_of(card: Card | None, metric: str) -> float | None:
    """What a card expects of a metric in percent, or None."""
    values = [figure.value for figure in card.expected if figure.metric == metric] if card else []
    return max(values, default=None)


def _card_of_an_added(name: str) -> Card | None:
    try:
        return load_card(user_recipe(name))
    except (ValueError, OSError):  # of one file in a folder of the user's; the others are listed
        return None


def _matches(card: Card | None, wanted: Mapping[str, str | None]) -> bool:
    asked = {key: text.lower() for key, text in wanted.items() if text is not None}
    if card is None:
        return not asked
    return all(text in getattr(card, key).lower() for key, text in asked.items())


def _within(card: Card | None, metric: str, least: float | None, most: float | None) -> bool:
    figure, minutes = figure_of(card, metric), card.minutes if card else None
    reaches = least is None or (figure is not None and figure >= least)
    return reaches and (most is None or (minutes is not None and minutes <= most))


def _no_figure(cards: Mapping[str, Card | None], metric: str) -> list[str]:
    return [name for name, card in cards.items() if figure_of(card, metric) is None]


def _not_timed(cards: Mapping[str, Card | None]) -> list[str]:
    return [name for name, card in cards.items() if card is None or card.minutes is None]


def _asked(wanted: Mapping[str, str | None]) -> str:
    return " and ".join(f"{text!r} in its {key}" for key, text in wanted.items() if text)


def _limits(metric: str, least: float | None, most: float | None) -> str:
    limits = [] if least is None else [f"expects {metric} of at least {least:g} %"]
    limits += [] if most is None else [f"took at most {most:g} min"]
    return " and ".join(limits)


def _known(cards: Mapping[str, Card | None], wanted: Mapping[str, str | None]) -> str:
    """What could have been asked for."""
    known = []
    for key in (key for key, text in wanted.items() if text):
        values = sorted({getattr(card, key) for card in cards.values() if card is not None})
        known.append(f"For {key} there is: {'; '.join(values)}.")
    return " ".join(known)


def _place(card: Card | None, sort: Order, metric: str) -> float:
    if sort == "name":
        return 0.0
    if sort == "cost":
        return float("inf") if card is None or card.minutes is None else card.minutes
    figure = figure_of(card, metric)
    return float("inf") if figure is None else -figure
