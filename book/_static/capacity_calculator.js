// Lets the reader change a capacity calculator, which is complete without this file.
// It computes what capacity_calculator.py does, step by step: a test compares the two.
(() => {
  function start(calculator) {
    const form = calculator.querySelector("fieldset");
    const { fields, step, poll, seconds, lengths, bytes } = JSON.parse(form.dataset.start);
    const [given, results] = calculator.querySelectorAll("table");
    const says = form.querySelector("[role=status]");
    const inputs = [...form.querySelectorAll("input")];
    const whole = (quotient) => Math.ceil(quotient - step);

    function computed(g) {
      const busy = Math.min(g.consumers, g.partitions);
      const capacity = (busy * 1000) / g.service;
      const backlog = g.rate * g.outage * 60;
      const held = (g.round_trip + g.service) / 1000;
      const wantedRate = g.rate + backlog / (g.wanted * 60);
      const stored = g.rate * g.size * g.retention * 86400 * g.replication;
      return {
        busy,
        capacity,
        load: g.rate / capacity,
        backlog,
        drain: g.rate < capacity ? backlog / (capacity - g.rate) : null,
        lag: backlog / capacity,
        needed: whole((wantedRate * g.service) / 1000),
        inFlight: Math.min(g.rate, capacity) * held,
        prefetchNeeded: whole((held * 1000) / g.service),
        prefetchRate: Math.min(capacity, (busy * g.prefetch) / held),
        pollTime: (g.poll * g.service) / 1000,
        kafkaDisk: stored / (1 - g.headroom / 100),
        queue: backlog * g.size * g.replication,
      };
    }

    const grouped = (count) => BigInt(count).toLocaleString("en-GB");

    function number(value) {
      const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
      const scaled = Math.floor(value * 10 ** digits + 0.5);
      if (value > 0 && !scaled) return "below 0.01";
      const after = String(scaled % 10 ** digits).padStart(digits, "0").replace(/0+$/, "");
      const before = grouped(Math.floor(scaled / 10 ** digits));
      return digits && after ? `${before}.${after}` : before;
    }

    // The last unit whose least is not above the value.
    function unit(value, least) {
      const names = Object.keys(least);
      return names.filter((name) => value >= least[name]).at(-1) ?? names[0];
    }

    function time(value) {
      if (!value) return "0 s";
      const name = unit(value, seconds);
      return `${number(value / lengths[name])} ${name}`;
    }

    function size(value) {
      const name = unit(value, bytes);
      return `${number(value / bytes[name])} ${name}`;
    }

    // The words are those of capacity_calculator.py, in the order of its rows.
    function words(f) {
      const late = f.pollTime >= poll ? ": the group loses the consumer" : "";
      const consumers = f.needed === 1 ? "consumer" : "consumers";
      return [
        grouped(f.busy),
        `${number(f.capacity)} messages/s`,
        number(f.load) + (f.drain === null ? ": unstable" : ""),
        `${number(f.backlog)} messages`,
        f.drain === null ? "it never drains" : time(f.drain),
        time(f.lag),
        `${grouped(f.needed)} ${consumers}, and at least as many partitions`,
        `${number(f.inFlight)} messages`,
        grouped(f.prefetchNeeded),
        `${number(f.prefetchRate)} messages/s`,
        `${time(f.pollTime)} of ${poll} s${late}`,
        size(f.kafkaDisk),
        size(f.queue),
      ];
    }

    function verdict(g, f) {
      if (f.drain !== null) {
        return (
          `The load is ${number(f.load)}: ` +
          `after the outage the backlog drains in ${time(f.drain)}.`
        );
      }
      const least = Math.floor((g.rate * g.service) / 1000 + step) + 1;
      return (
        "The load is 1 or more, so the system is unstable: it never drains. " +
        `It needs at least ${grouped(least)} busy consumers.`
      );
    }

    function fault() {
      for (const input of inputs) {
        const wrong = !input.value || !input.validity.valid;
        input.setAttribute("aria-invalid", wrong);
        if (!wrong) continue;
        const [label] = fields[input.name];
        const kind = input.step === "1" ? "whole number" : "number";
        return `${label}: type a ${kind} from ${input.min} to ${input.max}.`;
      }
      return "";
    }

    function write(table, texts) {
      [...table.tBodies[0].rows].forEach((row, place) => {
        row.cells[1].firstElementChild.textContent = texts[place];
      });
    }

    function show() {
      const wrong = fault();
      says.textContent = wrong;
      if (wrong) return;
      const values = inputs.map((input) => [input.name, input.valueAsNumber]);
      const g = Object.fromEntries(values);
      const f = computed(g);
      write(results, words(f));
      write(
        given,
        values.map(([name, value]) =>
          `${value.toLocaleString("en-GB", { maximumFractionDigits: 20 })} ${fields[name][1]}`.trim(),
        ),
      );
      results.querySelector(".caption-text").textContent = verdict(g, f);
    }

    results.querySelector(".caption-text").setAttribute("aria-live", "polite");
    form.addEventListener("input", show);
    given.hidden = true; // The fields say the same, and paper shows the table instead.
    form.hidden = false;
  }

  document.querySelectorAll(".capacity-calculator").forEach(start);
})();
