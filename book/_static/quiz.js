// Lets a reader choose an option, and keeps the first choice of each item in this browser.
(() => {
  const KEY = "quiz";
  let chosen = {}; // {item: letter}
  try {
    chosen = JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    // Without storage, or with something else in it, the page begins anew.
  }

  function keep() {
    try {
      localStorage.setItem(KEY, JSON.stringify(chosen));
    } catch {
      // What cannot be kept is forgotten with the page.
    }
  }

  const items = [...document.querySelectorAll("section.quiz")];
  const progress = document.createElement("div");
  progress.className = "player quiz-progress";
  progress.innerHTML = '<p role="status"></p><button type="button">Forget my answers</button>';
  document.querySelector("article section > section").before(progress);

  function buttonsOf(item) {
    return [...item.querySelectorAll("button.choose")];
  }

  function show(item) {
    const buttons = buttonsOf(item);
    const letter = chosen[buttons[0].dataset.item];
    for (const button of buttons) {
      const { dataset } = button;
      const right = dataset.right === "true";
      button.hidden = false;
      button.disabled = letter !== undefined;
      button.classList.toggle("right", button.disabled && right);
      button.classList.toggle("wrong", dataset.letter === letter && !right);
      button.textContent = !button.disabled ? `Choose ${dataset.letter}`
        : right ? (dataset.letter === letter ? "Right: your choice" : "Right")
        : dataset.letter === letter ? "Wrong: your choice" : "Wrong";
    }
    item.querySelector("details.answer").open = letter !== undefined;
  }

  function count() {
    const done = items.filter((item) => chosen[buttonsOf(item)[0].dataset.item]);
    const right = done.filter((item) =>
      buttonsOf(item).some(({ dataset }) =>
        dataset.right === "true" && chosen[dataset.item] === dataset.letter));
    progress.querySelector("[role=status]").textContent =
      `${done.length} of ${items.length} answered, ${right.length} of them right. ` +
      "Only this browser knows.";
  }

  for (const item of items) {
    for (const button of buttonsOf(item)) {
      button.addEventListener("click", () => {
        chosen[button.dataset.item] = button.dataset.letter;
        keep();
        show(item);
        count();
        item.querySelector("details.answer summary").focus();
      });
    }
    show(item);
  }
  progress.querySelector("button").addEventListener("click", () => {
    for (const item of items) delete chosen[buttonsOf(item)[0].dataset.item];
    keep();
    items.forEach(show);
    count();
  });
  count();
})();
