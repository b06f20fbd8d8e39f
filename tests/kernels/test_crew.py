"""Work on all cores: what is taken in order, what is heard, and how soon it ends."""

import threading
import time

import numpy as np
import pytest
import torch

from kernels import crew
from kernels.crew import Crew, unheard


class StoppedError(Exception):
    """As a person stops it."""


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "cores", lambda: 4)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
def test_what_pieces_give_is_taken_in_their_order_by_the_caller(count: int) -> None:
    taken, caller = list[int](), threading.get_ident()

    def work(piece: int) -> int:
        # Later pieces are faster.
        time.sleep(0.002 * (piece % 4 == 0))
        return piece**2

    def take(piece: int, part: int) -> None:
        assert threading.get_ident() == caller
        assert part == piece**2
        taken.append(piece)

    with Crew() as hands:
        hands.in_order(count, work, take, unheard)
    assert taken == list(range(count))


def test_few_parts_wait_to_be_taken() -> None:
    begun, ahead = list[int](), list[int]()

    def take(piece: int, _part: None) -> None:
        time.sleep(0.001)
        ahead.append(len(begun) - piece)

    with Crew() as hands:
        hands.in_order(200, begun.append, take, unheard)
    assert sorted(begun) == list(range(200))
    assert max(ahead) <= 12


def test_shares_are_heard_while_pieces_are_long() -> None:
    heard = list[float]()
    with Crew() as hands:
        hands.each(2, lambda piece: time.sleep(0.4), heard.append)
    assert len(heard) >= 5
    assert heard == sorted(heard)
    assert (heard[0], heard[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("count", [1, 3, 50])
@pytest.mark.parametrize("error", [StoppedError, KeyboardInterrupt])
def test_what_the_hearer_raises_ends_pieces_that_are_being_done(count: int, error: type[BaseException]) -> None:
    begin, raised = time.monotonic(), list[float]()

    def work(piece: int) -> None:
        while time.monotonic() - begin < 10:
            hands.pause()
            time.sleep(0.001)

    def look(share: float) -> None:
        if time.monotonic() - begin > 0.1:
            raised.append(time.monotonic())
            raise error

    with Crew() as hands, pytest.raises(error):
        hands.each(count, work, look)
    assert time.monotonic() - raised[0] < 0.2


def test_an_error_in_a_piece_ends_the_others_and_is_the_one_that_is_told() -> None:
    def work(piece: int) -> None:
        if piece == 0:
            raise StoppedError
        begin = time.monotonic()
        while time.monotonic() - begin < 10:
            hands.pause()
            time.sleep(0.001)

    begin = time.monotonic()
    with Crew() as hands, pytest.raises(StoppedError):
        hands.each(4, work, unheard)
    assert time.monotonic() - begin < 1


def test_a_crew_works_again_after_it_was_stopped() -> None:
    def stop(share: float) -> None:
        raise StoppedError

    done = list[int]()
    with Crew() as hands:
        with pytest.raises(StoppedError):
            hands.each(20, lambda piece: time.sleep(0.01), stop)
        hands.each(20, done.append, unheard)
    assert sorted(done) == list(range(20))


def test_what_one_crew_has_got_serves_the_next_and_no_other_at_that_time() -> None:
    def names(hands: Crew) -> set[str]:
        found = set[str]()
        # All four are needed at once.
        meeting = threading.Barrier(4)

        def work(_piece: int) -> None:
            meeting.wait(10)
            found.add(threading.current_thread().name + str(threading.get_ident()))

        hands.each(4, work, unheard)
        return found

    with Crew() as first:
        threads, memory = names(first), first.room((3, 5), np.dtype(np.float32))
        with Crew() as beside:
            assert not names(beside) & threads
            assert not np.shares_memory(beside.room((3, 5), np.dtype(np.float32)), memory)
    with Crew() as second, Crew() as third:
        rooms = [crew.room((15,), np.dtype(np.float32)) for crew in (second, third)]
        assert any(names(crew) == threads for crew in (second, third))
        assert any(np.shares_memory(room, memory) for room in rooms)


def test_after_an_interruption_nothing_is_handed_on() -> None:
    rooms = list[np.ndarray]()
    with pytest.raises(KeyboardInterrupt), Crew() as interrupted:
        rooms.append(interrupted.room((100,), np.dtype(np.float64)))
        raise KeyboardInterrupt
    with Crew() as second, Crew() as third:
        for hands in (second, third):
            assert not np.shares_memory(hands.room((100,), np.dtype(np.float64)), rooms[0])


@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_room_has_its_shape_and_grows(real: type[np.floating]) -> None:
    with Crew() as hands:
        for shape in ((2, 3), (50, 70), (7, 1), (0, 4)):
            room = hands.room(shape, np.dtype(real))
            room[...] = 1.5
            assert (room.shape, room.dtype) == (shape, real)
            assert np.array_equal(room, np.full(shape, 1.5))


def test_large_rooms_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "MOST_KEPT", 1000)
    with Crew() as hands:
        first, second = (hands.room((200_000,), np.dtype(np.float64)) for _ in range(2))
        assert not np.shares_memory(first, second)


def test_operations_of_torch_are_on_one_thread_within() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with Crew() as hands:
            counts = list[int]()
            hands.each(4, lambda piece: counts.append(torch.get_num_threads()), unheard)
            assert counts == [1] * 4
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
