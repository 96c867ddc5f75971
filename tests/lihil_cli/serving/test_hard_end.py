"""Each in a process of its own, because it is left."""

import subprocess
import sys

SCRIPT = """
import sys, threading
from lihil_cli.serving.hard_end import HardEnd, at_hard_end, in_any_case
def say(text): print(text, flush=True)
end = HardEnd()
"""


def run(script: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", SCRIPT + script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_what_is_under_way_is_tidied_up_and_what_is_over_is_not() -> None:
    code, said = run("""
with in_any_case(lambda: say("over")):
    pass
at_hard_end(lambda: 1 / 0)  # which does not keep the next one from its turn
with in_any_case(lambda: say("under way")):
    end.within(3600, 5)
    end.within(0, 7)
    threading.Event().wait()
""")
    assert (code, said) == (7, "over\nunder way\n")


def test_nothing_that_is_left_to_do_keeps_the_process() -> None:
    code, _ = run("""
at_hard_end(threading.Event().wait)
end.within(0, 7)
threading.Event().wait()
""")
    assert code == 7


def test_a_time_that_has_come_is_not_put_off() -> None:
    """Else a second Ctrl-C just before the main thread grants its lifespan more time would be lost."""
    code, _ = run("""
sys.setswitchinterval(60)  # so that the other thread sees both at once
end.within(0, 7)
end.within(3600, 5)
threading.Event().wait(20)
""")
    assert code == 7
