// Lets the reader change the tables of an exchange player, which are complete without this file.
// Its routing is compared with Python's, and Python's with a broker's: see the tests of
// exchange_player. The words are those of exchange_player.py, which also hands the examples over.
(() => {
  const NO_MATCH = "no match";
  const TICK = "\u2713";
  const MODES = ["all", "any", "all-with-x", "any-with-x"];

  // The empty key has no word, and not one empty word.
  function words(key) {
    return key ? key.split(".") : [];
  }

  function topicMatches(pattern, routingKey) {
    const key = words(routingKey);
    let taken = [0]; // How many words of the key the pattern can have taken so far.
    for (const word of words(pattern)) {
      if (word === "#" && taken.length) {
        taken = [...key, ""].map((_, number) => number).slice(taken[0]);
      } else {
        const left = taken.filter((number) => number < key.length);
        const met = left.filter((number) => word === "*" || word === key[number]);
        taken = met.map((number) => number + 1);
      }
    }
    return taken.includes(key.length);
  }

  // A text, a whole number and a truth have types of their own, so that === compares those too.
  function value(text) {
    if (text === "true" || text === "false") return text === "true";
    if (/^-?[0-9]+$/.test(text)) return BigInt(text);
    return /^".*"$/.test(text) ? text.slice(1, -1) : text;
  }

  // Of a name without a value the value is null.
  function headersIn(text) {
    const found = new Map();
    for (const piece of text.match(/(?:"[^"]*"|[^,])+/g) ?? []) {
      const [name, ...rest] = piece.split("=");
      const written = rest.length ? value(rest.join("=").trim()) : null;
      if (piece.trim()) found.set(name.trim(), written);
    }
    return found;
  }

  function modeOf(wanted) {
    return wanted.has("x-match") ? wanted.get("x-match") : "all";
  }

  function headersMatch(binding, message) {
    const wanted = headersIn(binding);
    const headers = headersIn(message);
    const mode = modeOf(wanted);
    wanted.delete("x-match");
    const compared = [...wanted].filter(
      ([name]) => mode.endsWith("-with-x") || !name.startsWith("x-"),
    );
    const met = ([name, each]) =>
      headers.has(name) && (each === null || each === headers.get(name));
    return mode.startsWith("any") ? compared.some(met) : compared.every(met);
  }

  const matches = {
    direct: (binding, message) => binding === message,
    fanout: () => true,
    topic: topicMatches,
    headers: headersMatch,
  };

  // The rule for which the broker refuses a binding, if there is one.
  const broken = {
    topic: (binding) =>
      words(binding).filter((word) => word === "#").length > 2 && "a key has at most two #",
    headers: (binding) =>
      !MODES.includes(modeOf(headersIn(binding))) &&
      "x-match is all, any, all-with-x or any-with-x",
  };

  function element(name, ...content) {
    const made = document.createElement(name);
    made.append(...content);
    return made;
  }

  function code(text, empty) {
    if (!text) return empty;
    const made = element("code", text);
    made.className = "docutils literal notranslate";
    return made;
  }

  function cell(name, className, ...lines) {
    const made = element(name, ...lines.map((line) => element("p", line)));
    made.className = className;
    return made;
  }

  function joined(names) {
    return new Intl.ListFormat("en-GB").format(names);
  }

  function start(player) {
    const controls = player.querySelector("fieldset");
    const [type, unroutable] = controls.querySelectorAll("select");
    const list = controls.querySelector(".bindings");
    const blank = controls.querySelector("template").content;
    const add = controls.querySelector(".add");
    const form = controls.querySelector("form");
    const message = form.querySelector("input");
    const says = controls.querySelector("[role=status]");
    const hint = controls.querySelector(".hint");
    const tables = player.querySelectorAll("table");
    const { exchanges, most } = JSON.parse(controls.dataset.start);

    let exchange; // The one that is shown; what the reader made of the others is kept.

    function hits(text) {
      return exchange.bindings.filter(([, binding]) => matches[type.value](binding, text));
    }

    function queuesOf(bindings) {
      return [...new Set(bindings.map(([queue]) => queue))];
    }

    function codes(queue, bindings) {
      const own = bindings.filter(([name]) => name === queue);
      return own.map(([, binding]) => code(binding, exchange.labels[2]));
    }

    // Of a queue with several bindings the cell names those that match.
    function row(text) {
      const met = hits(text);
      const heading = [code(text, exchange.labels[2])];
      if (!met.length) heading.push(element("em", NO_MATCH));
      const cells = queuesOf(exchange.bindings).map((queue) => {
        const named = codes(queue, met);
        if (!named.length) return cell("td", "");
        return cell("td", "", TICK, ...(codes(queue, exchange.bindings).length > 1 ? named : []));
      });
      return element("tr", cell("th", "stub", ...heading), ...cells);
    }

    function outcome(text) {
      const met = hits(text);
      if (!met.length) return unroutable.value;
      const numbers = met.map((binding) => `${exchange.bindings.indexOf(binding) + 1}`);
      const queues = queuesOf(met);
      const match = numbers.length === 1 ? "Binding # matches" : "Bindings # match";
      const get = queues.length === 1 ? "gets" : "get";
      const once = queues.length < numbers.length ? " once" : "";
      return `${match.replace("#", joined(numbers))}: ${joined(queues)} ${get} the message${once}.`;
    }

    function fault() {
      let sentence = "";
      [...list.children].forEach((group, at) => {
        const [queue, binding] = group.querySelectorAll("input");
        const rule = broken[type.value]?.(binding.value);
        queue.setAttribute("aria-invalid", !queue.value);
        binding.setAttribute("aria-invalid", Boolean(rule));
        if (rule) sentence = `The broker refuses binding ${at + 1}: ${rule}.`;
        if (!queue.value) sentence = `Name the queue of binding ${at + 1}.`;
      });
      return sentence;
    }

    function show() {
      says.textContent = fault();
      if (says.textContent) return;
      const table = tables[type.selectedIndex];
      const heads = queuesOf(exchange.bindings).map((queue) =>
        cell("th", "head", queue, ...codes(queue, exchange.bindings)),
      );
      const first = cell("th", "head stub", exchange.labels[1]);
      table.tHead.replaceChildren(element("tr", first, ...heads));
      table.tBodies[0].replaceChildren(...exchange.messages.map(row));
    }

    function numbered(at) {
      const group = blank.cloneNode(true).firstElementChild;
      const [queue, binding] = group.querySelectorAll("input");
      group.setAttribute("aria-label", `Binding ${at + 1}`);
      group.querySelector("b").textContent = at + 1;
      group.querySelector("span").textContent = exchange.labels[0];
      [queue.value, binding.value] = exchange.bindings[at];
      group.addEventListener("input", () => {
        exchange.bindings[at] = [queue.value, binding.value];
        show();
      });
      const remove = group.querySelector("button");
      remove.setAttribute("aria-label", `Remove binding ${at + 1}`);
      remove.addEventListener("click", () => {
        exchange.bindings.splice(at, 1);
        redraw();
        add.focus();
      });
      return group;
    }

    function redraw() {
      list.replaceChildren(...exchange.bindings.map((_, at) => numbered(at)));
      show();
    }

    function choose() {
      exchange = exchanges[type.value];
      tables.forEach((table, at) => {
        table.hidden = at !== type.selectedIndex;
      });
      hint.hidden = type.value !== "headers";
      form.querySelector("label").textContent = exchange.labels[1];
      message.value = exchange.messages[0];
      redraw();
    }

    type.addEventListener("change", choose);
    add.addEventListener("click", () => {
      if (exchange.bindings.length === most.bindings) {
        says.textContent = `The page takes at most ${most.bindings} bindings.`;
        return;
      }
      exchange.bindings.push(["", ""]);
      redraw();
      list.lastElementChild.querySelector("input").focus();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const others = exchange.messages.filter((text) => text !== message.value);
      exchange.messages = [message.value, ...others].slice(0, most.messages);
      show();
      says.textContent ||= outcome(message.value);
    });
    choose();
    controls.hidden = false;
  }

  document.querySelectorAll(".exchange-player").forEach(start);
})();
