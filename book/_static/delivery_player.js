// Replays the recorded runs of a delivery player, whose tables are complete without this file.
(() => {
  function element(name, text) {
    const made = document.createElement(name);
    made.textContent = text;
    return made;
  }

  function start(player) {
    const controls = player.querySelector("fieldset");
    const [guarantee, broker, kill] = controls.querySelectorAll("select");
    const next = controls.querySelector(".next");
    const all = controls.querySelector(".all");
    const list = controls.querySelector("ol");
    const says = controls.querySelector("[role=status]");
    const runs = JSON.parse(controls.dataset.runs);

    let left; // The events of the run that are not on the page yet.

    function ofTheGuarantee() {
      return runs.filter((run) => run.guarantee === guarantee.value);
    }

    function begin() {
      const chosen = (run) => run.broker === broker.value && run.kill === kill.value;
      left = [...ofTheGuarantee().find(chosen).timeline];
      list.replaceChildren();
      says.textContent = "";
      next.disabled = all.disabled = false;
      show();
    }

    function show() {
      const [seconds, event] = left.shift();
      list.append(element("li", `${seconds.toFixed(2)} s: ${event}`));
      if (left.length) return;
      says.textContent = `The end: ${event}.`;
      next.disabled = all.disabled = true;
    }

    // The places of a kill have the words of the guarantee's own steps.
    function name() {
      const places = new Set(ofTheGuarantee().map((run) => run.kill));
      const at = Math.max(kill.selectedIndex, 0);
      kill.replaceChildren(...[...places].map((place) => element("option", place)));
      kill.selectedIndex = at;
      begin();
    }

    guarantee.addEventListener("change", name);
    broker.addEventListener("change", begin);
    kill.addEventListener("change", begin);
    next.addEventListener("click", show);
    all.addEventListener("click", () => {
      while (left.length) show();
    });
    name();
    kill.selectedIndex = 1; // Between the two steps, where it matters.
    begin();
    for (const timeline of player.querySelectorAll(".timeline")) timeline.hidden = true;
    controls.hidden = false;
  }

  document.querySelectorAll(".delivery-player").forEach(start);
})();
