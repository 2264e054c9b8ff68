/** Timers that ring in time in a background tab, where those of the page are held back; loaded with `heartbeatWorker`. */

const SOURCE = `const timers = new Map();
onmessage = ({ data: [id, wait] }) => {
  clearTimeout(timers.get(id));
  timers.delete(id);
  if (wait !== undefined) timers.set(id, setTimeout(() => { timers.delete(id); postMessage(id); }, wait));
};`;

interface Timers {
  set(ring: () => void, wait: number): unknown;
  clear(timer: unknown): void;
}

let shared: Timers | undefined;

/** One worker for all clients of a page; where a policy forbids it, the page's own timers go on. */
export function timers(): Timers | undefined {
  if (typeof Worker === "undefined" || typeof Blob === "undefined") return undefined;
  shared ??= start();
  return shared;
}

function start(): Timers {
  const url = URL.createObjectURL(new Blob([SOURCE], { type: "text/javascript" }));
  const worker = new Worker(url);
  const rings = new Map<number, () => void>();
  let last = 0;
  worker.onmessage = ({ data: id }: MessageEvent<number>) => {
    const ring = rings.get(id);
    rings.delete(id);
    ring?.();
  };
  worker.onerror = () => {
    // A content security policy without `blob:`: what waits rings by the page's timers.
    for (const [id, ring] of rings) setTimeout(() => rings.delete(id) && ring(), 1000);
    timersOf.set = (ring, wait) => setTimeout(ring, wait);
    timersOf.clear = (timer) => clearTimeout(timer as number);
  };
  const timersOf: Timers = {
    set: (ring, wait) => {
      rings.set(++last, ring);
      worker.postMessage([last, wait]);
      return last;
    },
    clear: (timer) => {
      if (rings.delete(timer as number)) worker.postMessage([timer]);
    },
  };
  return { set: (ring, wait) => timersOf.set(ring, wait), clear: (timer) => timersOf.clear(timer) };
}
