import dataclasses

import pytest

from sslkit.objectives import Routes


def test_routes_cannot_be_changed() -> None:
    routes = Routes(online=(0, 1), target=())
    with pytest.raises(dataclasses.FrozenInstanceError):
        routes.online = (0,)  # pyright: ignore[reportAttributeAccessIssue]


def test_a_view_may_take_both_branches() -> None:
    assert Routes(online=(0, 1), target=(0, 1)) == Routes(online=(0, 1), target=(0, 1))


def test_a_second_target_has_views_of_its_own() -> None:
    routes = Routes(online=(0, 1, 2), target=(0, 1), second_target=(0, 2))
    assert routes.second_target == (0, 2)
    assert Routes(online=(0,), target=(1,)).second_target == ()
    with pytest.raises(ValueError, match=r"^second_target must name"):
        Routes(online=(0,), target=(1,), second_target=(1, 1))


@pytest.mark.parametrize(
    ("online", "target", "name"),
    [((), (0,), "online"), ((0, 0), (), "online"), ((0,), (-1,), "target")],
)
def test_impossible_routes(online: tuple[int, ...], target: tuple[int, ...], name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must name"):
        Routes(online=online, target=target)
