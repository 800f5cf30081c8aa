"""The quizzes: YAML sources held to a schema, and the Markdown pages that are written from them."""

import json
import random
import re
from pathlib import Path

import jsonschema
import nbformat
from ruamel.yaml import YAML

from tta_helpers.workbook.place import LESSONS, notebooks

FOLDER = Path(__file__).parent / "quizzes"
LETTERS = "ABCDE"
ASKED = re.compile(r"(?m)^(\d+)\. (.+)$")


class QuizError(ValueError):
    """A quiz is not as it should be; the message says where."""


def quiz(lesson: str) -> list[dict]:
    """Return the questions of a lesson's quiz, those of its "Check yourself" with their text.

    Raises
    ------
    QuizError
        If the file does not follow the schema, or names a question that the lesson does not ask.
    """
    content = YAML(typ="safe").load((FOLDER / f"{lesson}.yml").read_text(encoding="utf-8"))
    asked = check_yourself(lesson)
    faults = faults_of(content)
    if not faults:
        numbers = {q["check_yourself"] for q in content["questions"] if "check_yourself" in q}
        if missing := numbers - set(asked):
            faults = [f"the lesson asks no question {sorted(missing)} to check oneself"]
    if faults:
        raise QuizError(f"{lesson}.yml: {faults[0]}")
    for question in content["questions"]:
        if "check_yourself" in question:
            question["question"] = asked[question["check_yourself"]]
    return content["questions"]


def faults_of(content: object) -> list[str]:
    """Return how a quiz breaks the schema, one line a fault."""
    schema = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
    found = jsonschema.Draft202012Validator(schema).iter_errors(content)
    return [f"{error.json_path}: {error.message[:200]}" for error in found]


def check_yourself(lesson: str) -> dict[int, str]:
    """Return the questions under a lesson's heading "Check yourself", by their number."""
    cells = nbformat.read(notebooks() / f"{lesson}.ipynb", as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    _, _, last = text.partition("## Check yourself")
    return {int(number): without_links(question) for number, question in ASKED.findall(last)}


def without_links(text: str) -> str:
    """Return Markdown with the words of its links alone, for a page in another folder."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).strip()


def shuffled(question: dict) -> list[dict]:
    """Return a question's options in an order drawn from its name, the same every time."""
    options = list(question["options"])
    random.Random(question["name"]).shuffle(options)
    return options


def right_letter(question: dict) -> str:
    """Return the letter of the right option."""
    return LETTERS[[option.get("right", False) for option in shuffled(question)].index(True)]


def page(lesson: str) -> str:
    """Return a lesson's quiz as Markdown, with the feedback folded away."""
    lines = [
        f"# Quiz {lesson[:2]}",
        "",
        f"It goes with [notebook {lesson[:2]}](../../notebooks/{lesson}.ipynb). One option of each "
        "question is right. Decide first, then see what is said of the one that you have chosen.",
    ]
    for number, question in enumerate(quiz(lesson), 1):
        lines += ["", f"## {number}. {question['question']}", ""]
        options = list(zip(LETTERS, shuffled(question), strict=False))
        lines += [f"- **{letter}** {option['text']}" for letter, option in options]
        for letter, option in options:
            word = "Right." if option.get("right") else "Not this one."
            lines += ["", f"<details><summary>{letter}</summary>", ""]
            lines += [f"{word} {option['feedback']}", "", "</details>"]
    return "\n".join([*lines, ""])


def pages() -> dict[Path, str]:
    """Return the text of every page by its path."""
    return {
        FOLDER / f"{lesson[:2]}_quiz.md": page(lesson)
        for lesson in LESSONS
        if (FOLDER / f"{lesson}.yml").is_file()
    }
