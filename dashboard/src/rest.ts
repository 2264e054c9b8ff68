/** The little that the page asks over HTTP: what it is given to connect with, and the list of channels. */

/** What a hub says to its own page before it connects. */
export interface Offer {
  readonly title: string;
  readonly mode: string;
  /** Whether one may come in without a credential. */
  readonly anonymous: boolean;
  /** Development on this machine only: for the page itself, and for the code that it offers to copy. */
  readonly token?: string;
  readonly viewer?: string;
}

export interface ChannelInfo {
  readonly name: string;
  readonly entries: number;
  readonly subscribers: number;
  readonly log: string;
  readonly rights: readonly string[];
}

/** Where the WebSocket of this page's hub is. */
export function socketUrl(): string {
  const url = new URL("ws", document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

export const askOffer = (): Promise<Offer> => ask("api/v1/page");

export async function askChannels(token: string | undefined): Promise<readonly ChannelInfo[]> {
  return (await ask<{ channels: readonly ChannelInfo[] }>("api/v1/channels", token)).channels;
}

/** `data` of the one form of answers; raises the sentence of its error. */
async function ask<T>(path: string, token?: string): Promise<T> {
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const response = await fetch(new URL(path, document.baseURI), { headers, signal: AbortSignal.timeout(5_000) });
  const answer = (await response.json()) as { success: boolean; data: T; error?: { message: string } };
  if (!answer.success) throw new Error(answer.error?.message ?? `HTTP ${response.status}`);
  return answer.data;
}
