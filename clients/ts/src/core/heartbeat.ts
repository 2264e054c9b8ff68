/** Whether the hub is still there (H1, H2, H6): any bytes are a sign of life, silence asks, a silent answer is the end. */

export class Heartbeat {
  interval = 30;
  timeout = 10;
  private heardAt: number | undefined;
  private pingedAt: number | undefined;
  private patience = 0;

  /** A connection is open. */
  start(now: number): void {
    this.heardAt = now;
    this.pingedAt = undefined;
  }

  heard(at: number): void {
    if (this.heardAt === undefined || at < this.heardAt) return;
    this.heardAt = at;
    if (this.pingedAt !== undefined && at > this.pingedAt) this.pingedAt = undefined;
  }

  /** The answer to a ping that is sent now is awaited for so many seconds. */
  ping(now: number, patience: number): void {
    this.pingedAt = now;
    this.patience = patience;
  }

  /** When to look again. */
  deadline(): number | undefined {
    if (this.pingedAt !== undefined) return this.pingedAt + this.patience;
    return this.heardAt === undefined ? undefined : this.heardAt + this.interval;
  }

  /** Whether to `ping` now, or whether the connection is `dead`. */
  expired(now: number): "ping" | "dead" | undefined {
    const at = this.deadline();
    if (at === undefined || now < at) return undefined;
    if (this.pingedAt !== undefined) return "dead";
    this.ping(now, this.timeout);
    return "ping";
  }
}
