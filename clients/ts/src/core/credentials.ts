/** Which credential the client holds, until when, and how often in a row it was refused. */

/** Why a credential is needed: the first one, the present one nears its end, or it was refused. */
export interface TokenRequest {
  readonly reason: "initial" | "expiring" | "rejected";
  readonly attempt: number;
}

/** A token is renewed when this share of its life is over (C15). */
const REFRESH_AT = 0.8;
/** A source that failed is asked again after this share of what is left. */
const ASK_AGAIN_AFTER = 0.5;

export class Credentials {
  rejections = 0;
  refreshAt: number | undefined;
  private expiresAt: number | undefined;
  private asked: TokenRequest | undefined;

  constructor(
    public token: string | undefined,
    readonly isRenewable: boolean,
  ) {}

  /** What to ask the source for before a connection is opened, if anything. */
  needed(now: number): TokenRequest | undefined {
    if (!this.isRenewable) return undefined;
    if (this.rejections) return this.ask("rejected");
    if (this.token === undefined) return this.ask("initial");
    return this.expiresAt !== undefined && now >= this.expiresAt ? this.ask("expiring") : undefined;
  }

  private ask(reason: TokenRequest["reason"]): TokenRequest {
    const attempt = this.asked?.reason === reason ? this.asked.attempt + 1 : 1;
    this.asked = { reason, attempt };
    return this.asked;
  }

  renewed(token: string): void {
    this.token = token;
    this.asked = this.expiresAt = this.refreshAt = undefined;
  }

  /** A `welcome` came: the credential is good, for that many seconds. */
  accepted(expiresIn: number | undefined, now: number): void {
    this.rejections = 0;
    const ends = (share: number) => (expiresIn === undefined ? undefined : now + share * expiresIn);
    this.expiresAt = ends(1);
    this.refreshAt = this.isRenewable ? ends(REFRESH_AT) : undefined;
  }

  /** The hub refused it. -> whether another one may be tried */
  rejected(): boolean {
    return ++this.rejections < 2 && this.isRenewable;
  }

  /** The renewal that is due now, if any; the next one, if this one fails, is set at the same time. */
  expiring(now: number): TokenRequest | undefined {
    if (this.refreshAt === undefined || now < this.refreshAt) return undefined;
    const left = (this.expiresAt ?? now) - now;
    this.refreshAt = left > 1 ? now + ASK_AGAIN_AFTER * left : undefined;
    return this.ask("expiring");
  }
}
