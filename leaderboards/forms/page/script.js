"use strict";
// Samples: one part, a suite in a language, is read when it is chosen; whatever it holds is shown as text alone.
(() => {
  const form = document.getElementById("choose");
  if (!form) return;
  const at = (id) => document.getElementById(id);
  const AT_ONCE = 20, LONGEST = 1500;
  const [TEXT, PAPER, STRICT, PAPER_READ, STRICT_READ, CUT, LANGUAGE, TOKENS, THINKING, CUT_THINKING, ASKED] =
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const parts = new Map(), waiting = new Map();
  let part = null, shown = 0, matches = [];

  const made = (tag, text, name) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  };
  const short = (name) => (name.length > 40 ? `${name.slice(0, 39)}…` : name);
  const unpacked = async (packed) => {
    const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };
  // a part beside the page calls this when its script has been loaded
  window.xreasonSamples = (key, packed) => waiting.get(key)?.(packed);
  const packedPart = (key) => new Promise((resolve, reject) => {
    const embedded = document.querySelector(`script[data-samples="${CSS.escape(key)}"]`);
    if (embedded) return resolve(embedded.textContent);
    waiting.set(key, resolve);
    const script = made("script");
    script.src = `samples/${encodeURIComponent(key)}.js`;
    script.onerror = () => reject(new Error(`samples/${key}.js is not beside this page`));
    document.head.append(script);
  });
  const read = (key) => {
    if (!parts.has(key)) parts.set(key, packedPart(key).then(unpacked));
    return parts.get(key);
  };

  const long = (text) => {
    const box = made("div", undefined, "text");
    box.dir = "auto";
    if (text.length <= LONGEST) {
      box.textContent = text;
      return box;
    }
    const fold = made("details", undefined, "fold");
    fold.append(made("summary", `${text.slice(0, 600)}… (all ${text.length.toLocaleString("en")} characters)`), made("span", text));
    box.append(fold);
    return box;
  };
  const verdict = (name, right, what) => {
    const line = made("p", undefined, "read");
    const value = made("bdi", what === null ? "no number" : what);
    line.append(`${name}: `, made("span", right ? "✓ right" : "✗ wrong", right ? "right" : "wrong"), ", read ", value);
    return line;
  };
  const answer = (column, response) => {
    const box = made("div"), title = made("h4");
    title.append(made("bdi", short(column)));
    box.append(title);
    if (!response) {
      box.append(made("p", "not asked"));
      return box;
    }
    box.append(verdict("papers’ reading", response[PAPER], response[PAPER_READ]));
    box.append(verdict("strict reading", response[STRICT], response[STRICT_READ]));
    const told = [];
    if (response[LANGUAGE] !== null) told.push(response[LANGUAGE] ? "in the question’s language" : "in another language");
    if (response[CUT]) told.push("cut off");
    if (response[CUT_THINKING]) told.push("thinking cut off");
    if (response[TOKENS] !== null) told.push(`${response[TOKENS]} tokens`);
    if (told.length) box.append(made("p", told.join(", "), "read"));
    if (typeof response[ASKED] === "string") box.append(made("p", "Put into English and asked as:", "read"), long(response[ASKED]));
    if (response[THINKING]) box.append(made("p", "Thinking:", "read"), long(response[THINKING]), made("p", "Answer:", "read"));
    box.append(long(response[TEXT]));
    return box;
  };
  const chosen = () => [...at("columns").querySelectorAll("input:checked")].map((box) => Number(box.value));
  const article = (question) => {
    const box = made("article");
    box.append(made("h3", `Question ${question.id + 1}`), long(question.question));
    const gold = made("p", "Gold: ");
    gold.append(made("bdi", question.gold));
    const answers = made("div", undefined, "answers");
    answers.tabIndex = 0;
    answers.setAttribute("role", "group");
    answers.setAttribute("aria-label", `Responses to question ${question.id + 1}`);
    answers.append(...chosen().map((column) => answer(part.columns[column], question.responses[column])));
    box.append(gold, answers);
    return box;
  };
  const FILTERS = {
    "all": () => true,
    "a-not-b": (of, some, a, b) => of[a]?.[part.right] && of[b] && !of[b][part.right],
    "b-not-a": (of, some, a, b) => of[b]?.[part.right] && of[a] && !of[a][part.right],
    "readings": (of, some) => some.some((each) => each[PAPER] !== each[STRICT]),
    "cut": (of, some) => some.some((each) => each[CUT]),
    "language": (of, some) => some.some((each) => each[LANGUAGE] === false),
  };
  const further = () => {
    at("questions").append(...matches.slice(shown, shown + AT_ONCE).map(article));
    shown = Math.min(shown + AT_ONCE, matches.length);
    at("further").hidden = shown >= matches.length;
  };
  const find = () => {
    if (!part) return;
    const keep = FILTERS[at("filter").value], [a, b] = [Number(at("a").value), Number(at("b").value)];
    const columns = chosen(), text = at("search").value.trim().toLowerCase();
    matches = part.questions.filter((question) => {
      const some = columns.map((column) => question.responses[column]).filter(Boolean);
      if (!keep(question.responses, some, a, b)) return false;
      return !text || [question.question, question.gold, ...some.map((each) => `${each[THINKING] ?? ""}${each[TEXT]}`)].some((each) => each.toLowerCase().includes(text));
    });
    shown = 0;
    at("questions").replaceChildren();
    at("found").textContent = `${matches.length.toLocaleString("en")} of ${part.questions.length.toLocaleString("en")} questions`;
    further();
  };
  const fill = (select, columns, place) => {
    const before = select.value;
    select.replaceChildren(...columns.map((column, value) => {
      const option = made("option", short(column));
      option.value = value;
      return option;
    }));
    select.value = before && before < columns.length ? before : Math.min(place, columns.length - 1);
  };
  const choose = async () => {
    const key = at("part").value;
    at("found").textContent = "Reading …";
    try {
      const found = await read(key);
      if (key !== at("part").value) return;
      const again = part && String(part.columns) === String(found.columns);
      part = found;
      if (!again) {
        fill(at("a"), part.columns, 1);
        fill(at("b"), part.columns, 0);
        at("columns").replaceChildren(...part.columns.map((column, value) => {
          const label = made("label"), box = made("input");
          Object.assign(box, { type: "checkbox", value, checked: part.first.includes(value) });
          label.append(box, made("bdi", short(column)));
          return label;
        }));
      }
      find();
    } catch (error) {
      part = null;
      parts.delete(key);
      at("questions").replaceChildren();
      at("further").hidden = true;
      at("found").textContent = `These samples cannot be read: ${error.message}.`;
    }
  };
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", (event) => (event.target.id === "part" ? choose() : find()));
  at("search").addEventListener("input", find);
  at("further").addEventListener("click", further);
  // the page itself is painted before samples are read
  new IntersectionObserver((seen, watch) => {
    if (seen.some((each) => each.isIntersecting)) {
      watch.disconnect();
      choose();
    }
  }, { rootMargin: "600px" }).observe(form);
})();
