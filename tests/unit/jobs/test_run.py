"""How a job runs: signals, renewal in waits, and its end."""

from __future__ import annotations

import os
import signal

import pytest
import typer

from library.jobs.command_line import end
from library.jobs.run import InterruptedRunError, renewing_sleep, stop_at_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_block_once(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(InterruptedRunError, match=f"stopped by {number.name}"), stop_at_signals():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_a_second_signal_has_its_ordinary_effect() -> None:
    with stop_at_signals():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except InterruptedRunError:
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)


def test_a_long_wait_renews_the_lock_before_each_minute() -> None:
    done: list[float | str] = []
    wait = renewing_sleep(done.append, lambda: done.append("renewed"))
    wait(150)
    wait(5)
    wait(0)
    assert done == ["renewed", 60, "renewed", 60, "renewed", 30, "renewed", 5]


def test_problems_are_named_and_the_exit_code_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        end(["a", "b"])
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == "hammer: a\nhammer: b\n"
    with pytest.raises(typer.Exit):
        end(["a\x1b[31m"])
    assert capsys.readouterr().err == "hammer: a\\x1b[31m\n"
    end([])
