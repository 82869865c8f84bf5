// Draws a set of questions by level, chapter and time; the page has sets without this file.
(() => {
  const POINTS = ["no answer", "the trap", "the short answer", "and when it fails"];

  function start(player) {
    const controls = player.querySelector("fieldset");
    const form = controls.querySelector("form");
    const list = controls.querySelector("ol");
    const says = controls.querySelector("[role=status]");
    const questions = JSON.parse(controls.dataset.questions);
    const each = Number(controls.dataset.minutes);

    function shuffled(all) {
      const left = [...all];
      for (let last = left.length - 1; last > 0; last -= 1) {
        const other = Math.floor(Math.random() * (last + 1));
        [left[last], left[other]] = [left[other], left[last]];
      }
      return left;
    }

    function count() {
      const marks = [...list.querySelectorAll("select")].map(({ value }) => value);
      const given = marks.filter((mark) => mark !== "");
      const sum = given.reduce((total, mark) => total + Number(mark), 0);
      says.textContent = given.length
        ? `${sum} of ${3 * given.length} points for ${given.length} of ${marks.length} questions.`
        : `${marks.length} questions, ${marks.length * each} minutes.`;
    }

    function entry([title, address, level]) {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = address;
      link.textContent = title;
      const mark = document.createElement("select");
      mark.setAttribute("aria-label", `Points for: ${title}`);
      mark.append(new Option("points", ""));
      POINTS.forEach((name, points) => mark.append(new Option(`${points}: ${name}`, points)));
      mark.addEventListener("change", count);
      item.append(link, ` (${level}) `, mark);
      return item;
    }

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { level, chapter, minutes } = form.elements;
      const fitting = questions.filter((question) =>
        (!level.value || question[2] === level.value) &&
        (!chapter.value || question[3] === chapter.value));
      const wanted = Math.max(1, Math.floor(Number(minutes.value) / each));
      list.replaceChildren(...shuffled(fitting).slice(0, wanted).map(entry));
      count();
      if (fitting.length < wanted) says.textContent += ` No more fit.`;
    });
    controls.hidden = false;
  }

  document.querySelectorAll(".question-draw .player").forEach(start);
})();
