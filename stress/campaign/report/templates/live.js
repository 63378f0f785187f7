"use strict";
const sections = (page) => [...page.querySelectorAll("main > section")];
const heading = (section) => section.querySelector("h2").textContent;
const textsOf = (page) => new Map(sections(page).map((section) => [heading(section), section.outerHTML]));
const foldOf = (fold) => (fold.closest("li")?.textContent ?? "").slice(0, 8) + fold.firstElementChild.textContent;
const say = (words) => (document.getElementById("live").textContent = words);
// What the server sent of each section: folds and sorting change what stands in the page.
let sent = textsOf(document);

// Unfold and sort a section as its reader had the old one.
function dressed(section, old, folds) {
  section.querySelectorAll("table.sortable").forEach(sortable);
  for (const fold of section.querySelectorAll("details")) fold.open = folds.get(foldOf(fold)) ?? fold.open;
  for (const head of old?.querySelectorAll("th[aria-sort]") ?? []) {
    const button = section.querySelectorAll("table.sortable thead button")[head.cellIndex];
    button.click();
    if (head.getAttribute("aria-sort") === "descending") button.click();
  }
  return section;
}

// What the keyboard reaches: all that is scrolled by itself is among it.
const stops = () => [...document.querySelectorAll("main :is(a, button, summary, [tabindex])")];
const stopOf = (stop) => [
  (stop.closest("li")?.textContent ?? "").slice(0, 8), stop.tagName,
  stop.ariaLabel ?? stop.closest("details")?.firstElementChild.textContent ?? stop.textContent,
].join();

// Change the page, and leave its reader where they were.
function keepingPlace(change) {
  const held = stops();
  const places = new Map(held.filter((stop) => stop.scrollLeft || stop.scrollTop)
    .map((stop) => [stopOf(stop), [stop.scrollLeft, stop.scrollTop]]));
  const focused = held.includes(document.activeElement) ? stopOf(document.activeElement) : undefined;
  change();
  for (const stop of stops()) {
    const name = stopOf(stop);
    if (places.has(name)) stop.scrollTo(...places.get(name));
    if (name === focused) stop.focus({ preventScroll: true });
  }
}

function show(page) {
  const folds = new Map([...document.querySelectorAll("details")].map((fold) => [foldOf(fold), fold.open]));
  const before = sections(document);
  const old = new Map(before.map((section) => [heading(section), section]));
  const texts = textsOf(page);
  const after = sections(page).map((section) => {
    const name = heading(section);
    return old.has(name) && sent.get(name) === texts.get(name) ? old.get(name) : dressed(section, old.get(name), folds);
  });
  document.title = page.title;
  document.querySelector("header").replaceWith(page.querySelector("header"));
  const alike = before.length === after.length && before.every((section, at) => heading(section) === heading(after[at]));
  if (!alike) document.querySelector("main").replaceChildren(...after);
  else before.forEach((section, at) => section === after[at] || section.replaceWith(after[at]));
  sent = texts;
}

async function renew() {
  const answer = await fetch(location.pathname, { cache: "no-cache" });
  const text = await answer.text();
  if (answer.ok) keepingPlace(() => show(new DOMParser().parseFromString(text, "text/html")));
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
