// The API as the server describes it (/openapi.json), with a form for each route.

const at = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// A schema with its references followed, for reading.
function followed(schema, all, depth = 0) {
  if (Array.isArray(schema)) return schema.map((one) => followed(one, all, depth));
  if (!schema || typeof schema !== "object") return schema;
  if (schema.$ref && depth < 6) return followed(all[schema.$ref.split("/").at(-1)], all, depth + 1);
  return Object.fromEntries(Object.entries(schema).filter(([k]) => k !== "title").map(([k, v]) => [k, followed(v, all, depth)]));
}

function route(method, path, described, all) {
  const schema = followed(described.requestBody?.content["application/json"].schema, all);
  const id = `${method}${path}`.replaceAll("/", "-"), form = element("form");
  const fields = (described.parameters ?? []).map((one) => {
    const input = element("input", { type: "text", name: one.name, value: String(one.schema.default ?? "") });
    form.append(element("label", {}, `${one.name}${one.description ? `: ${one.description}` : ""}`, input));
    return input;
  });
  const body = element("textarea", { rows: 1, spellcheck: false, value: JSON.stringify(schema?.examples?.[0] ?? {}, null, 1) });
  body.rows = Math.min(12, body.value.split("\n").length);
  if (schema) form.append(element("label", {}, "body", body));
  const answer = element("pre", { hidden: true, tabIndex: 0 });
  answer.setAttribute("role", "status");
  form.append(element("button", { type: "submit", textContent: "Send" }), answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const query = new URLSearchParams(fields.map((field) => [field.name, field.value])).toString();
    const options = schema ? { body: body.value, headers: { "Content-Type": "application/json" } } : {};
    try {
      const found = await fetch(path.slice(1) + (query && `?${query}`), { method: method.toUpperCase(), ...options });
      const text = await found.text();
      answer.textContent = `${found.status}\n${JSON.stringify(JSON.parse(text), null, 1)}`;
    } catch (error) {
      answer.textContent = String(error.message);
    }
    answer.hidden = false;
  });
  const title = element("h2", { id }, element("span", { className: "method", textContent: method.toUpperCase() }), path);
  const section = element("section", {}, title, element("p", { textContent: described.description ?? "" }), form);
  section.setAttribute("aria-labelledby", id);
  const shown = { body: schema, answer: followed(described.responses["200"]?.content?.["application/json"]?.schema, all) };
  for (const [what, one] of Object.entries(shown)) {
    if (one) section.append(element("details", {}, element("summary", { textContent: `Schema of the ${what}` }), element("pre", { textContent: JSON.stringify(one, null, 1) })));
  }
  return section;
}

const described = await (await fetch("openapi.json")).json();
at("about").textContent = described.info.description.split("\n\n")[0];
for (const [path, methods] of Object.entries(described.paths)) {
  for (const [method, one] of Object.entries(methods)) at("routes").append(route(method, path, one, described.components.schemas));
}
