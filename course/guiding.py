"""The instructor's guide: a page a lesson and the schedules, written from the course's sources."""

import re
from pathlib import Path

import nbformat
from ruamel.yaml import YAML

from course import expecting, quizzing
from course.proving import hints
from course.sources import STEPS, exercises, lessons
from tta_helpers.workbook.place import ROOT, notebooks

FOLDER = Path(__file__).parent / "guide"
OBJECTIVE = re.compile(r"(?m)^- \*\*(\w+)\*\* (.+?)[;.]?$")
RESULT = re.compile(r"(?m)^\| (\d\d_\w+) \|.*\| (\d+) \|$")


def read(name: str) -> dict | list:
    """Return what a source of the guide holds."""
    return YAML(typ="safe").load((FOLDER / "src" / f"{name}.yml").read_text(encoding="utf-8"))


def objectives(lesson: str) -> dict[str, str]:
    """Return a lesson's objectives from the beginning of its notebook, by their verb."""
    first = nbformat.read(notebooks() / f"{lesson}.ipynb", as_version=4).cells[0].source
    return {
        verb: f"{verb} {quizzing.without_links(rest)}" for verb, rest in OBJECTIVE.findall(first)
    }


def before(lesson: str) -> str:
    """Return what a lesson says, under its title, of its minutes and of what it takes."""
    first = nbformat.read(notebooks() / f"{lesson}.ipynb", as_version=4).cells[0].source
    return quizzing.without_links(first.split("\n\n")[1])


def gaps(lesson: str) -> list[str]:
    """Return the objectives that no exercise or question of the quiz serves, and unknown ones."""
    wanted, found = set(objectives(lesson)), []
    served = {
        "exercise": {exercise.objective for exercise in exercises(lesson)},
        "question of the quiz": {question["objective"] for question in quizzing.quiz(lesson)},
    }
    for kind, some in served.items():
        found += [
            f"{lesson}: no {kind} for the objective {verb!r}" for verb in sorted(wanted - some)
        ]
        found += [f"{lesson}: no objective {verb!r} for a {kind}" for verb in sorted(some - wanted)]
    return found


def run_minutes(lesson: str) -> str:
    """Return how long the lesson took in the committed run, in whole minutes, and on what."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    seconds = dict(RESULT.findall(readme)).get(lesson)
    if seconds is None:
        return "no committed run tells"
    machine = next(line for line in readme.splitlines() if line.startswith("Python 3."))
    return f"{max(round(int(seconds) / 60), 1)} ({machine})"


def taught_minutes(lesson: str) -> int:
    """Return the minutes to teach a lesson, an estimate."""
    return sum(part["minutes"] for part in read(lesson)["teach"])


def exercise_minutes(lesson: str) -> int:
    """Return the minutes for a lesson's exercises, an estimate."""
    return sum(exercise.minutes for exercise in exercises(lesson))


def deck(lesson: str) -> tuple[int, int]:
    """Return how many slides a lesson has, and the minutes in their notes added up."""
    text = (FOLDER.parent / "slides" / f"{lesson[:2]}.md").read_text(encoding="utf-8")
    minutes = [int(found) for found in re.findall(r"(?m)^> (\d+) minutes?:", text)]
    return len(minutes), sum(minutes)


def page(lesson: str) -> str:
    """Return a lesson's page of the guide."""
    number, source = lesson[:2], read(lesson)
    copies = f"../exercises/{number}_"
    return "\n".join(
        [
            f"# Guide to lesson {number}",
            "",
            f"[The lesson](../../notebooks/{lesson}.ipynb), "
            f"[exercises]({copies}exercises.ipynb), [solutions]({copies}solutions.ipynb), "
            f"[quiz](../quizzes/{number}_quiz.md), [slides](../slides/{number}.md)",
            "",
            before(lesson),
            "",
            "How a session runs, and what to prepare for it: [Teaching](teaching.md). "
            "Sessions that fit into an hour and a half or half a day: [Schedules](schedules.md).",
            "",
            "## What they can do afterwards",
            "",
            *_objective_table(lesson),
            "",
            "## Minutes",
            "",
            *_minutes_table(lesson, source["teach"]),
            "",
            "## Part by part",
            "",
            *(f"- **{part['part']}.** {part['say']}" for part in source["teach"]),
            "",
            f"Not taught: {source['left_out']}",
            "",
            f"Short of time: {source['short_of_time']}",
            "",
            "## What numbers to expect",
            "",
            *expecting.section(lesson),
            "",
            "## While the networks fit",
            "",
            source["while_fitting"],
            "",
            f"If they do not: {source['without_fitting']}",
            "",
            "## What goes wrong",
            "",
            "Wrong answers that the checks know by their results, in what they say of them:",
            "",
            *_misconceptions(lesson),
            "",
            "## What they ask",
            "",
            *(f"- **{one['question']}** {one['answer']}" for one in source["asked"]),
            "",
            "## To discuss",
            "",
            *(f"- {one['ask']} *Listen for:* {one['listen_for']}" for one in source["prompts"]),
            "",
            "## Key of the quiz",
            "",
            *_key(lesson),
            "",
        ]
    )


def _objective_table(lesson: str) -> list[str]:
    lines = ["| objective | exercises | questions of the quiz |", "|---|---|---|"]
    tasks, asked = exercises(lesson), quizzing.quiz(lesson)
    for verb, text in objectives(lesson).items():
        titles = [task.title.split(".")[0] for task in tasks if task.objective == verb]
        numbers = [str(k) for k, q in enumerate(asked, 1) if q["objective"] == verb]
        lines.append(f"| {text} | {', '.join(titles)} | {', '.join(numbers)} |")
    return lines


def _minutes_table(lesson: str, parts: list[dict]) -> list[str]:
    lines = ["| what, in this order | minutes |", "|---|---|"]
    tasks, (slides, spoken) = {task.name: task for task in exercises(lesson)}, deck(lesson)
    for part in parts:
        lines.append(f"| to teach: {part['part']} | {part['minutes']} |")
        for task in (tasks[name] for name in part["then"]):
            lines.append(f"| exercise {task.title} ({STEPS[task.step].lower()}) | {task.minutes} |")
    return [
        *lines,
        f"| all teaching | {taught_minutes(lesson)} |",
        f"| of it, by the {slides} slides | {spoken} |",
        f"| all exercises | {exercise_minutes(lesson)} |",
        f"| to run, lesson tier | {run_minutes(lesson)} |",
        "",
        "Minutes to teach and to exercise are estimates, until somebody has taught it. Those to "
        "run are of the committed run.",
    ]


def _misconceptions(lesson: str) -> list[str]:
    lines = []
    for task in exercises(lesson):
        said = (hint.removeprefix("not yet: ") for hint in hints(task, lesson))
        lines += [f"- **{task.title}**", *(f"  - {one[0].upper()}{one[1:]}" for one in said)]
    return lines


def _key(lesson: str) -> list[str]:
    letters = [quizzing.right_letter(question) for question in quizzing.quiz(lesson)]
    return [" · ".join(f"{number} {letter}" for number, letter in enumerate(letters, 1))]


def minutes_of(part: dict) -> tuple[str, int]:
    """Return a part of a session in words, and its minutes."""
    if "what" in part:
        return part["what"], part["minutes"]
    if "lesson" in part:
        lesson = part["lesson"]
        return f"Notebook {lesson[:2]}, with predictions", taught_minutes(lesson)
    if "exercises" in part:
        lesson = part["exercises"]
        return f"All exercises of lesson {lesson[:2]}", exercise_minutes(lesson)
    for lesson in lessons():
        for task in exercises(lesson):
            if task.name == part["exercise"]:
                return f"Exercise {lesson[:2]}.{task.title}", task.minutes
    raise ValueError(f"schedules.yml names {part['exercise']!r}, which is no exercise.")


def schedule(plan: dict) -> list[str]:
    """Return one schedule as lines of Markdown, with the minutes of each session added up."""
    sessions = [(s["name"], [minutes_of(part) for part in s["parts"]]) for s in plan["sessions"]]
    total = sum(minutes for _, parts in sessions for _, minutes in parts)
    lines = [f"## {plan['name']}", "", f"{plan['about']} {total} minutes in all.", ""]
    lines += ["| session | what | minutes |", "|---|---|---|"]
    for name, parts in sessions:
        taken = sum(minutes for _, minutes in parts)
        for k, (what, minutes) in enumerate(parts):
            lines.append(f"| {f'{name} ({taken})' if not k else ''} | {what} | {minutes} |")
    if "homework" in plan:
        lines += ["", f"Homework: {plan['homework']}"]
    return [*lines, ""]


def schedules() -> str:
    """Return the page of the schedules."""
    lines = ["# Schedules", "", "All minutes are estimates, until somebody has taught it.", ""]
    return "\n".join([*lines, *(line for plan in read("schedules") for line in schedule(plan))])


def pages() -> dict[Path, str]:
    """Return the text of every page that is written, by its path."""
    found = {FOLDER / f"{lesson[:2]}_guide.md": page(lesson) for lesson in lessons()}
    return {**found, FOLDER / "schedules.md": schedules()}
