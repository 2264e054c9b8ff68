/** Elements by id, and new ones: text is always text, there is no way from here to markup. */

export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html: expected an element #${id}`);
  return found as E;
}

export function within<E extends HTMLElement = HTMLElement>(parent: HTMLElement, selector: string): E {
  const found = parent.querySelector<E>(selector);
  if (!found) throw new Error(`index.html: expected ${selector} within #${parent.id}`);
  return found;
}

/** A new element with a class and what is in it. */
export function make(tag: string, name = "", ...inside: (string | Node)[]): HTMLElement {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...inside);
  return element;
}

/** Set a text, where it is another than before: nothing is laid out, or read aloud, for nothing. */
export function say(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
