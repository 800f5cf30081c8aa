"""A quiz as a form: its page in Markdown with an input to each option, and a script that asks.

Without the script a page reads as before: options, and folded under each letter what is said of it.
"""

import re

QUESTION = re.compile(r"(?m)^(?=## )")
OPTION = re.compile(r"(?m)^- (\*\*([A-Z])\*\* .+)$")
FORM = """\
{heading}

<form class="quiz">
<fieldset>
<legend class="visually-hidden">Your answer to question {number}</legend>

{options}

<button hidden>Check</button>
<div class="quiz-told" role="status"></div>
</fieldset>

{told}

</form>

"""
LABEL = r'- <label><input type="radio" name="q{}" value="\2" required hidden> \1</label>'
SCRIPT = '<script src="../../_static/quiz.js"></script>\n'


def form(page: str) -> str:
    """Return the page of a quiz with a form for each question.

    Raises
    ------
    ValueError
        If a question has no options, or not as many folded texts.
    """
    above, *questions = QUESTION.split(page)
    return "".join([above, *(asked(one, n) for n, one in enumerate(questions, 1)), SCRIPT])


def asked(question: str, number: int) -> str:
    """Return one question as a form."""
    heading, _, rest = question.partition("\n\n")
    listed, _, told = rest.partition("\n\n")
    options, found = OPTION.subn(LABEL.format(number), listed)
    if not found or found != told.count("<details>"):
        raise ValueError(
            f"The quiz has {found} options and {told.count('<details>')} folded texts under "
            f"{heading!r}; `make course` writes one for each."
        )
    return FORM.format(heading=heading, number=number, options=options, told=told.strip())
