"""A helper that owes an answer for too long hangs."""

from __future__ import annotations

from theater.supervisor.debts import Debts


def test_the_oldest_debt_counts_and_asking_again_makes_it_no_younger() -> None:
    debts = Debts(late_s=5.0)
    assert debts.due_s is None and not debts.is_late(1e9)
    debts.owe("a", 1.0)
    debts.owe("b", 2.0)
    debts.owe("a", 3.0)
    assert debts.due_s == 6.0
    assert not debts.is_late(5.9) and debts.is_late(6.0)
    debts.paid("a")
    assert debts.due_s == 7.0
    debts.paid("nothing")
    debts.forgive()
    assert debts.due_s is None


def test_one_that_could_not_answer_until_now_has_all_its_time() -> None:
    debts = Debts(late_s=5.0)
    debts.owe("a", 1.0)
    debts.restart(100.0)
    assert debts.due_s == 105.0
