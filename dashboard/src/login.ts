/** The box where a person gives a token: in production, and where the hub has refused the last one. */

import { byId, say } from "./dom.js";

export interface Login {
  open(isAnonymousAllowed: boolean, error: string): void;
  close(): void;
}

export function wireLogin(connect: (credential?: string) => void): Login {
  const box = byId<HTMLInputElement>("token");
  const show = (isOpen: boolean): void => {
    byId("login").hidden = !isOpen;
    byId("board").hidden = isOpen;
  };
  let isPersonal = false;
  byId("login-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const credential = box.value.trim();
    if (!credential) return;
    isPersonal = true;
    say(byId("login-error"), "");
    connect(credential);
  });
  byId("anonymous").addEventListener("click", () => {
    isPersonal = true;
    connect();
  });
  return {
    open(isAnonymousAllowed, error) {
      byId("anonymous").hidden = !isAnonymousAllowed;
      byId("leave").hidden = true;
      say(byId("login-error"), error);
      show(true);
      box.focus();
    },
    close() {
      box.value = "";
      byId("leave").hidden = !isPersonal;
      show(false);
    },
  };
}
