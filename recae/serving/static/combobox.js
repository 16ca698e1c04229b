// A text field with a list of what is found, as WAI-ARIA's combobox pattern has it: arrows move, Enter takes, Escape
// closes. Texts are set as text, never as markup.

export function combobox(input, list, { search, label, take }) {
  let found = [], active = -1, turn = 0, wait = 0;

  const close = () => {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };

  const activate = (index) => {
    active = index;
    [...list.children].forEach((option, i) => option.setAttribute("aria-selected", String(i === index)));
    if (index < 0) return;
    input.setAttribute("aria-activedescendant", list.children[index].id);
    list.children[index].scrollIntoView({ block: "nearest" });
  };

  const choose = (index) => {
    if (index < 0 || index >= found.length) return;
    const one = found[index];
    input.value = "";
    close();
    take(one);
  };

  const show = (items) => {
    found = items;
    const options = items.map((one, i) => {
      const option = document.createElement("li");
      option.id = `${list.id}-${i}`;
      option.setAttribute("role", "option");
      option.textContent = label(one);
      option.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
      option.addEventListener("click", () => choose(i));
      return option;
    });
    if (!items.length) {
      const nothing = document.createElement("li");
      nothing.setAttribute("role", "option");
      nothing.setAttribute("aria-disabled", "true");
      nothing.textContent = "Nothing found";
      options.push(nothing);
    }
    list.replaceChildren(...options);
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    input.removeAttribute("aria-activedescendant");
    activate(items.length ? 0 : -1);
  };

  const ask = () => {
    const mine = ++turn, text = input.value.trim();
    clearTimeout(wait);
    if (!text) return close();
    wait = setTimeout(async () => {
      const items = await search(text);
      if (mine === turn && items) show(items); // a later question has been asked, or there is no answer
    }, 120);
  };

  input.addEventListener("input", ask);
  input.addEventListener("focus", () => { if (input.value.trim()) ask(); });
  input.addEventListener("blur", () => { turn++; close(); });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !list.hidden) {
      turn++;
      close();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && found.length && !list.hidden) {
      activate((active + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length);
    } else if (event.key === "Enter" && !list.hidden) {
      choose(active);
    } else return;
    event.preventDefault();
  });
}
