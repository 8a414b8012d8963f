"""The accounts of a pipeline."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.hub import account_book
from fleet.hub.account_book import AccountBook, BookRow
from wire.accounting import Accounting
from wire.errors import MessageError
from wire.histogram import Histogram
from wire.messages import Account


class _Client:
    """A client that really keeps an account, and tells it."""

    def __init__(self, name, stream=1):
        self.name, self.stream = name, stream
        self.kept, self.latency, self.next = Accounting(), Histogram(), 0

    def does(self, what):
        if what == "submit":
            self.kept.submit(self.next, 1.0)
            self.next += 1
        elif what == "result" and self.kept.result(self.next - 1):
            self.latency.add(5_000_000)
        elif what == "error":
            self.kept.error(self.next - 1, "worker.lost")
        elif what == "drop":
            self.kept.drop(self.next - 1)

    def tells(self):
        return Account(
            pipeline="p",
            client=self.name,
            stream=self.stream,
            submitted=self.kept.submitted,
            results=self.kept.results,
            errors=dict(self.kept.errors),
            drops=self.kept.drops,
            in_flight=self.kept.in_flight,
            lost=self.kept.lost,
            sent_unix_ns=0,
            latency=self.latency.to_message(),
        )


def _adds_up(sums):
    return sums.submitted == sums.results + sum(sums.errors.values()) + sums.drops + sums.in_flight


DOINGS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["submit", "result", "error", "drop", "tell"])),
    max_size=80,
)


@given(DOINGS, st.integers(0, 1 << 30))
def test_sum_always_adds_up_whatever_is_lost_repeated_or_late(doings, seed):
    """At every instant, and at the end it is what the clients' newest words say."""
    chance = random.Random(seed)
    clients = [_Client(f"c{number}") for number in range(3)]
    book, said = AccountBook(), []
    for number, what in doings:
        clients[number].does(what)
        said.append(clients[number].tells())
        if chance.random() < 0.6:  # some words never come, some come late or twice
            book.take(chance.choice(said[-4:]), 0.0)
        assert _adds_up(book.sums())
    for client in clients:
        book.take(client.tells(), 1.0)

    assert book.sums().submitted == sum(client.kept.submitted for client in clients)
    assert book.sums().results == sum(client.kept.results for client in clients)
    assert _adds_up(book.sums())


def test_progress_is_what_came_since_the_word_before():
    """And a repeated word brings nothing."""
    client, book = _Client("c"), AccountBook()
    client.does("submit")
    first = book.take(client.tells(), 0.0)
    client.does("result")
    second, again = book.take(client.tells(), 1.0), book.take(client.tells(), 2.0)

    assert (first.submitted, first.results) == (1, 0)
    assert (second.submitted, second.results, second.latency.count) == (0, 1, 1)
    assert (again.submitted, again.results, again.latency.count) == (0, 0, 0)


def test_first_word_of_an_old_stream_is_no_progress():
    """A hub that starts beside a running stream shows no burst that never was."""
    client, book = _Client("c"), AccountBook()
    for what in ("submit", "result", "submit"):
        client.does(what)

    assert book.take(client.tells(), 0.0, heard_since=0.0) is None
    assert book.sums().submitted == 2


def test_account_that_does_not_add_up_is_refused():
    """Nobody's word may break the sum that is shown."""
    book, wrong = AccountBook(), msgspec.structs.replace(_Client("c").tells(), results=1)

    with pytest.raises(MessageError, match="does not add up"):
        book.take(wrong, 0.0)

    assert book.sums().results == 0


@pytest.mark.parametrize(
    "change", [{"drops": -1, "in_flight": 1}, {"errors": {"a": -1}, "results": 1}, {"lost": -1}]
)
def test_impossible_numbers_are_refused(change):
    """A negative count is none."""
    with pytest.raises(MessageError):
        AccountBook().take(msgspec.structs.replace(_Client("c").tells(), **change), 0.0)


def test_streams_of_the_past_count_on_and_only_once(monkeypatch):
    """However many streams there were, the book is bounded and nothing is forgotten or doubled."""
    monkeypatch.setattr(account_book, "MAX_STREAMS", 4)
    book, told = AccountBook(), []
    for stream in range(20):
        client = _Client("c", stream)
        client.does("submit")
        client.does("result")
        told.append(client.tells())
        book.take(told[-1], float(stream))
    for late in told:
        book.take(late, 30.0)

    assert book.sums().results == 20


def test_book_outlives_a_restart():
    """What was kept counts on: the next word of a stream brings only what is new."""
    client, book = _Client("c"), AccountBook()
    for what in ("submit", "result", "submit"):
        client.does(what)
    book.take(client.tells(), 0.0)
    kept = msgspec.msgpack.encode(book.kept())

    again = AccountBook.restored(msgspec.msgpack.decode(kept, type=BookRow))
    client.does("result")
    progress = again.take(client.tells(), 5.0)

    assert again.sums() == msgspec.structs.replace(book.sums(), results=2, in_flight=0)
    assert (progress.submitted, progress.results, progress.latency.count) == (0, 1, 1)


def test_codes_of_errors_are_few_however_many_clients_make_up():
    """The sum holds: what is one too many is told as one."""
    book = AccountBook()
    for stream in range(400):
        errors = {f"made.up-{stream}-{number}": 1 for number in range(200)}
        told = msgspec.structs.replace(
            _Client("c").tells(), stream=stream, submitted=200, errors=errors
        )
        book.take(told, 0.0)

    view = book.view(0.0)
    assert len(view.errors) <= 256
    assert view.submitted == sum(view.errors.values()) == 400 * 200
    assert len(msgspec.msgpack.encode(book.kept())) < 1_000_000


def test_client_that_went_away_in_mid_stream_is_told_apart():
    """Its frames stay in flight, and why is shown."""
    client, book = _Client("c"), AccountBook()
    client.does("submit")
    book.take(client.tells(), 0.0)

    assert (book.view(5.0).clients, book.view(5.0).silent_clients) == (1, 0)
    assert (book.view(60.0).clients, book.view(60.0).silent_clients) == (0, 1)
    assert book.view(60.0).in_flight == 1
