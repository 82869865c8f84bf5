// Lets the reader change the table of a partition player, which is complete without this file.
// What it computes is compared with Python and with the clients: see the tests of partition_player.
(() => {
  const MOST_KEYS = 50; // As in partition_player.py.
  const EMPTY_KEY = '""';
  const encoder = new TextEncoder();

  // The result is unsigned. Java's is the same 32 bits with a sign, which the partition leaves out.
  function murmur2(bytes) {
    const m = 0x5bd1e995;
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const tail = bytes.length & ~3;
    let h = 0x9747b28c ^ bytes.length;
    for (let at = 0; at < tail; at += 4) {
      const k = Math.imul(words.getUint32(at, true), m);
      h = Math.imul(h, m) ^ Math.imul(k ^ (k >>> 24), m);
    }
    for (let at = tail; at < bytes.length; at++) h ^= bytes[at] << (8 * (at - tail));
    if (tail < bytes.length) h = Math.imul(h, m);
    h = Math.imul(h ^ (h >>> 13), m);
    return (h ^ (h >>> 15)) >>> 0;
  }

  function crc32(bytes) {
    let crc = ~0;
    for (const byte of bytes) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc >>> 0;
  }

  // Each gives the partition, or null where the client treats the key like none.
  const functions = [
    (bytes, partitions) => (murmur2(bytes) & 0x7fffffff) % partitions,
    (bytes, partitions) => (bytes.length ? crc32(bytes) % partitions : null),
  ];

  function keysIn(text) {
    const keys = text.split(/[\n,]/).map((key) => key.trim());
    return [...new Set(keys.filter((key) => key))];
  }

  // A key, and for each function its partition at first and its partition now.
  function placed(key, first, now) {
    const bytes = encoder.encode(key === EMPTY_KEY ? "" : key);
    return { key, places: functions.map((place) => [place(bytes, first), place(bytes, now)]) };
  }

  function element(name, ...content) {
    const made = document.createElement(name);
    made.append(...content);
    return made;
  }

  function moves([before, after]) {
    return before !== after;
  }

  // The words are those of partition_player.py; no line ends between the two numbers.
  function cell(place) {
    const [before, after] = place;
    if (!moves(place)) return element("td", element("p", after ?? "varies, as without a key"));
    const marked = element("td", element("p", `moves ${before}\u00a0→\u00a0${after}`));
    marked.className = "moves";
    return marked;
  }

  function row({ key, places }) {
    const code = element("code", key);
    code.className = "docutils literal notranslate";
    const heading = element("th", element("p", code));
    heading.className = "stub";
    return element("tr", heading, ...places.map(cell));
  }

  function caption(rows, first, now) {
    if (!rows.length) return "There is no key yet.";
    if (first === now) return `With ${now} ${now === 1 ? "partition" : "partitions"}.`;
    const [byMurmur2, byCrc32] = functions.map(
      (_, column) => rows.filter(({ places }) => moves(places[column])).length,
    );
    const noun = rows.length === 1 ? "key" : "keys";
    return (
      `From ${first} to ${now} partitions, murmur2 moves ${byMurmur2} of ${rows.length} ` +
      `${noun} and CRC32 ${byCrc32} of ${rows.length}.`
    );
  }

  function start(player) {
    const keys = player.querySelector("textarea");
    const [first, now] = player.querySelectorAll("input");
    const says = player.querySelector("[role=status]");
    const over = player.querySelector("caption .caption-text");
    const most = Number(first.max);
    over.setAttribute("aria-live", "polite");

    function fault() {
      for (const input of [first, now]) {
        const whole = Number.isInteger(input.valueAsNumber);
        const wrong = !whole || input.valueAsNumber < 1 || input.valueAsNumber > most;
        input.setAttribute("aria-invalid", wrong);
        if (wrong) return `Type a whole number of partitions from 1 to ${most}.`;
      }
      if (now.valueAsNumber >= first.valueAsNumber) return "";
      now.setAttribute("aria-invalid", true);
      return "Kafka can add partitions to a topic and take none away.";
    }

    function show() {
      says.textContent = fault();
      if (says.textContent) return;
      const all = keysIn(keys.value);
      const counts = [first.valueAsNumber, now.valueAsNumber];
      const rows = all.slice(0, MOST_KEYS).map((key) => placed(key, ...counts));
      if (all.length > MOST_KEYS) {
        says.textContent = `The table shows the first ${MOST_KEYS} of ${all.length} keys.`;
      }
      player.querySelector("tbody").replaceChildren(...rows.map(row));
      over.textContent = caption(rows, ...counts);
    }

    keys.addEventListener("input", show);
    now.addEventListener("input", show);
    first.addEventListener("input", () => {
      now.value = first.value; // It is another topic, to which nothing was added.
      show();
    });
    player.querySelector("button").addEventListener("click", () => {
      if (!fault()) now.value = now.valueAsNumber + 1;
      show();
    });
    player.querySelector("fieldset").hidden = false;
  }

  document.querySelectorAll(".partition-player").forEach(start);
})();
