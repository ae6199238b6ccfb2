"use strict";
// Keeps the page up to date: asks for it again each second and puts what has changed in its place, so that what is open,
// focused or scrolled to stays so. All text is made by the server; the page is complete without this.
(() => {
  const EVERY = 1000;
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const make = (tag, properties, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };

  // ---- what the reader has chosen, kept in the address so that it can be sent to somebody else

  const chosen = new URLSearchParams(location.hash.startsWith("#?") ? location.hash.slice(2) : "");
  const words = make("input", { type: "search", size: 24, value: chosen.get("q") || "" });
  const states = make("select", {});
  for (const [value, text] of [["", "all members"], ["trouble", "in trouble"], ["bad", "down"], ["warn", "not reporting"],
    ["drain", "draining"], ["off", "off"], ["good", "available"]]) {
    states.append(make("option", { value, textContent: text }));
  }
  states.value = chosen.get("s") || "";
  // A narrow window shows members as cards, without the heads that sort: it has this instead.
  const order = make("select", {});
  const pause = make("button", { type: "button", textContent: "Pause" });
  const said = make("span", { id: "said" });
  said.setAttribute("role", "status");
  let sorting = (chosen.get("o") || "").match(/^-?\w+$/)?.[0] || "", paused = false;

  const remember = () => {
    const all = new URLSearchParams();
    if (words.value) all.set("q", words.value);
    if (states.value) all.set("s", states.value);
    if (sorting) all.set("o", sorting);
    history.replaceState(null, "", all.toString() ? "#?" + all : location.pathname + location.search);
  };

  const shows = (body) => {
    const all = $(".name", body).textContent + " " + $(".metrics", body).textContent + " " + ($(".note", body)?.textContent || "");
    const kind = body.className;
    return words.value.toLowerCase().split(/\s+/).every((word) => all.toLowerCase().includes(word))
      && (!states.value || (states.value === "trouble" ? kind !== "good" : kind === states.value));
  };

  // Whoever writes into a form keeps it where it is: its member stays to be seen, and its table in its order.
  const configured = new Map($$("tbody").map((body, at) => [body, at]));
  const arrange = (asked) => {
    const [name, down] = [sorting.replace("-", ""), sorting.startsWith("-")];
    order.value = sorting;
    for (const table of $$("table")) {
      const bodies = [...table.tBodies], busy = $(".forms[open]", table)?.closest("tbody");
      for (const body of bodies) body.hidden = body !== busy && !shows(body);
      table.hidden = bodies.every((body) => body.hidden);
      const key = (body) => {
        if (!name) return configured.get(body);
        if (name === "name") return body.id;
        const text = $("." + name, body)?.dataset.v;
        return text ? Number(text) : NaN;
      };
      const ordered = bodies.map((body) => [key(body), body]).sort(([a], [b]) => {
        if (typeof a === "string") return a.localeCompare(b, "en", { numeric: true }) * (down ? -1 : 1);
        // What is not known comes last either way.
        if (isNaN(a) || isNaN(b)) return isNaN(a) - isNaN(b);
        return (a - b) * (down ? -1 : 1);
      }).map(([, body]) => body);
      if ((asked || !busy) && ordered.some((body, at) => body !== bodies[at])) place(table, ordered);
      for (const head of table.tHead.rows[0].cells) {
        if (head.className === name) head.setAttribute("aria-sort", down ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      }
    }
  };

  // What has the focus would lose it by being moved, so all others are moved around it.
  const place = (table, ordered) => {
    const still = Math.max(0, ordered.findIndex((body) => body.contains(document.activeElement)));
    ordered[still].before(...ordered.slice(0, still));
    table.append(...ordered.slice(still + 1));
  };

  const sortBy = (by) => {
    sorting = by;
    remember();
    arrange(true);
  };

  const makeSortable = () => {
    order.append(make("option", { value: "", textContent: "as configured" }));
    for (const head of $$("thead th")) {
      const key = head.className;
      if (key === "metrics" || key === "change") continue;
      // Names from a to z first, figures from the largest.
      const [first, second] = key === "name" ? [key, "-" + key] : ["-" + key, key];
      const button = make("button", { type: "button", textContent: head.textContent });
      button.addEventListener("click", () => sortBy(sorting === first ? second : first));
      if (!$(`[value="${first}"]`, order)) order.append(make("option", { value: first, textContent: head.textContent }));
      head.replaceChildren(button);
    }
    order.addEventListener("change", () => sortBy(order.value));
  };

  // ---- what is new

  let seen = new Map(), seenAt = 0;

  // Requests a second since the last look: the server's own are over the last ten to twenty.
  const measure = (root) => {
    const now = Number($("main", root)?.dataset.now || 0), counts = new Map();
    for (const figure of $$("[data-n]", root)) {
      const id = figure.closest("[id]").id, count = Number(figure.dataset.n);
      counts.set(id, count);
      if (seen.has(id) && now > seenAt) {
        const rate = Math.max(0, count - seen.get(id)) * 1000 / (now - seenAt);
        figure.textContent = rate >= 99.95 ? Math.round(rate).toLocaleString("en-US") : String(+rate.toFixed(1));
        const cell = figure.closest("td");
        if (cell) cell.dataset.v = rate.toFixed(3);
      }
    }
    [seen, seenAt] = [counts, now];
  };

  const put = (old, fresh) => {
    if (old.className !== fresh.className) old.className = fresh.className;
    for (const name of ["data-v", "data-now"]) {
      if (fresh.hasAttribute(name)) old.setAttribute(name, fresh.getAttribute(name));
    }
    if (old.innerHTML !== fresh.innerHTML) old.replaceChildren(...fresh.childNodes);
  };

  const putMember = (old, fresh) => {
    if (old.className !== fresh.className) old.className = fresh.className;
    const row = old.rows[0];
    for (const cell of fresh.rows[0].cells) {
      const mine = $("." + cell.className, row);
      if (mine) put(mine, cell);
    }
    const [note, new_note] = [old.rows[1], fresh.rows[1]];
    if (note && new_note) put(note.cells[0], new_note.cells[0]);
    else if (note) note.remove();
    else if (new_note) old.append(new_note);
  };

  const putMap = (old, fresh) => {
    [...fresh.children].forEach((other, at) => {
      const mine = old.children[at];
      if (mine.title === other.title) return;
      [mine.className, mine.title] = [other.className, other.title];
      mine.replaceChildren(...other.childNodes);
    });
  };

  const putFarm = (old, fresh) => {
    old.className = fresh.className;
    if ($(".map", old)) putMap($(".map", old), $(".map", fresh));
    for (const part of [".cond", "dl"]) {
      const [mine, other] = [$(part, old), $(part, fresh)];
      if (mine && other) put(mine, other);
    }
    const [note, new_note] = [$("p.note", old), $("p.note", fresh)];
    if (note && new_note) put(note, new_note);
    else if (note) note.remove();
    else if (new_note) $(".head", old).after(new_note);
    for (const body of $$("tbody", fresh)) putMember(document.getElementById(body.id), body);
  };

  const shape = (root) => $$("main section, main tbody", root).map((part) => part.id).sort().join(" ");

  const show = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    if (!$("main", fresh)) throw new Error("the answer is not the page of farms");
    measure(fresh);
    if (shape(document) !== shape(fresh)) {
      // Farms or members have come or gone. Whoever is writing finishes that first.
      if ($(".forms[open], input:focus")) return say("The configuration has changed: reload the page.");
      return location.reload();
    }
    if (!$("section")) return say("");
    for (const section of $$("section", fresh)) putFarm(document.getElementById(section.id), section);
    $("main").dataset.now = $("main", fresh).dataset.now;
    put($("#sum"), $("#sum", fresh));
    put($("footer"), $("footer", fresh));
    arrange();
    say("");
  };

  const say = (text) => { if (said.textContent !== text) said.textContent = text; };

  // A slow server or line is asked less often.
  const update = async () => {
    const begun = performance.now();
    if (!paused && !document.hidden) {
      try {
        const answer = await fetch(location.pathname + location.search, { headers: { "X-Farm-Page": "1" }, cache: "no-store",
          signal: AbortSignal.timeout(10000) });
        if (!answer.ok) throw new Error("the server answers " + answer.status);
        const text = await answer.text();
        if (!paused) show(text);
      } catch (fault) {
        say("Not up to date: " + (fault.name === "TimeoutError" || fault instanceof TypeError ? "the server does not answer" : fault.message) + ".");
      }
    }
    const took = performance.now() - begun;
    setTimeout(update, Math.max(EVERY - took, took * 3, 100));
  };

  // ---- changes

  // Why a change was not made stands in its form until the next attempt, beside what was typed.
  const refuse = (form, text) => {
    $(".refused", form)?.remove();
    if (!text) return;
    const line = make("p", { className: "refused", textContent: "Not changed: " + text });
    line.setAttribute("role", "alert");
    form.append(line);
    line.scrollIntoView({ block: "nearest" });
  };

  const change = async (event) => {
    event.preventDefault();
    const form = event.target, fields = new URLSearchParams(new FormData(form, event.submitter));
    try {
      const answer = await fetch(form.action, { method: "POST", body: fields, headers: { "X-Farm-Page": "1" } });
      const text = await answer.text();
      if (!answer.ok) {
        const line = answer.headers.get("Content-Type")?.startsWith("text/plain") ? text.split("\n")[0].replace(/^error: /, "") : "";
        throw new Error(line || "the server answers " + answer.status);
      }
      form.reset();
      refuse(form);
      const details = form.closest("details"), within = details.contains(document.activeElement);
      details.open = false;
      if (within) $("summary", details).focus();
      show(text);
    } catch (fault) {
      refuse(form, fault instanceof TypeError ? "the server does not answer" : fault.message);
    }
  };

  for (const [control, event] of [[words, "input"], [states, "change"]]) {
    control.addEventListener(event, () => { remember(); arrange(); });
  }
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
  });
  document.addEventListener("submit", change);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.closest("input, select")) {
      event.preventDefault();
      words.focus();
    } else if (event.key === "Escape") {
      const open = $(".forms[open]");
      if (open) {
        open.open = false;
        $("summary", open).focus();
      }
    }
  });
  $("#tools").append(make("label", {}, "Filter ", words), make("label", {}, "Show ", states),
    make("label", { className: "order" }, "Sort ", order), pause, said);
  makeSortable();
  measure(document);
  arrange();
  setTimeout(update, EVERY);
})();
