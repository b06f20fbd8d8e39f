"""Work on all cores: what is taken in order, what is heard, and how soon it ends."""

import multiprocessing
import os
import threading
import time
from collections import defaultdict

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
    # What other tests left is not taken up.
    monkeypatch.setattr(crew, "_IDLE", defaultdict[int, list[object]](list))


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


class InterruptedError(Exception):
    """As what hears of signals raises it, while pieces are waited for."""


def test_threads_that_are_still_at_work_are_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms, going = list[np.ndarray](), threading.Event()

    def interrupt(_begun: object) -> None:
        raise InterruptedError

    def stop(_share: float) -> None:
        monkeypatch.setattr(crew, "wait", interrupt)
        raise StoppedError

    with pytest.raises(InterruptedError), Crew() as interrupted:
        rooms.append(interrupted.room((100,), np.dtype(np.float64)))
        interrupted.in_order(2, lambda piece: going.wait(10), lambda piece, part: None, stop)
    monkeypatch.undo()
    monkeypatch.setattr(crew, "cores", lambda: 4)
    with Crew() as after:
        assert not np.shares_memory(after.room((100,), np.dtype(np.float64)), rooms[0])
        begin = time.monotonic()
        after.each(4, lambda piece: None, unheard)
        assert time.monotonic() - begin < 5
    going.set()


def test_a_crew_that_was_left_works_no_more() -> None:
    with Crew() as hands:
        pass
    with pytest.raises(AttributeError):
        hands.each(2, lambda piece: None, unheard)
    with pytest.raises(AttributeError):
        hands.room((2,), np.dtype(np.float64))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no copies of processes on this system")
def test_a_copy_of_the_process_has_threads_of_its_own() -> None:
    with Crew() as hands:
        hands.each(4, lambda piece: None, unheard)
    context = multiprocessing.get_context("fork")
    ends, begin = context.Queue(), time.monotonic()
    copy = context.Process(target=_work_in_copy, args=(ends,))
    copy.start()
    copy.join(20)
    if copy.is_alive():
        copy.kill()
    assert copy.exitcode == 0
    assert sorted(ends.get(timeout=1) for _ in range(4)) == [0, 1, 2, 3]
    assert time.monotonic() - begin < 20


def _work_in_copy(ends: "multiprocessing.Queue[int]") -> None:
    with Crew() as hands:
        hands.each(4, ends.put, unheard)


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
