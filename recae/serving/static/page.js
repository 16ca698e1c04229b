// The page: ratings on one side, the list that follows from them on the other. Titles are set as text, never as markup.

import { ask, idText, key, name, Refused } from "./ask.js";
import { combobox } from "./combobox.js";

const at = (id) => document.getElementById(id);
const state = { card: null, rated: [], user: undefined, who: "mine" };
const four = new Intl.NumberFormat("en", { minimumSignificantDigits: 4, maximumSignificantDigits: 4 });
const two = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });
const scoreText = (score) => (Number.isInteger(score) ? score.toLocaleString("en") : four.format(score));
let asking = null;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function problem(text) {
  at("problem").textContent = text ?? "";
  at("problem").hidden = !text;
}

// ---------------------------------------------------------------- what is remembered

const store = () => `recae:${state.card.data.name}:${state.card.data.n_items}`;

function remember() {
  try {
    localStorage.setItem(store(), JSON.stringify(state.rated));
  } catch { /* a browser that keeps nothing */ }
}

function recall() {
  try {
    const kept = JSON.parse(localStorage.getItem(store()) ?? "[]");
    state.rated = Array.isArray(kept) ? kept.filter((one) => one && "item" in one) : [];
  } catch {
    state.rated = [];
  }
}

// ---------------------------------------------------------------- ratings

// Five steps of the scale; none where a model only asks what was chosen.
function levels() {
  const { predicts_ratings: rates, data: { scale: [low, high] } } = state.card;
  if (!rates || low === high) return [];
  if (low <= 1 && high === 5) return [1, 2, 3, 4, 5];
  return [0, 1, 2, 3, 4].map((step) => Number((low + ((high - low) * step) / 4).toPrecision(4)));
}

function stars(one) {
  const steps = levels();
  const group = element("fieldset", { className: "stars" }, element("legend", { className: "hidden", textContent: `Rating of ${name(one)}` }));
  const paint = () => group.querySelectorAll("span").forEach((span, i) => span.classList.toggle("on", steps[i] <= one.rating));
  for (const step of steps) {
    const input = element("input", { type: "radio", name: `stars ${key(one.item)}`, value: String(step), checked: step === one.rating });
    input.setAttribute("aria-label", `${step} of ${steps.at(-1)}`);
    input.addEventListener("change", () => {
      one.rating = step;
      paint();
      remember();
      refresh();
    });
    const mark = element("span", { textContent: "★" });
    mark.setAttribute("aria-hidden", "true");
    group.append(element("label", {}, input, mark));
  }
  paint();
  return group;
}

function showRated() {
  at("none-rated").hidden = state.rated.length > 0;
  at("clear").hidden = state.rated.length < 2;
  at("rated").replaceChildren(...state.rated.map((one) => {
    const remove = element("button", { type: "button", textContent: "✕" });
    remove.setAttribute("aria-label", `Remove ${name(one)}`);
    remove.addEventListener("click", () => {
      state.rated = state.rated.filter((other) => other !== one);
      changed();
      at("item-search").focus();
    });
    const title = element("span", { className: "title", textContent: name(one) });
    return element("li", { className: "entry" }, title, ...(levels().length ? [stars(one)] : []), remove);
  }));
}

function changed() {
  remember();
  showRated();
  refresh();
}

// A new item gets the second best rating: most who look for something liked it.
function rate({ item, title }) {
  if (!state.rated.some((one) => key(one.item) === key(item))) {
    state.rated.unshift({ item, title, rating: levels().at(-2) });
    changed();
  }
  const first = [...at("rated").children][state.rated.findIndex((one) => key(one.item) === key(item))];
  first?.querySelector("input:checked, button")?.focus();
}

// ---------------------------------------------------------------- the list

function whose() {
  if (state.who === "known") return state.user === undefined ? null : { user: state.user };
  const rates = levels().length > 0;
  return { events: state.rated.map(({ item, rating }) => (rates ? { item, rating } : { item })) };
}

async function refresh() {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking, user = whose(), list = at("list");
  at("list-title").textContent = state.who === "mine" ? "My list" : user ? `List of user ${idText(user.user)}` : "A known user’s list";
  if (!user) {
    list.replaceChildren();
    at("list-head").hidden = at("no-items").hidden = true;
    return;
  }
  const where = at("where").value.trim();
  at("no-reasons").hidden = true;
  list.setAttribute("aria-busy", "true");
  try {
    const answer = await ask("recommend", { ...user, n: Number(at("length").value), ...(where ? { where } : {}) }, signal);
    problem();
    whereProblem();
    list.replaceChildren(...answer.items.map(listed));
    showHead(answer.items);
    at("no-items").hidden = answer.items.length > 0;
    at("said").textContent = answer.items.length
      ? `The list has ${answer.items.length} items; the first is ${name(answer.items[0])}.` : "The list is empty.";
    if (answer.fingerprint !== state.card.fingerprint) await readCard();
    await explain(user, answer.items, signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (where && error instanceof Refused) whereProblem(error.message);
    else problem(error.message);
  } finally {
    if (!signal.aborted) list.removeAttribute("aria-busy");
  }
}

function whereProblem(text) {
  at("where-problem").textContent = text ?? "";
  at("where-problem").hidden = !text;
  at("where").setAttribute("aria-invalid", String(Boolean(text)));
}

// What the numbers are: of a list without ratings the items' numbers of ratings, unless the model has scores for everybody.
function showHead(items) {
  const popular = state.who === "mine" && !state.rated.length && items.every((one) => Number.isInteger(one.score));
  at("number").textContent = popular ? "ratings" : "score";
  at("list-head").hidden = !items.length;
  const acts = [...(at("list").querySelector(".acts")?.children ?? [])];  // as wide as below, and not seen
  at("list-head").querySelector(".acts").replaceChildren(...acts.map((one) => element("button", { type: "button", textContent: one.textContent, tabIndex: -1 })));
}

function listed(one) {
  const similar = element("button", { type: "button", textContent: "Similar" });
  similar.setAttribute("aria-label", `Similar to ${name(one)}`);
  similar.addEventListener("click", () => showSimilar(one));
  const score = element("span", { className: "score", textContent: scoreText(one.score) });
  const add = state.who === "mine" ? [rateButton(one)] : [];
  const entry = element("div", { className: "entry" },
    element("span", { className: "rank", textContent: String(one.rank) }),
    element("span", { className: "title", textContent: name(one) }), score, element("span", { className: "acts" }, ...add, similar));
  return element("li", {}, entry, element("p", { className: "why", hidden: true }));
}

function rateButton(one) {
  const button = element("button", { type: "button", textContent: levels().length ? "Rate" : "Add" });
  button.setAttribute("aria-label", `${button.textContent} ${name(one)}`);
  button.addEventListener("click", () => {
    at("similar").close();
    rate(one);
  });
  return button;
}

// What ratings add to the score: those that add most. The rest of a score is not theirs, such as what is popular with all.
// Where a model cannot say it in time, nothing is said.
async function explain(user, items, signal) {
  if (!items.length || (user.events && !user.events.length)) return;
  let answer;
  try {
    answer = await ask("explain", { ...user, items: items.slice(0, 20).map((one) => one.item), n: 2 }, signal);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    at("no-reasons").textContent = `Without reasons: ${error.message}.`;
    at("no-reasons").hidden = false;
    return;
  }
  answer.explanations.forEach((one, i) => {
    const reasons = one.contributions.filter((part) => part.contribution > 0);
    const line = at("list").children[i]?.querySelector(".why");
    if (!line || !reasons.length) return;
    const whose = `${state.who === "mine" ? "your" : "their"} ${levels().length ? "ratings" : "items"}`;
    line.textContent = `${whose} add: ${reasons.map((part) => `${name(part)} +${two.format(part.contribution)}`).join("; ")}`;
    line.hidden = false;
  });
}

async function showSimilar(one) {
  try {
    const answer = await ask("similar", { item: one.item, n: Math.min(10, state.card.data.n_items) });
    at("similar-title").textContent = `Similar to ${name(one)}`;
    at("similar-list").replaceChildren(...answer.items.map((other) => element("li", { className: "entry" },
      element("span", { className: "rank", textContent: String(other.rank) }),
      element("span", { className: "title", textContent: name(other) }),
      element("span", { className: "score", textContent: scoreText(other.score), title: "cosine similarity" }),
      ...(state.who === "mine" ? [rateButton(other)] : []))));
    at("similar").showModal();
    at("similar").scrollTop = 0;
  } catch (error) {
    problem(error.message);
  }
}

// ---------------------------------------------------------------- the beginning

async function readCard() {
  state.card = await ask("model");
  const { model, data } = state.card, count = (n) => n.toLocaleString("en");
  at("about").textContent = `${model} on ${data.name}: ${count(data.n_users)} users, ${count(data.n_items)} items, ${count(data.n_ratings)} ratings`;
  at("filter").hidden = data.columns.length === 0;
  at("columns").textContent = data.columns.join(", ");
  const rates = levels().length > 0;
  document.querySelector("label[for=item-search]").textContent = `Search an item and ${rates ? "rate" : "add"} it`;
  at("rated-title").textContent = rates ? "My ratings" : "My items";
  at("clear").textContent = rates ? "Remove all ratings" : "Remove all";
}

async function search(path, what) {
  try {
    return (await ask(path))[what];
  } catch (error) {
    problem(error.message);
    return null;
  }
}

function whoChanged() {
  state.who = document.querySelector("input[name=who]:checked").value;
  at("mine").hidden = state.who !== "mine";
  at("known").hidden = state.who !== "known";
  refresh();
}

async function begin() {
  combobox(at("item-search"), at("item-results"), {
    search: (text) => search(`items?n=12&q=${encodeURIComponent(text.slice(0, 200))}`, "items"), label: name, take: rate,
  });
  combobox(at("user-search"), at("user-results"), {
    search: (text) => search(`users?n=12&q=${encodeURIComponent(text.slice(0, 200))}`, "users"), label: idText,
    take: (user) => {
      state.user = user;
      at("chosen-user").textContent = `User ${idText(user)}`;
      refresh();
    },
  });
  document.querySelectorAll("input[name=who]").forEach((one) => one.addEventListener("change", whoChanged));
  at("length").addEventListener("change", refresh);
  at("where").addEventListener("change", refresh);
  at("clear").addEventListener("click", () => {
    state.rated = [];
    changed();
    at("item-search").focus();
  });
  at("close-similar").addEventListener("click", () => at("similar").close());
  at("similar").addEventListener("click", (event) => { if (event.target === at("similar")) at("similar").close(); });
  try {
    await readCard();
  } catch (error) {
    return problem(error.message);
  }
  recall();
  showRated();
  whoChanged();
}

begin();
