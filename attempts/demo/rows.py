"""Made-up users and attempts that look like real ones, for trying things out at any size."""

from bisect import bisect
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from uuid import UUID

from attempts.models import Attempt

QUESTIONS = 3_000
YEAR = timedelta(days=365)
SKEW = 1.05  # the exponent of Zipf's law: of 100,000 users the busiest has a tenth of all attempts
SLICES = 20_000
FAITHFUL = 0.8  # how often a user takes their favourite language
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
POPULARITY = (30, 18, 12, 8, 12, 4, 5, 3, 3, 2, 2, 1)  # of a hundred users, whose favourite each language is
FAVOURITES = [name for name, users in zip(NAMES, POPULARITY, strict=True) for _ in range(users)]


def made_up_attempts(users: list[UUID], count: int, *, now: datetime, seed: int = 0) -> Iterator[Attempt]:
    """That many attempts of a year, about in the order in which they would have come.

    A user takes up a question, in a language they like, and runs it again until it is solved or they give up. Users
    register one after the other, evenly over the year, and the first ones are the busiest.
    """
    dice = Random(seed)  # noqa: S311 - nothing here is a secret
    busy = list(accumulate(1 / rank**SKEW for rank in range(1, len(users) + 1)))
    slices = min(SLICES, max(1, count // 50))
    for number in range(slices):
        wanted = count * (number + 1) // slices - count * number // slices
        registered = 1 + len(users) * number // slices
        begin = now - YEAR * (1 - number / slices)
        made: list[Attempt] = []
        while len(made) < wanted:
            user = bisect(busy, dice.random() * busy[registered - 1], hi=registered - 1)
            runs = run_until_solved(dice, users[user], FAVOURITES[user % 100], begin + YEAR / slices * dice.random())
            made.extend(attempt for attempt in runs if attempt.created_at <= now)
        made.sort(key=lambda attempt: attempt.created_at)
        yield from made[:wanted]


def run_until_solved(dice: Random, user: UUID, favourite: str, at: datetime) -> Iterator[Attempt]:
    question = 1 + int(QUESTIONS * dice.random() ** 2)
    language = favourite if dice.random() < FAITHFUL else dice.choices(NAMES, POPULARITY)[0]
    total = 5 + question % 20
    passed = int(total * dice.random())
    for _ in range(1 + int(dice.expovariate(0.4))):
        solved = dice.random() < LUCKY
        yield Attempt(
            id=uuid7_at(dice, at),
            user_id=user,
            question_id=question,
            language=language,
            submitted_code=LANGUAGES[language].format(int(dice.random() * 1000)),
            passed_tests=total if solved else passed,
            total_tests=total,
            runtime_ms=5 + int(dice.expovariate(0.01)) if solved else None,
            created_at=at,
        )
        if solved:
            return
        passed = min(total - 1, passed + int(3 * dice.random()))
        at += timedelta(seconds=20 + dice.expovariate(1 / 120))


def uuid7_at(dice: Random, at: datetime) -> UUID:
    """RFC 9562 section 5.7, of a time that need not be now."""
    chance = dice.getrandbits(74)
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | (chance >> 62) << 64 | 2 << 62 | chance & (1 << 62) - 1)
