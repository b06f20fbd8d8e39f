"""The store: one present value, its history, one signal."""

import pytest

from explorer.store import MOST, Store


class Heard(list[object]):
    """Everything a store said."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        store.changed.connect(self.append)


@pytest.fixture
def store() -> Store:
    return Store("first")


def history(store: Store) -> list[object]:
    """What undo passes through, from the present backwards; the store stays where that leads."""
    passed = [store.session]
    while store.can_undo:
        store.undo()
        passed.append(store.session)
    return passed


def test_a_new_store_has_no_history(store: Store) -> None:
    heard = Heard(store)
    assert (store.session, store.can_undo, store.can_redo) == ("first", False, False)
    store.undo()
    store.redo()
    assert store.session == "first"
    assert heard == []


def test_undo_and_redo_walk_through_every_change(store: Store) -> None:
    heard = Heard(store)
    store.set("second")
    store.set("third")
    store.undo()
    assert (store.session, store.can_undo, store.can_redo) == ("second", True, True)
    store.undo()
    assert (store.session, store.can_undo, store.can_redo) == ("first", False, True)
    store.redo()
    store.redo()
    assert (store.session, store.can_undo, store.can_redo) == ("third", True, False)
    assert heard == ["second", "third", "second", "first", "second", "third"]


def test_the_signal_comes_when_the_new_session_is_in_place(store: Store) -> None:
    present: list[object] = []

    def look(_session: object) -> None:
        present.append((store.session, store.can_undo, store.can_redo))

    store.changed.connect(look)
    store.set("second")
    store.undo()
    store.redo()
    assert present == [("second", True, False), ("first", False, True), ("second", True, False)]


def test_a_change_after_an_undo_forgets_what_was_undone(store: Store) -> None:
    store.set("second")
    store.undo()
    store.set("other")
    assert not store.can_redo
    store.redo()
    assert history(store) == ["other", "first"]


def test_an_equal_session_changes_nothing(store: Store) -> None:
    store.set("second")
    store.undo()
    heard = Heard(store)
    store.set("".join(["fi", "rst"]))
    store.set("first", dragging=True)
    assert heard == []
    assert (store.can_undo, store.can_redo) == (False, True)


def test_a_drag_is_one_step_and_tells_every_place_on_its_way(store: Store) -> None:
    heard = Heard(store)
    for place in range(5):
        store.set(place, dragging=True)
    store.set(5)
    assert heard == [0, 1, 2, 3, 4, 5]
    assert history(store) == [5, "first"]


def test_a_drag_that_is_let_go_where_it_is_ends_there(store: Store) -> None:
    store.set(1, dragging=True)
    store.set(2, dragging=True)
    store.set(2)
    store.set(3)
    assert history(store) == [3, 2, "first"]


def test_two_drags_are_two_steps(store: Store) -> None:
    for end in (10, 20):
        for place in range(3):
            store.set(end + place, dragging=True)
        store.set(end + 3)
    assert history(store) == [23, 13, "first"]


def test_a_drag_that_begins_where_the_value_is_can_be_undone(store: Store) -> None:
    store.set("first", dragging=True)
    store.set(1, dragging=True)
    store.set(2)
    assert history(store) == [2, "first"]


def test_an_undo_in_the_middle_of_a_drag_ends_it(store: Store) -> None:
    store.set(1, dragging=True)
    store.undo()
    assert store.session == "first"
    store.set(2, dragging=True)
    store.set(3)
    assert history(store) == [3, "first"]


def test_a_long_history_is_bounded_and_keeps_the_latest(store: Store) -> None:
    for number in range(3 * MOST):
        store.set(number)
    passed = history(store)
    assert MOST <= len(passed) <= MOST + 2
    assert passed == list(range(3 * MOST - 1, 3 * MOST - 1 - len(passed), -1))
    for _ in passed:
        store.redo()
    assert store.session == 3 * MOST - 1
