"""The course module's quizzes and guide: one right option each, every objective served."""

import re
from itertools import product

import nbformat
import numpy as np
import pytest
from scipy import stats

from course import copies, guiding, quizzing, sources
from course.proving import hints
from tta_helpers import metrics
from tta_helpers.workbook import place

LESSONS = list(sources.lessons())
README = (place.ROOT / "README.md").read_text(encoding="utf-8")


# ---------------------------------------------------------------- quizzes


QUESTIONS = [(lesson, q) for lesson in LESSONS for q in quizzing.quiz(lesson)]


def smallest(enough):
    return next(n for n in range(1, 10**6) if enough(n))


def outcomes(fixed, broken, n):
    """Return labels and two predictions of two classes, with these images fixed and broken."""
    before, after = np.ones(n, dtype=int), np.ones(n, dtype=int)
    before[:fixed], after[fixed : fixed + broken] = 0, 0
    return np.ones(n, dtype=int), np.eye(2)[before], np.eye(2)[after]


def three_views():
    cat = np.array([0.8, 0.8, 0.01])
    return stats.gmean(cat) / (stats.gmean(cat) + stats.gmean(1 - cat))


def half_a_point():
    change = np.concatenate([np.repeat([1.0, -1.0], [625, 575]), np.zeros(8800)])  # of 10,000
    return smallest(lambda n: 2 * change.std() / np.sqrt(n) <= change.mean() + 1e-12)


def in_the_mirror():
    strip = np.repeat([0, 1, 0], [30, 20, 50])
    return "From {} to {}".format(*np.flatnonzero(np.diff(strip[::-1])) + 1)


def off_by():
    turned = np.flatnonzero(np.eye(10)[3][::-1])[0]  # column 3 of ten, of 4 pixels each
    return abs((4 * turned + 1) - (40 - (4 * 3 + 1)))


def shifted_squares():
    squares = np.zeros((2, 20, 40), bool)
    squares[0, :, :20], squares[1, :, 10:30] = True, True
    return squares.all(axis=0).sum() / squares.any(axis=0).sum()


COMPUTED = {
    "twice_the_filters": lambda: f"{np.prod([2 * 32, 2 * 64]) // np.prod([32, 64])}",
    "error_of_5000": lambda: f"{100 * stats.sem(np.repeat([1, 0], [3500, 1500]), ddof=0):.2f}",
    "all_one_view": lambda: f"{np.mean([len({*t}) == 1 for t in product('om', repeat=7)]):.2%}",
    "fixed_and_broken": lambda: f"{100 * metrics.compare(*outcomes(241, 162, 5000)).gain:+.2f}",
    "three_wins": lambda: f"{three_views():.2f}",
    "ranks_with_equals": lambda: ", ".join(
        f"{rank - 1:g}" for rank in stats.rankdata([0.3, 0.1, 0.3, 0.9])
    ),
    "ten_for_a_fifth": lambda: f"{np.mean([1, 1, 1, 1, 10]):.1f}",
    "half_a_point": lambda: f"{half_a_point():,}",
    "box_in_the_mirror": in_the_mirror,
    "two_of_four": lambda: f"{np.mean([0.8, 0.8, 0, 0]):g} and {np.max([0.8, 0.8]):g}",
    "turned_maps": lambda: f"{off_by()}",
    "iou_by_hand": lambda: f"{shifted_squares():.2f}",
}


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_quiz_asks_what_the_lesson_asks_and_shuffles_its_options(lesson):
    questions = quizzing.quiz(lesson)
    own = [q["check_yourself"] for q in questions if "check_yourself" in q]
    assert sorted(own) == sorted(quizzing.check_yourself(lesson)) and own
    names = [q["name"] for q in questions]
    assert len(set(names)) == len(names)
    assert len({quizzing.right_letter(q) for q in questions}) > 1


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_length_of_an_option_does_not_give_it_away(lesson):
    questions = quizzing.quiz(lesson)
    longest, shortest = 0, 0
    for question in questions:
        (right,) = [len(o["text"]) for o in question["options"] if o.get("right")]
        wrong = [len(o["text"]) for o in question["options"] if not o.get("right")]
        longest, shortest = longest + (right > max(wrong)), shortest + (right < min(wrong))
    assert max(longest, shortest) <= len(questions) / 2


def test_answers_that_can_be_computed_are():
    computed = {q["name"]: q for _, q in QUESTIONS if q.get("computed")}
    assert set(computed) == set(COMPUTED)
    for name, question in computed.items():
        texts = [o["text"].replace(" %", "%") for o in question["options"] if o.get("right")]
        assert texts == [COMPUTED[name]()], name


@pytest.mark.parametrize("name", ["no right", "two right", "no feedback", "both", "unknown"])
def test_a_quiz_against_the_schema_is_refused(name):
    option = {"text": "x", "feedback": "long enough to be some use"}
    options = [{**option, "right": True}, dict(option), dict(option)]
    question = {"name": "a", "objective": "b", "question": "Is it so, or not?", "options": options}
    content = {"questions": [question] * 8}
    assert quizzing.faults_of(content) == []
    if name == "no right":
        del options[0]["right"]
    elif name == "two right":
        options[1]["right"] = True
    elif name == "no feedback":
        del options[2]["feedback"]
    elif name == "both":
        question["check_yourself"] = 1
    else:
        question["hint"] = "x"
    assert quizzing.faults_of(content)


def test_a_page_folds_the_feedback_away_and_marks_one_option_right():
    for lesson in LESSONS:
        parts = quizzing.page(lesson).split("\n## ")[1:]
        for part, question in zip(parts, quizzing.quiz(lesson), strict=True):
            asked, _, folded = part.partition("<details>")
            assert asked.count("- **") == part.count("<details>") == part.count("</details>")
            assert folded.count("Right. ") == 1 and "Right. " not in asked
            letter = quizzing.right_letter(question)
            assert f"<summary>{letter}</summary>\n\nRight. " in folded


# ---------------------------------------------------------------- the guide


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_objective_has_its_exercise_and_its_question(lesson):
    assert len(guiding.objectives(lesson)) >= 4
    assert guiding.gaps(lesson) == []


def test_a_gap_is_found(monkeypatch):
    monkeypatch.setattr(guiding, "objectives", lambda _: {"write": "", "predict": "", "fly": ""})
    found = guiding.gaps("02_flip_tta")
    assert "02_flip_tta: no exercise for the objective 'fly'" in found
    assert "02_flip_tta: no objective 'test' for a question of the quiz" in found


def sections(lesson):
    """Return the numbers of a lesson's sections."""
    cells = nbformat.read(place.notebooks() / f"{lesson}.ipynb", as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return {int(number) for number in re.findall(r"(?m)^## (\d+)\. ", text)}


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_guide_teaches_or_leaves_out_every_section_and_places_every_exercise(lesson):
    source = guiding.read(lesson)
    numbered = [part["part"].partition(" · ")[0] for part in source["teach"]]
    taught = [int(number) for part in numbered for number in part.split(", ")]
    assert len(set(taught)) == len(taught)
    rest = sections(lesson) - set(taught)
    assert all(re.search(rf"\b{number}\b", source["left_out"]) for number in rest)
    placed = [name for part in source["teach"] for name in part["then"]]
    assert sorted(placed) == sorted(task.name for task in sources.exercises(lesson))


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_guide_answers_what_is_asked_and_names_sections_that_are_there(lesson):
    source, page = guiding.read(lesson), guiding.page(lesson)
    assert len(source["asked"]) >= 5 and len(source["prompts"]) >= 3
    for one in source["asked"]:
        assert one["question"].endswith("?") or "? " in one["question"]
        assert f"- **{one['question']}** {one['answer']}" in page
    assert all(one["listen_for"] in page for one in source["prompts"])
    for other, number in re.findall(r"(?:lesson (\d\d)(?:'s|,) )?sections? (\d+)", str(source)):
        (named,) = [name for name in LESSONS if name[:2] == (other or lesson[:2])]
        assert int(number) in sections(named)


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_guide_tells_every_wrong_answer_and_the_minutes_of_the_run(lesson):
    page = guiding.page(lesson)
    for exercise in sources.exercises(lesson):
        said = hints(exercise, lesson)
        assert len(set(said)) == len(said)
        assert all(hint.removeprefix("not yet: ")[1:] in page for hint in said)
    (run,) = [line for line in page.splitlines() if line.startswith("| to run")]
    seconds = re.search(rf"{lesson} \|.* (\d+) \|\n", README)
    assert run.startswith(f"| to run, lesson tier | {max(round(int(seconds[1]) / 60), 1)} (Python")


def test_schedules_keep_their_time_and_have_breaks():
    for plan in guiding.read("schedules"):
        sessions = [[guiding.minutes_of(p) for p in s["parts"]] for s in plan["sessions"]]
        minutes = [sum(minutes for _, minutes in session) for session in sessions]
        assert sum(minutes) <= plan["most"] and max(minutes) <= 100, plan["name"]
        if plan["name"].startswith("Half a day"):
            assert [session[-1][0] for session in sessions[:-1]] == ["Break"] * (len(sessions) - 1)
    with pytest.raises(ValueError, match="no exercise"):
        guiding.minutes_of({"exercise": "nowhere"})


COURSE = place.ROOT / "course"
PAGES = [p for p in COURSE.rglob("*.md") if p.parent.name != "slides"]  # those name cells


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_of_the_course_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_links_of_the_exercises_lead_somewhere():
    for path, text in copies.notebooks().items():
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert (path.parent / target).exists(), target
