/* The quizzes: what is said of an option is folded under its letter; here "Check" unfolds it. */
"use strict";

for (const form of document.querySelectorAll("form.quiz")) {
  const told = form.querySelector(".quiz-told");
  const folded = [...form.querySelectorAll("details")];
  const forget = () => {
    told.replaceChildren();
    delete form.dataset.answer;
  };

  for (const one of form.querySelectorAll("[hidden]")) one.hidden = false;
  for (const one of folded) one.hidden = true;
  form.addEventListener("change", forget);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const letter = new FormData(form).values().next().value;
    const chosen = folded.find((one) => one.firstElementChild.textContent === letter);
    const words = [...chosen.children].slice(1).map((one) => one.cloneNode(true));
    told.replaceChildren(...words);
    form.dataset.answer = told.textContent.trim().startsWith("Right.") ? "right" : "wrong";
  });
}
