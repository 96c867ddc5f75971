"""Drawings of dependency paths."""

from lihil.di.explain import draw_cycle, draw_path


def handler() -> None: ...


class Store:
    pass


def test_a_path_goes_down_one_step_a_line_with_its_places() -> None:
    lines = draw_path([handler, Store, dict], "engine", "Engine").splitlines()
    place = f"({__file__}:" if lines[0].count(__file__) else f"{__file__.rpartition('/')[2]}:"
    assert lines[0].startswith("    handler   (")
    assert place in lines[0]
    assert lines[1].startswith("    └─ Store   (")
    assert lines[2:] == ["       └─ dict", "          └─ engine: Engine   <- nothing provides this"]


def test_a_cycle_ends_where_it_began() -> None:
    lines = draw_cycle([dict, list, dict]).splitlines()
    assert lines == ["    dict", "    └─ list", "       └─ dict   <- again"]
