"""What a load has shown: whether anything that was acknowledged is lost, and how the service answered meanwhile."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg

from core.tests.waiting import wait_until
from tests.faults.load import Call, Load
from tests.faults.told import Told

RECOVERY = 5.0  # seconds after the end of a fault: a call that begins later succeeds
LONGEST_CALL = 15.0  # seconds: a request has 5 and a new connection 3, but the machine may be busy
LONGEST_PROBE = 7.0  # less than the long faults take


def problems(load: Load, told: Told | None, *, cuts: bool, slow: bool) -> list[str]:
    """All that is wrong, in words.

    Args:
        told: what was heard of it, where there is a listener.
        cuts: whether calls during the fault may remain without an answer.
        slow: whether calls may take long, as they do on a busy machine while it starts so many processes.
    """
    return [
        *wrong_answers(load, cuts=cuts),
        *([] if slow else slow_answers(load)),
        *lost_writes(load),
        *lost_sessions(load),
        *unsent_mail(load),
        *tracebacks(load),
        *(told.problems() if told else []),
    ]


def wrong_answers(load: Load, *, cuts: bool) -> Iterator[str]:
    wrong: Counter[str] = Counter()
    for call in [*load.calls, *load.probes]:
        in_the_fault = load.fault_began <= call.ended and call.began <= load.fault_ended + RECOVERY
        if call.problem and not (cuts and call.status == 0 and in_the_fault):
            wrong[f"{call.kind}: {call.problem}"] += 1
        if call.status == 503 and not in_the_fault:
            wrong[f"{call.kind}: 503 without a fault"] += 1
    return (f"{times} x {what}" for what, times in wrong.items())


def slow_answers(load: Load) -> Iterator[str]:
    for calls, limit in ((load.calls, LONGEST_CALL), (load.probes, LONGEST_PROBE)):
        if (call := slowest(calls)).seconds > limit:
            yield f"{call.kind}: {call.seconds:.1f} s"


def slowest(calls: list[Call]) -> Call:
    return max(calls, key=lambda call: call.seconds)


def lost_writes(load: Load) -> Iterator[str]:
    with psycopg.connect(load.database) as connection:
        stored = Counter(code for (code,) in connection.execute("SELECT submitted_code FROM attempts"))
        found = connection.execute("SELECT email, id::text FROM users").fetchall()
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM attempts), (SELECT coalesce(sum(attempts), 0) FROM user_question_status)"
        ).fetchone()
    emails, users = ({row[column] for row in found} for column in (0, 1))
    yield from (f"lost: attempt {code}" for code in load.recorded.keys() - stored.keys())
    yield from (f"stored {times} times: attempt {code}" for code, times in stored.items() if times > 1)
    yield from (f"acknowledged as {ids}: attempt {code}" for code, ids in load.recorded.items() if len(ids) > 1)
    yield from (f"lost: user {email}" for email in set(load.registered) - emails)
    yield from (f"back again: user {user}" for user in set(load.left) & users)
    if counts and counts[0] != counts[1]:
        yield f"{counts[0]} attempts, counted as {counts[1]}"


def lost_sessions(load: Load) -> Iterator[str]:
    """Refreshes all of them."""
    sessions = [session for caller in load.callers for session in caller.sessions if not session.over]
    with ThreadPoolExecutor(8) as pool:
        lost = sum(not alive for alive in pool.map(load.rotate, sessions))
    if lost:
        yield f"{lost} of {len(sessions)} sessions lost"


def unsent_mail(load: Load) -> Iterator[str]:
    """Waits until all of it is sent. What failed need not wait for its time, nor what a sender that died has claimed.

    A live sender claims for two minutes and takes less than 20 s: taking its mail away would send it twice.
    """
    sooner = "UPDATE mails SET due_at = now() WHERE state = 'queued' AND due_at BETWEEN now() AND now() + '100 s'"
    with psycopg.connect(load.database, autocommit=True) as connection:

        def is_sent() -> bool:
            connection.execute(sooner)
            return not connection.execute("SELECT FROM mails WHERE state = 'queued'").rowcount

        wait_until(is_sent, "mail stays in the queue")
        if dead := connection.execute("SELECT FROM mails WHERE state = 'dead'").rowcount:
            yield f"{dead} mails are dead"


def tracebacks(load: Load) -> Iterator[str]:
    logged = load.service.log.read_bytes()[load.logged_before :]
    if times := logged.count(b"Traceback"):
        yield f"{times} tracebacks in {load.service.log}"


def figures(load: Load, told: Told | None) -> dict[str, str]:
    refused = [call.began for call in load.calls if call.status == 503]
    return {
        "calls": str(len(load.calls)),
        "written": str(len(load.recorded) + len(load.registered)),
        "lost": str(len([*lost_writes(load)])),
        "503": str(len(refused)),
        "last 503": f"{max(refused) - load.fault_ended:+.1f} s" if refused and load.fault_ended else "-",
        "cut": str(sum(not call.status for call in load.calls)),
        "slowest": f"{slowest(load.calls).seconds:.1f} s",
        "/healthz": f"{slowest(load.probes).seconds:.1f} s",
        **(told.figures() if told else {}),
    }
