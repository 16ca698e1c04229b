// Questions to the server. Ids are as large as they are: what JavaScript's numbers cannot hold is kept as it was written,
// where the browser can.

const exact = (_, value, context) =>
  typeof value === "number" && context && JSON.rawJSON && /^-?\d+$/.test(context.source) && !Number.isSafeInteger(value)
    ? JSON.rawJSON(context.source)
    : value;

export class Refused extends Error {}

export async function ask(path, body, signal) {
  const options = body === undefined ? { signal } : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal,
  };
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer.");
  }
  const answer = JSON.parse(await response.text(), exact);
  if (!response.ok) throw new Refused(answer.message);
  return answer;
}

// One text for an id, whatever its type: 1 and "1" are different.
export const key = (id) => JSON.stringify(id);
export const idText = (id) => (typeof id === "string" ? id : JSON.stringify(id));
export const name = (one) => one.title ?? idText(one.item);
