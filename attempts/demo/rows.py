"""Made-up users and attempts that look like real ones, for trying things out at any size."""

from bisect import bisect
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from typing import NamedTuple
from uuid import UUID

QUESTIONS = 3_000
YEAR = timedelta(days=365)
SKEW = 1.05  # the exponent of Zipf's law: of 100,000 users the busiest has a tenth of all attempts
SLICES = 20_000
FAITHFUL = 0.8  # how often somebody uses their favourite language
LUCKY = 0.35  # how often a run is the one that solves
LANGUAGES = {
    "python": "def solve(numbers):\n    return sorted(numbers)[:{}]\n\nprint(solve(list(map(int, input().split()))))\n",
    "java": "class Main {{\n    public static void main(String[] args) {{\n        System.out.print({});\n    }}\n}}\n",
    "javascript": "const lines = require('fs').readFileSync(0, 'utf8').split('\\n');\nconsole.log(lines.slice({}));\n",
    "typescript": "function solve(n: number): number {{\n    return n * {};\n}}\nconsole.log(solve(2));\n",
    "cpp": "#include <iostream>\nint main() {{\n    long long n;\n    std::cin >> n;\n    std::cout << n * {};\n}}\n",
    "c": '#include <stdio.h>\nint main(void) {{\n    int n;\n    scanf("%d", &n);\n    printf("%d", n + {});\n}}\n',
    "go": 'package main\n\nimport "fmt"\n\nfunc main() {{\n\tvar n int\n\tfmt.Scan(&n)\n\tfmt.Println(n % {})\n}}\n',
    "rust": 'fn main() {{\n    let n: u64 = {};\n    println!("{{}}", (1..=n).product::<u64>());\n}}\n',
    "kotlin": "fun main() {{\n    val n = readLine()!!.toInt()\n    println(n + {})\n}}\n",
    "swift": 'let n = Int(readLine() ?? "0")!\nprint(n - {})\n',
    "ruby": "n = gets.to_i\nputs (1..n).select {{ |i| i % {} == 0 }}.sum\n",
    "csharp": "class Program {{\n    static void Main() {{\n        System.Console.WriteLine({});\n    }}\n}}\n",
}
NAMES = tuple(LANGUAGES)
POPULARITY = tuple(accumulate((30, 18, 12, 8, 12, 4, 5, 3, 3, 2, 2, 1)))


class Row(NamedTuple):
    """The columns of an attempt, in the order in which they are written."""

    id: UUID
    user_id: UUID
    question_id: int
    language: str
    submitted_code: str
    passed_tests: int
    total_tests: int
    runtime_ms: int | None
    created_at: datetime


def attempts(users: list[UUID], count: int, *, now: datetime, seed: int = 0) -> Iterator[Row]:
    """That many attempts of a year, about in the order in which they would have come.

    Somebody sits down with a question, in a language they like, and runs it again until it is solved or they give up.
    """
    dice = Random(seed)  # noqa: S311 - nothing here is a secret
    busy = list(accumulate(1 / rank**SKEW for rank in range(1, len(users) + 1)))
    slices = min(SLICES, max(1, count // 50))
    length = YEAR / slices
    for number in range(slices):
        wanted = count * (number + 1) // slices - count * number // slices
        here = busy[: 1 + len(users) * number // slices]  # they register one after the other
        yield from sittings(dice, users, here, wanted, now - YEAR + length * number, length)


def sittings(
    dice: Random, users: list[UUID], busy: list[float], count: int, begun: datetime, length: timedelta
) -> list[Row]:
    rows: list[Row] = []
    while len(rows) < count:
        rank = min(bisect(busy, dice.random() * busy[-1]), len(busy) - 1)
        rows.extend(sitting(dice, rank, users[rank], begun + length * dice.random()))
    rows.sort(key=lambda row: row.created_at)
    return rows[:count]


def sitting(dice: Random, rank: int, user: UUID, at: datetime) -> Iterator[Row]:
    question = 1 + int(QUESTIONS * dice.random() ** 2)
    favourite = bisect(POPULARITY, (rank * 37) % POPULARITY[-1])
    language = NAMES[favourite if dice.random() < FAITHFUL else bisect(POPULARITY, int(dice.random() * POPULARITY[-1]))]
    total = 5 + question % 20
    passed = int(total * dice.random())
    for _ in range(1 + int(dice.expovariate(0.4))):
        if dice.random() < LUCKY:
            passed = total
        solved = passed == total
        code = LANGUAGES[language].format(int(dice.random() * 1000))
        runtime = 5 + int(dice.expovariate(0.01)) if solved else None
        yield Row(uuid7_at(dice, at), user, question, language, code, passed, total, runtime, at)
        if solved:
            return
        passed = min(total - 1, passed + int(3 * dice.random()))
        at += timedelta(seconds=20 + dice.expovariate(1 / 120))


def uuid7_at(dice: Random, at: datetime) -> UUID:
    """RFC 9562 section 5.7, of a time that need not be now."""
    chance = dice.getrandbits(74)
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | (chance >> 62) << 64 | 2 << 62 | chance & (1 << 62) - 1)
