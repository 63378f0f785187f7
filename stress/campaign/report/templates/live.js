"use strict";
const sections = (page) => [...page.querySelectorAll("main > section")];
const heading = (section) => section.querySelector("h2").textContent;
// What the server sent of each section: sorting and folds change what stands in the page.
const sent = new Map(sections(document).map((section) => [heading(section), section.outerHTML]));
const say = (words) => (document.getElementById("live").textContent = words);

const foldOf = (fold) => (fold.closest("li")?.textContent ?? "").slice(0, 8) + fold.firstElementChild.textContent;

function put(section, old) {
  const sorted = [...old.querySelectorAll("th[aria-sort]")].map((head) => [head.cellIndex, head.getAttribute("aria-sort")]);
  const folds = new Map([...old.querySelectorAll("details")].map((fold) => [foldOf(fold), fold.open]));
  old.replaceWith(section);
  section.querySelectorAll("table.sortable").forEach(sortable);
  for (const [column, way] of sorted) {
    const button = section.querySelectorAll("table.sortable thead button")[column];
    button.click();
    if (way === "descending") button.click();
  }
  for (const fold of section.querySelectorAll("details")) fold.open = folds.get(foldOf(fold)) ?? fold.open;
}

function show(page) {
  const [before, after] = [sections(document), sections(page)];
  const texts = new Map(after.map((section) => [heading(section), section.outerHTML]));
  document.title = page.title;
  document.querySelector("header").replaceWith(page.querySelector("header"));
  const alike = before.length === after.length && before.every((old, at) => heading(old) === heading(after[at]));
  if (!alike) {
    document.querySelector("main").replaceChildren(...after);
    document.querySelectorAll("table.sortable").forEach(sortable);
  } else {
    before.forEach((old, at) => {
      if (sent.get(heading(old)) !== texts.get(heading(old))) put(after[at], old);
    });
  }
  sent.clear();
  texts.forEach((text, name) => sent.set(name, text));
}

async function renew() {
  const answer = await fetch(location.pathname, { cache: "no-cache" });
  const text = await answer.text();
  if (answer.ok) show(new DOMParser().parseFromString(text, "text/html"));
  say(answer.ok ? `As of ${new Date().toLocaleTimeString()}` : text);
}

function listen() {
  const source = new EventSource("events");
  source.addEventListener("message", (event) => {
    if (event.data === document.getElementById("live").dataset.tag) say("Shows what changes");
    else renew().catch(() => say("The server does not answer"));
  });
  source.addEventListener("error", () => {
    say("The server does not answer; trying again");
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  });
}
listen();
